// Keys of the baselines of latent bandits: one list for all of them (docs/methods/latent_bandits.md, "Baselines").
//
// A key that is "auto" (0, or -1 where 0 means something) follows from the horizon n and the number of changes L, which every baseline is told, as
// the papers do. Rewards are taken to scatter around their mean by `noise_sd`; bonuses and alarms scale with it.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"

namespace attune::people {

struct BaselineOptions {
  int64_t horizon = 2000;  ///< n
  double changes = 10;  ///< L
  double noise_sd = 0.5;
  double bonus = 1;  ///< UCB: mean + bonus noise_sd sqrt(2 log t / N)
  std::string prior = "gaussian";  ///< of Thompson sampling on a table
  double prior_mean = 0.5;
  double prior_sd = 0.5;
  double theta_sd = 1;  ///< linear: theta ~ N(0, theta_sd^2 I)
  double linear_bonus = 1;  ///< linear UCB: x . m + linear_bonus sqrt(2 log t) sd(x)
  double discount = 0;
  int64_t window = 0;
  int32_t cusum_warmup = 50;
  double cusum_drift = 0.05;
  double cusum_threshold = 0;
  double explore = -1;
  int64_t halves_window = 200;
  double halves_threshold = 0;
  double eta = 0;
  double mix = -1;
  double exp3_gamma = 0;
  double reward_low = 0;
  double reward_high = 1;

  void describe(OptionList& list);
  /// Throws kInvalidArgument naming the key.
  void check_ranges() const;

  // What "auto" comes to. K arms, N experts.
  double discount_value() const noexcept;  ///< 1 - 1 / (4 sqrt(n / L)) (Garivier and Moulines 2011 with B = 1)
  int64_t window_value() const noexcept;  ///< 2 sqrt(n log n / L), at least 1
  double cusum_threshold_value() const noexcept;  ///< log(n / L), at least 1
  double explore_value() const noexcept;  ///< sqrt(L log(n / L) / n), at most 1
  double halves_threshold_value(int32_t num_arms) const noexcept;  ///< 2 noise_sd sqrt(w / 2 log(2 K n^2))
  double eta_value(int32_t num_arms, int32_t num_experts) const noexcept;  ///< sqrt(2 log(N n) / (n K))
  double mix_value() const noexcept;  ///< 1 / n
  double exp3_gamma_value(int32_t num_arms) const noexcept;  ///< min(1, sqrt(K (L log(K n) + e) / ((e - 1) n)))
  /// The reward on [0, 1], clipped: what EXP3.S and Beta sampling see. EXP4.S does not clip.
  double unit_reward(double reward) const noexcept;
};

}  // namespace attune::people
