// Baselines of latent bandits by name: policies that know no latent state, experts, and bounds (docs/methods/latent_bandits.md, "Baselines").
//
//   ucb1 ts                         arms, all rewards                         linucb lints            linear in features, all rewards
//   d-ucb d-ts                      discounted                                d-lints                 the same, discounted
//   sw-ucb sw-ts                    the last rewards                          sw-linucb               the same, the last ones
//   cd-ucb m-ucb                    forget at an alarm                        cd-lints                the same, CUSUM of residuals
//   exp3s exp4s                     adversarial: arms, experts = states       random oracle best-fixed  bounds
// The latent policies stand beside them in the simulation (envs/bandit_experiment.h).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "people/bandits/baselines/options.h"
#include "people/bandits/latent_model.h"
#include "people/bandits/policy.h"

namespace attune::people {

/// The true mean rewards [num_actions] of a round. The span lives until the next call.
using MeansOf = std::function<std::span<const double>(const Round& round)>;

/// What a baseline is told of the problem.
struct BaselineSetting {
  int32_t num_arms = 0;  ///< K: arms of a table, or actions offered in a round where arms come and go
  int32_t d = 0;  ///< features, for linear policies
  std::shared_ptr<const LatentModel> model{};  ///< exp4s: its states are the experts
  MeansOf means{};  ///< oracle: the truth
  std::vector<int32_t> fixed_arm{};  ///< best-fixed: one number, the arm, found in hindsight
};

/// Throws kNotFound (lists the names), kInvalidArgument (options), kFailedPrecondition (the setting lacks what this one needs).
std::unique_ptr<Policy> make_baseline(std::string_view name, const BaselineOptions& options, const BaselineSetting& setting);
std::vector<std::string> baseline_names();

}  // namespace attune::people
