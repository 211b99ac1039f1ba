#include "kernels/quantize_weights/fit_internal.h"

#include <algorithm>
#include <cmath>

namespace attune::kernels::fit {
namespace {

constexpr int kLanes = 4;  // partial sums side by side: a fixed order that compilers turn into vector code

struct Sums {
  float values[kLanes] = {};
  float total() const noexcept { return (values[0] + values[1]) + (values[2] + values[3]); }
};

/// Sums of x q and q^2 with q = x * inverse, rounded and limited.
Symmetric try_inverse(const float* x, int n, float low, float high, float inverse) noexcept {
  Sums xq, qq;
  for (int i = 0; i < n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float v = x[i + lane];
      const float q = std::min(std::max(nearest(v * inverse), low), high);
      xq.values[lane] += v * q;
      qq.values[lane] += q * q;
    }
  }
  const float sum_qq = qq.total();
  if (!(sum_qq > 0)) return {};
  const float sum_xq = xq.total();
  return {sum_xq / sum_qq, sum_xq * sum_xq / sum_qq};
}

/// Sums for the least squares of x ~ s q - m over 32 values.
struct AffineSums {
  float q = 0, qq = 0, xq = 0;
};

AffineSums sums_of(const float* x, float top, float inverse, float min) noexcept {
  Sums q_sum, qq, xq;
  for (int i = 0; i < 32; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float v = x[i + lane];
      const float q = std::min(std::max(nearest((v + min) * inverse), 0.0f), top);
      q_sum.values[lane] += q;
      qq.values[lane] += q * q;
      xq.values[lane] += v * q;
    }
  }
  return {q_sum.total(), qq.total(), xq.total()};
}

struct Candidate {
  Affine fit;
  float gain = 0;  ///< sum x^2 minus the sum of squared errors for the integers that were tried
};

/// Scale and minimum that minimise the squared error for fixed integers; the minimum may not be negative.
Candidate solve(const AffineSums& s, float sum_x) noexcept {
  constexpr float n = 32;
  if (!(s.qq > 0)) return {{0, std::max(-sum_x / n, 0.0f)}, sum_x < 0 ? sum_x * sum_x / n : 0};
  const float determinant = n * s.qq - s.q * s.q;
  if (determinant > 0) {
    const float scale = (n * s.xq - s.q * sum_x) / determinant;
    const float min = (s.q * s.xq - s.qq * sum_x) / determinant;
    if (min >= 0 && scale > 0) return {{scale, min}, scale * s.xq - min * sum_x};
  }
  const float scale = s.xq / s.qq;
  if (!(scale > 0)) return {};
  return {{scale, 0}, scale * s.xq};
}

}  // namespace

Symmetric fit_symmetric(const float* x, int n, int levels) noexcept {
  float largest = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  const float unit = 1 / largest;
  if (!std::isfinite(unit)) return {};  // zeros, or so small that no scale of half precision tells them apart
  const float low = static_cast<float>(-levels), high = static_cast<float>(levels - 1);
  Symmetric best;
  // The number that the largest value becomes, on the side with one more level and on the other. Whole numbers are among the candidates, so
  // that values which came out of this format find their old scale.
  const float step = levels <= 8 ? 0.25f : 0.5f;
  const int num_steps = 12;
  for (int i = 0; i <= num_steps; ++i) {
    const float k = static_cast<float>(levels) + (levels <= 8 ? 0.5f : 1.0f) - step * static_cast<float>(i);
    for (const float side : {-k, k - 1}) {
      const Symmetric found = try_inverse(x, n, low, high, side * unit);
      if (found.gain > best.gain) best = found;
    }
  }
  for (int round = 0; round < 4 && best.scale != 0; ++round) {  // integers for this scale, the best scale for these integers, and again
    const Symmetric found = try_inverse(x, n, low, high, 1 / best.scale);
    if (!(found.gain > best.gain)) break;
    best = found;
  }
  return best;
}

void quantize_symmetric(const float* x, int n, int levels, float scale, float* q) noexcept {
  const float inverse = scale != 0 ? 1 / scale : 0;
  const float low = static_cast<float>(-levels), high = static_cast<float>(levels - 1);
  for (int i = 0; i < n; ++i) q[i] = std::min(std::max(nearest(std::min(std::max(x[i] * inverse, -128.0f), 128.0f)), low), high);
}

Affine fit_affine(const float* x, int top) noexcept {
  float low = x[0], high = x[0], sum_x = 0;
  for (int i = 0; i < 32; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
    sum_x += x[i];
  }
  low = std::min(low, 0.0f);
  const float limit = static_cast<float>(top);
  const float unit = 1 / (high - low);
  if (!std::isfinite(unit)) return {0, -low};
  Candidate best;
  best.fit = {0, -low};
  best.gain = -1;
  for (int i = 0; i <= 16; ++i) {
    // The span of the values stands for `top` plus or minus some levels: outliers are cut, or room is left.
    const float span = limit - 0.25f * limit + (0.25f * limit + 1.0f) * static_cast<float>(i) / 16.0f;
    const Candidate found = solve(sums_of(x, limit, span * unit, -low), sum_x);
    if (found.gain > best.gain) best = found;
  }
  for (int round = 0; round < 6 && best.fit.scale > 0; ++round) {
    const Candidate found = solve(sums_of(x, limit, 1 / best.fit.scale, best.fit.min), sum_x);
    if (!(found.gain > best.gain)) break;
    best = found;
  }
  return best.fit;
}

float quantize_affine(const float* x, int top, float scale, float min, float* q) noexcept {
  const float inverse = scale > 0 ? 1 / scale : 0;
  const float limit = static_cast<float>(top);
  Sums error;
  for (int i = 0; i < 32; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float v = x[i + lane];
      const float n = nearest(std::min(std::max((v + min) * inverse, 0.0f), limit));
      const float e = n * scale - min - v;
      q[i + lane] = n;
      error.values[lane] += e * e;
    }
  }
  return error.total();
}

}  // namespace attune::kernels::fit
