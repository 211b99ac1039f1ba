// Block formats to floats, the reference of the other levels. Formulas: docs/methods/kernels.md.
//
// A product d * scale * n is exact in float (11 + 7 + 6 significant bits), so that a value is rounded at most once, in the difference of
// Q4_K and Q5_K: every level gives the same bits.
#include <cstring>

#include "kernels/levels_internal.h"

namespace attune::kernels::scalar {
namespace {

void block_row(const BlockQ4_0* b, float* y, int64_t num_blocks) {
  for (int64_t i = 0; i < num_blocks; ++i, ++b, y += 32) {
    const float d = f16_to_f32(b->d);
    for (int j = 0; j < 16; ++j) {
      y[j] = d * static_cast<float>((b->q[j] & 15) - 8);
      y[j + 16] = d * static_cast<float>((b->q[j] >> 4) - 8);
    }
  }
}

void block_row(const BlockQ5_0* b, float* y, int64_t num_blocks) {
  for (int64_t i = 0; i < num_blocks; ++i, ++b, y += 32) {
    const float d = f16_to_f32(b->d);
    const uint32_t h = b->h;
    for (int j = 0; j < 16; ++j) {
      y[j] = d * static_cast<float>(static_cast<int>((b->q[j] & 15u) | ((h >> j & 1u) << 4)) - 16);
      y[j + 16] = d * static_cast<float>(static_cast<int>((b->q[j] >> 4) | ((h >> (j + 16) & 1u) << 4)) - 16);
    }
  }
}

void block_row(const BlockQ8_0* b, float* y, int64_t num_blocks) {
  for (int64_t i = 0; i < num_blocks; ++i, ++b, y += 32) {
    const float d = f16_to_f32(b->d);
    for (int j = 0; j < 32; ++j) y[j] = d * static_cast<float>(b->q[j]);
  }
}

void block_row(const BlockQ4_K* b, float* y, int64_t num_blocks) {
  for (int64_t i = 0; i < num_blocks; ++i, ++b) {
    const float d = f16_to_f32(b->d), dmin = f16_to_f32(b->dmin);
    for (int s = 0; s < 8; ++s, y += 32) {
      const ScaleMin sm = unpack_scale_min(b->s, s);
      const float scale = d * static_cast<float>(sm.scale), min = dmin * static_cast<float>(sm.min);
      for (int l = 0; l < 32; ++l) y[l] = scale * static_cast<float>(b->q[s / 2 * 32 + l] >> (s % 2 * 4) & 15) - min;
    }
  }
}

void block_row(const BlockQ5_K* b, float* y, int64_t num_blocks) {
  for (int64_t i = 0; i < num_blocks; ++i, ++b) {
    const float d = f16_to_f32(b->d), dmin = f16_to_f32(b->dmin);
    for (int s = 0; s < 8; ++s, y += 32) {
      const ScaleMin sm = unpack_scale_min(b->s, s);
      const float scale = d * static_cast<float>(sm.scale), min = dmin * static_cast<float>(sm.min);
      for (int l = 0; l < 32; ++l) {
        const int low = b->q[s / 2 * 32 + l] >> (s % 2 * 4) & 15;
        y[l] = scale * static_cast<float>(low + 16 * (b->qh[l] >> s & 1)) - min;
      }
    }
  }
}

void block_row(const BlockQ6_K* b, float* y, int64_t num_blocks) {
  for (int64_t i = 0; i < num_blocks; ++i, ++b, y += 256) {
    const float d = f16_to_f32(b->d);
    for (int e = 0; e < 256; ++e) {
      const int half = e / 128, quarter = e % 128 / 32, l = e % 32;
      const int low = b->ql[64 * half + 32 * (quarter & 1) + l] >> (quarter / 2 * 4) & 15;
      const int high = b->qh[32 * half + l] >> (2 * quarter) & 3;
      y[e] = d * static_cast<float>(b->s[e / 16]) * static_cast<float>((low | high << 4) - 32);
    }
  }
}

}  // namespace

void dequantize_row(DType dtype, const void* src, float* dst, int64_t n) noexcept {
  ATTUNE_DCHECK(n % dtype_info(dtype).block_size == 0);
  switch (dtype) {
    case DType::kF32: std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float)); return;
    case DType::kF16:
    case DType::kBF16:
      for (int64_t i = 0; i < n; ++i) {
        uint16_t h;
        std::memcpy(&h, static_cast<const char*>(src) + 2 * i, sizeof h);
        dst[i] = dtype == DType::kF16 ? f16_to_f32(h) : bf16_to_f32(h);
      }
      return;
    case DType::kQ4_0: return block_row(static_cast<const BlockQ4_0*>(src), dst, n / 32);
    case DType::kQ5_0: return block_row(static_cast<const BlockQ5_0*>(src), dst, n / 32);
    case DType::kQ8_0: return block_row(static_cast<const BlockQ8_0*>(src), dst, n / 32);
    case DType::kQ4_K: return block_row(static_cast<const BlockQ4_K*>(src), dst, n / 256);
    case DType::kQ5_K: return block_row(static_cast<const BlockQ5_K*>(src), dst, n / 256);
    case DType::kQ6_K: return block_row(static_cast<const BlockQ6_K*>(src), dst, n / 256);
  }
}

}  // namespace attune::kernels::scalar
