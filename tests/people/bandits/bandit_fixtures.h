// Small latent bandits for tests: asymmetric transitions, one of each reward law, and rewards drawn from them.
#pragma once

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "people/bandits/exact_belief.h"
#include "people/bandits/latent_model.h"

namespace attune::people::testing {

/// Rows far from symmetric: exchanging rows and columns changes every result.
inline std::vector<double> lopsided_matrix(int32_t z) {
  std::vector<double> phi;
  for (int32_t i = 0; i < z; ++i) {
    double sum = 0;
    for (int32_t j = 0; j < z; ++j) sum += 1.0 + 3.0 * ((i + 2 * j) % z) + (j == 0 ? 2.0 : 0.0);
    for (int32_t j = 0; j < z; ++j) phi.push_back((1.0 + 3.0 * ((i + 2 * j) % z) + (j == 0 ? 2.0 : 0.0)) / sum);
  }
  return phi;
}

inline std::vector<double> falling_distribution(int32_t z) {
  std::vector<double> out;
  double sum = 0;
  for (int32_t i = 0; i < z; ++i) sum += 1.0 / (i + 1);
  for (int32_t i = 0; i < z; ++i) out.push_back(1.0 / (i + 1) / sum);
  return out;
}

/// K arms (a table) with means in [0.05, 0.95], `version` "test".
inline LatentModel table_model(RewardKind kind, int32_t z, int32_t k, uint64_t seed = 1) {
  Rng rng(seed, "table model");
  LatentModel model;
  model.version = "test";
  model.reward = kind;
  model.num_states = z;
  model.num_arms = k;
  model.initial = falling_distribution(z);
  model.transition = Transition::dense(z, lopsided_matrix(z));
  model.noise_sd = 0.5;
  if (kind != RewardKind::kCategorical) {
    for (int32_t i = 0; i < k * z; ++i) model.mean.push_back(0.05 + 0.9 * rng.uniform());
  } else {
    model.levels = {1, 2, 4, 5};
    for (int32_t i = 0; i < k * z; ++i) {
      std::vector<double> row;
      double sum = 0;
      for (int c = 0; c < 4; ++c) sum += row.emplace_back(0.05 + rng.uniform());
      for (const double x : row) model.level_probability.push_back(x / sum);
    }
  }
  model.check();
  return model;
}

/// theta [Z, d] standard normal.
inline LatentModel linear_model(RewardKind kind, int32_t z, int32_t d, uint64_t seed = 1) {
  Rng rng(seed, "linear model");
  LatentModel model;
  model.version = "test";
  model.reward = kind;
  model.num_states = z;
  model.d = d;
  model.initial = falling_distribution(z);
  model.transition = Transition::dense(z, lopsided_matrix(z));
  model.noise_sd = 0.5;
  for (int32_t i = 0; i < z * d; ++i) model.theta.push_back(rng.normal());
  model.check();
  return model;
}

inline std::shared_ptr<const LatentModel> share(LatentModel model) { return std::make_shared<const LatentModel>(std::move(model)); }

/// A reward of `arm` in state z.
inline double draw_reward(const LatentModel& model, int32_t arm, std::span<const double> features, int32_t z, Rng& rng) {
  std::vector<double> mu(static_cast<size_t>(model.num_states));
  model.means(arm, features, mu);
  const double mean = mu[static_cast<size_t>(z)];
  if (model.reward == RewardKind::kGaussian) return mean + model.noise_sd * rng.normal();
  if (model.reward == RewardKind::kBernoulli) return rng.uniform() < mean ? 1.0 : 0.0;
  const size_t c = model.levels.size();
  const auto row = static_cast<size_t>(arm) * static_cast<size_t>(model.num_states) + static_cast<size_t>(z);
  return model.levels[static_cast<size_t>(draw_index(std::span(model.level_probability).subspan(row * c, c), rng))];
}

/// Likelihood from its definition, apart from the code under test.
inline double likelihood(const LatentModel& model, int32_t arm, std::span<const double> features, int32_t z, double reward) {
  double mean = 0;
  if (model.by_features()) {
    for (int32_t i = 0; i < model.d; ++i) mean += model.theta[static_cast<size_t>(z * model.d + i)] * features[static_cast<size_t>(i)];
    if (model.reward == RewardKind::kBernoulli) mean = std::min(0.999, std::max(0.001, mean));
  } else {
    mean = model.mean[static_cast<size_t>(arm * model.num_states + z)];
  }
  if (model.reward == RewardKind::kGaussian) {
    const double e = (reward - mean) / model.noise_sd;
    return std::exp(-0.5 * e * e) / (model.noise_sd * std::sqrt(2 * 3.14159265358979323846));
  }
  if (model.reward == RewardKind::kBernoulli) return reward == 1 ? mean : 1 - mean;
  for (size_t c = 0; c < model.levels.size(); ++c) {
    if (model.levels[c] == reward)
      return model.level_probability[static_cast<size_t>(arm * model.num_states + z) * model.levels.size() + c];
  }
  return 0;
}

}  // namespace attune::people::testing
