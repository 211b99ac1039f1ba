// Element types of weights, their block layouts, and conversions of the half-precision formats.
//
// Quantised rows are consecutive blocks; formulas: docs/formats/gguf.md (GGUF v3, little-endian). Struct layouts here are the file's bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace attune {

enum class DType : uint8_t { kF32, kF16, kBF16, kQ4_0, kQ5_0, kQ8_0, kQ4_K, kQ5_K, kQ6_K };

struct DTypeInfo {
  DType dtype;
  std::string_view name;  ///< "Q4_K", as in file names and messages
  int block_size;  ///< elements a block
  int block_bytes;  ///< bytes a block
  uint32_t ggml_type;  ///< number in GGUF files
};

const DTypeInfo& dtype_info(DType dtype) noexcept;
inline std::string_view dtype_name(DType dtype) noexcept { return dtype_info(dtype).name; }
std::optional<DType> dtype_from_ggml(uint32_t ggml_type) noexcept;
std::optional<DType> dtype_from_name(std::string_view name) noexcept;

/// Bytes of a row of `num_elements`; kCorruptData if the row is no whole number of blocks or the size wraps.
uint64_t row_bytes(DType dtype, uint64_t num_elements);

#pragma pack(push, 1)
struct BlockQ4_0 {  // x[j] = d * ((q[j] & 15) - 8), x[j + 16] = d * ((q[j] >> 4) - 8)
  uint16_t d;
  uint8_t q[16];
};
struct BlockQ5_0 {  // bit j of h is bit 4 of element j; then as Q4_0 with offset 16
  uint16_t d;
  uint32_t h;
  uint8_t q[16];
};
struct BlockQ8_0 {  // x[j] = d * q[j]
  uint16_t d;
  int8_t q[32];
};
struct BlockQ4_K {  // 8 sub-blocks of 32: x = d * scale * n - dmin * min; scales packed in 6 bits
  uint16_t d;
  uint16_t dmin;
  uint8_t s[12];
  uint8_t q[128];
};
struct BlockQ5_K {
  uint16_t d;
  uint16_t dmin;
  uint8_t s[12];
  uint8_t qh[32];
  uint8_t q[128];
};
struct BlockQ6_K {  // 16 sub-blocks of 16: x = d * s * (n - 32)
  uint8_t ql[128];
  uint8_t qh[64];
  int8_t s[16];
  uint16_t d;
};
#pragma pack(pop)
static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ5_0) == 22 && sizeof(BlockQ8_0) == 34);
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);

/// Scale and minimum (6 bits each) of sub-block b = 0..7 of a Q4_K or Q5_K block.
struct ScaleMin {
  uint8_t scale;
  uint8_t min;
};
constexpr ScaleMin unpack_scale_min(const uint8_t s[12], int b) noexcept {
  if (b < 4) return {static_cast<uint8_t>(s[b] & 63), static_cast<uint8_t>(s[b + 4] & 63)};
  return {static_cast<uint8_t>((s[b + 4] & 15) | ((s[b - 4] >> 6) << 4)), static_cast<uint8_t>((s[b + 4] >> 4) | ((s[b] >> 6) << 4))};
}

/// The inverse: 8 scales and 8 minima below 64 to the 12 bytes.
constexpr void pack_scale_min(const ScaleMin sub_blocks[8], uint8_t s[12]) noexcept {
  for (int b = 0; b < 4; ++b) {
    const ScaleMin low = sub_blocks[b], high = sub_blocks[b + 4];
    s[b] = static_cast<uint8_t>(low.scale | (high.scale >> 4) << 6);
    s[b + 4] = static_cast<uint8_t>(low.min | (high.min >> 4) << 6);
    s[b + 8] = static_cast<uint8_t>((high.scale & 15) | (high.min & 15) << 4);
  }
}

/// IEEE half to float, exact, subnormals and infinities included.
constexpr float f16_to_f32(uint16_t h) noexcept {
  const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
  const uint32_t exponent = (h >> 10) & 31;
  const uint32_t mantissa = h & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}
/// Float to half, round to nearest even; overflow becomes infinity, NaN stays NaN.
uint16_t f32_to_f16(float value) noexcept;
constexpr float bf16_to_f32(uint16_t b) noexcept { return std::bit_cast<float>(static_cast<uint32_t>(b) << 16); }
/// Float to bfloat16, round to nearest even.
uint16_t f32_to_bf16(float value) noexcept;

}  // namespace attune
