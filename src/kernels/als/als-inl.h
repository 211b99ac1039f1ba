// Kernel text of ALS rows: plain loops over GNU vector types (no intrinsics), compiled once for each instruction set.
//
// The including file defines ATTUNE_ALS_LEVEL (a namespace) and ATTUNE_ALS_LANES (floats of a register: 4, 8 or 16); CMake gives it the flags. The
// functions are those of kernels/als.h. Nothing of the standard library with code of its own is used here, so that no function
// compiled for a newer processor can be linked in elsewhere.
#pragma once

#include <cstring>
#include <utility>

#include "kernels/als.h"

namespace attune::kernels::ATTUNE_ALS_LEVEL {
namespace {

#define ATTUNE_INLINE __attribute__((always_inline)) inline
#define ATTUNE_LAMBDA __attribute__((always_inline))
constexpr int kWidth = ATTUNE_ALS_LANES;
using Lanes = float __attribute__((vector_size(kWidth * 4)));
using Unaligned = float __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
using Four = float __attribute__((vector_size(16)));
using UnalignedFour = float __attribute__((vector_size(16), aligned(4), may_alias));

ATTUNE_INLINE Lanes load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
ATTUNE_INLINE void store(float* p, Lanes v) { *reinterpret_cast<Unaligned*>(p) = v; }

template <class F, int... I>
ATTUNE_INLINE void unroll_over(F& f, std::integer_sequence<int, I...>) {
  (f(std::integral_constant<int, I>{}), ...);
}
/// f(0), ..., f(N - 1) with constant arguments, so that arrays of vectors stay in registers.
template <int N, class F>
ATTUNE_INLINE void unroll(F f) {
  unroll_over(f, std::make_integer_sequence<int, N>{});
}

/// Half as many lanes, then a quarter: sums of a fixed tree.
ATTUNE_INLINE Four fold(Lanes v) {
#if ATTUNE_ALS_LANES == 16
  using Eight = float __attribute__((vector_size(32)));
  const Eight half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif ATTUNE_ALS_LANES == 8
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
  return v;
#endif
}

/// Sums of the lanes of four vectors, as a fixed tree.
ATTUNE_INLINE Four sums_of_four(Lanes a, Lanes b, Lanes c, Lanes d) {
  const Four x = fold(a), y = fold(b), z = fold(c), w = fold(d);
  const Four xy = __builtin_shufflevector(x, y, 0, 2, 4, 6) + __builtin_shufflevector(x, y, 1, 3, 5, 7);
  const Four zw = __builtin_shufflevector(z, w, 0, 2, 4, 6) + __builtin_shufflevector(z, w, 1, 3, 5, 7);
  return __builtin_shufflevector(xy, zw, 0, 2, 4, 6) + __builtin_shufflevector(xy, zw, 1, 3, 5, 7);
}

/// Partial sums in lanes, then a fixed tree, then the rest in order.
ATTUNE_INLINE float dot(const float* a, const float* b, int n) {
  Lanes sum{};
  int k = 0;
  for (; k + kWidth <= n; k += kWidth) sum += load(a + k) * load(b + k);
  Four folded = fold(sum);
  for (; k + 4 <= n; k += 4) folded += *reinterpret_cast<const UnalignedFour*>(a + k) * *reinterpret_cast<const UnalignedFour*>(b + k);
  float total = (folded[0] + folded[2]) + (folded[1] + folded[3]);
  for (; k < n; ++k) total += a[k] * b[k];
  return total;
}

/// x += s y.
ATTUNE_INLINE void axpy(float s, const float* y, float* x, int n) {
  int k = 0;
  for (; k + kWidth <= n; k += kWidth) store(x + k, load(x + k) + s * load(y + k));
  for (; k < n; ++k) x[k] += s * y[k];
}

constexpr int kTileRows = kWidth == 16 ? 16 : kWidth / 2;  // of 32 or 16 registers
constexpr int kTileVectors = kAlsLanes / kWidth;

/// Tile of kTileRows x 16: all sums stay in registers.
ATTUNE_INLINE void add_tile(const float* rows, const float* scaled, int count, int ld, int i0, int j0, float* a, float sign) {
  Lanes sums[kTileRows * kTileVectors] = {};
  const float* right = rows + j0;
  const float* left = scaled + i0;
  for (int r = 0; r < count; ++r, right += ld, left += ld) {
    Lanes x[kTileVectors];
    unroll<kTileVectors>([&](auto v) ATTUNE_LAMBDA { x[v] = load(right + v * kWidth); });
    unroll<kTileRows>(
        [&](auto i) ATTUNE_LAMBDA { unroll<kTileVectors>([&](auto v) ATTUNE_LAMBDA { sums[i * kTileVectors + v] += left[i] * x[v]; }); });
  }
  float* target = a + static_cast<int64_t>(i0) * ld + j0;
  unroll<kTileRows>([&](auto i) ATTUNE_LAMBDA {
    unroll<kTileVectors>([&](auto v) ATTUNE_LAMBDA {
      float* p = target + static_cast<int64_t>(i) * ld + v * kWidth;
      store(p, load(p) + sign * sums[i * kTileVectors + v]);
    });
  });
}

ATTUNE_INLINE void add_gram_from(const float* rows, const float* scaled, int count, int ld, int begin, float* a, float sign) {
  for (int j0 = begin; j0 < ld; j0 += kAlsLanes) {
    for (int i0 = begin; i0 < j0 + kAlsLanes; i0 += kTileRows) add_tile(rows, scaled, count, ld, i0, j0, a, sign);
  }
}

bool good_pivot(float pivot) { return pivot > 0 && pivot <= 3.4028234e38f; }

#if ATTUNE_ALS_LANES < 16
/// Factors rows [k0, k0 + 16) over all columns to their right, row by row.
ATTUNE_INLINE bool factor_block(float* a, int ld, int k0) {
  for (int k = k0; k < k0 + kAlsLanes; ++k) {
    float* row = a + static_cast<int64_t>(k) * ld;
    const float pivot = row[k];
    if (!good_pivot(pivot)) return false;
    const float root = __builtin_sqrtf(pivot);
    const float inverse = 1 / root;
    row[k] = root;
    for (int j = k + 1; j < ld; ++j) row[j] *= inverse;
    for (int i = k + 1; i < k0 + kAlsLanes; ++i) axpy(-row[i], row + i, a + static_cast<int64_t>(i) * ld + i, ld - i);
  }
  return true;
}

#else
/// The 16 x 16 block on the diagonal, one register a row; below the diagonal it is set to zero. inverse [16] = 1 / pivots.
ATTUNE_INLINE bool factor_diagonal(float* a, int ld, float* inverse) {
  Lanes r[kAlsLanes];
  bool good = true;
  unroll<kAlsLanes>([&](auto i) ATTUNE_LAMBDA { r[i] = load(a + static_cast<int64_t>(i) * ld); });
  unroll<kAlsLanes>([&](auto k) ATTUNE_LAMBDA {
    constexpr int kLane = k;
    const float pivot = r[k][kLane];
    good = good && good_pivot(pivot);
    inverse[k] = 1 / __builtin_sqrtf(pivot);
    r[k] *= inverse[k];
    unroll<kAlsLanes>([&](auto i) ATTUNE_LAMBDA {
      constexpr int kRow = i;
      if constexpr (kRow > kLane) r[i] -= r[k][kRow] * r[k];
    });
  });
  unroll<kAlsLanes>([&](auto i) ATTUNE_LAMBDA {
    float* row = a + static_cast<int64_t>(i) * ld;
    store(row, r[i]);
    for (int j = 0; j < i; ++j) row[j] = 0;
  });
  return good;
}

/// The 16 columns at `chunk` of the block row whose diagonal block is `diagonal`.
ATTUNE_INLINE void factor_chunk(float* chunk, const float* diagonal, int ld, const float* inverse) {
  Lanes r[kAlsLanes];
  unroll<kAlsLanes>([&](auto i) ATTUNE_LAMBDA { r[i] = load(chunk + static_cast<int64_t>(i) * ld); });
  unroll<kAlsLanes>([&](auto k) ATTUNE_LAMBDA {
    r[k] *= inverse[k];
    unroll<kAlsLanes>([&](auto i) ATTUNE_LAMBDA {
      if constexpr (int{i} > int{k}) r[i] -= diagonal[static_cast<int64_t>(k) * ld + i] * r[k];
    });
  });
  unroll<kAlsLanes>([&](auto i) ATTUNE_LAMBDA { store(chunk + static_cast<int64_t>(i) * ld, r[i]); });
}

/// Factors rows [k0, k0 + 16) over all columns to their right, 16 x 16 at a time in registers.
ATTUNE_INLINE bool factor_block(float* a, int ld, int k0) {
  float* block_row = a + static_cast<int64_t>(k0) * ld;
  float inverse[kAlsLanes];
  if (!factor_diagonal(block_row + k0, ld, inverse)) return false;
  for (int j0 = k0 + kAlsLanes; j0 < ld; j0 += kAlsLanes) factor_chunk(block_row + j0, block_row + k0, ld, inverse);
  return true;
}
#endif

bool cholesky(float* a, int ld) noexcept {
  for (int k0 = 0; k0 < ld; k0 += kAlsLanes) {
    if (!factor_block(a, ld, k0)) return false;
    const float* block_row = a + static_cast<int64_t>(k0) * ld;
    add_gram_from(block_row, block_row, kAlsLanes, ld, k0 + kAlsLanes, a, -1.0f);
  }
  return true;
}

void solve(const float* u, int ld, float* x) noexcept {
  for (int k0 = 0; k0 < ld; k0 += kAlsLanes) {  // U'y = x, by blocks
    const float* block_row = u + static_cast<int64_t>(k0) * ld;
    for (int k = 0; k < kAlsLanes; ++k) {
      const float* row = block_row + static_cast<int64_t>(k) * ld + k0;
      x[k0 + k] /= row[k];
      for (int j = k + 1; j < kAlsLanes; ++j) x[k0 + j] -= x[k0 + k] * row[j];
    }
    for (int j0 = k0 + kAlsLanes; j0 < ld; j0 += kWidth) {
      Lanes sum = load(x + j0);
      unroll<kAlsLanes>([&](auto k) ATTUNE_LAMBDA { sum -= x[k0 + k] * load(block_row + static_cast<int64_t>(k) * ld + j0); });
      store(x + j0, sum);
    }
  }
  for (int k0 = ld - kAlsLanes; k0 >= 0; k0 -= kAlsLanes) {  // U x = y
    const float* block_row = u + static_cast<int64_t>(k0) * ld;
    const int next = k0 + kAlsLanes;
    for (int k = kAlsLanes - 1; k >= 0; --k) {
      const float* row = block_row + static_cast<int64_t>(k) * ld;
      float sum = x[k0 + k] - dot(row + next, x + next, ld - next);
      for (int j = k + 1; j < kAlsLanes; ++j) sum -= row[k0 + j] * x[k0 + j];
      x[k0 + k] = sum / row[k0 + k];
    }
  }
}

/// padded = row with zeros up to ld; x += amount * padded.
void add_row(const float* row, int d, int ld, float amount, float* padded, float* x) noexcept {
  int k = 0;
  for (; k + kWidth <= d; k += kWidth) {
    const Lanes v = load(row + k);
    store(padded + k, v);
    store(x + k, load(x + k) + amount * v);
  }
  for (; k < d; ++k) {
    padded[k] = row[k];
    x[k] += amount * row[k];
  }
  for (; k < ld; ++k) padded[k] = 0;
}

void scale(float s, const float* from, float* to, int n) noexcept {
  int k = 0;
  for (; k + kWidth <= n; k += kWidth) store(to + k, s * load(from + k));
  for (; k < n; ++k) to[k] = s * from[k];
}

void add_gram(const float* rows, const float* scaled, int count, int ld, float factor, float* a) noexcept {
  add_gram_from(rows, scaled, count, ld, 0, a, factor);
}

void scores(const float* rows, int64_t count, int d, const float* x, float* out) noexcept {
  for (int64_t r = 0; r < count; ++r) out[r] = dot(rows + r * d, x, d);
}

/// out = (ridge I + w0 G) x + sum of (weight - w0) (q . x) q; with `residual` instead of that: b - that. Any rank.
ATTUNE_INLINE void apply_any(const AlsSystem& s, const float* x, float* out, bool residual) {
  const float sign = residual ? -1.0f : 1.0f;
  for (int i = 0; i < s.d; ++i) out[i] = sign * s.ridge * x[i];
  if (s.w0 != 0) {
    for (int i = 0; i < s.d; ++i) axpy(sign * s.w0 * x[i], s.gram + static_cast<int64_t>(i) * s.ld, out, s.d);
  }
  for (int64_t n = 0; n < s.count; ++n) {
    const AlsEntry& entry = s.entries[n];
    const float* q = s.factors + static_cast<int64_t>(entry.column) * s.d;
    const float amount = sign * (entry.weight - s.w0) * dot(q, x, s.d) + (residual ? entry.weight * entry.target : 0.0f);
    axpy(amount, q, out, s.d);
  }
}

/// The same for the rank V kWidth: the row's vectors stay in registers, and four rated items share one reduction.
template <int V>
ATTUNE_INLINE void apply_rank(const AlsSystem& s, const float* x, float* out, bool residual) {
  constexpr int64_t kRank = V * kWidth;
  constexpr int64_t kAhead = 8;  // rated items
  const float sign = residual ? -1.0f : 1.0f;
  Lanes mine[V], sum[V], more[V] = {};
  unroll<V>([&](auto v) ATTUNE_LAMBDA {
    mine[v] = load(x + v * kWidth);
    sum[v] = sign * s.ridge * mine[v];
  });
  for (int k = 0; s.w0 != 0 && k < kRank; k += 2) {
    const float a = sign * s.w0 * x[k], b = sign * s.w0 * x[k + 1];
    const float* row = s.gram + k * static_cast<int64_t>(s.ld);
    unroll<V>([&](auto v) ATTUNE_LAMBDA {
      sum[v] += a * load(row + v * kWidth);
      more[v] += b * load(row + s.ld + v * kWidth);
    });
  }
  unroll<V>([&](auto v) ATTUNE_LAMBDA { sum[v] += more[v]; });
  const auto row_of = [&](int64_t n) ATTUNE_LAMBDA { return s.factors + static_cast<int64_t>(s.entries[n].column) * kRank; };
  const auto add = [&](int64_t n, const float* q, float score) ATTUNE_LAMBDA {
    const AlsEntry& entry = s.entries[n];
    const float amount = sign * (entry.weight - s.w0) * score + (residual ? entry.weight * entry.target : 0.0f);
    unroll<V>([&](auto v) ATTUNE_LAMBDA { sum[v] += amount * load(q + v * kWidth); });
  };
  int64_t n = 0;
  for (; n + 4 <= s.count; n += 4) {
    if (n + kAhead + 4 <= s.count) {
      unroll<4>([&](auto r) ATTUNE_LAMBDA {
        const float* next = row_of(n + kAhead + r);
        for (int line = 0; line < kRank; line += 16) __builtin_prefetch(next + line);
      });
    }
    const float* q[4];
    Lanes parts[4];
    unroll<4>([&](auto r) ATTUNE_LAMBDA {
      q[r] = row_of(n + r);
      parts[r] = mine[0] * load(q[r]);
      unroll<V - 1>([&](auto v) ATTUNE_LAMBDA { parts[r] += mine[v + 1] * load(q[r] + (v + 1) * kWidth); });
    });
    const Four score = sums_of_four(parts[0], parts[1], parts[2], parts[3]);
    unroll<4>([&](auto r) ATTUNE_LAMBDA {
      constexpr int kLane = r;
      add(n + r, q[r], score[kLane]);
    });
  }
  for (; n < s.count; ++n) add(n, row_of(n), dot(row_of(n), x, kRank));
  unroll<V>([&](auto v) ATTUNE_LAMBDA { store(out + v * kWidth, sum[v]); });
}

template <class Apply>
ATTUNE_INLINE void descend(const AlsSystem& s, int steps, float* x, float* scratch, Apply apply) {
  float* r = scratch;
  float* p = scratch + s.ld;
  float* ap = scratch + 2 * s.ld;
  apply(x, r, true);
  std::memcpy(p, r, sizeof(float) * static_cast<size_t>(s.d));
  float norm = dot(r, r, s.d);
  for (int step = 0; step < steps && norm > 1e-20f; ++step) {
    apply(p, ap, false);
    const float alpha = norm / dot(p, ap, s.d);
    axpy(alpha, p, x, s.d);
    axpy(-alpha, ap, r, s.d);
    const float next = dot(r, r, s.d);
    const float beta = next / norm;
    for (int i = 0; i < s.d; ++i) p[i] = r[i] + beta * p[i];
    norm = next;
  }
}

template <int V>
void descend_rank(const AlsSystem& s, int steps, float* x, float* scratch) {
  descend(s, steps, x, scratch, [&](const float* from, float* to, bool residual) ATTUNE_LAMBDA { apply_rank<V>(s, from, to, residual); });
}

void conjugate_gradient(const AlsSystem& s, int steps, float* x, float* scratch) noexcept {
  switch (s.d) {
    case 16: return descend_rank<16 / kWidth>(s, steps, x, scratch);
    case 32: return descend_rank<32 / kWidth>(s, steps, x, scratch);
    case 64: return descend_rank<64 / kWidth>(s, steps, x, scratch);
    case 128: return descend_rank<128 / kWidth>(s, steps, x, scratch);
    default: break;
  }
  descend(s, steps, x, scratch, [&](const float* from, float* to, bool residual) ATTUNE_LAMBDA { apply_any(s, from, to, residual); });
}

}  // namespace

extern const AlsKernels kKernels;
const AlsKernels kKernels{add_gram, scale, add_row, conjugate_gradient, cholesky, solve, scores};

}  // namespace attune::kernels::ATTUNE_ALS_LEVEL
