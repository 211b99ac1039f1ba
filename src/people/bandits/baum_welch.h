// Learning a latent bandit from logs: Baum-Welch (EM for hidden Markov models) with emissions that depend on what was played
// (docs/methods/latent_bandits.md, "Learning from logs").
//
// Data: what users did and got, user by user. Actions are inputs, so nothing need be known about who chose them. Rounds without a reward
// count for time only. Gaps of several rounds are exact: the states inside a gap are hidden too (dense), or rho(dt) = 1 - (1 - rho)^dt (sticky,
// any dt >= 0).
// E step: forward-backward, scaled, one user at a time, likelihoods computed once an iteration; memory [T, Z] of a user per thread.
// M step: maximum a posteriori. Results depend on data, options and seed, never on the number of threads.
// Verified: gamma and expected transitions against the sum over all paths; the log posterior never falls; a planted model comes back up to the
// order of its states (tests/people/bandits/baum_welch_test.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "people/bandits/latent_model.h"

namespace attune::people {

/// Rounds of users, in order of time within a user. N = all rounds, U = users.
struct BanditSequences {
  int32_t num_arms = 0;  ///< K; 0: by features
  int32_t d = 0;  ///< features of an arm; 0: a table
  std::vector<int64_t> offsets{0};  ///< [U + 1] first round of a user
  std::vector<int32_t> arms;  ///< [N] arm that was played; tables
  std::vector<double> features;  ///< [N, d] of that arm; by features
  std::vector<double> rewards;  ///< [N]; NaN = no feedback
  std::vector<double> dt;  ///< [N] rounds since the round before of the same user (a user's first: not looked at); empty: all 1

  int64_t num_users() const noexcept { return static_cast<int64_t>(offsets.size()) - 1; }
  int64_t num_rounds() const noexcept { return static_cast<int64_t>(rewards.size()); }
  /// Rounds with a reward.
  int64_t num_rewards() const noexcept;
  /// Throws kInvalidArgument: sizes, unknown arms, what is not finite, a negative gap.
  void check() const;
  /// The different rewards, rising (equal within 1e-9). Throws kInvalidArgument above 1,000.
  std::vector<double> levels() const;
  /// The same for these users only, in this order. O(their rounds).
  BanditSequences subset(std::span<const int32_t> users) const;
};

struct BaumWelchOptions {
  int32_t num_states = 5;
  std::string reward = "gaussian";
  std::string transition = "dense";
  double transition_alpha = 1.1;
  double initial_alpha = 1.1;
  double ridge = 0.1;
  double outcome_alpha = 2;
  int32_t restarts = 10;
  int32_t short_iterations = 20;
  int32_t max_iterations = 500;
  double tolerance = 1e-6;
  uint64_t seed = 0;
  // Parts that are not learned stay as they are in `start`. Not options of the command line.
  bool learn_initial = true;
  bool learn_transition = true;
  bool learn_means = true;  ///< table, theta or level probabilities
  bool learn_noise = true;  ///< gaussian
  std::vector<double> levels;  ///< categorical: rewards that exist, rising; empty: those of the data

  void describe(OptionList& list);
};

struct BaumWelchResult {
  LatentModel model;
  LatentPrior prior;  ///< posteriors given the expected assignment: for mmTS. Parts that were held fixed are empty
  double log_likelihood = 0;
  int32_t iterations = 0;  ///< of the start that won
  bool converged = false;
  int64_t num_impossible = 0;  ///< rounds whose reward no state allows; they are treated as without reward
  std::vector<double> trace;  ///< log posterior (up to a constant) of each iteration of the start that won; never falls
  std::vector<double> starts;  ///< log posterior of each start after its short run
};

/// Learns. `start` may be null if every part is learned; if given, its kind, sizes and fixed parts hold and the first start begins there.
/// Throws kInvalidArgument (data, options, more than 4,096 different gaps for a dense matrix), kUnsupported (means of bernoulli rewards by
/// features: not conjugate). O(restarts * iterations * N * (Z^2 + Z d^2)).
BaumWelchResult baum_welch(const BanditSequences& data, const BaumWelchOptions& options, const LatentModel* start, ThreadPool& pool,
                           ProgressSink& progress = no_progress());

/// log p(rewards | arms, model), one number a user; rounds that no state allows are left out and counted. Streams: O(Z) memory a thread.
std::vector<double> sequence_log_likelihood(const LatentModel& model, const BanditSequences& data, ThreadPool& pool,
                                            int64_t* num_impossible = nullptr);

/// What hindsight says about one user's states.
struct Smoothed {
  std::vector<double> gamma;  ///< [T, Z] P(z_t | all rounds)
  std::vector<double> xi;  ///< [T - 1, Z, Z] P(z_t, z_{t+1} | all rounds)
  double log_likelihood = 0;
};
Smoothed smooth(const LatentModel& model, const BanditSequences& data, int64_t user);

/// How well a number of states explains the data.
struct StateChoice {
  int32_t num_states = 0;
  int64_t num_parameters = 0;
  double log_likelihood = 0;  ///< of what was learned from
  double held_out = 0;  ///< log likelihood per reward of users that were held out; NaN if none were
  double held_out_behind = 0;  ///< how far held_out is below the greatest one
  double held_out_error = 0;  ///< standard error of held_out_behind over held-out users, paired
  double bic = 0;  ///< parameters * log(rewards) - 2 * log likelihood: less is better
};
struct StateChoices {
  std::vector<StateChoice> table;
  int32_t best = 0;  ///< num_states of the best row
};
/// Learns with each number of states. `criterion`: "held_out" (a fifth of the users, drawn by the seed; at least 5 users; the fewest states that are
/// at most one standard error behind the greatest score) or "bic" (the least).
StateChoices choose_num_states(const BanditSequences& data, const BaumWelchOptions& options, std::span<const int32_t> num_states,
                               std::string_view criterion, ThreadPool& pool, ProgressSink& progress = no_progress());

}  // namespace attune::people
