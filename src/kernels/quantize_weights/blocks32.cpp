// Q8_0, Q4_0 and Q5_0: one scale for 32 values.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/quantize_weights/blocks_internal.h"
#include "kernels/quantize_weights/fit_internal.h"

namespace attune::kernels::blocks {

bool quantize(const float* x, BlockQ8_0& block) noexcept {
  float largest = 0;
  for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[i]));
  block.d = f32_to_f16(largest / 127);
  if (!is_finite_half(block.d)) return false;
  const float d = f16_to_f32(block.d);
  const float inverse = d > 0 ? 1 / d : 0;
  for (int i = 0; i < 32; ++i) {
    block.q[i] = static_cast<int8_t>(fit::nearest(std::min(std::max(x[i] * inverse, -127.0f), 127.0f)));
  }
  return true;
}

namespace {

/// Scale as stored, and the integers for it (offset added).
bool symmetric_block(const float* x, int levels, uint16_t& d, uint8_t n[32]) noexcept {
  d = f32_to_f16(fit::fit_symmetric(x, 32, levels).scale);
  if (!is_finite_half(d)) return false;
  float q[32];
  fit::quantize_symmetric(x, 32, levels, f16_to_f32(d), q);
  for (int i = 0; i < 32; ++i) n[i] = static_cast<uint8_t>(q[i] + static_cast<float>(levels));
  return true;
}

}  // namespace

bool quantize(const float* x, BlockQ4_0& block) noexcept {
  uint8_t n[32];
  if (!symmetric_block(x, 8, block.d, n)) return false;
  for (int j = 0; j < 16; ++j) block.q[j] = static_cast<uint8_t>(n[j] | n[j + 16] << 4);
  return true;
}

bool quantize(const float* x, BlockQ5_0& block) noexcept {
  uint8_t n[32];
  if (!symmetric_block(x, 16, block.d, n)) return false;
  uint32_t high = 0;
  for (int j = 0; j < 32; ++j) high |= static_cast<uint32_t>(n[j] >> 4) << j;
  block.h = high;
  for (int j = 0; j < 16; ++j) block.q[j] = static_cast<uint8_t>((n[j] & 15) | (n[j + 16] & 15) << 4);
  return true;
}

}  // namespace attune::kernels::blocks
