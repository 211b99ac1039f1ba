// The decoupled belief: the exact filter where nothing is unknown, near enumeration on short histories, saving, and bad input.
#include "people/bandits/decoupled_belief.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "core/error.h"
#include "tests/people/bandits/enumerated_posterior.h"

namespace attune::people {
namespace {

TEST(DecoupledBelief, IsTheExactFilterForKnownParameters) {
  for (const Problem& problem : all_problems()) {
    Problem p = certain(problem);
    p.prior = {};
    double expected = 0;
    const auto filter = plain_filter(p.model, p.steps, expected);
    DecoupledBelief belief(uncertain(p));
    EXPECT_NEAR(run_belief(belief, p.steps), expected, 1e-12) << p.name;
    for (size_t z = 0; z < 2; ++z) EXPECT_NEAR(belief.p()[z], filter[z], 1e-12) << p.name;
  }
}

TEST(DecoupledBelief, IsTheExactFilterForPriorsOfVanishingVariance) {
  for (const Problem& problem : all_problems()) {
    const Problem p = certain(problem);
    double expected = 0;
    const auto filter = plain_filter(p.model, p.steps, expected);
    DecoupledBelief belief(uncertain(p));
    EXPECT_NEAR(run_belief(belief, p.steps), expected, 1e-9) << p.name;
    for (size_t z = 0; z < 2; ++z) EXPECT_NEAR(belief.p()[z], filter[z], 1e-9) << p.name;
  }
}

TEST(DecoupledBelief, IsExactForOneRoundAndNearForSix) {
  for (Problem p : all_problems()) {
    const EnumeratedPosterior six = enumerate(p.model, p.prior, p.steps);
    DecoupledBelief belief(uncertain(p));
    run_belief(belief, p.steps);
    EXPECT_LT(total_variation(*belief.marginals(), six.next), 0.1) << p.name;
    p.steps.resize(1);
    const EnumeratedPosterior one = enumerate(p.model, p.prior, p.steps);
    belief.reset();
    EXPECT_NEAR(run_belief(belief, p.steps), one.log_evidence, 1e-10) << p.name;
    EXPECT_LT(total_variation(*belief.marginals(), one.next), 1e-10) << p.name;
  }
}

TEST(DecoupledBelief, LearnsTheMeansAndTheTransitionOfALongHistory) {
  Problem p = gaussian_problem();
  p.prior.mean = {0.3, 0.7, 0.7, 0.3};
  p.prior.variance = {0.05, 0.05, 0.05, 0.05};
  p.prior.transition_alpha = {1, 1, 1, 1};
  p.model.noise_sd = 0.2;
  const std::vector<double> truth = {0.1, 1.0, 0.9, 0.2};
  DecoupledBelief belief(uncertain(p));
  Rng rng(1, "long");
  size_t z = 0;
  for (int t = 0; t < 5000; ++t) {
    const auto arm = static_cast<int32_t>(rng.below(2));
    Observation seen;
    seen.action = arm;
    seen.reward = truth[static_cast<size_t>(arm) * 2 + z] + 0.2 * rng.normal();
    belief.update(seen);
    belief.predict(1);
    z = rng.uniform() < 0.1 ? 1 - z : z;
  }
  const auto phi = belief.mean_transition();
  EXPECT_NEAR(phi[0], 0.9, 0.03);
  EXPECT_NEAR(phi[3], 0.9, 0.03);
  Round round;
  round.num_actions = 2;
  LatentDraw draw;
  std::vector<double> sum(4), count(2);
  for (int i = 0; i < 4000; ++i) {
    belief.draw(round, rng, draw);
    const auto s = static_cast<size_t>(draw.state);
    ++count[s];
    EXPECT_EQ(draw.phi.size(), 2u);
    for (size_t a = 0; a < 2; ++a) sum[a * 2 + s] += draw.means[a];
  }
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(sum[i], truth[i] * count[i % 2], 0.05 * count[i % 2]) << i;
  }
}

TEST(DecoupledBelief, MeanRewardsAreTheMeanOfDraws) {
  for (const Problem& p : all_problems()) {
    DecoupledBelief belief(uncertain(p));
    run_belief(belief, p.steps);
    const std::vector<double> x = {0.4, -1, 1, 0.5};
    Round round;
    round.num_actions = 2;
    if (p.name == "linear") round.features = x;
    std::vector<double> mean(2), found(2);
    belief.mean_rewards(round, mean);
    Rng rng(2, p.name);
    LatentDraw draw;
    for (int i = 0; i < 100000; ++i) {
      belief.draw(round, rng, draw);
      for (size_t a = 0; a < 2; ++a) found[a] += draw.means[a] / 100000;
    }
    for (size_t a = 0; a < 2; ++a) EXPECT_NEAR(found[a], mean[a], 0.015) << p.name;
  }
}

TEST(DecoupledBelief, GapsMoveTheStateAndZeroChangesNothing) {
  const Problem p = gaussian_problem();
  DecoupledBelief belief(uncertain(p));
  const auto start = *belief.marginals();
  belief.predict(0);
  EXPECT_EQ(*belief.marginals(), start);
  belief.predict(3);
  std::vector<double> expected = start;
  const Transition mean = Transition::dense(2, belief.mean_transition());
  mean.apply(expected, 3);
  EXPECT_LT(total_variation(*belief.marginals(), expected), 1e-15);
  EXPECT_THROW(belief.predict(0.5), Error);
  EXPECT_THROW(belief.predict(-1), Error);
  EXPECT_THROW(belief.predict(std::numeric_limits<double>::quiet_NaN()), Error);
}

TEST(DecoupledBelief, OutsideLikelihoodsConditionTheStateAloneAndImpossibleOnesAreCounted) {
  const Problem p = gaussian_problem();
  DecoupledBelief belief(uncertain(p));
  const double never = -std::numeric_limits<double>::infinity();
  const auto before = *belief.marginals();
  Observation seen;
  const std::vector<double> nothing = {never, never};
  seen.log_likelihood = nothing;
  EXPECT_EQ(belief.update(seen), never);
  EXPECT_EQ(belief.num_impossible(), 1);
  EXPECT_EQ(*belief.marginals(), before);
  const std::vector<double> second = {-5000, -5000 + std::log(3.0)};
  seen.log_likelihood = second;
  EXPECT_NEAR(belief.update(seen), -5000 + std::log(0.6 + 0.4 * 3), 1e-9);
  EXPECT_NEAR((*belief.marginals())[1], 1.2 / 1.8, 1e-12);
}

TEST(DecoupledBelief, SavedAndLoadedItGoesOnBitForBit) {
  for (const Problem& p : all_problems()) {
    DecoupledBelief belief(uncertain(p));
    run_belief(belief, p.steps);
    DecoupledBelief other(uncertain(p));
    other.load(belief.save());
    EXPECT_EQ(other.save(), belief.save());
    const auto copy = belief.clone();
    EXPECT_EQ(run_belief(belief, p.steps), run_belief(other, p.steps));
    EXPECT_EQ(belief.save(), other.save()) << p.name;
    EXPECT_NE(copy->save(), belief.save()) << "a copy is independent";
  }
}

TEST(DecoupledBelief, RefusesDamagedDocumentsAndStaysAsItWas) {
  const Problem p = gaussian_problem();
  DecoupledBelief belief(uncertain(p));
  run_belief(belief, p.steps);
  const std::string good = belief.save();
  const auto refuse = [&](const std::string& from, const std::string& to, ErrorCode code) {
    std::string bad = good;
    const size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    bad.replace(at, from.size(), to);
    try {
      belief.load(bad);
      ADD_FAILURE() << from << " -> " << to;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
    }
    EXPECT_EQ(belief.save(), good);
  };
  refuse("\"format\":1", "\"format\":2", ErrorCode::kFailedPrecondition);
  refuse("\"model\":\"test\"", "\"model\":\"other\"", ErrorCode::kFailedPrecondition);
  refuse("\"decoupled\"", "\"particles\"", ErrorCode::kCorruptData);
  refuse("\"p\":[", "\"p\":[0.5,", ErrorCode::kCorruptData);
  refuse("\"p\":[", "\"q\":[", ErrorCode::kCorruptData);
  refuse("\"counts\":[", "\"counts\":[-1,", ErrorCode::kCorruptData);
  refuse("\"blocks\":[", "\"blocks\":[\"x\",", ErrorCode::kCorruptData);
  refuse("\"num_impossible\":0", "\"num_impossible\":-1", ErrorCode::kCorruptData);
  for (const char* bad : {"", "[]", "{", "{\"format\":1}"}) EXPECT_THROW(belief.load(bad), Error);
}

TEST(DecoupledBelief, RefusesBadObservations) {
  const Problem p = gaussian_problem();
  DecoupledBelief belief(uncertain(p));
  const std::string before = belief.save();
  const auto refuse = [&](Observation seen) {
    EXPECT_THROW(belief.update(seen), Error);
    EXPECT_EQ(belief.save(), before);
  };
  refuse({});
  Observation seen;
  seen.action = 2;
  refuse(seen);
  seen.action = 0;
  seen.reward = std::numeric_limits<double>::quiet_NaN();
  refuse(seen);
  const std::vector<double> three = {0, 0, 0};
  const std::vector<double> infinite = {0, std::numeric_limits<double>::infinity()};
  seen.log_likelihood = three;
  refuse(seen);
  seen.log_likelihood = infinite;
  refuse(seen);
  EXPECT_THROW(DecoupledBelief(nullptr), Error);
  std::vector<float> room(3);
  EXPECT_THROW(belief.features(room), Error);
}

}  // namespace
}  // namespace attune::people
