// Made-up latent bandits: what the options promise, shared streams, the chain, the runner's regret, delays and threads.
#include "envs/latent_bandit_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "envs/bandit_experiment.h"
#include "tests/expect_error.h"

namespace attune::envs {
namespace {

TEST(LatentBanditWorld, TablesHaveDistinctBestArmsWithAGap) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    LatentBanditOptions options;
    options.seed = seed;
    options.horizon = 300;
    const BanditProblem problem = make_latent_bandit(options);
    std::set<size_t> best;
    for (size_t z = 0; z < 5; ++z) {
      std::vector<double> column;
      for (size_t a = 0; a < 10; ++a) column.push_back(problem.truth->mean[a * 5 + z]);
      best.insert(static_cast<size_t>(std::max_element(column.begin(), column.end()) - column.begin()));
      std::sort(column.begin(), column.end());
      EXPECT_GE(column[9] - column[8], 0.1);
      EXPECT_GE(column[0], 0);
      EXPECT_LE(column[9], 1);
    }
    EXPECT_EQ(best.size(), 5u);
    for (int64_t t = 0; t < 300; ++t) {
      const auto z = static_cast<size_t>(problem.episode.states[static_cast<size_t>(t)]);
      for (size_t a = 0; a < 10; ++a) ASSERT_EQ(problem.episode.means_of(t)[a], problem.truth->mean[a * 5 + z]);
    }
    EXPECT_TRUE(problem.prior.mean.empty());
    EXPECT_EQ(problem.model->mean, problem.truth->mean);
  }
}

TEST(LatentBanditWorld, ExpectedChangesAndNoise) {
  double changes = 0, square = 0, sum = 0, count = 0;
  std::vector<double> first(5, 0.0);
  for (uint64_t seed = 0; seed < 200; ++seed) {
    LatentBanditOptions options;
    options.seed = seed;
    const BanditProblem problem = make_latent_bandit(options);
    changes += static_cast<double>(problem.episode.num_changes()) / 200;
    first[static_cast<size_t>(problem.episode.states[0])] += 1;
    for (const double x : problem.episode.noise) {
      sum += x;
      square += x * x;
      ++count;
    }
  }
  EXPECT_NEAR(changes, 10, 4 * std::sqrt(10.0 / 200));
  EXPECT_NEAR(sum / count, 0, 4 * 0.5 / std::sqrt(count));
  EXPECT_NEAR(std::sqrt(square / count), 0.5, 0.001);
  for (const double n : first) EXPECT_NEAR(n, 40, 4 * std::sqrt(200 * 0.2 * 0.8));
}

TEST(LatentBanditWorld, SeedsNameStreams) {
  LatentBanditOptions options;
  options.seed = 7;
  const BanditProblem a = make_latent_bandit(options), again = make_latent_bandit(options);
  EXPECT_EQ(a.episode.states, again.episode.states);
  EXPECT_EQ(a.episode.noise, again.episode.noise);
  options.changes = 50;
  options.model_sd = 0.2;
  const BanditProblem b = make_latent_bandit(options);
  EXPECT_EQ(a.truth->mean, b.truth->mean);
  EXPECT_EQ(a.episode.noise, b.episode.noise);
  EXPECT_NE(a.episode.states, b.episode.states);
  double square = 0;
  for (size_t i = 0; i < 50; ++i) square += std::pow(b.model->mean[i] - b.truth->mean[i], 2) / 50;
  EXPECT_NEAR(std::sqrt(square), 0.2, 0.08);
  EXPECT_EQ(b.prior.mean, b.model->mean);
  EXPECT_NEAR(b.prior.variance[17], 0.04, 1e-15);
  options.model_sd = 0.4;  // the same error, twice as large
  const BanditProblem c = make_latent_bandit(options);
  EXPECT_NEAR(c.model->mean[3] - c.truth->mean[3], 2 * (b.model->mean[3] - b.truth->mean[3]), 1e-12);
  options.seed = 8;
  EXPECT_NE(make_latent_bandit(options).truth->mean, a.truth->mean);
}

TEST(LatentBanditWorld, FeaturesAreDirections) {
  LatentBanditOptions options;
  options.d = 10;
  options.horizon = 100;
  options.model_sd = 0.1;
  const BanditProblem problem = make_latent_bandit(options);
  EXPECT_EQ(problem.truth->theta.size(), 50u);
  EXPECT_EQ(problem.prior.covariance.size(), 500u);
  for (int64_t t = 0; t < 100; ++t) {
    const people::Round round = problem.episode.round(t);
    const auto z = static_cast<size_t>(problem.episode.states[static_cast<size_t>(t)]);
    for (int32_t a = 0; a < 10; ++a) {
      const auto x = round.features_of(a);
      double norm = 0, mean = 0;
      for (size_t i = 0; i < 10; ++i) {
        norm += x[i] * x[i];
        mean += x[i] * problem.truth->theta[z * 10 + i];
      }
      ASSERT_NEAR(norm, 1, 1e-12);
      ASSERT_NEAR(problem.episode.means_of(t)[static_cast<size_t>(a)], mean, 1e-12);
    }
  }
}

TEST(LatentBanditWorld, ChainFollowsItsMatrix) {
  // Asymmetric, so that rows and columns cannot be mixed up.
  const auto transition = people::Transition::dense(3, {0.7, 0.3, 0, 0, 0.5, 0.5, 0.2, 0.1, 0.7});
  Rng rng(1, "chain");
  const std::vector<double> initial = {0, 0, 1};
  const auto states = draw_states(initial, transition, 60000, rng);
  EXPECT_EQ(states[0], 2);
  std::vector<double> count(9, 0.0), row(3, 0.0);
  for (size_t t = 1; t < states.size(); ++t) {
    count[static_cast<size_t>(states[t - 1] * 3 + states[t])] += 1;
    row[static_cast<size_t>(states[t - 1])] += 1;
  }
  for (int32_t i = 0; i < 3; ++i) {
    for (int32_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(count[static_cast<size_t>(i * 3 + j)] / row[static_cast<size_t>(i)], transition.at(i, j), 0.02);
    }
  }
  EXPECT_DOUBLE_EQ(sticky_rho(8, 11, 5), 1);
  EXPECT_DOUBLE_EQ(sticky_rho(2, 11, 5), 0.25);
  EXPECT_EQ(sticky_rho(2, 11, 1), 0);
  EXPECT_EQ(sticky_rho(2, 1, 5), 0);
}

TEST(LatentBanditWorld, BadOptions) {
  const auto bad = [](std::string_view part, auto change) {
    LatentBanditOptions options;
    change(options);
    test::expect_error(ErrorCode::kInvalidArgument, part, [&] { make_latent_bandit(options); });
  };
  bad("num-arms", [](auto& o) { o.num_arms = 1; });
  bad("num-states", [](auto& o) { o.num_states = 0; });
  bad("horizon", [](auto& o) { o.horizon = 0; });
  bad("changes", [](auto& o) { o.changes = -1; });
  bad("noise-sd", [](auto& o) { o.noise_sd = 0; });
  bad("model-sd", [](auto& o) { o.model_sd = std::nan(""); });
  bad("best in", [](auto& o) { o.num_states = 11; });
  bad("a gap of", [](auto& o) {
    o.least_gap = 0.9;
    o.num_arms = 50;
  });
}

/// Plays action t mod 3 and writes down what it observes.
class Recorder final : public people::Policy {
 public:
  std::string_view name() const noexcept override { return "recorder"; }
  void reset() override { seen.clear(); }
  people::Choice choose(const people::Round& round, Rng&) override {
    now = round.t;
    return {static_cast<int32_t>(round.t % 3), 1};
  }
  void observe(const people::Round& round, int32_t action, double reward, Rng&) override { seen.push_back({now, round.t, action, reward}); }

  struct Seen {
    int64_t now, t;
    int32_t action;
    double reward;
  };
  int64_t now = -1;
  std::vector<Seen> seen;
};

TEST(RunPolicy, RegretCurveRewardAndDelay) {
  LatentBanditOptions options;
  options.horizon = 100;
  const BanditProblem problem = make_latent_bandit(options);
  Recorder policy;
  const BanditRun run = run_policy(policy, problem.episode, {0, 10}, 1);
  ASSERT_EQ(policy.seen.size(), 100u);
  ASSERT_EQ(run.curve.size(), 11u);
  double regret = 0, reward = 0;
  for (int64_t t = 0; t < 100; ++t) {
    const auto means = problem.episode.means_of(t);
    const auto action = static_cast<size_t>(t % 3);
    regret += *std::max_element(means.begin(), means.end()) - means[action];
    const double paid = means[action] + problem.episode.noise[static_cast<size_t>(t) * 10 + action];
    reward += paid;
    EXPECT_EQ(policy.seen[static_cast<size_t>(t)].reward, paid);
    if (t % 10 == 9) {
      EXPECT_NEAR(run.curve[static_cast<size_t>(t / 10 + 1)], regret, 1e-9);
    }
  }
  EXPECT_NEAR(run.regret, regret, 1e-9);
  EXPECT_NEAR(run.reward, reward, 1e-9);
  EXPECT_EQ(run.curve[0], 0);
  run_policy(policy, problem.episode, {7, 10}, 1);
  ASSERT_EQ(policy.seen.size(), 93u);  // the last ones never arrive
  for (const auto& seen : policy.seen) {
    EXPECT_EQ(seen.now, seen.t + 7);
    EXPECT_EQ(seen.action, seen.t % 3);
  }
  EXPECT_EQ(run_policy(policy, problem.episode, {0, 1000}, 1).curve.size(), 101u);
  test::expect_error(ErrorCode::kInvalidArgument, "delay", [&] { run_policy(policy, problem.episode, {-1, 10}, 1); });
}

TEST(RunExperiment, BoundsHoldAndThreadsDoNotMatter) {
  const auto problem = [](uint64_t seed) {
    LatentBanditOptions options;
    options.horizon = 400;
    options.seed = seed;
    return make_latent_bandit(options);
  };
  people::BaselineOptions told;
  told.horizon = 400;
  const std::vector<Contender> contenders = {baseline("oracle", told), baseline("best-fixed", told), baseline("ucb1", told),
                                             baseline("d-ts", told),   baseline("exp4s", told),      baseline("random", told, "dice")};
  ThreadPool one(1), four(4);
  const auto a = run_experiment(problem, contenders, 1, 6, {}, one), b = run_experiment(problem, contenders, 1, 6, {}, four);
  EXPECT_EQ(a.regret, b.regret);
  EXPECT_EQ(a.curves, b.curves);
  for (size_t s = 0; s < 6; ++s) {
    EXPECT_EQ(a.of("oracle")[s], 0);
    EXPECT_GT(a.of("best-fixed")[s], 0);
    EXPECT_LT(a.of("best-fixed")[s], a.of("dice")[s]);
    EXPECT_LT(a.of("ucb1")[s], a.of("dice")[s]);
  }
  test::expect_error(ErrorCode::kNotFound, "no policy ucb2", [&] { a.of("ucb2"); });
}

TEST(RandomLog, IsUniformAndPaysWhatTheEpisodePays) {
  LatentBanditOptions options;
  options.horizon = 5000;
  const BanditProblem problem = make_latent_bandit(options);
  const RandomLog log = play_at_random(problem.episode, 3);
  std::vector<double> count(10, 0.0);
  for (int64_t t = 0; t < 5000; ++t) {
    const int32_t action = log.actions[static_cast<size_t>(t)];
    count[static_cast<size_t>(action)] += 1;
    ASSERT_EQ(log.rewards[static_cast<size_t>(t)], problem.episode.reward(t, action));
  }
  for (const double n : count) EXPECT_NEAR(n, 500, 4 * std::sqrt(450.0));
  EXPECT_EQ(play_at_random(problem.episode, 3).actions, log.actions);
}

}  // namespace
}  // namespace attune::envs
