// Kernel text: activations to the Q8 layout with 256-bit integer steps, used by both vector levels. Same bytes as quantize_scalar.cpp.
#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

inline int32_t sum_of(__m256i a) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/// Largest magnitude of 32 values; NaN or infinity if one of them is (bits of magnitudes order as integers).
inline float max_magnitude(const float* x) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i top = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(_mm256_loadu_ps(x + 8 * i)), mask));
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(top), _mm256_extracti128_si256(top, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

}  // namespace

void quantize_q8(const float* x, int64_t n, void* q8_row) noexcept {
  ATTUNE_DCHECK(n % 32 == 0);
  int8_t* q = static_cast<int8_t*>(q8_row);
  char* blocks = static_cast<char*>(q8_row) + n;
  for (int64_t b = 0; b < n / 32; ++b, x += 32, q += 32) {
    const float max = max_magnitude(x);
    Q8Block block = {max / 127.0f, 0, 0, 0};
    if (!(max <= 3.402823466e+38f)) block.scale = __builtin_nanf("");
    if (block.scale < 1.175494351e-38f) block.scale = 0;
    __m256i packed = _mm256_setzero_si256();
    if (block.scale > 0) {
      const __m256 scale = _mm256_set1_ps(block.scale);
      __m256i v[4];
      for (int i = 0; i < 4; ++i) v[i] = _mm256_cvtps_epi32(_mm256_div_ps(_mm256_loadu_ps(x + 8 * i), scale));
      block.sum_low = sum_of(_mm256_add_epi32(v[0], v[1]));
      block.sum = block.sum_low + sum_of(_mm256_add_epi32(v[2], v[3]));
      packed = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
      packed = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), packed);
    block.scaled_sum = block.scale * static_cast<float>(block.sum);
    __builtin_memcpy(blocks + b * static_cast<int64_t>(sizeof block), &block, sizeof block);
  }
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
