// Activations to the Q8 layout. Every level gives the same bytes.
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/levels_internal.h"

namespace attune::kernels::scalar {

void quantize_q8(const float* x, int64_t n, void* q8_row) noexcept {
  ATTUNE_DCHECK(n % 32 == 0);
  int8_t* q = static_cast<int8_t*>(q8_row);
  char* blocks = static_cast<char*>(q8_row) + n;
  for (int64_t b = 0; b < n / 32; ++b, x += 32, q += 32) {
    float max = 0;
    bool finite = true;
    for (int i = 0; i < 32; ++i) {
      finite = finite && std::isfinite(x[i]);
      max = std::fmax(max, std::fabs(x[i]));
    }
    Q8Block block = {max / 127.0f, 0, 0, 0};
    if (!finite) block.scale = std::numeric_limits<float>::quiet_NaN();
    if (block.scale < std::numeric_limits<float>::min()) block.scale = 0;
    if (block.scale > 0) {
      for (int i = 0; i < 32; ++i) {
        q[i] = static_cast<int8_t>(std::lrint(x[i] / block.scale));
        block.sum += q[i];
        if (i < 16) block.sum_low += q[i];
      }
    } else {
      std::memset(q, 0, 32);
    }
    block.scaled_sum = block.scale * static_cast<float>(block.sum);
    std::memcpy(blocks + b * static_cast<int64_t>(sizeof block), &block, sizeof block);
  }
}

}  // namespace attune::kernels::scalar
