// The misfit monitor: moments against plain integration, calibrated under a right model, loud under wrong ones.
#include "people/bandits/misfit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "people/bandits/exact_belief.h"
#include "stats/bootstrap.h"
#include "tests/expect_error.h"
#include "tests/people/bandits/bandit_world.h"

namespace attune::people {
namespace {

using test::expect_error;
using test_world::planted;

TEST(Misfit, MomentsOfTheLogEvidence) {
  const std::vector<double> means = {-0.5, 0.3, 1.4};
  const std::vector<double> p = {0.2, 0.5, 0.3};
  LatentModel m = planted(RewardKind::kGaussian);
  m.noise_sd = 0.6;
  const auto found = log_evidence_moments(m, 0, means, p);
  double mean = 0;
  double square = 0;
  constexpr double kStep = 1e-3;
  for (double r = -7; r < 8; r += kStep) {
    double density = 0;
    for (size_t z = 0; z < 3; ++z)
      density += p[z] * std::exp(-0.5 * std::pow((r - means[z]) / 0.6, 2)) / (0.6 * std::sqrt(2 * std::numbers::pi));
    mean += kStep * density * std::log(density);
    square += kStep * density * std::log(density) * std::log(density);
  }
  EXPECT_NEAR(found.mean, mean, 1e-6);
  EXPECT_NEAR(found.variance, square - mean * mean, 1e-5);
  EXPECT_EQ(expected_log_evidence(m, 0, means, p), found.mean);

  const auto coin = log_evidence_moments(planted(RewardKind::kBernoulli), 0, std::vector{0.1, 0.6, 0.9}, p);
  const double q = 0.02 + 0.3 + 0.27;
  EXPECT_NEAR(coin.mean, q * std::log(q) + (1 - q) * std::log(1 - q), 1e-14);
  EXPECT_NEAR(coin.variance, q * (1 - q) * std::pow(std::log(q / (1 - q)), 2), 1e-14);
  const LatentModel levels = planted(RewardKind::kCategorical);
  const auto three = log_evidence_moments(levels, 1, {}, p);
  double expected = 0;
  for (size_t c = 0; c < 3; ++c) {
    double pc = 0;
    for (size_t z = 0; z < 3; ++z) pc += p[z] * levels.level_probability[(3 + z) * 3 + c];
    expected += pc * std::log(pc);
  }
  EXPECT_NEAR(three.mean, expected, 1e-14);
}

/// What `model` makes of users of `truth`.
std::vector<MisfitMonitor> watch(const LatentModel& truth, const LatentModel& model, int32_t users, int32_t rounds) {
  const auto data = test_world::simulate(truth, users, rounds, 41);
  const auto shared = std::make_shared<const LatentModel>(model);
  std::vector<MisfitMonitor> out;
  std::vector<double> means(3);
  for (size_t u = 0; u < static_cast<size_t>(users); ++u) {
    ExactBelief belief(shared);
    out.emplace_back();
    for (auto t = static_cast<size_t>(data.offsets[u]); t < static_cast<size_t>(data.offsets[u + 1]); ++t) {
      model.means(data.arms[t], {}, means);
      const auto expected = log_evidence_moments(model, data.arms[t], means, belief.p());
      const double evidence = belief.update({data.arms[t], {}, data.rewards[t], {}});
      out.back().observe(evidence, expected, belief.p());
      belief.predict(1);
    }
  }
  return out;
}

int64_t num_alarmed(const std::vector<MisfitMonitor>& monitors) {
  int64_t out = 0;
  for (const auto& m : monitors) out += m.num_alarms() > 0 ? 1 : 0;
  return out;
}

TEST(Misfit, ARightModelIsCalibrated) {
  for (const auto kind : {RewardKind::kGaussian, RewardKind::kBernoulli, RewardKind::kCategorical}) {
    const auto monitors = watch(planted(kind), planted(kind), 400, 500);
    double sum = 0;
    double squares = 0;
    for (const auto& m : monitors) {
      EXPECT_EQ(m.num_rounds(), 500);
      sum += m.z();
      squares += m.z() * m.z();
    }
    // Mean within 4 standard errors of 0, variance within 4 of 1; false alarms of 200,000 rounds.
    EXPECT_LT(std::abs(sum / 400), 4 / std::sqrt(400.0)) << reward_kind_name(kind);
    EXPECT_NEAR(squares / 400, 1, 4 * std::sqrt(2 / 400.0)) << reward_kind_name(kind);
    EXPECT_LE(num_alarmed(monitors), 4) << reward_kind_name(kind);
  }
}

TEST(Misfit, WrongModelsAreFound) {
  const LatentModel truth = planted(RewardKind::kGaussian);
  LatentModel loud = truth;
  loud.noise_sd = 2;  // too much noise: rewards are likelier than expected
  LatentModel quiet = truth;
  quiet.noise_sd = 0.2;
  LatentModel moved = truth;
  for (double& x : moved.mean) x += 0.8;
  for (const LatentModel& wrong : {loud, quiet, moved}) EXPECT_GE(num_alarmed(watch(truth, wrong, 50, 500)), 49);
  EXPECT_GT(watch(truth, quiet, 1, 500)[0].z(), 4);
  EXPECT_LT(watch(truth, loud, 1, 500)[0].z(), -4);
}

TEST(Misfit, AMisfitThatBeginsLateIsFoundSoon) {
  const LatentModel truth = planted(RewardKind::kGaussian);
  auto monitor = watch(truth, truth, 1, 1000)[0];
  ASSERT_EQ(monitor.num_alarms(), 0);
  const std::vector<double> p = {1, 0, 0};
  for (int t = 0; t < 100; ++t) monitor.observe(-2.5, {-1, 0.5}, p);
  EXPECT_GT(monitor.first_alarm(), 1000);
  EXPECT_LT(monitor.first_alarm(), 1025);
}

TEST(Misfit, ImpossibleAndCertainRewards) {
  MisfitMonitor monitor({.slack = 0.5, .alarm = 25});
  const std::vector<double> p = {0.25, 0.75};
  monitor.observe(-std::numeric_limits<double>::infinity(), {-1, 0.5}, p);
  EXPECT_EQ(monitor.sum(), 10);
  monitor.observe(0, {0, 0}, p);
  EXPECT_EQ(monitor.sum(), 10);
  monitor.observe(-3, {0, 0}, p);
  EXPECT_EQ(monitor.sum(), 20);
  EXPECT_EQ(monitor.num_alarms(), 0);
  monitor.observe(-1e300, {-1, 0.5}, p);
  EXPECT_EQ(monitor.num_alarms(), 1);
  EXPECT_EQ(monitor.first_alarm(), 4);
  EXPECT_NEAR(monitor.entropy(), -0.25 * std::log(0.25) - 0.75 * std::log(0.75), 1e-15);
  EXPECT_EQ(monitor.state(), 1);
  EXPECT_EQ(monitor.rounds_in_state(), 3);
  monitor.observe(0, {0, 0}, std::vector{0.9, 0.1});
  EXPECT_EQ(monitor.state(), 0);
  EXPECT_EQ(monitor.rounds_in_state(), 0);
}

TEST(Misfit, GoesThereAndBack) {
  const LatentModel truth = planted(RewardKind::kGaussian);
  MisfitMonitor a = watch(truth, truth, 1, 77)[0];
  MisfitMonitor b;
  b.load(a.save());
  const std::vector<double> p = {0.3, 0.7};
  a.observe(-1.7, {-1, 0.3}, p);
  b.observe(-1.7, {-1, 0.3}, p);
  EXPECT_EQ(a.save(), b.save());
  expect_error(ErrorCode::kCorruptData, "JSON object", [&] { b.load("["); });
  expect_error(ErrorCode::kCorruptData, "format is missing", [&] { b.load("{}"); });
  for (const auto& [name, value] : {std::pair("rounds", "-1"),
                                    {"sum", "\"x\""},
                                    {"shortfall", "-1"},
                                    {"alarms", "1000"},
                                    {"state", "5000"},
                                    {"first_alarm", "2.5"},
                                    {"entropy", "null"},
                                    {"format", "2"},
                                    {"rounds_in_state", "79"}}) {
    std::string text = a.save();
    const size_t at = text.find(cat('"', name, "\":"));
    const size_t begin = text.find(':', at) + 1;
    text.replace(begin, text.find_first_of(",}", begin) - begin, value);
    expect_error(ErrorCode::kCorruptData, name, [&] { b.load(text); });
  }
  expect_error(ErrorCode::kInvalidArgument, "slack", [] { MisfitMonitor({.slack = -1, .alarm = 25}); });
  expect_error(ErrorCode::kInvalidArgument, "alarm", [] { MisfitMonitor({.slack = 0, .alarm = NAN}); });
}

}  // namespace
}  // namespace attune::people
