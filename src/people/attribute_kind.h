// Is a word objective, a matter of degree, or of sense? And how far do single users differ? (docs/methods/soft_attributes.md, "Kinds")
//
// Deterministic in the seeds, whatever the number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/thread_pool.h"
#include "people/attribute_eval.h"
#include "people/senses.h"

namespace attune::people {

enum class AttributeKind {
  kObjective,         ///< one order of items, one threshold (as far as the data show)
  kDegreeSubjective,  ///< one order, personal thresholds
  kSenseSubjective,   ///< users mean different directions
};
/// "objective", "degree-subjective", "sense-subjective".
std::string_view kind_name(AttributeKind kind) noexcept;

/// Do users draw the line at different degrees? Intercepts by user with the direction fixed, against tagged and other items dealt anew among
/// users (counts kept).
struct ThresholdTest {
  int64_t num_users = 0;  ///< with tagged and other items
  double variance = 0;  ///< of the intercepts, in units of the pooled logit
  double null_mean = 0;
  double p_value = 1;  ///< 1 without users or slope
};
ThresholdTest threshold_test(const ItemSpace& space, const AttributeData& attribute, const Direction& direction, int32_t permutations,
                             uint64_t seed, ThreadPool& pool);

struct KindOptions {
  HoldOutOptions hold_out;  ///< its mode is the ranking mode compared with binary
  double gap = 0.01;  ///< held-out accuracy by which ranking must beat binary
  double max_p = 0.05;
  int32_t permutations = 200;
  int32_t resamples = 2000;
};

struct KindTest {
  AttributeKind kind = AttributeKind::kObjective;
  int32_t senses = 1;
  stats::Interval ranking;  ///< held-out pair accuracy by user
  stats::Interval ranking_gain;  ///< over binary, paired by user
  double gain_p_value = 1;  ///< share of bootstrap means not above 0
  ThresholdTest thresholds;
};
/// Sense-subjective if `senses` holds at least two. Else degree-subjective if the direction orders held-out pairs at all (lower bound above 1/2)
/// and ranking beats binary by `gap` with p < max_p or the thresholds vary with p < max_p. Else objective: so is a word that cannot be
/// decoded; preference_relevance says that. Throws kFailedPrecondition if no user can be tested.
KindTest attribute_kind(const ItemSpace& space, const AttributeData& attribute, const Senses& senses, const KindOptions& options,
                        ThreadPool& pool, std::span<const ItemIndex> negative_pool = {});

struct PersonalOptions {
  int32_t min_pairs = 20;  ///< users with fewer get none
  double c = 0.1;  ///< pull towards the shared direction: small = strong
  int32_t max_per_side = 500;
  int64_t max_pairs = 2000;
  uint64_t seed = 0;
};

/// Directions of single users, shrunken towards the shared one.
struct PersonalCavs {
  std::vector<UserIndex> users;
  std::vector<std::vector<float>> unit;  ///< [users][d], length 1
  double mean_cosine = 1;  ///< between two users: 1 = all mean the same; 1 with fewer than two users
};
PersonalCavs personal_cavs(const ItemSpace& space, const AttributeData& attribute, const Cav& shared, const PersonalOptions& options,
                           ThreadPool& pool);

}  // namespace attune::people
