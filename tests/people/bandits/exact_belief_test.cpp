#include "people/bandits/exact_belief.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "tests/people/bandits/bandit_fixtures.h"

namespace attune::people {
namespace {

using testing::draw_reward;
using testing::likelihood;
using testing::linear_model;
using testing::share;
using testing::table_model;

const double kNever = -std::numeric_limits<double>::infinity();

struct Step {
  int32_t arm;
  std::vector<double> features;
  double reward;
};

std::vector<Step> draw_steps(const LatentModel& model, int32_t rounds, uint64_t seed) {
  Rng rng(seed, "steps");
  std::vector<Step> out;
  for (int32_t t = 0; t < rounds; ++t) {
    Step step;
    step.arm = model.by_features() ? -1 : static_cast<int32_t>(rng.below(static_cast<uint64_t>(model.num_arms)));
    for (int32_t i = 0; i < model.d; ++i) step.features.push_back(rng.normal());
    step.reward =
        draw_reward(model, step.arm, step.features, static_cast<int32_t>(rng.below(static_cast<uint64_t>(model.num_states))), rng);
    out.push_back(step);
  }
  return out;
}

/// P(z_{t+1}, r_1..r_t) by summing over every path of t + 1 states: [Z].
std::vector<double> by_paths(const LatentModel& model, const std::vector<Step>& steps) {
  const auto z = static_cast<size_t>(model.num_states);
  size_t num_paths = z;
  for (size_t t = 0; t < steps.size(); ++t) num_paths *= z;
  std::vector<double> out(z, 0.0);
  for (size_t path = 0; path < num_paths; ++path) {
    size_t rest = path;
    size_t state = rest % z;
    double weight = model.initial[state];
    for (const Step& step : steps) {
      weight *= likelihood(model, step.arm, step.features, static_cast<int32_t>(state), step.reward);
      rest /= z;
      const size_t next = rest % z;
      weight *= model.transition.at(static_cast<int32_t>(state), static_cast<int32_t>(next));
      state = next;
    }
    out[state] += weight;
  }
  return out;
}

void expect_sum_over_paths(const LatentModel& model, int32_t rounds, uint64_t seed) {
  const std::vector<Step> steps = draw_steps(model, rounds, seed);
  ExactBelief belief(share(model));
  double log_evidence = 0;
  for (const Step& step : steps) {
    log_evidence += belief.update({step.arm, step.features, step.reward, {}});
    belief.predict(1);
  }
  const std::vector<double> expected = by_paths(model, steps);
  const double evidence = std::accumulate(expected.begin(), expected.end(), 0.0);
  EXPECT_NEAR(std::exp(log_evidence) / evidence, 1, 1e-12);
  for (size_t z = 0; z < expected.size(); ++z) EXPECT_NEAR(belief.p()[z] / (expected[z] / evidence), 1, 1e-12) << "state " << z;
}

TEST(ExactBeliefTest, IsTheSumOverAllPaths) {
  for (const RewardKind kind : {RewardKind::kGaussian, RewardKind::kBernoulli, RewardKind::kCategorical}) {
    for (const int32_t z : {2, 3}) {
      for (const int32_t rounds : {1, 2, 5, 8}) {
        SCOPED_TRACE(cat(reward_kind_name(kind), " ", z, " states, ", rounds, " rounds"));
        expect_sum_over_paths(table_model(kind, z, 4), rounds, static_cast<uint64_t>(rounds));
      }
    }
  }
}

TEST(ExactBeliefTest, IsTheSumOverAllPathsByFeatures) {
  for (const RewardKind kind : {RewardKind::kGaussian, RewardKind::kBernoulli}) expect_sum_over_paths(linear_model(kind, 3, 2), 7, 11);
}

TEST(ExactBeliefTest, IsTheSumOverAllPathsSticky) {
  LatentModel model = table_model(RewardKind::kGaussian, 3, 4);
  model.transition = Transition::sticky(0.2, {0.6, 0.3, 0.1});
  expect_sum_over_paths(model, 8, 5);
}

TEST(ExactBeliefTest, AMillionRoundsDoNotDrift) {
  const LatentModel model = table_model(RewardKind::kGaussian, 5, 10);
  ExactBelief belief(share(model));
  Rng rng(3);
  double worst = 0;
  for (int t = 0; t < 1000000; ++t) {
    if (t % 3 != 0) belief.update({static_cast<int32_t>(rng.below(10)), {}, rng.normal(), {}});
    belief.predict(1);
    const double sum = std::accumulate(belief.p().begin(), belief.p().end(), 0.0);
    worst = std::max(worst, std::abs(sum - 1));
  }
  EXPECT_LT(worst, 1e-9);
  ExactBelief idle(share(model));
  for (int t = 0; t < 1000000; ++t) idle.predict(1);
  EXPECT_NEAR(std::accumulate(idle.p().begin(), idle.p().end(), 0.0), 1, 1e-9);
}

TEST(ExactBeliefTest, GapsAreRepeatedSteps) {
  const auto model = share(table_model(RewardKind::kBernoulli, 3, 4));
  ExactBelief a(model);
  ExactBelief b(model);
  for (const int gap : {3, 0, 1, 7}) {
    a.predict(gap);
    for (int i = 0; i < gap; ++i) b.predict(1);
    EXPECT_NEAR(a.update({1, {}, 1, {}}), b.update({1, {}, 1, {}}), 1e-13);
  }
  for (size_t z = 0; z < 3; ++z) EXPECT_NEAR(a.p()[z], b.p()[z], 1e-13);
}

TEST(ExactBeliefTest, LikelihoodsFromElsewhereAreTheSameStep) {
  const auto model = share(table_model(RewardKind::kGaussian, 3, 4));
  ExactBelief a(model);
  ExactBelief b(model);
  std::vector<double> log_likelihood(3);
  model->log_likelihood(2, {}, 0.4, log_likelihood);
  EXPECT_EQ(a.update({2, {}, 0.4, {}}), b.update({-1, {}, 0, log_likelihood}));
  EXPECT_EQ(a.marginals(), b.marginals());
  for (double& x : log_likelihood) x -= 5000;  // far below what exp can hold
  const double evidence = b.update_log_likelihood(log_likelihood);
  EXPECT_LT(evidence, -4900);
  EXPECT_TRUE(std::isfinite(evidence));
}

TEST(ExactBeliefTest, AnImpossibleRewardKeepsTheBelief) {
  LatentModel model = table_model(RewardKind::kBernoulli, 2, 2);
  model.mean = {0, 0, 0.5, 1};
  model.check();
  ExactBelief belief(share(model));
  const auto before = belief.marginals();
  EXPECT_EQ(belief.update({0, {}, 1, {}}), kNever);
  EXPECT_EQ(belief.marginals(), before);
  EXPECT_EQ(belief.num_impossible(), 1);
  EXPECT_EQ(belief.update_log_likelihood(std::vector<double>(2, kNever)), kNever);
  EXPECT_EQ(belief.num_impossible(), 2);
  EXPECT_NEAR(belief.update({1, {}, 0, {}}), std::log(0.5 * model.initial[0]), 1e-15);  // the second state cannot pay 0
  EXPECT_EQ(belief.p()[0], 1);
  EXPECT_EQ(belief.p()[1], 0);
  EXPECT_EQ(belief.update_log_likelihood(std::vector<double>{kNever, 0}), kNever);  // its only other state was ruled out
}

TEST(ExactBeliefTest, AStateThatIsNotImpossibleComesBack) {
  LatentModel model = table_model(RewardKind::kGaussian, 2, 1);
  model.mean = {0, 100};
  model.transition = Transition::identity(2);
  model.check();
  ExactBelief belief(share(model));
  for (int i = 0; i < 100; ++i) belief.update({0, {}, 0, {}});
  EXPECT_GT(belief.p()[1], 0);
  for (int i = 0; i < 3; ++i) belief.update({0, {}, 100, {}});
  EXPECT_GT(belief.p()[1], 0.999);
}

TEST(ExactBeliefTest, RefusesBadObservationsAndStays) {
  const auto model = share(table_model(RewardKind::kGaussian, 3, 4));
  ExactBelief belief(model);
  belief.update({1, {}, 0.3, {}});
  const auto before = belief.marginals();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(belief.update({4, {}, 0, {}}), Error);
  EXPECT_THROW(belief.update({-1, {}, 0, {}}), Error);
  EXPECT_THROW(belief.update({0, {}, nan, {}}), Error);
  EXPECT_THROW(belief.update_log_likelihood(std::vector<double>{0, 0}), Error);
  EXPECT_THROW(belief.update_log_likelihood(std::vector<double>{0, nan, 0}), Error);
  EXPECT_THROW(belief.update_log_likelihood(std::vector<double>{0, -kNever, 0}), Error);
  EXPECT_THROW(belief.predict(-1), Error);
  EXPECT_THROW(belief.predict(0.5), Error);
  std::vector<float> small(2);
  EXPECT_THROW(belief.features(small), Error);
  EXPECT_EQ(belief.marginals(), before);
  EXPECT_EQ(belief.num_impossible(), 0);
  EXPECT_THROW(ExactBelief(nullptr), Error);
}

TEST(ExactBeliefTest, DrawsFollowTheBelief) {
  const auto model = share(table_model(RewardKind::kGaussian, 4, 4));
  ExactBelief belief(model);
  belief.update({1, {}, 0.9, {}});
  Rng rng(5);
  std::vector<double> count(4, 0.0);
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) count[static_cast<size_t>(belief.sample(rng).state)] += 1;
  for (size_t z = 0; z < 4; ++z) {
    const double sd = std::sqrt(belief.p()[z] * (1 - belief.p()[z]) / kDraws);
    EXPECT_NEAR(count[z] / kDraws, belief.p()[z], 4.5 * sd);
  }
  EXPECT_EQ(draw_index(std::vector<double>{0, 0.4, 0}, rng), 1);  // never a state without weight
}

TEST(ExactBeliefTest, FeaturesAndEntropy) {
  const auto model = share(table_model(RewardKind::kGaussian, 3, 4));
  ExactBelief belief(model);
  std::vector<float> features(static_cast<size_t>(belief.num_features()));
  belief.features(features);
  double entropy = 0;
  for (size_t z = 0; z < 3; ++z) {
    EXPECT_EQ(features[z], static_cast<float>(model->initial[z]));
    entropy -= model->initial[z] * std::log(model->initial[z]);
  }
  EXPECT_NEAR(belief.entropy(), entropy, 1e-15);
}

TEST(ExactBeliefTest, SaveAndLoadContinueBitForBit) {
  const auto model = share(table_model(RewardKind::kGaussian, 5, 6));
  ExactBelief belief(model);
  Rng rng(9);
  for (int t = 0; t < 50; ++t) {
    belief.update({static_cast<int32_t>(rng.below(6)), {}, rng.normal(), {}});
    belief.predict(1);
    ExactBelief loaded(model);
    loaded.load(belief.save());
    EXPECT_EQ(loaded.marginals(), belief.marginals());
    EXPECT_EQ(loaded.save(), belief.save());
    EXPECT_EQ(belief.clone()->save(), belief.save());
    loaded.update({0, {}, 0.1, {}});
    auto copy = belief.clone();
    copy->update({0, {}, 0.1, {}});
    EXPECT_EQ(loaded.save(), copy->save());
    EXPECT_NE(loaded.save(), belief.save());  // copies are independent
  }
}

TEST(ExactBeliefTest, RefusesBadFiles) {
  const auto model = share(table_model(RewardKind::kGaussian, 2, 2));
  ExactBelief belief(model);
  const std::string before = belief.save();
  const auto expect_error = [&](std::string text, ErrorCode code, const char* part) {
    try {
      belief.load(text);
      ADD_FAILURE() << "nothing thrown for " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
    }
    EXPECT_EQ(belief.save(), before);
  };
  const auto corrupt = ErrorCode::kCorruptData;
  expect_error("", corrupt, "JSON object");
  expect_error("[1]", corrupt, "JSON object");
  expect_error(before.substr(0, before.size() - 2), corrupt, "JSON object");
  expect_error(R"({"kind":"exact","model":"test","num_impossible":0,"p":[0.5,0.5]})", corrupt, "format");
  expect_error(R"({"kind":"other","format":1,"model":"test","num_impossible":0,"p":[0.5,0.5]})", corrupt, "kind");
  expect_error(R"({"kind":"exact","format":2,"model":"test","num_impossible":0,"p":[0.5,0.5]})", ErrorCode::kFailedPrecondition, "format");
  expect_error(R"({"kind":"exact","format":1,"model":"other","num_impossible":0,"p":[0.5,0.5]})", ErrorCode::kFailedPrecondition,
               "version test");
  expect_error(R"({"kind":"exact","format":1,"model":7,"num_impossible":0,"p":[0.5,0.5]})", corrupt, "model");
  expect_error(R"({"kind":"exact","format":1,"model":"test","p":[0.5,0.5]})", corrupt, "num_impossible");
  expect_error(R"({"kind":"exact","format":1,"model":"test","num_impossible":-1,"p":[0.5,0.5]})", corrupt, "num_impossible");
  expect_error(R"({"kind":"exact","format":1,"model":"test","num_impossible":0,"p":[0.5]})", corrupt, "p: expected a list of 2, found 1");
  expect_error(R"({"kind":"exact","format":1,"model":"test","num_impossible":0,"p":"x"})", corrupt, "p: expected a list, found string");
  expect_error(R"({"kind":"exact","format":1,"model":"test","num_impossible":0,"p":[0.5,null]})", corrupt,
               "p: expected a number, found null");
  expect_error(R"({"kind":"exact","format":1,"model":"test","num_impossible":0,"p":[0.5,0.6]})", corrupt, "sum of 1");
  expect_error(R"({"kind":"exact","format":1,"model":"test","num_impossible":0,"p":[1.5,-0.5]})", corrupt, "probabilities");
}

}  // namespace
}  // namespace attune::people
