// Inner loops of logistic regression on padded float rows with sums in double. `ld` is a multiple of 16. Results depend on the input and
// the instruction set only (plain x86-64 or AVX2 with FMA, chosen at run time).
#pragma once

#include <cstdint>

namespace attune::people {

/// out[r] = sum_k rows[r][k] x[k]. rows [count, ld], x [ld] (0 in the padding).
void logistic_scores(const float* rows, int64_t count, int ld, const double* x, double* out) noexcept;
/// out[k] += sum_r c[r] rows[r][k].
void logistic_combine(const float* rows, int64_t count, int ld, const double* c, double* out) noexcept;
/// to_a += h (a - b), to_b -= h (a - b), rows of ld floats; to_a and to_b are distinct.
void logistic_add_difference(const float* a, const float* b, float h, int ld, float* to_a, float* to_b) noexcept;

}  // namespace attune::people
