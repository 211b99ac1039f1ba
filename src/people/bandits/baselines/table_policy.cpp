// UCB and Thompson sampling on arms, with everything that forgets.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "people/bandits/baselines/policies_internal.h"
#include "people/bandits/draws.h"

namespace attune::people {
namespace {

/// Less than this of a sample is left: the arm counts as not played.
constexpr double kForgotten = 1e-6;

}  // namespace

Forgetting forgetting(const Recipe& recipe, const BaselineOptions& options) {
  return {recipe.discounted ? options.discount_value() : 1.0, recipe.windowed ? options.window_value() : 0};
}

std::vector<int32_t> available_actions(const Round& round, std::string_view policy) {
  std::vector<int32_t> out;
  for (int32_t a = 0; a < round.num_actions; ++a) {
    if (round.may(a)) out.push_back(a);
  }
  check(!out.empty(), ErrorCode::kInvalidArgument, "[", policy, "] expected an action to choose from, found none of ", round.num_actions);
  return out;
}

void clear_probabilities(const Round& round, std::string_view policy, std::span<double> out) {
  check(out.size() == static_cast<size_t>(round.num_actions), ErrorCode::kInvalidArgument, "[", policy, "] expected room for ",
        round.num_actions, " probabilities, found ", out.size());
  std::fill(out.begin(), out.end(), 0.0);
}

TablePolicy::TablePolicy(Recipe recipe, const BaselineOptions& options, int32_t num_arms)
    : recipe_(std::move(recipe)),
      options_(options),
      num_arms_(num_arms),
      beta_(recipe_.thompson && options.prior == "beta"),
      memory_(forgetting(recipe_, options)) {
  options_.check_ranges();
  check(num_arms >= 1, ErrorCode::kFailedPrecondition, "[", recipe_.name, "] expected a number of arms, found ", num_arms);
}

void TablePolicy::reset() {
  memory_.forget_all();
  cusums_.clear();
  halves_.clear();
  since_alarm_ = num_alarms_ = 0;
}

double TablePolicy::score(int32_t arm, Rng& rng) const {
  const double count = memory_.count(arm), sum = memory_.sum(arm);
  if (beta_) return draw_beta(1 + std::max(0.0, sum), 1 + std::max(0.0, count - sum), rng);
  if (recipe_.thompson) {
    const double prior = 1 / (options_.prior_sd * options_.prior_sd), noise = 1 / (options_.noise_sd * options_.noise_sd);
    const double precision = prior + count * noise;
    return (prior * options_.prior_mean + noise * sum) / precision + rng.normal() / std::sqrt(precision);
  }
  if (count < kForgotten) return std::numeric_limits<double>::infinity();
  return sum / count + options_.bonus * options_.noise_sd * std::sqrt(2 * std::log(std::max(1.0, memory_.total())) / count);
}

Choice TablePolicy::choose(const Round& round, Rng& rng) {
  const auto actions = available_actions(round, recipe_.name);
  memory_.tick();
  const double explore = recipe_.detector == Detector::kNone ? 0 : options_.explore_value();
  if (recipe_.detector == Detector::kHalves && explore > 0) {
    // Every arm in turn, then greedy for the rest of a cycle: no chance in it.
    const auto cycle = std::max<int64_t>(1, static_cast<int64_t>(std::floor(num_arms_ / explore)));
    const int64_t place = since_alarm_++ % cycle;
    if (place < static_cast<int64_t>(actions.size())) return {actions[static_cast<size_t>(place)], 1};
  }
  Choice out;
  double best = -std::numeric_limits<double>::infinity();
  for (const int32_t a : actions) {
    const double here = score(round.arm(a), rng);
    if (out.action >= 0 && here <= best) continue;
    best = here;
    out.action = a;
  }
  if (recipe_.detector == Detector::kCusum) {
    const int32_t greedy = out.action;
    if (rng.uniform() < explore) out.action = actions[rng.below(actions.size())];
    if (!recipe_.thompson) out.propensity = explore / static_cast<double>(actions.size()) + (out.action == greedy ? 1 - explore : 0);
  } else if (!recipe_.thompson) {
    out.propensity = 1;
  }
  return out;
}

bool TablePolicy::alarm(int32_t arm, double reward) {
  if (recipe_.detector == Detector::kCusum) {
    return cusums_.try_emplace(arm, options_.cusum_warmup, options_.cusum_drift, options_.cusum_threshold_value())
        .first->second.add(reward);
  }
  if (recipe_.detector == Detector::kHalves) {
    return halves_.try_emplace(arm, options_.halves_window, options_.halves_threshold_value(num_arms_)).first->second.add(reward);
  }
  return false;
}

void TablePolicy::observe(const Round& round, int32_t action, double reward, Rng& rng) {
  const int32_t arm = round.arm(action);
  double counted = reward;
  if (beta_) counted = rng.uniform() < options_.unit_reward(reward) ? 1 : 0;
  memory_.add(arm, counted);
  if (!alarm(arm, reward)) return;
  ++num_alarms_;
  if (recipe_.detector == Detector::kCusum) return memory_.forget(arm);
  memory_.forget_all();
  halves_.clear();
  since_alarm_ = 0;
}

}  // namespace attune::people
