// Plain loops over GNU vector types, compiled twice by target attribute (no intrinsics); CMake sets -O3 and allows FMA in this file.
#include "people/logistic_kernels_internal.h"

#include "people/wide_internal.h"

namespace attune::people {
namespace {

using Float4 = float __attribute__((vector_size(16), aligned(4), may_alias));
using Float8 = float __attribute__((vector_size(32), aligned(4), may_alias));
using Double4 = double __attribute__((vector_size(32), aligned(8), may_alias));
using Sum4 = double __attribute__((vector_size(32)));

// A macro: a function that returns such a vector would change the calling convention.
#define ATTUNE_WIDE_AT(p) __builtin_convertvector(*reinterpret_cast<const Float4*>(p), Sum4)

ATTUNE_INLINE void scores_body(const float* rows, int64_t count, int ld, const double* x, double* out) {
  for (int64_t r = 0; r < count; ++r) {
    const float* row = rows + r * ld;
    Sum4 s0{}, s1{}, s2{}, s3{};
    for (int k = 0; k < ld; k += 16) {
      s0 += ATTUNE_WIDE_AT(row + k) * *reinterpret_cast<const Double4*>(x + k);
      s1 += ATTUNE_WIDE_AT(row + k + 4) * *reinterpret_cast<const Double4*>(x + k + 4);
      s2 += ATTUNE_WIDE_AT(row + k + 8) * *reinterpret_cast<const Double4*>(x + k + 8);
      s3 += ATTUNE_WIDE_AT(row + k + 12) * *reinterpret_cast<const Double4*>(x + k + 12);
    }
    const Sum4 s = (s0 + s1) + (s2 + s3);
    out[r] = (s[0] + s[1]) + (s[2] + s[3]);
  }
}

ATTUNE_INLINE void combine_body(const float* rows, int64_t count, int ld, const double* c, double* out) {
  for (int64_t r = 0; r < count; ++r) {
    const float* row = rows + r * ld;
    for (int k = 0; k < ld; k += 4) *reinterpret_cast<Double4*>(out + k) += c[r] * ATTUNE_WIDE_AT(row + k);
  }
}

ATTUNE_INLINE void add_difference_body(const float* a, const float* b, float h, int ld, float* to_a, float* to_b) {
  for (int k = 0; k < ld; k += 8) {
    const Float8 x = h * (*reinterpret_cast<const Float8*>(a + k) - *reinterpret_cast<const Float8*>(b + k));
    *reinterpret_cast<Float8*>(to_a + k) += x;
    *reinterpret_cast<Float8*>(to_b + k) -= x;
  }
}

#ifdef ATTUNE_WIDE
ATTUNE_WIDE void scores_wide(const float* rows, int64_t count, int ld, const double* x, double* out) {
  scores_body(rows, count, ld, x, out);
}
ATTUNE_WIDE void combine_wide(const float* rows, int64_t count, int ld, const double* c, double* out) {
  combine_body(rows, count, ld, c, out);
}
ATTUNE_WIDE void add_difference_wide(const float* a, const float* b, float h, int ld, float* to_a, float* to_b) {
  add_difference_body(a, b, h, ld, to_a, to_b);
}
#endif

}  // namespace

void logistic_scores(const float* rows, int64_t count, int ld, const double* x, double* out) noexcept {
  ATTUNE_DISPATCH(scores_wide(rows, count, ld, x, out));
  scores_body(rows, count, ld, x, out);
}

void logistic_combine(const float* rows, int64_t count, int ld, const double* c, double* out) noexcept {
  ATTUNE_DISPATCH(combine_wide(rows, count, ld, c, out));
  combine_body(rows, count, ld, c, out);
}

void logistic_add_difference(const float* a, const float* b, float h, int ld, float* to_a, float* to_b) noexcept {
  ATTUNE_DISPATCH(add_difference_wide(a, b, h, ld, to_a, to_b));
  add_difference_body(a, b, h, ld, to_a, to_b);
}

}  // namespace attune::people
