#include "people/bandits/baselines/options.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace attune::people {
namespace {

/// log(n / L), at least 1: also for fewer rounds than changes, and for none.
double log_length(int64_t horizon, double changes) {
  return std::max(1.0, std::log(static_cast<double>(horizon) / std::max(changes, 1.0)));
}

}  // namespace

void BaselineOptions::describe(OptionList& list) {
  list.add("horizon", horizon, "Rounds n that a policy reckons with.").range(1, 1e12);
  list.add("changes", changes, "Changes L that it reckons with; below 1 counts as 1.").range(0, 1e12);
  list.add("noise-sd", noise_sd, "Standard deviation of rewards around their mean.").range(1e-9, 1e9);
  list.add("bonus", bonus, "UCB: mean + bonus * noise-sd * sqrt(2 log t / N).").range(0, 1e6);
  list.add("prior", prior, "Thompson sampling on a table: gaussian, or beta (the reward on [0, 1] is a coin's chance, one coin a reward).")
      .choices({"gaussian", "beta"});
  list.add("prior-mean", prior_mean, "Mean of an arm before any reward.").range(-1e9, 1e9);
  list.add("prior-sd", prior_sd, "Its standard deviation.").range(1e-9, 1e9);
  list.add("theta-sd", theta_sd, "Linear policies: standard deviation of a weight before any reward.").range(1e-9, 1e9);
  list.add("linear-bonus", linear_bonus, "Linear UCB: mean + linear-bonus * sqrt(2 log t) * its standard deviation.").range(0, 1e6);
  list.add("discount", discount, "Factor on all statistics each round; 0 = 1 - 1 / (4 sqrt(n / L)).").range(0, 1);
  list.add("window", window, "Samples a sliding window keeps; 0 = 2 sqrt(n log n / L).").range(0, 1e12);
  list.add("cusum-warmup", cusum_warmup, "CUSUM: samples that the reference mean is taken from.").range(1, 1e9);
  list.add("cusum-drift", cusum_drift, "CUSUM: deviation that is let pass each time.").range(0, 1e9);
  list.add("cusum-threshold", cusum_threshold, "CUSUM: sum that raises an alarm; 0 = log(n / L).").range(0, 1e9);
  list.add("explore", explore, "Change detection: share of rounds for exploration; -1 = sqrt(L log(n / L) / n).").range(-1, 1);
  list.add("halves-window", halves_window, "M-UCB: samples of an arm whose halves are compared; even.").range(2, 1e9);
  list.add("halves-threshold", halves_threshold,
           "M-UCB: difference of the halves' sums that raises an alarm; 0 = 2 noise-sd sqrt(w / 2 log(2 K n^2)).")
      .range(0, 1e9);
  list.add("eta", eta, "EXP4.S: learning rate; 0 = sqrt(2 log(N n) / (n K)), N experts.").range(0, 1e9);
  list.add("mix", mix, "EXP3.S, EXP4.S: share of the weights dealt out evenly each round; -1 = 1 / n.").range(-1, 1);
  list.add("exp3-gamma", exp3_gamma, "EXP3.S: share of exploration; 0 = sqrt(K (L log(K n) + e) / ((e - 1) n)), at most 1.").range(0, 1);
  list.add("reward-low", reward_low, "Reward that EXP3.S, EXP4.S and Beta sampling see as 0; but for EXP4.S lower ones too.")
      .range(-1e9, 1e9);
  list.add("reward-high", reward_high, "Reward that they see as 1.").range(-1e9, 1e9);
}

void BaselineOptions::check_ranges() const {
  check_option_ranges(*this);
  check(reward_low < reward_high, ErrorCode::kInvalidArgument, "[baselines] expected reward-low below reward-high, found ", reward_low,
        " and ", reward_high);
  check(halves_window % 2 == 0, ErrorCode::kInvalidArgument, "[baselines] expected an even halves-window, found ", halves_window);
}

double BaselineOptions::discount_value() const noexcept {
  if (discount > 0) return discount;
  return 1 - 0.25 / std::sqrt(std::max(1.0, static_cast<double>(horizon) / std::max(changes, 1.0)));
}

int64_t BaselineOptions::window_value() const noexcept {
  if (window > 0) return window;
  const double n = static_cast<double>(horizon);
  return std::max<int64_t>(1, std::llround(2 * std::sqrt(n * std::log(n) / std::max(changes, 1.0))));
}

double BaselineOptions::cusum_threshold_value() const noexcept {
  return cusum_threshold > 0 ? cusum_threshold : log_length(horizon, changes);
}

double BaselineOptions::explore_value() const noexcept {
  if (explore >= 0) return explore;
  return std::min(1.0, std::sqrt(std::max(changes, 1.0) * log_length(horizon, changes) / static_cast<double>(horizon)));
}

double BaselineOptions::halves_threshold_value(int32_t num_arms) const noexcept {
  if (halves_threshold > 0) return halves_threshold;
  const double n = static_cast<double>(horizon);
  return 2 * noise_sd * std::sqrt(0.5 * static_cast<double>(halves_window) * std::log(2.0 * num_arms * n * n));
}

double BaselineOptions::eta_value(int32_t num_arms, int32_t num_experts) const noexcept {
  if (eta > 0) return eta;
  const double n = static_cast<double>(horizon);
  return std::sqrt(2 * std::log(std::max(2.0, num_experts * n)) / (n * num_arms));
}

double BaselineOptions::mix_value() const noexcept { return mix >= 0 ? mix : 1.0 / static_cast<double>(horizon); }

double BaselineOptions::exp3_gamma_value(int32_t num_arms) const noexcept {
  if (exp3_gamma > 0) return exp3_gamma;
  const double n = static_cast<double>(horizon), e = std::numbers::e;
  return std::min(1.0, std::sqrt(num_arms * (std::max(changes, 1.0) * std::log(num_arms * n) + e) / ((e - 1) * n)));
}

double BaselineOptions::unit_reward(double reward) const noexcept {
  return std::clamp((reward - reward_low) / (reward_high - reward_low), 0.0, 1.0);
}

}  // namespace attune::people
