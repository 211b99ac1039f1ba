// Beliefs as replays of the event log: rounds by hand, the filter against sums written out, pauses, corrections.
#include "people/bandits/user_mood.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "planted_moods.h"

namespace attune::people {
namespace {

constexpr int64_t kDay = 24 * 3600 * 1000;

const Recommender& planted() {
  static const auto recommender = planted_recommender();
  return *recommender;
}
const RecommenderBandit& bandit() {
  static const auto learned = planted_bandit(planted());
  return *learned;
}
int32_t state_of_group(int32_t group) {
  for (int32_t z = 0; z < kGroups; ++z) {
    if (bandit().states()[static_cast<size_t>(z)].items[0].item.value / kGroupItems == group) return z;
  }
  return -1;
}
store::Event rated(int id, const std::string& item, double value, int64_t time_ms) {
  store::Event out;
  out.event_id = cat("e", id);
  out.user = "somebody";
  out.kind = std::string(store::kRating);
  out.item = item;
  out.value = value;
  out.time_ms = time_ms;
  return out;
}
store::Event dismissed(int id, const std::string& item, int64_t time_ms) {
  auto out = rated(id, item, 0, time_ms);
  out.kind = std::string(store::kDismiss);
  out.value.reset();
  return out;
}

/// The filter written out: no log domain, no class.
std::vector<double> by_hand(const std::vector<MoodRound>& rounds) {
  const LatentModel& m = bandit().model();
  std::vector<double> p = m.initial;
  for (const MoodRound& round : rounds) {
    const double stay = std::pow(1 - m.transition.rho(), round.dt);
    double sum = 0;
    for (size_t z = 0; z < p.size(); ++z) p[z] = stay * p[z] + (1 - stay) * m.initial[z];
    const auto x = bandit().features(round.item);
    for (size_t z = 0; z < p.size(); ++z) {
      double mu = 0;
      for (size_t a = 0; a < x.size(); ++a) mu += x[a] * m.theta[z * x.size() + a];
      p[z] *= std::exp(-0.5 * std::pow((round.reward - mu) / m.noise_sd, 2));
      sum += p[z];
    }
    for (double& value : p) value /= sum;
  }
  return p;
}

TEST(UserMood, RoundsAreRatingsAndDismissalsWithTheirPauses) {
  std::vector<store::Event> events = {rated(1, "i3", 5, 10 * kDay), dismissed(2, "i70", 10 * kDay + 5000),
                                      rated(3, "nothing", 5, 11 * kDay), rated(4, "i4", 99, 11 * kDay), rated(5, "i5", 2, 13 * kDay)};
  events.push_back(events[0]);
  events.back().kind = "chat";
  const auto rounds = mood_rounds(planted(), bandit(), std::nullopt, events);
  ASSERT_EQ(rounds.size(), 3u);
  EXPECT_EQ(rounds[0].event_id, "e1");
  EXPECT_EQ(rounds[0].dt, 0);
  EXPECT_EQ(rounds[0].reward, 1);
  EXPECT_EQ(rounds[1].kind, store::kDismiss);
  EXPECT_EQ(rounds[1].value, bandit().dismiss_rating());
  EXPECT_NEAR(rounds[1].reward, 0.35, 1e-6);  // as a rating of 2
  EXPECT_EQ(rounds[1].dt, 1);
  EXPECT_EQ(rounds[2].item, ItemIndex(5));
  EXPECT_EQ(rounds[2].dt, 3);  // two whole days and some hours
}

TEST(UserMood, OnlyTheLastEventAboutAnItemCounts) {
  const UserIndex user(0);
  const auto learned = planted().timed_ratings(user);
  const std::string item = planted().items().key(learned[4].item);
  const std::vector<store::Event> events = {rated(1, item, 1, kDay), rated(2, "i79", 1, kDay + 1), dismissed(3, item, kDay + 2)};
  const auto rounds = mood_rounds(planted(), bandit(), user, events);
  int found = 0;
  for (const auto& round : rounds) {
    if (round.item != learned[4].item) continue;
    ++found;
    EXPECT_EQ(round.event_id, "e3");
  }
  EXPECT_EQ(found, 1);
  const auto plain = mood_rounds(planted(), bandit(), user, {});
  EXPECT_EQ(plain.size(), learned.size());
  for (size_t n = 0; n < plain.size(); ++n) {
    EXPECT_EQ(plain[n].item, learned[n].item);
    EXPECT_EQ(plain[n].dt, n == 0 ? 0 : 1);
    EXPECT_TRUE(plain[n].event_id.empty());
  }
}

TEST(UserMood, FromLearnedRatingsToTheLogPassesOneRound) {
  const std::vector<store::Event> events = {rated(1, "i79", 5, 20000 * kDay)};
  const auto rounds = mood_rounds(planted(), bandit(), UserIndex(0), events);
  EXPECT_EQ(rounds.back().event_id, "e1");
  EXPECT_EQ(rounds.back().dt, 1);
}

TEST(UserMood, TheBeliefIsTheFilterWrittenOut) {
  std::vector<store::Event> events;
  for (int n = 0; n < 12; ++n) events.push_back(rated(n, cat("i", (n * 23) % 80), 1 + n % 5, n * n * kDay / 3));
  for (const std::optional<UserIndex> user : {std::optional<UserIndex>(), std::optional<UserIndex>(UserIndex(50))}) {
    const auto belief = mood_belief(planted(), bandit(), user, events);
    const auto expected = by_hand(belief.rounds);
    for (size_t z = 0; z < expected.size(); ++z) EXPECT_NEAR(belief.p[z], expected[z], 1e-12);
    const auto history = mood_history(bandit(), belief.rounds);
    ASSERT_EQ(history.p.size(), belief.rounds.size());
    EXPECT_EQ(history.p.back(), belief.p);
    for (size_t n : {size_t{0}, size_t{5}}) {
      const auto there = by_hand({belief.rounds.begin(), belief.rounds.begin() + static_cast<std::ptrdiff_t>(n + 1)});
      for (size_t z = 0; z < there.size(); ++z) EXPECT_NEAR(history.p[n][z], there[z], 1e-12);
    }
  }
}

TEST(UserMood, MembersOfAGroupAreRecognised) {
  for (int32_t u = 0; u < planted().users().size(); u += 11) {
    const auto belief = mood_belief(planted(), bandit(), UserIndex(u), {});
    EXPECT_EQ(likeliest_state(belief.p), state_of_group(u / kGroupUsers)) << u;
    EXPECT_LT(entropy_of(belief.p), 0.5);
  }
}

TEST(UserMood, AMoodThatChangesIsFollowed) {
  std::vector<store::Event> events;
  for (int n = 0; n < 8; ++n) events.push_back(rated(n, cat("i", n), 5, n * 1000));
  for (int n = 0; n < 8; ++n) events.push_back(rated(8 + n, cat("i", 40 + n), 5, 30 * kDay + n * 1000));
  const auto belief = mood_belief(planted(), bandit(), std::nullopt, events);
  EXPECT_EQ(likeliest_state(belief.p), state_of_group(2));
  const auto history = mood_history(bandit(), belief.rounds);
  EXPECT_EQ(likeliest_state(history.p[7]), state_of_group(0));
  ASSERT_TRUE(history.last_change.has_value());
  EXPECT_GE(history.last_change->round, 8u);
  EXPECT_EQ(history.last_change->from, state_of_group(0));
  EXPECT_EQ(history.last_change->to, state_of_group(2));
}

TEST(UserMood, TimeLetsTheBeliefFade) {
  std::vector<store::Event> events;
  for (int n = 0; n < 8; ++n) events.push_back(rated(n, cat("i", n), 5, 1000 * kDay + n));
  const auto belief = mood_belief(planted(), bandit(), std::nullopt, events);
  const auto z = static_cast<size_t>(likeliest_state(belief.p));
  const auto soon = belief.at(bandit(), 1000 * kDay + 1000);
  const auto later = belief.at(bandit(), 1100 * kDay);
  const double rho = bandit().model().transition.rho();
  EXPECT_NEAR(soon[z], (1 - rho) * belief.p[z] + rho * bandit().model().initial[z], 1e-12);
  const double stay = std::pow(1 - rho, 100);  // 1 and 99 whole days
  EXPECT_NEAR(later[z], stay * belief.p[z] + (1 - stay) * bandit().model().initial[z], 1e-12);
  EXPECT_EQ(belief.at(bandit(), 0), soon);  // a clock that was set back
  EXPECT_GT(entropy_of(later), entropy_of(soon));
}

TEST(UserMood, NobodyStartsAtTheShares) {
  const auto belief = mood_belief(planted(), bandit(), std::nullopt, {});
  EXPECT_TRUE(belief.rounds.empty());
  EXPECT_EQ(belief.at(bandit(), 123456), bandit().model().initial);
}

}  // namespace
}  // namespace attune::people
