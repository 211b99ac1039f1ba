#include "people/bandits/delayed_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "tests/people/bandits/bandit_fixtures.h"

namespace attune::people {
namespace {

using testing::draw_reward;
using testing::share;
using testing::table_model;

const double kNever = -std::numeric_limits<double>::infinity();

struct Answer {
  int32_t arm;
  double reward;
};

std::vector<Answer> draw_answers(const LatentModel& model, size_t rounds, uint64_t seed) {
  Rng rng(seed, "answers");
  std::vector<Answer> out;
  for (size_t t = 0; t < rounds; ++t) {
    const auto arm = static_cast<int32_t>(rng.below(static_cast<uint64_t>(model.num_arms)));
    out.push_back({arm, draw_reward(model, arm, {}, static_cast<int32_t>(rng.below(3)), rng)});
  }
  return out;
}

void expect_near(const std::vector<double>& a, std::span<const double> b, double relative) {
  for (size_t z = 0; z < a.size(); ++z) EXPECT_NEAR(a[z] / b[z], 1, relative) << "state " << z;
}

/// The filter that receives rewards in order; rounds with `known` false never answer.
ExactBelief in_order(const std::shared_ptr<const LatentModel>& model, const std::vector<Answer>& answers, const std::vector<uint8_t>& known,
                     const std::vector<double>& dt, double* log_evidence = nullptr) {
  ExactBelief belief(model);
  double sum = 0;
  for (size_t t = 0; t < answers.size(); ++t) {
    if (t > 0) belief.predict(dt[t]);
    if (known[t]) sum += belief.update({answers[t].arm, {}, answers[t].reward, {}});
  }
  if (log_evidence != nullptr) *log_evidence = sum;
  return belief;
}

TEST(DelayedFilterTest, AnyOrderOfArrivalIsTheFilterInOrder) {
  for (const RewardKind kind : {RewardKind::kGaussian, RewardKind::kBernoulli, RewardKind::kCategorical}) {
    const auto model = share(table_model(kind, 3, 5));
    constexpr size_t kRounds = 12;
    const auto answers = draw_answers(*model, kRounds, 3);
    std::vector<double> dt(kRounds, 1);
    dt[4] = 3;
    Rng rng(1);
    for (int trial = 0; trial < 30; ++trial) {
      std::vector<size_t> order(kRounds);
      std::iota(order.begin(), order.end(), size_t{0});
      shuffle(order, rng);
      DelayedFilter filter(model, kRounds);
      for (size_t t = 1; t < kRounds; ++t) filter.predict(dt[t]);
      std::vector<uint8_t> known(kRounds, 0);
      double sum = 0;
      for (const size_t t : order) {  // at every moment it is the filter of what is known
        const auto evidence = filter.update_round(static_cast<int64_t>(t), {answers[t].arm, {}, answers[t].reward, {}});
        ASSERT_TRUE(evidence.has_value());
        sum += *evidence;
        known[t] = 1;
        double expected = 0;
        const ExactBelief belief = in_order(model, answers, known, dt, &expected);
        expect_near(*filter.marginals(), belief.p(), 1e-12);
        EXPECT_NEAR(sum, expected, 1e-11);
      }
    }
  }
}

TEST(DelayedFilterTest, RewardsArriveWhileRoundsGoOn) {
  const auto model = share(table_model(RewardKind::kGaussian, 3, 5));
  constexpr size_t kRounds = 300;
  const auto answers = draw_answers(*model, kRounds, 4);
  std::vector<int64_t> arrival;  // after which round
  Rng rng(2);
  for (size_t t = 0; t < kRounds; ++t) arrival.push_back(static_cast<int64_t>(t + rng.below(20)));
  DelayedFilter filter(model, 20);
  for (size_t now = 0; now < kRounds; ++now) {
    if (now > 0) filter.predict(1);
    for (size_t t = now < 20 ? 0 : now - 20; t <= now; ++t) {
      if (arrival[t] == static_cast<int64_t>(now)) {
        EXPECT_TRUE(filter.update_round(static_cast<int64_t>(t), {answers[t].arm, {}, answers[t].reward, {}}).has_value());
      }
    }
  }
  std::vector<uint8_t> known;
  for (const int64_t at : arrival) known.push_back(at < static_cast<int64_t>(kRounds));
  expect_near(*filter.marginals(), in_order(model, answers, known, std::vector<double>(kRounds, 1)).p(), 1e-12);
  EXPECT_EQ(filter.num_dropped(), 0);
  EXPECT_EQ(filter.round(), 299);
  EXPECT_EQ(filter.oldest_round(), 279);
}

TEST(DelayedFilterTest, WithoutDelayItIsTheFilter) {
  const auto model = share(table_model(RewardKind::kBernoulli, 3, 5));
  const auto answers = draw_answers(*model, 50, 5);
  DelayedFilter filter(model, 0);
  ExactBelief belief(model);
  for (const Answer& answer : answers) {
    EXPECT_NEAR(filter.update({answer.arm, {}, answer.reward, {}}), belief.update({answer.arm, {}, answer.reward, {}}), 1e-13);
    filter.predict(1);
    belief.predict(1);
    EXPECT_EQ(filter.marginals(), belief.marginals());
  }
}

TEST(DelayedFilterTest, SeveralAnswersToOneRound) {
  const auto model = share(table_model(RewardKind::kGaussian, 3, 5));
  DelayedFilter filter(model, 4);
  filter.predict(1);
  filter.update_round(0, {1, {}, 0.2, {}});
  filter.update_round(0, {2, {}, 0.7, {}});
  ExactBelief belief(model);
  belief.update({1, {}, 0.2, {}});
  belief.update({2, {}, 0.7, {}});
  belief.predict(1);
  expect_near(*filter.marginals(), belief.p(), 1e-12);
}

TEST(DelayedFilterTest, WhatIsTooLateIsDroppedAndCounted) {
  const auto model = share(table_model(RewardKind::kGaussian, 3, 5));
  DelayedFilter filter(model, 3);
  DelayedFilter other(model, 3);
  for (int t = 1; t <= 5; ++t) {
    filter.predict(1);
    other.predict(1);
  }
  EXPECT_EQ(filter.oldest_round(), 2);
  EXPECT_EQ(filter.num_unanswered(), 2);
  EXPECT_FALSE(filter.update_round(1, {0, {}, 0.5, {}}).has_value());
  EXPECT_EQ(filter.num_dropped(), 1);
  EXPECT_EQ(filter.marginals(), other.marginals());
  EXPECT_TRUE(filter.update_round(2, {0, {}, 0.5, {}}).has_value());
  EXPECT_NE(filter.marginals(), other.marginals());
  filter.predict(0);
  EXPECT_EQ(filter.round(), 5);
}

TEST(DelayedFilterTest, ImpossibleRewards) {
  LatentModel spec = table_model(RewardKind::kBernoulli, 2, 2);
  spec.mean = {0, 0, 0, 1};  // arm 1 tells the state
  spec.transition = Transition::identity(2);
  const auto model = share(spec);
  DelayedFilter filter(model, 5);
  filter.predict(1);
  filter.update({1, {}, 1, {}});
  EXPECT_EQ((*filter.marginals())[0], 0);
  EXPECT_EQ(*filter.update_round(0, {1, {}, 0, {}}), kNever);  // round 1 is now the impossible one, as it were in order
  EXPECT_EQ(filter.num_impossible(), 1);
  ExactBelief belief(model);
  belief.update({1, {}, 0, {}});
  belief.predict(1);
  belief.update({1, {}, 1, {}});
  EXPECT_EQ(filter.marginals(), belief.marginals());
  EXPECT_EQ(belief.num_impossible(), 1);
  for (int t = 0; t < 10; ++t) filter.predict(1);
  EXPECT_EQ(filter.num_impossible(), 1);  // still counted when the round has left
}

TEST(DelayedFilterTest, SaveAndLoadContinueBitForBit) {
  LatentModel spec = table_model(RewardKind::kBernoulli, 3, 5);
  spec.mean[0] = 0;  // a log likelihood of -infinity
  const auto model = share(spec);
  DelayedFilter filter(model, 6);
  Rng rng(3);
  for (int t = 0; t < 40; ++t) {
    const auto round =
        filter.oldest_round() + static_cast<int64_t>(rng.below(static_cast<uint64_t>(filter.round() - filter.oldest_round() + 1)));
    filter.update_round(round, {static_cast<int32_t>(rng.below(5)), {}, static_cast<double>(rng.below(2)), {}});
    DelayedFilter loaded(model, 6);
    loaded.load(filter.save());
    EXPECT_EQ(loaded.save(), filter.save());
    EXPECT_EQ(loaded.marginals(), filter.marginals());
    EXPECT_EQ(loaded.num_impossible(), filter.num_impossible());
    auto copy = filter.clone();
    loaded.update_round(filter.oldest_round(), {1, {}, 1, {}});
    dynamic_cast<DelayedFilter&>(*copy).update_round(filter.oldest_round(), {1, {}, 1, {}});
    EXPECT_EQ(loaded.save(), copy->save());
    filter.predict(1);
  }
  DelayedFilter smaller(model, 2);
  smaller.load(filter.save());
  EXPECT_EQ(smaller.marginals(), filter.marginals());
  EXPECT_EQ(smaller.oldest_round(), filter.round() - 2);
}

TEST(DelayedFilterTest, RefusesBadCallsAndStays) {
  const auto model = share(table_model(RewardKind::kGaussian, 3, 5));
  EXPECT_THROW(DelayedFilter(nullptr, 3), Error);
  EXPECT_THROW(DelayedFilter(model, -1), Error);
  EXPECT_THROW(DelayedFilter(model, 1000001), Error);
  DelayedFilter filter(model, 3);
  filter.predict(1);
  const std::string before = filter.save();
  EXPECT_THROW(filter.update_round(2, {0, {}, 0, {}}), Error);
  EXPECT_THROW(filter.update_round(-1, {0, {}, 0, {}}), Error);
  EXPECT_THROW(filter.update({9, {}, 0, {}}), Error);
  EXPECT_THROW(filter.update({0, {}, std::nan(""), {}}), Error);
  EXPECT_THROW(filter.update({-1, {}, 0, std::vector<double>{0}}), Error);
  EXPECT_THROW(filter.update({-1, {}, 0, std::vector<double>{0, 0, std::nan("")}}), Error);
  EXPECT_THROW(filter.predict(-1), Error);
  EXPECT_THROW(filter.predict(0.5), Error);
  std::vector<float> small(1);
  EXPECT_THROW(filter.features(small), Error);
  EXPECT_EQ(filter.save(), before);
}

TEST(DelayedFilterTest, RefusesBadFiles) {
  const auto model = share(table_model(RewardKind::kGaussian, 2, 5));
  DelayedFilter filter(model, 3);
  filter.predict(1);
  const std::string good = filter.save();
  const auto expect_error = [&](const std::string& from, const std::string& to, ErrorCode code, const char* part) {
    std::string text = good;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << text;
    text.replace(at, from.size(), to);
    try {
      filter.load(text);
      ADD_FAILURE() << "nothing thrown for " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
    }
    EXPECT_EQ(filter.save(), good);
  };
  const auto corrupt = ErrorCode::kCorruptData;
  expect_error("{", "[", corrupt, "JSON object");
  expect_error("\"format\":1", "\"format\":2", ErrorCode::kFailedPrecondition, "format");
  expect_error("\"model\":\"test\"", "\"model\":\"other\"", ErrorCode::kFailedPrecondition, "version test");
  expect_error("\"round\":0", "\"round\":-1", corrupt, "round");
  expect_error("\"round\":0", "\"round\":18446744073709551615", corrupt, "round");
  expect_error("\"num_dropped\":0", "\"num_dropped\":0.5", corrupt, "num_dropped");
  expect_error("\"num_unanswered\"", "\"other\"", corrupt, "num_unanswered is missing");
  expect_error("\"p\":[", "\"p\":[0.1,", corrupt, "p: expected a list of 2, found 3");
  expect_error("\"dt\":1.0", "\"dt\":0", corrupt, "time above 0");
  expect_error("\"dt\":1.0", "\"dt\":0.5", corrupt, "whole rounds");
  expect_error("\"answers\":0", "\"answers\":-3", corrupt, "answers");
  expect_error("\"log_likelihood\":[0.0,0.0]", "\"log_likelihood\":[0.0]", corrupt, "log_likelihood");
  expect_error("\"log_likelihood\":[0.0,0.0]", "\"log_likelihood\":[0.0,\"x\"]", corrupt, "log_likelihood");
  expect_error("\"rounds\":[", "\"rounds\":[],\"x\":[", corrupt, "rounds");
}

}  // namespace
}  // namespace attune::people
