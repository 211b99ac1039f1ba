// mmTS: what it plays, its propensities, its rounds of time, and bad input.
#include "people/bandits/mmts_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/people/bandits/enumerated_posterior.h"

namespace attune::people {
namespace {

std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(error_code_name(error.code()));
  }
  return "none";
}

Round two_arms(int64_t t) {
  Round round;
  round.t = t;
  round.num_actions = 2;
  return round;
}

TEST(MmtsPolicy, EveryNamePlaysAllForms) {
  const std::vector<double> x = {1, 0, 0, 1};
  for (const std::string_view name : mmts_policy_names()) {
    for (const Problem& p : all_problems()) {
      MmtsOptions options;
      options.particles.num_particles = 20;
      const auto policy = make_mmts_policy(name, uncertain(p), options);
      EXPECT_EQ(policy->name(), name);
      EXPECT_TRUE(std::isnan(policy->log_evidence()));
      Rng rng(1, name);
      for (int64_t t = 0; t < 50; ++t) {
        Round round = two_arms(t);
        if (p.name == "linear") round.features = x;
        const Choice choice = policy->choose(round, rng);
        ASSERT_TRUE(choice.action == 0 || choice.action == 1);
        policy->observe(round, choice.action, 1, rng);
        EXPECT_TRUE(std::isfinite(policy->log_evidence()));
      }
    }
  }
}

TEST(MmtsPolicy, FindsTheArmThatPaysDespiteAPriorThatSaysOtherwise) {
  Problem p = gaussian_problem();
  p.prior.mean = {0.6, 0.6, 0.4, 0.4};
  p.prior.variance = {0.3, 0.3, 0.3, 0.3};
  for (const std::string_view name : {"mmts", "mmts-decoupled"}) {
    const auto policy = make_mmts_policy(name, uncertain(p));
    Rng rng(2, name);
    int late = 0;
    for (int64_t t = 0; t < 600; ++t) {
      const Round round = two_arms(t);
      const int32_t action = policy->choose(round, rng).action;
      late += t >= 500 && action == 1;
      policy->observe(round, action, (action == 1 ? 1.2 : 0.3) + 0.3 * rng.normal(), rng);
    }
    EXPECT_GE(late, 90) << name;
  }
}

TEST(MmtsPolicy, PropensitiesAreTheShareOfChoicesAndDoNotDisturbTheStream) {
  const Problem p = beta_problem();
  for (const std::string_view name : {"mmts", "mmts-decoupled"}) {
    MmtsOptions options;
    options.propensity_draws = 20000;
    const auto with = make_mmts_policy(name, uncertain(p), options);
    options.propensity_draws = 0;
    const auto without = make_mmts_policy(name, uncertain(p), options);
    Rng a(3, name), b(3, name);
    for (size_t t = 0; t < p.steps.size(); ++t) {
      const Round round = two_arms(static_cast<int64_t>(t));
      EXPECT_EQ(with->choose(round, a).action, without->choose(round, b).action);
      EXPECT_EQ(a.position(), b.position());
      with->observe(round, p.steps[t].arm, p.steps[t].reward, a);
      without->observe(round, p.steps[t].arm, p.steps[t].reward, b);
    }
    const Round round = two_arms(6);
    double share = 0;
    for (int i = 0; i < 20000; ++i) share += without->choose(round, b).action == 0 ? 1.0 / 20000 : 0;
    const Choice choice = with->choose(round, a);
    EXPECT_NEAR(choice.propensity, choice.action == 0 ? share : 1 - share, 0.02) << name;
    EXPECT_TRUE(std::isnan(without->choose(round, b).propensity));
  }
}

TEST(MmtsPolicy, GreedyPlaysTheBestPosteriorMean) {
  const Problem p = gaussian_problem();
  const auto policy = make_mmts_policy("mmts-greedy", uncertain(p));
  Rng rng(4, "greedy");
  std::vector<double> mean(2);
  for (size_t t = 0; t < p.steps.size(); ++t) {
    const Round round = two_arms(static_cast<int64_t>(t));
    const Choice choice = policy->choose(round, rng);
    policy->belief().mean_rewards(round, mean);
    EXPECT_EQ(choice.action, mean[1] > mean[0] ? 1 : 0);
    EXPECT_EQ(choice.propensity, 1);
    policy->observe(round, p.steps[t].arm, p.steps[t].reward, rng);
  }
}

TEST(MmtsPolicy, MasksArmsOfARoundAndGapsAreKept) {
  const Problem p = gaussian_problem();
  const auto policy = make_mmts_policy("mmts", uncertain(p));
  Rng rng(5, "mask");
  const std::vector<uint8_t> second = {0, 1};
  const std::vector<int32_t> arms = {1, 0};
  Round round = two_arms(0);
  round.available = second;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(policy->choose(round, rng).action, 1);
  // Arm 0 is action 1 here: its reward must reach arm 0's statistics.
  round = two_arms(0);
  round.arms = arms;
  policy->observe(round, 1, 1.0, rng);
  const auto& belief = dynamic_cast<const ParticleBelief&>(policy->belief());
  EXPECT_EQ(belief.statistics(0, 0)[0] + belief.statistics(0, 0)[2], 1);
  EXPECT_EQ(belief.statistics(0, 1)[0] + belief.statistics(0, 1)[2], 0);
  // The same rounds by hand: choose moves time by dt, once a round.
  ParticleBelief by_hand(uncertain(p));
  Observation seen;
  seen.action = 0;
  seen.reward = 1;
  by_hand.update(seen);
  by_hand.predict(3);
  round.t = 1;
  round.dt = 3;
  policy->choose(round, rng);
  policy->choose(round, rng);
  EXPECT_EQ(policy->belief().save(), by_hand.save());
  policy->reset();
  by_hand.reset();
  EXPECT_EQ(policy->belief().save(), by_hand.save());
}

TEST(MmtsPolicy, RefusesBadInput) {
  const Problem p = gaussian_problem();
  MmtsOptions options;
  options.belief = "exact";
  EXPECT_EQ(refusal([&] { make_mmts_policy("mmts", uncertain(p), options); }), "not_found");
  EXPECT_EQ(refusal([&] { make_mmts_policy("mts", uncertain(p)); }), "not_found");
  options = {};
  options.rule = "ucb";
  EXPECT_EQ(refusal([&] { make_mmts_policy("mmts", uncertain(p), options); }), "invalid_argument");
  options = {};
  options.propensity_draws = -1;
  EXPECT_EQ(refusal([&] { make_mmts_policy("mmts", uncertain(p), options); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { MmtsPolicy("x", nullptr); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { make_mmts_policy("mmts", nullptr); }), "invalid_argument");
  const auto policy = make_mmts_policy("mmts", uncertain(p));
  Rng rng(6, "bad");
  Round round = two_arms(0);
  EXPECT_EQ(refusal([&] { policy->observe(round, 2, 0, rng); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { policy->observe(round, 0, std::nan(""), rng); }), "invalid_argument");
  round.num_actions = 3;  // arm 2 does not exist
  EXPECT_EQ(refusal([&] { policy->choose(round, rng); }), "invalid_argument");
  const std::vector<uint8_t> none = {0, 0};
  round = two_arms(0);
  round.available = none;
  EXPECT_EQ(refusal([&] { policy->choose(round, rng); }), "invalid_argument");
}

TEST(MmtsPolicy, OptionsAreDescribedOnce) {
  MmtsOptions options;
  OptionList list;
  options.describe(list);
  list.get("belief").set_text("decoupled");
  list.get("particles").set_text("500");
  EXPECT_EQ(options.belief, "decoupled");
  EXPECT_EQ(options.particles.num_particles, 500);
  EXPECT_THROW(list.get("particles").set_text("0"), Error);
  EXPECT_THROW(list.get("rule").set_text("ucb"), Error);
}

}  // namespace
}  // namespace attune::people
