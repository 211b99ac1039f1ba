// Plain loops over GNU vector types, compiled twice by target attribute (no intrinsics); CMake sets -O3 and allows FMA in this file only.
#include "people/als_kernels_internal.h"

#include <cmath>
#include <cstring>

namespace attune::people {
namespace {

#define ATTUNE_INLINE __attribute__((always_inline)) inline
using Lanes = float __attribute__((vector_size(32)));  // 8 floats
constexpr int kTileRows = 4;

ATTUNE_INLINE void add_tile(const float* rows, const float* scaled, int count, int ld, int i0, int j0, float* a, float sign) {
  Lanes sum[kTileRows][2] = {};
  for (int r = 0; r < count; ++r) {
    Lanes right[2];
    std::memcpy(right, rows + static_cast<int64_t>(r) * ld + j0, sizeof(right));
    const float* left = scaled + static_cast<int64_t>(r) * ld + i0;
    for (int i = 0; i < kTileRows; ++i) {
      const Lanes x = left[i] - Lanes{};
      sum[i][0] += x * right[0];
      sum[i][1] += x * right[1];
    }
  }
  for (int i = 0; i < kTileRows; ++i) {
    float* target = a + static_cast<int64_t>(i0 + i) * ld + j0;
    Lanes old[2];
    std::memcpy(old, target, sizeof(old));
    old[0] += sign * sum[i][0];
    old[1] += sign * sum[i][1];
    std::memcpy(target, old, sizeof(old));
  }
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

ATTUNE_INLINE void solve_body(const float* u, int ld, float* x) {
  for (int k = 0; k < ld; ++k) {  // U'y = x
    const float* row = u + static_cast<int64_t>(k) * ld;
    x[k] /= row[k];
    axpy_body(-x[k], row + k + 1, x + k + 1, ld - k - 1);
  }
  for (int k = ld - 1; k >= 0; --k) {  // U x = y
    const float* row = u + static_cast<int64_t>(k) * ld;
    float sum = x[k];
    for (int j = k + 1; j < ld; ++j) sum -= row[j] * x[j];
    x[k] = sum / row[k];
  }
}

ATTUNE_INLINE void scores_body(const float* rows, int64_t count, int d, const float* x, float* out) {
  for (int64_t r = 0; r < count; ++r) {
    const float* row = rows + r * d;
    Lanes sum{};
    int k = 0;
    for (; k + 8 <= d; k += 8) {
      Lanes a;
      Lanes b;
      std::memcpy(&a, row + k, sizeof(a));
      std::memcpy(&b, x + k, sizeof(b));
      sum += a * b;
    }
    float total = ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
    for (; k < d; ++k) total += row[k] * x[k];
    out[r] = total;
  }
}

#ifdef __x86_64__
#define ATTUNE_WIDE __attribute__((target("avx2,fma")))
ATTUNE_WIDE void add_gram_wide(const float* rows, const float* scaled, int count, int ld, int begin, float* a) {
  add_gram_body(rows, scaled, count, ld, begin, a, 1.0f);
}
ATTUNE_WIDE void axpy_wide(float s, const float* y, float* x, int n) { axpy_body(s, y, x, n); }
ATTUNE_WIDE bool cholesky_wide(float* a, int ld, float* scratch) { return cholesky_body(a, ld, scratch); }
ATTUNE_WIDE void solve_wide(const float* u, int ld, float* x) { solve_body(u, ld, x); }
ATTUNE_WIDE void scores_wide(const float* rows, int64_t count, int d, const float* x, float* out) { scores_body(rows, count, d, x, out); }

bool has_wide() noexcept {
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has;
}
#define ATTUNE_DISPATCH(call) \
  if (has_wide()) return call
#else
#define ATTUNE_DISPATCH(call)
#endif

}  // namespace

void als_add_gram(const float* rows, const float* scaled, int count, int ld, int begin, float* a) noexcept {
  ATTUNE_DISPATCH(add_gram_wide(rows, scaled, count, ld, begin, a));
  add_gram_body(rows, scaled, count, ld, begin, a, 1.0f);
}

void als_axpy(float s, const float* y, float* x, int n) noexcept {
  ATTUNE_DISPATCH(axpy_wide(s, y, x, n));
  axpy_body(s, y, x, n);
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
