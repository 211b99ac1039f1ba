// Clusters: planted mixtures come back, the best partition of a few points, EM climbs, responsibilities by hand, bad input.
#include "people/bandits/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/rng.h"
#include "stats/agreement.h"
#include "tests/expect_error.h"

namespace attune::people {
namespace {

/// Three elongated clusters of 300, 200 and 100 points in two dimensions.
struct Planted {
  std::vector<double> points;
  std::vector<int32_t> truth;
};

Planted planted(uint64_t seed) {
  constexpr double kMean[3][2] = {{0, 0}, {7, 1}, {-1, 5}};
  constexpr double kSd[3][2] = {{1.5, 0.3}, {0.4, 0.8}, {0.5, 0.5}};
  constexpr int kSize[3] = {300, 200, 100};
  Rng rng(seed, "planted clusters");
  Planted out;
  for (int32_t k = 0; k < 3; ++k) {
    for (int n = 0; n < kSize[k]; ++n) {
      for (int i = 0; i < 2; ++i) out.points.push_back(kMean[k][i] + kSd[k][i] * rng.normal());
      out.truth.push_back(k);
    }
  }
  return out;
}

ClusterOptions three(uint64_t seed = 0) {
  ClusterOptions out;
  out.num_clusters = 3;
  out.seed = seed;
  return out;
}

TEST(Clusters, PlantedMixtureComesBack) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const Planted data = planted(seed);
    const Clusters found = fit_clusters(data.points, 2, three(seed));
    std::vector<int32_t> cluster;
    for (size_t n = 0; n < data.truth.size(); ++n) cluster.push_back(found.nearest(std::span(data.points).subspan(2 * n, 2)));
    EXPECT_GT(stats::adjusted_rand_index(cluster, data.truth), 0.95) << seed;
    EXPECT_NEAR(found.share[0], 0.5, 0.03);  // largest first
    EXPECT_NEAR(found.share[2], 1.0 / 6, 0.03);
    EXPECT_NEAR(found.mean[2], 7, 0.15);
    EXPECT_NEAR(found.mean[3], 1, 0.25);
    EXPECT_NEAR(std::sqrt(found.variance[0]), 1.5, 0.2);
    EXPECT_NEAR(std::sqrt(found.variance[1]), 0.3, 0.06);
  }
}

TEST(Clusters, LikelihoodNeverFallsAndIsThatOfTheResult) {
  const Planted data = planted(7);
  ClusterOptions options = three();
  options.num_clusters = 5;
  options.tolerance = 0;
  options.max_iterations = 60;
  const Clusters found = fit_clusters(data.points, 2, options);
  ASSERT_GT(found.log_likelihoods.size(), 5u);
  for (size_t i = 1; i < found.log_likelihoods.size(); ++i) {
    EXPECT_GE(found.log_likelihoods[i], found.log_likelihoods[i - 1] - 1e-9) << i;
  }
  EXPECT_NEAR(found.log_likelihood(data.points), found.log_likelihoods.back(), 1e-8);
  double sum = 0;
  for (const double share : found.share) sum += share;
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_TRUE(std::is_sorted(found.share.rbegin(), found.share.rend()));
}

TEST(Clusters, ResponsibilitiesByHand) {
  Clusters mixture{2, 1, {0.25, 0.75}, {0, 2}, {1, 4}, {}};
  const double x = 0.5;
  const double a = 0.25 * std::exp(-0.125) / std::sqrt(2 * std::numbers::pi);
  const double b = 0.75 * std::exp(-0.5 * 2.25 / 4) / std::sqrt(2 * std::numbers::pi * 4);
  std::vector<double> weight(2);
  EXPECT_NEAR(mixture.responsibilities({&x, 1}, weight), std::log(a + b), 1e-14);
  EXPECT_NEAR(weight[0], a / (a + b), 1e-14);
  EXPECT_NEAR(weight[1], b / (a + b), 1e-14);
  EXPECT_EQ(mixture.nearest({&x, 1}), 1);
  const double far = 1e6;  // no underflow: everything to one cluster
  EXPECT_LT(mixture.responsibilities({&far, 1}, weight), -1e10);
  EXPECT_DOUBLE_EQ(weight[0] + weight[1], 1);
  mixture.share = {0, 1};  // a share of 0 takes nothing
  mixture.responsibilities({&x, 1}, weight);
  EXPECT_EQ(weight[0], 0);
}

TEST(Clusters, KMeansFindsTheBestPartition) {
  // 9 points in 3 clusters: all 3^9 assignments.
  Rng rng(3, "few points");
  std::vector<double> points;
  for (int n = 0; n < 18; ++n) points.push_back(rng.normal());
  double best = std::numeric_limits<double>::infinity();
  for (int code = 0; code < 19683; ++code) {
    double sum[3][2] = {}, square = 0;
    int size[3] = {};
    for (int n = 0, rest = code; n < 9; ++n, rest /= 3) {
      ++size[rest % 3];
      for (int i = 0; i < 2; ++i) {
        const double x = points[static_cast<size_t>(2 * n + i)];
        sum[rest % 3][i] += x;
        square += x * x;
      }
    }
    for (int k = 0; k < 3; ++k) {
      if (size[k] > 0) square -= (sum[k][0] * sum[k][0] + sum[k][1] * sum[k][1]) / size[k];
    }
    best = std::min(best, square);
  }
  ClusterOptions options = three();
  options.restarts = 50;
  EXPECT_NEAR(k_means(points, 2, options).cost, best, 1e-12);
}

TEST(Clusters, SameSeedSameResultAndOtherStartsDiffer) {
  const Planted data = planted(1);
  const Clusters a = fit_clusters(data.points, 2, three(4)), b = fit_clusters(data.points, 2, three(4));
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.log_likelihoods, b.log_likelihoods);
  ClusterOptions once = three();
  once.num_clusters = 12;
  once.restarts = 1;
  const double cost = k_means(data.points, 2, once).cost;
  once.seed = 1;
  EXPECT_NE(k_means(data.points, 2, once).cost, cost);
}

TEST(Clusters, WithinCovariancesArePlantedOnes) {
  const Planted data = planted(2);
  const Clusters found = fit_clusters(data.points, 2, three());
  const auto covariance = within_covariances(found, data.points, 0);
  // Sample covariance of the points of the largest cluster.
  double mean[2] = {}, expected[4] = {};
  for (size_t n = 0; n < 600; ++n) mean[n % 2] += data.points[n] / 300;
  for (size_t n = 0; n < 300; ++n) {
    for (size_t i = 0; i < 4; ++i) {
      expected[i] += (data.points[2 * n + i / 2] - mean[i / 2]) * (data.points[2 * n + i % 2] - mean[i % 2]) / 300;
    }
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(covariance[i], expected[i], 0.08) << i;
  const auto pulled = within_covariances(found, data.points, 1e12);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(pulled[i], pulled[4 + i], 1e-6);  // all become the pooled one
}

TEST(Clusters, OnePointAClusterAndEqualDimensions) {
  const std::vector<double> points = {0, 1, 5, 1, 9, 1};  // second dimension constant
  const Clusters found = fit_clusters(points, 2, three());
  for (const double v : found.variance) EXPECT_GT(v, 0);
  EXPECT_NEAR(found.share[0] + found.share[1] + found.share[2], 1, 1e-12);
  const auto covariance = within_covariances(found, points);
  for (size_t k = 0; k < 3; ++k) EXPECT_GT(covariance[4 * k + 3], 0);
}

TEST(Clusters, BadInput) {
  const std::vector<double> points = {0, 1, 2, 3};
  test::expect_error(ErrorCode::kInvalidArgument, "rows of 3", [&] { k_means(points, 3, three()); });
  test::expect_error(ErrorCode::kInvalidArgument, "rows of 0", [&] { k_means(points, 0, three()); });
  test::expect_error(ErrorCode::kInvalidArgument, "at least 3 points", [&] { k_means(points, 2, three()); });
  const std::vector<double> equal(10, 1.0);
  test::expect_error(ErrorCode::kInvalidArgument, "distinct points, found 1", [&] { fit_clusters(equal, 1, three()); });
  const std::vector<double> bad = {0, std::nan(""), 2, 3};
  test::expect_error(ErrorCode::kInvalidArgument, "finite", [&] { fit_clusters(bad, 1, three()); });
  ClusterOptions none = three();
  none.num_clusters = 0;
  test::expect_error(ErrorCode::kInvalidArgument, "at least 1 cluster", [&] { k_means(points, 1, none); });
  const Clusters found = fit_clusters(points, 1, three());
  std::vector<double> weight(2);
  test::expect_error(ErrorCode::kInvalidArgument, "room for 3", [&] { found.responsibilities({points.data(), 1}, weight); });
  test::expect_error(ErrorCode::kInvalidArgument, "ridge", [&] { within_covariances(found, points, 1, 0); });
}

}  // namespace
}  // namespace attune::people
