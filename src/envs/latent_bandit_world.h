// Made-up problems of non-stationary latent bandits (docs/methods/latent_bandits.md, "Simulation and data").
//
// A problem is one user's: what is offered and paid in every round, drawn before any policy plays, so that all policies meet the same states, contexts
// and noise; and what offline learning knows (a model, and how far it is doubted). Letters: n rounds, A actions offered in a round, K arms, Z states.
//   table     mu(a, z) ~ U(0, 1); the best arm of a state leads by at least `least_gap` and is no other state's best
//   features  K actions x ~ N(0, I_d) / norm each round, theta_z ~ N(0, I_d)
//   states    z_1 uniform; sticky chain with `changes` expected changes of state in the n rounds
//   rewards   mu + N(0, noise_sd^2); the model's means (or theta) are the true ones + N(0, model_sd^2), and its prior has that variance
// Seeds name independent streams for means, model error, states, contexts and noise: problems that differ in `changes` alone have the same means.
// Deterministic. Memory of an episode 16 n A bytes and 8 n A d with features.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/options.h"
#include "core/rng.h"
#include "people/bandits/latent_model.h"
#include "people/bandits/policy.h"

namespace attune::envs {

/// All that happens to one user, whatever is chosen.
struct Episode {
  int64_t num_rounds = 0;  ///< n
  int32_t num_actions = 0;  ///< A
  int32_t d = 0;  ///< 0: tables
  double noise_sd = 0;
  std::vector<int32_t> states;  ///< [n]
  std::vector<int32_t> arms;  ///< [n, A]; empty: action a is arm a
  std::vector<double> features;  ///< [n, A, d]
  std::vector<double> means;  ///< [n, A], the truth
  std::vector<double> noise;  ///< [n, A]

  people::Round round(int64_t t) const noexcept;
  std::span<const double> means_of(int64_t t) const noexcept;
  double reward(int64_t t, int32_t action) const noexcept;
  double best_mean(int64_t t) const noexcept;
  /// How often the state changed.
  int64_t num_changes() const noexcept;
};

struct BanditProblem {
  Episode episode;
  std::shared_ptr<const people::LatentModel> model;  ///< as learned offline; what mTS trusts
  std::shared_ptr<const people::LatentModel> certain;  ///< the same with the noise of a single user, for those who have the prior
  people::LatentPrior prior;  ///< empty: the model is right
  std::shared_ptr<const people::LatentModel> truth;  ///< null where no such model exists
};

struct LatentBanditOptions {
  int32_t num_arms = 10;  ///< K
  int32_t num_states = 5;  ///< Z
  int32_t d = 0;  ///< 0: table
  int64_t horizon = 2000;  ///< n
  double changes = 10;  ///< L
  double noise_sd = 0.5;
  double least_gap = 0.1;
  double model_sd = 0;  ///< s0
  uint64_t seed = 0;
  uint64_t user = 0;  ///< another user of the same world: other states, contexts and noise

  void describe(OptionList& list);
  /// Throws kInvalidArgument naming the field.
  void check_ranges() const;
};

/// Throws kInvalidArgument (options; a gap that no draw of 10,000 has).
BanditProblem make_latent_bandit(const LatentBanditOptions& options);

/// rho of a sticky chain over Z states, uniform pi, with `changes` expected changes in n rounds: rho (1 - 1/Z) = changes / (n - 1), at most 1.
double sticky_rho(double changes, int64_t num_rounds, int32_t num_states);
/// n states of a chain, the first from `initial`.
std::vector<int32_t> draw_states(std::span<const double> initial, const people::Transition& transition, int64_t n, Rng& rng);

/// The user's log under uniformly random actions, for learning a model: actions and rewards of rounds [0, n).
struct RandomLog {
  std::vector<int32_t> actions;
  std::vector<double> rewards;
};
RandomLog play_at_random(const Episode& episode, uint64_t seed);

}  // namespace attune::envs
