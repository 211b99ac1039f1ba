// AVX-512 with VNNI: dpbusd multiplies unsigned weights with signed activations and adds four products to an int32 lane, without saturation.
// Q8_0 weights are 128 too large; 128 times the activations' sum is subtracted in integers.
#include "kernels/vector_avx512-inl.h"
// The text below is compiled for the level named above.
#include "kernels/levels_internal.h"

namespace attune::kernels::avx512 {
namespace {

using I = __m512i;
constexpr int kParts = 1, kPartRows = 16;
constexpr int kMaxTile = 8;
constexpr int kByteOffset = 128;

inline int32_t load_int(const void* p) {
  int32_t value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}
inline I load_bytes(const void* p) { return _mm512_loadu_si512(p); }
inline void store_bytes(void* p, I a) { _mm512_store_si512(p, a); }
inline I broadcast(const char* p) { return _mm512_set1_epi32(load_int(p)); }
inline I broadcast32(int32_t a) { return _mm512_set1_epi32(a); }
inline I sub32(I a, I b) { return _mm512_sub_epi32(a, b); }
template <int kBits>
inline I shift_left32(I a) {
  return _mm512_slli_epi32(a, kBits);
}
inline F to_float(I a) { return _mm512_cvtepi32_ps(a); }
inline F bytes_to_float(const char* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
inline I low_nibbles(I a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
inline I high_nibbles(I a) { return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(15)); }
template <int kFrom, int kTo>
inline I with_bits(I a, I bits, char mask) {
  if constexpr (kFrom < kTo) bits = _mm512_slli_epi16(bits, kTo - kFrom);
  if constexpr (kFrom > kTo) bits = _mm512_srli_epi16(bits, kFrom - kTo);
  return _mm512_ternarylogic_epi32(a, bits, _mm512_set1_epi8(mask), 0xf8);  // a | (bits & mask)
}
inline void join_planes(I high_plane, I low_plane, I& low, I& high) {
  const I mask = _mm512_set1_epi8(15);
  // 0xca: where the first operand has a bit, the second's, elsewhere the third's.
  low = _mm512_ternarylogic_epi32(mask, low_plane, _mm512_slli_epi16(high_plane, 4), 0xca);
  high = _mm512_ternarylogic_epi32(mask, _mm512_srli_epi16(low_plane, 4), high_plane, 0xca);
}

template <int kBits>
struct Dot {
  I sum;
  void add(I w, I x, int step) { sum = _mm512_dpbusd_epi32(step == 0 ? _mm512_setzero_si512() : sum, w, x); }
  I total() const { return sum; }
};

}  // namespace
}  // namespace attune::kernels::avx512

#include "kernels/gemm_q8/gemm_q8-inl.h"
