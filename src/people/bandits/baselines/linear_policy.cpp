// UCB and Thompson sampling on features.
#include <cmath>
#include <limits>

#include "core/error.h"
#include "people/bandits/baselines/policies_internal.h"

namespace attune::people {
namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

LinearPolicy::LinearPolicy(Recipe recipe, const BaselineOptions& options, int32_t d)
    : recipe_(std::move(recipe)),
      options_(options),
      d_(static_cast<size_t>(std::max(d, 0))),
      memory_(std::max(d, 1), forgetting(recipe_, options), options.theta_sd, options.noise_sd),
      cusum_(options.cusum_warmup, options.cusum_drift, options.cusum_threshold_value()) {
  options_.check_ranges();
  check(d >= 1, ErrorCode::kFailedPrecondition, "[", recipe_.name, "] expected a number of features, found ", d);
}

void LinearPolicy::reset() {
  memory_.forget_all();
  cusum_.reset();
  num_alarms_ = 0;
}

Choice LinearPolicy::choose(const Round& round, Rng& rng) {
  const auto actions = available_actions(round, recipe_.name);
  check(round.features.size() == static_cast<size_t>(round.num_actions) * d_, ErrorCode::kInvalidArgument, "[", recipe_.name, "] expected ",
        round.num_actions, " x ", d_, " features, found ", round.features.size());
  memory_.tick();
  std::vector<double> theta;
  if (recipe_.thompson) {
    theta = memory_.draw(rng);
  } else {
    theta.assign(memory_.mean().begin(), memory_.mean().end());
  }
  const double bonus = options_.linear_bonus * std::sqrt(2 * std::log(1 + memory_.total()));
  Choice out;
  double best = -std::numeric_limits<double>::infinity();
  for (const int32_t a : actions) {
    const auto x = round.features_of(a);
    const double here = dot(x, theta) + (recipe_.thompson ? 0 : bonus * memory_.sd(x));
    if (out.action >= 0 && here <= best) continue;
    best = here;
    out.action = a;
  }
  if (recipe_.detector == Detector::kCusum && rng.uniform() < options_.explore_value()) out.action = actions[rng.below(actions.size())];
  if (!recipe_.thompson) out.propensity = 1;
  return out;
}

void LinearPolicy::observe(const Round& round, int32_t action, double reward, Rng&) {
  const auto x = round.features_of(action);
  if (recipe_.detector == Detector::kCusum && cusum_.add(reward - dot(x, memory_.mean()))) {
    ++num_alarms_;
    memory_.forget_all();
  }
  memory_.add(x, reward);
}

}  // namespace attune::people
