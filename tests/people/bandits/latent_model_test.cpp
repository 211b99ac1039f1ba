#include "people/bandits/latent_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/people/bandits/bandit_fixtures.h"

namespace attune::people {
namespace {

using testing::likelihood;
using testing::linear_model;
using testing::table_model;

constexpr RewardKind kKinds[] = {RewardKind::kGaussian, RewardKind::kBernoulli, RewardKind::kCategorical};
const double kNan = std::numeric_limits<double>::quiet_NaN();

std::string message_of(const std::function<void()>& body, ErrorCode code = ErrorCode::kInvalidArgument) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.message();
  }
  return "nothing thrown";
}

/// What check() says about a good model after `spoil`.
std::string refused(LatentModel model, const std::function<void(LatentModel&)>& spoil, ErrorCode code = ErrorCode::kInvalidArgument) {
  spoil(model);
  return message_of([&] { model.check(); }, code);
}

TEST(LatentModelTest, NamesOfRewards) {
  for (const RewardKind kind : kKinds) EXPECT_EQ(parse_reward_kind(reward_kind_name(kind)), kind);
  EXPECT_EQ(message_of([] { parse_reward_kind("poisson"); }),
            "[latent model] reward: expected gaussian, bernoulli or categorical, found poisson");
}

TEST(LatentModelTest, LikelihoodsAsDefined) {
  for (const RewardKind kind : kKinds) {
    const LatentModel model = table_model(kind, 3, 4);
    for (const double reward : kind == RewardKind::kGaussian    ? std::vector<double>{-0.7, 0.2, 1.9}
                               : kind == RewardKind::kBernoulli ? std::vector<double>{0, 1}
                                                                : model.levels) {
      for (int32_t arm = 0; arm < 4; ++arm) {
        std::vector<double> out(3);
        model.log_likelihood(arm, {}, reward, out);
        for (int32_t z = 0; z < 3; ++z) {
          EXPECT_NEAR(std::exp(out[static_cast<size_t>(z)]), likelihood(model, arm, {}, z, reward), 1e-14) << reward_kind_name(kind);
        }
      }
    }
  }
}

TEST(LatentModelTest, LikelihoodsByFeatures) {
  const std::vector<double> x = {0.5, -0.25, 0.1};
  for (const RewardKind kind : {RewardKind::kGaussian, RewardKind::kBernoulli}) {
    const LatentModel model = linear_model(kind, 2, 3);
    std::vector<double> out(2);
    model.log_likelihood(-1, x, 1, out);
    for (int32_t z = 0; z < 2; ++z) EXPECT_NEAR(std::exp(out[static_cast<size_t>(z)]), likelihood(model, -1, x, z, 1), 1e-14);
  }
}

TEST(LatentModelTest, LikelihoodsOfAllRewardsSumToOne) {
  for (const RewardKind kind : {RewardKind::kBernoulli, RewardKind::kCategorical}) {
    const LatentModel model = table_model(kind, 3, 2);
    const std::vector<double> rewards = kind == RewardKind::kBernoulli ? std::vector<double>{0, 1} : model.levels;
    std::vector<double> sum(3, 0.0);
    for (const double reward : rewards) {
      std::vector<double> out(3);
      model.log_likelihood(1, {}, reward, out);
      for (size_t z = 0; z < 3; ++z) sum[z] += std::exp(out[z]);
    }
    for (const double x : sum) EXPECT_NEAR(x, 1, 1e-14);
  }
}

TEST(LatentModelTest, OutliersHaveAFloorAndImpossibleRewardsHaveNone) {
  const LatentModel gaussian = table_model(RewardKind::kGaussian, 2, 1);
  std::vector<double> out(2);
  gaussian.log_likelihood(0, {}, 1e9, out);
  EXPECT_EQ(out, std::vector<double>(2, kLogFloor));
  EXPECT_NEAR(std::exp(kLogFloor), 1e-300, 1e-312);
  LatentModel bernoulli = table_model(RewardKind::kBernoulli, 2, 1);
  bernoulli.mean = {0, 1};
  bernoulli.check();
  bernoulli.log_likelihood(0, {}, 1, out);
  EXPECT_EQ(out, (std::vector<double>{-std::numeric_limits<double>::infinity(), 0}));
  LatentModel categorical = table_model(RewardKind::kCategorical, 1, 1);
  categorical.level_probability = {0.5, 0, 0.5, 0};
  categorical.check();
  categorical.log_likelihood(0, {}, 5, std::span(out).first(1));
  EXPECT_EQ(out[0], -std::numeric_limits<double>::infinity());
}

TEST(LatentModelTest, MeansAndVariances) {
  const LatentModel categorical = table_model(RewardKind::kCategorical, 2, 2);
  std::vector<double> mu(2);
  categorical.means(1, {}, mu);
  double mean = 0;
  double square = 0;
  for (size_t c = 0; c < 4; ++c) {
    mean += categorical.level_probability[(1 * 2 + 1) * 4 + c] * categorical.levels[c];
    square += categorical.level_probability[(1 * 2 + 1) * 4 + c] * categorical.levels[c] * categorical.levels[c];
  }
  EXPECT_NEAR(mu[1], mean, 1e-14);
  EXPECT_NEAR(categorical.variance(1, 1, mu[1]), square - mean * mean, 1e-13);
  EXPECT_EQ(table_model(RewardKind::kGaussian, 2, 2).variance(0, 0, 0.3), 0.25);
  EXPECT_NEAR(table_model(RewardKind::kBernoulli, 2, 2).variance(0, 0, 0.3), 0.21, 1e-15);
  LatentModel linear = linear_model(RewardKind::kBernoulli, 2, 1);
  linear.theta = {5, -5};
  linear.means(-1, std::vector<double>{1}, mu);
  EXPECT_EQ(mu, (std::vector<double>{0.999, 0.001}));
}

TEST(LatentModelTest, RefusesModelsThatDoNotFit) {
  const LatentModel gaussian = table_model(RewardKind::kGaussian, 2, 3);
  const LatentModel bernoulli = table_model(RewardKind::kBernoulli, 2, 3);
  const LatentModel categorical = table_model(RewardKind::kCategorical, 2, 3);
  const LatentModel linear = linear_model(RewardKind::kGaussian, 2, 3);
  const auto contains = [](const std::string& text, const char* part) { EXPECT_NE(text.find(part), std::string::npos) << text; };
  contains(refused(gaussian, [](LatentModel& m) { m.num_states = 0; }), "at least 1 state, found 0");
  contains(refused(gaussian, [](LatentModel& m) { m.num_arms = 0; }), "either arms (a table) or features");
  contains(refused(gaussian, [](LatentModel& m) { m.d = 2; }), "either arms (a table) or features");
  contains(refused(gaussian, [](LatentModel& m) { m.num_arms = -1; }), "found -1 arms");
  contains(refused(gaussian, [](LatentModel& m) { m.initial = {0.5, 0.6}; }), "initial 0: expected a sum of 1, found 1.1");
  contains(refused(gaussian, [](LatentModel& m) { m.initial = {1}; }), "initial: expected 2 numbers, found 1");
  contains(refused(gaussian, [](LatentModel& m) { m.initial = {1.5, -0.5}; }), "at least 0, found -0.5");
  contains(refused(gaussian, [](LatentModel& m) { m.transition = Transition::identity(3); }), "transition: expected 2 states, found 3");
  contains(refused(gaussian, [](LatentModel& m) { m.noise_sd = 0; }), "noise_sd: expected numbers above 0, found 0");
  contains(refused(gaussian, [](LatentModel& m) { m.noise_sd = -1; }), "noise_sd");
  contains(refused(gaussian, [](LatentModel& m) { m.noise_sd = kNan; }), "noise_sd: expected finite");
  contains(refused(gaussian, [](LatentModel& m) { m.mean.pop_back(); }), "mean: expected 6 numbers, found 5");
  contains(refused(gaussian, [](LatentModel& m) { m.mean[3] = kNan; }), "mean: expected finite");
  contains(refused(bernoulli, [](LatentModel& m) { m.mean[3] = 1.01; }), "Bernoulli means in [0, 1], found 1.01");
  contains(refused(bernoulli, [](LatentModel& m) { m.mean[3] = -0.01; }), "Bernoulli means in [0, 1]");
  contains(refused(categorical, [](LatentModel& m) { m.levels = {1}; }), "levels: expected at least 2");
  contains(refused(categorical, [](LatentModel& m) { m.levels = {1, 4, 2, 5}; }), "levels: expected at least 2 in rising order");
  contains(refused(categorical, [](LatentModel& m) { m.levels = {1, 2, 2, 5}; }), "levels: expected at least 2 in rising order");
  contains(refused(categorical, [](LatentModel& m) { m.level_probability[5] += 0.1; }), "level_probability 1: expected a sum of 1");
  contains(refused(categorical, [](LatentModel& m) { m.level_probability.pop_back(); }), "level_probability: expected 24 numbers");
  contains(refused(linear, [](LatentModel& m) { m.theta.pop_back(); }), "theta: expected 6 numbers, found 5");
  contains(refused(linear, [](LatentModel& m) { m.theta[0] = kNan; }), "theta: expected finite");
  contains(refused(linear, [](LatentModel& m) { m.reward = RewardKind::kCategorical; }, ErrorCode::kUnsupported), "need a table");
}

TEST(LatentModelTest, RefusesBadObservations) {
  const LatentModel gaussian = table_model(RewardKind::kGaussian, 2, 3);
  const LatentModel bernoulli = table_model(RewardKind::kBernoulli, 2, 3);
  const LatentModel categorical = table_model(RewardKind::kCategorical, 2, 3);
  const LatentModel linear = linear_model(RewardKind::kGaussian, 2, 3);
  EXPECT_EQ(message_of([&] { gaussian.check_observation(3, {}, 0); }), "[latent model] unknown arm 3, there are 3");
  EXPECT_EQ(message_of([&] { gaussian.check_observation(-1, {}, 0); }), "[latent model] unknown arm -1, there are 3");
  EXPECT_EQ(message_of([&] { gaussian.check_observation(0, {}, kNan); }), "[latent model] expected a finite reward, found nan");
  EXPECT_NE(message_of([&] { gaussian.check_observation(0, {}, -1 / 0.0); }).find("finite reward"), std::string::npos);
  EXPECT_EQ(message_of([&] { bernoulli.check_observation(0, {}, 0.5); }), "[latent model] expected a reward of 0 or 1, found 0.5");
  EXPECT_EQ(message_of([&] { categorical.check_observation(0, {}, 3); }),
            "[latent model] expected a reward that is one of the 4 levels, found 3");
  EXPECT_EQ(message_of([&] { linear.check_observation(-1, std::vector<double>{1, 2}, 0); }),
            "[latent model] expected 3 features of the arm, found 2");
  EXPECT_EQ(message_of([&] { linear.check_observation(-1, std::vector<double>{1, 2, kNan}, 0); }),
            "[latent model] expected finite features, found nan");
  std::vector<double> out(2);
  EXPECT_THROW(gaussian.log_likelihood(7, {}, 0, out), Error);
}

TEST(LatentPriorTest, ChecksSizesAndSigns) {
  const LatentModel table = table_model(RewardKind::kGaussian, 2, 3);
  const LatentModel linear = linear_model(RewardKind::kGaussian, 2, 2);
  const auto says = [](const LatentModel& model, const std::function<void(LatentPrior&)>& set) {
    LatentPrior prior;
    set(prior);
    return message_of([&] { prior.check(model); });
  };
  EXPECT_EQ(says(table, [](LatentPrior&) {}), "nothing thrown");
  EXPECT_EQ(says(table,
                 [](LatentPrior& p) {
                   p.mean.assign(6, 0.5);
                   p.variance.assign(6, 0.1);
                   p.transition_alpha.assign(4, 1);
                   p.initial_alpha.assign(2, 1);
                   p.beta.assign(12, 1);
                 }),
            "nothing thrown");
  EXPECT_NE(says(table, [](LatentPrior& p) { p.initial_alpha = {1}; }).find("initial_alpha: expected 2"), std::string::npos);
  EXPECT_NE(says(table, [](LatentPrior& p) { p.transition_alpha = {1, 1, 0, 1}; }).find("transition_alpha: expected numbers above 0"),
            std::string::npos);
  EXPECT_NE(says(table, [](LatentPrior& p) { p.mean.assign(6, 0); }).find("prior variance: expected 6"), std::string::npos);
  EXPECT_NE(says(table,
                 [](LatentPrior& p) {
                   p.mean.assign(6, 0);
                   p.variance = {1, 1, 1, 1, -1, 1};
                 })
                .find("prior variance: expected numbers above 0, found -1"),
            std::string::npos);
  EXPECT_NE(says(table, [](LatentPrior& p) { p.beta = {1}; }).find("beta: expected 12"), std::string::npos);
  const auto covariance = [&](std::vector<double> second) {
    return says(linear, [&](LatentPrior& p) {
      p.theta.assign(4, 0);
      p.covariance = {1, 0, 0, 1};
      p.covariance.insert(p.covariance.end(), second.begin(), second.end());
    });
  };
  EXPECT_EQ(covariance({2, 0.5, 0.5, 1}), "nothing thrown");
  EXPECT_NE(covariance({1, 2, 2, 1}).find("covariance of state 1"), std::string::npos);
  EXPECT_NE(covariance({1, 0.5, 0.4, 1}).find("covariance of state 1"), std::string::npos);
  EXPECT_NE(covariance({1, 0, 0}).find("covariance: expected 8"), std::string::npos);
}

}  // namespace
}  // namespace attune::people
