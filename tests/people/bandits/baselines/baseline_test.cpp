// Baselines on problems whose answer is known: the best arm is found, what forgets recovers after a switch and what does not stays, alarms fire and
// reset, weights by hand, propensities against how often an action is drawn, bad input.
#include "people/bandits/baselines/baseline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "people/bandits/baselines/policies_internal.h"
#include "tests/expect_error.h"

namespace attune::people {
namespace {

/// A problem whose arm means are `first`, then `second` from round `change` on. Features, if asked for, are the arms' unit vectors.
struct Switch {
  std::vector<double> first;
  std::vector<double> second;
  int64_t change;
  int64_t rounds;
  bool features = false;
  double noise = 0.3;
};

/// Share of best arms played in rounds [from, to).
double share_of_best(Policy& policy, const Switch& problem, int64_t from, int64_t to, uint64_t seed) {
  Rng rng(seed, "policy"), noise(seed, "noise");
  const auto k = problem.first.size();
  std::vector<double> features(k * k, 0.0);
  for (size_t a = 0; a < k; ++a) features[a * k + a] = 1;
  double best = 0;
  for (int64_t t = 0; t < problem.rounds; ++t) {
    const auto& means = t < problem.change ? problem.first : problem.second;
    Round round;
    round.t = t;
    round.num_actions = static_cast<int32_t>(k);
    if (problem.features) round.features = features;
    const Choice choice = policy.choose(round, rng);
    const double mean = means[static_cast<size_t>(choice.action)];
    policy.observe(round, choice.action, mean + problem.noise * noise.normal(), rng);
    if (t >= from && t < to) best += mean == *std::max_element(means.begin(), means.end());
  }
  return best / static_cast<double>(to - from);
}

std::unique_ptr<Policy> make(std::string_view name, const BaselineOptions& options, int32_t num_arms, int32_t d) {
  return make_baseline(name, options, {num_arms, d, nullptr, nullptr, {}});
}

BaselineOptions told(int64_t horizon, double changes) {
  BaselineOptions out;
  out.horizon = horizon;
  out.changes = changes;
  out.noise_sd = 0.3;
  return out;
}

const std::vector<double> kMeans = {0.2, 0.8, 0.5};
const std::vector<double> kOther = {0.9, 0.1, 0.2};

TEST(Baselines, StationaryOnesFindTheBestArm) {
  for (const char* name : {"ucb1", "ts", "linucb", "lints"}) {
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const auto policy = make(name, told(2000, 1), 3, 3);
      EXPECT_EQ(policy->name(), name);
      EXPECT_GT(share_of_best(*policy, {kMeans, kMeans, 0, 2000, true}, 1000, 2000, seed), 0.95) << name << " " << seed;
    }
  }
  BaselineOptions beta = told(2000, 1);
  beta.prior = "beta";
  EXPECT_GT(share_of_best(*make("ts", beta, 3, 0), {kMeans, kMeans, 0, 2000}, 1000, 2000, 1), 0.9);
}

TEST(Baselines, ThoseThatForgetRecoverAndTheOthersDoNot) {
  // The best arm becomes the worst one after 4,000 rounds; judged in the 500 rounds that begin 500 later.
  const Switch arms{kMeans, kOther, 4000, 5000}, features{kMeans, kOther, 4000, 5000, true};
  for (const char* name : {"d-ucb", "d-ts", "sw-ucb", "sw-ts", "cd-ucb", "m-ucb"}) {
    EXPECT_GT(share_of_best(*make(name, told(5000, 4), 3, 0), arms, 4500, 5000, 1), 0.7) << name;
  }
  for (const char* name : {"d-lints", "sw-linucb", "cd-lints"}) {
    EXPECT_GT(share_of_best(*make(name, told(5000, 4), 0, 3), features, 4500, 5000, 1), 0.7) << name;
  }
  EXPECT_LT(share_of_best(*make("ts", told(5000, 4), 3, 0), arms, 4000, 4200, 1), 0.1);
  EXPECT_LT(share_of_best(*make("lints", told(5000, 4), 0, 3), features, 4000, 4200, 1), 0.1);
}

TEST(Baselines, UcbPlaysEveryArmFirstAndThenByTheIndex) {
  const auto policy = make("ucb1", told(100, 1), 3, 0);
  Rng rng(0);
  Round round;
  round.num_actions = 3;
  const double rewards[3] = {0.5, 0.4, 0.0};
  for (int32_t a = 0; a < 3; ++a) {
    const Choice choice = policy->choose(round, rng);
    EXPECT_EQ(choice.action, a);
    EXPECT_EQ(choice.propensity, 1);
    policy->observe(round, a, rewards[a], rng);
  }
  EXPECT_EQ(policy->choose(round, rng).action, 0);  // equal bonuses
  policy->observe(round, 0, 0.5, rng);
  // Indices: 0.5 + 0.3 sqrt(2 log 4 / 2) = 0.853, 0.4 + 0.3 sqrt(2 log 4) = 0.900.
  EXPECT_EQ(policy->choose(round, rng).action, 1);
  policy->reset();
  EXPECT_EQ(policy->choose(round, rng).action, 0);  // everything forgotten
  const std::vector<uint8_t> available = {0, 0, 1};
  round.available = available;
  EXPECT_EQ(policy->choose(round, rng).action, 2);
}

TEST(Baselines, AlarmsFireAfterTheSwitchAndForget) {
  BaselineOptions options = told(4000, 2);
  options.cusum_threshold = 20;
  options.cusum_warmup = 200;  // with 50 the mean is off by 0.04, about the drift that is let pass
  TablePolicy cusum({"cd-ucb", false, false, false, Detector::kCusum}, options, 3);
  share_of_best(cusum, {kMeans, kMeans, 0, 4000}, 0, 1, 1);
  EXPECT_EQ(cusum.num_alarms(), 0);
  cusum.reset();
  share_of_best(cusum, {kMeans, kOther, 2000, 4000}, 0, 1, 1);
  EXPECT_GE(cusum.num_alarms(), 2);  // arms 0 and 1 changed by 0.7
  EXPECT_LE(cusum.num_alarms(), 6);
  TablePolicy halves({"m-ucb", false, false, false, Detector::kHalves}, options, 3);
  share_of_best(halves, {kMeans, kMeans, 0, 4000}, 0, 1, 1);
  EXPECT_EQ(halves.num_alarms(), 0);
  halves.reset();
  share_of_best(halves, {kMeans, kOther, 2000, 4000}, 0, 1, 1);
  EXPECT_EQ(halves.num_alarms(), 1);  // forgets every arm at once
  LinearPolicy linear({"cd-lints", true, false, false, Detector::kCusum}, options, 3);
  share_of_best(linear, {kMeans, kMeans, 0, 4000, true}, 0, 1, 1);
  EXPECT_EQ(linear.num_alarms(), 0);
  linear.reset();
  share_of_best(linear, {kMeans, kOther, 2000, 4000, true}, 0, 1, 1);
  EXPECT_GE(linear.num_alarms(), 1);
  linear.reset();
  EXPECT_EQ(linear.num_alarms(), 0);
}

/// Two states: in state 0 arm 0 is best, in state 1 arm 2; arm 1 is nobody's.
std::shared_ptr<const LatentModel> two_states() {
  LatentModel out;
  out.num_states = 2;
  out.num_arms = 3;
  out.initial = {0.5, 0.5};
  out.transition = Transition::identity(2);
  out.mean = {0.9, 0.1, 0.5, 0.5, 0.2, 0.8};
  out.check();
  return std::make_shared<const LatentModel>(std::move(out));
}

TEST(Baselines, Exp4sWeightsByHand) {
  BaselineOptions options;
  options.eta = 0.4;
  options.mix = 0.1;
  Exp4sPolicy policy(options, two_states(), 3);
  Rng rng(0);
  Round round;
  round.num_actions = 3;
  EXPECT_EQ(policy.choose(round, rng).propensity, 0.5);
  policy.observe(round, 0, 0.25, rng);  // loss 0.75 / 0.5 = 1.5
  const double w = 0.5 * std::exp(-0.6), first = 0.9 * w / (w + 0.5) + 0.05;
  EXPECT_NEAR(policy.weights()[0], first, 1e-15);
  EXPECT_NEAR(policy.weights()[1], 1 - first, 1e-15);
  policy.observe(round, 1, 0, rng);  // no expert plays it: nothing to learn
  EXPECT_NEAR(policy.weights()[0], first, 1e-15);
  policy.observe(round, 2, 1.5, rng);  // better than the best: loss below 0
  EXPECT_GT(policy.weights()[1], 1 - first);
  policy.reset();
  EXPECT_EQ(policy.weights()[0], 0.5);
}

TEST(Baselines, Exp4sFollowsTheState) {
  const auto policy = make_baseline("exp4s", told(4000, 2), {3, 0, two_states(), nullptr, {}});
  EXPECT_GT(share_of_best(*policy, {{0.9, 0.5, 0.2}, {0.1, 0.5, 0.8}, 2000, 4000}, 3000, 4000, 1), 0.7);
  EXPECT_GT(share_of_best(*policy, {{0.9, 0.5, 0.2}, {0.1, 0.5, 0.8}, 2000, 4000}, 1000, 2000, 1), 0.5);
}

TEST(Baselines, Exp3sWeightsByHand) {
  BaselineOptions options;
  options.exp3_gamma = 0.3;
  options.mix = 0.01;
  Exp3sPolicy policy(options, 3);
  Rng rng(0);
  Round round;
  round.num_actions = 3;
  EXPECT_NEAR(policy.choose(round, rng).propensity, 1.0 / 3, 1e-15);
  policy.observe(round, 1, 0.6, rng);
  const double up = std::exp(0.3 * 0.6 * 3 / 3) / 3, sum = up + 2.0 / 3, share = std::exp(1.0) * 0.01 / 3 * sum;
  EXPECT_NEAR(policy.weights().at(1), (up + share) / (sum + 3 * share), 1e-15);
  EXPECT_NEAR(policy.weights().at(0), (1.0 / 3 + share) / (sum + 3 * share), 1e-15);
  const auto learner = make("exp3s", told(3000, 1), 3, 0);
  EXPECT_GT(share_of_best(*learner, {kMeans, kMeans, 0, 6000}, 5000, 6000, 1), 0.5);
}

TEST(Baselines, PropensitiesAreFrequencies) {
  // One policy in one state, asked again and again; what is drawn must have the propensity that is stated.
  const auto frequencies = [](Policy& policy, const Round& round) {
    std::vector<double> count(static_cast<size_t>(round.num_actions), 0.0), stated(count.size(), 0.0);
    Rng rng(4, "frequencies");
    const int draws = 40000;
    for (int n = 0; n < draws; ++n) {
      const Choice choice = policy.choose(round, rng);
      count[static_cast<size_t>(choice.action)] += 1.0 / draws;
      stated[static_cast<size_t>(choice.action)] = choice.propensity;
    }
    std::vector<double> known(count.size());
    if (policy.probabilities(round, known)) {
      for (size_t a = 0; a < count.size(); ++a) {
        if (count[a] > 0) {
          EXPECT_DOUBLE_EQ(known[a], stated[a]);
        }
      }
      test::expect_error(ErrorCode::kInvalidArgument, "room for 3", [&] { policy.probabilities(round, std::span(known).first(2)); });
    } else {
      EXPECT_EQ(policy.name(), "cd-ucb");
    }
    for (size_t a = 0; a < count.size(); ++a) EXPECT_NEAR(count[a], stated[a], 4 * std::sqrt(0.25 / draws)) << policy.name() << " " << a;
  };
  const std::vector<uint8_t> available = {1, 1, 1};
  Round round;
  round.num_actions = 3;
  round.available = available;
  for (const char* name : {"cd-ucb", "exp3s", "exp4s", "random"}) {
    BaselineOptions options = told(500, 20);
    const auto policy = make_baseline(name, options, {3, 0, two_states(), nullptr, {}});
    Rng rng(1);
    for (int32_t n = 0; n < 9; ++n) policy->observe(round, n % 3, n % 3 == 2 ? 0.9 : 0.2, rng);
    frequencies(*policy, round);
  }
}

TEST(Baselines, Bounds) {
  Round round;
  round.num_actions = 3;
  const std::vector<int32_t> arms = {7, 8, 9};
  round.arms = arms;
  Rng rng(0);
  const std::vector<double> means = {0.1, 0.7, 0.7};
  BaselineSetting setting;
  setting.means = [&](const Round&) { return std::span<const double>(means); };
  const auto oracle = make_baseline("oracle", {}, setting);
  EXPECT_EQ(oracle->choose(round, rng).action, 1);  // the lowest of equals
  const std::vector<uint8_t> available = {1, 0, 1};
  round.available = available;
  EXPECT_EQ(oracle->choose(round, rng).action, 2);
  setting.fixed_arm = {9};
  const auto fixed = make_baseline("best-fixed", {}, setting);
  EXPECT_EQ(fixed->choose(round, rng).action, 2);
  const std::vector<uint8_t> others = {1, 1, 0};
  round.available = others;
  EXPECT_EQ(fixed->choose(round, rng).action, 0);
}

TEST(Baselines, SameDrawsSameChoices) {
  for (const auto& name : baseline_names()) {
    if (name == "oracle" || name == "best-fixed") continue;
    const auto run = [&] {
      const auto policy = make_baseline(name, told(300, 3), {3, 3, two_states(), nullptr, {}});
      Rng rng(9, "same"), noise(9, "noise");
      std::vector<double> features = {1, 0, 0, 0, 1, 0, 0, 0, 1};
      std::vector<int32_t> out;
      for (int64_t t = 0; t < 300; ++t) {
        Round round;
        round.t = t;
        round.num_actions = 3;
        round.features = features;
        out.push_back(policy->choose(round, rng).action);
        policy->observe(round, out.back(), kMeans[static_cast<size_t>(out.back())] + 0.3 * noise.normal(), rng);
      }
      return out;
    };
    EXPECT_EQ(run(), run()) << name;
  }
}

TEST(Baselines, BadInput) {
  test::expect_error(ErrorCode::kNotFound, "known are: best-fixed, cd-lints", [] { make("ucb2", {}, 3, 0); });
  for (const char* name : {"ucb1", "exp3s", "exp4s"}) {
    test::expect_error(ErrorCode::kFailedPrecondition, "number of arms", [&] { make(name, {}, 0, 0); });
  }
  test::expect_error(ErrorCode::kFailedPrecondition, "features", [] { make("lints", {}, 3, 0); });
  test::expect_error(ErrorCode::kFailedPrecondition, "true means", [] { make("oracle", {}, 3, 0); });
  test::expect_error(ErrorCode::kFailedPrecondition, "one arm", [] { make("best-fixed", {}, 3, 0); });
  BaselineOptions options;
  options.horizon = 0;
  test::expect_error(ErrorCode::kInvalidArgument, "horizon", [&] { make("ucb1", options, 3, 0); });
  const std::vector<uint8_t> none = {0, 0};
  const std::vector<double> features = {1, 2, 3};
  Rng rng(0);
  for (const auto& name : baseline_names()) {
    const std::vector<double> means = {0, 0};
    BaselineSetting setting{2, 3, two_states(), [&](const Round&) { return std::span<const double>(means); }, {0}};
    const auto policy = make_baseline(name, {}, setting);
    Round round;
    round.num_actions = 2;
    round.available = none;
    test::expect_error(ErrorCode::kInvalidArgument, "found none", [&] { policy->choose(round, rng); });
    if (name.find("lin") == std::string::npos) continue;
    round.available = {};
    round.features = features;
    test::expect_error(ErrorCode::kInvalidArgument, "2 x 3 features", [&] { policy->choose(round, rng); });
  }
}

}  // namespace
}  // namespace attune::people
