// Plain loops over GNU vector types, compiled twice by target attribute (no intrinsics); CMake sets -O3 and allows FMA in this file only.
#include "people/als_kernels_internal.h"

#include <cmath>
#include <cstring>

#include "people/wide_internal.h"

namespace attune::people {
namespace {

using Lanes = float __attribute__((vector_size(32)));  // 8 floats
using Unaligned = float __attribute__((vector_size(32), aligned(4), may_alias));
constexpr int kTileRows = 4;

ATTUNE_INLINE Unaligned& lanes_at(float* p) { return *reinterpret_cast<Unaligned*>(p); }
ATTUNE_INLINE const Unaligned& lanes_at(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }

/// Adds sign * (sum of row pairs) to one row of a tile.
ATTUNE_INLINE void add_pair(float* target, const Lanes& left, const Lanes& right, float sign) {
  lanes_at(target) += sign * left;
  lanes_at(target + 8) += sign * right;
}

/// Tile of 4 x 16: eight named sums, so that they stay in registers.
ATTUNE_INLINE void add_tile(const float* rows, const float* scaled, int count, int ld, int i0, int j0, float* a, float sign) {
  Lanes s00{}, s01{}, s10{}, s11{}, s20{}, s21{}, s30{}, s31{};
  const float* right = rows + j0;
  const float* left = scaled + i0;
  for (int r = 0; r < count; ++r, right += ld, left += ld) {
    const Lanes x = lanes_at(right);
    const Lanes y = lanes_at(right + 8);
    s00 += left[0] * x;
    s01 += left[0] * y;
    s10 += left[1] * x;
    s11 += left[1] * y;
    s20 += left[2] * x;
    s21 += left[2] * y;
    s30 += left[3] * x;
    s31 += left[3] * y;
  }
  float* target = a + static_cast<int64_t>(i0) * ld + j0;
  add_pair(target, s00, s01, sign);
  add_pair(target + ld, s10, s11, sign);
  add_pair(target + 2 * ld, s20, s21, sign);
  add_pair(target + 3 * ld, s30, s31, sign);
}

ATTUNE_INLINE void add_gram_body(const float* rows, const float* scaled, int count, int ld, int begin, float* a, float sign) {
  for (int j0 = begin; j0 < ld; j0 += kAlsLanes) {
    for (int i0 = begin; i0 < j0 + kAlsLanes; i0 += kTileRows) add_tile(rows, scaled, count, ld, i0, j0, a, sign);
  }
}

ATTUNE_INLINE void axpy_body(float s, const float* y, float* x, int n) {
  for (int i = 0; i < n; ++i) x[i] += s * y[i];
}

/// Factors rows [k0, k0 + 16) over all columns to their right.
ATTUNE_INLINE bool factor_block_row(float* a, int ld, int k0) {
  for (int k = k0; k < k0 + kAlsLanes; ++k) {
    float* row = a + static_cast<int64_t>(k) * ld;
    const float pivot = row[k];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    const float root = std::sqrt(pivot);
    const float inverse = 1 / root;
    row[k] = root;
    for (int j = k + 1; j < ld; ++j) row[j] *= inverse;
    for (int i = k + 1; i < k0 + kAlsLanes; ++i) axpy_body(-row[i], row + i, a + static_cast<int64_t>(i) * ld + i, ld - i);
  }
  return true;
}

ATTUNE_INLINE bool cholesky_body(float* a, int ld, float* scratch) {
  for (int k0 = 0; k0 < ld; k0 += kAlsLanes) {
    if (!factor_block_row(a, ld, k0)) return false;
    const int next = k0 + kAlsLanes;
    if (next == ld) break;
    std::memcpy(scratch, a + static_cast<int64_t>(k0) * ld, sizeof(float) * kAlsLanes * static_cast<size_t>(ld));
    add_gram_body(scratch, scratch, kAlsLanes, ld, next, a, -1.0f);
  }
  return true;
}

/// Eight partial sums, then a fixed tree, then the rest in order.
ATTUNE_INLINE float dot_body(const float* a, const float* b, int n) {
  Lanes sum{};
  int k = 0;
  for (; k + 8 <= n; k += 8) sum += lanes_at(a + k) * lanes_at(b + k);
  float total = ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
  for (; k < n; ++k) total += a[k] * b[k];
  return total;
}

/// padded = row with zeros up to ld; x += amount * padded.
ATTUNE_INLINE void add_row_body(const float* row, int d, int ld, float amount, float* padded, float* x) {
  for (int k = 0; k < d; ++k) {
    padded[k] = row[k];
    x[k] += amount * row[k];
  }
  for (int k = d; k < ld; ++k) padded[k] = 0;
}

ATTUNE_INLINE void scale_body(float s, const float* from, float* to, int n) {
  for (int i = 0; i < n; ++i) to[i] = s * from[i];
}

/// out = (ridge I + w0 G) x + sum of (weight - w0) (q . x) q; with `residual` instead of that: b - that.
ATTUNE_INLINE void apply_body(const AlsSystem& s, const float* x, float* out, bool residual) {
  const float sign = residual ? -1.0f : 1.0f;
  if (s.w0 != 0) {
    for (int i = 0; i < s.d; ++i) out[i] = sign * s.w0 * dot_body(s.gram + static_cast<int64_t>(i) * s.ld, x, s.d);
  } else {
    for (int i = 0; i < s.d; ++i) out[i] = 0;
  }
  axpy_body(sign * s.ridge, x, out, s.d);
  for (int64_t n = 0; n < s.count; ++n) {
    const AlsEntry& entry = s.entries[n];
    const float* q = s.factors + static_cast<int64_t>(entry.column) * s.d;
    const float amount = sign * (entry.weight - s.w0) * dot_body(q, x, s.d) + (residual ? entry.weight * entry.target : 0.0f);
    axpy_body(amount, q, out, s.d);
  }
}

ATTUNE_INLINE void cg_body(const AlsSystem& s, int steps, float* x, float* scratch) {
  float* r = scratch;
  float* p = scratch + s.ld;
  float* ap = scratch + 2 * s.ld;
  apply_body(s, x, r, true);
  for (int i = 0; i < s.d; ++i) p[i] = r[i];
  float norm = dot_body(r, r, s.d);
  for (int step = 0; step < steps && norm > 1e-20f; ++step) {
    apply_body(s, p, ap, false);
    const float alpha = norm / dot_body(p, ap, s.d);
    axpy_body(alpha, p, x, s.d);
    axpy_body(-alpha, ap, r, s.d);
    const float next = dot_body(r, r, s.d);
    const float beta = next / norm;
    for (int i = 0; i < s.d; ++i) p[i] = r[i] + beta * p[i];
    norm = next;
  }
}

ATTUNE_INLINE void solve_body(const float* u, int ld, float* x) {
  for (int k = 0; k < ld; ++k) {  // U'y = x
    const float* row = u + static_cast<int64_t>(k) * ld;
    x[k] /= row[k];
    axpy_body(-x[k], row + k + 1, x + k + 1, ld - k - 1);
  }
  for (int k = ld - 1; k >= 0; --k) {  // U x = y
    const float* row = u + static_cast<int64_t>(k) * ld;
    x[k] = (x[k] - dot_body(row + k + 1, x + k + 1, ld - k - 1)) / row[k];
  }
}

ATTUNE_INLINE void scores_body(const float* rows, int64_t count, int d, const float* x, float* out) {
  for (int64_t r = 0; r < count; ++r) out[r] = dot_body(rows + r * d, x, d);
}

#ifdef ATTUNE_WIDE
ATTUNE_WIDE void add_gram_wide(const float* rows, const float* scaled, int count, int ld, float factor, float* a) {
  add_gram_body(rows, scaled, count, ld, 0, a, factor);
}
ATTUNE_WIDE void scale_wide(float s, const float* from, float* to, int n) { scale_body(s, from, to, n); }
ATTUNE_WIDE void cg_wide(const AlsSystem& s, int steps, float* x, float* scratch) { cg_body(s, steps, x, scratch); }
ATTUNE_WIDE void add_row_wide(const float* row, int d, int ld, float amount, float* padded, float* x) {
  add_row_body(row, d, ld, amount, padded, x);
}
ATTUNE_WIDE bool cholesky_wide(float* a, int ld, float* scratch) { return cholesky_body(a, ld, scratch); }
ATTUNE_WIDE void solve_wide(const float* u, int ld, float* x) { solve_body(u, ld, x); }
ATTUNE_WIDE void scores_wide(const float* rows, int64_t count, int d, const float* x, float* out) { scores_body(rows, count, d, x, out); }
#endif

}  // namespace

void als_add_gram(const float* rows, const float* scaled, int count, int ld, float factor, float* a) noexcept {
  ATTUNE_DISPATCH(add_gram_wide(rows, scaled, count, ld, factor, a));
  add_gram_body(rows, scaled, count, ld, 0, a, factor);
}

void als_scale(float s, const float* from, float* to, int n) noexcept {
  ATTUNE_DISPATCH(scale_wide(s, from, to, n));
  scale_body(s, from, to, n);
}

void als_conjugate_gradient(const AlsSystem& system, int steps, float* x, float* scratch) noexcept {
  ATTUNE_DISPATCH(cg_wide(system, steps, x, scratch));
  cg_body(system, steps, x, scratch);
}

void als_add_row(const float* row, int d, int ld, float amount, float* padded, float* x) noexcept {
  ATTUNE_DISPATCH(add_row_wide(row, d, ld, amount, padded, x));
  add_row_body(row, d, ld, amount, padded, x);
}

bool als_cholesky(float* a, int ld, float* scratch) noexcept {
  ATTUNE_DISPATCH(cholesky_wide(a, ld, scratch));
  return cholesky_body(a, ld, scratch);
}

void als_solve(const float* u, int ld, float* x) noexcept {
  ATTUNE_DISPATCH(solve_wide(u, ld, x));
  solve_body(u, ld, x);
}

void als_scores(const float* rows, int64_t count, int d, const float* x, float* out) noexcept {
  ATTUNE_DISPATCH(scores_wide(rows, count, d, x, out));
  scores_body(rows, count, d, x, out);
}

}  // namespace attune::people
