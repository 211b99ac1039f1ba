// Activations to the Q8 layout. Every level gives the same bytes.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/levels_internal.h"

namespace attune::kernels::scalar {
namespace {

/// Scale of a block of 32 values: NaN if one is not finite, 0 below the smallest normal float.
float scale_of(const float* x) {
  float max = 0;
  for (int i = 0; i < 32; ++i) {
    if (!std::isfinite(x[i])) return std::numeric_limits<float>::quiet_NaN();
    max = std::fmax(max, std::fabs(x[i]));
  }
  const float scale = max / 127.0f;
  return scale < std::numeric_limits<float>::min() ? 0 : scale;
}

Q8Block block_of(float scale, const int8_t q[32]) {
  Q8Block block = {scale, 0, 0, 0};
  for (int i = 0; i < 32; ++i) {
    block.sum += q[i];
    if (i < 16) block.sum_low += q[i];
  }
  block.scaled_sum = scale * static_cast<float>(block.sum);
  return block;
}

}  // namespace

void quantize_q8(const float* x, int64_t n, void* q8_row) noexcept {
  ATTUNE_DCHECK(n % 32 == 0);
  auto* q = static_cast<int8_t*>(q8_row);
  char* row = static_cast<char*>(q8_row);
  double squares = 0;
  for (int64_t b = 0; b < n / 32; ++b) {
    const float scale = scale_of(x + 32 * b);
    squares += static_cast<double>(scale) * scale;
    for (int64_t i = 32 * b; i < 32 * (b + 1); ++i) q[i] = scale > 0 ? static_cast<int8_t>(std::lrint(x[i] / scale)) : 0;
    const Q8Block block = block_of(scale, q + 32 * b);
    std::memcpy(row + n + b * static_cast<int64_t>(sizeof block), &block, sizeof block);
  }
  char* bits_at = row + q8_refined_bits_at(n);
  std::memset(bits_at, 0, static_cast<size_t>((n / 32 + 63) / 64 * 8));
  if (n > kMaxRefinedColumns) return;
  for (int64_t b = 0; b < n / 32; ++b) {
    float scale;
    std::memcpy(&scale, row + n + b * static_cast<int64_t>(sizeof(Q8Block)), sizeof scale);
    const float fine_scale = scale / 254.0f;
    const double mean_part = static_cast<double>(n / 32) * (static_cast<double>(scale) * scale);
    if (!(mean_part >= squares) || !(fine_scale >= std::numeric_limits<float>::min())) continue;
    Q8Refinement fine = {};
    for (int64_t i = 0; i < 32; ++i) {
      fine.q[i] = static_cast<int8_t>(std::lrint((x[32 * b + i] / scale - static_cast<float>(q[32 * b + i])) * 254.0f));
    }
    fine.block = block_of(fine_scale, fine.q);
    std::memcpy(row + q8_refinements_at(n) + b * static_cast<int64_t>(sizeof fine), &fine, sizeof fine);
    bits_at[b / 8] = static_cast<char>(bits_at[b / 8] | 1 << b % 8);
  }
}

}  // namespace attune::kernels::scalar
