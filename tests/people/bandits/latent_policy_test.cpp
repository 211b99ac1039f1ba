#include "people/bandits/latent_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "people/bandits/information.h"
#include "tests/people/bandits/bandit_fixtures.h"

namespace attune::people {
namespace {

using testing::draw_reward;
using testing::likelihood;
using testing::linear_model;
using testing::share;
using testing::table_model;

std::vector<double> belief_at(size_t z, uint64_t seed) {
  Rng rng(seed, "belief");
  std::vector<double> p(z);
  double sum = 0;
  for (double& x : p) sum += x = rng.uniform() + 0.01;
  for (double& x : p) x /= sum;
  return p;
}

std::vector<int32_t> own_groups(size_t z) {
  std::vector<int32_t> out(z);
  std::iota(out.begin(), out.end(), 0);
  return out;
}

/// I(G; R) and E log p(R) by a fine grid (Gaussian) or the sum over rewards.
std::pair<double, double> brute_information(const LatentModel& model, int32_t arm, const std::vector<double>& p,
                                            const std::vector<int32_t>& group) {
  std::vector<double> rewards;
  double step = 1;
  if (model.reward == RewardKind::kBernoulli) rewards = {0, 1};
  if (model.reward == RewardKind::kCategorical) rewards = model.levels;
  if (model.reward == RewardKind::kGaussian) {
    step = model.noise_sd / 400;
    for (double r = -12 * model.noise_sd; r < 12 * model.noise_sd + 3; r += step) rewards.push_back(r);
  }
  double information = 0;
  double expected = 0;
  for (const double r : rewards) {
    double all = 0;
    std::vector<double> joint(p.size(), 0.0);
    std::vector<double> weight(p.size(), 0.0);
    for (size_t z = 0; z < p.size(); ++z) {
      const double x = p[z] * likelihood(model, arm, {}, static_cast<int32_t>(z), r);
      all += x;
      joint[static_cast<size_t>(group[z])] += x;
      weight[static_cast<size_t>(group[z])] += p[z];
    }
    if (all > 0) expected += step * all * std::log(all);
    for (size_t g = 0; g < p.size(); ++g) {
      if (joint[g] > 0) information += step * joint[g] * std::log(joint[g] / (weight[g] * all));
    }
  }
  return {information, expected};
}

TEST(InformationTest, IsTheSumOverRewards) {
  for (const RewardKind kind : {RewardKind::kGaussian, RewardKind::kBernoulli, RewardKind::kCategorical}) {
    LatentModel model = table_model(kind, 4, 3);
    for (int32_t arm = 0; arm < 3; ++arm) {
      const std::vector<double> p = belief_at(4, static_cast<uint64_t>(arm));
      std::vector<double> mu(4);
      model.means(arm, {}, mu);
      for (const std::vector<int32_t>& group : {own_groups(4), std::vector<int32_t>{0, 1, 1, 0}, std::vector<int32_t>(4, 2)}) {
        const auto [information, expected] = brute_information(model, arm, p, group);
        EXPECT_NEAR(mutual_information(model, arm, mu, p, group), information, 1e-9) << reward_kind_name(kind);
        EXPECT_NEAR(expected_log_evidence(model, arm, mu, p), expected, 1e-9) << reward_kind_name(kind);
      }
    }
  }
}

TEST(InformationTest, FarApartMeansTellTheState) {
  LatentModel model = table_model(RewardKind::kGaussian, 3, 1);
  const std::vector<double> p = {0.5, 0.3, 0.2};
  double entropy = 0;
  for (const double x : p) entropy -= x * std::log(x);
  model.mean = {-100, 0, 100};
  EXPECT_NEAR(mutual_information(model, 0, model.mean, p, own_groups(3)), entropy, 1e-9);
  model.mean = {0, 0, 0};
  EXPECT_NEAR(mutual_information(model, 0, model.mean, p, own_groups(3)), 0, 1e-12);
  model.mean = {0, 1, 2.5};  // up to 5 standard deviations apart: where the quadrature works hardest
  EXPECT_NEAR(mutual_information(model, 0, model.mean, p, own_groups(3)), brute_information(model, 0, p, own_groups(3)).first, 1e-6);
}

TEST(InformationTest, VarianceBetweenGroups) {
  const std::vector<double> p = {0.5, 0.25, 0.25};
  EXPECT_DOUBLE_EQ(mean_variance(std::vector<double>{0, 1, 1}, p, own_groups(3)), 0.25);
  EXPECT_DOUBLE_EQ(mean_variance(std::vector<double>{0, 1, 1}, p, std::vector<int32_t>{0, 0, 0}), 0);
  EXPECT_DOUBLE_EQ(mean_variance(std::vector<double>{0, 1, 2}, p, std::vector<int32_t>{0, 1, 1}), 0.5625);
}

TEST(ActingTest, ThompsonPropensitiesAreExact) {
  const std::vector<double> p = belief_at(5, 3);
  const LatentModel model = table_model(RewardKind::kGaussian, 5, 8);
  for (const std::vector<uint8_t>& available : {std::vector<uint8_t>{}, std::vector<uint8_t>{0, 1, 0, 1, 1, 0, 1, 1}}) {
    std::vector<double> exact(8);
    thompson_probabilities(p, model.mean, available, exact);
    EXPECT_NEAR(std::accumulate(exact.begin(), exact.end(), 0.0), 1, 1e-12);
    std::vector<double> count(8, 0.0);
    Rng rng(4);
    constexpr int kDraws = 100000;
    for (int i = 0; i < kDraws; ++i) {
      const Choice choice = act_thompson(p, model.mean, available, rng);
      ASSERT_DOUBLE_EQ(choice.propensity, exact[static_cast<size_t>(choice.action)]);
      count[static_cast<size_t>(choice.action)] += 1;
    }
    for (size_t a = 0; a < 8; ++a) {
      EXPECT_NEAR(count[a] / kDraws, exact[a], 4.5 * std::sqrt(exact[a] * (1 - exact[a]) / kDraws) + 1e-12) << a;
      EXPECT_TRUE(available.empty() || available[a] != 0 || exact[a] == 0);
    }
  }
}

TEST(ActingTest, TiesGoToTheLowestAction) {
  const std::vector<double> p = {0.5, 0.5};
  const std::vector<double> means = {0, 0, 1, 1, 1, 1, 0, 0};  // actions 1 and 2 tie
  Rng rng(1);
  EXPECT_EQ(act_thompson(p, means, {}, rng).action, 1);
  EXPECT_EQ(act_thompson(p, means, {}, rng).propensity, 1);
  EXPECT_EQ(act_greedy(p, means, {}).action, 1);
  EXPECT_EQ(act_greedy(p, means, std::vector<uint8_t>{1, 0, 1, 1}).action, 2);
  EXPECT_EQ(best_action(means, 2, 0, std::vector<uint8_t>{0, 0, 0, 0}), -1);
}

TEST(ActingTest, GreedyTakesTheBestMean) {
  EXPECT_EQ(act_greedy(std::vector<double>{0.6, 0.4}, std::vector<double>{1, 0, 0, 1.6}, {}).action, 1);
  EXPECT_EQ(act_greedy(std::vector<double>{0.7, 0.3}, std::vector<double>{1, 0, 0, 1.6}, {}).action, 0);
}

TEST(ActingTest, ExpectedRegretIsAgainstTheBestOfEachState) {
  std::vector<double> regret(3);
  expected_regret(std::vector<double>{0.25, 0.75}, std::vector<double>{1, 0, 0, 1, 0.5, 0.5}, {}, regret);
  EXPECT_EQ(regret, (std::vector<double>{0.75, 0.25, 0.5}));
  expected_regret(std::vector<double>{0.25, 0.75}, std::vector<double>{1, 0, 0, 1, 0.5, 0.5}, std::vector<uint8_t>{1, 0, 1}, regret);
  EXPECT_DOUBLE_EQ(regret[2], 0.25 * 0.5);
}

TEST(ActingTest, InformationDirectedIsTheLeastRatioOfAllMixtures) {
  Rng rng(8);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<double> regret(5);
    std::vector<double> information(5);
    for (double& x : regret) x = 0.05 + rng.uniform();
    for (double& x : information) x = rng.uniform() * rng.uniform();
    double least = 1e300;
    for (size_t a = 0; a < 5; ++a) {
      for (size_t b = 0; b < 5; ++b) {
        for (int i = 0; i <= 1000; ++i) {
          const double q = i / 1000.0;
          const double r = q * regret[a] + (1 - q) * regret[b];
          least = std::min(least, r * r / (q * information[a] + (1 - q) * information[b]));
        }
      }
    }
    const Mixture m = information_directed(regret, information, {}, true);
    const auto a = static_cast<size_t>(m.first);
    const auto b = static_cast<size_t>(m.second);
    const double r = m.weight * regret[a] + (1 - m.weight) * regret[b];
    const double found = r * r / (m.weight * information[a] + (1 - m.weight) * information[b]);
    EXPECT_LE(found, least * (1 + 1e-12));
    EXPECT_GE(found, least * (1 - 1e-4));  // the grid is coarse, not the formula
    const Mixture one = information_directed(regret, information, {}, false);
    double best = 1e300;
    for (size_t k = 0; k < 5; ++k) best = std::min(best, regret[k] * regret[k] / information[k]);
    EXPECT_EQ(one.first, one.second);
    const auto k = static_cast<size_t>(one.first);
    EXPECT_DOUBLE_EQ(regret[k] * regret[k] / information[k], best);
  }
}

TEST(ActingTest, InformationDirectedAtItsEdges) {
  const std::vector<double> none(3, 0.0);
  EXPECT_EQ(information_directed(std::vector<double>{0.3, 0.1, 0.2}, none, {}, true).first, 1);  // no information: greedy
  const Mixture sure = information_directed(std::vector<double>{0.3, 0, 0.2}, std::vector<double>{9, 0, 9}, {}, true);
  EXPECT_EQ(sure.first, 1);  // no regret: played
  EXPECT_EQ(sure.second, 1);
  EXPECT_EQ(information_directed(std::vector<double>{0.3, 0, 0.2}, none, std::vector<uint8_t>{1, 0, 1}, true).first, 2);
}

Round round_of(int64_t t, int32_t n) {
  Round round;
  round.t = t;
  round.num_actions = n;
  return round;
}

TEST(LatentPolicyTest, EveryNameFollowsTheFilter) {
  const auto model = share(table_model(RewardKind::kBernoulli, 3, 6));
  for (const std::string_view name : latent_policy_names()) {
    const auto policy = make_latent_policy(name, model);
    EXPECT_EQ(policy->name(), name);
    ExactBelief expected(model);
    Rng rng(1);
    Rng world(2);
    const bool stationary = name == "mts-stationary" || name == "cd-mts";
    for (int t = 0; t < 30; ++t) {
      Round round = round_of(t, 6);
      round.dt = t == 7 ? 3 : 1;
      if (t > 0 && !stationary) expected.predict(round.dt);
      const Choice choice = policy->choose(round, rng);
      ASSERT_GE(choice.action, 0);
      EXPECT_GT(choice.propensity, 0);
      EXPECT_LE(choice.propensity, 1);
      EXPECT_EQ(policy->belief().marginals(), expected.marginals()) << name;
      if (t % 5 == 4) continue;  // no feedback
      const double reward = draw_reward(*model, choice.action, {}, 1, world);
      policy->observe(round, choice.action, reward, rng);
      EXPECT_EQ(policy->log_evidence(), expected.update({choice.action, {}, reward, {}}));
    }
    policy->reset();
    EXPECT_EQ(policy->belief().marginals(), model->initial);
  }
}

TEST(LatentPolicyTest, ArmsFeaturesAndMasks) {
  const auto table = share(table_model(RewardKind::kGaussian, 2, 10));
  const auto policy = make_latent_policy("greedy", table);
  const std::vector<int32_t> arms = {7, 3, 9};
  const std::vector<uint8_t> available = {1, 0, 1};
  Round round = round_of(0, 3);
  round.arms = arms;
  Rng rng(1);
  std::vector<double> score;
  for (const int32_t arm : arms) {
    std::vector<double> mu(2);
    table->means(arm, {}, mu);
    score.push_back(table->initial[0] * mu[0] + table->initial[1] * mu[1]);
  }
  EXPECT_EQ(policy->choose(round, rng).action, std::max_element(score.begin(), score.end()) - score.begin());
  round.available = available;
  round.t = 1;
  EXPECT_NE(policy->choose(round, rng).action, 1);

  const auto linear = share(linear_model(RewardKind::kGaussian, 1, 2));
  const auto by_features = make_latent_policy("mts", linear);
  const std::vector<double> x = {-linear->theta[0], -linear->theta[1], linear->theta[0], linear->theta[1]};
  Round featured = round_of(0, 2);
  featured.features = x;
  EXPECT_EQ(by_features->choose(featured, rng).action, 1);
}

TEST(LatentPolicyTest, InformationDirectedAsksWhereGreedyDoesNot) {
  // Arms 0 to 3 are best in one state each and tell little; arm 4 is never best and tells two states from the other two.
  LatentModel model = table_model(RewardKind::kGaussian, 4, 5);
  model.mean = {1, 0.9, 0.9, 0.9, 0.9, 1, 0.9, 0.9, 0.9, 0.9, 1, 0.9, 0.9, 0.9, 0.9, 1, 0.99, 0.99, 0.49, 0.49};
  model.noise_sd = 0.5;
  model.initial.assign(4, 0.25);
  model.check();
  Rng rng(1);
  for (const char* information : {"mutual", "variance"}) {
    for (const char* target : {"state", "action"}) {
      LatentPolicyOptions options;
      options.ids_randomised = false;
      options.ids_information = information;
      options.ids_target = target;
      EXPECT_EQ(make_latent_policy("ids", share(model), options)->choose(round_of(0, 5), rng).action, 4) << information << target;
      LatentModel dear = model;
      for (size_t z = 0; z < 4; ++z) dear.mean[16 + z] -= 1;
      EXPECT_LT(make_latent_policy("ids", share(dear), options)->choose(round_of(0, 5), rng).action, 4) << information << target;
    }
  }
  EXPECT_LT(make_latent_policy("greedy", share(model))->choose(round_of(0, 5), rng).action, 4);
}

TEST(LatentPolicyTest, InformationAboutTheActionIgnoresStatesThatAgree) {
  // Arms 0 to 2 are best in two states each; arm 3 tells the two apart, which is worth nothing when the target is the action.
  LatentModel model = table_model(RewardKind::kGaussian, 6, 4);
  model.mean.clear();
  for (int arm = 0; arm < 3; ++arm) {
    for (int z = 0; z < 6; ++z) model.mean.push_back(z / 2 == arm ? 1 : 0.9);
  }
  for (int z = 0; z < 6; ++z) model.mean.push_back(z % 2 == 0 ? 0.99 : 0.49);
  model.initial.assign(6, 1.0 / 6);
  model.check();
  Rng rng(1);
  for (const char* information : {"mutual", "variance"}) {
    LatentPolicyOptions options;
    options.ids_randomised = false;
    options.ids_information = information;
    EXPECT_EQ(make_latent_policy("ids", share(model), options)->choose(round_of(0, 4), rng).action, 3) << information;
    options.ids_target = "action";
    EXPECT_LT(make_latent_policy("ids", share(model), options)->choose(round_of(0, 4), rng).action, 3) << information;
  }
}

TEST(LatentPolicyTest, IdsPropensitiesMatchItsDraws) {
  Rng rng(2);
  std::unique_ptr<LatentPolicy> policy;
  for (uint64_t seed = 1; seed < 100; ++seed) {  // a model in which two actions are mixed
    policy = make_latent_policy("ids", share(table_model(RewardKind::kBernoulli, 3, 6, seed)));
    if (policy->choose(round_of(0, 6), rng).propensity < 1) break;
  }
  std::vector<double> count(6, 0.0);
  std::vector<double> propensity(6, 0.0);
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const Choice choice = policy->choose(round_of(0, 6), rng);
    count[static_cast<size_t>(choice.action)] += 1;
    propensity[static_cast<size_t>(choice.action)] = choice.propensity;
  }
  EXPECT_NEAR(std::accumulate(propensity.begin(), propensity.end(), 0.0), 1, 1e-12);
  EXPECT_EQ(std::count(count.begin(), count.end(), 0.0), 4);
  for (size_t a = 0; a < 6; ++a) EXPECT_NEAR(count[a] / kDraws, propensity[a], 4.5 * std::sqrt(0.25 / kDraws));
}

TEST(LatentPolicyTest, McubKeepsStatesThatExplainTheRewards) {
  // State 0 promises most, state 1 is the truth.
  LatentModel model = table_model(RewardKind::kGaussian, 2, 2);
  model.mean = {1, 0, 0.2, 0.5};
  model.noise_sd = 0.1;
  model.transition = Transition::identity(2);
  model.check();
  LatentPolicyOptions options;
  options.ucb_horizon = 100;
  auto policy = make_latent_policy("mucb", share(model), options);
  Rng rng(1);
  int optimistic = 0;
  for (int t = 0; t < 50; ++t) {
    const Choice choice = policy->choose(round_of(t, 2), rng);
    optimistic += choice.action == 0;
    policy->observe(round_of(t, 2), choice.action, choice.action == 0 ? 0.0 : 0.5, rng);
  }
  // After N rounds in state 0: G = N, bound = 0.1 sqrt(6 N log 100); N = 1 exceeds it (1 > 0.526).
  EXPECT_EQ(optimistic, 1);
}

TEST(LatentPolicyTest, McubForgetsByWindowAndByRestart) {
  StateLedger ledger(2, 3);
  ledger.add(0, 1);
  ledger.add(1, 2);
  ledger.add(0, 4);
  EXPECT_EQ(ledger.shortfall(0), 5);
  ledger.add(1, 8);  // the first is forgotten
  EXPECT_EQ(ledger.shortfall(0), 4);
  EXPECT_EQ(ledger.uses(0), 1);
  ledger.add(1, 16);
  ledger.add(1, 32);
  EXPECT_EQ(ledger.shortfall(0), 0);
  EXPECT_EQ(ledger.uses(0), 0);
  EXPECT_EQ(ledger.shortfall(1), 56);
  LatentModel model = table_model(RewardKind::kGaussian, 1, 2);
  model.mean = {1, 0.5};
  model.noise_sd = 0.1;
  for (const bool restart : {true, false}) {
    LatentPolicyOptions options;
    options.ucb_restart = restart;
    auto policy = make_latent_policy("mucb", share(model), options);
    Rng rng(1);
    for (int t = 0; t < 5; ++t) {  // rewards that no state explains: still an action
      EXPECT_EQ(policy->choose(round_of(t, 2), rng).action, 0);
      policy->observe(round_of(t, 2), 0, -5, rng);
    }
  }
}

TEST(LatentPolicyTest, TheAlarmRestartsAfterAChangeAndRarelyWithout) {
  LatentModel model = table_model(RewardKind::kGaussian, 2, 2);
  model.mean = {1, 0, 0, 1};
  model.noise_sd = 0.3;
  model.check();
  auto policy = make_latent_policy("cd-mts", share(model));
  auto blind = make_latent_policy("mts-stationary", share(model));
  Rng world(3);
  int right = 0;
  int blind_right = 0;
  for (int t = 0; t < 400; ++t) {
    const int32_t z = t < 200 ? 0 : 1;
    Rng rng(static_cast<uint64_t>(t));
    for (LatentPolicy* each : {policy.get(), blind.get()}) {
      const Choice choice = each->choose(round_of(t, 2), rng);
      (each == policy.get() ? right : blind_right) += t >= 200 && choice.action == z;
      each->observe(round_of(t, 2), choice.action, draw_reward(model, choice.action, {}, z, world), rng);
    }
    EXPECT_TRUE(t >= 200 || policy->num_alarms() <= 1);
  }
  EXPECT_GE(policy->num_alarms(), 1);
  EXPECT_GT(right, 180);
  EXPECT_LT(blind_right, right - 50);
}

TEST(LatentPolicyTest, RhoScaleChangesTheChain) {
  LatentModel model = table_model(RewardKind::kGaussian, 2, 2);
  model.transition = Transition::sticky(0.1, {0.5, 0.5});
  LatentPolicyOptions options;
  options.rho_scale = 3;
  const auto policy = make_latent_policy("mts", share(model), options);
  EXPECT_DOUBLE_EQ(policy->belief().model().transition.rho(), 0.30000000000000004);
  options.stationary = true;
  EXPECT_EQ(make_latent_policy("mts", share(model), options)->belief().model().transition.rho(), 0);
}

TEST(LatentPolicyTest, RefusesBadRoundsOptionsAndNames) {
  const auto table = share(table_model(RewardKind::kGaussian, 2, 3));
  const auto linear = share(linear_model(RewardKind::kGaussian, 2, 2));
  Rng rng(1);
  const auto says = [&](const std::shared_ptr<const LatentModel>& model, const std::function<void(Round&)>& spoil) {
    Round round = round_of(0, 2);
    spoil(round);
    try {
      make_latent_policy("mts", model)->choose(round, rng);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.message();
    }
    return std::string("nothing thrown");
  };
  const std::vector<uint8_t> nothing = {0, 0};
  const std::vector<uint8_t> three = {1, 1, 1};
  const std::vector<int32_t> unknown = {0, 3};
  const std::vector<int32_t> one = {0};
  const std::vector<double> short_features = {1, 2, 3};
  const std::vector<double> infinite = {1, 2, 3, 1 / 0.0};
  EXPECT_EQ(says(table, [](Round&) {}), "nothing thrown");
  EXPECT_EQ(says(table, [](Round& r) { r.num_actions = 0; }), "[bandit round] expected at least 1 action, found 0");
  EXPECT_EQ(says(table, [](Round& r) { r.num_actions = 4; }), "[bandit round] expected at most 3 actions, found 4");
  EXPECT_EQ(says(table, [&](Round& r) { r.available = nothing; }), "[bandit round] no action is available");
  EXPECT_EQ(says(table, [&](Round& r) { r.available = three; }), "[bandit round] expected 2 entries of available, found 3");
  EXPECT_EQ(says(table, [&](Round& r) { r.arms = unknown; }), "[bandit round] unknown arm 3, there are 3");
  EXPECT_EQ(says(table, [&](Round& r) { r.arms = one; }), "[bandit round] expected 2 arms, found 1");
  EXPECT_EQ(says(linear, [](Round&) {}), "[bandit round] expected 4 features, found 0");
  EXPECT_EQ(says(linear, [&](Round& r) { r.features = short_features; }), "[bandit round] expected 4 features, found 3");
  EXPECT_EQ(says(linear, [&](Round& r) { r.features = infinite; }), "[bandit round] expected finite features, found inf");

  const auto policy = make_latent_policy("mts", table);
  EXPECT_THROW(policy->observe(round_of(0, 2), 2, 0, rng), Error);
  EXPECT_THROW(policy->observe(round_of(0, 2), -1, 0, rng), Error);
  EXPECT_THROW(policy->observe(round_of(0, 2), 0, std::nan(""), rng), Error);
  LatentPolicyOptions options;
  options.rule = "magic";
  EXPECT_THROW(LatentPolicy("x", table, options), Error);
  options = {};
  options.rho_scale = -1;
  EXPECT_THROW(LatentPolicy("x", table, options), Error);
  options = {};
  options.alarm = std::nan("");
  EXPECT_THROW(LatentPolicy("x", table, options), Error);
  EXPECT_THROW(LatentPolicy("x", nullptr, {}), Error);
  try {
    make_latent_policy("ucb9", table);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(error.message(), "[latent policy] expected one of mts, greedy, ids, mucb, mts-stationary, cd-mts, found ucb9");
  }
}

}  // namespace
}  // namespace attune::people
