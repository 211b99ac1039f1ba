// Draws against the moments, distribution functions and supports of their distributions. Bounds are 5 standard errors of the fixed sample
// sizes (a false alarm in 1.7 million by chance; the seeds are fixed, so it is decided once).
#include "people/bandits/draws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/error.h"

namespace attune::people {
namespace {

constexpr int kDraws = 200000;
constexpr double kErrors = 5;

struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments moments(const std::function<double()>& draw, int n = kDraws) {
  std::vector<double> x(static_cast<size_t>(n));
  double sum = 0;
  for (double& value : x) sum += value = draw();
  Moments out{sum / n, 0};
  for (const double value : x) out.variance += (value - out.mean) * (value - out.mean) / (n - 1);
  return out;
}

TEST(BanditDraws, GammaHasItsMomentsFromTinyToHugeShapes) {
  for (const double shape : {0.01, 0.1, 0.5, 0.999, 1.0, 1.5, 3.0, 40.0, 1e4, 1e8, 1e12}) {
    Rng rng(1, "gamma");
    const Moments m = moments([&] { return draw_gamma(shape, rng); });
    EXPECT_NEAR(m.mean, shape, kErrors * std::sqrt(shape / kDraws)) << shape;
    // Var of the sample variance: (mu4 - sigma^4) / n with mu4 = 3 shape^2 + 6 shape.
    EXPECT_NEAR(m.variance, shape, kErrors * std::sqrt((2 * shape * shape + 6 * shape) / kDraws)) << shape;
  }
}

TEST(BanditDraws, GammaFollowsItsDistributionFunction) {
  // Shape 1: P(X <= x) = 1 - e^-x. Shape 1/2: X = N^2 / 2, P(X <= x) = erf(sqrt x). Shape 3: 1 - e^-x (1 + x + x^2 / 2).
  const auto check_share = [](double shape, double x, double p) {
    Rng rng(2, "gamma");
    const Moments m = moments([&] { return draw_gamma(shape, rng) <= x ? 1.0 : 0.0; });
    EXPECT_NEAR(m.mean, p, kErrors * std::sqrt(p * (1 - p) / kDraws)) << shape << " " << x;
  };
  for (const double x : {0.01, 0.2, 1.0, 2.5, 6.0}) {
    check_share(1, x, 1 - std::exp(-x));
    check_share(0.5, x, std::erf(std::sqrt(x)));
    check_share(3, x, 1 - std::exp(-x) * (1 + x + x * x / 2));
  }
}

TEST(BanditDraws, LogGammaIsTheLogarithmAndStaysFinite) {
  Rng a(3, "log"), b(3, "log");
  for (const double shape : {0.2, 0.9, 1.0, 7.0}) {
    for (int i = 0; i < 100; ++i) EXPECT_NEAR(draw_log_gamma(shape, a), std::log(draw_gamma(shape, b)), 1e-10);
    EXPECT_EQ(a.position(), b.position());
  }
  for (const double shape : {1e-300, 1e-8, 1e12, 1e300}) {
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(std::isfinite(draw_log_gamma(shape, a))) << shape;
  }
  // For tiny shapes -shape log(draw) is exponential with mean 1.
  Rng rng(4, "tiny");
  EXPECT_NEAR(moments([&] { return -1e-8 * draw_log_gamma(1e-8, rng); }).mean, 1, kErrors / std::sqrt(kDraws));
}

TEST(BanditDraws, BetaHasItsMomentsAndSupport) {
  for (const auto& [a, b] : {std::pair{1.0, 1.0}, {2.0, 5.0}, {0.3, 0.1}, {1e-3, 1e-3}, {1e6, 3e6}, {50.0, 0.5}}) {
    Rng rng(5, "beta");
    const Moments m = moments([&] {
      const double x = draw_beta(a, b, rng);
      EXPECT_TRUE(x >= 0 && x <= 1);
      return x;
    });
    const double mean = a / (a + b);
    const double variance = mean * (1 - mean) / (a + b + 1);
    EXPECT_NEAR(m.mean, mean, kErrors * std::sqrt(variance / kDraws)) << a << " " << b;
    EXPECT_NEAR(m.variance, variance, 0.03 * variance) << a << " " << b;
  }
}

TEST(BanditDraws, DirichletHasItsMoments) {
  const std::vector<double> alpha = {0.2, 3, 1, 0.8};
  Rng rng(6, "dirichlet");
  std::vector<double> x(4), mean(4), square(4);
  double cross = 0;
  for (int i = 0; i < kDraws; ++i) {
    draw_dirichlet(alpha, rng, x);
    double sum = 0;
    for (size_t k = 0; k < 4; ++k) {
      EXPECT_GE(x[k], 0);
      sum += x[k];
      mean[k] += x[k] / kDraws;
      square[k] += x[k] * x[k] / kDraws;
    }
    EXPECT_NEAR(sum, 1, 1e-12);
    cross += x[1] * x[2] / kDraws;
  }
  for (size_t k = 0; k < 4; ++k) {
    const double m = alpha[k] / 5;
    const double variance = m * (1 - m) / 6;
    EXPECT_NEAR(mean[k], m, kErrors * std::sqrt(variance / kDraws));
    EXPECT_NEAR(square[k] - mean[k] * mean[k], variance, 0.02 * variance);
  }
  EXPECT_NEAR(cross, 3 * 1 / (5.0 * 6.0), 0.002);
}

TEST(BanditDraws, DirichletOfTinyParametersIsACorner) {
  Rng rng(7, "corner");
  const std::vector<double> alpha = {1e-6, 1e-6, 2e-6};
  std::vector<double> x(3), share(3);
  for (int i = 0; i < 40000; ++i) {
    draw_dirichlet(alpha, rng, x);
    const auto top = static_cast<size_t>(std::max_element(x.begin(), x.end()) - x.begin());
    EXPECT_GT(x[top], 0.5);
    share[top] += 1.0 / 40000;
  }
  EXPECT_NEAR(share[0], 0.25, kErrors * std::sqrt(0.25 * 0.75 / 40000));
  EXPECT_NEAR(share[2], 0.5, kErrors * std::sqrt(0.25 / 40000));
}

TEST(BanditDraws, CategoricalDrawsByWeightAndNeverAnImpossibleIndex) {
  const std::vector<double> weights = {0, 2, 0, 5, 3, 0};
  Rng rng(8, "categorical");
  std::vector<double> share(6);
  for (int i = 0; i < kDraws; ++i) share[static_cast<size_t>(draw_categorical(weights, rng))] += 1.0 / kDraws;
  for (size_t k = 0; k < 6; ++k) {
    const double p = weights[k] / 10;
    EXPECT_NEAR(share[k], p, kErrors * std::sqrt(p * (1 - p) / kDraws));
  }
  EXPECT_EQ(share[0] + share[2] + share[5], 0);
  EXPECT_EQ(categorical_index(weights, 10, 0), 1);
  EXPECT_EQ(categorical_index(weights, 10, std::nextafter(1.0, 0.0)), 4);
  EXPECT_EQ(categorical_index(weights, 11, 0.99), 4) << "a sum that is too large must not lead past the end";
}

TEST(BanditDraws, NormalHasMeanAndCovariance) {
  const std::vector<double> mean = {1, -2, 0.5};
  const std::vector<double> lower = {2, 99, 99, -1, 0.5, 99, 0.3, 0.2, 0.1};  // 99: above the diagonal, must not matter
  Rng rng(9, "normal");
  std::vector<double> x(3), sum(3), products(9);
  for (int i = 0; i < kDraws; ++i) {
    draw_normal(mean, lower, rng, x);
    for (size_t a = 0; a < 3; ++a) {
      sum[a] += x[a] / kDraws;
      for (size_t b = 0; b < 3; ++b) products[a * 3 + b] += (x[a] - mean[a]) * (x[b] - mean[b]) / kDraws;
    }
  }
  for (size_t a = 0; a < 3; ++a) {
    double scale = 0;
    for (size_t k = 0; k <= a; ++k) scale += lower[a * 3 + k] * lower[a * 3 + k];
    EXPECT_NEAR(sum[a], mean[a], kErrors * std::sqrt(scale / kDraws));
    for (size_t b = 0; b <= a; ++b) {
      double covariance = 0;
      for (size_t k = 0; k <= b; ++k) covariance += lower[a * 3 + k] * lower[b * 3 + k];
      EXPECT_NEAR(products[a * 3 + b], covariance, 0.05) << a << " " << b;
      EXPECT_EQ(products[a * 3 + b], products[b * 3 + a]);
    }
  }
}

TEST(BanditDraws, SameStreamSameDraws) {
  Rng a(10, "same"), b(10, "same");
  std::vector<double> x(3), y(3);
  const std::vector<double> alpha = {0.5, 1, 2};
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(draw_gamma(0.7, a), draw_gamma(0.7, b));
    EXPECT_EQ(draw_beta(2, 0.3, a), draw_beta(2, 0.3, b));
    draw_dirichlet(alpha, a, x);
    draw_dirichlet(alpha, b, y);
    EXPECT_EQ(x, y);
  }
}

TEST(BanditDraws, RefusesParametersOutsideTheRange) {
  Rng rng(11, "bad");
  std::vector<double> out(2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {0.0, -1.0, nan, infinity}) {
    EXPECT_THROW(draw_gamma(bad, rng), Error);
    EXPECT_THROW(draw_log_gamma(bad, rng), Error);
    EXPECT_THROW(draw_beta(bad, 1, rng), Error);
    EXPECT_THROW(draw_beta(1, bad, rng), Error);
    EXPECT_THROW(draw_dirichlet(std::vector{1.0, bad}, rng, out), Error);
  }
  EXPECT_THROW(draw_dirichlet({}, rng, {}), Error);
  EXPECT_THROW(draw_dirichlet(std::vector{1.0, 1.0, 1.0}, rng, out), Error);
  for (const std::vector<double>& bad :
       {std::vector<double>{}, {0.0, 0.0}, {1.0, -1.0}, {nan, 1.0}, {infinity, 1.0}, {1e308, 1e308, 1e308}}) {
    EXPECT_THROW(draw_categorical(bad, rng), Error);
  }
  EXPECT_THROW(draw_normal(std::vector{0.0, 0.0}, std::vector{1.0, 0.0, 0.0}, rng, out), Error);
  EXPECT_THROW(draw_normal(std::vector{0.0}, std::vector{1.0}, rng, out), Error);
  EXPECT_THROW(draw_normal(std::vector{nan, 0.0}, std::vector{1.0, 0.0, 0.0, 1.0}, rng, out), Error);
}

}  // namespace
}  // namespace attune::people
