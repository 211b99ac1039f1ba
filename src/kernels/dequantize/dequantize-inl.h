// Kernel text: block formats to floats, used by both vector levels. Same bits as dequantize_scalar.cpp: no fused steps.
#include "kernels/blocks-inl.h"
#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

template <class Format, int kPart>
inline void write_part(const char* block, const float* scale, const float* min, float* dst) {
  const __m256i bytes = _mm256_sub_epi8(Format::template unpack<kPart>(block), _mm256_set1_epi8(Format::kOffset));
  alignas(32) int8_t values[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(values), bytes);
  constexpr int kFirst = kPart * (32 / Format::kSubSize);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values + 8 * i)));
    __m256 y = _mm256_mul_ps(_mm256_set1_ps(scale[kFirst + 8 * i / Format::kSubSize]), _mm256_cvtepi32_ps(wide));
    if constexpr (Format::kHasMin) y = _mm256_sub_ps(y, _mm256_set1_ps(min[kFirst]));
    _mm256_storeu_ps(dst + 32 * kPart + 8 * i, y);
  }
}

template <class Format>
void block_row(const void* src, float* dst, int64_t n) {
  const char* block = static_cast<const char*>(src);
  for (int64_t k = 0; k < n; k += Format::kBlock, block += Format::kBytes) {
    float scale[16], min[8];
    Format::scales(block, scale, min);
    write_part<Format, 0>(block, scale, min, dst + k);
    if constexpr (Format::kBlock == 256) {
      write_part<Format, 1>(block, scale, min, dst + k);
      write_part<Format, 2>(block, scale, min, dst + k);
      write_part<Format, 3>(block, scale, min, dst + k);
      write_part<Format, 4>(block, scale, min, dst + k);
      write_part<Format, 5>(block, scale, min, dst + k);
      write_part<Format, 6>(block, scale, min, dst + k);
      write_part<Format, 7>(block, scale, min, dst + k);
    }
  }
}

/// One value of a 16-bit format, for the end of a row.
inline float single(DType dtype, const char* src) {
  uint16_t bits;
  __builtin_memcpy(&bits, src, sizeof bits);
  if (dtype == DType::kF16) return half_to_float(bits);
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &wide, sizeof value);
  return value;
}

}  // namespace

void dequantize_row(DType dtype, const void* src, float* dst, int64_t n) noexcept {
  ATTUNE_DCHECK(n % dtype_info(dtype).block_size == 0);
  const char* bytes = static_cast<const char*>(src);
  switch (dtype) {
    case DType::kF32: __builtin_memcpy(dst, src, static_cast<size_t>(n) * sizeof(float)); return;
    case DType::kF16:
    case DType::kBF16: {
      int64_t i = 0;
      for (; i + kLanes <= n; i += kLanes) store(dst + i, dtype == DType::kF16 ? load_f16(bytes + 2 * i) : load_bf16(bytes + 2 * i));
      for (; i < n; ++i) dst[i] = single(dtype, bytes + 2 * i);
      return;
    }
    case DType::kQ4_0: return block_row<FormatQ4_0>(src, dst, n);
    case DType::kQ5_0: return block_row<FormatQ5_0>(src, dst, n);
    case DType::kQ8_0: return block_row<FormatQ8_0>(src, dst, n);
    case DType::kQ4_K: return block_row<FormatQ4_K>(src, dst, n);
    case DType::kQ5_K: return block_row<FormatQ5_K>(src, dst, n);
    case DType::kQ6_K: return block_row<FormatQ6_K>(src, dst, n);
  }
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
