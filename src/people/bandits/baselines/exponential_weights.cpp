// EXP3.S and EXP4.S.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/error.h"
#include "people/bandits/baselines/policies_internal.h"
#include "people/bandits/draws.h"

namespace attune::people {

Exp3sPolicy::Exp3sPolicy(const BaselineOptions& options, int32_t num_arms) : options_(options), num_arms_(num_arms) {
  options_.check_ranges();
  check(num_arms >= 1, ErrorCode::kFailedPrecondition, "[exp3s] expected a number of arms, found ", num_arms);
  gamma_ = options.exp3_gamma_value(num_arms);
  reset();
}

void Exp3sPolicy::reset() {
  weights_.clear();
  for (int32_t a = 0; a < num_arms_; ++a) weights_[a] = 1.0 / num_arms_;
}

std::vector<double> Exp3sPolicy::distribution(const Round& round, std::span<const int32_t> actions) const {
  std::vector<double> out;
  double sum = 0;
  for (const int32_t a : actions) {
    const auto found = weights_.find(round.arm(a));
    sum += out.emplace_back(found != weights_.end() ? found->second : 1.0 / num_arms_);
  }
  for (double& p : out) p = (1 - gamma_) * p / sum + gamma_ / static_cast<double>(out.size());
  return out;
}

Choice Exp3sPolicy::choose(const Round& round, Rng& rng) {
  const auto actions = available_actions(round, "exp3s");
  const auto p = distribution(round, actions);
  const auto drawn = static_cast<size_t>(draw_categorical(p, rng));
  return {actions[drawn], p[drawn]};
}

bool Exp3sPolicy::probabilities(const Round& round, std::span<double> out) {
  const auto actions = available_actions(round, "exp3s");
  clear_probabilities(round, "exp3s", out);
  const auto p = distribution(round, actions);
  for (size_t n = 0; n < actions.size(); ++n) out[static_cast<size_t>(actions[n])] = p[n];
  return true;
}

void Exp3sPolicy::observe(const Round& round, int32_t action, double reward, Rng&) {
  const auto actions = available_actions(round, "exp3s");
  const auto p = distribution(round, actions);
  double played = 1;
  for (size_t n = 0; n < actions.size(); ++n) {
    weights_.try_emplace(round.arm(actions[n]), 1.0 / num_arms_);
    if (actions[n] == action) played = p[n];
  }
  double& weight = weights_[round.arm(action)];
  weight *= std::exp(std::min(700.0, gamma_ * options_.unit_reward(reward) / played / num_arms_));
  double sum = 0;
  for (const auto& entry : weights_) sum += entry.second;
  const double share = std::numbers::e * options_.mix_value() / num_arms_, total = sum * (1 + share * static_cast<double>(weights_.size()));
  for (auto& entry : weights_) entry.second = (entry.second + share * sum) / total;
}

Exp4sPolicy::Exp4sPolicy(const BaselineOptions& options, std::shared_ptr<const LatentModel> model, int32_t num_arms)
    : options_(options), model_(std::move(model)) {
  options_.check_ranges();
  check(model_ != nullptr && num_arms >= 1, ErrorCode::kFailedPrecondition, "[exp4s] expected a model and a number of arms");
  eta_ = options.eta_value(num_arms, model_->num_states);
  reset();
}

void Exp4sPolicy::reset() { weights_.assign(static_cast<size_t>(model_->num_states), 1.0 / model_->num_states); }

std::vector<int32_t> Exp4sPolicy::advice(const Round& round) const {
  const auto actions = available_actions(round, "exp4s");
  const auto z = weights_.size();
  std::vector<int32_t> out(z, actions[0]);
  std::vector<double> best(z, -std::numeric_limits<double>::infinity()), mean(z);
  for (const int32_t a : actions) {
    model_->means(round.arm(a), round.features_of(a), mean);
    for (size_t s = 0; s < z; ++s) {
      if (mean[s] <= best[s]) continue;
      best[s] = mean[s];
      out[s] = a;
    }
  }
  return out;
}

Choice Exp4sPolicy::choose(const Round& round, Rng& rng) {
  const auto experts = advice(round);
  const int32_t action = experts[static_cast<size_t>(draw_categorical(weights_, rng))];
  double p = 0;
  for (size_t s = 0; s < experts.size(); ++s) p += experts[s] == action ? weights_[s] : 0;
  return {action, p};
}

bool Exp4sPolicy::probabilities(const Round& round, std::span<double> out) {
  const auto experts = advice(round);
  clear_probabilities(round, "exp4s", out);
  for (size_t s = 0; s < experts.size(); ++s) out[static_cast<size_t>(experts[s])] += weights_[s];
  return true;
}

void Exp4sPolicy::observe(const Round& round, int32_t action, double reward, Rng&) {
  const auto experts = advice(round);
  double p = 0;
  for (size_t s = 0; s < experts.size(); ++s) p += experts[s] == action ? weights_[s] : 0;
  if (p <= 0) return;  // a delayed reward of an action that no expert plays any more
  // Not clipped to [0, 1]: noise beyond the ends is still noise around the mean, and clipping would bring the means of arms together.
  const double loss = (options_.reward_high - reward) / (options_.reward_high - options_.reward_low) / p;
  const double factor = std::exp(std::clamp(-eta_ * loss, -50.0, 50.0));
  double sum = 0;
  for (size_t s = 0; s < experts.size(); ++s) sum += weights_[s] *= experts[s] == action ? factor : 1;
  const double mix = options_.mix_value();
  for (double& w : weights_) w = (1 - mix) * w / sum + mix / static_cast<double>(weights_.size());
}

}  // namespace attune::people
