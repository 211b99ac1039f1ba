// A user's mood: the event log as rounds of the recommender's latent bandit, and the belief that they leave (docs/methods/latent_bandits.md,
// "In the product").
//
// A round is a rating or a dismissal of an item with factors: those that the recommender was learned from in order of time, then those of the
// log in log order. Only the last event about an item counts, as everywhere (so that a correction takes the first thought back). Between
// rounds pass RecommenderBandit::rounds_between; from the learned ratings to the log one round (their clocks need not agree). Until now:
// as many more rounds as whole round lengths passed since the last event of the log. The belief is a pure function of model, learned
// ratings, log and clock: it needs no storage of its own and survives what the log survives.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "people/bandits/exact_belief.h"
#include "people/bandits/recommender_bandit.h"
#include "store/event_store.h"

namespace attune::people {

struct MoodRound {
  std::string event_id;  ///< empty: learned from
  std::string kind;  ///< "rating" or "dismiss"
  ItemIndex item;
  double value = 0;  ///< the rating; what a dismissal counts as
  int64_t time_ms = 0;  ///< 0 = not known
  double reward = 0;
  double dt = 0;  ///< rounds since the one before; 0 for the first
};

/// O(ratings + events). `user` nullopt = not learned from.
std::vector<MoodRound> mood_rounds(const Recommender& recommender, const RecommenderBandit& bandit, std::optional<UserIndex> user,
                                   std::span<const store::Event> events);

/// Gives the rounds to a belief in order; after each, `visit` gets its place and log evidence. O(rounds) updates.
using MoodVisit = std::function<void(size_t round, double log_evidence)>;
void replay_moods(const RecommenderBandit& bandit, std::span<const MoodRound> rounds, Belief& belief, const MoodVisit& visit = {});

/// Rounds from the last event to now: 0 without rounds; 1 where the last was learned from (or its time is not known).
double rounds_until(const RecommenderBandit& bandit, std::span<const MoodRound> rounds, int64_t now_ms);

/// Where the likeliest state changed last.
struct MoodChange {
  size_t round = 0;
  int32_t from = 0;
  int32_t to = 0;
};

/// What is believed of a user after their rounds, before time passes.
struct MoodBelief {
  std::vector<MoodRound> rounds;
  std::vector<double> p;  ///< [Z]
  int64_t num_impossible = 0;

  /// p after the rounds from the last event to `now_ms`.
  std::vector<double> at(const RecommenderBandit& bandit, int64_t now_ms) const;
};
MoodBelief mood_belief(const Recommender& recommender, const RecommenderBandit& bandit, std::optional<UserIndex> user,
                       std::span<const store::Event> events);

/// The belief after each round, and what it says.
struct MoodHistory {
  std::vector<std::vector<double>> p;  ///< [rounds][Z]
  std::vector<double> log_evidence;  ///< [rounds]
  std::optional<MoodChange> last_change;
};
MoodHistory mood_history(const RecommenderBandit& bandit, std::span<const MoodRound> rounds);

/// -sum p log p, nats.
double entropy_of(std::span<const double> p) noexcept;
/// The likeliest; the lowest of equals.
int32_t likeliest_state(std::span<const double> p) noexcept;

}  // namespace attune::people
