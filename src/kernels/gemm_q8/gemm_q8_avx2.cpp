// AVX2: unsigned weights times signed activations with maddubs, kept in int16 as long as sums fit.
//
// A maddubs lane is at most 2 * 15 * 127, 2 * 31 * 127 or 2 * 63 * 127 for 4, 5 and 6 bits, so that 8, 4 or 2 of them fit in int16. Q8_0 weights
// are signed here: |w| times sign(x, w), at most 2 * 128 * 127, one step only.
#include "kernels/vector_avx2-inl.h"
// The text below is compiled for the level named above.
#include "kernels/levels_internal.h"

namespace attune::kernels::avx2 {
namespace {

using I = __m256i;
constexpr int kParts = 2, kPartRows = 8;
constexpr int kMaxTile = 4;
constexpr int kByteOffset = 0;

inline int32_t load_int(const void* p) {
  int32_t value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}
inline I load_bytes(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store_bytes(void* p, I a) { _mm256_store_si256(static_cast<__m256i*>(p), a); }
/// Four bytes in every lane of 32 bits.
inline I broadcast(const char* p) { return _mm256_set1_epi32(load_int(p)); }
inline I broadcast32(int32_t a) { return _mm256_set1_epi32(a); }
inline I sub32(I a, I b) { return _mm256_sub_epi32(a, b); }
template <int kBits>
inline I shift_left32(I a) {
  return _mm256_slli_epi32(a, kBits);
}
inline F to_float(I a) { return _mm256_cvtepi32_ps(a); }
inline F bytes_to_float(const char* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
inline I low_nibbles(I a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
inline I high_nibbles(I a) { return _mm256_and_si256(_mm256_srli_epi16(a, 4), _mm256_set1_epi8(15)); }
/// a | (the bits from kFrom on, moved to kTo, masked).
template <int kFrom, int kTo>
inline I with_bits(I a, I bits, char mask) {
  if constexpr (kFrom < kTo) bits = _mm256_slli_epi16(bits, kTo - kFrom);
  if constexpr (kFrom > kTo) bits = _mm256_srli_epi16(bits, kFrom - kTo);
  return _mm256_or_si256(a, _mm256_and_si256(bits, _mm256_set1_epi8(mask)));
}
/// Q8_0 weights from both planes, as signed bytes: the low nibbles' quad and the high nibbles' quad.
inline void join_planes(I high_plane, I low_plane, I& low, I& high) {
  const I sign = _mm256_set1_epi8(-128), mask = _mm256_set1_epi8(15);
  const I first = _mm256_or_si256(_mm256_andnot_si256(mask, _mm256_slli_epi16(high_plane, 4)), _mm256_and_si256(low_plane, mask));
  const I second = _mm256_or_si256(_mm256_andnot_si256(mask, high_plane), _mm256_and_si256(_mm256_srli_epi16(low_plane, 4), mask));
  low = _mm256_xor_si256(first, sign);
  high = _mm256_xor_si256(second, sign);
}

inline I pairs(I a) { return _mm256_madd_epi16(a, _mm256_set1_epi16(1)); }

/// Sums of products of up to eight steps, numbered from 0.
template <int kBits>
struct Dot {
  static constexpr int kSteps = kBits == 4 ? 8 : kBits == 5 ? 4 : 2;  // that fit in int16
  I part;
  I sum;
  void add(I w, I x, int step) {
    const I products = _mm256_maddubs_epi16(w, x);
    if (step % kSteps == 0) {
      if (step == kSteps) sum = pairs(part);
      if (step > kSteps) sum = _mm256_add_epi32(sum, pairs(part));
      part = products;
    } else {
      part = _mm256_add_epi16(part, products);
    }
  }
  I total() const { return kSteps == 8 ? pairs(part) : _mm256_add_epi32(sum, pairs(part)); }
};
template <>
struct Dot<8> {
  I sum;
  void add(I w, I x, int step) {
    const I products = pairs(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)));
    sum = step == 0 ? products : _mm256_add_epi32(sum, products);
  }
  I total() const { return sum; }
};

}  // namespace
}  // namespace attune::kernels::avx2

#include "kernels/gemm_q8/gemm_q8-inl.h"
