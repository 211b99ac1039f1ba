#include "core/dtype.h"

#include <array>

#include "core/checked.h"

namespace attune {
namespace {

constexpr std::array<DTypeInfo, 9> kTypes = {{
    {DType::kF32, "F32", 1, 4, 0},
    {DType::kF16, "F16", 1, 2, 1},
    {DType::kBF16, "BF16", 1, 2, 30},
    {DType::kQ4_0, "Q4_0", 32, sizeof(BlockQ4_0), 2},
    {DType::kQ5_0, "Q5_0", 32, sizeof(BlockQ5_0), 6},
    {DType::kQ8_0, "Q8_0", 32, sizeof(BlockQ8_0), 8},
    {DType::kQ4_K, "Q4_K", 256, sizeof(BlockQ4_K), 12},
    {DType::kQ5_K, "Q5_K", 256, sizeof(BlockQ5_K), 13},
    {DType::kQ6_K, "Q6_K", 256, sizeof(BlockQ6_K), 14},
}};

}  // namespace

const DTypeInfo& dtype_info(DType dtype) noexcept { return kTypes[static_cast<size_t>(dtype)]; }

std::optional<DType> dtype_from_ggml(uint32_t ggml_type) noexcept {
  for (const auto& info : kTypes) {
    if (info.ggml_type == ggml_type) return info.dtype;
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_name(std::string_view name) noexcept {
  for (const auto& info : kTypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

uint64_t row_bytes(DType dtype, uint64_t num_elements) {
  const DTypeInfo& info = dtype_info(dtype);
  check(num_elements % static_cast<uint64_t>(info.block_size) == 0, ErrorCode::kCorruptData, "[row_bytes] ", info.name, " row has ",
        num_elements, " elements, expected a multiple of ", info.block_size);
  return checked_mul(num_elements / static_cast<uint64_t>(info.block_size), static_cast<uint64_t>(info.block_bytes), "[row_bytes]");
}

uint16_t f32_to_f16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00);  // rounds to infinity
  if (magnitude < 0x38800000u) {                                            // subnormal half: adding 0.5 rounds at the right bit
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return static_cast<uint16_t>(sign | ((magnitude - 0x38000000u + 0xfff + odd) >> 13));
}

uint16_t f32_to_bf16(float value) noexcept {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace attune
