// Conjugate pieces against quadrature of prior times likelihood (1e-8), direct solves, moments of draws, and bad input.
#include "people/bandits/conjugate.h"

#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <Eigen/LU>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "tests/people/bandits/enumerated_posterior.h"
#include "people/bandits/uncertain_model.h"

namespace attune::people {
namespace {

double normal_density(double x, double mean, double variance) {
  return std::exp(-(x - mean) * (x - mean) / (2 * variance)) / std::sqrt(2 * std::numbers::pi * variance);
}

/// Trapezoid rule; for densities that vanish at both ends its error falls faster than any power of the step.
double integral(double low, double high, int n, const std::function<double(double)>& f) {
  double sum = 0;
  for (int i = 0; i <= n; ++i) sum += (i == 0 || i == n ? 0.5 : 1.0) * f(low + (high - low) * i / n);
  return sum * (high - low) / n;
}

/// The block of an arm after its rewards in states 0, 1, 0, 1, ...
std::vector<double> block_after(const UncertainModel& u, int32_t arm, const std::vector<SeenReward>& rewards) {
  std::vector<double> block(u.block_size());
  std::vector<double> scratch(u.scratch_size());
  u.prior_block(static_cast<size_t>(arm), block);
  for (size_t i = 0; i < rewards.size(); ++i) u.add(block, static_cast<int32_t>(i % 2), rewards[i], 1, scratch);
  return block;
}

std::vector<double> densities(const UncertainModel& u, std::span<const double> block, size_t index, const SeenReward& seen) {
  std::vector<double> out(u.cells());
  std::vector<double> scratch(u.scratch_size());
  u.densities(block, index, seen, scratch, out);
  return out;
}

TEST(BanditConjugate, GaussianPredictiveIsTheQuadrature) {
  const Problem p = gaussian_problem();
  const UncertainModel u(p.model, p.prior);
  const std::vector<SeenReward> rewards = {{1, {}, 0.4}, {1, {}, 1.1}, {1, {}, -0.3}, {1, {}, 0.2}, {1, {}, 0.9}};
  const auto block = block_after(u, 1, rewards);
  const double noise = p.model.noise_sd * p.model.noise_sd;
  for (size_t s = 0; s < 2; ++s) {
    const auto weight = [&](double theta) {
      double w = normal_density(theta, p.prior.mean[2 + s], p.prior.variance[2 + s]);
      for (size_t i = s; i < rewards.size(); i += 2) w *= normal_density(rewards[i].reward, theta, noise);
      return w;
    };
    const double total = integral(-8, 8, 4000, weight);
    for (const double r : {-1.0, 0.3, 2.0}) {
      const double expected = integral(-8, 8, 4000, [&](double x) { return weight(x) * normal_density(r, x, noise); }) / total;
      EXPECT_NEAR(densities(u, block, 1, {1, {}, r})[s], expected, 1e-8 * expected);
    }
    const auto state = static_cast<int32_t>(s);
    EXPECT_NEAR(u.mean(block, 1, state), integral(-8, 8, 4000, [&](double x) { return x * weight(x); }) / total, 1e-8);
    const double m = u.mean(block, 1, state);
    EXPECT_NEAR(u.gaussian(block, 1, state).variance,
                integral(-8, 8, 4000, [&](double x) { return (x - m) * (x - m) * weight(x); }) / total, 1e-8);
  }
}

TEST(BanditConjugate, BetaPredictiveIsTheQuadrature) {
  Problem p = beta_problem();
  p.prior.beta = {2.5, 3, 4, 2, 2.2, 2.7, 3, 3};  // smooth at the ends, for the quadrature
  const UncertainModel u(p.model, p.prior);
  const std::vector<SeenReward> rewards = {{0, {}, 1}, {0, {}, 0}, {0, {}, 1}, {0, {}, 1}, {0, {}, 0}};
  const auto block = block_after(u, 0, rewards);
  for (size_t s = 0; s < 2; ++s) {
    // theta = sin^2(pi v / 2) smooths the ends further: d theta = pi sin cos dv.
    const auto moment = [&](int power) {
      return integral(0, 1, 20000, [&](double v) {
        const double theta = std::pow(std::sin(std::numbers::pi * v / 2), 2);
        double w =
            std::pow(theta, p.prior.beta[2 * s] - 1) * std::pow(1 - theta, p.prior.beta[2 * s + 1] - 1) * std::sqrt(theta * (1 - theta));
        for (size_t i = s; i < rewards.size(); i += 2) w *= rewards[i].reward == 1 ? theta : 1 - theta;
        return w * std::pow(theta, power);
      });
    };
    const double expected = moment(1) / moment(0);
    EXPECT_NEAR(densities(u, block, 0, {0, {}, 1})[s], expected, 1e-8);
    EXPECT_NEAR(densities(u, block, 0, {0, {}, 0})[s], 1 - expected, 1e-8);
    EXPECT_NEAR(u.mean(block, 0, static_cast<int32_t>(s)), expected, 1e-8);
  }
}

TEST(BanditConjugate, DirichletPredictiveIsTheQuadrature) {
  Problem p = dirichlet_problem();
  p.prior.level_alpha = {3, 2, 4, 2, 3, 3, 1, 1, 1, 1, 1, 1};  // polynomials
  const UncertainModel u(p.model, p.prior);
  const std::vector<SeenReward> rewards = {{0, {}, 1, 0}, {0, {}, 3, 2}, {0, {}, 3, 2}, {0, {}, 2, 1}, {0, {}, 3, 2}};
  const auto block = block_after(u, 0, rewards);
  for (size_t s = 0; s < 2; ++s) {
    // The simplex by sin^2 in both directions, so that the integrand and its first derivatives vanish at the ends.
    const auto moment = [&](int level) {
      return integral(0, 1, 400, [&](double a) {
        return integral(0, 1, 400, [&](double b) {
          const double q = std::pow(std::sin(std::numbers::pi * a / 2), 2);
          const double r = std::pow(std::sin(std::numbers::pi * b / 2), 2);
          const double theta[3] = {q, (1 - q) * r, (1 - q) * (1 - r)};
          double w = (1 - q) * std::sqrt(q * (1 - q) * r * (1 - r));
          for (size_t c = 0; c < 3; ++c) w *= std::pow(theta[c], p.prior.level_alpha[s * 3 + c] - 1);
          for (size_t i = s; i < rewards.size(); i += 2) w *= theta[rewards[i].level];
          return level < 0 ? w : w * theta[level];
        });
      });
    };
    const double total = moment(-1);
    double mean = 0;
    for (int32_t c = 0; c < 3; ++c) {
      const double expected = moment(c) / total;
      EXPECT_NEAR(densities(u, block, 0, {0, {}, p.model.levels[static_cast<size_t>(c)], c})[s], expected, 1e-8) << s << c;
      mean += expected * p.model.levels[static_cast<size_t>(c)];
    }
    EXPECT_NEAR(u.mean(block, 0, static_cast<int32_t>(s)), mean, 1e-8);
  }
}

TEST(BanditConjugate, LinearPredictiveIsTheQuadrature) {
  const Problem p = linear_problem();
  const UncertainModel u(p.model, p.prior);
  std::vector<double> block(u.block_size());
  std::vector<double> scratch(u.scratch_size());
  u.prior_block(1, block);
  for (const Step& s : p.steps) u.add(block, 1, {-1, s.x, s.reward}, 1, scratch);
  const double noise = p.model.noise_sd * p.model.noise_sd;
  const Eigen::Vector2d m0(p.prior.theta[2], p.prior.theta[3]);
  const Eigen::Matrix2d precision = Eigen::Map<const Eigen::Matrix2d>(p.prior.covariance.data() + 4).inverse();
  const std::vector<double> x = {0.7, -0.4};
  const auto moment = [&](const std::function<double(double, double)>& f) {
    return integral(-6, 6, 600, [&](double a) {
      return integral(-6, 6, 600, [&](double b) {
        const Eigen::Vector2d e = Eigen::Vector2d(a, b) - m0;
        double log_w = -0.5 * e.dot(precision * e);
        for (const Step& s : p.steps) log_w -= std::pow(s.reward - a * s.x[0] - b * s.x[1], 2) / (2 * noise);
        return std::exp(log_w) * f(a, b);
      });
    });
  };
  const double total = moment([](double, double) { return 1; });
  for (const double r : {-0.5, 0.4}) {
    const double expected = moment([&](double a, double b) { return normal_density(r, a * x[0] + b * x[1], noise); }) / total;
    EXPECT_NEAR(densities(u, block, 1, {-1, x, r})[0], expected, 1e-8);
  }
  std::vector<double> mean(2);
  linear_mean(block, mean);
  EXPECT_NEAR(mean[0], moment([](double a, double) { return a; }) / total, 1e-8);
  EXPECT_NEAR(mean[1], moment([](double, double b) { return b; }) / total, 1e-8);
}

struct Linear {
  size_t d;
  std::vector<double> mean;
  std::vector<double> covariance;
  std::vector<double> block;
  std::vector<std::vector<double>> x;
  std::vector<double> r;
};

Linear random_linear(size_t d, int n, double noise, uint64_t seed) {
  Rng rng(seed, "linear");
  Linear out{d, std::vector<double>(d), std::vector<double>(d * d), std::vector<double>(linear_size(d)), {}, {}};
  const auto size = static_cast<Eigen::Index>(d);
  Eigen::MatrixXd a(size, size);
  for (Eigen::Index i = 0; i < size * size; ++i) a.data()[i] = rng.normal();
  const Eigen::MatrixXd sigma = a * a.transpose() / static_cast<double>(d) + 0.1 * Eigen::MatrixXd::Identity(size, size);
  std::copy_n(sigma.data(), d * d, out.covariance.begin());
  for (double& m : out.mean) m = rng.normal();
  linear_prior(out.mean, out.covariance, out.block);
  std::vector<double> scratch(d);
  for (int i = 0; i < n; ++i) {
    std::vector<double> x(d);
    for (double& v : x) v = rng.normal();
    out.x.push_back(x);
    out.r.push_back(rng.normal());
    linear_update(out.block, x, out.r.back(), noise, 1, scratch);
  }
  return out;
}

TEST(BanditConjugate, LinearUpdateIsTheDirectSolve) {
  constexpr double kNoise = 0.3;
  for (const size_t d : {1, 2, 7, 20}) {
    const Linear l = random_linear(d, 50, kNoise, d);
    const auto size = static_cast<Eigen::Index>(d);
    Eigen::MatrixXd precision = Eigen::Map<const Eigen::MatrixXd>(l.covariance.data(), size, size).inverse();
    Eigen::VectorXd b = precision * Eigen::Map<const Eigen::VectorXd>(l.mean.data(), size);
    for (size_t i = 0; i < l.x.size(); ++i) {
      const Eigen::Map<const Eigen::VectorXd> x(l.x[i].data(), size);
      precision += x * x.transpose() / kNoise;
      b += x * l.r[i] / kNoise;
    }
    const Eigen::VectorXd mean = precision.llt().solve(b);
    std::vector<double> found(d), scratch(d);
    linear_mean(l.block, found);
    for (size_t i = 0; i < d; ++i) EXPECT_NEAR(found[i], mean[static_cast<Eigen::Index>(i)], 1e-10);
    const Eigen::Map<const Eigen::VectorXd> x(l.x[3].data(), size);
    const MeanVariance at = linear_predict(l.block, l.x[3], scratch);
    EXPECT_NEAR(at.mean, x.dot(mean), 1e-10);
    EXPECT_NEAR(at.variance, x.dot(precision.llt().solve(x)), 1e-12);
  }
}

TEST(BanditConjugate, LinearDowndateTakesBackAnUpdateAndWeightsAreSharesOfOne) {
  constexpr double kNoise = 0.3;
  const Linear l = random_linear(6, 10, kNoise, 3);
  std::vector<double> scratch(6), block = l.block;
  const std::vector<double> x = {1, -2, 0.5, 3, 0.1, -1};
  for (int i = 0; i < 1000; ++i) {
    linear_update(block, x, 2.5, kNoise, 1, scratch);
    ASSERT_TRUE(linear_downdate(block, x, 2.5, kNoise, scratch));
  }
  for (size_t i = 0; i < block.size(); ++i) EXPECT_NEAR(block[i], l.block[i], 1e-9 * (1 + std::abs(l.block[i])));
  std::vector<double> once = l.block, twice = l.block;
  linear_update(once, x, 2.5, kNoise, 1, scratch);
  linear_update(twice, x, 2.5, kNoise, 0.25, scratch);
  linear_update(twice, x, 2.5, kNoise, 0.75, scratch);
  for (size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(once[i], twice[i], 1e-10 * (1 + std::abs(once[i])));
  EXPECT_FALSE(linear_downdate(block, std::vector<double>(6, 1e3), 1, kNoise, scratch)) << "never went in: no positive definite rest";
}

TEST(BanditConjugate, LinearDrawsHaveThePosteriorsMoments) {
  const Linear l = random_linear(3, 4, 0.5, 4);
  std::vector<double> scratch(3), mean(3), theta(3), sum(3);
  linear_mean(l.block, mean);
  Rng rng(5, "draws");
  double square = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    linear_draw(l.block, rng, theta);
    double along = 0;
    for (size_t k = 0; k < 3; ++k) {
      sum[k] += theta[k] / kDraws;
      along += (theta[k] - mean[k]) * l.x[0][k];
    }
    square += along * along / kDraws;
  }
  for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(sum[k], mean[k], 0.02);
  const double variance = linear_predict(l.block, l.x[0], scratch).variance;
  EXPECT_NEAR(square, variance, 5 * variance * std::sqrt(2.0 / kDraws));
}

TEST(BanditConjugate, TakingARewardOutGivesWhatWasThereBefore) {
  for (const Problem& p : all_problems()) {
    const UncertainModel u(p.model, p.prior);
    std::vector<double> scratch(u.scratch_size());
    std::vector<SeenReward> seen;
    for (const Step& s : p.steps) seen.push_back({s.arm, s.x, s.reward, p.name == "dirichlet" ? p.model.level_of(s.reward) : 0});
    const size_t index = u.block_of(0, 1);
    std::vector<double> block(u.block_size());
    u.prior_block(index, block);
    for (size_t i = 1; i < seen.size(); ++i) u.add(block, 1, seen[i], 1, scratch);
    const std::vector<double> before = block;
    const double expected = densities(u, block, index, seen[0])[u.cell_of(1)];
    u.add(block, 1, seen[0], 1, scratch);
    std::vector<double> without(u.cells());
    u.densities_without(block, index, seen[0], scratch, without);
    EXPECT_NEAR(without[u.cell_of(1)], expected, 1e-12) << p.name;
    ASSERT_TRUE(u.remove(block, 1, seen[0], scratch));
    for (size_t i = 0; i < block.size(); ++i) EXPECT_NEAR(block[i], before[i], 1e-12) << p.name;
  }
}

TEST(BanditConjugate, DrawsOfTableMeansFollowThePosterior) {
  for (const Problem& p : {gaussian_problem(), beta_problem(), dirichlet_problem()}) {
    const UncertainModel u(p.model, p.prior);
    std::vector<double> scratch(u.scratch_size());
    const auto block = block_after(u, 1, {{1, {}, 1}, {1, {}, 1}, {1, {}, 1}});
    Rng rng(6, p.name);
    double sum = 0;
    for (int i = 0; i < 100000; ++i) sum += u.draw_mean(block, 1, 0, rng, scratch) / 100000;
    EXPECT_NEAR(sum, u.mean(block, 1, 0), 0.01) << p.name;
  }
}

TEST(BanditConjugate, OutliersKeepTheFloorAndAnUnknownArmStandsAtItsPrior) {
  const Problem p = gaussian_problem();
  const UncertainModel u(p.model, p.prior);
  std::vector<double> block(u.block_size());
  u.prior_block(1, block);
  EXPECT_EQ(densities(u, block, 1, {1, {}, 1e6})[0], kDensityFloor);
  for (int32_t z = 0; z < 2; ++z) {
    EXPECT_EQ(u.mean(block, 1, z), p.prior.mean[static_cast<size_t>(2 + z)]);
    EXPECT_NEAR(u.gaussian(block, 1, z).variance, p.prior.variance[static_cast<size_t>(2 + z)], 1e-15);
  }
}

void expect_code(ErrorCode code, const std::function<void()>& body, const char* what) {
  try {
    body();
    ADD_FAILURE() << "no error: " << what;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << what << ": " << error.what();
  }
}

TEST(BanditConjugate, RefusesPriorsThatDoNotFit) {
  const auto refused = [](const Problem& p, const char* what, ErrorCode code = ErrorCode::kInvalidArgument) {
    expect_code(code, [&] { UncertainModel(p.model, p.prior); }, what);
  };
  Problem p = gaussian_problem();
  p.prior.variance[1] = 0;
  refused(p, "variance 0");
  p = gaussian_problem();
  p.prior.variance.clear();
  refused(p, "mean without variance");
  p = gaussian_problem();
  p.prior.beta = {1, 1, 1, 1, 1, 1, 1, 1};
  refused(p, "beta for Gaussian rewards");
  p = gaussian_problem();
  p.prior.transition_alpha = {1, 1, 1};
  refused(p, "three transition parameters");
  p = gaussian_problem();
  p.prior.initial_alpha = {1, -1};
  refused(p, "negative parameter");
  p = beta_problem();
  p.prior.mean = {0, 0, 0, 0};
  p.prior.variance = {1, 1, 1, 1};
  refused(p, "Gaussian means for Bernoulli rewards");
  p = dirichlet_problem();
  p.prior.level_alpha.pop_back();
  refused(p, "a level short");
  p = linear_problem();
  p.prior.covariance = {1, 2, 2, 1, 1, 0, 0, 1};
  refused(p, "indefinite covariance");
  p = linear_problem();
  p.model.reward = RewardKind::kBernoulli;
  refused(p, "Bernoulli by features", ErrorCode::kUnsupported);
  p = gaussian_problem();
  p.model.noise_sd = -1;
  refused(p, "the model itself");
  std::vector<double> block(linear_size(2));
  expect_code(ErrorCode::kInvalidArgument, [&] { linear_prior(std::vector{0.0, 0.0}, std::vector{1.0}, block); }, "size of a covariance");
  expect_code(
      ErrorCode::kInvalidArgument, [&] { linear_prior(std::vector{0.0, 0.0}, std::vector{1.0, 0.0, 0.0, -1.0}, block); }, "not definite");
}

}  // namespace
}  // namespace attune::people
