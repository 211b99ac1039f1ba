// Redraws of the particle belief by forward filtering and backward sampling: against enumeration with all integrals, after planted collapses,
// saving, determinism, and bad input.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "core/error.h"
#include "people/bandits/draws.h"
#include "people/bandits/particle_belief.h"
#include "tests/people/bandits/enumerated_posterior.h"

namespace attune::people {
namespace {

constexpr int32_t kMany = 20000;

ParticleOptions redrawn(int32_t n, int32_t history, double redraw_below, int32_t sweeps = 5, uint64_t seed = 1) {
  ParticleOptions out;
  out.num_particles = n;
  out.history = history;
  out.redraw_below = redraw_below;
  out.redraw_sweeps = sweeps;
  out.seed = seed;
  return out;
}

std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(error_code_name(error.code()));
  }
  return "none";
}

TEST(ParticleRedraw, KeepsThePosteriorOfTheEnumeration) {
  for (const Problem& base : all_problems()) {
    for (const bool known_phi : {false, true}) {
      Problem p = base;
      if (known_phi) p.prior.transition_alpha.clear();
      const EnumeratedPosterior exact = enumerate(p.model, p.prior, p.steps);
      for (const int32_t history : {1, 3, 100}) {
        ParticleBelief belief(uncertain(p), redrawn(kMany, history, 1, 1));
        EXPECT_NEAR(run_belief(belief, p.steps), exact.log_evidence, 0.02) << p.name;
        EXPECT_LT(total_variation(*belief.marginals(), exact.next), 0.015) << p.name << history << known_phi;
        EXPECT_GE(belief.num_redrawn(), 5);
        // Where the rewards lie, expected over particles: the smoothed marginals of all rounds.
        if (p.name != "gaussian") continue;
        std::vector<double> found(4), expected(4);
        for (int32_t i = 0; i < kMany; ++i) {
          for (size_t cell = 0; cell < 4; ++cell)
            found[cell] += belief.weights()[static_cast<size_t>(i)] * belief.statistics(i, cell / 2)[cell % 2 * 2];
        }
        for (size_t t = 0; t < p.steps.size(); ++t) {
          for (size_t z = 0; z < 2; ++z) expected[static_cast<size_t>(p.steps[t].arm) * 2 + z] += exact.smoothed[t][z];
        }
        for (size_t cell = 0; cell < 4; ++cell) EXPECT_NEAR(found[cell], expected[cell], 0.04) << history << known_phi;
      }
    }
  }
}

TEST(ParticleRedraw, LinearInformationIsThatOfAllRewardsAfterManyRedraws) {
  const Problem p = linear_problem();
  for (const int32_t history : {5, 1000}) {
    ParticleBelief belief(uncertain(p), redrawn(10, history, 1, 1));
    Rng rng(7, "linear");
    double xx = 0;
    for (int t = 0; t < 400; ++t) {
      const std::vector<double> x = {rng.normal(), rng.normal()};
      xx += x[0] * x[0];
      Observation seen;
      seen.features = x;
      seen.reward = rng.normal();
      belief.update(seen);
      belief.predict(1);
    }
    EXPECT_GE(belief.num_redrawn(), 100);
    const UncertainModel& u = *belief.uncertain();
    double expected = xx / (p.model.noise_sd * p.model.noise_sd);
    std::vector<double> block(u.block_size());
    for (size_t z = 0; z < 2; ++z) {
      u.prior_block(z, block);
      expected += block[0] * block[0];
    }
    for (int32_t i = 0; i < 10; ++i) {
      const double found = std::pow(belief.statistics(i, 0)[0], 2) + std::pow(belief.statistics(i, 1)[0], 2);
      EXPECT_NEAR(found, expected, 1e-9 * expected) << history;
    }
  }
}

TEST(ParticleRedraw, EveryParticleHoldsEveryRewardOnce) {
  const Problem p = gaussian_problem();
  for (const int32_t history : {1, 7, 500}) {
    ParticleBelief belief(uncertain(p), redrawn(20, history, 1, 2));
    Rng rng(5, "leak");
    for (int t = 1; t <= 100; ++t) {
      Observation seen;
      seen.action = static_cast<int32_t>(rng.below(2));
      seen.reward = rng.normal();
      belief.update(seen);
      if (t % 10 == 0) belief.predict(3);
      belief.predict(1);
      ASSERT_LE(belief.num_stored_blocks(), 2u + 40u);
      for (int32_t i = 0; i < 20; ++i) {
        double rewards = 0;
        for (size_t arm = 0; arm < 2; ++arm) rewards += belief.statistics(i, arm)[0] + belief.statistics(i, arm)[2];
        ASSERT_EQ(rewards, t);
      }
    }
    ParticleBelief other(uncertain(p), redrawn(20, history, 1, 2));
    other.load(belief.save());  // which checks that the moves of the window were counted
    EXPECT_EQ(other.save(), belief.save());
  }
}

/// Ten rounds that both states explain alike, then a reward that only state 1 gives, where few particles are: the weights collapse onto them.
/// The first reward is the only one of arm 2, so its share of state 1 is P(z_1 = 1 | all): as likely from the start as by a late move.
Problem planted_collapse() {
  Problem p{"collapse", two_state_model(RewardKind::kGaussian, 3, 0), {}, {}};
  p.model.initial = {0.985, 0.015};
  p.model.transition = Transition::dense(2, {0.9985, 0.0015, 0.0015, 0.9985});
  p.model.noise_sd = 0.5;
  p.prior.mean = {0, 0, 0, 6, 0, 0};
  p.prior.variance.assign(6, 0.3);
  p.steps.push_back({2, {}, 0.1});
  for (const double r : {0.1, -0.3, 0.4, 0.2, -0.2, 0.3, -0.1, 0.2, 0.1}) p.steps.push_back({0, {}, r});
  p.steps.push_back({1, {}, 6});
  return p;
}

struct Errors {
  double first = 0;  ///< |P(z_1 = 1) - exact|, mean over seeds
  double next = 0;  ///< total variation of the coming state, mean over seeds
  int redrawn = 0;  ///< seeds in which it happened
};

Errors errors_after(const Problem& p, ParticleOptions options) {
  const EnumeratedPosterior exact = enumerate(p.model, p.prior, p.steps);
  constexpr int kSeeds = 40;
  Errors out;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    options.seed = static_cast<uint64_t>(seed);
    ParticleBelief belief(uncertain(p), options);
    run_belief(belief, p.steps);
    double first = 0;
    for (int32_t i = 0; i < options.num_particles; ++i) first += belief.weights()[static_cast<size_t>(i)] * belief.statistics(i, 2)[2];
    out.first += std::abs(first - exact.smoothed[0][1]) / kSeeds;
    out.next += total_variation(*belief.marginals(), exact.next) / kSeeds;
    out.redrawn += belief.num_redrawn() > 0;
  }
  return out;
}

TEST(ParticleRedraw, APlantedCollapseIsRepaired) {
  const Problem p = planted_collapse();
  const Errors without = errors_after(p, redrawn(200, 0, 0.05));
  const Errors part = errors_after(p, redrawn(200, 6, 0.05));
  const Errors with = errors_after(p, redrawn(200, 100, 0.05));
  EXPECT_EQ(without.redrawn, 0);
  EXPECT_GE(with.redrawn, 35);
  EXPECT_GT(without.first, 0.12);
  EXPECT_LT(with.first, 0.08);
  EXPECT_GT(part.first, 0.12) << "what lies before the history is not redrawn";
  EXPECT_LT(with.next, 0.01);
  EXPECT_LT(part.next, 0.01);
}

TEST(ParticleRedraw, ARewardThatNoParticleExplainsIsExplainedByOtherPaths) {
  // States that never move, unknown arms; few particles, so that in some seeds none is in state 1 when it turns out to be the state.
  Problem p{"still", two_state_model(RewardKind::kGaussian, 1, 0), {}, {}};
  p.model.initial = {0.9, 0.1};
  p.model.transition = Transition::dense(2, {1, 0, 0, 1});
  p.prior.mean = {0, 0};
  p.prior.variance = {0.3, 0.3};
  for (const double r : {0.2, -0.1, 0.3}) p.steps.push_back({0, {}, r});
  const std::vector<double> only_one = {-std::numeric_limits<double>::infinity(), 0};
  int stuck = 0;
  for (const int32_t history : {0, 50}) {
    int failed = 0;
    int64_t redraws = 0;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      ParticleBelief belief(uncertain(p), redrawn(10, history, 0, 10, seed));
      run_belief(belief, p.steps);
      Observation seen;
      seen.log_likelihood = only_one;
      const double evidence = belief.update(seen);
      if (std::isfinite(evidence)) {
        EXPECT_EQ((*belief.marginals())[1], 1) << seed;
        EXPECT_EQ(belief.num_impossible(), 0);
      } else {
        ++failed;
        EXPECT_EQ(belief.num_impossible(), 1);
      }
      redraws += belief.num_redrawn();
    }
    if (history == 0) {
      stuck = failed;
      EXPECT_EQ(redraws, 0);
      EXPECT_GE(failed, 8);
    } else {
      EXPECT_EQ(redraws, stuck) << "only where it was needed";
      EXPECT_LE(failed, stuck * 2 / 3);
    }
  }
}

TEST(ParticleRedraw, WhatNoStateExplainsIsRefusedWithoutARedraw) {
  const Problem p = beta_problem();
  ParticleBelief belief(uncertain(p), redrawn(10, 50, 0));
  run_belief(belief, p.steps);
  const std::string before = belief.save();
  const double never = -std::numeric_limits<double>::infinity();
  const std::vector<double> nothing = {never, never};
  Observation seen;
  seen.log_likelihood = nothing;
  EXPECT_EQ(belief.update(seen), never);
  EXPECT_EQ(belief.num_redrawn(), 0);
  EXPECT_EQ(belief.num_impossible(), 1);
  belief.load(before);
  EXPECT_EQ(belief.save(), before);
}

TEST(ParticleRedraw, WithoutACollapseNothingChanges) {
  for (const Problem& p : all_problems()) {
    ParticleBelief off(uncertain(p), redrawn(60, 0, 1)), on(uncertain(p), redrawn(60, 100, 0));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(run_belief(off, p.steps), run_belief(on, p.steps)) << p.name;
    EXPECT_EQ(off.num_redrawn() + on.num_redrawn(), 0);
    for (size_t i = 0; i < 60; ++i) EXPECT_EQ(off.weights()[i], on.weights()[i]);
    EXPECT_EQ(*off.marginals(), *on.marginals());
    EXPECT_EQ(off.save().find("num_redrawn"), std::string::npos);
  }
}

TEST(ParticleRedraw, SavedAndLoadedItGoesOnBitForBit) {
  for (const Problem& base : all_problems()) {
    for (const bool known_phi : {false, true}) {
      Problem p = base;
      if (known_phi) p.prior.transition_alpha.clear();
      for (const int32_t history : {3, 50}) {
        const ParticleOptions options = redrawn(30, history, 1, 2);
        ParticleBelief belief(uncertain(p), options), again(uncertain(p), options), other(uncertain(p), options);
        EXPECT_EQ(run_belief(belief, p.steps), run_belief(again, p.steps));
        if (known_phi) belief.predict(2.0);
        EXPECT_GT(belief.num_redrawn(), 0);
        other.load(belief.save());
        EXPECT_EQ(other.num_redrawn(), belief.num_redrawn());
        const auto copy = belief.clone();
        const double evidence = run_belief(belief, p.steps);
        EXPECT_EQ(run_belief(other, p.steps), evidence) << p.name;
        EXPECT_EQ(run_belief(*copy, p.steps), evidence) << p.name;
        EXPECT_EQ(other.save(), belief.save());
        EXPECT_EQ(copy->save(), belief.save());
        EXPECT_EQ(other.num_redrawn(), belief.num_redrawn());
        belief.reset();
        EXPECT_EQ(belief.num_redrawn(), 0);
        EXPECT_EQ(belief.save(), ParticleBelief(uncertain(p), options).save());
      }
    }
  }
}

TEST(ParticleRedraw, RefusesDamagedCountersAndBadOptions) {
  const Problem p = gaussian_problem();
  ParticleBelief belief(uncertain(p), redrawn(3, 10, 1));
  run_belief(belief, p.steps);
  const std::string good = belief.save();
  const std::string field = cat("\"num_redrawn\":", belief.num_redrawn());
  for (const char* bad_field : {"\"num_redrawn\":-1", "\"num_redrawn\":\"x\"", "\"other\":1"}) {
    std::string bad = good;
    const size_t at = bad.find(field);
    ASSERT_NE(at, std::string::npos);
    bad.replace(at, field.size(), bad_field);
    EXPECT_EQ(refusal([&] { belief.load(bad); }), "corrupt_data") << bad_field;
    EXPECT_EQ(belief.save(), good);
  }
  const auto refused = [&](const ParticleOptions& options) { return refusal([&] { ParticleBelief(uncertain(p), options); }); };
  EXPECT_EQ(refused(redrawn(3, -1, 0.5)), "invalid_argument");
  EXPECT_EQ(refused(redrawn(3, 10001, 0.5)), "invalid_argument");
  EXPECT_EQ(refused(redrawn(3, 10, -0.1)), "invalid_argument");
  EXPECT_EQ(refused(redrawn(3, 10, 1.1)), "invalid_argument");
  EXPECT_EQ(refused(redrawn(3, 10, std::nan(""))), "invalid_argument");
  EXPECT_EQ(refused(redrawn(3, 10, 0.5, 0)), "invalid_argument");
  EXPECT_EQ(refused(redrawn(3, 10, 0.5, 1001)), "invalid_argument");
  EXPECT_EQ(refused(redrawn(1000000, 10000, 0.5)), "invalid_argument");
  EXPECT_EQ(refused(redrawn(3, 10, 0.5)), "none");
}

}  // namespace
}  // namespace attune::people
