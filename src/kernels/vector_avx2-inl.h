// Kernel text: eight float lanes in AVX2 registers, under the names that vector_avx512-inl.h gives to sixteen.
//
// A file of one level includes this first and then operator text (*-inl.h), all in unnamed namespaces of that file.
// `*_part` functions touch the first `count` elements only (1 <= count < kLanes); other lanes read as `fill`.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define ATTUNE_KERNELS_LEVEL avx2

namespace attune::kernels::avx2 {
namespace {

using F = __m256;
constexpr int kLanes = 8;

inline F zero() { return _mm256_setzero_ps(); }
inline F set1(float a) { return _mm256_set1_ps(a); }
inline F load(const float* p) { return _mm256_loadu_ps(p); }
inline void store(float* p, F a) { _mm256_storeu_ps(p, a); }
inline F add(F a, F b) { return _mm256_add_ps(a, b); }
inline F sub(F a, F b) { return _mm256_sub_ps(a, b); }
inline F mul(F a, F b) { return _mm256_mul_ps(a, b); }
inline F div(F a, F b) { return _mm256_div_ps(a, b); }
inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }         // a b + c
inline F neg_fma(F a, F b, F c) { return _mm256_fnmadd_ps(a, b, c); }    // c - a b
inline F max_or_nan(F bound, F a) { return _mm256_max_ps(bound, a); }    // NaN of `a` stays
inline F min_or_nan(F bound, F a) { return _mm256_min_ps(bound, a); }
inline F round_even(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/// a where x >= bound or x is NaN, else 0.
inline F zero_below(F x, F bound, F a) { return _mm256_andnot_ps(_mm256_cmp_ps(x, bound, _CMP_LT_OQ), a); }
/// a * 2^k for whole k in [-126, 127].
inline F scale_pow2(F a, F k) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(a, _mm256_castsi256_ps(exponent));
}

inline __m256i part_mask(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline F load_part(const float* p, int64_t count, float fill = 0) {
  const __m256i mask = part_mask(count);
  return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, mask), _mm256_castsi256_ps(mask));
}
inline void store_part(float* p, F a, int64_t count) { _mm256_maskstore_ps(p, part_mask(count), a); }

inline F load_f16(const void* p) { return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p))); }
inline F load_bf16(const void* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p))), 16));
}
inline void store_f16(void* p, F a) { _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT)); }
/// Eight int8 as floats.
inline F load_i8(const int8_t* p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)))); }

inline float reduce_max(F a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}
/// Lane i of the result is the sum of a[i]'s lanes, always in the same order.
inline __m256 reduce_add8(const F a[8]) {
  const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
  const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(a[4], a[5]), _mm256_hadd_ps(a[6], a[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
}
/// The same for four.
inline __m128 reduce_add4(const F a[4]) {
  const __m256 sums = _mm256_hadd_ps(_mm256_hadd_ps(a[0], a[1]), _mm256_hadd_ps(a[2], a[3]));
  return _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

/// Sums in double, one a lane.
struct DoubleSum {
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();
  void add(F a) {
    low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(a)));
    high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
  }
  void add_square(F a) {
    const __m256d l = _mm256_cvtps_pd(_mm256_castps256_ps128(a)), h = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    low = _mm256_fmadd_pd(l, l, low);
    high = _mm256_fmadd_pd(h, h, high);
  }
  double total() const {
    const __m256d both = _mm256_add_pd(low, high);
    const __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(both), _mm256_extractf128_pd(both, 1));
    return _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
  }
};

/// z (a + b z^2), computed in double and given as a float and the rest.
inline void odd_cubic(F z, double a, double b, F& hi, F& lo) {
  const auto half = [&](__m128 part, __m128& h, __m128& l) {
    const __m256d x = _mm256_cvtps_pd(part);
    const __m256d value = _mm256_mul_pd(x, _mm256_fmadd_pd(_mm256_set1_pd(b), _mm256_mul_pd(x, x), _mm256_set1_pd(a)));
    h = _mm256_cvtpd_ps(value);
    l = _mm256_cvtpd_ps(_mm256_sub_pd(value, _mm256_cvtps_pd(h)));
  };
  __m128 h0, h1, l0, l1;
  half(_mm256_castps256_ps128(z), h0, l0);
  half(_mm256_extractf128_ps(z, 1), h1, l1);
  hi = _mm256_set_m128(h1, h0);
  lo = _mm256_set_m128(l1, l0);
}

}  // namespace
}  // namespace attune::kernels::avx2
