#include "people/bandits/user_mood.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "core/error.h"

namespace attune::people {
namespace {

/// A round as found, before rewards and pauses.
struct Found {
  MoodRound round;
  bool learned = false;
};

/// Learned ratings, then the log; all but the last about an item are dropped.
std::vector<Found> find_rounds(const Recommender& recommender, const RecommenderBandit& bandit, std::optional<UserIndex> user,
                               std::span<const store::Event> events) {
  std::vector<Found> all;
  if (user) {
    for (const TimedRating& r : recommender.timed_ratings(*user)) {
      all.push_back({{{}, std::string(store::kRating), r.item, r.rating, r.timestamp * 1000, 0, 0}, true});
    }
  }
  for (const auto& event : events) {
    const bool rating = event.kind == store::kRating && event.value && recommender.on_scale(*event.value);
    if (!rating && event.kind != store::kDismiss) continue;
    const auto item = recommender.items().find(event.item);
    if (!item || recommender.popularity(*item) == 0) continue;  // no factors: it says nothing
    all.push_back({{event.event_id, event.kind, *item, rating ? *event.value : bandit.dismiss_rating(), event.time_ms, 0, 0}, false});
  }
  std::unordered_map<int32_t, size_t> last;
  for (size_t n = 0; n < all.size(); ++n) last[all[n].round.item.value] = n;
  std::vector<Found> out;
  for (size_t n = 0; n < all.size(); ++n) {
    if (last[all[n].round.item.value] == n) out.push_back(std::move(all[n]));
  }
  return out;
}

}  // namespace

std::vector<MoodRound> mood_rounds(const Recommender& recommender, const RecommenderBandit& bandit, std::optional<UserIndex> user,
                                   std::span<const store::Event> events) {
  RatingReward reward(recommender.model());
  std::vector<MoodRound> out;
  bool learned = false;
  for (Found& found : find_rounds(recommender, bandit, user, events)) {
    MoodRound& round = found.round;
    round.reward = reward(round.item, round.value);
    if (!out.empty()) round.dt = learned == found.learned ? bandit.rounds_between(out.back().time_ms, round.time_ms) : 1;
    learned = found.learned;
    out.push_back(std::move(round));
  }
  return out;
}

void replay_moods(const RecommenderBandit& bandit, std::span<const MoodRound> rounds, Belief& belief, const MoodVisit& visit) {
  for (size_t n = 0; n < rounds.size(); ++n) {
    if (rounds[n].dt > 0) belief.predict(rounds[n].dt);
    const std::vector<double> x = bandit.features(rounds[n].item);
    const double log_evidence = belief.update({.action = -1, .features = x, .reward = rounds[n].reward});
    if (visit) visit(n, log_evidence);
  }
}

double rounds_until(const RecommenderBandit& bandit, std::span<const MoodRound> rounds, int64_t now_ms) {
  if (rounds.empty()) return 0;
  const MoodRound& last = rounds.back();
  return last.event_id.empty() || last.time_ms == 0 ? 1 : bandit.rounds_between(last.time_ms, now_ms);
}

std::vector<double> MoodBelief::at(const RecommenderBandit& bandit, int64_t now_ms) const {
  std::vector<double> out = p;
  bandit.model().transition.apply(out, rounds_until(bandit, rounds, now_ms));
  return out;
}

MoodBelief mood_belief(const Recommender& recommender, const RecommenderBandit& bandit, std::optional<UserIndex> user,
                       std::span<const store::Event> events) {
  MoodBelief out;
  out.rounds = mood_rounds(recommender, bandit, user, events);
  ExactBelief belief(bandit.shared_model());
  replay_moods(bandit, out.rounds, belief);
  out.p.assign(belief.p().begin(), belief.p().end());
  out.num_impossible = belief.num_impossible();
  return out;
}

MoodHistory mood_history(const RecommenderBandit& bandit, std::span<const MoodRound> rounds) {
  MoodHistory out;
  ExactBelief belief(bandit.shared_model());
  int32_t state = likeliest_state(belief.p());
  replay_moods(bandit, rounds, belief, [&](size_t n, double log_evidence) {
    out.p.emplace_back(belief.p().begin(), belief.p().end());
    out.log_evidence.push_back(log_evidence);
    const int32_t now = likeliest_state(belief.p());
    if (now != state) out.last_change = MoodChange{n, state, now};
    state = now;
  });
  return out;
}

double entropy_of(std::span<const double> p) noexcept {
  double sum = 0;
  for (const double x : p) {
    if (x > 0) sum -= x * std::log(x);
  }
  return sum;
}

int32_t likeliest_state(std::span<const double> p) noexcept {
  return static_cast<int32_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

}  // namespace attune::people
