// Off-policy evaluation: sums by hand, unbiased over many logs, loud when propensities or models are wrong.
#include "people/bandits/off_policy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "people/bandits/latent_policy.h"
#include "tests/expect_error.h"
#include "tests/people/bandits/bandit_world.h"

namespace attune::people {
namespace {

using test::expect_error;
using test_world::planted;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

std::shared_ptr<const LatentModel> share(const LatentModel& m) { return std::make_shared<const LatentModel>(m); }
PolicyFactory latent(const std::string& name, const LatentModel& m) {
  return [name, model = share(m)] { return make_latent_policy(name, model); };
}

struct World {
  BanditLog log;
  std::vector<int32_t> states;  // [N], the truth
};

/// Users of `truth` served by a policy that logs its propensities.
World serve(const LatentModel& truth, const PolicyFactory& factory, int32_t users, int32_t rounds, uint64_t seed) {
  World out;
  Rng rng(seed, "serve");
  const auto policy = factory();
  std::vector<double> p;
  for (int32_t u = 0; u < users; ++u) {
    policy->reset();
    int32_t z = draw_categorical(truth.initial, rng);
    for (int32_t t = 0; t < rounds; ++t) {
      if (t > 0) {
        p.assign(static_cast<size_t>(truth.num_states), 0.0);
        p[static_cast<size_t>(z)] = 1;
        truth.transition.apply(p);
        z = draw_categorical(p, rng);
      }
      const Round round{.t = t, .num_actions = truth.num_arms};
      const Choice choice = policy->choose(round, rng);
      const double reward = test_world::draw_reward(truth, choice.action, {}, z, rng);
      policy->observe(round, choice.action, reward, rng);
      out.log.decisions.push_back({.time = static_cast<double>(t),
                                   .num_actions = truth.num_arms,
                                   .action = choice.action,
                                   .propensity = choice.propensity,
                                   .reward = reward});
      out.states.push_back(z);
    }
    out.log.users.push_back(std::to_string(u));
    out.log.offsets.push_back(static_cast<int64_t>(out.log.decisions.size()));
  }
  out.log.num_arms = truth.num_arms;
  out.log.report.has_times = true;
  return out;
}

/// mean over decisions of sum_a pi(a | logged history) mu(a, true state).
double true_step_value(const World& world, const LatentModel& truth, const PolicyFactory& factory) {
  double sum = 0;
  Rng rng(1);
  std::vector<double> pi(static_cast<size_t>(truth.num_arms));
  for (size_t u = 0; u + 1 < world.log.offsets.size(); ++u) {
    const auto policy = factory();
    for (int64_t i = world.log.offsets[u]; i < world.log.offsets[u + 1]; ++i) {
      const auto& decision = world.log.decisions[static_cast<size_t>(i)];
      const Round round = world.log.round(i, i - world.log.offsets[u]);
      EXPECT_TRUE(policy->probabilities(round, pi));
      const auto z = static_cast<size_t>(world.states[static_cast<size_t>(i)]);
      for (size_t a = 0; a < pi.size(); ++a) sum += pi[a] * truth.mean[a * 3 + z];
      policy->observe(round, decision.action, decision.reward, rng);
    }
  }
  return sum / static_cast<double>(world.log.decisions.size());
}

OffPolicyOptions quick() {
  OffPolicyOptions out;
  out.resamples = 100;
  return out;
}

struct Bias {
  double sum = 0, squares = 0, n = 0;
  void add(double x) {
    sum += x;
    squares += x * x;
    n += 1;
  }
  double mean() const { return sum / n; }
  double error() const { return std::sqrt((squares / n - mean() * mean()) / (n - 1)); }
};

TEST(OffPolicy, UnbiasedOverTwoThousandLogsOfThompsonSampling) {
  const LatentModel m = planted(RewardKind::kGaussian);
  const auto evaluated = latent("mts-stationary", m);  // plays what is best in some state, so the log supports it
  ThreadPool pool(1);
  Bias ips, dr, halved;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    World world = serve(m, latent("mts", m), 2, 8, seed);
    const double truth = true_step_value(world, m, evaluated);
    const auto report = evaluate_off_policy(world.log, m, evaluated, quick(), pool);
    ips.add(report.estimate("ips").interval.mean - truth);
    dr.add(report.estimate("dr").interval.mean - truth);
    for (auto& decision : world.log.decisions) decision.propensity /= 2;
    halved.add(evaluate_off_policy(world.log, m, evaluated, quick(), pool).estimate("ips").interval.mean - truth);
  }
  EXPECT_LT(std::abs(ips.mean()), 3 * ips.error());
  EXPECT_LT(std::abs(dr.mean()), 3 * dr.error());
  EXPECT_LT(dr.error(), ips.error());
  EXPECT_GT(halved.mean(), 20 * halved.error());
}

TEST(OffPolicy, TrajectoryWeightsJudgeAPolicyOnItsOwnHistory) {
  const LatentModel m = planted(RewardKind::kGaussian, 3);
  const auto evaluated = latent("mts", m);
  constexpr int32_t kRounds = 4;
  double truth = 0;
  const World online = serve(m, evaluated, 40000, kRounds, 77);
  for (const auto& decision : online.log.decisions) truth += decision.reward / static_cast<double>(online.log.decisions.size());
  ThreadPool pool(2);
  Bias trajectory;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const World world = serve(m, uniform_policy(), 40, kRounds, 1000 + seed);
    trajectory.add(evaluate_off_policy(world.log, m, evaluated, quick(), pool).estimate("trajectory").interval.mean - truth);
  }
  EXPECT_LT(std::abs(trajectory.mean()), 3 * trajectory.error() + 0.003);  // 0.003: error of the truth
  EXPECT_LT(trajectory.error(), 0.02);
}

TEST(OffPolicy, ReplayKeepsAHistoryOfItsOwn) {
  LatentModel m = planted(RewardKind::kBernoulli, 3);
  m.transition = Transition::identity(3);
  const auto evaluated = latent("mts", m);
  ThreadPool pool(2);
  const World world = serve(m, uniform_policy(), 4000, 30, 5);
  const auto report = evaluate_off_policy(world.log, m, evaluated, quick(), pool);
  const World online = serve(m, evaluated, 4000, 10, 6);  // a third of the rounds is kept
  double truth = 0;
  for (const auto& decision : online.log.decisions) truth += decision.reward / static_cast<double>(online.log.decisions.size());
  const auto& replay = report.estimate("replay");
  EXPECT_NEAR(replay.interval.mean, truth, 0.015);
  EXPECT_NEAR(static_cast<double>(replay.num_used), 40000, 1000);
  EXPECT_GT(replay.interval.mean, report.estimate("logged").interval.mean + 0.2);
}

TEST(OffPolicy, TheLoggingPolicyItselfHasWeightsOfOne) {
  const LatentModel m = planted(RewardKind::kGaussian);
  const World world = serve(m, latent("mts", m), 40, 50, 9);
  ThreadPool pool(2);
  for (const auto& factory : {logged_policy(), latent("mts", m)}) {
    const auto report = evaluate_off_policy(world.log, m, factory, quick(), pool);
    const double mean = report.estimate("logged").interval.mean;
    EXPECT_NEAR(report.weights.mean, 1, 1e-12);
    for (const char* name : {"ips", "snips", "trajectory"}) {
      EXPECT_NEAR(report.estimate(name).interval.mean, mean, 1e-10) << name;
      EXPECT_NEAR(report.estimate(name).ess, 2000, 1e-6) << name;
    }
    EXPECT_TRUE(report.estimate("ips").reliable);
    EXPECT_TRUE(report.alarms.empty()) << report.alarms[0];
  }
  EXPECT_EQ(evaluate_off_policy(world.log, m, logged_policy(), quick(), pool).estimate("replay").num_used, 2000);
}

/// One user, three rounds, two arms; rewards 1, 0, 2; propensities .5, .25, .8.
BanditLog by_hand() {
  return parse_bandit_log(
      "{\"user\": 1, \"time\": 0, \"action\": 0, \"propensity\": 0.5, \"reward\": 1}\n"
      "{\"user\": 1, \"time\": 1, \"action\": 1, \"propensity\": 0.25, \"reward\": 0}\n"
      "{\"user\": 1, \"time\": 2, \"action\": 0, \"reward\": 7}\n"
      "{\"user\": 1, \"time\": 3, \"action\": 0, \"propensity\": 0.1, \"reward\": 2}\n"
      "{\"user\": 1, \"time\": 4, \"action\": 1, \"propensity\": 0.1}\n",
      "x");
}

LatentModel two_arms() {
  LatentModel m;
  m.num_states = 1;
  m.num_arms = 2;
  m.initial = {1};
  m.transition = Transition::identity(1);
  m.mean = {0.75, 0.25};
  m.check();
  return m;
}

TEST(OffPolicy, SumsByHand) {
  ThreadPool pool(1);
  auto options = quick();
  options.decay = 0.5;
  options.window = 2;
  const auto report = evaluate_off_policy(by_hand(), two_arms(), uniform_policy(), options, pool);
  // Uniform over two: w = 1, 2, 5. Ages 4, 3, 1.
  EXPECT_EQ(report.num_decisions, 5);
  EXPECT_EQ(report.num_used, 3);
  const auto mean = [&](const char* name) { return report.estimate(name).interval.mean; };
  EXPECT_NEAR(mean("logged"), 1, 1e-12);
  EXPECT_NEAR(mean("direct"), 0.5, 1e-12);
  EXPECT_EQ(report.estimate("direct").num_used, 5);
  EXPECT_NEAR(mean("ips"), (1 * 1 + 2 * 0 + 5 * 2) / 3.0, 1e-12);
  EXPECT_NEAR(mean("snips"), 11 / 8.0, 1e-12);
  EXPECT_NEAR(mean("dr"), 0.5 + (1 * 0.25 + 2 * -0.25 + 5 * 1.25) / 3.0, 1e-12);
  EXPECT_NEAR(mean("trajectory"), (1 * 1 + 0 + 10 * 2) / 3.0, 1e-12);
  EXPECT_NEAR(mean("window_ips"), 10, 1e-12);
  EXPECT_EQ(report.estimate("window_ips").num_used, 1);
  EXPECT_NEAR(mean("decay_ips"), (1.0 / 16 * 1 + 0.5 * 10) / (1.0 / 16 + 1.0 / 8 + 0.5), 1e-12);
  EXPECT_NEAR(report.estimate("ips").ess, 9 / 30.0, 1e-12);  // 3^2 / (1 + 4 + 25): the weights average 8 / 3
  EXPECT_NEAR(report.uniform.mean, 8 / 3.0, 1e-12);
  EXPECT_EQ(report.estimate("ips").greatest_weight, 5);
  EXPECT_FALSE(report.estimate("ips").reliable);
  EXPECT_TRUE(report.estimate("direct").reliable);
  EXPECT_EQ(report.estimate("ips").clipped, 0);
  EXPECT_TRUE(std::isnan(report.estimate("ips").interval.low));  // one user
  options.clip = 3;
  options.lookback = 1;
  const auto clipped = evaluate_off_policy(by_hand(), two_arms(), uniform_policy(), options, pool);
  EXPECT_NEAR(clipped.estimate("ips").interval.mean, 7 / 3.0, 1e-12);
  EXPECT_NEAR(clipped.estimate("ips").clipped, 1 / 3.0, 1e-12);
  EXPECT_NEAR(clipped.estimate("trajectory").interval.mean, 7 / 3.0, 1e-12);
  EXPECT_EQ(clipped.estimate("ips").greatest_weight, 5);
}

bool has(const OffPolicyReport& report, std::string_view part) {
  for (const auto& alarm : report.alarms) {
    if (alarm.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST(OffPolicy, PropensitiesOffByHalfAreLoud) {
  const LatentModel m = planted(RewardKind::kGaussian);
  ThreadPool pool(2);
  for (const auto& logger : {uniform_policy(), latent("mts", m)}) {
    World world = serve(m, logger, 200, 40, 21);
    const auto evaluated = latent("mts-stationary", m);
    const auto right = evaluate_off_policy(world.log, m, evaluated, quick(), pool);
    EXPECT_FALSE(has(right, "propensities do not fit")) << right.weights.mean;
    EXPECT_FALSE(has(right, "does not fit the log"));
    for (auto& decision : world.log.decisions) decision.propensity /= 2;
    const auto wrong = evaluate_off_policy(world.log, m, evaluated, quick(), pool);
    EXPECT_TRUE(has(wrong, "propensities do not fit: the mean weight of the policy is"));
    EXPECT_TRUE(has(wrong, "effective sample size"));
    EXPECT_NEAR(wrong.estimate("ips").ess, right.estimate("ips").ess / 4, right.estimate("ips").ess * 0.05);
    EXPECT_NEAR(wrong.estimate("ips").interval.mean, 2 * right.estimate("ips").interval.mean, 1e-9);
    EXPECT_GT(wrong.weights.z, 3);
  }
  World uniform = serve(m, uniform_policy(), 200, 40, 22);
  for (auto& decision : uniform.log.decisions) decision.propensity /= 2;
  EXPECT_TRUE(has(evaluate_off_policy(uniform.log, m, uniform_policy(), quick(), pool), "1 / (actions x propensity) is 2.000"));
}

TEST(OffPolicy, MissingSupportAndWrongModelsAreLoud) {
  const LatentModel m = planted(RewardKind::kGaussian);
  ThreadPool pool(2);
  const World world = serve(m, latent("mts", m), 100, 100, 23);
  const auto uniform = evaluate_off_policy(world.log, m, uniform_policy(), quick(), pool);
  EXPECT_NEAR(uniform.unsupported, 0.5, 0.15);  // Thompson sampling plays three arms of six
  EXPECT_TRUE(has(uniform, "never makes some of its choices"));
  LatentModel wrong = m;
  for (double& x : wrong.mean) x += 0.9;
  const auto report = evaluate_off_policy(world.log, wrong, logged_policy(), quick(), pool);
  EXPECT_TRUE(has(report, "the model does not fit the log"));
  EXPECT_TRUE(has(report, "users: their misfit alarm went off"));
}

/// Knows no probabilities.
class Silent final : public Policy {
 public:
  explicit Silent(std::unique_ptr<Policy> inner) : inner_(std::move(inner)) {}
  std::string_view name() const noexcept override { return "silent"; }
  void reset() override { inner_->reset(); }
  Choice choose(const Round& round, Rng& rng) override { return inner_->choose(round, rng); }
  void observe(const Round& round, int32_t action, double reward, Rng& rng) override { inner_->observe(round, action, reward, rng); }

 private:
  std::unique_ptr<Policy> inner_;
};

TEST(OffPolicy, PoliciesWithoutProbabilitiesAreJudgedByDraws) {
  const LatentModel m = planted(RewardKind::kGaussian);
  ThreadPool pool(2);
  const World world = serve(m, uniform_policy(), 100, 20, 25);
  const auto exact = evaluate_off_policy(world.log, m, latent("mts", m), quick(), pool);
  auto options = quick();
  options.draws = 2000;
  const auto drawn = evaluate_off_policy(world.log, m, [&] { return std::make_unique<Silent>(latent("mts", m)()); }, options, pool);
  EXPECT_NEAR(drawn.estimate("ips").interval.mean, exact.estimate("ips").interval.mean, 0.01);
  EXPECT_NE(drawn.estimate("ips").interval.mean, exact.estimate("ips").interval.mean);
}

TEST(OffPolicy, ProbabilitiesAreThoseOfTheDraws) {
  const LatentModel m = planted(RewardKind::kGaussian);
  Rng rng(3);
  for (const auto name : latent_policy_names()) {
    const auto policy = make_latent_policy(name, share(m));
    for (int t = 0; t < 6; ++t) {
      const Round round{.t = t, .num_actions = 6};
      std::vector<double> p(6);
      ASSERT_TRUE(policy->probabilities(round, p));
      std::vector<double> n(6, 0.0);
      for (int i = 0; i < 4000; ++i) {
        const Choice choice = policy->choose(round, rng);
        EXPECT_NEAR(choice.propensity, p[static_cast<size_t>(choice.action)], 1e-12) << name;
        n[static_cast<size_t>(choice.action)] += 1.0 / 4000;
      }
      for (size_t a = 0; a < 6; ++a) EXPECT_NEAR(n[a], p[a], 0.04) << name;  // five standard errors
      policy->observe(round, t, 0.4, rng);
    }
  }
  std::vector<double> few(5);
  expect_error(ErrorCode::kInvalidArgument, "room for 6",
               [&] { make_latent_policy("mts", share(m))->probabilities({.num_actions = 6}, few); });
}

TEST(OffPolicy, ThreadsChangeNoBitAndIntervalsHoldTheEstimate) {
  const LatentModel m = planted(RewardKind::kGaussian);
  const World world = serve(m, uniform_policy(), 100, 20, 27);
  ThreadPool one(1);
  ThreadPool three(3);
  const auto a = evaluate_off_policy(world.log, m, latent("mts", m), quick(), one);
  const auto b = evaluate_off_policy(world.log, m, latent("mts", m), quick(), three);
  for (size_t i = 0; i < a.estimates.size(); ++i) {
    EXPECT_EQ(a.estimates[i].interval.mean, b.estimates[i].interval.mean);
    EXPECT_EQ(a.estimates[i].interval.low, b.estimates[i].interval.low);
    EXPECT_LE(a.estimates[i].interval.low, a.estimates[i].interval.mean);
    EXPECT_GE(a.estimates[i].interval.high, a.estimates[i].interval.mean);
  }
}

TEST(OffPolicy, BadInputIsNamed) {
  ThreadPool pool(1);
  const LatentModel m = two_arms();
  const auto refuse = [&](ErrorCode code, const char* part, const auto& change) {
    BanditLog log = by_hand();
    LatentModel model = m;
    OffPolicyOptions options = quick();
    change(log, model, options);
    SCOPED_TRACE(part);
    expect_error(code, part, [&] { evaluate_off_policy(log, model, uniform_policy(), options, pool); });
  };
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  refuse(ErrorCode::kFailedPrecondition, "reward and propensity", [](auto& log, auto&, auto&) {
    for (auto& decision : log.decisions) decision.propensity = kNone;
  });
  refuse(kBad, "the log 3", [](auto& log, auto&, auto&) { log.num_arms = 3; });
  refuse(kBad, "the model has 2 arms and 0 features, the log 0 and 4", [](auto& log, auto&, auto&) {
    log.num_arms = 0;
    log.d = 4;
  });
  refuse(kBad, "reward of 0 or 1", [](auto&, auto& model, auto&) { model.reward = RewardKind::kBernoulli; });
  refuse(kBad, "clip", [](auto&, auto&, auto& options) { options.clip = -1; });
  refuse(kBad, "decay", [](auto&, auto&, auto& options) { options.decay = 0; });
  refuse(kBad, "window", [](auto&, auto&, auto& options) { options.window = kNone; });
  refuse(kBad, "resamples", [](auto&, auto&, auto& options) { options.resamples = 1; });
  expect_error(ErrorCode::kNotFound, "unknown estimator", [] { OffPolicyReport{}.estimate("x"); });
}

}  // namespace
}  // namespace attune::people
