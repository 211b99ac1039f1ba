#include <immintrin.h>

#include "kernels/probe/probe_internal.h"

namespace attune::kernels::avx2 {

uint64_t probe_read(const void* data, int64_t bytes) noexcept {
  const char* at = static_cast<const char*>(data);
  const int64_t quarter = bytes / 4;
  __m256i sums[8] = {};
  for (int64_t i = 0; i < quarter; i += 64) {
    for (int s = 0; s < 4; ++s) {
      const __m256i* p = reinterpret_cast<const __m256i*>(at + s * quarter + i);
      sums[s] = _mm256_xor_si256(sums[s], _mm256_loadu_si256(p));
      sums[4 + s] = _mm256_xor_si256(sums[4 + s], _mm256_loadu_si256(p + 1));
    }
  }
  for (int s = 1; s < 8; ++s) sums[0] = _mm256_xor_si256(sums[0], sums[s]);
  const __m128i pair = _mm_xor_si128(_mm256_castsi256_si128(sums[0]), _mm256_extracti128_si256(sums[0], 1));
  return static_cast<uint64_t>(_mm_extract_epi64(pair, 0) ^ _mm_extract_epi64(pair, 1));
}

uint32_t probe_dot(const uint8_t* a, const int8_t* b, int64_t rounds) noexcept {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i weights[4], sums = _mm256_setzero_si256();
  for (int v = 0; v < 4; ++v) weights[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b) + v);
  for (int64_t round = 0; round < rounds; round += 16) {
    __m256i parts[8] = {};  // int16: 8 sums of two products of at most 15 * 127 each stay below 2^15
    for (int i = 0; i < 8; ++i) {
      for (int v = 0; v < 8; ++v) {
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a) + v % 4);
        parts[v] = _mm256_add_epi16(parts[v], _mm256_maddubs_epi16(x, weights[v % 4]));
      }
      ATTUNE_PROBE_NEXT_ROUND(a);
    }
    for (int v = 0; v < 8; ++v) sums = _mm256_add_epi32(sums, _mm256_madd_epi16(parts[v], ones));
  }
  __m128i total = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0x4e));
  total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(total));
}

}  // namespace attune::kernels::avx2
