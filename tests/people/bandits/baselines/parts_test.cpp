// What baselines are made of: keys and what "auto" comes to, memories against sums formed anew, alarms by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <numeric>

#include "people/bandits/baselines/change_detection.h"
#include "people/bandits/baselines/memory.h"
#include "people/bandits/baselines/options.h"
#include "tests/expect_error.h"

namespace attune::people {
namespace {

TEST(BaselineOptions, WhatAutoComesTo) {
  BaselineOptions o;  // n = 2000, L = 10, noise 0.5
  EXPECT_NEAR(o.discount_value(), 1 - 1 / (4 * std::sqrt(200.0)), 1e-15);
  EXPECT_EQ(o.window_value(), 78);  // 2 sqrt(200 * 7.6009) = 77.98
  EXPECT_NEAR(o.cusum_threshold_value(), std::log(200.0), 1e-15);
  EXPECT_NEAR(o.explore_value(), std::sqrt(10 * std::log(200.0) / 2000), 1e-15);
  EXPECT_NEAR(o.halves_threshold_value(10), std::sqrt(100 * std::log(20 * 4e6)), 1e-12);
  EXPECT_NEAR(o.eta_value(10, 5), std::sqrt(2 * std::log(10000.0) / 20000), 1e-15);
  EXPECT_NEAR(o.mix_value(), 1.0 / 2000, 1e-18);
  EXPECT_NEAR(o.exp3_gamma_value(10), std::sqrt(10 * (10 * std::log(20000.0) + std::exp(1.0)) / ((std::exp(1.0) - 1) * 2000)), 1e-14);
  o.discount = 0.5;
  o.window = 7;
  o.cusum_threshold = 3;
  o.explore = 0;
  o.halves_threshold = 2;
  o.eta = 0.1;
  o.mix = 0;
  o.exp3_gamma = 0.2;
  EXPECT_EQ(o.discount_value(), 0.5);
  EXPECT_EQ(o.window_value(), 7);
  EXPECT_EQ(o.cusum_threshold_value(), 3);
  EXPECT_EQ(o.explore_value(), 0);
  EXPECT_EQ(o.halves_threshold_value(10), 2);
  EXPECT_EQ(o.eta_value(10, 5), 0.1);
  EXPECT_EQ(o.mix_value(), 0);
  EXPECT_EQ(o.exp3_gamma_value(10), 0.2);
  BaselineOptions short_run;  // fewer rounds than changes: still in range
  short_run.horizon = 1;
  short_run.changes = 100;
  EXPECT_EQ(short_run.cusum_threshold_value(), 1);
  EXPECT_EQ(short_run.explore_value(), 1);
  EXPECT_EQ(short_run.window_value(), 1);
  EXPECT_EQ(short_run.discount_value(), 0.75);
}

TEST(BaselineOptions, RewardsOnTheUnitInterval) {
  BaselineOptions o;
  o.reward_low = -1;
  o.reward_high = 3;
  EXPECT_DOUBLE_EQ(o.unit_reward(0), 0.25);
  EXPECT_EQ(o.unit_reward(-5), 0);
  EXPECT_EQ(o.unit_reward(9), 1);
}

TEST(BaselineOptions, BadValues) {
  const auto bad = [](std::string_view part, auto change) {
    BaselineOptions o;
    change(o);
    test::expect_error(ErrorCode::kInvalidArgument, part, [&] { o.check_ranges(); });
  };
  bad("horizon", [](auto& o) { o.horizon = 0; });
  bad("changes", [](auto& o) { o.changes = -1; });
  bad("noise-sd", [](auto& o) { o.noise_sd = 0; });
  bad("prior", [](auto& o) { o.prior = "cauchy"; });
  bad("discount", [](auto& o) { o.discount = 1.5; });
  bad("explore", [](auto& o) { o.explore = 2; });
  bad("cusum-warmup", [](auto& o) { o.cusum_warmup = 0; });
  bad("even halves-window", [](auto& o) { o.halves_window = 5; });
  bad("reward-low below", [](auto& o) { o.reward_low = 1; });
  bad("theta-sd", [](auto& o) { o.theta_sd = std::nan(""); });
}

TEST(ArmMemory, DiscountByHand) {
  ArmMemory memory({0.5, 0});
  memory.add(2, 4);
  memory.tick();
  memory.add(2, 1);
  memory.add(0, 8);
  EXPECT_DOUBLE_EQ(memory.count(2), 1.5);
  EXPECT_DOUBLE_EQ(memory.sum(2), 3);
  EXPECT_DOUBLE_EQ(memory.total(), 2.5);
  EXPECT_EQ(memory.count(1), 0);
  EXPECT_EQ(memory.count(99), 0);
  memory.forget(2);
  EXPECT_EQ(memory.count(2), 0);
  EXPECT_DOUBLE_EQ(memory.total(), 1);
  memory.forget_all();
  EXPECT_EQ(memory.total(), 0);
}

TEST(ArmMemory, WindowIsTheLastSamples) {
  ArmMemory memory({1, 10});
  std::deque<std::pair<int32_t, double>> last;
  Rng rng(1, "window");
  for (int t = 0; t < 500; ++t) {
    const auto arm = static_cast<int32_t>(rng.below(4));
    const double reward = rng.normal();
    memory.tick();
    memory.add(arm, reward);
    last.emplace_back(arm, reward);
    if (last.size() > 10) last.pop_front();
    if (t == 250) {
      memory.forget(1);
      std::erase_if(last, [](const auto& sample) { return sample.first == 1; });
    }
    for (int32_t a = 0; a < 4; ++a) {
      double count = 0, sum = 0;
      for (const auto& sample : last) {
        count += sample.first == a;
        sum += sample.first == a ? sample.second : 0;
      }
      ASSERT_EQ(memory.count(a), count);
      ASSERT_NEAR(memory.sum(a), sum, 1e-12);
    }
    ASSERT_EQ(memory.total(), static_cast<double>(last.size()));
  }
}

/// Lambda and b formed anew, with the weight of each sample.
struct Direct {
  std::vector<double> lambda, b;
};

Direct direct(const std::vector<std::pair<std::vector<double>, double>>& samples, const std::vector<double>& weight, double theta_sd,
              double noise_sd) {
  const size_t d = 3;
  Direct out{std::vector<double>(d * d, 0.0), std::vector<double>(d, 0.0)};
  for (size_t i = 0; i < d; ++i) out.lambda[i * d + i] = 1 / (theta_sd * theta_sd);
  for (size_t n = 0; n < samples.size(); ++n) {
    const auto& [x, r] = samples[n];
    for (size_t i = 0; i < d; ++i) {
      for (size_t j = 0; j < d; ++j) out.lambda[i * d + j] += weight[n] * x[i] * x[j] / (noise_sd * noise_sd);
      out.b[i] += weight[n] * r * x[i] / (noise_sd * noise_sd);
    }
  }
  return out;
}

/// Solves the 3 x 3 system by Cramer's rule.
std::vector<double> solved(const std::vector<double>& m, const std::vector<double>& b) {
  const auto det = [](const std::vector<double>& a) {
    return a[0] * (a[4] * a[8] - a[5] * a[7]) - a[1] * (a[3] * a[8] - a[5] * a[6]) + a[2] * (a[3] * a[7] - a[4] * a[6]);
  };
  std::vector<double> out;
  for (size_t c = 0; c < 3; ++c) {
    auto with = m;
    for (size_t r = 0; r < 3; ++r) with[r * 3 + c] = b[r];
    out.push_back(det(with) / det(m));
  }
  return out;
}

void expect_posterior(LinearMemory& memory, const Direct& expected) {
  const auto mean = solved(expected.lambda, expected.b);
  for (size_t i = 0; i < 3; ++i) ASSERT_NEAR(memory.mean()[i], mean[i], 1e-9);
  const std::vector<double> x = {0.3, -1, 0.5};
  const auto y = solved(expected.lambda, x);
  ASSERT_NEAR(memory.sd(x), std::sqrt(std::inner_product(x.begin(), x.end(), y.begin(), 0.0)), 1e-9);
}

TEST(LinearMemory, PosteriorWithDiscountAndWindow) {
  for (const Forgetting how : {Forgetting{1, 0}, Forgetting{0.9, 0}, Forgetting{1, 7}}) {
    LinearMemory memory(3, how, 2, 0.5);
    expect_posterior(memory, direct({}, {}, 2, 0.5));
    std::vector<std::pair<std::vector<double>, double>> samples;
    Rng rng(2, "linear");
    for (int t = 0; t < 600; ++t) {
      std::vector<double> x = {rng.normal(), rng.normal(), rng.normal()};
      const double reward = x[0] - 2 * x[1] + 0.1 * rng.normal();
      memory.tick();
      memory.add(x, reward);
      samples.emplace_back(std::move(x), reward);
    }
    std::vector<double> weight(samples.size());
    for (size_t n = 0; n < weight.size(); ++n) {
      const auto age = static_cast<double>(weight.size() - 1 - n);
      weight[n] = how.window > 0 ? (age < static_cast<double>(how.window) ? 1 : 0) : std::pow(how.discount, age);
    }
    expect_posterior(memory, direct(samples, weight, 2, 0.5));
    memory.forget_all();
    expect_posterior(memory, direct({}, {}, 2, 0.5));
  }
}

TEST(LinearMemory, DrawsHaveThePosteriorsMoments) {
  LinearMemory memory(2, {}, 1, 1);
  memory.add(std::vector<double>{1, 1}, 3);
  memory.add(std::vector<double>{1, 0}, 1);
  Rng rng(3, "draws");
  const int count = 40000;
  const std::vector<double> x = {1, -0.5};
  double sum = 0, square = 0;
  for (int n = 0; n < count; ++n) {
    const auto theta = memory.draw(rng);
    const double v = x[0] * theta[0] + x[1] * theta[1];
    sum += v;
    square += v * v;
  }
  const double mean = x[0] * memory.mean()[0] + x[1] * memory.mean()[1], sd = memory.sd(x);
  EXPECT_NEAR(sum / count, mean, 4 * sd / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(square / count - sum / count * (sum / count)), sd, 0.02 * sd);
  test::expect_error(ErrorCode::kInvalidArgument, "expected 2 features", [&] { memory.add(std::vector<double>{1}, 0); });
  test::expect_error(ErrorCode::kInvalidArgument, "at least 1 feature", [] { LinearMemory(0, {}, 1, 1); });
}

TEST(Cusum, ByHand) {
  Cusum cusum(2, 0.1, 1);
  EXPECT_FALSE(cusum.add(0));
  EXPECT_FALSE(cusum.add(1));  // mean 0.5
  EXPECT_FALSE(cusum.add(1));  // up 0.4
  EXPECT_NEAR(cusum.up(), 0.4, 1e-15);
  EXPECT_EQ(cusum.down(), 0);
  EXPECT_FALSE(cusum.add(0.2));  // up 0, down 0.2
  EXPECT_NEAR(cusum.up(), 0, 1e-15);
  EXPECT_NEAR(cusum.down(), 0.2, 1e-15);
  EXPECT_FALSE(cusum.add(0));  // down 0.6
  EXPECT_FALSE(cusum.add(0));  // down 1.0: not above
  EXPECT_TRUE(cusum.add(0));
  EXPECT_EQ(cusum.down(), 0);
  EXPECT_FALSE(cusum.add(9));  // a new warm-up
  EXPECT_FALSE(cusum.add(9));
  EXPECT_FALSE(cusum.add(9));
  EXPECT_EQ(cusum.up(), 0);
}

TEST(HalvesTest, AgainstSumsFormedAnew) {
  const int64_t w = 6;
  HalvesTest test(w, 2.5);
  std::deque<double> last;
  Rng rng(5, "halves");
  int alarms = 0;
  for (int t = 0; t < 2000; ++t) {
    const double y = rng.normal();
    last.push_back(y);
    if (last.size() > 6) last.pop_front();
    double difference = 0;
    for (size_t n = 0; n < last.size(); ++n) difference += n < 3 ? -last[n] : last[n];
    const bool expected = last.size() == 6 && std::abs(difference) > 2.5;
    ASSERT_EQ(test.add(y), expected) << t;
    if (expected) {
      ++alarms;
      last.clear();
      ASSERT_EQ(test.difference(), 0);
    } else if (last.size() == 6) {
      ASSERT_NEAR(test.difference(), difference, 1e-12);
    }
  }
  EXPECT_GT(alarms, 50);
}

}  // namespace
}  // namespace attune::people
