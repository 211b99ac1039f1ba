// The arithmetic of critiques: one scalar equation, a rank-one change of a covariance, Newton over pairs.
#include <Eigen/Dense>
#include <cmath>

#include "core/error.h"
#include "people/critique.h"

namespace attune::people {
namespace {

constexpr int kMaxNewton = 100;
constexpr double kTolerance = 1e-12;

using Vector = Eigen::VectorXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstVector = Eigen::Map<const Vector>;
using ConstMatrix = Eigen::Map<const Matrix>;

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
/// log(1 + exp(-x)) without overflow.
double log_loss(double x) { return x > 0 ? std::log1p(std::exp(-x)) : -x + std::log1p(std::exp(x)); }

void check_square(size_t n, size_t cells, std::string_view what) {
  check(n > 0 && cells == n * n, ErrorCode::kInvalidArgument, "[critique] ", what, ": covariance of ", cells, " numbers, expected ", n,
        " x ", n);
}

}  // namespace

double critique_mode(double x0, double v, double beta, int32_t sign, double strength) {
  check(sign == 1 || sign == -1, ErrorCode::kInvalidArgument, "[critique] sign ", sign, ", expected 1 or -1");
  check(std::isfinite(x0) && std::isfinite(v) && v >= 0 && std::isfinite(strength) && strength >= 0 && std::isfinite(beta) && beta > 0,
        ErrorCode::kInvalidArgument, "[critique] x0 ", x0, ", v ", v, ", beta ", beta, ", strength ", strength,
        ", expected finite ones, v and strength at least 0, beta above 0");
  // y = sign x solves y - y0 - c sigmoid(-beta y) = 0, which rises with slope >= 1 and has its root in [y0, y0 + c].
  const double y0 = sign * x0;
  const double c = v * strength * beta;
  double low = y0, high = y0 + c, y = y0 + c * sigmoid(-beta * y0), width = c;
  for (int n = 0; n < kMaxNewton; ++n) {
    const double s = sigmoid(-beta * y);
    const double g = y - y0 - c * s;
    (g > 0 ? high : low) = y;
    double next = y - g / (1 + c * beta * s * (1 - s));
    // Newton only where it stays inside and is sure to shrink; in the flat parts of the sigmoid it would jump to and fro.
    if (!(next > low && next < high) || std::abs(next - y) > width / 2) next = low + (high - low) / 2;
    width = std::abs(next - y);
    y = next;
    if (width <= kTolerance * (1 + std::abs(y))) break;
  }
  return sign * y;
}

void bayes_critique(std::span<double> mean, std::span<double> covariance, std::span<const double> direction, int32_t sign, double strength,
                    double beta) {
  check_square(mean.size(), covariance.size(), "bayes");
  check(direction.size() == mean.size(), ErrorCode::kInvalidArgument, "[critique] direction [", direction.size(), "], user [", mean.size(),
        "]");
  const auto n = static_cast<Eigen::Index>(mean.size());
  Eigen::Map<Vector> u(mean.data(), n);
  Eigen::Map<Matrix> sigma(covariance.data(), n, n);
  const ConstVector d(direction.data(), n);
  const Vector k = sigma * d;
  const double v = std::max(0.0, d.dot(k));
  const double x0 = d.dot(u);
  const double x = critique_mode(x0, v, beta, sign, strength);
  u += k * (strength * beta * sign * sigmoid(-beta * sign * x));
  const double h = strength * beta * beta * sigmoid(beta * x) * sigmoid(-beta * x);
  sigma -= k * k.transpose() * (h / (1 + h * v));
}

std::vector<double> pairwise_critique(std::span<const double> start, std::span<const double> covariance, std::span<const double> pairs,
                                      std::span<const double> weights, double beta) {
  check_square(start.size(), covariance.size(), "pairwise");
  check(pairs.size() == weights.size() * start.size(), ErrorCode::kInvalidArgument, "[critique] ", pairs.size(),
        " numbers in pairs, expected ", weights.size(), " x ", start.size());
  const auto n = static_cast<Eigen::Index>(start.size());
  const auto t = static_cast<Eigen::Index>(weights.size());
  const ConstVector u0(start.data(), n);
  const ConstMatrix sigma(covariance.data(), n, n);
  const ConstMatrix x(pairs.data(), t, n);
  const ConstVector w(weights.data(), t);
  const Matrix spread = sigma * x.transpose();  // [n, t]; u = u0 + spread a
  const Matrix k = x * spread;
  const Vector m = x * u0;
  const auto loss = [&](const Vector& a) {
    const Vector z = m + k * a;
    double sum = 0.5 * a.dot(k * a);
    for (Eigen::Index i = 0; i < t; ++i) sum += w[i] * log_loss(beta * z[i]);
    return sum;
  };
  Vector a = Vector::Zero(t);
  double now = loss(a);
  for (int step = 0; step < kMaxNewton && t > 0; ++step) {
    const Vector z = m + k * a;
    Vector pull(t), bend(t);
    for (Eigen::Index i = 0; i < t; ++i) {
      const double s = sigmoid(-beta * z[i]);
      pull[i] = w[i] * beta * s;
      bend[i] = w[i] * beta * beta * s * (1 - s);
    }
    const Vector gap = pull - a;  // zero at the optimum
    if (gap.lpNorm<Eigen::Infinity>() <= kTolerance) break;
    const Matrix jacobian = Matrix::Identity(t, t) + bend.asDiagonal() * k;
    const Vector move = jacobian.partialPivLu().solve(gap);
    double length = 1;
    double next = loss(a + move);
    const double rounding = 1e-13 * (1 + std::abs(now));  // near the optimum the loss cannot tell steps apart: trust Newton there
    while (next > now + rounding && length > 1e-8) next = loss(a + (length /= 2) * move);
    a += length * move;
    now = next;
  }
  const Vector u = u0 + spread * a;
  return {u.begin(), u.end()};
}

}  // namespace attune::people
