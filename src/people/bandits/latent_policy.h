// Policies on the exact filter of a known model: mTS, greedy, information-directed, mUCB and their stationary forms
// (docs/methods/latent_bandits.md, "Acting rules").
//
//   mts             Thompson sampling on the belief (Hong and others, arXiv 2012.00386)
//   greedy          best mean under the belief
//   ids             information-directed
//   mucb            among states whose reward shortfall is explicable, the best mean (arXiv 2006.08714):
//                   G(z) = sum over rounds that used z of mu(A, z) - R,  z is kept while G(z) <= sigma sqrt(6 N(z) log horizon)
//   mts-stationary  mts with phi = I
//   cd-mts          mts-stationary that restarts from the model's `initial` on an alarm
// The alarm is a CUSUM on the log evidence: g = max(0, g + E[log evidence] - log evidence - alarm_slack), alarm when g > alarm.
// One object, one user. decide: O(n Z), by features O(n Z d); `ids` see information.h.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "people/bandits/acting.h"
#include "people/bandits/exact_belief.h"
#include "people/bandits/policy.h"

namespace attune::people {

struct LatentPolicyOptions {
  std::string rule = "thompson";  ///< thompson, greedy, ids, ucb
  bool stationary = false;  ///< phi = I, whatever the model says
  double rho_scale = 1;  ///< Transition::scaled, in [0, 1000]
  double alarm = 0;  ///< nats, at least 0; 0: no alarm
  double alarm_slack = 0.1;  ///< nats a round, at least 0
  bool ids_randomised = true;
  std::string ids_information = "mutual";  ///< mutual, or variance of the means
  std::string ids_target = "state";  ///< information about the state, or about which action is best
  double ucb_horizon = 2000;  ///< n in log n, at least 2
  int32_t ucb_window = 0;  ///< rounds that G and N look back; 0: all
  bool ucb_restart = true;  ///< when no state is left forget G and N; else the state with the least excess is used

  /// Names every field with range and help.
  void describe(OptionList& list);
};

/// mUCB's account of each state: shortfall G and uses N, over all rounds or the last `window`.
class StateLedger {
 public:
  StateLedger(int32_t num_states, int32_t window);
  void add(int32_t state, double shortfall);
  void clear();
  double shortfall(int32_t state) const noexcept { return sum_[static_cast<size_t>(state)]; }
  int64_t uses(int32_t state) const noexcept { return count_[static_cast<size_t>(state)]; }

 private:
  struct Entry {
    int32_t state;
    double shortfall;
  };
  int32_t window_;
  std::vector<double> sum_;
  std::vector<int64_t> count_;
  std::deque<Entry> recent_;
};

class LatentPolicy final : public Policy {
 public:
  /// `name`: as reported. The model was checked. Throws kInvalidArgument: options out of range.
  LatentPolicy(std::string name, std::shared_ptr<const LatentModel> model, LatentPolicyOptions options);

  std::string_view name() const noexcept override { return name_; }
  void reset() override;
  /// A round later than the last moves the belief by its dt first (the first round after reset does not).
  Choice choose(const Round& round, Rng& rng) override;
  /// Exact for every rule. O(n Z) and the decision's own cost.
  bool probabilities(const Round& round, std::span<double> out) override;
  void observe(const Round& round, int32_t action, double reward, Rng& rng) override;

  const ExactBelief& belief() const noexcept { return belief_; }
  /// log p(reward | past) of the last observe(); NaN before.
  double log_evidence() const noexcept { return log_evidence_; }
  int64_t num_alarms() const noexcept { return num_alarms_; }

 private:
  void advance(const Round& round);
  Mixture mix_ids(const Round& round) const;
  Choice act_ucb(const Round& round);
  double excess(int32_t state) const noexcept;

  std::string name_;
  LatentPolicyOptions options_;
  ExactBelief belief_;
  StateLedger ledger_;
  std::vector<double> means_;  ///< of the current round [n, Z]
  int64_t last_t_ = -1;
  int32_t used_state_ = -1;  ///< mucb: of the current round
  double cusum_ = 0;
  double log_evidence_;
  int64_t num_alarms_ = 0;
};

/// Names of the policies above, as make_latent_policy takes them.
std::span<const std::string_view> latent_policy_names() noexcept;
/// By name; `options` with the fields set that the name stands for (cd-mts: alarm 5 where options.alarm is 0). Throws kNotFound listing the
/// known names.
std::unique_ptr<LatentPolicy> make_latent_policy(std::string_view name, std::shared_ptr<const LatentModel> model,
                                                 LatentPolicyOptions options = {});

}  // namespace attune::people
