// Kernel text: sixteen float lanes in AVX-512 registers, under the names of vector_avx2-inl.h (which says what they do).
#pragma once

#include <immintrin.h>

#include <cstdint>

#define ATTUNE_KERNELS_LEVEL avx512

namespace attune::kernels::avx512 {
namespace {

using F = __m512;
constexpr int kLanes = 16;

inline F zero() { return _mm512_setzero_ps(); }
inline F set1(float a) { return _mm512_set1_ps(a); }
inline F load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, F a) { _mm512_storeu_ps(p, a); }
inline F add(F a, F b) { return _mm512_add_ps(a, b); }
inline F sub(F a, F b) { return _mm512_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm512_mul_ps(a, b); }
inline F div(F a, F b) { return _mm512_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F neg_fma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
inline F max_or_nan(F bound, F a) { return _mm512_max_ps(bound, a); }
inline F min_or_nan(F bound, F a) { return _mm512_min_ps(bound, a); }
inline F round_even(F a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline F zero_below(F x, F bound, F a) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, bound, _CMP_NLT_UQ), a); }
inline F scale_pow2(F a, F k) { return _mm512_scalef_ps(a, k); }

inline __mmask16 part_mask(int64_t count) { return static_cast<__mmask16>((1u << count) - 1); }
inline F load_part(const float* p, int64_t count, float fill = 0) {
  return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), part_mask(count), p);
}
inline void store_part(float* p, F a, int64_t count) { _mm512_mask_storeu_ps(p, part_mask(count), a); }

inline F load_f16(const void* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p))); }
inline F load_bf16(const void* p) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p))), 16));
}
inline void store_f16(void* p, F a) { _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT)); }
inline F load_i8(const int8_t* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))); }

inline __m256 fold(F a) { return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)); }
inline float reduce_max(F a) {
  const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
inline __m256 reduce_add8(const F a[8]) {
  const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(fold(a[0]), fold(a[1])), _mm256_hadd_ps(fold(a[2]), fold(a[3])));
  const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(fold(a[4]), fold(a[5])), _mm256_hadd_ps(fold(a[6]), fold(a[7])));
  return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}
inline __m128 reduce_add4(const F a[4]) {
  const __m256 sums = _mm256_hadd_ps(_mm256_hadd_ps(fold(a[0]), fold(a[1])), _mm256_hadd_ps(fold(a[2]), fold(a[3])));
  return _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

struct DoubleSum {
  __m512d low = _mm512_setzero_pd();
  __m512d high = _mm512_setzero_pd();
  void add(F a) {
    low = _mm512_add_pd(low, _mm512_cvtps_pd(_mm512_castps512_ps256(a)));
    high = _mm512_add_pd(high, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
  }
  void add_square(F a) {
    const __m512d l = _mm512_cvtps_pd(_mm512_castps512_ps256(a)), h = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    low = _mm512_fmadd_pd(l, l, low);
    high = _mm512_fmadd_pd(h, h, high);
  }
  double total() const {
    const __m512d both = _mm512_add_pd(low, high);
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(both), _mm512_extractf64x4_pd(both, 1));
    const __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
  }
};

inline void odd_cubic(F z, double a, double b, F& hi, F& lo) {
  const auto half = [&](__m256 part, __m256& h, __m256& l) {
    const __m512d x = _mm512_cvtps_pd(part);
    const __m512d value = _mm512_mul_pd(x, _mm512_fmadd_pd(_mm512_set1_pd(b), _mm512_mul_pd(x, x), _mm512_set1_pd(a)));
    h = _mm512_cvtpd_ps(value);
    l = _mm512_cvtpd_ps(_mm512_sub_pd(value, _mm512_cvtps_pd(h)));
  };
  __m256 h0, h1, l0, l1;
  half(_mm512_castps512_ps256(z), h0, l0);
  half(_mm512_extractf32x8_ps(z, 1), h1, l1);
  hi = _mm512_insertf32x8(_mm512_castps256_ps512(h0), h1, 1);
  lo = _mm512_insertf32x8(_mm512_castps256_ps512(l0), l1, 1);
}

}  // namespace
}  // namespace attune::kernels::avx512
