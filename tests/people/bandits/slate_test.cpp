#include "people/bandits/slate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "core/error.h"
#include "people/bandits/acting.h"
#include "tests/people/bandits/bandit_fixtures.h"

namespace attune::people {
namespace {

using testing::likelihood;
using testing::linear_model;
using testing::share;
using testing::table_model;

TEST(SlateTest, IndependentRewardsMultiply) {
  const LatentModel table = table_model(RewardKind::kBernoulli, 3, 6);
  const std::vector<int32_t> arms = {4, 0, 2};
  const std::vector<double> clicks = {1, 0, 1};
  std::vector<double> out(3);
  slate_log_likelihood(table, {arms, {}, clicks}, out);
  for (int32_t z = 0; z < 3; ++z) {
    double expected = 1;
    for (size_t i = 0; i < 3; ++i) expected *= likelihood(table, arms[i], {}, z, clicks[i]);
    EXPECT_NEAR(std::exp(out[static_cast<size_t>(z)]), expected, 1e-15);
  }
  const LatentModel linear = linear_model(RewardKind::kGaussian, 2, 2);
  const std::vector<double> x = {0.1, 0.2, -0.3, 0.4};
  const std::vector<double> rewards = {0.5, -0.5};
  out.resize(2);
  slate_log_likelihood(linear, {{}, x, rewards}, out);
  for (int32_t z = 0; z < 2; ++z) {
    const double expected = likelihood(linear, -1, std::span(x).first(2), z, 0.5) * likelihood(linear, -1, std::span(x).last(2), z, -0.5);
    EXPECT_NEAR(std::exp(out[static_cast<size_t>(z)]) / expected, 1, 1e-13);
  }
}

TEST(SlateTest, ACascadeStopsAtTheFirstClick) {
  const LatentModel table = table_model(RewardKind::kBernoulli, 3, 6);
  const std::vector<int32_t> arms = {4, 0, 2};
  for (int32_t z = 0; z < 3; ++z) {
    double total = 0;
    for (int32_t click = -1; click < 3; ++click) {
      std::vector<double> out(3);
      cascade_log_likelihood(table, {arms, {}, {}}, click, out);
      double expected = 1;
      for (int32_t i = 0; i < 3 && (click < 0 || i <= click); ++i) {
        expected *= likelihood(table, arms[static_cast<size_t>(i)], {}, z, i == click ? 1 : 0);
      }
      EXPECT_NEAR(std::exp(out[static_cast<size_t>(z)]), expected, 1e-15);
      total += std::exp(out[static_cast<size_t>(z)]);
    }
    EXPECT_NEAR(total, 1, 1e-14);  // one of the outcomes happens
  }
}

TEST(SlateTest, RefusesBadFeedback) {
  const LatentModel table = table_model(RewardKind::kBernoulli, 3, 6);
  const LatentModel linear = linear_model(RewardKind::kGaussian, 3, 2);
  const std::vector<int32_t> arms = {4, 0};
  const std::vector<int32_t> unknown = {4, 6};
  const std::vector<double> clicks = {1, 0};
  const std::vector<double> bad_clicks = {1, 0.5};
  std::vector<double> out(3);
  EXPECT_THROW(slate_log_likelihood(table, {arms, {}, std::span(clicks).first(1)}, out), Error);
  EXPECT_THROW(slate_log_likelihood(table, {unknown, {}, clicks}, out), Error);
  EXPECT_THROW(slate_log_likelihood(table, {arms, {}, bad_clicks}, out), Error);
  EXPECT_THROW(slate_log_likelihood(table, {arms, {}, clicks}, std::span(out).first(2)), Error);
  EXPECT_THROW(slate_log_likelihood(linear, {{}, std::vector<double>{1, 2, 3}, clicks}, out), Error);
  EXPECT_THROW(cascade_log_likelihood(table, {arms, {}, {}}, 2, out), Error);
  EXPECT_THROW(cascade_log_likelihood(table, {arms, {}, {}}, -2, out), Error);
  EXPECT_THROW(cascade_log_likelihood(table, {arms, {}, {}}, 0, std::span(out).first(1)), Error);
  try {
    cascade_log_likelihood(linear, {{}, std::vector<double>{1, 2}, {}}, 0, out);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(SlateTest, TopKIsTheSortedPrefix) {
  Rng rng(1);
  for (int trial = 0; trial < 200; ++trial) {
    const size_t n = 1 + rng.below(30);
    std::vector<double> score(n);
    std::vector<uint8_t> available(n);
    for (double& x : score) x = static_cast<double>(rng.below(8));  // many ties
    for (uint8_t& x : available) x = rng.uniform() < 0.7;
    std::vector<int32_t> expected;
    for (size_t a = 0; a < n; ++a) {
      if (available[a]) expected.push_back(static_cast<int32_t>(a));
    }
    std::stable_sort(expected.begin(), expected.end(),
                     [&](int32_t a, int32_t b) { return score[static_cast<size_t>(a)] > score[static_cast<size_t>(b)]; });
    const auto k = static_cast<int32_t>(1 + rng.below(10));
    expected.resize(std::min(expected.size(), static_cast<size_t>(k)));
    EXPECT_EQ(top_k(score, 1, available, k), expected);
  }
}

/// sum_z p[z] 1[top k of z = slate], from the definition.
double exact_propensity(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available,
                        const std::vector<int32_t>& slate) {
  double sum = 0;
  for (size_t z = 0; z < p.size(); ++z) {
    bool same = true;
    std::vector<uint8_t> left(available.begin(), available.end());
    if (left.empty()) left.assign(means.size() / p.size(), 1);
    for (const int32_t action : slate) {
      same = same && best_action(means, p.size(), z, left) == action;
      left[static_cast<size_t>(action)] = 0;
    }
    sum += same ? p[z] : 0;
  }
  return sum;
}

TEST(SlateTest, ThompsonSlatesHaveExactPropensities) {
  LatentModel model = table_model(RewardKind::kBernoulli, 4, 7);
  for (size_t a = 0; a < 7; ++a) model.mean[a * 4 + 1] = 0.5 * model.mean[a * 4];  // states 0 and 1 have the same order
  const std::vector<double> p = {0.4, 0.3, 0.2, 0.1};
  for (const std::vector<uint8_t>& available : {std::vector<uint8_t>{}, std::vector<uint8_t>{1, 0, 1, 1, 0, 1, 1}}) {
    for (const int32_t k : {1, 3}) {
      std::map<std::vector<int32_t>, std::pair<int, double>> seen;
      Rng rng(3);
      constexpr int kDraws = 100000;
      for (int i = 0; i < kDraws; ++i) {
        const Slate slate = act_thompson_slate(p, model.mean, available, k, rng);
        auto& entry = seen[slate.actions];
        ++entry.first;
        entry.second = slate.propensity;
      }
      double total = 0;
      for (const auto& [slate, entry] : seen) {
        EXPECT_EQ(slate.size(), static_cast<size_t>(k));
        EXPECT_NEAR(entry.second, exact_propensity(p, model.mean, available, slate), 1e-12);
        EXPECT_NEAR(static_cast<double>(entry.first) / kDraws, entry.second,
                    4.5 * std::sqrt(entry.second * (1 - entry.second) / kDraws) + 1e-9);
        total += entry.second;
      }
      EXPECT_NEAR(total, 1, 1e-12);
    }
  }
}

TEST(SlateTest, GreedySlatesAndSlatesOfAllActions) {
  const std::vector<double> p = {0.5, 0.5};
  const std::vector<double> means = {0, 1, 0.8, 0.8, 0.1, 0.1, 1, 0.2};
  EXPECT_EQ(act_greedy_slate(p, means, {}, 2).actions, (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(act_greedy_slate(p, means, std::vector<uint8_t>{1, 0, 1, 0}, 9).actions, (std::vector<int32_t>{0, 2}));
  Rng rng(1);
  EXPECT_EQ(act_thompson_slate(p, means, std::vector<uint8_t>{0, 1, 0, 0}, 3, rng).propensity, 1);
  EXPECT_THROW(act_greedy_slate(p, means, {}, 0), Error);
  EXPECT_THROW(act_greedy_slate(p, std::span(means).first(3), {}, 1), Error);
  EXPECT_THROW(act_thompson_slate(p, means, std::vector<uint8_t>{0, 0, 0, 0}, 1, rng), Error);
  EXPECT_THROW(act_thompson_slate(p, means, std::vector<uint8_t>{1}, 1, rng), Error);
}

/// Means of every action in float, as the index scores them.
std::vector<double> float_means(const LatentModel& model, std::span<const double> features, size_t n) {
  const auto z = static_cast<size_t>(model.num_states);
  std::vector<double> out(n * z);
  for (size_t a = 0; a < n; ++a) {
    const auto d = static_cast<size_t>(model.d);
    model.means(static_cast<int32_t>(a), model.by_features() ? features.subspan(a * d, d) : std::span<const double>{},
                std::span(out).subspan(a * z, z));
  }
  return out;
}

TEST(ActionIndexTest, FindsTheBestOfManyActions) {
  const auto model = share(linear_model(RewardKind::kGaussian, 5, 6));
  constexpr size_t kActions = 5000;  // several blocks
  std::vector<double> features(kActions * 6);
  Rng rng(2);
  for (double& x : features) x = rng.normal();
  const std::vector<double> means = float_means(*model, features, kActions);
  for (const int32_t kept : {16, 10000}) {
    const ActionIndex index(model, features, kept);
    ASSERT_EQ(index.num_actions(), 5000);
    std::vector<uint8_t> few(kActions, 0);
    for (size_t a = 0; a < kActions; a += 97) few[a] = 1;  // none of the kept ones may be left
    std::vector<uint8_t> most(kActions, 1);
    for (int32_t z = 0; z < 5; ++z) {
      for (const int32_t a : index.best(z, 3, {})) most[static_cast<size_t>(a)] = 0;
    }
    for (const std::vector<uint8_t>& available : {std::vector<uint8_t>{}, few, most}) {
      for (int32_t z = 0; z < 5; ++z) {
        for (const int32_t k : {1, 10, 40}) {
          EXPECT_EQ(index.best(z, k, available), top_k(std::span(means).subspan(static_cast<size_t>(z)), 5, available, k)) << z << " " << k;
        }
      }
      const std::vector<double> p = {0.1, 0.2, 0.3, 0.25, 0.15};
      Rng a(5);
      Rng b(5);
      for (int i = 0; i < 20; ++i) {
        const Slate found = index.act_thompson(p, 4, available, a);
        const Slate expected = act_thompson_slate(p, means, available, 4, b);
        EXPECT_EQ(found.actions, expected.actions);
        EXPECT_DOUBLE_EQ(found.propensity, expected.propensity);
      }
    }
  }
}

TEST(ActionIndexTest, Tables) {
  const auto model = share(table_model(RewardKind::kBernoulli, 3, 50));
  const ActionIndex index(model, {}, 8);
  for (int32_t z = 0; z < 3; ++z) {
    EXPECT_EQ(index.best(z, 5, {}), top_k(std::span(model->mean).subspan(static_cast<size_t>(z)), 3, {}, 5));
    EXPECT_EQ(index.best(z, 50, {}), top_k(std::span(model->mean).subspan(static_cast<size_t>(z)), 3, {}, 50));
  }
}

TEST(ActionIndexTest, RefusesBadInput) {
  const auto table = share(table_model(RewardKind::kBernoulli, 3, 5));
  const auto linear = share(linear_model(RewardKind::kGaussian, 2, 2));
  EXPECT_THROW(ActionIndex(nullptr, {}), Error);
  EXPECT_THROW(ActionIndex(table, {}, 0), Error);
  EXPECT_THROW(ActionIndex(linear, {}), Error);
  EXPECT_THROW(ActionIndex(linear, std::vector<double>{1, 2, 3}), Error);
  EXPECT_THROW(ActionIndex(linear, std::vector<double>{1, std::nan("")}), Error);
  const ActionIndex index(table, {});
  EXPECT_THROW(index.best(3, 1, {}), Error);
  EXPECT_THROW(index.best(-1, 1, {}), Error);
  EXPECT_THROW(index.best(0, 0, {}), Error);
  EXPECT_THROW(index.best(0, 1, std::vector<uint8_t>{1}), Error);
  Rng rng(1);
  EXPECT_THROW(index.act_thompson(std::vector<double>{1}, 1, {}, rng), Error);
  EXPECT_THROW(index.act_thompson(std::vector<double>{1, 0, 0}, 0, {}, rng), Error);
  EXPECT_THROW(index.act_thompson(std::vector<double>{1, 0, 0}, 1, std::vector<uint8_t>(5, 0), rng), Error);
}

}  // namespace
}  // namespace attune::people
