// Norm, residual addition, gated GELU, rotation and softmax in plain C++, transcendentals in double.
#include <cmath>
#include <limits>

#include "kernels/levels_internal.h"

namespace attune::kernels::scalar {

void rms_norm(const float* x, const float* gain, float eps, float* out, int64_t n) noexcept {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  const float factor = static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(n) + eps));
  for (int64_t i = 0; i < n; ++i) out[i] = x[i] * factor * gain[i];
}

void add(float* x, const float* y, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) x[i] += y[i];
}

// 0.5 (1 + tanh(u)) = 1 / (1 + exp(-2u)) loses nothing for negative u.
void gelu_mul(const float* gate, const float* up, float* out, int64_t n) noexcept {
  constexpr double kTwoSqrt2OverPi = 1.5957691216057307;  // 2 sqrt(2 / pi)
  for (int64_t i = 0; i < n; ++i) {
    const double z = std::fmax(-16.0, gate[i]);  // beyond, the result is a zero in float
    const double sigmoid = 1.0 / (1.0 + std::exp(-kTwoSqrt2OverPi * (z + 0.044715 * z * z * z)));
    out[i] = (std::isnan(gate[i]) ? gate[i] : static_cast<float>(z * sigmoid)) * up[i];
  }
}

void rope(float* x, const float* cos, const float* sin, int64_t head_dim) noexcept {
  ATTUNE_DCHECK(head_dim % 2 == 0);
  const int64_t h = head_dim / 2;
  for (int64_t i = 0; i < h; ++i) {
    const float a = x[i], b = x[i + h];
    x[i] = a * cos[i] - b * sin[i];
    x[i + h] = b * cos[i] + a * sin[i];
  }
}

void softmax(float* scores, int64_t n) noexcept {
  float max = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < n; ++i) max = std::fmax(max, scores[i]);
  if (max == -std::numeric_limits<float>::infinity()) max = 0;  // nothing visible: all zero
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    scores[i] = static_cast<float>(std::exp(static_cast<double>(scores[i]) - max));
    sum += scores[i];
  }
  const float factor = sum > 0 ? static_cast<float>(1.0 / sum) : static_cast<float>(sum);
  for (int64_t i = 0; i < n; ++i) scores[i] *= factor;
}

}  // namespace attune::kernels::scalar
