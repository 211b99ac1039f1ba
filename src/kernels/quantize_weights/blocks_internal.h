// One block of each format, finite values to bytes. False if a scale is beyond half precision.
#pragma once

#include "core/dtype.h"

namespace attune::kernels::blocks {

constexpr bool is_finite_half(uint16_t h) noexcept { return (h & 0x7c00) != 0x7c00; }

bool quantize(const float* x, BlockQ4_0& block) noexcept;
bool quantize(const float* x, BlockQ5_0& block) noexcept;
bool quantize(const float* x, BlockQ8_0& block) noexcept;
bool quantize(const float* x, BlockQ4_K& block) noexcept;
bool quantize(const float* x, BlockQ5_K& block) noexcept;
bool quantize(const float* x, BlockQ6_K& block) noexcept;

}  // namespace attune::kernels::blocks
