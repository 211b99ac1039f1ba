// AVX2: unsigned weights times signed activations with maddubs, kept in int16 as long as sums fit.
//
// A maddubs lane is at most 2 * 15 * 127, 2 * 31 * 127 or 2 * 63 * 127 for 4, 5 and 6 bits, so that 8, 4 or 2 of them fit in int16. Q8_0 weights
// are signed: |w| times sign(x, w), at most 2 * 128 * 127, one step only.
#include "kernels/vector_avx2-inl.h"
// The text below is compiled for the level named above.
#include "kernels/blocks-inl.h"
#include "kernels/levels_internal.h"

namespace attune::kernels::avx2 {
namespace {

constexpr int kPanelRows = 16;  // two vectors: an activation is read, and a 64-byte line of y written, once for both
constexpr int kMaxTile = 4;
template <int kN>
struct Width {
  static constexpr int kValue = kN;
};

/// What the integer sums of sum_rows contain too many times the activations' sum.
template <class Format>
constexpr int kSumOffset = Format::kOffset;
/// maddubs results that may be added in int16.
template <class Format>
constexpr int kInt16Steps = Format::kBits == 4   ? 8
                            : Format::kBits == 5 ? 4
                                                 : 2;

inline __m256i pairs(__m256i a) { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }
inline __m256i signed_products(__m256i w, __m256i x) { return pairs(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))); }

inline __m256i join_rows(__m256i low, __m256i high);

/// Sums within 128-bit lanes of four rows from `first` on: int32 lanes {row 0, 1, 2, 3 | row 0, 1, 2, 3}.
template <class Format, int kPart>
inline __m256i sum_four(const char* const* blocks, __m256i x) {
  __m256i p[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m256i w = Format::template unpack<kPart>(blocks[i]);
    p[i] = Format::kBits == 8 ? signed_products(w, x) : _mm256_maddubs_epi16(w, x);
  }
  if constexpr (Format::kBits == 8) {
    return _mm256_hadd_epi32(_mm256_hadd_epi32(p[0], p[1]), _mm256_hadd_epi32(p[2], p[3]));
  } else if constexpr (Format::kBits == 6) {
    return _mm256_hadd_epi32(pairs(_mm256_hadd_epi16(p[0], p[1])), pairs(_mm256_hadd_epi16(p[2], p[3])));
  } else {
    return pairs(_mm256_hadd_epi16(_mm256_hadd_epi16(p[0], p[1]), _mm256_hadd_epi16(p[2], p[3])));
  }
}

template <class Format, int kPart>
inline __m256i sum_rows(const char* const blocks[8], __m256i x) {
  return join_rows(sum_four<Format, kPart>(blocks, x), sum_four<Format, kPart>(blocks + 4, x));
}

/// The same, columns 0 to 15 and 16 to 31 apart.
template <class Format, int kPart>
inline void sum_rows_halves(const char* const blocks[8], __m256i x, __m256i& low, __m256i& high) {
  const __m256i a = sum_four<Format, kPart>(blocks, x), b = sum_four<Format, kPart>(blocks + 4, x);
  low = _mm256_permute2x128_si256(a, b, 0x20);
  high = _mm256_permute2x128_si256(a, b, 0x31);
}

template <class Format>
inline __m256i panel_bytes(__m256i unpacked) {
  return unpacked;
}

struct Panel;
template <class Format, int kX>
inline void add_panel(const Panel& panel, const void* x, int64_t n, int64_t t, int64_t from, int64_t count, float* y, int64_t ldy,
                      int64_t rows);

}  // namespace
}  // namespace attune::kernels::avx2

#include "kernels/gemm_q8/gemm_q8-inl.h"

namespace attune::kernels::avx2 {
namespace {

/// sums[j] += columns [4 kFirst, 4 kFirst + 4 kCount) of a group of 32, for the activations at x[j].
template <class Format, int kX, int kFirst, int kCount>
inline void add_columns(const uint8_t* w, const char* const x[kX], __m256i sums[kX]) {
  constexpr int kSteps = Format::kBits == 8 ? 1 : kInt16Steps<Format>;
#pragma GCC unroll 8
  for (int c = kFirst; c < kFirst + kCount; c += kSteps) {
    __m256i part[kX];
#pragma GCC unroll 8
    for (int s = 0; s < kSteps; ++s) {
      const __m256i weights = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 4 * kPanelRows * (c + s)));
#pragma GCC unroll 4
      for (int j = 0; j < kX; ++j) {
        const __m256i columns = _mm256_set1_epi32(load_int(x[j] + 4 * (c + s)));
        if constexpr (Format::kBits == 8) {
          part[j] = signed_products(weights, columns);
        } else {
          const __m256i products = _mm256_maddubs_epi16(weights, columns);
          part[j] = s == 0 ? products : _mm256_add_epi16(part[j], products);
        }
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < kX; ++j) {
      const __m256i wide = Format::kBits == 8 ? part[j] : pairs(part[j]);
      sums[j] = c == kFirst ? wide : _mm256_add_epi32(sums[j], wide);
    }
  }
}

/// Adds eight rows of the panel, from `lane` on, to y[j].
template <class Format, int kX>
inline void add_half(const Panel& panel, int lane, const Activation a[kX], int64_t from, int64_t count, __m256 y[kX]) {
  __m256 acc[kX];
#pragma GCC unroll 4
  for (int j = 0; j < kX; ++j) acc[j] = y[j];
  for (int64_t k = 0; k < count; k += 32) {
    const uint8_t* w = panel.q + k * kPanelRows + 4 * lane;
    const float* scale = panel.scale + k / Format::kSubSize * kPanelRows + lane;
    const char* q[kX];
    __m256i sums[kX];
#pragma GCC unroll 4
    for (int j = 0; j < kX; ++j) q[j] = a[j].q + from + k;
    if constexpr (Format::kSubSize == 16) {
      __m256i high[kX];
      add_columns<Format, kX, 0, 4>(w, q, sums);
      add_columns<Format, kX, 4, 4>(w, q, high);
#pragma GCC unroll 4
      for (int j = 0; j < kX; ++j) {
        const __m256 scale_x = _mm256_set1_ps(a[j].scale(from + k));
        const __m256i all = _mm256_set1_epi32(a[j].sum(from + k)), low = _mm256_set1_epi32(a[j].sum_low(from + k));
        const __m256i s0 = _mm256_sub_epi32(sums[j], _mm256_slli_epi32(low, 5));
        const __m256i s1 = _mm256_sub_epi32(high[j], _mm256_slli_epi32(_mm256_sub_epi32(all, low), 5));
        acc[j] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_load_ps(scale), scale_x), _mm256_cvtepi32_ps(s0), acc[j]);
        acc[j] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_load_ps(scale + kPanelRows), scale_x), _mm256_cvtepi32_ps(s1), acc[j]);
      }
    } else {
      add_columns<Format, kX, 0, 8>(w, q, sums);
#pragma GCC unroll 4
      for (int j = 0; j < kX; ++j) {
        const __m256 scale_x = _mm256_set1_ps(a[j].scale(from + k));
        __m256i s = sums[j];
        if constexpr (Format::kOffset != 0) {
          constexpr int kShift = Format::kOffset == 8 ? 3 : 4;
          static_assert(1 << kShift == Format::kOffset);
          s = _mm256_sub_epi32(s, _mm256_slli_epi32(_mm256_set1_epi32(a[j].sum(from + k)), kShift));
        }
        acc[j] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_load_ps(scale), scale_x), _mm256_cvtepi32_ps(s), acc[j]);
        if constexpr (Format::kHasMin) {
          const float* min = panel.min + k / 32 * kPanelRows + lane;
          acc[j] = _mm256_fnmadd_ps(_mm256_load_ps(min), _mm256_set1_ps(a[j].scaled_sum(from + k)), acc[j]);
        }
      }
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < kX; ++j) y[j] = acc[j];
}

inline __m256 load_rows(const float* y, int64_t count) {
  return count >= 8 ? _mm256_loadu_ps(y) : _mm256_maskload_ps(y, part_mask8(count));
}

template <class Format, int kX>
inline void add_panel(const Panel& panel, const void* x, int64_t n, int64_t t, int64_t from, int64_t count, float* y, int64_t ldy,
                      int64_t rows) {
  Activation a[kX];
#pragma GCC unroll 4
  for (int j = 0; j < kX; ++j) a[j] = activation(x, n, t + j);
  __m256 low[kX], high[kX];
#pragma GCC unroll 4
  for (int j = 0; j < kX; ++j) {
    low[j] = from == 0 ? _mm256_setzero_ps() : load_rows(y + j * ldy, rows);
    high[j] = from == 0 || rows <= 8 ? _mm256_setzero_ps() : load_rows(y + j * ldy + 8, rows - 8);
  }
  add_half<Format, kX>(panel, 0, a, from, count, low);
  if (rows > 8) add_half<Format, kX>(panel, 8, a, from, count, high);
  // All of y at once: stores to the same far-apart lines at two times, with one half across a line, cost a third of the rate.
#pragma GCC unroll 4
  for (int j = 0; j < kX; ++j) {
    store_rows(y + j * ldy, low[j], rows);
    if (rows > 8) store_rows(y + j * ldy + 8, high[j], rows - 8);
  }
}

}  // namespace
}  // namespace attune::kernels::avx2
