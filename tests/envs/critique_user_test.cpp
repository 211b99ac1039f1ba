// The simulated person and sessions: gaps by hand, how often the largest gap is criticised, metrics by hand, and that critiques by the true
// axes lead a session to better lists than random directions or none.
#include "envs/critique_user.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/error.h"
#include "envs/attribute_world.h"
#include "stats/bootstrap.h"

namespace attune::envs {
namespace {

using data::ItemIndex;
using data::UserIndex;
using people::Critiquer;

/// Six items; utility 0 to 5. Attribute 0 rises with utility, 1 falls half as steeply and is bent, 2 is constant.
CritiqueTruth small_truth() { return {{0, 1, 2, 3, 4, 5}, {{0, 1, 2, 3, 4, 5}, {3, 0, 2, 1, 0, 0}, {1, 1, 1, 1, 1, 1}}, {}}; }

TEST(CritiqueUser, GapsByHand) {
  CritiqueUser user(small_truth(), {.target_items = 2, .greedy = 1}, 0);
  EXPECT_EQ(user.target(), (std::vector<double>{4.5, 0, 1}));
  const std::vector<ItemIndex> low = {ItemIndex(0), ItemIndex(2)};
  const auto first = user.respond(low);
  ASSERT_TRUE(first.has_value());
  // gap_0 = (4.5 - 1) / 1.7078 = 2.049; gap_1 = (0 - 2.5) / 1.1547 = -2.165
  EXPECT_EQ(first->attribute, 1u);
  EXPECT_EQ(first->sign, -1);
  EXPECT_NEAR(first->gap, -2.5 / std::sqrt(14.0 / 6 - 1), 1e-9);
  const auto second = user.respond(low);  // not the same attribute again
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->attribute, 0u);
  EXPECT_EQ(second->sign, 1);
  EXPECT_NEAR(second->gap, 3.5 / std::sqrt(35.0 / 12), 1e-9);
  EXPECT_EQ(user.respond(low)->attribute, 1u);
  const std::vector<ItemIndex> good = {ItemIndex(4), ItemIndex(5)};
  EXPECT_FALSE(user.respond(good).has_value());
  EXPECT_THROW(user.respond({}), Error);
}

TEST(CritiqueUser, SeenItemsAreNoTargets) {
  auto truth = small_truth();
  truth.seen = {0, 0, 0, 0, 0, 1};
  const CritiqueUser user(truth, {.target_items = 2}, 0);
  EXPECT_EQ(user.target()[0], 3.5);
}

TEST(CritiqueUser, GreedyOrSoftmax) {
  const std::vector<ItemIndex> low = {ItemIndex(0), ItemIndex(2)};
  const double g0 = 3.5 / std::sqrt(35.0 / 12), g1 = 2.5 / std::sqrt(14.0 / 6 - 1);
  const double softmax = 1 / (1 + std::exp((g0 - g1) / 0.2));  // of the larger gap, attribute 1; the constant one is never criticised
  int largest = 0;
  const int users = 4000;
  for (int n = 0; n < users; ++n) {
    CritiqueUser user(small_truth(), {.target_items = 2}, static_cast<uint64_t>(n));
    const auto said = user.respond(low);
    ASSERT_TRUE(said.has_value());
    ASSERT_NE(said->attribute, 2u);
    largest += said->attribute == 1 ? 1 : 0;
  }
  const double expected = 0.9 + 0.1 * softmax;
  EXPECT_NEAR(largest / static_cast<double>(users), expected, 4 * std::sqrt(expected * (1 - expected) / users));
}

TEST(CritiqueUser, BadInput) {
  const auto refused = [](auto change, CritiqueUserOptions options = {}) {
    auto truth = small_truth();
    change(truth);
    EXPECT_THROW(CritiqueUser(truth, options, 0), Error);
  };
  refused([](auto& t) { t.utility[2] = NAN; });
  refused([](auto& t) { t.degrees[0].pop_back(); });
  refused([](auto& t) { t.degrees[1][0] = INFINITY; });
  refused([](auto& t) { t.seen = {1, 1}; });
  refused([](auto& t) { t.seen.assign(6, 1); });
  refused([](auto& t) { t = {}; });
  refused([](auto&) {}, {.target_items = 0});
  refused([](auto&) {}, {.greedy = 1.5});
  refused([](auto&) {}, {.temperature = 0});
  refused([](auto&) {}, {.least_gap = NAN});
}

TEST(CritiqueSession, MetricsByHand) {
  // One coordinate: items at 0..5, the user starts by wanting little.
  const std::vector<float> items = {0, 1, 2, 3, 4, 5};
  const Critiquer critiquer(items, 1, {}, {.update = "heuristic", .alpha = 100, .rho = 0, .slate = 2, .max_steps = 4});
  CritiqueUser user(small_truth(), {.target_items = 2, .greedy = 1}, 0);
  const auto source = [&](size_t g) -> std::optional<people::CritiqueDirection> {
    if (g != 0) return std::nullopt;
    return critiquer.direction("up", std::vector<float>{1}, std::vector<double>{1});
  };
  const auto session = run_critique_session(critiquer, critiquer.start({{-1}, {}}), user, source);
  // Lists: {0, 1} (attribute 1 is criticised less than 0: gap_0 = 4 / 1.708 = 2.34, gap_1 = -1.5 / 1.155), then {5, 4}, then {3, 2}.
  ASSERT_EQ(session.steps.size(), 3u);
  EXPECT_EQ(session.steps[0].best, 1);
  EXPECT_EQ(session.steps[0].mean, 0.5);
  EXPECT_EQ(session.steps[0].normalised_best, 0);
  EXPECT_EQ(session.steps[0].critique->attribute, 0u);
  EXPECT_EQ(session.steps[1].best, 5);
  EXPECT_EQ(session.steps[1].normalised_best, 1);
  EXPECT_EQ(session.steps[1].normalised_mean, 1);
  EXPECT_NEAR(session.steps[1].ndcg, 1, 1e-12);
  EXPECT_EQ(session.steps[2].best, 3);
  EXPECT_EQ(session.steps[2].best_so_far, 5);
  EXPECT_EQ(session.steps[2].profile_mean, 4.5);  // it would still show 5 and 4
  EXPECT_EQ(session.steps[2].normalised_profile, 1);
  EXPECT_NEAR(session.steps[2].ndcg, 1, 1e-12);  // 3 and 2 are what was left
  const double l3 = 1 / std::log2(3.0);
  EXPECT_NEAR(session.steps[0].ndcg, (0.2 * l3) / (1 + 0.8 * l3), 1e-12);
  EXPECT_EQ(session.steps_to_90, 1);
  EXPECT_EQ(session.stopped, "items");
  EXPECT_EQ(session.state.shown.size(), 6u);
}

TEST(CritiqueSession, NoUpdateWalksDownTheList) {
  const std::vector<float> items = {0, 1, 2, 3, 4, 5};
  const Critiquer critiquer(items, 1, {}, {.update = "heuristic", .slate = 1, .max_steps = 3});
  CritiqueUser user(small_truth(), {.target_items = 2}, 0);
  const auto session = run_critique_session(critiquer, critiquer.start({{-1}, {}}), user, {});
  ASSERT_EQ(session.steps.size(), 4u);
  for (size_t t = 0; t < 4; ++t) EXPECT_EQ(session.steps[t].best, static_cast<double>(t));
  EXPECT_EQ(session.stopped, "steps");
  EXPECT_EQ(session.state.steps, 0);
  const std::vector<float> few = {0, 1, 2};
  const Critiquer small(few, 1, {}, {.update = "heuristic"});
  EXPECT_THROW(run_critique_session(small, small.start({{-1}, {}}), user, {}), Error);
}

TEST(CritiqueSession, RandomDirectionsAreUnitAndSpread) {
  const auto rows = random_directions(2000, 3, 7);
  double mean = 0;
  for (size_t r = 0; r < 2000; ++r) {
    double length = 0;
    for (size_t a = 0; a < 3; ++a) length += static_cast<double>(rows[r * 3 + a]) * rows[r * 3 + a];
    EXPECT_NEAR(length, 1, 1e-5);
    mean += rows[r * 3] / 2000;
  }
  EXPECT_NEAR(mean, 0, 4 / std::sqrt(3.0 * 2000));
  EXPECT_EQ(random_directions(5, 3, 7)[3], rows[3]);  // a row does not depend on how many there are
}

/// Mean NDCG of a session's lists, in the world's own space (items = true attributes).
struct Outcome {
  std::vector<double> axes, random, none;
};
Outcome run_world(const std::string& update) {
  AttributeWorldOptions o = attribute_world_preset("ci");
  o.num_users = 60;
  const auto world = make_attribute_world(o);
  const int32_t d = o.num_attributes;
  const Critiquer critiquer(world.items, d, {}, {.update = update, .alpha = 0.25});
  const auto noise = random_directions(static_cast<int32_t>(world.words.size()), d, 11);
  Outcome out;
  for (int32_t u = 0; u < o.num_users; ++u) {
    CritiqueTruth truth{world.utilities(UserIndex(u)), {}, {}};
    for (size_t word = 0; word < world.words.size(); ++word) truth.degrees.push_back(world.axis(world.attribute_of(word, UserIndex(u))));
    people::CritiquePrior prior{std::vector<double>(static_cast<size_t>(d), 0.3), std::vector<double>(static_cast<size_t>(d * d), 0)};
    for (int32_t a = 0; a < d; ++a) prior.covariance[static_cast<size_t>(a * d + a)] = 0.3;
    const auto value = [&](const DirectionSource& source) {
      CritiqueUser user(truth, {}, static_cast<uint64_t>(u));
      const auto session = run_critique_session(critiquer, critiquer.start(prior), user, source);
      double sum = 0;
      for (const auto& step : session.steps) sum += step.ndcg / static_cast<double>(session.steps.size());
      return sum;
    };
    out.axes.push_back(value([&](size_t g) -> std::optional<people::CritiqueDirection> {
      std::vector<float> axis(static_cast<size_t>(d), 0);
      axis[static_cast<size_t>(world.attribute_of(g, UserIndex(u)))] = 1;
      return critiquer.direction(world.words[g].name, axis, std::vector<double>{1});
    }));
    out.random.push_back(value([&](size_t g) -> std::optional<people::CritiqueDirection> {
      return critiquer.direction("random", std::span(noise).subspan(g * static_cast<size_t>(d), static_cast<size_t>(d)),
                                 std::vector<double>{1});
    }));
    out.none.push_back(value({}));
  }
  return out;
}

TEST(CritiqueSession, TrueAxesBeatRandomOnesAndNone) {
  for (const char* update : {"heuristic", "bayes", "pairwise"}) {
    const auto outcome = run_world(update);
    const auto over_random = stats::paired_bootstrap(outcome.axes, outcome.random);
    const auto over_none = stats::paired_bootstrap(outcome.axes, outcome.none);
    EXPECT_GT(over_random.low, 0) << update << " " << over_random.mean;
    EXPECT_GT(over_none.low, 0) << update << " " << over_none.mean;
  }
}

}  // namespace
}  // namespace attune::envs
