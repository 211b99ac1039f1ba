#include "people/bandits/uncertain_belief.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "people/bandits/draws.h"

namespace attune::people {

UncertainBelief::UncertainBelief(std::shared_ptr<const UncertainModel> uncertain) : uncertain_(std::move(uncertain)) {
  check(uncertain_ != nullptr, ErrorCode::kInvalidArgument, "[belief] expected a model, found none");
}

Latent UncertainBelief::sample(Rng& rng) const { return {draw_categorical(*marginals(), rng), {}}; }

void UncertainBelief::features(std::span<float> out) const {
  const std::vector<double> p = *marginals();
  check(out.size() == p.size(), ErrorCode::kInvalidArgument, "[belief] expected room for ", p.size(), " features, found ", out.size());
  std::transform(p.begin(), p.end(), out.begin(), [](double x) { return static_cast<float>(x); });
}

void prepare_observation(const UncertainModel& uncertain, const Observation& observation, PreparedObservation& out) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  const LatentModel& model = uncertain.model();
  const auto z = static_cast<size_t>(model.num_states);
  out.learns = observation.log_likelihood.empty() && uncertain.form() != RewardForm::kKnown;
  out.possible = true;
  out.log_scale = 0;
  out.density.resize(z);
  if (out.learns) {
    model.check_observation(observation.action, observation.features, observation.reward);
    out.seen = {observation.action, observation.features, observation.reward, 0};
    if (model.reward == RewardKind::kCategorical) out.seen.level = model.level_of(observation.reward);
    return;
  }
  if (observation.log_likelihood.empty()) {
    model.log_likelihood(observation.action, observation.features, observation.reward, out.density);
  } else {
    check(observation.log_likelihood.size() == z, ErrorCode::kInvalidArgument, "[belief] expected log likelihoods of ", z,
          " states, found ", observation.log_likelihood.size());
    for (const double x : observation.log_likelihood) {
      check(x < std::numeric_limits<double>::infinity(), ErrorCode::kInvalidArgument,
            "[belief] expected log likelihoods that are finite or -infinity, found ", x);
    }
    std::copy(observation.log_likelihood.begin(), observation.log_likelihood.end(), out.density.begin());
  }
  out.log_scale = *std::max_element(out.density.begin(), out.density.end());
  out.possible = out.log_scale != kNever;
  for (double& x : out.density) x = out.possible && x != kNever ? std::max(std::exp(x - out.log_scale), kDensityFloor) : 0;
}

}  // namespace attune::people
