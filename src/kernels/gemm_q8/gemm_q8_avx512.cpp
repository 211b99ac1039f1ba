// AVX-512 with VNNI: dpbusd multiplies unsigned weights with signed activations and adds four products to an int32 lane, without saturation.
//
// Q8_0 weights are signed; they are shifted by 128 and 128 times the activations' sum is subtracted, all in integers.
#include "kernels/vector_avx512-inl.h"
// The text below is compiled for the level named above.
#include "kernels/blocks-inl.h"
#include "kernels/levels_internal.h"

namespace attune::kernels::avx512 {
namespace {

constexpr int kPanelRows = 16;
constexpr int kMaxTile = 8;
template <int kN>
struct Width {
  static constexpr int kValue = kN;
};

/// What the integer sums of sum_rows and of panels contain too many times the activations' sum.
template <class Format>
constexpr int kSumOffset = Format::kBits == 8 ? 128 : Format::kOffset;

template <class Format>
inline __m256i panel_bytes(__m256i unpacked) {
  return Format::kBits == 8 ? _mm256_xor_si256(unpacked, _mm256_set1_epi8(-128)) : unpacked;
}

inline __m256i join_rows(__m256i low, __m256i high);

/// Sums within 128-bit lanes of four rows from `first` on: int32 lanes {row 0, 1, 2, 3 | row 0, 1, 2, 3}.
template <class Format, int kPart>
inline __m256i sum_four(const char* const* blocks, __m256i x) {
  __m256i p[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    p[i] = _mm256_dpbusd_epi32(_mm256_setzero_si256(), panel_bytes<Format>(Format::template unpack<kPart>(blocks[i])), x);
  }
  return _mm256_hadd_epi32(_mm256_hadd_epi32(p[0], p[1]), _mm256_hadd_epi32(p[2], p[3]));
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

struct Panel;
template <class Format, int kX>
inline void add_panel(const Panel& panel, const void* x, int64_t n, int64_t t, int64_t from, int64_t count, float* y, int64_t ldy,
                      int64_t rows);

}  // namespace
}  // namespace attune::kernels::avx512

#include "kernels/gemm_q8/gemm_q8-inl.h"

namespace attune::kernels::avx512 {
namespace {

/// sums[j] += columns [4 kFirst, 4 kFirst + 4 kCount) of a group of 32, for the activations at x[j].
template <int kX, int kFirst, int kCount>
inline void add_columns(const uint8_t* w, const char* const x[kX], __m512i sums[kX]) {
#pragma GCC unroll 8
  for (int c = kFirst; c < kFirst + kCount; ++c) {
    const __m512i weights = _mm512_load_si512(w + 4 * kPanelRows * c);
#pragma GCC unroll 8
    for (int j = 0; j < kX; ++j) sums[j] = _mm512_dpbusd_epi32(sums[j], weights, _mm512_set1_epi32(load_int(x[j] + 4 * c)));
  }
}

template <class Format, int kX>
inline void add_panel(const Panel& panel, const void* x, int64_t n, int64_t t, int64_t from, int64_t count, float* y, int64_t ldy,
                      int64_t rows) {
  const __mmask16 mask = static_cast<__mmask16>(rows >= 16 ? 0xffff : (1u << rows) - 1);
  const int64_t stride = q8_stride(n);
  Activation a[kX];
  __m512 acc[kX];
#pragma GCC unroll 8
  for (int j = 0; j < kX; ++j) {
    a[j] = {static_cast<const char*>(x) + (t + j) * stride, static_cast<const char*>(x) + (t + j) * stride + n};
    acc[j] = from == 0 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, y + j * ldy);
  }
  constexpr int kOffset = kSumOffset<Format>;
  for (int64_t k = 0; k < count; k += 32) {
    const uint8_t* w = panel.q + k * kPanelRows;
    const float* scale = panel.scale + k / Format::kSubSize * kPanelRows;
    const char* q[kX];
    __m512i sums[kX];
#pragma GCC unroll 8
    for (int j = 0; j < kX; ++j) q[j] = a[j].q + from + k;
    if constexpr (Format::kSubSize == 16) {
      __m512i high[kX];
#pragma GCC unroll 8
      for (int j = 0; j < kX; ++j) {
        const int32_t all = a[j].sum(from + k), low = a[j].sum_low(from + k);
        sums[j] = _mm512_set1_epi32(-kOffset * low);
        high[j] = _mm512_set1_epi32(-kOffset * (all - low));
      }
      add_columns<kX, 0, 4>(w, q, sums);
      add_columns<kX, 4, 4>(w, q, high);
#pragma GCC unroll 8
      for (int j = 0; j < kX; ++j) {
        const __m512 scale_x = _mm512_set1_ps(a[j].scale(from + k));
        acc[j] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_load_ps(scale), scale_x), _mm512_cvtepi32_ps(sums[j]), acc[j]);
        acc[j] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_load_ps(scale + kPanelRows), scale_x), _mm512_cvtepi32_ps(high[j]), acc[j]);
      }
    } else {
#pragma GCC unroll 8
      for (int j = 0; j < kX; ++j) {
        sums[j] = kOffset == 0 ? _mm512_setzero_si512() : _mm512_set1_epi32(-kOffset * a[j].sum(from + k));
      }
      add_columns<kX, 0, 8>(w, q, sums);
#pragma GCC unroll 8
      for (int j = 0; j < kX; ++j) {
        const __m512 scale_x = _mm512_set1_ps(a[j].scale(from + k));
        acc[j] = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_load_ps(scale), scale_x), _mm512_cvtepi32_ps(sums[j]), acc[j]);
        if constexpr (Format::kHasMin) {
          const float* min = panel.min + k / 32 * kPanelRows;
          acc[j] = _mm512_fnmadd_ps(_mm512_load_ps(min), _mm512_set1_ps(a[j].scaled_sum(from + k)), acc[j]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kX; ++j) _mm512_mask_storeu_ps(y + j * ldy, mask, acc[j]);
}

}  // namespace
}  // namespace attune::kernels::avx512
