// Rank correlation, grouping agreement and graded metrics against values worked by hand.
#include "stats/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace attune::stats {
namespace {

using Floats = std::vector<float>;
using Labels = std::vector<int32_t>;

TEST(Agreement, Spearman) {
  EXPECT_NEAR(spearman(Floats{1, 2, 3, 4}, Floats{10, 20, 30, 99}), 1, 1e-12);
  EXPECT_NEAR(spearman(Floats{1, 2, 3, 4}, Floats{4, 3, 2, 1}), -1, 1e-12);
  EXPECT_NEAR(spearman(Floats{1, 2, 3, 4, 5}, Floats{5, 6, 7, 8, 7}), 0.8207826816681233, 1e-12);  // mean ranks 1 2 3.5 5 3.5
  EXPECT_EQ(spearman(Floats{1, 1, 1}, Floats{1, 2, 3}), 0);
  EXPECT_THROW(spearman(Floats{1}, Floats{1}), Error);
  EXPECT_THROW(spearman(Floats{1, 2}, Floats{1}), Error);
  EXPECT_THROW(spearman(Floats{1, std::numeric_limits<float>::quiet_NaN()}, Floats{1, 2}), Error);
}

TEST(Agreement, AdjustedRandIndex) {
  EXPECT_NEAR(adjusted_rand_index(Labels{0, 0, 1, 1}, Labels{7, 7, 3, 3}), 1, 1e-12);
  EXPECT_NEAR(adjusted_rand_index(Labels{0, 0, 1, 1}, Labels{0, 0, 1, 2}), 4.0 / 7, 1e-12);
  EXPECT_NEAR(adjusted_rand_index(Labels{0, 0, 1, 1}, Labels{0, 1, 0, 1}), -0.5, 1e-12);
  EXPECT_EQ(adjusted_rand_index(Labels{0, 0}, Labels{1, 1}), 1);
  Rng rng(1, "ari");
  double mean = 0;
  for (int t = 0; t < 200; ++t) {
    Labels a, b;
    for (int k = 0; k < 40; ++k) {
      a.push_back(static_cast<int32_t>(rng.below(3)));
      b.push_back(static_cast<int32_t>(rng.below(3)));
    }
    mean += adjusted_rand_index(a, b) / 200;
  }
  EXPECT_NEAR(mean, 0, 0.02);
  EXPECT_THROW(adjusted_rand_index(Labels{}, Labels{}), Error);
  EXPECT_THROW(adjusted_rand_index(Labels{1}, Labels{1, 2}), Error);
}

TEST(Agreement, GradedNdcg) {
  const Floats gains{3, 0, 1};
  EXPECT_NEAR(graded_ndcg(Floats{9, 1, 5}, gains, 3), 1, 1e-12);
  const double best = 3 + 1 / std::log2(3.0);
  EXPECT_NEAR(graded_ndcg(Floats{1, 9, 5}, gains, 3), (1 / std::log2(3.0) + 3 / 2.0) / best, 1e-7);
  EXPECT_NEAR(graded_ndcg(Floats{1, 9, 5}, gains, 1), 0, 1e-12);
  EXPECT_THROW(graded_ndcg(Floats{1, 2}, Floats{0, 0}, 1), Error);
  EXPECT_THROW(graded_ndcg(Floats{1, 2}, Floats{-1, 1}, 1), Error);
  EXPECT_THROW(graded_ndcg(Floats{1, 2}, Floats{1, 1}, 0), Error);
  EXPECT_THROW(graded_ndcg(Floats{1}, Floats{1, 1}, 1), Error);
}

TEST(Agreement, WeightedGamma) {
  const GradedAgreement counts{10, 5, 4, 1};
  EXPECT_NEAR(counts.gamma(), 0.44, 1e-12);
  EXPECT_EQ(GradedAgreement{}.gamma(), 0);
  GradedAgreement sum = counts;
  sum += {0, 0, 0, 3};
  EXPECT_NEAR(sum.gamma(), 5.0 / 31, 1e-12);
}

}  // namespace
}  // namespace attune::stats
