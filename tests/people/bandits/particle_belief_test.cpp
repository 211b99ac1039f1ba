// The particle belief against enumeration with all integrals (10^5 particles), the exact filter for certain priors, expectations under
// resampling and rejuvenation, copy-on-write, saving, and bad input.
#include "people/bandits/particle_belief.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "people/bandits/draws.h"
#include "tests/people/bandits/enumerated_posterior.h"

namespace attune::people {
namespace {

constexpr int32_t kMany = 100000;

ParticleOptions particles(int32_t n, double resample_below = 0.5, int32_t rejuvenate = 20, uint64_t seed = 1) {
  ParticleOptions out;
  out.num_particles = n;
  out.resample_below = resample_below;
  out.rejuvenate = rejuvenate;
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

TEST(ParticleBelief, ManyParticlesAreTheEnumeration) {
  for (const Problem& p : all_problems()) {
    const EnumeratedPosterior exact = enumerate(p.model, p.prior, p.steps);
    // Never resampled; resampled at every round, so that every round is rejuvenated as well; and without rejuvenation.
    for (const auto& options : {particles(kMany, 0), particles(kMany, 1), particles(kMany, 1, 0), particles(kMany, 1, 2)}) {
      ParticleBelief belief(uncertain(p), options);
      EXPECT_NEAR(run_belief(belief, p.steps), exact.log_evidence, 0.01) << p.name;
      EXPECT_LT(total_variation(*belief.marginals(), exact.next), 0.01) << p.name << " " << options.resample_below;
      // The first round weighs all particles alike, as none has a state yet: rounding decides.
      EXPECT_GE(belief.num_resampled(), options.resample_below == 0 ? 0 : 5);
    }
  }
}

TEST(ParticleBelief, PosteriorMeansOfRewardsAreTheEnumeration) {
  for (const Problem& p : {gaussian_problem(), beta_problem()}) {
    const EnumeratedPosterior exact = enumerate(p.model, p.prior, p.steps);
    ParticleBelief belief(uncertain(p), particles(kMany));
    run_belief(belief, p.steps);
    Round round;
    round.num_actions = 2;
    std::vector<double> mean(2), drawn(2), by_state(4);
    belief.mean_rewards(round, mean);
    Rng rng(3, p.name);
    LatentDraw draw;
    constexpr int kDraws = 20000;
    for (int i = 0; i < kDraws; ++i) {
      belief.draw(round, rng, draw);
      for (size_t a = 0; a < 2; ++a) {
        drawn[a] += draw.means[a] / kDraws;
        by_state[a * 2 + static_cast<size_t>(draw.state)] += draw.means[a] / kDraws;
      }
    }
    for (size_t a = 0; a < 2; ++a) {
      EXPECT_NEAR(mean[a], exact.next_mean[a * 2] + exact.next_mean[a * 2 + 1], 0.01) << p.name;
      EXPECT_NEAR(drawn[a], mean[a], 0.015) << p.name;
      for (size_t s = 0; s < 2; ++s) EXPECT_NEAR(by_state[a * 2 + s], exact.next_mean[a * 2 + s], 0.02) << p.name;
    }
  }
}

TEST(ParticleBelief, GapsWithoutObservationsAreTheEnumeration) {
  // A gap of two rounds: the enumeration sees a round with a reward that says nothing (noise so large does not exist, so an arm of its own).
  Problem p = beta_problem();
  p.model.num_arms = 3;
  p.model.mean.assign(6, 0.5);
  p.prior.beta.insert(p.prior.beta.end(), {1e12, 1e12, 1e12, 1e12});
  std::vector<Step> with_blank = p.steps;
  with_blank.insert(with_blank.begin() + 3, Step{2, {}, 1});
  const EnumeratedPosterior exact = enumerate(p.model, p.prior, with_blank);
  for (const double share : {0.0, 1.0}) {
    ParticleBelief belief(uncertain(p), particles(kMany, share));
    for (size_t i = 0; i < p.steps.size(); ++i) {
      Observation seen;
      seen.action = p.steps[i].arm;
      seen.reward = p.steps[i].reward;
      belief.update(seen);
      if (i == 2) belief.predict(1);  // two calls are one gap
      belief.predict(1);
    }
    EXPECT_LT(total_variation(*belief.marginals(), exact.next), 0.01) << share;
  }
}

TEST(ParticleBelief, IsTheExactFilterForKnownParametersAndVanishingVariance) {
  for (const Problem& problem : all_problems()) {
    Problem p = certain(problem);
    for (const bool known : {false, true}) {
      if (known) p.prior = {};
      double expected = 0;
      const auto filter = plain_filter(p.model, p.steps, expected);
      for (const double share : {0.0, 1.0}) {
        ParticleBelief belief(uncertain(p), particles(kMany, share));
        EXPECT_NEAR(run_belief(belief, p.steps), expected, 0.01) << p.name;
        EXPECT_LT(total_variation(*belief.marginals(), filter), 0.01) << p.name << known << share;
      }
    }
  }
}

TEST(ParticleBelief, OneRoundIsExactWithFewParticles) {
  // Nothing is drawn before the first reward is weighed, so its evidence has no sampling error.
  for (Problem p : all_problems()) {
    p.steps.resize(1);
    ParticleBelief belief(uncertain(p), particles(7));
    EXPECT_NEAR(run_belief(belief, p.steps), enumerate(p.model, p.prior, p.steps).log_evidence, 1e-12) << p.name;
  }
}

TEST(ParticleBelief, FractionsOfRoundsAndTwoObservationsOfAState) {
  Problem p = gaussian_problem();
  p.prior = {};
  p.model.transition = Transition::sticky(0.3, {0.5, 0.5});
  ParticleBelief belief(uncertain(p), particles(kMany));
  std::vector<double> filter = p.model.initial;
  const std::vector<double> first = {-1, -2}, second = {-0.5, -0.1}, third = {-3, -0.5};
  const auto filter_update = [&](const std::vector<double>& l) {
    for (size_t z = 0; z < 2; ++z) filter[z] *= std::exp(l[z]);
    const double sum = filter[0] + filter[1];
    for (double& x : filter) x /= sum;
  };
  const auto update = [&](const std::vector<double>& l) {
    Observation seen;
    seen.log_likelihood = l;
    belief.update(seen);
    filter_update(l);
  };
  belief.predict(2);
  p.model.transition.apply(filter, 2);
  update(first);
  update(second);  // no time between
  belief.predict(0.5);
  belief.predict(0);
  belief.predict(2);
  p.model.transition.apply(filter, 2.5);
  update(third);
  EXPECT_LT(total_variation(*belief.marginals(), filter), 0.01);
  belief.predict(1);
  p.model.transition.apply(filter, 1);
  EXPECT_LT(total_variation(*belief.marginals(), filter), 0.01);
}

TEST(ParticleBelief, SystematicResamplingKeepsExpectations) {
  const std::vector<double> weights = {0.05, 0, 0.4, 0.25, 0.3, 0};
  std::vector<int32_t> counts(6);
  std::vector<double> mean(6);
  constexpr int kGrid = 10000;
  for (int i = 0; i < kGrid; ++i) {
    systematic_counts(weights, (i + 0.5) / kGrid, counts);
    int32_t sum = 0;
    for (size_t k = 0; k < 6; ++k) {
      EXPECT_LE(std::abs(counts[k] - 6 * weights[k]), 1);
      sum += counts[k];
      mean[k] += static_cast<double>(counts[k]) / kGrid;
    }
    EXPECT_EQ(sum, 6);
    EXPECT_EQ(counts[1] + counts[5], 0);
  }
  for (size_t k = 0; k < 6; ++k) EXPECT_NEAR(mean[k], 6 * weights[k], 1e-3);
  const std::vector<double> short_sum = {0.3, 0.3, 0.3999, 0};  // rounding must not reach the index without weight
  std::vector<int32_t> four(4);
  systematic_counts(short_sum, 0, four);
  EXPECT_EQ(four[3], 0);
  EXPECT_EQ(four[0] + four[1] + four[2], 4);
}

TEST(ParticleBelief, CopiesShareBlocksAndDoNotLeakIntoEachOther) {
  const Problem p = gaussian_problem();
  ParticleBelief belief(uncertain(p), particles(50, 1, 5));
  EXPECT_EQ(belief.num_stored_blocks(), 2u) << "the prior alone";
  Rng rng(5, "leak");
  for (int t = 1; t <= 300; ++t) {
    Observation seen;
    seen.action = static_cast<int32_t>(rng.below(2));
    seen.reward = rng.normal();
    belief.update(seen);
    belief.predict(1);
    EXPECT_LE(belief.num_stored_blocks(), 2u + 100u);
    for (int32_t i = 0; i < 50; ++i) {
      double rewards = 0;
      for (size_t arm = 0; arm < 2; ++arm) {
        const auto block = belief.statistics(i, arm);
        ASSERT_GE(block[0], 0);
        ASSERT_GE(block[2], 0);
        rewards += block[0] + block[2];
      }
      ASSERT_EQ(rewards, t) << "every particle holds every reward once";
    }
  }
}

TEST(ParticleBelief, AnArmThatWasNeverPlayedStandsAtItsPrior) {
  const Problem p = gaussian_problem();
  ParticleBelief belief(uncertain(p), particles(20, 1, 5));
  for (int t = 0; t < 40; ++t) {
    Observation seen;
    seen.action = 0;
    seen.reward = 0.1 * t;
    belief.update(seen);
    belief.predict(1);
  }
  for (int32_t i = 0; i < 20; ++i) {
    for (const double x : belief.statistics(i, 1)) EXPECT_EQ(x, 0);
  }
  Round round;
  round.num_actions = 1;
  const std::vector<int32_t> arms = {1};
  round.arms = arms;
  Rng rng(6, "arm");
  LatentDraw draw;
  std::vector<double> sum(2), square(2), count(2);
  for (int i = 0; i < 40000; ++i) {
    belief.draw(round, rng, draw);
    const auto s = static_cast<size_t>(draw.state);
    ++count[s];
    sum[s] += draw.means[0];
    square[s] += draw.means[0] * draw.means[0];
  }
  for (size_t s = 0; s < 2; ++s) {
    if (count[s] < 1000) continue;
    const double mean = sum[s] / count[s];
    EXPECT_NEAR(mean, p.prior.mean[2 + s], 0.05);
    EXPECT_NEAR(square[s] / count[s] - mean * mean, p.prior.variance[2 + s], 0.05);
  }
}

TEST(ParticleBelief, LinearStatisticsAreThoseOfTheStatesAfterManySweeps) {
  // Moving rewards between states by downdates must not lose digits: the sum of the information over states is known.
  const Problem p = linear_problem();
  ParticleBelief belief(uncertain(p), particles(20, 1, 20));
  Rng rng(7, "linear");
  double xx = 0;
  for (int t = 0; t < 2000; ++t) {
    const std::vector<double> x = {rng.normal(), rng.normal()};
    xx += x[0] * x[0];
    Observation seen;
    seen.features = x;
    seen.reward = rng.normal();
    belief.update(seen);
    belief.predict(1);
  }
  const UncertainModel& u = *belief.uncertain();
  double prior = 0;
  std::vector<double> block(u.block_size());
  for (size_t z = 0; z < 2; ++z) {
    u.prior_block(z, block);
    prior += block[0] * block[0];
  }
  const double expected = prior + xx / (p.model.noise_sd * p.model.noise_sd);
  for (int32_t i = 0; i < 20; ++i) {
    const double found = std::pow(belief.statistics(i, 0)[0], 2) + std::pow(belief.statistics(i, 1)[0], 2);
    EXPECT_NEAR(found, expected, 1e-9 * expected);
  }
}

TEST(ParticleBelief, ImpossibleObservationsAreCountedAndChangeNothing) {
  const Problem p = beta_problem();
  ParticleBelief belief(uncertain(p), particles(10));
  run_belief(belief, p.steps);
  const auto before = *belief.marginals();
  const double never = -std::numeric_limits<double>::infinity();
  const std::vector<double> nothing = {never, never};
  Observation seen;
  seen.log_likelihood = nothing;
  EXPECT_EQ(belief.update(seen), never);
  EXPECT_EQ(belief.num_impossible(), 1);
  EXPECT_EQ(*belief.marginals(), before);
  const std::vector<double> one = {never, -3000};
  seen.log_likelihood = one;
  EXPECT_LT(belief.update(seen), -3000 + 1e-9);
  EXPECT_EQ((*belief.marginals())[0], 0);
}

TEST(ParticleBelief, OutliersAndLongHistoriesStayFinite) {
  const Problem p = gaussian_problem();
  ParticleBelief belief(uncertain(p), particles(30));
  Rng rng(8, "outliers");
  for (int t = 0; t < 2000; ++t) {
    Observation seen;
    seen.action = static_cast<int32_t>(rng.below(2));
    seen.reward = t % 100 == 0 ? 1e9 : rng.normal();
    EXPECT_TRUE(std::isfinite(belief.update(seen)));
    belief.predict(1);
  }
  double sum = 0;
  const std::vector<double> marginals = *belief.marginals();
  for (const double x : marginals) sum += x;
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_GE(belief.num_effective(), 1);
}

TEST(ParticleBelief, SavedAndLoadedItGoesOnBitForBit) {
  for (const Problem& base : all_problems()) {
    for (const bool known_phi : {false, true}) {
      Problem p = base;
      if (known_phi) p.prior.transition_alpha.clear();
      for (const size_t rounds : {size_t{0}, size_t{2}, size_t{6}}) {
        ParticleBelief belief(uncertain(p), particles(40, 0.9, 4));
        run_belief(belief, {p.steps.begin(), p.steps.begin() + static_cast<ptrdiff_t>(rounds)});
        if (known_phi && rounds == 2) belief.predict(2);
        ParticleBelief other(uncertain(p), particles(40, 0.9, 4));
        other.load(belief.save());
        EXPECT_EQ(other.save(), belief.save());
        const auto copy = belief.clone();
        const std::string before = copy->save();
        const double evidence = run_belief(belief, p.steps);
        EXPECT_EQ(run_belief(other, p.steps), evidence);
        EXPECT_EQ(belief.save(), other.save()) << p.name;
        EXPECT_EQ(copy->save(), before) << "a copy is independent";
        EXPECT_EQ(run_belief(*copy, p.steps), evidence);
        EXPECT_EQ(copy->save(), belief.save());
      }
    }
  }
}

TEST(ParticleBelief, ACopyOutlivesItsOriginal) {
  const Problem p = linear_problem();
  std::unique_ptr<Belief> copy;
  {
    ParticleBelief belief(uncertain(p), particles(40, 1, 6));
    run_belief(belief, p.steps);
    copy = belief.clone();
  }
  EXPECT_TRUE(std::isfinite(run_belief(*copy, p.steps)));
}

TEST(ParticleBelief, ResetForgetsAndSeedsRepeat) {
  const Problem p = gaussian_problem();
  ParticleBelief belief(uncertain(p), particles(30));
  const std::string fresh = belief.save();
  const double first = run_belief(belief, p.steps);
  belief.reset();
  EXPECT_EQ(belief.save(), fresh);
  EXPECT_EQ(run_belief(belief, p.steps), first);
  ParticleBelief other(uncertain(p), particles(30, 0.5, 20, 2));
  EXPECT_NE(run_belief(other, p.steps), first);
}

TEST(ParticleBelief, RefusesDamagedDocumentsAndStaysAsItWas) {
  const Problem p = gaussian_problem();
  ParticleBelief belief(uncertain(p), particles(3, 1, 2));
  run_belief(belief, p.steps);
  const std::string good = belief.save();
  const auto refuse = [&](const std::string& from, const std::string& to, const std::string& code) {
    std::string bad = good;
    const size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << good;
    bad.replace(at, from.size(), to);
    EXPECT_EQ(refusal([&] { belief.load(bad); }), code) << from << " -> " << to;
    EXPECT_EQ(belief.save(), good);
  };
  refuse("\"format\":1", "\"format\":7", "failed_precondition");
  refuse("\"model\":\"test\"", "\"model\":\"x\"", "failed_precondition");
  refuse("\"particles\"", "\"gibbs\"", "corrupt_data");
  refuse("\"rng\":[", "\"rng\":[-1,", "corrupt_data");
  refuse("\"rng\":[1,", "\"rng\":[-1,", "corrupt_data");
  refuse("\"start\":[", "\"start\":[1,", "corrupt_data");
  refuse("\"pending\":1.0", "\"pending\":-1.0", "corrupt_data");
  refuse("\"pending\":1.0", "\"pending\":3.0", "corrupt_data");
  refuse("\"num_entries\":6", "\"num_entries\":-6", "corrupt_data");
  refuse("\"num_entries\":6", "\"num_entries\":2", "corrupt_data");
  refuse("\"weights\":[", "\"weights\":[null,", "corrupt_data");
  refuse("\"weights\":[0", "\"weights\":[7", "corrupt_data");
  refuse("\"states\":[", "\"states\":[9,", "corrupt_data");
  refuse("\"moves\":[", "\"moves\":[-1,", "corrupt_data");
  refuse("\"held\":[", "\"held\":[100000,", "corrupt_data");
  refuse("\"held\":[0", "\"held\":[100000", "corrupt_data");
  refuse("\"blocks\":[[", "\"blocks\":[[-5,", "corrupt_data");
  refuse("\"blocks\":[", "\"blocks\":[4,", "corrupt_data");
  refuse("\"move\":3", "\"move\":0", "corrupt_data");
  refuse("\"move\":3", "\"move\":2", "corrupt_data");
  refuse("\"arm\":", "\"arm\":7", "corrupt_data");
  refuse("\"reward\":", "\"reward\":\"x\",\"y\":", "corrupt_data");
  refuse("\"features\":[", "\"features\":[1", "corrupt_data");
  refuse("\"window\":[", "\"window\":[{},", "corrupt_data");
  for (const char* bad : {"", "3", "{}", "{\"kind\":\"particles\"}"}) EXPECT_THROW(belief.load(bad), Error);
  // Moves that the window shows must have been counted.
  std::string bad = good;
  const size_t at = bad.find("\"moves\":[");
  const size_t end = bad.find(']', at);
  bad.replace(at, end - at, "\"moves\":[0,0,0,0,0,0,0,0,0,0,0,0");
  EXPECT_EQ(refusal([&] { belief.load(bad); }), "corrupt_data");
}

TEST(ParticleBelief, RefusesBadOptionsTimesAndObservations) {
  const Problem p = gaussian_problem();
  EXPECT_EQ(refusal([&] { ParticleBelief(uncertain(p), particles(0)); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { ParticleBelief(uncertain(p), particles(2000000)); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { ParticleBelief(uncertain(p), particles(10, 1.5)); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { ParticleBelief(uncertain(p), particles(10, std::nan(""))); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { ParticleBelief(uncertain(p), particles(10, 0.5, -1)); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { ParticleBelief(uncertain(p), particles(1000000, 0.5, 1000)); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { ParticleBelief(nullptr, particles(10)); }), "invalid_argument");
  for (const bool known : {false, true}) {
    Problem q = p;
    if (known) q.prior.transition_alpha.clear();
    ParticleBelief belief(uncertain(q), particles(5));
    run_belief(belief, q.steps);
    const std::string before = belief.save();
    for (const double dt : {-1.0, 0.5, std::nan(""), std::numeric_limits<double>::infinity(), 2e9}) {
      EXPECT_EQ(refusal([&] { belief.predict(dt); }), "invalid_argument") << dt;
    }
    Observation seen;
    EXPECT_EQ(refusal([&] { belief.update(seen); }), "invalid_argument");
    seen.action = 0;
    seen.reward = std::nan("");
    EXPECT_EQ(refusal([&] { belief.update(seen); }), "invalid_argument");
    EXPECT_EQ(belief.save(), before);
  }
}

}  // namespace
}  // namespace attune::people
