// Scales of one block by least squares: what the block formats share (docs/methods/quantisation.md, "Scales by search").
#pragma once

#include <cstdint>

namespace attune::kernels::fit {

/// Nearest integer, ties to even, as a float. |x| < 2^22.
inline float nearest(float x) noexcept { return (x + 12582912.0f) - 12582912.0f; }

/// x ~ scale * q with integers q from -levels to levels - 1.
struct Symmetric {
  float scale = 0;
  float gain = 0;  ///< sum x^2 minus the sum of squared errors, at this scale before it is rounded
};

/// The best scale of n values (16 or 32). `levels`: 8, 16 or 32. All zeros: scale 0.
Symmetric fit_symmetric(const float* x, int n, int levels) noexcept;

/// q[i] = x[i] / scale, rounded and limited to -levels .. levels - 1. A scale of 0 gives zeros.
void quantize_symmetric(const float* x, int n, int levels, float scale, float* q) noexcept;

/// x ~ scale * q - min with integers q from 0 to top; scale and min are at least 0.
struct Affine {
  float scale = 0;
  float min = 0;
};

/// The best pair for 32 values. `top`: 15 or 31.
Affine fit_affine(const float* x, int top) noexcept;

/// q[i] = (x[i] + min) / scale, rounded and limited to 0 .. top, for 32 values; returns the sum of squared errors.
float quantize_affine(const float* x, int top, float scale, float min, float* q) noexcept;

}  // namespace attune::kernels::fit
