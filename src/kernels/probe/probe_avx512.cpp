#include <immintrin.h>

#include "kernels/probe/probe_internal.h"

namespace attune::kernels::avx512 {

uint64_t probe_read(const void* data, int64_t bytes) noexcept {
  const char* at = static_cast<const char*>(data);
  const int64_t quarter = bytes / 4;
  __m512i sums[8] = {};
  for (int64_t i = 0; i < quarter; i += 128) {
    for (int s = 0; s < 4; ++s) {
      const char* p = at + s * quarter + i;
      sums[s] = _mm512_xor_si512(sums[s], _mm512_loadu_si512(p));
      sums[4 + s] = _mm512_xor_si512(sums[4 + s], _mm512_loadu_si512(p + 64));
    }
  }
  for (int s = 1; s < 8; ++s) sums[0] = _mm512_xor_si512(sums[0], sums[s]);
  const __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(sums[0]), _mm512_extracti64x4_epi64(sums[0], 1));
  const __m128i pair = _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  return static_cast<uint64_t>(_mm_extract_epi64(pair, 0) ^ _mm_extract_epi64(pair, 1));
}

uint32_t probe_dot(const uint8_t* a, const int8_t* b, int64_t rounds) noexcept {
  __m512i weights[2], sums[16] = {};
  for (int v = 0; v < 2; ++v) weights[v] = _mm512_loadu_si512(b + v * 64);
  for (int64_t round = 0; round < rounds; round += 8) {
    for (int v = 0; v < 16; ++v) sums[v] = _mm512_dpbusd_epi32(sums[v], _mm512_loadu_si512(a + v % 2 * 64), weights[v % 2]);
    ATTUNE_PROBE_NEXT_ROUND(a);
  }
  for (int v = 1; v < 16; ++v) sums[0] = _mm512_add_epi32(sums[0], sums[v]);
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(sums[0]), _mm512_extracti64x4_epi64(sums[0], 1));
  __m128i total = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0x4e));
  total = _mm_add_epi32(total, _mm_shuffle_epi32(total, 0xb1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(total));
}

}  // namespace attune::kernels::avx512
