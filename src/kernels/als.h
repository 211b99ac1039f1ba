// Dense pieces of one ALS row in float: weighted Gram accumulation and a blocked Cholesky solve.
//
// Matrices are row-major with leading dimension `ld`, a multiple of kAlsLanes; only the upper triangle is read or written (whole tiles of
// 4 x 16 that touch it). Coordinates above the rank are padding: zero in the rows, one on the diagonal, so that they solve to zero.
// One fixed order of additions per matrix: results depend on the input and the instruction set (plain, AVX2 with FMA, or AVX-512, the best that
// the machine runs), never on threads or addresses. The text of the loops is als/als-inl.h.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace attune::kernels {

inline constexpr int kAlsLanes = 16;
inline constexpr int kAlsPanelRows = 128;  ///< rows gathered before a Gram update

constexpr int als_padded(int rank) noexcept { return (rank + kAlsLanes - 1) / kAlsLanes * kAlsLanes; }

/// A rating as the solver sees it.
struct AlsEntry {
  int32_t column = 0;  ///< row of the other side
  float target = 0;
  float weight = 1;
};

/// a[i][j] += factor * sum_r scaled[r][i] * rows[r][j] for the upper triangle. rows, scaled: [count, ld]; scaled may be rows.
void als_add_gram(const float* rows, const float* scaled, int count, int ld, float factor, float* a) noexcept;

/// to = s * from, n elements; from may be to.
void als_scale(float s, const float* from, float* to, int n) noexcept;

/// padded [ld] = row [d] and zeros; x [ld] += amount * padded.
void als_add_row(const float* row, int d, int ld, float amount, float* padded, float* x) noexcept;

/// The system of one row: A = w0 gram + sum (weight - w0) q q' + ridge I, b = sum weight target q. `gram` [ld, ld] full (both triangles),
/// `factors` [., d].
struct AlsSystem {
  const float* gram;
  const float* factors;
  const AlsEntry* entries;
  int64_t count;
  int d;
  int ld;
  float w0;
  float ridge;
};

/// x [d]: `steps` steps of conjugate gradients on A x = b from x. Never raises the row's loss beyond rounding. scratch [3, ld].
/// O(steps (count d + d^2)).
void als_conjugate_gradient(const AlsSystem& system, int steps, float* x, float* scratch) noexcept;

/// In place a = U'U of the upper triangle. False if a pivot is not positive (or not finite); `a` is then spoilt.
bool als_cholesky(float* a, int ld) noexcept;
/// x = (U'U)^-1 x.
void als_solve(const float* u, int ld, float* x) noexcept;

/// out[r] = sum_k rows[r][k] * x[k] for r in [0, count), rows [count, d] without padding.
void als_scores(const float* rows, int64_t count, int d, const float* x, float* out) noexcept;

/// The functions above in the instructions of one level.
struct AlsKernels {
  void (*add_gram)(const float* rows, const float* scaled, int count, int ld, float factor, float* a) noexcept;
  void (*scale)(float s, const float* from, float* to, int n) noexcept;
  void (*add_row)(const float* row, int d, int ld, float amount, float* padded, float* x) noexcept;
  void (*conjugate_gradient)(const AlsSystem& system, int steps, float* x, float* scratch) noexcept;
  bool (*cholesky)(float* a, int ld) noexcept;
  void (*solve)(const float* u, int ld, float* x) noexcept;
  void (*scores)(const float* rows, int64_t count, int d, const float* x, float* out) noexcept;
};
/// The functions of a level that this machine runs (kernels.h).
const AlsKernels& als_kernels_of(Isa isa) noexcept;

}  // namespace attune::kernels
