// A planted latent bandit and what users of it did: for tests of learning and of evaluation.
#pragma once

#include <cmath>
#include <limits>

#include "core/rng.h"
#include "people/bandits/baum_welch.h"
#include "people/bandits/draws.h"

namespace attune::people::test_world {

/// Three states with clearly different arms and an asymmetric transition.
inline LatentModel planted(RewardKind reward, int32_t num_arms = 6, bool sticky = false) {
  LatentModel m;
  m.reward = reward;
  m.num_states = 3;
  m.num_arms = num_arms;
  m.initial = {0.5, 0.3, 0.2};
  m.transition =
      sticky ? Transition::sticky(0.08, {0.5, 0.3, 0.2}) : Transition::dense(3, {0.92, 0.06, 0.02, 0.01, 0.95, 0.04, 0.08, 0.02, 0.90});
  Rng rng(11, "planted");
  for (int32_t a = 0; a < num_arms; ++a) {
    for (int32_t z = 0; z < 3; ++z) {
      const double mu = a % 3 == z ? 0.85 : 0.1 + 0.3 * rng.uniform();
      m.mean.push_back(mu);
      if (reward != RewardKind::kCategorical) continue;
      const double high = mu * mu;
      const double low = (1 - mu) * (1 - mu);
      m.level_probability.insert(m.level_probability.end(), {low, 1 - low - high, high});
    }
  }
  if (reward == RewardKind::kCategorical) m.levels = {1, 3, 5};
  m.noise_sd = reward == RewardKind::kGaussian ? 0.4 : 1;
  m.check();
  return m;
}

/// The same with rewards by features.
inline LatentModel planted_features(int32_t d = 4) {
  LatentModel m = planted(RewardKind::kGaussian);
  m.num_arms = 0;
  m.mean.clear();
  m.d = d;
  Rng rng(12, "planted");
  for (int32_t i = 0; i < 3 * d; ++i) m.theta.push_back(rng.normal());
  m.check();
  return m;
}

inline double draw_reward(const LatentModel& m, int32_t arm, std::span<const double> features, int32_t z, Rng& rng) {
  std::vector<double> mu(static_cast<size_t>(m.num_states));
  m.means(arm, features, mu);
  if (m.reward == RewardKind::kGaussian) return mu[static_cast<size_t>(z)] + m.noise_sd * rng.normal();
  if (m.reward == RewardKind::kBernoulli) return rng.uniform() < mu[static_cast<size_t>(z)] ? 1 : 0;
  const size_t c = m.levels.size();
  const auto row = std::span(m.level_probability)
                       .subspan((static_cast<size_t>(arm) * static_cast<size_t>(m.num_states) + static_cast<size_t>(z)) * c, c);
  return m.levels[static_cast<size_t>(draw_categorical(row, rng))];
}

/// Arms drawn uniformly. `gap(rng)`: rounds to the next one. A share of `missing` rewards is absent.
template <class Gap>
BanditSequences simulate(const LatentModel& m, int32_t users, int32_t rounds, uint64_t seed, const Gap& gap, double missing = 0) {
  BanditSequences out;
  out.num_arms = m.num_arms;
  out.d = m.d;
  Rng rng(seed, "simulate");
  std::vector<double> p;
  std::vector<double> x(static_cast<size_t>(m.d));
  for (int32_t u = 0; u < users; ++u) {
    int32_t z = draw_categorical(m.initial, rng);
    for (int32_t t = 0; t < rounds; ++t) {
      const double dt = t == 0 ? 1 : gap(rng);
      if (t > 0) {
        p.assign(static_cast<size_t>(m.num_states), 0.0);
        p[static_cast<size_t>(z)] = 1;
        m.transition.apply(p, dt);
        z = draw_categorical(p, rng);
      }
      const int32_t arm = m.by_features() ? -1 : static_cast<int32_t>(rng.below(static_cast<uint64_t>(m.num_arms)));
      for (double& value : x) value = rng.normal();
      out.dt.push_back(dt);
      if (m.by_features()) {
        out.features.insert(out.features.end(), x.begin(), x.end());
      } else {
        out.arms.push_back(arm);
      }
      const double reward = draw_reward(m, arm, x, z, rng);
      out.rewards.push_back(missing > 0 && rng.uniform() < missing ? std::numeric_limits<double>::quiet_NaN() : reward);
    }
    out.offsets.push_back(out.num_rounds());
  }
  return out;
}
inline BanditSequences simulate(const LatentModel& m, int32_t users, int32_t rounds, uint64_t seed) {
  return simulate(m, users, rounds, seed, [](Rng&) { return 1.0; });
}

}  // namespace attune::people::test_world
