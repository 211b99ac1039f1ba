// Q4_K, Q5_K and Q6_K: 256 values with a scale (and minimum) per sub-block, themselves integers times the block's own scale.
//
// First each sub-block's best real scale, then the block's scale from the largest of them, then for every sub-block the best integers near
// its real scale, and last the block's scale once more by least squares with all integers fixed.
#include <algorithm>
#include <cmath>

#include "kernels/quantize_weights/blocks_internal.h"
#include "kernels/quantize_weights/fit_internal.h"

namespace attune::kernels::blocks {
namespace {

float half(float value) noexcept { return f16_to_f32(f32_to_f16(value)); }

/// A Q4_K or Q5_K block in plain numbers.
struct AffineBlock {
  float d = 0, dmin = 0;  ///< representable in half precision
  int scale[8] = {}, min[8] = {};
  float q[256] = {};
  float error = 0;
};

/// The best integers for sub-block b among the neighbours of scale / d and min / dmin.
void choose_sub_block(const float* x, int top, const fit::Affine& real, int b, AffineBlock& out) noexcept {
  const auto near = [](float value, float unit) {
    return unit > 0 ? static_cast<int>(fit::nearest(std::min(std::max(value / unit, 0.0f), 63.0f))) : 0;
  };
  const int scale = near(real.scale, out.d), min = near(real.min, out.dmin);
  float best = INFINITY;
  float q[32];
  for (int s = std::max(scale - 1, 0); s <= std::min(scale + 1, 63); ++s) {
    for (int m = std::max(min - 1, 0); m <= std::min(min + 1, 63); ++m) {
      const float error = fit::quantize_affine(x, top, out.d * static_cast<float>(s), out.dmin * static_cast<float>(m), q);
      if (!(error < best)) continue;
      best = error;
      out.scale[b] = s;
      out.min[b] = m;
      std::copy(q, q + 32, out.q + 32 * b);
    }
  }
  out.error += best;
}

AffineBlock choose_block(const float* x, int top, const fit::Affine real[8], float d, float dmin) noexcept {
  AffineBlock out;
  out.d = d;
  out.dmin = dmin;
  for (int b = 0; b < 8; ++b) choose_sub_block(x + 32 * b, top, real[b], b, out);
  return out;
}

/// d and dmin that minimise the squared error with all integers of `block` fixed: x ~ d (scale q) - dmin min.
bool refit(const float* x, const AffineBlock& block, float& d, float& dmin) noexcept {
  double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
  for (int i = 0; i < 256; ++i) {
    const double a = block.scale[i / 32] * static_cast<double>(block.q[i]), b = -block.min[i / 32], v = x[i];
    aa += a * a;
    ab += a * b;
    bb += b * b;
    xa += v * a;
    xb += v * b;
  }
  const double determinant = aa * bb - ab * ab;
  if (determinant > 1e-6 * aa * bb) {
    d = static_cast<float>((xa * bb - xb * ab) / determinant);
    dmin = static_cast<float>((xb * aa - xa * ab) / determinant);
  } else if (aa > 0) {
    d = static_cast<float>(xa / aa);
  } else {
    return false;
  }
  d = half(d);
  dmin = half(dmin);
  return std::isfinite(d) && std::isfinite(dmin) && d >= 0 && dmin >= 0;
}

/// False if a scale is beyond half precision.
bool fit_affine_block(const float* x, int top, AffineBlock& best) noexcept {
  fit::Affine real[8];
  float scale = 0, min = 0;
  for (int b = 0; b < 8; ++b) {
    real[b] = fit::fit_affine(x + 32 * b, top);
    scale = std::max(scale, real[b].scale);
    min = std::max(min, real[b].min);
  }
  float d = half(scale / 63), dmin = half(min / 63);
  if (!std::isfinite(d) || !std::isfinite(dmin)) return false;
  best = choose_block(x, top, real, d, dmin);
  for (int round = 0; round < 2; ++round) {
    if (!refit(x, best, d, dmin) || (d == best.d && dmin == best.dmin)) break;
    const AffineBlock next = choose_block(x, top, real, d, dmin);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return true;
}

void pack_nibbles(const AffineBlock& block, uint8_t q[128]) noexcept {
  for (int pair = 0; pair < 4; ++pair) {
    const float* low = block.q + 64 * pair;
    for (int l = 0; l < 32; ++l) {
      q[32 * pair + l] = static_cast<uint8_t>((static_cast<int>(low[l]) & 15) | (static_cast<int>(low[l + 32]) & 15) << 4);
    }
  }
}

/// A Q6_K block in plain numbers.
struct SymmetricBlock {
  float d = 0;
  int scale[16] = {};
  float q[256] = {};
  float error = 0;
};

SymmetricBlock choose_block(const float* x, const float real[16], float d) noexcept {
  SymmetricBlock out;
  out.d = d;
  for (int b = 0; b < 16; ++b) {
    const float* values = x + 16 * b;
    const int scale = d != 0 ? static_cast<int>(fit::nearest(std::min(std::max(real[b] / d, -128.0f), 127.0f))) : 0;
    float best = INFINITY;
    for (int s = std::max(scale - 1, -128); s <= std::min(scale + 1, 127); ++s) {
      const float step = d * static_cast<float>(s);
      float q[16];
      fit::quantize_symmetric(values, 16, 32, step, q);
      float error = 0;
      for (int i = 0; i < 16; ++i) error += (q[i] * step - values[i]) * (q[i] * step - values[i]);
      if (!(error < best)) continue;
      best = error;
      out.scale[b] = s;
      std::copy(q, q + 16, out.q + 16 * b);
    }
    out.error += best;
  }
  return out;
}

bool fit_symmetric_block(const float* x, SymmetricBlock& best) noexcept {
  float real[16];
  float largest = 0;
  for (int b = 0; b < 16; ++b) {
    real[b] = fit::fit_symmetric(x + 16 * b, 16, 32).scale;
    if (std::fabs(real[b]) > std::fabs(largest)) largest = real[b];
  }
  const float d = half(largest / -128);  // the sign that gives the largest scale the one more level
  if (!std::isfinite(d)) return false;
  best = choose_block(x, real, d);
  for (int round = 0; round < 2; ++round) {
    double xa = 0, aa = 0;
    for (int i = 0; i < 256; ++i) {
      const double a = best.scale[i / 16] * static_cast<double>(best.q[i]);
      xa += x[i] * a;
      aa += a * a;
    }
    const float refit = aa > 0 ? half(static_cast<float>(xa / aa)) : 0;
    if (!std::isfinite(refit) || refit == best.d) break;
    const SymmetricBlock next = choose_block(x, real, refit);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return true;
}

/// What Q4_K and Q5_K share: scales, minima and the lower four bits.
template <class Block>
void write_block(const AffineBlock& block, Block& out) noexcept {
  out.d = f32_to_f16(block.d);
  out.dmin = f32_to_f16(block.dmin);
  ScaleMin sub_blocks[8];
  for (int b = 0; b < 8; ++b) sub_blocks[b] = {static_cast<uint8_t>(block.scale[b]), static_cast<uint8_t>(block.min[b])};
  pack_scale_min(sub_blocks, out.s);
  pack_nibbles(block, out.q);
}

}  // namespace

bool quantize(const float* x, BlockQ4_K& out) noexcept {
  AffineBlock block;
  if (!fit_affine_block(x, 15, block)) return false;
  write_block(block, out);
  return true;
}

bool quantize(const float* x, BlockQ5_K& out) noexcept {
  AffineBlock block;
  if (!fit_affine_block(x, 31, block)) return false;
  write_block(block, out);
  for (int l = 0; l < 32; ++l) {
    int high = 0;
    for (int b = 0; b < 8; ++b) high |= (static_cast<int>(block.q[32 * b + l]) >> 4) << b;
    out.qh[l] = static_cast<uint8_t>(high);
  }
  return true;
}

bool quantize(const float* x, BlockQ6_K& out) noexcept {
  SymmetricBlock block;
  if (!fit_symmetric_block(x, block)) return false;
  out.d = f32_to_f16(block.d);
  for (int b = 0; b < 16; ++b) out.s[b] = static_cast<int8_t>(block.scale[b]);
  for (int t = 0; t < 2; ++t) {
    const float* q = block.q + 128 * t;
    const auto number = [&](int i) { return static_cast<int>(q[i]) + 32; };
    for (int l = 0; l < 32; ++l) {
      const int a = number(l), b = number(l + 32), c = number(l + 64), d = number(l + 96);
      out.ql[64 * t + l] = static_cast<uint8_t>((a & 15) | (c & 15) << 4);
      out.ql[64 * t + l + 32] = static_cast<uint8_t>((b & 15) | (d & 15) << 4);
      out.qh[32 * t + l] = static_cast<uint8_t>(a >> 4 | (b >> 4) << 2 | (c >> 4) << 4 | (d >> 4) << 6);
    }
  }
  return true;
}

}  // namespace attune::kernels::blocks
