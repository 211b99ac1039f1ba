// What a policy would have earned, from a log that another one wrote (docs/methods/latent_bandits.md, "Logs and off-policy evaluation").
//
// Letters: b = logged propensity, pi(a | h) = probability of the evaluated policy after the logged history h, w = pi(a | h) / b, r = reward,
// q(a) = expected reward of the direct model under its belief after h. The evaluated policy sees the user's logged rounds in order, with the
// logged actions and rewards.
//   logged        mean r
//   direct        mean sum_a pi(a) q(a)
//   ips           mean w r                              snips  sum w r / sum w
//   dr            mean sum_a pi(a) q(a) + w (r - q(a_logged))
//   trajectory    mean W r, W = product of w over the user's decisions so far (the last `lookback` of them; 0: all): the policy's own history
//   replay        mean r over rounds in which the policy, fed with nothing but such rounds, draws the logged action (accepted with min(1, c / b),
//                 c = the smallest logged propensity, at least replay_floor)
//   window_ips    ips over the last `window` rounds of the log; decay_ips  weights decay^age: for rewards that drift (Jagerman, Markov,
//                 de Rijke, WSDM 2019)
// ips, snips and dr judge one step at a time after logged histories; trajectory and replay judge the policy on histories of its own. Only
// decisions with reward and propensity count, except in `direct`. Users are the sampling unit of all intervals.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "people/bandits/bandit_log.h"
#include "people/bandits/latent_model.h"
#include "people/bandits/misfit.h"
#include "people/bandits/policy.h"
#include "stats/bootstrap.h"

namespace attune::people {

struct OffPolicyOptions {
  double clip = 0;
  int32_t lookback = 0;
  double window = 100;
  double decay = 0.99;
  double replay_floor = 0.01;
  int32_t draws = 200;
  int32_t resamples = 2000;
  double level = 0.95;
  uint64_t seed = 0;
  MisfitOptions misfit;

  void describe(OptionList& list);
};

struct OffPolicyEstimate {
  std::string name;
  stats::Interval interval;  ///< mean: the estimate; NaN where nothing counts; low and high NaN with one user
  int64_t num_used = 0;  ///< decisions
  /// min((sum w)^2, num_used^2) / sum w^2. Weights that are right average 1 and make both the same; NaN: no weights.
  double ess = 0;
  bool reliable = true;  ///< something counts and ess, where there are weights, is at least 30 and 2 % of num_used
  double clipped = 0;  ///< share of decisions whose weight was clipped (replay: with b below c)
  double greatest_weight = 0;  ///< before clipping
};

/// Weights whose mean is known: under right propensities mean 1 / (num_actions b) is 1 for a log that plays everything, below 1 for one that does
/// not, never above; the same for w.
struct WeightCheck {
  double mean = 0;
  double error = 0;  ///< standard error over users
  double z = 0;  ///< (mean - 1) / error
};

struct Misfit {
  double z = 0;  ///< of all shortfalls of all users
  int64_t num_rounds = 0;
  int64_t num_alarmed = 0;  ///< users with an alarm
};

struct OffPolicyReport {
  int64_t num_users = 0;
  int64_t num_decisions = 0;
  int64_t num_used = 0;  ///< with reward and propensity
  std::vector<OffPolicyEstimate> estimates;  ///< in the order of the list above
  WeightCheck uniform;  ///< 1 / (num_actions b)
  WeightCheck weights;  ///< w, not clipped
  double unsupported = 0;  ///< 1 - mean w if that is above 3 standard errors: share of the policy's choices that the log never makes
  Misfit misfit;  ///< of the direct model on the log
  std::vector<std::string> alarms;  ///< sentences with numbers; empty: nothing is wrong

  const OffPolicyEstimate& estimate(std::string_view name) const;  ///< throws kNotFound
};

/// Gives a fresh policy a thread; called at most once a chunk of users.
using PolicyFactory = std::function<std::unique_ptr<Policy>()>;

/// The policy that plays each available action with the same probability, and the one that plays what was logged (w = 1).
PolicyFactory uniform_policy();
PolicyFactory logged_policy();

/// `model`: direct part and misfit; must fit the log (arms or features). Policies that know their probabilities (Policy::probabilities) are
/// judged exactly, others by `draws` draws a round. Throws kInvalidArgument (options, a model that does not fit, rewards outside its support),
/// kFailedPrecondition (no decision has both reward and propensity). Results do not depend on the number of threads.
OffPolicyReport evaluate_off_policy(const BanditLog& log, const LatentModel& model, const PolicyFactory& policy,
                                    const OffPolicyOptions& options, ThreadPool& pool, ProgressSink& progress = no_progress());

}  // namespace attune::people
