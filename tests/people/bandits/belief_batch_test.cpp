#include "people/bandits/belief_batch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "people/bandits/acting.h"
#include "tests/people/bandits/bandit_fixtures.h"
#include "tests/temp_folder.h"

namespace attune::people {
namespace {

using testing::draw_reward;
using testing::linear_model;
using testing::share;
using testing::table_model;

struct Rounds {
  std::vector<int64_t> users;
  std::vector<int32_t> arms;
  std::vector<float> features;
  std::vector<float> rewards;

  BatchFeedback feedback() const { return {users, arms, features, rewards}; }
};

/// A round of each of `n` distinct users of a batch of `num_users`, in shuffled order.
Rounds draw_rounds(const LatentModel& model, int64_t num_users, size_t n, Rng& rng) {
  Rounds out;
  std::vector<int64_t> order(static_cast<size_t>(num_users));
  std::iota(order.begin(), order.end(), int64_t{0});
  shuffle(order, rng);
  out.users.assign(order.begin(), order.begin() + static_cast<ptrdiff_t>(n));
  for (size_t i = 0; i < n; ++i) {
    const int32_t arm = model.by_features() ? -1 : static_cast<int32_t>(rng.below(static_cast<uint64_t>(model.num_arms)));
    if (arm >= 0) out.arms.push_back(arm);
    std::vector<double> x;
    for (int32_t k = 0; k < model.d; ++k) x.push_back(static_cast<float>(0.5 * rng.normal()));
    out.features.insert(out.features.end(), x.begin(), x.end());
    const auto z = static_cast<int32_t>(rng.below(static_cast<uint64_t>(model.num_states)));
    out.rewards.push_back(static_cast<float>(draw_reward(model, arm, x, z, rng)));
  }
  return out;
}

/// Runs a batch and one ExactBelief a user side by side; the largest difference of a probability.
double worst_difference(LatentModel spec, double dt, int threads, int calls) {
  const auto model = share(std::move(spec));
  constexpr int64_t kUsers = 203;
  BeliefBatch batch(model, kUsers);
  std::vector<ExactBelief> scalar(kUsers, ExactBelief(model));
  ThreadPool pool(threads);
  Rng rng(7);
  double worst = 0;
  for (int call = 0; call < calls; ++call) {
    const Rounds rounds = draw_rounds(*model, kUsers, call % 3 == 0 ? kUsers : 57, rng);
    std::vector<float> log_evidence(rounds.users.size());
    batch.update(rounds.feedback(), dt, pool, log_evidence);
    for (size_t i = 0; i < rounds.users.size(); ++i) {
      ExactBelief& belief = scalar[static_cast<size_t>(rounds.users[i])];
      const auto d = static_cast<size_t>(model->d);
      const std::vector<double> x(rounds.features.begin() + static_cast<ptrdiff_t>(i * d),
                                  rounds.features.begin() + static_cast<ptrdiff_t>((i + 1) * d));
      const double expected = belief.update({model->by_features() ? -1 : rounds.arms[i], x, rounds.rewards[i], {}});
      belief.predict(dt);
      EXPECT_NEAR(log_evidence[i], expected, 2e-5 * std::max(1.0, std::abs(expected)));
    }
    for (int64_t user = 0; user < kUsers; ++user) {
      for (size_t z = 0; z < static_cast<size_t>(model->num_states); ++z) {
        worst = std::max(worst, std::abs(static_cast<double>(batch.p(user)[z]) - scalar[static_cast<size_t>(user)].p()[z]));
      }
    }
  }
  return worst;
}

TEST(BeliefBatchTest, EqualsTheScalarFilter) {
  for (const RewardKind kind : {RewardKind::kGaussian, RewardKind::kBernoulli, RewardKind::kCategorical}) {
    for (const int32_t z : {1, 2, 5, 13}) {
      EXPECT_LT(worst_difference(table_model(kind, z, 20), 1, 2, 12), 1e-6) << reward_kind_name(kind) << " " << z;
    }
  }
  EXPECT_LT(worst_difference(linear_model(RewardKind::kGaussian, 5, 10), 1, 2, 12), 1e-6);
  EXPECT_LT(worst_difference(linear_model(RewardKind::kBernoulli, 5, 3), 1, 1, 12), 1e-6);
}

TEST(BeliefBatchTest, EqualsTheScalarFilterOverManyRoundsAndGaps) {
  LatentModel sticky = table_model(RewardKind::kGaussian, 5, 20);
  sticky.transition = Transition::sticky(0.02, {0.1, 0.2, 0.3, 0.2, 0.2});
  EXPECT_LT(worst_difference(sticky, 1, 1, 300), 1e-6);
  EXPECT_LT(worst_difference(sticky, 2.5, 1, 30), 1e-6);
  EXPECT_LT(worst_difference(table_model(RewardKind::kGaussian, 5, 20), 3, 1, 30), 1e-6);
  EXPECT_LT(worst_difference(table_model(RewardKind::kBernoulli, 5, 20), 0, 1, 20), 1e-6);
}

TEST(BeliefBatchTest, ResultsDoNotDependOnThreads) {
  const auto model = share(table_model(RewardKind::kGaussian, 5, 20));
  std::vector<std::vector<float>> found;
  for (const int threads : {1, 3}) {
    constexpr int64_t kUsers = 20000;  // several chunks
    ThreadPool pool(threads);
    BeliefBatch batch(model, kUsers);
    Rng rng(3);
    std::vector<int32_t> action(kUsers);
    std::vector<float> propensity(kUsers);
    for (int call = 0; call < 3; ++call) {
      batch.decide({}, {20, {}, {}, {}}, BatchRule::kThompson, rng, pool, action, propensity);
      Rounds rounds = draw_rounds(*model, kUsers, kUsers, rng);
      rounds.users.clear();
      rounds.arms.assign(action.begin(), action.end());
      batch.update(rounds.feedback(), 1, pool);
    }
    batch.predict(2, pool);
    auto& out = found.emplace_back(propensity);
    for (int64_t user = 0; user < kUsers; ++user) out.insert(out.end(), batch.p(user).begin(), batch.p(user).end());
  }
  EXPECT_EQ(found[0], found[1]);
}

TEST(BeliefBatchTest, PredictMovesEveryoneAsTheScalarFilter) {
  for (const bool sticky : {false, true}) {
    LatentModel spec = table_model(RewardKind::kGaussian, 3, 4);
    if (sticky) spec.transition = Transition::sticky(0.3, {0.2, 0.2, 0.6});
    const auto model = share(spec);
    BeliefBatch batch(model, 33);
    ThreadPool pool(1);
    batch.set(4, std::vector<float>{0.5f, 0.25f, 0.25f});
    batch.predict(4, pool);
    std::vector<double> a(model->initial);
    std::vector<double> b = {0.5, 0.25, 0.25};
    model->transition.apply(a, 4);
    model->transition.apply(b, 4);
    for (size_t z = 0; z < 3; ++z) {
      EXPECT_NEAR(batch.p(4)[z], b[z], 3e-7);
      EXPECT_NEAR(batch.p(32)[z], a[z], 3e-7);
    }
    batch.reset(4);
    EXPECT_EQ(batch.p(4)[0], static_cast<float>(model->initial[0]));
    EXPECT_EQ(batch.num_impossible(), 0);
  }
}

TEST(BeliefBatchTest, ImpossibleRoundsKeepTheBelief) {
  LatentModel spec = table_model(RewardKind::kBernoulli, 2, 1);
  spec.mean = {0, 0};
  const auto model = share(spec);
  BeliefBatch batch(model, 3);
  ThreadPool pool(1);
  std::vector<float> log_evidence(3);
  batch.update({{}, std::vector<int32_t>{0, 0, 0}, {}, std::vector<float>{1, 0, 1}}, 0, pool, log_evidence);
  EXPECT_EQ(batch.num_impossible(), 2);
  EXPECT_EQ(log_evidence[0], -std::numeric_limits<float>::infinity());
  EXPECT_NEAR(log_evidence[1], 0, 1e-6);
  for (int64_t user = 0; user < 3; ++user) EXPECT_NEAR(batch.p(user)[0], model->initial[0], 1e-7);
}

/// decide() of a batch against the rules of acting.h for each user.
void expect_decisions(const std::shared_ptr<const LatentModel>& model, const BatchCandidates& c, bool per_user, uint64_t seed) {
  constexpr int64_t kUsers = 40;
  BeliefBatch batch(model, kUsers);
  ThreadPool pool(2);
  Rng rng(seed);
  for (int call = 0; call < 3; ++call) batch.update(draw_rounds(*model, kUsers, kUsers, rng).feedback(), 1, pool);
  std::vector<int64_t> users;
  for (int64_t i = 0; i < 25; ++i) users.push_back((i * 11 + 3) % kUsers);
  std::vector<int32_t> action(users.size());
  std::vector<float> propensity(users.size());
  const auto actions = static_cast<size_t>(c.num_actions);
  for (const BatchRule rule : {BatchRule::kThompson, BatchRule::kGreedy}) {
    Rng draws(seed + 1);
    draws.seek(5);
    batch.decide(users, c, rule, draws, pool, action, propensity);
    EXPECT_EQ(draws.position(), 5 + users.size());
    for (size_t i = 0; i < users.size(); ++i) {
      const size_t at = per_user ? i : 0;
      Round round;
      round.num_actions = c.num_actions;
      if (!c.arms.empty()) round.arms = c.arms.subspan(at * actions, actions);
      std::vector<double> x;
      if (!c.features.empty()) {
        const auto row = c.features.subspan(at * actions * static_cast<size_t>(model->d), actions * static_cast<size_t>(model->d));
        x.assign(row.begin(), row.end());
        round.features = x;
      }
      if (!c.available.empty()) round.available = c.available.subspan(at * actions, actions);
      std::vector<double> means;
      action_means(*model, round, means);
      const std::vector<double> p(batch.p(users[i]).begin(), batch.p(users[i]).end());
      if (rule == BatchRule::kGreedy) {
        EXPECT_EQ(action[i], act_greedy(p, means, round.available).action);
        EXPECT_EQ(propensity[i], 1);
        continue;
      }
      Rng own(seed + 1);
      own.seek(5 + i);
      const Choice choice = act_thompson(p, means, round.available, own);
      EXPECT_EQ(action[i], choice.action);
      EXPECT_NEAR(propensity[i], choice.propensity, 1e-6);
    }
  }
}

TEST(BeliefBatchTest, DecidesAsTheScalarRules) {
  const auto table = share(table_model(RewardKind::kGaussian, 5, 30));
  const auto linear = share(linear_model(RewardKind::kBernoulli, 5, 4));
  Rng rng(2);
  std::vector<int32_t> arms(25 * 8);
  std::vector<uint8_t> available(25 * 8);
  std::vector<float> features(25 * 8 * 4);
  for (int32_t& x : arms) x = static_cast<int32_t>(rng.below(30));
  for (float& x : features) x = static_cast<float>(rng.normal() * 0.3);
  for (size_t i = 0; i < available.size(); ++i) available[i] = i % 8 == 2 || rng.uniform() < 0.5;
  const auto shared_arms = std::span(arms).first(8);
  const auto shared_mask = std::span(available).first(8);
  const auto shared_features = std::span(features).first(32);
  expect_decisions(table, {30, {}, {}, {}}, false, 1);
  expect_decisions(table, {8, shared_arms, {}, shared_mask}, false, 2);
  expect_decisions(table, {8, arms, {}, {}}, true, 3);
  expect_decisions(table, {8, arms, {}, available}, true, 4);
  expect_decisions(linear, {8, {}, shared_features, {}}, false, 5);
  expect_decisions(linear, {8, {}, features, {}}, true, 6);
  expect_decisions(linear, {8, {}, features, available}, true, 7);
}

TEST(BeliefBatchTest, PropensitiesAreThoseOfTheDraws) {
  const auto model = share(table_model(RewardKind::kGaussian, 5, 12));
  constexpr int64_t kUsers = 100000;
  BeliefBatch batch(model, kUsers);
  ThreadPool pool(1);
  Rng rng(4);
  std::vector<int32_t> action(kUsers);
  std::vector<float> propensity(kUsers);
  batch.decide({}, {12, {}, {}, {}}, BatchRule::kThompson, rng, pool, action, propensity);
  std::vector<double> count(12, 0.0);
  std::vector<double> exact(12, 0.0);
  for (size_t i = 0; i < action.size(); ++i) {
    count[static_cast<size_t>(action[i])] += 1.0 / kUsers;
    exact[static_cast<size_t>(action[i])] = propensity[i];
  }
  EXPECT_NEAR(std::accumulate(exact.begin(), exact.end(), 0.0), 1, 1e-6);
  for (size_t a = 0; a < 12; ++a) EXPECT_NEAR(count[a], exact[a], 4.5 * std::sqrt(exact[a] * (1 - exact[a]) / kUsers) + 1e-9);
}

TEST(BeliefBatchTest, AMillionUsersInOneBatch) {
  const auto model = share(table_model(RewardKind::kGaussian, 5, 20));
  constexpr int64_t kUsers = 1000000;
  BeliefBatch batch(model, kUsers);
  EXPECT_EQ(batch.bytes(), 20 * kUsers);
  ThreadPool pool(2);
  std::vector<int32_t> arms(kUsers);
  std::vector<float> rewards(kUsers);
  for (size_t i = 0; i < arms.size(); ++i) {
    arms[i] = static_cast<int32_t>(i % 20);
    rewards[i] = static_cast<float>(i % 7) * 0.25f;
  }
  batch.update({{}, arms, {}, rewards}, 1, pool);
  for (const int64_t user : {int64_t{0}, int64_t{140}, kUsers - 1}) {
    ExactBelief belief(model);
    belief.update({arms[static_cast<size_t>(user)], {}, rewards[static_cast<size_t>(user)], {}});
    belief.predict(1);
    for (size_t z = 0; z < 5; ++z) EXPECT_NEAR(batch.p(user)[z], belief.p()[z], 1e-6);
  }
}

TEST(BeliefBatchFileTest, SaveAndLoadContinueBitForBit) {
  const test::TempFolder folder("belief-batch");
  const Path path = folder.path() / "beliefs.bin";
  const auto model = share(table_model(RewardKind::kGaussian, 5, 20));
  BeliefBatch batch(model, 500);
  ThreadPool pool(1);
  Rng rng(4);
  for (int call = 0; call < 5; ++call) batch.update(draw_rounds(*model, 500, 300, rng).feedback(), 1, pool);
  batch.save(path);
  BeliefBatch loaded(model, 3);
  loaded.load(path);
  ASSERT_EQ(loaded.num_users(), 500);
  const Rounds more = draw_rounds(*model, 500, 400, rng);
  batch.update(more.feedback(), 1, pool);
  loaded.update(more.feedback(), 1, pool);
  for (int64_t user = 0; user < 500; ++user) {
    EXPECT_TRUE(std::equal(batch.p(user).begin(), batch.p(user).end(), loaded.p(user).begin())) << user;
  }
}

TEST(BeliefBatchFileTest, RefusesBadFiles) {
  const test::TempFolder folder("belief-batch");
  const Path path = folder.path() / "beliefs.bin";
  const auto model = share(table_model(RewardKind::kGaussian, 2, 3));
  BeliefBatch(model, 4).save(path);
  const std::string good = read_file(path);
  ASSERT_EQ(good.size(), 64u + 4 * 2 * 4);
  BeliefBatch batch(model, 1);
  const auto expect_error = [&](std::string bytes, ErrorCode code, const char* part) {
    write_file_atomic(path, bytes);
    try {
      batch.load(path);
      ADD_FAILURE() << "nothing thrown, expected " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(error.message().find(part), std::string::npos) << error.what();
    }
    EXPECT_EQ(batch.num_users(), 1);
  };
  const auto with = [&](size_t at, auto value) {
    std::string out = good;
    std::memcpy(out.data() + at, &value, sizeof value);
    return out;
  };
  const auto corrupt = ErrorCode::kCorruptData;
  expect_error("", corrupt, "header of 64 bytes");
  expect_error(good.substr(0, 63), corrupt, "header of 64 bytes");
  expect_error(with(0, 'X'), corrupt, "another kind");
  expect_error(with(7, '2'), ErrorCode::kFailedPrecondition, "version 01");
  expect_error(with(8, uint64_t{1}), ErrorCode::kFailedPrecondition, "model test");
  expect_error(with(16, int64_t{-1}), corrupt, "counts of at least 0");
  expect_error(with(16, int64_t{5}), corrupt, "expected 40 bytes of beliefs, found 32");
  expect_error(with(16, std::numeric_limits<int64_t>::max()), corrupt, "does not fit");
  expect_error(with(24, int64_t{3}), ErrorCode::kFailedPrecondition, "expected 2 states, found 3");
  expect_error(with(32, int64_t{-1}), corrupt, "counts of at least 0");
  expect_error(with(64, 0.25f), corrupt, "hash");
  expect_error(good.substr(0, good.size() - 1), corrupt, "bytes of beliefs");
  expect_error(good + "x", corrupt, "bytes of beliefs");
  std::string skewed = with(64, 0.9f);  // a right hash over a row that is no distribution
  const uint64_t hash = fnv1a(std::string_view(skewed).substr(64));
  std::memcpy(skewed.data() + 40, &hash, sizeof hash);
  expect_error(skewed, corrupt, "user 0");
  std::filesystem::remove(path);
  EXPECT_THROW(batch.load(path), Error);
}

TEST(BeliefBatchTest, RefusesBadCallsAndStays) {
  const auto table = share(table_model(RewardKind::kGaussian, 2, 3));
  const auto bernoulli = share(table_model(RewardKind::kBernoulli, 2, 3));
  const auto categorical = share(table_model(RewardKind::kCategorical, 2, 3));
  const auto linear = share(linear_model(RewardKind::kGaussian, 2, 2));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ThreadPool pool(1);
  const auto says = [&](const std::shared_ptr<const LatentModel>& model, const Rounds& rounds, double dt = 1, size_t room = 0) {
    BeliefBatch batch(model, 4);
    std::vector<float> log_evidence(room);
    std::string out = "nothing thrown";
    try {
      batch.update(rounds.feedback(), dt, pool, log_evidence);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
      out = error.message();
      for (int64_t user = 0; user < 4; ++user) EXPECT_EQ(batch.p(user)[0], static_cast<float>(model->initial[0]));
    }
    return out;
  };
  const auto contains = [](const std::string& text, const char* part) { EXPECT_NE(text.find(part), std::string::npos) << text; };
  EXPECT_EQ(says(table, {{3, 1}, {0, 1}, {}, {0, 1}}), "nothing thrown");
  EXPECT_EQ(says(table, {{}, {}, {}, {}}), "nothing thrown");
  contains(says(table, {{0, 4}, {0, 1}, {}, {0, 1}}), "users below 4, found 4");
  contains(says(table, {{0, -1}, {0, 1}, {}, {0, 1}}), "users below 4, found -1");
  contains(says(table, {{2, 2}, {0, 1}, {}, {0, 1}}), "user 2 stands twice");
  contains(says(table, {{3, 1, 3}, {0, 1, 0}, {}, {0, 1, 0}}), "user 3 stands twice");
  contains(says(table, {{0}, {0, 1}, {}, {0, 1}}), "expected 2 users, found 1");
  contains(says(table, {{}, std::vector<int32_t>(5, 0), {}, std::vector<float>(5, 0.0f)}), "at most 4 rewards, found 5");
  contains(says(table, {{0, 1}, {0}, {}, {0, 1}}), "expected 2 arms, found 1");
  contains(says(table, {{0, 1}, {0, 3}, {}, {0, 1}}), "round 1: unknown arm 3");
  contains(says(table, {{0, 1}, {0, -1}, {}, {0, 1}}), "unknown arm -1");
  contains(says(table, {{0, 1}, {0, 1}, {}, {0, nan}}), "round 1: expected a finite reward");
  contains(says(bernoulli, {{0, 1}, {0, 1}, {}, {1, 0.5f}}), "reward of 0 or 1, found 0.5");
  contains(says(categorical, {{0, 1}, {0, 1}, {}, {1, 3}}), "one of the 4 levels, found 3");
  contains(says(linear, {{0}, {}, {1, 2, 3}, {1}}), "features [1, 2], found 3");
  contains(says(linear, {{0}, {}, {1, nan}, {1}}), "finite features");
  contains(says(table, {{0}, {0}, {}, {0}}, -1), "at least 0 rounds");
  contains(says(table, {{0}, {0}, {}, {0}}, 0.5), "whole rounds");
  contains(says(table, {{0}, {0}, {}, {0}}, 1, 2), "room for 1 log evidences, found 2");
  EXPECT_THROW(BeliefBatch(nullptr, 1), Error);
  EXPECT_THROW(BeliefBatch(table, -1), Error);
  BeliefBatch batch(table, 2);
  EXPECT_THROW(batch.set(2, std::vector<float>{0.5f, 0.5f}), Error);
  EXPECT_THROW(batch.set(0, std::vector<float>{0.5f, 0.6f}), Error);
  EXPECT_THROW(batch.set(0, std::vector<float>{1}), Error);
  EXPECT_THROW(batch.set(0, std::vector<float>{nan, 1}), Error);
}

TEST(BeliefBatchTest, RefusesBadCandidates) {
  const auto table = share(table_model(RewardKind::kGaussian, 2, 3));
  const auto linear = share(linear_model(RewardKind::kGaussian, 2, 2));
  ThreadPool pool(1);
  const auto says = [&](const std::shared_ptr<const LatentModel>& model, const BatchCandidates& c, std::vector<int64_t> users = {0, 1},
                        size_t room = 2) {
    BeliefBatch batch(model, 4);
    Rng rng(1);
    std::vector<int32_t> action(2);
    std::vector<float> propensity(room);
    try {
      batch.decide(users, c, BatchRule::kThompson, rng, pool, action, propensity);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.message();
    }
    return std::string("nothing thrown");
  };
  const auto contains = [](const std::string& text, const char* part) { EXPECT_NE(text.find(part), std::string::npos) << text; };
  const std::vector<int32_t> three = {0, 1, 2};
  const std::vector<int32_t> unknown = {0, 3};
  const std::vector<uint8_t> second_has_none = {1, 0, 0, 0};
  const std::vector<uint8_t> none = {0, 0};
  const std::vector<float> x = {1, 2, 3, 1 / 0.0f};
  EXPECT_EQ(says(table, {2, {}, {}, {}}), "nothing thrown");
  contains(says(table, {0, {}, {}, {}}), "at least 1 action, found 0");
  contains(says(table, {-2, {}, {}, {}}), "at least 1 action, found -2");
  contains(says(table, {4, {}, {}, {}}), "at most 3 actions, found 4");
  contains(says(table, {2, three, {}, {}}), "expected 2 arms for all users or 4, found 3");
  contains(says(table, {2, unknown, {}, {}}), "unknown arm 3");
  contains(says(table, {2, {}, {}, second_has_none}), "no action is available to user 1");
  contains(says(table, {2, {}, {}, none}), "no action is available to user 0");
  contains(says(linear, {2, {}, {}, {}}), "expected features of the candidates");
  contains(says(linear, {2, {}, std::span(x).first(3), {}}), "expected 4 features for all users or 8, found 3");
  contains(says(linear, {2, {}, x, {}}), "finite features");
  contains(says(table, {2, {}, {}, {}}, {0, 4}), "users below 4, found 4");
  contains(says(table, {2, {}, {}, {}}, {0}), "expected 2 users, found 1");
  contains(says(table, {2, {}, {}, {}}, {0, 1}, 3), "room for 2 propensities, found 3");
}

}  // namespace
}  // namespace attune::people
