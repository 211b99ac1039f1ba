// Intervals: known quantiles, coverage of the truth, and that pairing removes what two methods share.
#include "stats/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace attune::stats {
namespace {

TEST(Quantile, LinearInterpolation) {
  const std::vector<double> x{1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile(x, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(x, 1), 8);
  EXPECT_DOUBLE_EQ(quantile(x, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile(x, 0.25), 1.75);
  EXPECT_THROW(quantile({}, 0.5), Error);
  EXPECT_THROW(quantile(x, 1.5), Error);
}

TEST(StudentT, TableValues) {
  EXPECT_NEAR(student_t_quantile(0.975, 1), 12.706204736174705, 1e-7);
  EXPECT_NEAR(student_t_quantile(0.975, 4), 2.7764451051977987, 1e-8);
  EXPECT_NEAR(student_t_quantile(0.95, 10), 1.8124611228107335, 1e-8);
  EXPECT_NEAR(student_t_quantile(0.975, 1e6), 1.959966, 1e-5);
  EXPECT_NEAR(student_t_quantile(0.025, 4), -2.7764451051977987, 1e-8);
  EXPECT_NEAR(student_t_quantile(0.5, 3), 0, 1e-12);
}

TEST(TInterval, HandComputed) {
  const auto interval = t_interval(std::vector<double>{1, 2, 3, 4, 5});
  EXPECT_DOUBLE_EQ(interval.mean, 3);
  EXPECT_NEAR(interval.high - interval.mean, 2.7764451051977987 * std::sqrt(2.5 / 5), 1e-8);
  EXPECT_TRUE(interval.excludes_zero());
  EXPECT_THROW(t_interval(std::vector<double>{1}), Error);
}

TEST(Bootstrap, ColumnsTogetherEqualEachAlone) {
  Rng rng(11, "columns");
  std::vector<std::vector<double>> columns(3, std::vector<double>(40));
  for (auto& column : columns) {
    for (auto& value : column) value = rng.normal();
  }
  const auto together = bootstrap_means(columns, {.resamples = 300, .seed = 4});
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto alone = bootstrap_mean(columns[c], {.resamples = 300, .seed = 4});
    EXPECT_EQ(together[c].mean, alone.mean);
    EXPECT_EQ(together[c].low, alone.low);
    EXPECT_EQ(together[c].high, alone.high);
    EXPECT_EQ(together[c].n, 40);
  }
  // The column of differences is the paired bootstrap.
  std::vector<double> difference(40);
  for (size_t i = 0; i < 40; ++i) difference[i] = columns[0][i] - columns[1][i];
  EXPECT_EQ(bootstrap_means(std::span(&difference, 1), {.resamples = 300, .seed = 4})[0].low,
            paired_bootstrap(columns[0], columns[1], {.resamples = 300, .seed = 4}).low);
  EXPECT_THROW(bootstrap_means({}), Error);
  columns[2].pop_back();
  EXPECT_THROW(bootstrap_means(columns), Error);
}

TEST(Bootstrap, SameSeedSameInterval) {
  Rng rng(10, "values");
  std::vector<double> x(50);
  for (auto& value : x) value = rng.normal();
  const auto a = bootstrap_mean(x, {.seed = 4});
  const auto b = bootstrap_mean(x, {.seed = 4});
  const auto c = bootstrap_mean(x, {.seed = 5});
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_NE(a.low, c.low);
  EXPECT_EQ(a.mean, c.mean);
}

TEST(Bootstrap, ConstantValuesGiveAPoint) {
  const auto interval = bootstrap_mean(std::vector<double>(20, 0.25));
  EXPECT_DOUBLE_EQ(interval.low, 0.25);
  EXPECT_DOUBLE_EQ(interval.high, 0.25);
}

// 300 samples of 80 normals: the 90% interval covers the true mean about 90 times in 100; a false alarm here needs a deviation of more
// than 4 standard deviations (0.017 each), so about 1 in 15,000.
TEST(Bootstrap, CoversTheTruth) {
  Rng rng(11, "coverage");
  int covered = 0;
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<double> x(80);
    for (auto& value : x) value = 2 + 3 * rng.normal();
    const auto interval = bootstrap_mean(x, {.resamples = 400, .level = 0.9, .seed = static_cast<uint64_t>(trial)});
    covered += interval.low <= 2 && 2 <= interval.high;
  }
  EXPECT_NEAR(covered / 300.0, 0.89, 0.07);
}

TEST(PairedBootstrap, SharedPartCancels) {
  Rng rng(12, "pairs");
  std::vector<double> a, b;
  for (int i = 0; i < 200; ++i) {
    const double shared = 10 * rng.normal();
    a.push_back(shared + 0.1 + 0.1 * rng.normal());
    b.push_back(shared);
  }
  const auto paired = paired_bootstrap(a, b);
  EXPECT_TRUE(paired.excludes_zero());
  EXPECT_NEAR(paired.mean, 0.1, 0.03);
  EXPECT_LT(paired.high - paired.low, 0.06);
  EXPECT_GT(bootstrap_mean(a).high - bootstrap_mean(a).low, 1);
}

TEST(BootstrapStatistic, MeanIsBootstrapMeanAndRatiosArePaired) {
  Rng rng(13, "ratio");
  std::vector<std::vector<double>> columns(2);
  for (int i = 0; i < 100; ++i) {
    const double shared = 1 + 4 * rng.uniform();
    columns[0].push_back(0.5 * shared + 0.05 * rng.normal());
    columns[1].push_back(shared);
  }
  const auto same = bootstrap_statistic(columns, [](std::span<const double> means) { return means[1]; });
  const auto mean = bootstrap_mean(columns[1]);
  EXPECT_EQ(same.low, mean.low);
  EXPECT_EQ(same.high, mean.high);
  EXPECT_EQ(same.mean, mean.mean);
  const auto ratio = bootstrap_statistic(columns, [](std::span<const double> means) { return means[0] / means[1]; });
  EXPECT_NEAR(ratio.mean, 0.5, 0.01);
  EXPECT_LT(ratio.high - ratio.low, 0.02);  // the shared part cancels: delta method 2 * 1.96 * 0.05 / 3 / 10 = 0.0065
  EXPECT_GT(ratio.high - ratio.low, 0.004);
  EXPECT_EQ(ratio.n, 100);
  EXPECT_THROW(bootstrap_statistic(columns, [](std::span<const double>) { return NAN; }), Error);
  EXPECT_THROW(bootstrap_statistic({}, [](std::span<const double>) { return 0.0; }), Error);
}

TEST(Bootstrap, BadArguments) {
  const std::vector<double> x{1, 2};
  EXPECT_THROW(bootstrap_mean({}), Error);
  EXPECT_THROW(bootstrap_mean(std::vector<double>{1, NAN}), Error);
  EXPECT_THROW(bootstrap_mean(x, {.resamples = 10}), Error);
  EXPECT_THROW(bootstrap_mean(x, {.level = 1}), Error);
  EXPECT_THROW(paired_bootstrap(x, std::vector<double>{1}), Error);
}

}  // namespace
}  // namespace attune::stats
