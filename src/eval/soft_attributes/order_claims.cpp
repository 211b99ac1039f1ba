// C1, C2, C7: how well a direction recovers the order of an attribute.
#include <map>

#include "core/error.h"
#include "eval/soft_attributes/claims.h"
#include "eval/soft_attributes/worlds_internal.h"
#include "people/attribute_eval.h"

namespace attune::eval {
namespace {

/// Means over the objective words of a world.
struct Order {
  double spearman = 0;
  double ceiling = 0;
  double share = 0;  ///< spearman / ceiling
  double cosine = 0;
};

Order objective_order(const LearnedWorld& learned, const people::CavOptions& options) {
  std::vector<double> spearman, ceiling, share, cosine;
  for (const size_t word : learned.words(false)) {
    const auto cav = people::train_cav(learned.space, learned.attribute(word), options, learned.tags.tagged_items);
    const auto axis = learned.world.axis(learned.world.words[word].senses[0]);
    const auto found = people::compare_with_axis(learned.space, cav.direction, axis, people::Degree::kDot, learned.rated);
    spearman.push_back(found.spearman);
    ceiling.push_back(found.ceiling);
    share.push_back(found.spearman / found.ceiling);
    cosine.push_back(found.cosine);
  }
  return {mean_of(spearman), mean_of(ceiling), mean_of(share), mean_of(cosine)};
}

/// Held-out pair accuracy of two modes, paired by user, mean over words.
struct Gain {
  double ranking = 0;
  double binary = 0;
};

Gain ranking_over_binary(const LearnedWorld& learned, const people::CavOptions& cav) {
  std::vector<double> ranking_means, binary_means;
  for (const size_t word : learned.words(false)) {
    people::HoldOutOptions options;
    options.cav = cav;
    const auto& attribute = learned.attribute(word);
    const auto ranking = people::held_out_accuracy(learned.space, attribute, options);
    options.cav.mode = "binary";
    const auto binary = people::held_out_accuracy(learned.space, attribute, options, learned.tags.tagged_items);
    std::map<data::UserIndex, double> of_binary;
    for (size_t k = 0; k < binary.users.size(); ++k) of_binary[binary.users[k]] = binary.accuracy[k];
    std::vector<double> left, right;
    for (size_t k = 0; k < ranking.users.size(); ++k) {
      const auto found = of_binary.find(ranking.users[k]);
      if (found == of_binary.end()) continue;
      left.push_back(ranking.accuracy[k]);
      right.push_back(found->second);
    }
    ranking_means.push_back(mean_of(left));
    binary_means.push_back(mean_of(right));
  }
  return {mean_of(ranking_means), mean_of(binary_means)};
}

people::CavOptions cav_options(uint64_t seed) {
  people::CavOptions out;
  out.max_pairs = kMaxPairs;
  out.seed = seed;
  return out;
}

}  // namespace

Claim order_claim() {
  Claim out{"C1", "order of objective attributes, linear utility", {}, "", {}};
  out.parts = {{"C1a", "Spearman / ceiling, standard world", Bound::kLowAtLeast, 0.97},
               {"C1b", "Spearman, standard world", Bound::kLowAtLeast, 0.78},
               {"C1c", "Spearman / ceiling, ci world", Bound::kLowAtLeast, 0.9}};
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    return [context](uint64_t seed) {
      const Order standard = objective_order(learn_world(claim_world(context, seed), context.pool), cav_options(seed));
      auto small = envs::attribute_world_preset("ci");
      small.seed = seed;
      const Order ci = objective_order(learn_world(small, context.pool), cav_options(seed));
      return Measured{{{standard.share}, {standard.spearman}, {ci.share}},
                      {{"ceiling", standard.ceiling},
                       {"|cos| with the axis", standard.cosine},
                       {"ci: Spearman", ci.spearman},
                       {"ci: ceiling", ci.ceiling}},
                      {}};
    };
  };
  return out;
}

Claim ranking_claim() {
  Claim out{"C2", "pairs against binary labels, held-out users", {}, "", {}};
  out.parts = {{"C2a", "accuracy of ranking_simple - binary, thresholds 0.3 / 0.7 by user", Bound::kLowAbove, 0},
               {"C2b", "the same, one threshold for all", Bound::kLowAtLeast, -0.01}};
  out.note = "a pair needs one item on each side of the user's own threshold; binary pools users and so mixes thresholds";
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    return [context](uint64_t seed) {
      auto world = claim_world(context, seed);
      const Gain objective = ranking_over_binary(learn_world(world, context.pool), cav_options(seed));
      world.thresholds = {0.3, 0.7};
      const Gain degree = ranking_over_binary(learn_world(world, context.pool), cav_options(seed));
      return Measured{{{degree.ranking - degree.binary}, {objective.ranking - objective.binary}},
                      {{"ranking", degree.ranking},
                       {"binary", degree.binary},
                       {"one threshold: ranking", objective.ranking},
                       {"one threshold: binary", objective.binary}},
                      {}};
    };
  };
  return out;
}

Claim single_peak_claim() {
  Claim out{"C7a", "single-peaked utility, linear directions", {}, "", {}};
  out.parts = {{"C7a", "Spearman with linear utility - with peaks from U(0.3, 1)", Bound::kLowAtLeast, 0.08}};
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    return [context](uint64_t seed) {
      auto world = claim_world(context, seed);
      const Order linear = objective_order(learn_world(world, context.pool), cav_options(seed));
      world.peak_low = 0.3;
      const Order peaked = objective_order(learn_world(world, context.pool), cav_options(seed));
      return Measured{{{linear.spearman - peaked.spearman}},
                      {{"linear", linear.spearman}, {"peaked", peaked.spearman}, {"ceiling peaked", peaked.ceiling}},
                      {}};
    };
  };
  return out;
}

Claim network_claim() {
  Claim out{"C7b", "single-peaked utility, layers of a two-tower network", {}, "", {}};
  out.parts = {{"C7b", "Spearman of CAVs on the towers' layers - linear CAVs", Bound::kLowAbove, 0}};
  out.prepare = [](const ClaimContext&) -> MeasureSeed {
    fail(ErrorCode::kUnsupported, "the two-tower network is trained by attune-train, which this build does not have");
  };
  return out;
}

}  // namespace attune::eval
