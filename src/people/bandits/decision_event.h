// The event "decision": a list that a latent policy showed, with everything that evaluating it later needs; and the way from a store of such
// events to a log of decisions (bandit_log.h).
//
// In the log an action is a list: its features are the mean features of its items, its reward the mean reward of the ratings and dismissals that
// its items got after it was shown and before another logged list with the item was; none: no reward. Offered are all lists that had a
// chance, with the one that was shown. Lists whose propensity is not known exactly go without one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "people/bandits/recommender_bandit.h"
#include "store/event_store.h"

namespace attune::people {

struct DecisionEvent {
  std::string policy;
  std::string model;  ///< version of the latent bandit
  std::string recommender;
  uint64_t seed = 0;
  int64_t num_candidates = 0;  ///< items that the lists were chosen from
  std::vector<double> belief;  ///< [Z] that was acted on
  std::vector<std::vector<std::string>> lists;  ///< item ids; for mmTS only the one shown
  std::vector<double> probability;  ///< of each list
  int32_t shown = 0;
  bool exact = true;  ///< false: the probability is an estimate (mmTS)

  const std::vector<std::string>& items() const { return lists[static_cast<size_t>(shown)]; }
  double propensity() const { return probability[static_cast<size_t>(shown)]; }
};

std::string decision_event_json(const DecisionEvent& event);
/// Throws kCorruptData naming the field.
DecisionEvent parse_decision_event(std::string_view payload);

struct DecisionExport {
  std::string text;  ///< the log
  int64_t num_decisions = 0;
  int64_t num_rewards = 0;  ///< decisions with feedback
  int64_t num_skipped = 0;  ///< of another model, malformed, or of items without factors only
};
/// All decisions of this bandit's model in the store. `erased` users have no events. O(events).
DecisionExport export_decisions(const Recommender& recommender, const RecommenderBandit& bandit, const store::EventStore& store);

}  // namespace attune::people
