#include "people/bandits/draws.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune::people {
namespace {

void check_shape(double shape, const char* what) {
  check(std::isfinite(shape) && shape > 0, ErrorCode::kInvalidArgument, "[draw ", what, "] expected a finite parameter above 0, found ",
        shape);
}

/// 1 - (1 + w)^3 + 3 log(1 + w), which is about -4.5 w^2, without the cancellation of its terms.
double log_acceptance(double w) {
  const double rest = std::abs(w) < 1e-3 ? w * w * (-0.5 + w * (1.0 / 3 + w * (-0.25 + w * 0.2))) : std::log1p(w) - w;
  return 3 * rest - w * w * (3 + w);
}

struct GammaParts {
  double scale;  ///< shape - 1/3
  double root;  ///< the draw is scale * root^3
};

/// Shape of at least 1.
GammaParts draw_parts(double shape, Rng& rng) {
  const double scale = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * scale);
  for (;;) {
    const double x = rng.normal();
    const double w = c * x;
    if (w <= -1) continue;
    const double u = 1 - rng.uniform();  // in (0, 1]
    const double square = x * x;
    if (u < 1 - 0.0331 * square * square || std::log(u) < 0.5 * square + scale * log_acceptance(w)) return {scale, 1 + w};
  }
}

double log_gamma_unchecked(double shape, Rng& rng) {
  const GammaParts parts = draw_parts(shape < 1 ? shape + 1 : shape, rng);
  const double log_draw = std::log(parts.scale) + 3 * std::log(parts.root);
  return shape < 1 ? log_draw + std::log(1 - rng.uniform()) / shape : log_draw;
}

}  // namespace

double draw_gamma(double shape, Rng& rng) {
  check_shape(shape, "gamma");
  if (shape < 1) return std::exp(log_gamma_unchecked(shape, rng));
  const GammaParts parts = draw_parts(shape, rng);
  return parts.scale * parts.root * parts.root * parts.root;
}

double draw_log_gamma(double shape, Rng& rng) {
  check_shape(shape, "gamma");
  return log_gamma_unchecked(shape, rng);
}

double draw_beta(double a, double b, Rng& rng) {
  check_shape(a, "beta");
  check_shape(b, "beta");
  const double first = log_gamma_unchecked(a, rng);
  const double second = log_gamma_unchecked(b, rng);
  return 1 / (1 + std::exp(second - first));
}

void draw_dirichlet(std::span<const double> alpha, Rng& rng, std::span<double> out) {
  check(!alpha.empty() && alpha.size() == out.size(), ErrorCode::kInvalidArgument,
        "[draw dirichlet] expected parameters and room of one size", ", found ", alpha.size(), " and ", out.size());
  for (const double a : alpha) check_shape(a, "dirichlet");
  for (size_t i = 0; i < alpha.size(); ++i) out[i] = log_gamma_unchecked(alpha[i], rng);
  const double most = *std::max_element(out.begin(), out.end());
  double sum = 0;
  for (double& x : out) sum += x = std::exp(x - most);
  for (double& x : out) x /= sum;
}

int32_t categorical_index(std::span<const double> weights, double sum, double uniform) noexcept {
  double rest = uniform * sum;
  size_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    if (rest < weights[i]) return static_cast<int32_t>(i);
    rest -= weights[i];
    last = i;
  }
  return static_cast<int32_t>(last);  // rounding: the last index that can be
}

int32_t draw_categorical(std::span<const double> weights, Rng& rng) {
  double sum = 0;
  for (const double w : weights) {
    check(w >= 0, ErrorCode::kInvalidArgument, "[draw categorical] expected weights of at least 0, found ", w);
    sum += w;
  }
  check(std::isfinite(sum) && sum > 0, ErrorCode::kInvalidArgument, "[draw categorical] expected a finite sum above 0, found ", sum);
  return categorical_index(weights, sum, rng.uniform());
}

void draw_normal(std::span<const double> mean, std::span<const double> lower, Rng& rng, std::span<double> out) {
  const size_t d = mean.size();
  check(out.size() == d && lower.size() == d * d, ErrorCode::kInvalidArgument, "[draw normal] expected room for ", d,
        " numbers and a factor [", d, ", ", d, "], found ", out.size(), " and ", lower.size(), " numbers");
  for (double& x : out) x = rng.normal();
  for (size_t i = d; i-- > 0;) {  // from below, since row i needs the noise of the rows above only
    double sum = mean[i];
    for (size_t k = 0; k <= i; ++k) sum += lower[i * d + k] * out[k];
    check(std::isfinite(sum), ErrorCode::kInvalidArgument, "[draw normal] expected finite parameters, found ", sum, " in row ", i);
    out[i] = sum;
  }
}

}  // namespace attune::people
