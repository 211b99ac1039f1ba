// Kernel text: activations to the Q8 layout with 256-bit integer steps, used by both vector levels. Same bytes as quantize_scalar.cpp.
#include <cstddef>

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

/// Stores 32 integers as bytes, and their block.
inline void store_block(const __m256i v[4], float scale, char* q, char* at) {
  Q8Block block = {scale, 0, 0, sum_of(_mm256_add_epi32(v[0], v[1]))};
  block.sum = block.sum_low + sum_of(_mm256_add_epi32(v[2], v[3]));
  block.scaled_sum = scale * static_cast<float>(block.sum);
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_packs_epi32(v[2], v[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), _mm256_permutevar8x32_epi32(packed, order));
  __builtin_memcpy(at, &block, sizeof block);
}

/// What the values of a block left over, in steps of fine_scale.
inline void store_refinement(const float* x, float scale, float fine_scale, char* at) {
  __m256i v[4];
  for (int i = 0; i < 4; ++i) {
    const __m256 ratio = _mm256_div_ps(_mm256_loadu_ps(x + 8 * i), _mm256_set1_ps(scale));
    const __m256 rest = _mm256_sub_ps(ratio, _mm256_round_ps(ratio, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(rest, _mm256_set1_ps(254.0f)));
  }
  store_block(v, fine_scale, at, at + offsetof(Q8Refinement, block));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at + offsetof(Q8Refinement, padding)), _mm_setzero_si128());
}

}  // namespace

void quantize_q8(const float* x, int64_t n, void* q8_row) noexcept {
  ATTUNE_DCHECK(n % 32 == 0);
  constexpr float kMinNormal = 1.175494351e-38f;
  constexpr auto kBlock = static_cast<int64_t>(sizeof(Q8Block));
  char* q = static_cast<char*>(q8_row);
  double squares = 0;
  for (int64_t b = 0; b < n / 32; ++b) {
    const float max = max_magnitude(x + 32 * b);
    float scale = max / 127.0f;
    if (!(max <= 3.402823466e+38f)) scale = __builtin_nanf("");
    if (scale < kMinNormal) scale = 0;
    squares += static_cast<double>(scale) * scale;
    __m256i v[4] = {};
    if (scale > 0) {
      for (int i = 0; i < 4; ++i) v[i] = _mm256_cvtps_epi32(_mm256_div_ps(_mm256_loadu_ps(x + 32 * b + 8 * i), _mm256_set1_ps(scale)));
    }
    store_block(v, scale, q + 32 * b, q + n + b * kBlock);
  }
  char* bits_at = q + q8_refined_bits_at(n);
  __builtin_memset(bits_at, 0, static_cast<size_t>((n / 32 + 63) / 64 * 8));
  if (n > kMaxRefinedColumns) return;
  for (int64_t b = 0; b < n / 32; ++b) {
    float scale;
    __builtin_memcpy(&scale, q + n + b * kBlock, sizeof scale);
    const float fine_scale = scale / 254.0f;
    const double mean_part = static_cast<double>(n / 32) * (static_cast<double>(scale) * scale);
    if (!(mean_part >= squares) || !(fine_scale >= kMinNormal)) continue;
    store_refinement(x + 32 * b, scale, fine_scale, q + q8_refinements_at(n) + b * static_cast<int64_t>(sizeof(Q8Refinement)));
    bits_at[b / 8] = static_cast<char>(bits_at[b / 8] | 1 << b % 8);
  }
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
