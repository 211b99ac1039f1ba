// Ranking metrics: values worked out by hand, and a second implementation on random lists.
#include "stats/ranking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"
#include "core/rng.h"

namespace attune::stats {
namespace {

using Rows = std::vector<int32_t>;

TEST(Ranking, HandComputed) {
  // Hits at ranks 2 and 4; 3 relevant; k = 5.
  const auto m = ranking_metrics(Rows{9, 1, 8, 2, 7}, Rows{1, 2, 3}, 5);
  EXPECT_NEAR(m.ndcg, (1 / std::log2(3.0) + 1 / std::log2(5.0)) / (1 + 1 / std::log2(3.0) + 0.5), 1e-15);
  EXPECT_NEAR(m.ndcg, 0.49818925746641285, 1e-12);
  EXPECT_DOUBLE_EQ(m.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(m.hit, 1);
  EXPECT_DOUBLE_EQ(m.mrr, 0.5);
  EXPECT_DOUBLE_EQ(m.map, (0.5 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(m.precision, 0.4);
}

TEST(Ranking, CutOffCountsOnlyTheHead) {
  const auto m = ranking_metrics(Rows{9, 1, 8, 2, 7}, Rows{1, 2, 3}, 1);
  EXPECT_EQ(m.ndcg, 0);
  EXPECT_EQ(m.recall, 0);
  EXPECT_EQ(m.hit, 0);
  EXPECT_EQ(m.mrr, 0);
}

TEST(Ranking, PerfectListIsOneEvenWithFewRelevant) {
  const auto m = ranking_metrics(Rows{4, 5, 6}, Rows{5, 4}, 3);
  EXPECT_DOUBLE_EQ(m.ndcg, 1);
  EXPECT_DOUBLE_EQ(m.map, 1);
  EXPECT_DOUBLE_EQ(m.recall, 1);
  EXPECT_DOUBLE_EQ(m.precision, 2.0 / 3);
}

TEST(Ranking, ShortListLosesWhatIsMissing) {
  const auto m = ranking_metrics(Rows{1}, Rows{1, 2}, 10);
  EXPECT_DOUBLE_EQ(m.precision, 0.1);
  EXPECT_DOUBLE_EQ(m.recall, 0.5);
  EXPECT_LT(m.ndcg, 1);
}

TEST(Ranking, RandomListsAgainstDefinition) {
  Rng rng(3, "ranking");
  for (int trial = 0; trial < 500; ++trial) {
    const int n = 1 + static_cast<int>(rng.below(30));
    Rows all(n);
    std::iota(all.begin(), all.end(), 0);
    shuffle(all, rng);
    std::set<int32_t> relevant;
    const auto count = 1 + rng.below(static_cast<uint64_t>(n));
    while (relevant.size() < count) relevant.insert(static_cast<int32_t>(rng.below(static_cast<uint64_t>(n))));
    const int k = 1 + static_cast<int>(rng.below(35));
    const auto m = ranking_metrics(all, Rows(relevant.begin(), relevant.end()), k);
    // From the definitions, one rank at a time.
    const auto h = [&](int r) { return r <= n && relevant.count(all[r - 1]) ? 1.0 : 0.0; };
    double dcg = 0, ideal = 0, hits = 0, ap = 0, rr = 0;
    for (int r = 1; r <= k; ++r) {
      double precision = 0;
      for (int q = 1; q <= r; ++q) precision += h(q) / r;
      ap += h(r) * precision;
      dcg += h(r) / std::log2(1.0 + r);
      if (r <= static_cast<int>(count)) ideal += 1 / std::log2(1.0 + r);
      hits += h(r);
      if (rr == 0 && h(r) > 0) rr = 1.0 / r;
    }
    EXPECT_NEAR(m.ndcg, dcg / ideal, 1e-12);
    EXPECT_NEAR(m.map, ap / std::min<double>(k, static_cast<double>(count)), 1e-12);
    EXPECT_NEAR(m.recall, hits / static_cast<double>(count), 1e-12);
    EXPECT_NEAR(m.precision, hits / k, 1e-12);
    EXPECT_NEAR(m.mrr, rr, 1e-12);
    EXPECT_EQ(m.hit, hits > 0 ? 1 : 0);
  }
}

TEST(Ranking, BadArguments) {
  EXPECT_THROW(ranking_metrics(Rows{1}, Rows{}, 1), Error);
  EXPECT_THROW(ranking_metrics(Rows{1}, Rows{1}, 0), Error);
  EXPECT_THROW(ranking_metrics(Rows{1, 1}, Rows{1}, 2), Error);
  EXPECT_THROW(ranking_metrics(Rows{1}, Rows{2, 2}, 2), Error);
}

TEST(TopK, AgainstFullSort) {
  Rng rng(5, "topk");
  for (int trial = 0; trial < 300; ++trial) {
    const auto n = rng.below(40);
    std::vector<float> scores;
    std::vector<uint8_t> excluded;
    for (uint64_t i = 0; i < n; ++i) {
      scores.push_back(static_cast<float>(rng.below(6)));  // many ties
      excluded.push_back(rng.below(4) == 0);
    }
    const int k = static_cast<int>(rng.below(45));
    Rows expected;
    for (uint64_t i = 0; i < n; ++i) {
      if (!excluded[i]) expected.push_back(static_cast<int32_t>(i));
    }
    std::stable_sort(expected.begin(), expected.end(), [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
    if (expected.size() > static_cast<size_t>(k)) expected.resize(k);
    EXPECT_EQ(top_k(scores, k, excluded), expected);
  }
}

TEST(TopK, NanAndMinusInfinityAreNeverChosen) {
  EXPECT_EQ(top_k(std::vector<float>{NAN, 1, -INFINITY, 2, NAN}, 5), (Rows{3, 1}));
  EXPECT_THROW(top_k(std::vector<float>{1, 2}, 1, std::vector<uint8_t>{1}), Error);
  EXPECT_THROW(top_k(std::vector<float>{1}, -1), Error);
}

TEST(Auc, AgainstAllPairs) {
  Rng rng(6, "auc");
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> scores;
    for (int i = 0; i < 12; ++i) scores.push_back(static_cast<float>(rng.below(5)));
    const Rows relevant{0, 3, 5};
    const Rows excluded{1, 7};
    double won = 0, pairs = 0;
    for (const int p : relevant) {
      for (int q = 0; q < 12; ++q) {
        if (q == 0 || q == 3 || q == 5 || q == 1 || q == 7) continue;
        won += scores[p] > scores[q] ? 1 : scores[p] == scores[q] ? 0.5 : 0;
        ++pairs;
      }
    }
    EXPECT_NEAR(auc(scores, relevant, excluded), won / pairs, 1e-12);
  }
  EXPECT_DOUBLE_EQ(auc(std::vector<float>{1, 2, 1, 1}, Rows{0, 1}, Rows{}), 0.75);  // ties half
  EXPECT_THROW(auc(std::vector<float>{1, 2}, Rows{}, Rows{}), Error);
  EXPECT_THROW(auc(std::vector<float>{1, 2}, Rows{2}, Rows{}), Error);
  EXPECT_THROW(auc(std::vector<float>{1, NAN}, Rows{0}, Rows{}), Error);
}

TEST(Errors, RmseMaeCoverage) {
  const std::vector<double> a{1, 2, 3};
  const std::vector<double> b{1, 4, 2};
  EXPECT_DOUBLE_EQ(rmse(a, b), std::sqrt(5.0 / 3));
  EXPECT_DOUBLE_EQ(mae(a, b), 1);
  EXPECT_THROW(rmse(a, std::vector<double>{1}), Error);
  EXPECT_THROW(mae({}, {}), Error);
  const std::vector<Rows> lists{{0, 1}, {1, 2}};
  EXPECT_DOUBLE_EQ(catalogue_coverage(lists, 6), 0.5);
  EXPECT_THROW(catalogue_coverage(lists, 2), Error);
}

TEST(PassAtK, AgainstEnumeration) {
  // All subsets of size k of n samples, the first `passed` of which pass.
  for (int n = 1; n <= 8; ++n) {
    for (int passed = 0; passed <= n; ++passed) {
      for (int k = 1; k <= n; ++k) {
        double good = 0, all = 0;
        for (int mask = 0; mask < (1 << n); ++mask) {
          if (__builtin_popcount(mask) != k) continue;
          ++all;
          if ((mask & ((1 << passed) - 1)) != 0) ++good;
        }
        EXPECT_NEAR(pass_at_k(n, passed, k), good / all, 1e-12);
      }
    }
  }
  EXPECT_THROW(pass_at_k(3, 1, 4), Error);
  EXPECT_THROW(pass_at_k(3, 4, 1), Error);
}

TEST(Gini, KnownValues) {
  EXPECT_EQ(gini(std::vector<int64_t>{3, 3, 3}), 0);
  EXPECT_DOUBLE_EQ(gini(std::vector<int64_t>{0, 8, 0, 0}), 0.75);
  EXPECT_DOUBLE_EQ(gini(std::vector<int64_t>{1, 2, 1, 0, 0}), 0.5);
  EXPECT_EQ(gini(std::vector<int64_t>{0, 0}), 0);
  EXPECT_THROW(gini(std::vector<int64_t>{}), Error);
  EXPECT_THROW(gini(std::vector<int64_t>{1, -1}), Error);
}

}  // namespace
}  // namespace attune::stats
