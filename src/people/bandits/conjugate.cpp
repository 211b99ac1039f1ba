#include "people/bandits/conjugate.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace attune::people {
namespace {

/// Solves L' out = v (in place), columns of L one after another in `block`.
void solve_transposed(std::span<const double> block, std::span<double> v) noexcept {
  const size_t d = v.size();
  size_t start = d * (d + 1) / 2;
  for (size_t k = d; k-- > 0;) {
    start -= d - k;
    const double* column = block.data() + start;
    double sum = v[k];
    for (size_t i = 1; i < d - k; ++i) sum -= column[i] * v[k + i];
    v[k] = sum / column[0];
  }
}

}  // namespace

MeanVariance gaussian_posterior(double m0, double v0, double noise_variance, double n, double sum) noexcept {
  const double gain = 1 / (noise_variance / v0 + n);
  return {m0 + (sum - n * m0) * gain, noise_variance * gain};
}

double gaussian_density(double x, double mean, double variance) noexcept {
  const double error = x - mean;
  return std::max(std::exp(-0.5 * error * error / variance) / std::sqrt(2 * std::numbers::pi * variance), kDensityFloor);
}

void linear_prior(std::span<const double> mean, std::span<const double> covariance, std::span<double> block) {
  const auto d = static_cast<Eigen::Index>(mean.size());
  check(d > 0 && covariance.size() == mean.size() * mean.size() && block.size() == linear_size(mean.size()), ErrorCode::kInvalidArgument,
        "[linear posterior] expected a covariance [", mean.size(), ", ", mean.size(), "] and room for ", linear_size(mean.size()),
        " numbers, found ", covariance.size(), " and ", block.size());
  const Eigen::Map<const Eigen::MatrixXd> sigma(covariance.data(), d, d);
  const Eigen::LLT<Eigen::MatrixXd> factor(sigma);
  check(factor.info() == Eigen::Success && sigma.allFinite(), ErrorCode::kInvalidArgument,
        "[linear posterior] expected a positive definite covariance");
  // Sigma = C C', C^-1 = Q R: Lambda = C^-T C^-1 = R' R, so L = R' up to the signs of its columns. No product is inverted.
  const Eigen::MatrixXd inverse = factor.matrixL().solve(Eigen::MatrixXd::Identity(d, d));
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(inverse);
  Eigen::MatrixXd lower = qr.matrixQR().triangularView<Eigen::Upper>().transpose();
  for (Eigen::Index k = 0; k < d; ++k) {
    if (lower(k, k) < 0) lower.col(k) = -lower.col(k);
  }
  const Eigen::VectorXd u = lower.transpose() * Eigen::Map<const Eigen::VectorXd>(mean.data(), d);
  check(u.allFinite() && lower.diagonal().minCoeff() > 0, ErrorCode::kInvalidArgument,
        "[linear posterior] expected a finite mean and a covariance that can be inverted");
  size_t next = 0;
  for (Eigen::Index k = 0; k < d; ++k) {
    for (Eigen::Index i = k; i < d; ++i) block[next++] = lower(i, k);
  }
  for (Eigen::Index k = 0; k < d; ++k) block[next++] = u[k];
}

void linear_update(std::span<double> block, std::span<const double> x, double reward, double noise_variance, double weight,
                   std::span<double> scratch) noexcept {
  const size_t d = x.size();
  const double scale = std::sqrt(weight / noise_variance);
  for (size_t i = 0; i < d; ++i) scratch[i] = x[i] * scale;
  double y = reward * scale;
  double* column = block.data();
  double* u = block.data() + d * (d + 1) / 2;
  for (size_t k = 0; k < d; ++k) {
    const double radius = std::sqrt(column[0] * column[0] + scratch[k] * scratch[k]);
    const double c = column[0] / radius;
    const double s = scratch[k] / radius;
    column[0] = radius;
    for (size_t i = 1; i < d - k; ++i) {
      const double old = column[i];
      column[i] = c * old + s * scratch[k + i];
      scratch[k + i] = c * scratch[k + i] - s * old;
    }
    const double old = u[k];
    u[k] = c * old + s * y;
    y = c * y - s * old;
    column += d - k;
  }
}

bool linear_downdate(std::span<double> block, std::span<const double> x, double reward, double noise_variance,
                     std::span<double> scratch) noexcept {
  const size_t d = x.size();
  const double scale = 1 / std::sqrt(noise_variance);
  for (size_t i = 0; i < d; ++i) scratch[i] = x[i] * scale;
  double y = reward * scale;
  double* column = block.data();
  double* u = block.data() + d * (d + 1) / 2;
  for (size_t k = 0; k < d; ++k) {
    const double square = (column[0] - scratch[k]) * (column[0] + scratch[k]);
    if (!(square > 0)) return false;
    const double radius = std::sqrt(square);
    const double c = radius / column[0];
    const double s = scratch[k] / column[0];
    column[0] = radius;
    for (size_t i = 1; i < d - k; ++i) {
      column[i] = (column[i] - s * scratch[k + i]) / c;
      scratch[k + i] = c * scratch[k + i] - s * column[i];
    }
    u[k] = (u[k] - s * y) / c;
    y = c * y - s * u[k];
    column += d - k;
  }
  return true;
}

MeanVariance linear_predict(std::span<const double> block, std::span<const double> x, std::span<double> scratch) noexcept {
  const size_t d = x.size();
  std::copy(x.begin(), x.end(), scratch.begin());
  const double* column = block.data();
  const double* u = block.data() + d * (d + 1) / 2;
  MeanVariance out;
  for (size_t k = 0; k < d; ++k) {  // v = L^-1 x: mean v . u, variance v . v
    const double v = scratch[k] / column[0];
    out.mean += v * u[k];
    out.variance += v * v;
    for (size_t i = 1; i < d - k; ++i) scratch[k + i] -= column[i] * v;
    column += d - k;
  }
  return out;
}

void linear_mean(std::span<const double> block, std::span<double> out) noexcept {
  const size_t d = out.size();
  std::copy_n(block.data() + d * (d + 1) / 2, d, out.begin());
  solve_transposed(block, out);
}

void linear_draw(std::span<const double> block, Rng& rng, std::span<double> out) noexcept {
  const size_t d = out.size();
  const double* u = block.data() + d * (d + 1) / 2;
  for (size_t k = 0; k < d; ++k) out[k] = u[k] + rng.normal();
  solve_transposed(block, out);
}

}  // namespace attune::people
