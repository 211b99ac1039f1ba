#include "kernels/quantize_weights.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "core/error.h"
#include "kernels/quantize_weights/blocks_internal.h"

namespace attune::kernels {
namespace {

/// Whether all values are finite: the largest exponent bits seen.
bool all_finite(const float* x, int64_t n) noexcept {
  uint32_t largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest < 0x7f800000u;
}

template <class Block>
bool quantize_blocks(const float* x, int64_t n, int64_t block_size, void* dst) noexcept {
  Block* block = static_cast<Block*>(dst);
  for (int64_t i = 0; i < n; i += block_size, ++block) {
    if (!blocks::quantize(x + i, *block)) return false;
  }
  return true;
}

}  // namespace

bool quantize_weights(DType dtype, const float* x, int64_t n, void* dst) noexcept {
  ATTUNE_DCHECK(n % dtype_info(dtype).block_size == 0);
  if (!all_finite(x, n)) return false;
  auto* halves = static_cast<std::byte*>(dst);
  bool fits = true;
  switch (dtype) {
    case DType::kF32: std::memcpy(dst, x, static_cast<size_t>(n) * sizeof(float)); return true;
    case DType::kF16:
    case DType::kBF16:
      for (int64_t i = 0; i < n; ++i) {
        const uint16_t h = dtype == DType::kF16 ? f32_to_f16(x[i]) : f32_to_bf16(x[i]);
        fits = fits && (dtype == DType::kF16 ? blocks::is_finite_half(h) : (h & 0x7f80) != 0x7f80);
        std::memcpy(halves + 2 * i, &h, sizeof(h));
      }
      return fits;
    case DType::kQ4_0: return quantize_blocks<BlockQ4_0>(x, n, 32, dst);
    case DType::kQ5_0: return quantize_blocks<BlockQ5_0>(x, n, 32, dst);
    case DType::kQ8_0: return quantize_blocks<BlockQ8_0>(x, n, 32, dst);
    case DType::kQ4_K: return quantize_blocks<BlockQ4_K>(x, n, 256, dst);
    case DType::kQ5_K: return quantize_blocks<BlockQ5_K>(x, n, 256, dst);
    case DType::kQ6_K: return quantize_blocks<BlockQ6_K>(x, n, 256, dst);
  }
  return false;
}

}  // namespace attune::kernels
