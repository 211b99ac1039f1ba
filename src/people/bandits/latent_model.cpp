#include "people/bandits/latent_model.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>

#include "core/error.h"

namespace attune::people {
namespace {

constexpr double kSumTolerance = 1e-6;
constexpr double kRounding = 1e-12;  // a row this near to 1 stays as it is, so that checking twice changes no bit
constexpr double kLevelTolerance = 1e-9;  // a reward is a level if it is this near
constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr std::array<const char*, 3> kRewardNames = {"gaussian", "bernoulli", "categorical"};

void check_size(std::span<const double> values, size_t expected, const char* field) {
  check(values.size() == expected, ErrorCode::kInvalidArgument, "[latent model] ", field, ": expected ", expected, " numbers, found ",
        values.size());
  for (const double x : values) {
    check(std::isfinite(x), ErrorCode::kInvalidArgument, "[latent model] ", field, ": expected finite numbers, found ", x);
  }
}

void check_positive(std::span<const double> values, size_t expected, const char* field) {
  check_size(values, expected, field);
  for (const double x : values) {
    check(x > 0, ErrorCode::kInvalidArgument, "[latent model] ", field, ": expected numbers above 0, found ", x);
  }
}

void normalise(std::span<double> row, const char* field, size_t index) {
  double sum = 0;
  for (const double x : row) {
    check(x >= 0, ErrorCode::kInvalidArgument, "[latent model] ", field, " ", index, ": expected probabilities of at least 0, found ", x);
    sum += x;
  }
  check(std::abs(sum - 1) <= kSumTolerance, ErrorCode::kInvalidArgument, "[latent model] ", field, " ", index,
        ": expected a sum of 1, found ", sum);
  if (std::abs(sum - 1) <= kRounding) return;
  for (double& x : row) x /= sum;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

const char* reward_kind_name(RewardKind kind) noexcept { return kRewardNames[static_cast<size_t>(kind)]; }

RewardKind parse_reward_kind(std::string_view name) {
  for (size_t i = 0; i < kRewardNames.size(); ++i) {
    if (name == kRewardNames[i]) return static_cast<RewardKind>(i);
  }
  fail(ErrorCode::kInvalidArgument, "[latent model] reward: expected gaussian, bernoulli or categorical, found ", name);
}

void LatentModel::check() {
  attune::check(num_states >= 1, ErrorCode::kInvalidArgument, "[latent model] expected at least 1 state, found ", num_states);
  attune::check(d >= 0 && num_arms >= 0 && (d > 0) != (num_arms > 0), ErrorCode::kInvalidArgument,
                "[latent model] expected either arms (a table) or features, found ", num_arms, " arms and ", d, " features");
  const auto z = static_cast<size_t>(num_states);
  const auto k = static_cast<size_t>(num_arms);
  check_size(initial, z, "initial");
  normalise(initial, "initial", 0);
  attune::check(transition.num_states() == num_states, ErrorCode::kInvalidArgument, "[latent model] transition: expected ", num_states,
                " states, found ", transition.num_states());
  if (reward == RewardKind::kGaussian) check_positive({&noise_sd, 1}, 1, "noise_sd");
  if (by_features()) {
    attune::check(reward != RewardKind::kCategorical, ErrorCode::kUnsupported, "[latent model] categorical rewards need a table of arms");
    check_size(theta, z * static_cast<size_t>(d), "theta");
    return;
  }
  if (reward != RewardKind::kCategorical) {
    check_size(mean, k * z, "mean");
    if (reward == RewardKind::kBernoulli) {
      for (const double x : mean) {
        attune::check(x >= 0 && x <= 1, ErrorCode::kInvalidArgument, "[latent model] mean: expected Bernoulli means in [0, 1], found ", x);
      }
    }
    return;
  }
  const size_t c = levels.size();
  check_size(levels, c, "levels");
  const bool rising = std::adjacent_find(levels.begin(), levels.end(), std::greater_equal<>()) == levels.end();
  attune::check(c >= 2 && rising, ErrorCode::kInvalidArgument, "[latent model] levels: expected at least 2 in rising order, found ", c);
  check_size(level_probability, k * z * c, "level_probability");
  mean.assign(k * z, 0.0);
  for (size_t i = 0; i < k * z; ++i) {
    const std::span<double> row = std::span(level_probability).subspan(i * c, c);
    normalise(row, "level_probability", i);
    mean[i] = dot(row, levels);
  }
}

void LatentModel::means(int32_t arm, std::span<const double> features, std::span<double> out) const {
  const auto z = static_cast<size_t>(num_states);
  if (!by_features()) {
    std::copy_n(mean.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(arm) * z), z, out.begin());
    return;
  }
  const auto width = static_cast<size_t>(d);
  std::fill_n(out.begin(), z, 0.0);
  for (size_t i = 0; i < width; ++i) {  // the sums of different states do not wait for one another
    for (size_t s = 0; s < z; ++s) out[s] += features[i] * theta[s * width + i];
  }
  if (reward == RewardKind::kBernoulli) {
    for (double& mu : out) mu = std::clamp(mu, kLeastBernoulli, 1 - kLeastBernoulli);
  }
}

void LatentModel::check_observation(int32_t arm, std::span<const double> features, double value) const {
  attune::check(std::isfinite(value), ErrorCode::kInvalidArgument, "[latent model] expected a finite reward, found ", value);
  if (by_features()) {
    attune::check(features.size() == static_cast<size_t>(d), ErrorCode::kInvalidArgument, "[latent model] expected ", d,
                  " features of the arm, found ", features.size());
    for (const double x : features) {
      attune::check(std::isfinite(x), ErrorCode::kInvalidArgument, "[latent model] expected finite features, found ", x);
    }
  } else {
    attune::check(arm >= 0 && arm < num_arms, ErrorCode::kInvalidArgument, "[latent model] unknown arm ", arm, ", there are ", num_arms);
  }
  if (reward == RewardKind::kBernoulli) {
    attune::check(value == 0 || value == 1, ErrorCode::kInvalidArgument, "[latent model] expected a reward of 0 or 1, found ", value);
  } else if (reward == RewardKind::kCategorical) {
    attune::check(level_of(value) >= 0, ErrorCode::kInvalidArgument, "[latent model] expected a reward that is one of the ",
                  levels.size(), " levels, found ", value);
  }
}

void LatentModel::log_likelihood(int32_t arm, std::span<const double> features, double value, std::span<double> out) const {
  check_observation(arm, features, value);
  const auto z = static_cast<size_t>(num_states);
  if (reward == RewardKind::kCategorical) {
    const auto c = static_cast<size_t>(level_of(value));
    for (size_t s = 0; s < z; ++s) {
      const double p = level_probability[(static_cast<size_t>(arm) * z + s) * levels.size() + c];
      out[s] = p > 0 ? std::max(std::log(p), kLogFloor) : kNever;
    }
    return;
  }
  means(arm, features, out);
  if (reward == RewardKind::kBernoulli) {
    for (double& mu : out) {
      const double p = value == 1 ? mu : 1 - mu;
      mu = p > 0 ? std::max(std::log(p), kLogFloor) : kNever;
    }
    return;
  }
  const double offset = -std::log(noise_sd) - 0.5 * std::log(2 * std::numbers::pi);
  for (double& mu : out) {
    const double error = (value - mu) / noise_sd;
    mu = std::max(offset - 0.5 * error * error, kLogFloor);
  }
}

int32_t LatentModel::level_of(double value) const noexcept {
  for (size_t c = 0; c < levels.size(); ++c) {
    if (std::abs(levels[c] - value) <= kLevelTolerance) return static_cast<int32_t>(c);
  }
  return -1;
}

double LatentModel::variance(int32_t arm, int32_t state, double mu) const {
  if (reward == RewardKind::kGaussian) return noise_sd * noise_sd;
  if (reward == RewardKind::kBernoulli) return mu * (1 - mu);
  const size_t c = levels.size();
  const size_t row = (static_cast<size_t>(arm) * static_cast<size_t>(num_states) + static_cast<size_t>(state)) * c;
  double sum = 0;
  for (size_t i = 0; i < c; ++i) sum += level_probability[row + i] * (levels[i] - mu) * (levels[i] - mu);
  return sum;
}

void LatentPrior::check(const LatentModel& model) const {
  const auto z = static_cast<size_t>(model.num_states);
  const auto cells = static_cast<size_t>(model.num_arms) * z;
  const auto d = static_cast<size_t>(model.d);
  if (!initial_alpha.empty()) check_positive(initial_alpha, z, "initial_alpha");
  if (!transition_alpha.empty()) check_positive(transition_alpha, z * z, "transition_alpha");
  if (!mean.empty() || !variance.empty()) {
    check_size(mean, cells, "prior mean");
    check_positive(variance, cells, "prior variance");
  }
  if (!beta.empty()) check_positive(beta, 2 * cells, "beta");
  if (!level_alpha.empty()) check_positive(level_alpha, cells * model.levels.size(), "level_alpha");
  if (theta.empty() && covariance.empty()) return;
  check_size(theta, z * d, "prior theta");
  check_size(covariance, z * d * d, "covariance");
  for (size_t s = 0; s < z; ++s) {
    const Eigen::Map<const Eigen::MatrixXd> sigma(covariance.data() + s * d * d, static_cast<Eigen::Index>(d),
                                                  static_cast<Eigen::Index>(d));
    const bool symmetric = (sigma - sigma.transpose()).cwiseAbs().maxCoeff() <= 1e-9 * std::max(1.0, sigma.cwiseAbs().maxCoeff());
    attune::check(symmetric && Eigen::LLT<Eigen::MatrixXd>(sigma).info() == Eigen::Success, ErrorCode::kInvalidArgument,
                  "[latent model] covariance of state ", s, ": expected a symmetric positive definite matrix");
  }
}

}  // namespace attune::people
