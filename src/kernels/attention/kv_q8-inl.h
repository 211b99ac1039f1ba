// Kernel text: keys and values to Q8_0 blocks, the same bytes at every level. Plain loops that the compiler vectorises for each of them; all
// names are local to the including file.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace attune::kernels {
namespace {

constexpr int64_t kKvBlock = 32;
constexpr int64_t kKvBlockBytes = 34;  // f16 scale d, then 32 signed bytes q: x = d q

/// n values, a multiple of 32. `to_f16` rounds to nearest even, `to_f32` is exact. A block with an infinite or NaN value, or one above
/// 127 * 65504, becomes NaN.
template <class ToF16, class ToF32>
inline void store_kv_q8(const float* x, char* out, int64_t n, const ToF16& to_f16, const ToF32& to_f32) {
  for (int64_t block = 0; block < n; block += kKvBlock, x += kKvBlock, out += kKvBlockBytes) {
    int32_t largest = 0;  // magnitudes order as integers
    for (int i = 0; i < kKvBlock; ++i) {
      int32_t bits;
      __builtin_memcpy(&bits, x + i, sizeof bits);
      bits &= 0x7fffffff;
      largest = bits > largest ? bits : largest;
    }
    float magnitude;
    __builtin_memcpy(&magnitude, &largest, sizeof magnitude);
    uint16_t d = to_f16(magnitude / 127.0f);
    const float scale = to_f32(d);
    const bool good = scale < 1e38f;  // false for infinity and NaN
    if (!good) d = 0x7e00;
    signed char q[kKvBlock] = {};
    if (good && scale > 0) {
      for (int i = 0; i < kKvBlock; ++i) {
        // Adding and taking away 1.5 * 2^23 rounds to the nearest even integer. d was rounded: the largest may be a little above 127.
        float rounded = (x[i] / scale + 12582912.0f) - 12582912.0f;
        rounded = rounded > 127.0f ? 127.0f : rounded;
        rounded = rounded < -127.0f ? -127.0f : rounded;
        q[i] = static_cast<signed char>(static_cast<int32_t>(rounded));
      }
    }
    __builtin_memcpy(out, &d, sizeof d);
    __builtin_memcpy(out + 2, q, sizeof q);
  }
}

}  // namespace
}  // namespace attune::kernels
