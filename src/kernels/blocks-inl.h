// Kernel text: unpacking of quantised blocks with 256-bit steps, 32 columns of one row at a time, used by both vector levels.
//
// A format is a struct: kBlock columns and kBytes bytes a block, kOffset to subtract from the unsigned values of `unpack` (Q8_0: signed values,
// offset 0), kSubSize columns a scale, kHasMin, and
//   unpack<kPart>(block): columns [32 kPart, 32 kPart + 32) of a block as bytes,
//   scales(block, scale, min): the block's kBlock / kSubSize float scales and, with kHasMin, as many minima.
// Include after a vector_*-inl.h.
#pragma once

#include "core/dtype.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

inline __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline float half_to_float(uint16_t h) { return _cvtsh_ss(h); }

/// 16 bytes in both halves, the second half shifted right by 4; then the low nibbles.
inline __m256i nibbles16(const uint8_t* q) {
  const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(q)));
  return _mm256_and_si256(_mm256_blend_epi32(both, _mm256_srli_epi16(both, 4), 0xf0), _mm256_set1_epi8(15));
}

struct FormatQ4_0 {
  using Block = BlockQ4_0;
  static constexpr int kBlock = 32, kBytes = sizeof(Block), kOffset = 8, kSubSize = 32, kBits = 4;
  static constexpr bool kHasMin = false;
  template <int kPart>
  static __m256i unpack(const char* block) {
    return nibbles16(reinterpret_cast<const Block*>(block)->q);
  }
  static void scales(const char* block, float* scale, float*) { *scale = half_to_float(reinterpret_cast<const Block*>(block)->d); }
};

struct FormatQ5_0 {
  using Block = BlockQ5_0;
  static constexpr int kBlock = 32, kBytes = sizeof(Block), kOffset = 16, kSubSize = 32, kBits = 5;
  static constexpr bool kHasMin = false;
  template <int kPart>
  static __m256i unpack(const char* block) {
    const Block* b = reinterpret_cast<const Block*>(block);
    const __m256i low = nibbles16(b->q);
    const uint32_t bits = b->h;
#ifdef __AVX512BW__
    return _mm256_or_si256(low, _mm256_maskz_mov_epi8(bits, _mm256_set1_epi8(16)));
#else
    // Byte i gets the byte of h with its bit, then tests it.
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(bits)),
                                               _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
    const __m256i bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    return _mm256_or_si256(low, _mm256_and_si256(set, _mm256_set1_epi8(16)));
#endif
  }
  static void scales(const char* block, float* scale, float*) { *scale = half_to_float(reinterpret_cast<const Block*>(block)->d); }
};

struct FormatQ8_0 {
  using Block = BlockQ8_0;
  static constexpr int kBlock = 32, kBytes = sizeof(Block), kOffset = 0, kSubSize = 32, kBits = 8;
  static constexpr bool kHasMin = false;
  template <int kPart>
  static __m256i unpack(const char* block) {
    return load32(reinterpret_cast<const Block*>(block)->q);
  }
  static void scales(const char* block, float* scale, float*) { *scale = half_to_float(reinterpret_cast<const Block*>(block)->d); }
};

/// The eight 6-bit scales and the eight minima of a Q4_K or Q5_K block, a byte each.
inline void unpack_scales(const uint8_t* s, uint64_t& scales, uint64_t& mins) {
  uint32_t a, b, c;
  __builtin_memcpy(&a, s, 4);
  __builtin_memcpy(&b, s + 4, 4);
  __builtin_memcpy(&c, s + 8, 4);
  const uint32_t high_scales = (c & 0x0f0f0f0f) | ((a >> 6 & 0x03030303) << 4);
  const uint32_t high_mins = (c >> 4 & 0x0f0f0f0f) | ((b >> 6 & 0x03030303) << 4);
  scales = (a & 0x3f3f3f3f) | static_cast<uint64_t>(high_scales) << 32;
  mins = (b & 0x3f3f3f3f) | static_cast<uint64_t>(high_mins) << 32;
}

inline __m256 bytes_to_float(uint64_t bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(bytes))));
}

template <class Block>
inline void scales_with_min(const char* block, float* scale, float* min) {
  const Block* b = reinterpret_cast<const Block*>(block);
  uint64_t scales, mins;
  unpack_scales(b->s, scales, mins);
  _mm256_storeu_ps(scale, _mm256_mul_ps(_mm256_set1_ps(half_to_float(b->d)), bytes_to_float(scales)));
  _mm256_storeu_ps(min, _mm256_mul_ps(_mm256_set1_ps(half_to_float(b->dmin)), bytes_to_float(mins)));
}

/// Nibbles of sub-block kPart: low ones of 32 bytes if it is even, high ones if odd.
template <int kPart>
inline __m256i nibbles32(const uint8_t* q) {
  const __m256i bytes = load32(q + kPart / 2 * 32);
  return _mm256_and_si256(kPart % 2 ? _mm256_srli_epi16(bytes, 4) : bytes, _mm256_set1_epi8(15));
}

/// Byte bits [kFrom, ...) of `a` moved to bits [kTo, ...); the caller masks what crosses bytes.
template <int kFrom, int kTo>
inline __m256i move_bits(__m256i a) {
  if constexpr (kFrom < kTo) return _mm256_slli_epi16(a, kTo - kFrom);
  if constexpr (kFrom > kTo) return _mm256_srli_epi16(a, kFrom - kTo);
  return a;
}

struct FormatQ4_K {
  using Block = BlockQ4_K;
  static constexpr int kBlock = 256, kBytes = sizeof(Block), kOffset = 0, kSubSize = 32, kBits = 4;
  static constexpr bool kHasMin = true;
  template <int kPart>
  static __m256i unpack(const char* block) {
    return nibbles32<kPart>(reinterpret_cast<const Block*>(block)->q);
  }
  static void scales(const char* block, float* scale, float* min) { scales_with_min<Block>(block, scale, min); }
};

struct FormatQ5_K {
  using Block = BlockQ5_K;
  static constexpr int kBlock = 256, kBytes = sizeof(Block), kOffset = 0, kSubSize = 32, kBits = 5;
  static constexpr bool kHasMin = true;
  template <int kPart>
  static __m256i unpack(const char* block) {
    const Block* b = reinterpret_cast<const Block*>(block);
    const __m256i high = _mm256_and_si256(move_bits<kPart, 4>(load32(b->qh)), _mm256_set1_epi8(16));
    return _mm256_or_si256(nibbles32<kPart>(b->q), high);
  }
  static void scales(const char* block, float* scale, float* min) { scales_with_min<Block>(block, scale, min); }
};

struct FormatQ6_K {
  using Block = BlockQ6_K;
  static constexpr int kBlock = 256, kBytes = sizeof(Block), kOffset = 32, kSubSize = 16, kBits = 6;
  static constexpr bool kHasMin = false;
  template <int kPart>
  static __m256i unpack(const char* block) {
    constexpr int kHalf = kPart / 4, kQuarter = kPart % 4;
    const Block* b = reinterpret_cast<const Block*>(block);
    const __m256i bytes = load32(b->ql + 64 * kHalf + 32 * (kQuarter & 1));
    const __m256i low = _mm256_and_si256(kQuarter / 2 ? _mm256_srli_epi16(bytes, 4) : bytes, _mm256_set1_epi8(15));
    const __m256i high = _mm256_and_si256(move_bits<2 * kQuarter, 4>(load32(b->qh + 32 * kHalf)), _mm256_set1_epi8(0x30));
    return _mm256_or_si256(low, high);
  }
  static void scales(const char* block, float* scale, float*) {
    const Block* b = reinterpret_cast<const Block*>(block);
    const __m256 d = _mm256_set1_ps(half_to_float(b->d));
    for (int i = 0; i < 16; i += 8) {
      const __m256i s = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(b->s + i)));
      _mm256_storeu_ps(scale + i, _mm256_mul_ps(d, _mm256_cvtepi32_ps(s)));
    }
  }
};

}  // namespace
}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
