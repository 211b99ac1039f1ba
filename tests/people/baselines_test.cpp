// Popularity, item-kNN and the evaluation: against counting by hand and a brute-force cosine.
#include "people/baselines.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/error.h"
#include "core/rng.h"
#include "people/evaluate.h"

namespace attune::people {
namespace {

using data::Interaction;

Interaction rate(int user, int item, float rating) { return {UserIndex(user), ItemIndex(item), rating, 0}; }

TEST(Popularity, CountsRatings) {
  const PopularityRanker ranker(std::vector<Interaction>{rate(0, 1, 1), rate(1, 1, 5), rate(0, 2, 3)}, 4);
  std::vector<float> out(4);
  ranker.score({}, out);
  EXPECT_EQ(out, (std::vector<float>{0, 2, 1, 0}));
  std::vector<float> wrong(3);
  EXPECT_THROW(ranker.score({}, wrong), Error);
}

TEST(ItemKnn, AgainstBruteForce) {
  Rng rng(1, "knn");
  const int n = 30, m = 20;
  std::vector<Interaction> ratings;
  std::vector<std::set<int>> users_of(m);
  for (int u = 0; u < n; ++u) {
    for (int i = 0; i < m; ++i) {
      if (rng.uniform() >= 0.3) continue;
      const auto rating = static_cast<float>(1 + rng.below(5));
      ratings.push_back(rate(u, i, rating));
      if (rating >= 3) users_of[i].insert(u);
    }
  }
  const double shrinkage = 2.5;
  const auto cosine = [&](int i, int j) {
    int common = 0;
    for (const int u : users_of[i]) common += static_cast<int>(users_of[j].count(u));
    return common / (std::sqrt(static_cast<double>(users_of[i].size()) * static_cast<double>(users_of[j].size())) + shrinkage);
  };
  for (const int threads : {1, 2}) {
    ThreadPool pool(threads);
    const ItemKnnRanker ranker(ratings, n, m, {.neighbours = 6, .shrinkage = shrinkage, .threshold = 3}, pool);
    const std::vector<RatedItem> mine{{ItemIndex(0), 5}, {ItemIndex(3), 3}, {ItemIndex(7), 2}};  // the last one does not count
    std::vector<float> out(m);
    ranker.score(mine, out);
    for (int i = 0; i < m; ++i) {
      std::vector<std::pair<double, int>> all;
      for (int j = 0; j < m; ++j) {
        if (j != i && cosine(i, j) > 0) all.push_back({-static_cast<double>(static_cast<float>(cosine(i, j))), j});
      }
      std::sort(all.begin(), all.end());
      if (all.size() > 6) all.resize(6);
      double expected = 0;
      for (const auto& [s, j] : all) {
        EXPECT_NEAR(ranker.similarity(ItemIndex(i), ItemIndex(j)), -s, 1e-6);
        if (j == 0 || j == 3) expected -= s;
      }
      EXPECT_NEAR(out[i], expected, 1e-5) << i;
      EXPECT_EQ(ranker.similarity(ItemIndex(i), ItemIndex(i)), 0);
    }
  }
}

TEST(ItemKnn, BadOptions) {
  ThreadPool pool(1);
  const std::vector<Interaction> ratings{rate(0, 0, 1)};
  EXPECT_THROW(ItemKnnRanker(ratings, 1, 1, {.neighbours = 0}, pool), Error);
  EXPECT_THROW(ItemKnnRanker(ratings, 1, 1, {.neighbours = 1, .shrinkage = -1}, pool), Error);
}

/// Scores items by a fixed list.
class FixedRanker final : public Ranker {
 public:
  explicit FixedRanker(std::vector<float> scores) : scores_(std::move(scores)) {}
  void score(std::span<const RatedItem>, std::span<float> out) const override { std::copy(scores_.begin(), scores_.end(), out.begin()); }

 private:
  std::vector<float> scores_;
};

TEST(Evaluate, SeenItemsAreNoCandidatesAndLowRatingsAreNotRelevant) {
  ThreadPool pool(2);
  const FixedRanker ranker({5, 4, 3, 2, 1});
  const auto history = histories(std::vector<Interaction>{rate(0, 0, 5), rate(1, 4, 5), rate(2, 0, 1)}, 4);
  const std::vector<Interaction> held_out{rate(0, 2, 4), rate(0, 3, 3.9f), rate(1, 0, 5), rate(1, 3, 5), rate(2, 1, 2)};
  const auto result = evaluate_ranking(ranker, history, held_out, 5, pool, {.k = 2});
  EXPECT_EQ(result.users, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(result.num_skipped, 1);  // user 2 has no relevant one; user 3 has none at all
  // User 0: candidates 1 2 3 4, list 1 2, relevant {2}: rank 2. User 1: candidates 0 1 2 3, list 0 1, relevant {0, 3}.
  EXPECT_NEAR(result.metrics[0].ndcg, 1 / std::log2(3.0), 1e-12);
  EXPECT_NEAR(result.metrics[1].ndcg, 1 / (1 + 1 / std::log2(3.0)), 1e-12);
  EXPECT_DOUBLE_EQ(result.metrics[1].recall, 0.5);
  EXPECT_NEAR(result.mean(&stats::RankingMetrics::recall), 0.75, 1e-12);
  EXPECT_EQ(result.values(&stats::RankingMetrics::hit), (std::vector<double>{1, 1}));
  EXPECT_THROW(evaluate_ranking(ranker, history, {}, 5, pool), Error);
}

TEST(Evaluate, BeyondAccuracy) {
  ThreadPool pool(2);
  const FixedRanker ranker({5, 4, 3, 2, 1});
  const auto history = histories(std::vector<Interaction>{rate(0, 0, 5), rate(1, 4, 5), rate(2, 0, 1)}, 4);
  const std::vector<Interaction> held_out{rate(0, 2, 4), rate(1, 0, 5), rate(1, 3, 5), rate(2, 1, 2), rate(3, 1, 5)};
  std::vector<data::ItemInfo> items(5);
  items[0].genres = {"b", "a", "a"};
  items[1].genres = {"a"};
  items[2].genres = {"b"};
  EvaluationOptions options{.k = 2, .relevant_rating = 4, .items = items};
  const auto result = evaluate_ranking(ranker, history, held_out, 5, pool, options);
  EXPECT_EQ(result.users, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(result.num_skipped, 1);
  EXPECT_EQ(result.num_without_history, 1);  // user 3: no vector, no list
  EXPECT_EQ(result.history_size, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(result.lists, (std::vector<std::vector<int32_t>>{{1, 2}, {0, 1}}));
  EXPECT_DOUBLE_EQ(result.coverage, 3.0 / 5);
  EXPECT_DOUBLE_EQ(result.gini, 0.5);  // shown 1, 2, 1, 0, 0 times
  EXPECT_DOUBLE_EQ(result.metrics[0].auc, 2.0 / 3);  // 2 against 1, 3, 4
  EXPECT_DOUBLE_EQ(result.metrics[1].auc, 2.0 / 4);  // 0 and 3 against 1 and 2
  EXPECT_DOUBLE_EQ(result.metrics[0].novelty, 2);  // each known to one of four users at most
  EXPECT_DOUBLE_EQ(result.metrics[1].novelty, 1.5);  // item 0 to two
  EXPECT_DOUBLE_EQ(result.metrics[0].diversity, 1);  // a, b
  EXPECT_DOUBLE_EQ(result.metrics[1].diversity, 0.5);  // a b, a
  options.items = std::span(items).first(4);
  EXPECT_THROW(evaluate_ranking(ranker, history, held_out, 5, pool, options), Error);
  // Nothing but the relevant item is left.
  const auto all = histories(std::vector<Interaction>{rate(0, 0, 1), rate(0, 1, 1), rate(0, 2, 1), rate(0, 3, 1)}, 1);
  EXPECT_EQ(evaluate_ranking(ranker, all, std::vector<Interaction>{rate(0, 4, 5)}, 5, pool).metrics[0].auc, 0.5);
}

}  // namespace
}  // namespace attune::people
