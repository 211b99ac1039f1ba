// Senses: planted ones are found and one sense stays one, the published rule splits more, the null behaves, soft senses climb.
#include "people/senses.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"
#include "people/senses_internal.h"
#include "stats/agreement.h"
#include "tests/people/planted_attribute.h"

namespace attune::people {
namespace {

SenseOptions quick(uint64_t seed = 0) {
  SenseOptions out;
  out.cav.cross_validate = false;
  out.permutations = 60;
  out.seed = seed;
  return out;
}

/// ARI of the found senses with user % count.
double recovered(const Senses& senses, int32_t count) {
  std::vector<int32_t> found, truth;
  for (size_t u = 0; u < senses.users.size(); ++u) {
    if (senses.sense[u] < 0) continue;
    found.push_back(senses.sense[u]);
    truth.push_back(senses.users[u].value % count);
  }
  return stats::adjusted_rand_index(found, truth);
}

TEST(Senses, PlantedNumbersAreFound) {
  ThreadPool pool(2);
  int right = 0;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    for (const int32_t count : {1, 2, 3}) {
      const auto space = random_space(400, seed + 50);
      std::vector<size_t> axes(static_cast<size_t>(count));
      std::iota(axes.begin(), axes.end(), size_t{0});
      const auto attribute = planted(space, count * 40, 16, seed, 0.3, axes);
      const auto senses = find_senses(space, attribute, quick(seed), pool);
      right += senses.count() == count ? 1 : 0;
      if (senses.count() != count) continue;
      EXPECT_GT(recovered(senses, count), 0.8);
      EXPECT_GT(senses.objective, 0.9);
      std::set<size_t> axis_of;
      for (const auto& cav : senses.cavs) {
        const auto& v = cav.direction.unit.v;
        axis_of.insert(static_cast<size_t>(std::max_element(v.begin(), v.end()) - v.begin()));
      }
      EXPECT_EQ(axis_of.size(), static_cast<size_t>(count));
      EXPECT_EQ(senses.cavs[0].direction.name, count == 1 ? "first" : "first#1");
      EXPECT_NEAR(std::accumulate(senses.share.begin(), senses.share.end(), 0.0), 1, 1e-12);
    }
  }
  EXPECT_GE(right, 11);
}

TEST(Senses, SameResultWithAnyNumberOfThreads) {
  const auto space = random_space(200, 1);
  const auto attribute = planted(space, 40, 10, 1, 0.3, {0, 1});
  ThreadPool one(1);
  ThreadPool three(3);
  const auto a = find_senses(space, attribute, quick(), one);
  const auto b = find_senses(space, attribute, quick(), three);
  EXPECT_EQ(a.sense, b.sense);
  ASSERT_EQ(a.steps.size(), b.steps.size());
  for (size_t k = 0; k < a.steps.size(); ++k) EXPECT_EQ(a.steps[k].p_value, b.steps[k].p_value);
  EXPECT_EQ(a.cavs[0].w, b.cavs[0].w);
}

TEST(Senses, PublishedRuleSplitsNoiseAndTheHeldOutRuleDoesNot) {
  // Tags at random: any split raises the in-sample objective.
  ThreadPool pool(2);
  int compat = 0;
  int held_out = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    const auto space = random_space(200, seed);
    const auto noise = shuffled(planted(space, 30, 8, seed), "noise", seed);
    auto options = quick(seed);
    held_out += find_senses(space, noise, options, pool).count() > 1 ? 1 : 0;
    options.selection = "compat";
    const auto senses = find_senses(space, noise, options, pool);
    compat += senses.count() > 1 ? 1 : 0;
    for (size_t k = 1; k < senses.steps.size(); ++k) {
      EXPECT_EQ(senses.steps[k].accepted, senses.steps[k].objective >= 1.01 * senses.steps[k - 1].objective);
    }
  }
  EXPECT_GE(compat, 9);
  EXPECT_LE(held_out, 2);
}

TEST(Senses, NullIsUniformWithoutSenses) {
  // Words with one sense that pass a bar of gain 0. P(p <= 0.1) = 0.1 a word: 8 or more of 30 have probability 0.008.
  ThreadPool pool(2);
  int small = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto space = random_space(200, seed + 7);
    const auto attribute = planted(space, 30, 8, seed, 0.5);
    auto options = quick(seed);
    options.gain = 0;
    options.max_senses = 2;
    options.permutations = 19;
    options.restarts = 2;
    const auto senses = find_senses(space, attribute, options, pool);
    small += senses.steps.size() > 1 && senses.steps[1].p_value <= 0.1 ? 1 : 0;
  }
  EXPECT_LT(small, 8);
}

TEST(Senses, SplitsShareNoItemAndPermutationsKeepCounts) {
  const auto space = random_space(100, 1);
  auto attribute = planted(space, 20, 10, 1);
  attribute.users.push_back({UserIndex(50), {ItemIndex(1)}, {ItemIndex(2), ItemIndex(3)}, {}});
  UserTags judge{UserIndex(51), {}, {}, {}};
  for (int i = 0; i < 10; ++i) {
    for (int j = 0; j < i; ++j) judge.pairs.push_back({ItemIndex(i), ItemIndex(j), 1});
  }
  attribute.users.push_back(judge);
  const auto halves = split_items(attribute, quick(), 3);
  for (size_t u = 0; u < attribute.users.size(); ++u) {
    std::set<ItemIndex> items;
    for (const auto& pair : halves.first[u]) items.insert({pair.better, pair.worse});
    for (const auto& pair : halves.second[u]) {
      EXPECT_FALSE(items.contains(pair.better));
      EXPECT_FALSE(items.contains(pair.worse));
    }
    EXPECT_EQ(halves.first[u].empty(), halves.second[u].empty());
  }
  EXPECT_TRUE(halves.first[20].empty());
  EXPECT_EQ(halves.first[21].size(), 10u);  // pairs inside five items
  EXPECT_EQ(halves.second[21].size(), 10u);
  const std::vector<int32_t> group(attribute.users.size(), 0);
  const auto permuted = permuted_within(attribute, group, 5);
  check_attribute(permuted, 100);
  EXPECT_LE(permuted.num_tagged(), attribute.num_tagged());
  EXPECT_GE(permuted.num_tagged(), attribute.num_tagged() * 3 / 4);  // repeated items fall out
  EXPECT_EQ(permuted.num_judged(), 45);
  int moved_tagged = 0, moved_others = 0;
  for (size_t u = 0; u < 20; ++u) {
    moved_tagged += permuted.users[u].tagged != attribute.users[u].tagged ? 1 : 0;
    const auto& own = attribute.users[u].others;  // what is left of a user's others after conflicts would be a part of them
    const auto& now = permuted.users[u].others;
    moved_others += std::includes(own.begin(), own.end(), now.begin(), now.end()) ? 0 : 1;
  }
  const auto again = permuted_within(attribute, group, 6);  // another seed, another deal of each list
  int differ = 0;
  for (size_t u = 0; u < 20; ++u) {
    std::vector<ItemIndex> both;
    std::set_intersection(permuted.users[u].others.begin(), permuted.users[u].others.end(), again.users[u].others.begin(),
                          again.users[u].others.end(), std::back_inserter(both));
    differ += 2 * both.size() < permuted.users[u].others.size() ? 1 : 0;
  }
  EXPECT_GE(differ, 15);
  EXPECT_GE(moved_tagged, 15);
  EXPECT_GE(moved_others, 15);
  std::vector<int32_t> own(attribute.users.size());
  std::iota(own.begin(), own.end(), 0);
  for (size_t u = 0; u < own.size(); ++u) {
    EXPECT_EQ(permuted_within(attribute, own, 5).users[u].tagged, attribute.users[u].tagged);  // groups of one: nothing moves
  }
}

TEST(Senses, LikelihoodOfPairsIsTheFormula) {
  const auto space = random_space(200, 1);
  const auto attribute = planted(space, 40, 10, 1, 0.3, {0, 1});
  const PairTable table(space, attribute_pairs(attribute, {500, false, 0}, 1));
  const size_t d = static_cast<size_t>(space.d());
  std::vector<std::vector<float>> directions(2, std::vector<float>(d, 0));
  directions[0][0] = 1;
  directions[1][1] = 1;
  std::vector<int32_t> sense;
  for (size_t u = 0; u < table.num_users(); ++u) sense.push_back(static_cast<int32_t>(u % 2));
  const auto margin = [&](const PairExample& pair, size_t s) {
    return static_cast<double>(space.row(pair.better)[s]) - space.row(pair.worse)[s];
  };
  const auto slopes = table.slopes(directions, sense);
  const auto found = table.log_likelihood(directions, slopes);
  for (size_t s = 0; s < 2; ++s) {
    double sum = 0, squares = 0, count = 0;
    for (size_t u = s; u < table.num_users(); u += 2) {
      for (const auto& pair : table.pairs()[u]) {
        sum += margin(pair, s);
        squares += margin(pair, s) * margin(pair, s);
        ++count;
      }
    }
    const double mean = sum / count;
    const double slope = std::max(0.0, 2 * mean / (squares / count - mean * mean));
    EXPECT_NEAR(slopes[s], slope, 1e-4 * (1 + slope));
    for (size_t u = 0; u < table.num_users(); ++u) {
      double expected = 0;
      for (const auto& pair : table.pairs()[u]) expected -= std::log1p(std::exp(-static_cast<double>(slopes[s]) * margin(pair, s)));
      EXPECT_NEAR(found[u * 2 + s], expected, 2e-5 * static_cast<double>(1 + table.pairs()[u].size()) + 1e-5 * std::abs(expected));
    }
  }
}

TEST(Senses, FoldsKeepTestedUsersOutOfTraining) {
  const auto space = random_space(200, 1);
  const auto attribute = planted(space, 40, 10, 1, 0.3, {0, 1});
  SenseOptions options;
  const auto folds = cross_folds(space, attribute, options, 3, 7);
  const auto halves = split_items(attribute, options, 7);
  ASSERT_EQ(folds.size(), 3u);
  ASSERT_GT(halves.num_users, 10);
  std::vector<int> tested(attribute.users.size(), 0);
  for (const auto& fold : folds) {
    for (size_t u = 0; u < tested.size(); ++u) {
      EXPECT_EQ(fold.first.has_pairs(u), fold.second.has_pairs(u));
      EXPECT_FALSE(fold.train.has_pairs(u) && fold.first.has_pairs(u));
      tested[u] += fold.first.has_pairs(u) ? 1 : 0;
    }
  }
  for (size_t u = 0; u < tested.size(); ++u) EXPECT_EQ(tested[u], halves.first[u].empty() ? 0 : 1);
  options.min_users = 1000;
  EXPECT_TRUE(cross_folds(space, attribute, options, 3, 7).empty());
}

TEST(Senses, SoftSensesClimbAndAgree) {
  const auto space = random_space(300, 2);
  const auto attribute = planted(space, 60, 14, 2, 0.3, {0, 1});
  ThreadPool pool(2);
  const auto hard = fit_senses(space, attribute, 2, quick(), pool);
  ASSERT_EQ(hard.count(), 2);
  for (const bool temperature : {false, true}) {
    const auto soft = soft_senses(space, attribute, hard, {.temperature = temperature, .tolerance = 0});
    ASSERT_GE(soft.objective.size(), 3u);
    for (size_t k = 1; k < soft.objective.size(); ++k) EXPECT_GE(soft.objective[k], soft.objective[k - 1] - 1e-4);
    EXPECT_NEAR(soft.pi[0] + soft.pi[1], 1, 1e-9);
    int same = 0;
    for (size_t u = 0; u < 60; ++u) {
      EXPECT_NEAR(soft.gamma[2 * u] + soft.gamma[2 * u + 1], 1, 1e-9);
      same += (soft.gamma[2 * u + 1] > 0.5) == (hard.sense[u] == 1) ? 1 : 0;
    }
    EXPECT_GE(same, 54);
    const auto pairs = attribute_pairs(attribute, {.max_pairs = 500}, 0);
    for (const size_t u : {size_t{0}, size_t{7}}) {
      EXPECT_NEAR(sense_posterior(space, soft, pairs[u], temperature)[0], soft.gamma[2 * u], 1e-9);
    }
    EXPECT_NEAR(sense_posterior(space, soft, {}, temperature)[0], soft.pi[0], 1e-9);
    EXPECT_EQ(std::all_of(soft.temperature.begin(), soft.temperature.end(), [](double t) { return t == 1; }), !temperature);
  }
}

TEST(Senses, BadInput) {
  ThreadPool pool(1);
  const auto space = random_space(20, 1);
  const auto attribute = planted(space, 10, 6, 1);
  const auto refused = [&](const auto& change) {
    auto options = quick();
    change(options);
    EXPECT_THROW(find_senses(space, attribute, options, pool), Error);
  };
  refused([](SenseOptions& o) { o.selection = "magic"; });
  refused([](SenseOptions& o) { o.cav.mode = "binary"; });
  refused([](SenseOptions& o) { o.max_senses = 0; });
  refused([](SenseOptions& o) { o.permutations = 0; });
  refused([](SenseOptions& o) { o.null_quantile = 2; });
  EXPECT_THROW(fit_senses(space, attribute, 0, quick(), pool), Error);
  const AttributeData lonely{"lonely", {{UserIndex(0), {ItemIndex(0)}, {}, {}}}};
  try {
    find_senses(space, lonely, quick(), pool);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(std::string(error.what()).find("too few examples"), std::string::npos);
  }
  EXPECT_THROW(soft_senses(space, attribute, {}, {}), Error);
  // Few users: one sense, whatever they say.
  const auto few = planted(space, 3, 10, 1, 0.3, {0, 1});
  EXPECT_EQ(find_senses(space, few, quick(), pool).count(), 1);
}

}  // namespace
}  // namespace attune::people
