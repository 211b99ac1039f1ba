// How good a direction is: held-out pairs, order against a known axis, relevance to what people like (docs/methods/soft_attributes.md,
// "Evaluation"). Users are the sampling unit of every interval. Deterministic in the seeds, whatever the number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/thread_pool.h"
#include "people/attributes.h"
#include "people/cav.h"
#include "people/space.h"
#include "stats/agreement.h"
#include "stats/bootstrap.h"

namespace attune::people {

enum class Degree {
  kCosine,  ///< c . q / |q|, 0 for a zero row (published for judging pairs)
  kDot,     ///< c . q
};

/// Degree of a direction (or of w, any length above 0) in every item. [items]. O(n d).
std::vector<float> degrees(const ItemSpace& space, std::span<const float> unit, Degree degree = Degree::kCosine);

/// Share of pairs whose better item has the higher degree; ties half. Pairs must not be empty. `weighted` counts a pair as its strength.
double pair_accuracy(std::span<const float> degrees, std::span<const PairExample> pairs, bool weighted = false);
/// Counts for the weighted Goodman-Kruskal statistic; strength 2 and above is "much more".
stats::GradedAgreement graded_agreement(std::span<const float> degrees, std::span<const PairExample> pairs);

/// The linear function of the rows nearest to `truth` [items] in the least-squares sense, with an intercept. `used` [items] (or empty) marks
/// the items that count. What no direction of this space can exceed by much.
struct AxisFit {
  std::vector<float> w;  ///< [d]
  double r2 = 0;  ///< share of the variance explained
};
AxisFit least_squares_axis(const ItemSpace& space, std::span<const float> truth, std::span<const uint8_t> used = {});

struct AxisComparison {
  double spearman = 0;  ///< of the direction's degrees with the truth
  double ceiling = 0;  ///< of the least-squares axis's degrees
  double cosine = 0;  ///< |cos| between direction and axis
};
/// Both degrees as dot products by default: the truth is a coordinate, not an angle.
AxisComparison compare_with_axis(const ItemSpace& space, const Direction& direction, std::span<const float> truth,
                                 Degree degree = Degree::kDot, std::span<const uint8_t> used = {});

struct HoldOutOptions {
  std::string by =
      "user";  ///< user: all pairs of a fifth of the users (row mod folds); item: pairs of two held-out items, trained on pairs
      ///< of two other items (an artificial word can be memorised item by item, so test it this way)
  int32_t folds = 5;
  CavOptions cav;
  Degree degree = Degree::kCosine;
  uint64_t seed = 0;  ///< of the item folds
};

/// Accuracy of each user on held-out pairs; users without a held-out pair are left out.
struct HeldOutAccuracy {
  std::vector<UserIndex> users;
  std::vector<double> accuracy;
  int64_t num_pairs = 0;
  int num_folds = 0;  ///< that had something to train on and to test
  stats::GradedAgreement agreement;
  double mean() const;  ///< over users; kFailedPrecondition if none
};
/// Mode binary trains on the fold's users or items likewise; `negative_pool` as in train_cav. A fold without enough examples is left out.
HeldOutAccuracy held_out_accuracy(const ItemSpace& space, const AttributeData& attribute, const HoldOutOptions& options,
                                  std::span<const ItemIndex> negative_pool = {});

/// Binary direction trained without a fifth of the items, and the area under the ROC curve on these: for each held-out positive the share
/// of held-out negatives with lower degree (ties half). One value a positive; interval by bootstrap over positives. kFailedPrecondition if no
/// fold has both classes.
stats::Interval held_out_auc(const ItemSpace& space, const AttributeData& attribute, const HoldOutOptions& options,
                             std::span<const ItemIndex> negative_pool = {});

struct RelevanceOptions {
  HoldOutOptions hold_out;
  int32_t shuffles = 5;
  stats::BootstrapOptions bootstrap;
};

/// Is the attribute decodable from a space that was learned from ratings alone?
struct Relevance {
  stats::Interval accuracy;  ///< held out
  stats::Interval shuffled;  ///< the same with each user's tags dealt anew, mean of the shuffles
  stats::Interval over_shuffled;  ///< accuracy - shuffled, paired by user
  std::vector<stats::Interval>
      over_artificial;  ///< accuracy - accuracy of each artificial attribute; empty interval (n = 0) if no user has both
  bool relevant = false;  ///< over_shuffled lies above 0, and so does over_artificial where it was measured
};
/// `artificial`: the same users with labels that have nothing to do with ratings (relabelled()). Throws kFailedPrecondition if no user can be
/// tested.
Relevance preference_relevance(const ItemSpace& space, const AttributeData& attribute, std::span<const AttributeData> artificial,
                               const RelevanceOptions& options, ThreadPool& pool);

/// Flags for artificial attributes [items]: odd number of characters (bytes) in the catalogue title; odd release year (items without a
/// year are 0).
std::vector<uint8_t> title_length_parity(const data::Dataset& dataset);
std::vector<uint8_t> release_year_parity(const data::Dataset& dataset);

}  // namespace attune::people
