#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "people/bandits/belief_tables_internal.h"

namespace attune::people {
namespace {

constexpr double kLeastRatio = 1e-37;  // of a possible reward's likelihood to the largest of its row
constexpr float kLevelTolerance = 1e-6f;

double gaussian_offset(const LatentModel& model) { return -std::log(model.noise_sd) - 0.5 * std::log(2 * std::numbers::pi); }

/// Probability of outcome c of an arm in state z: reward 0 or 1, or a level.
double outcome_probability(const LatentModel& model, size_t row, size_t c) {
  if (model.reward == RewardKind::kBernoulli) return c == 1 ? model.mean[row] : 1 - model.mean[row];
  return model.level_probability[row * model.levels.size() + c];
}

int32_t level_of(std::span<const double> levels, float reward) {
  for (size_t c = 0; c < levels.size(); ++c) {
    const auto level = static_cast<float>(levels[c]);
    if (std::abs(level - reward) <= kLevelTolerance * std::max(1.0f, std::abs(level))) return static_cast<int32_t>(c);
  }
  return -1;
}

}  // namespace

BeliefBatch::Tables::Tables(const LatentModel& model) {
  const auto z = static_cast<size_t>(model.num_states);
  const auto k = static_cast<size_t>(model.num_arms);
  check(std::max(model.mean.size(), model.level_probability.size()) < (size_t{1} << 30), ErrorCode::kInvalidArgument,
        "[belief batch] expected a table of less than 2^30 numbers");
  padded = kernels::belief_padded(model.num_states);
  scale = {model.reward == RewardKind::kGaussian ? gaussian_offset(model) : 0};
  if (model.by_features()) {
    const auto d = static_cast<size_t>(model.d);
    theta.assign(model.theta.begin(), model.theta.end());
    theta_t.assign(d * static_cast<size_t>(padded), 0.0f);
    for (size_t s = 0; s < z; ++s) {
      for (size_t i = 0; i < d; ++i) theta_t[i * static_cast<size_t>(padded) + s] = theta[s * d + i];
    }
    if (model.reward == RewardKind::kBernoulli) {
      low = static_cast<float>(kLeastBernoulli);
      high = static_cast<float>(1 - kLeastBernoulli);
    }
    return;
  }
  means.assign(k * static_cast<size_t>(padded), 0.0f);
  for (size_t a = 0; a < k; ++a) {
    for (size_t s = 0; s < z; ++s) means[a * static_cast<size_t>(padded) + s] = static_cast<float>(model.mean[a * z + s]);
  }
  if (model.reward == RewardKind::kGaussian) {
    table.assign(model.mean.begin(), model.mean.end());
    return;
  }
  const size_t num_outcomes = model.reward == RewardKind::kBernoulli ? 2 : model.levels.size();
  scale.clear();
  for (size_t a = 0; a < k; ++a) {
    for (size_t c = 0; c < num_outcomes; ++c) {
      double largest = 0;
      for (size_t s = 0; s < z; ++s) largest = std::max(largest, outcome_probability(model, a * z + s, c));
      scale.push_back(largest > 0 ? std::log(largest) : 0);
      for (size_t s = 0; s < z; ++s) {
        const double p = outcome_probability(model, a * z + s, c);
        table.push_back(p > 0 ? static_cast<float>(std::max(p / largest, kLeastRatio)) : 0.0f);
      }
    }
  }
}

std::span<const int32_t> BeliefBatch::Tables::cells(const LatentModel& model, std::span<const int32_t> arms, std::span<const float> rewards,
                                                    std::vector<int32_t>& room) const {
  for (size_t i = 0; i < rewards.size(); ++i) {
    check(std::isfinite(rewards[i]), ErrorCode::kInvalidArgument, "[belief batch] round ", i, ": expected a finite reward, found ",
          rewards[i]);
  }
  for (size_t i = 0; i < (model.by_features() ? 0 : arms.size()); ++i) {
    check(static_cast<uint32_t>(arms[i]) < static_cast<uint32_t>(model.num_arms), ErrorCode::kInvalidArgument, "[belief batch] round ", i,
          ": unknown arm ", arms[i], ", there are ", model.num_arms);
  }
  if (model.reward == RewardKind::kGaussian) return model.by_features() ? std::span<const int32_t>{} : arms;
  room.resize(model.by_features() ? 0 : rewards.size());
  for (size_t i = 0; i < rewards.size(); ++i) {
    const float reward = rewards[i];
    const bool bernoulli = model.reward == RewardKind::kBernoulli;
    const int32_t outcome = bernoulli ? (reward == 0 || reward == 1 ? static_cast<int32_t>(reward) : -1) : level_of(model.levels, reward);
    if (outcome < 0) {
      fail(ErrorCode::kInvalidArgument, "[belief batch] round ", i, ": expected a reward ",
           bernoulli ? std::string("of 0 or 1") : cat("that is one of the ", model.levels.size(), " levels"), ", found ", reward);
    }
    if (!room.empty()) room[i] = arms[i] * (bernoulli ? 2 : static_cast<int32_t>(model.levels.size())) + outcome;
  }
  return room;
}

kernels::BeliefStep BeliefBatch::Tables::step(const LatentModel& model) const {
  kernels::BeliefStep out;
  out.num_states = model.num_states;
  out.d = model.d;
  out.table = table.data();
  out.theta = theta.data();
  out.low = low;
  out.high = high;
  if (model.reward == RewardKind::kGaussian) {
    out.kind = model.by_features() ? kernels::BeliefLikelihood::kGaussianFeatures : kernels::BeliefLikelihood::kGaussianTable;
    out.precision = static_cast<float>(1 / (2 * model.noise_sd * model.noise_sd));
    out.floor = static_cast<float>(kLogFloor - gaussian_offset(model));
  } else {
    out.kind = model.by_features() ? kernels::BeliefLikelihood::kBernoulliFeatures : kernels::BeliefLikelihood::kTable;
  }
  return out;
}

}  // namespace attune::people
