// Concept activation vectors: the direction of an attribute in an item space, learned from tags or judgements.
//
// Modes (docs/methods/soft_attributes.md, "Training"; the first three as in the paper's published code):
//   binary           items tagged with the word against three times as many items with other tags; intercept; balanced classes
//   ranking_simple   pairs inside a user, x = q_i - q_j, no intercept; graded pairs weigh as their strength
//   ranking_lambda   the same with the constant weight kLambdaWeight: at C the optimum of ranking_simple at kLambdaWeight C
//   ranking_list     the same with list-wise NDCG weights from the current order of each user's items, refitted up to `list_iterations` times
//   mean_difference  mean of x over pairs, no fit
// The direction is w / |w|. Deterministic in the seed; thread-safe. Cost: see people/logistic.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/thread_pool.h"
#include "people/attributes.h"
#include "people/space.h"

namespace attune::people {

/// |1/log2(2) - 1/log2(3)| |2^1 - 2^0| / maxDCG of a list of two with gains 1 and 0.
inline constexpr double kLambdaWeight = 0.36907024642854258;

struct CavOptions {
  std::string mode = "ranking_simple";
  bool cross_validate = true;  ///< C by cross-validated accuracy; false: `c`
  double c = 1;  ///< also with fewer than `min_cv_examples` positives or pairs
  int32_t num_c = 10;
  double c_min = 1e-4;
  double c_max = 1e4;
  int32_t folds = 5;
  bool group_folds = false;  ///< pairs of a user stay in one fold (published: false)
  int32_t min_cv_examples = 5;
  bool duplicate_few = true;  ///< fewer than `folds` pairs in all are entered twice (published)
  int32_t negatives_per_positive = 3;  ///< binary
  int32_t list_iterations = 5;  ///< ranking_list
  double tolerance = 1e-4;
  int32_t max_iterations = 100;
  int32_t max_per_side = 500;  ///< PairOptions
  bool equal_sides = true;
  int64_t max_pairs = 0;
  uint64_t seed = 0;

  void describe(OptionList& list);
  /// Throws kInvalidArgument naming the field.
  void check_ranges() const;
  PairOptions pair_options() const { return {max_per_side, equal_sides, max_pairs}; }
};

/// How a direction was trained. Direction::record is this as JSON.
struct CavRecord {
  std::string attribute;
  std::string mode;
  double c = 0;
  std::vector<double> c_tried;  ///< empty without cross-validation
  std::vector<double> cv_accuracy;  ///< by c_tried
  int64_t num_users = 0;
  int64_t num_items = 0;  ///< distinct items in examples
  int64_t num_positive = 0;  ///< binary: positives; else pairs
  int64_t num_negative = 0;  ///< binary
  int64_t num_without_vector = 0;  ///< mentions of items whose row is zero: left out
  bool duplicated = false;
  uint64_t seed = 0;
  double loss = 0;  ///< penalised training loss
  double accuracy = 0;  ///< on the training examples
  int iterations = 0;
  bool converged = true;
};
std::string to_json(const CavRecord& record);

struct Cav {
  Direction direction;
  std::vector<double> w;  ///< [d] before normalisation: logits of a pair are w . (q_i - q_j)
  double intercept = 0;  ///< binary
  CavRecord record;
};

/// Throws kInvalidArgument for bad data (check_attribute) or options, kFailedPrecondition naming the attribute and what was found for too few
/// examples (no pair; no positive or negative item) or a mean difference of length 0. Items whose row is zero are no examples; they are counted in the
/// record. `negative_pool`: binary negatives are drawn from it
/// (items with any tag); empty = the users' other items. Graded judgements in mode binary: a (user, item) is positive if it wins more of
/// the user's pairs than it loses.
Cav train_cav(const ItemSpace& space, const AttributeData& attribute, const CavOptions& options,
              std::span<const ItemIndex> negative_pool = {});

/// The pair modes on given pairs, one list a user (lists may be empty). `user_weight` [users] (or empty) scales the pairs of a user; users
/// with weight 0 are left out. `prior` [d] (or empty): ridge towards it instead of 0, without cross-validation.
Cav train_cav_on_pairs(const ItemSpace& space, std::string_view name, std::span<const std::vector<PairExample>> pairs,
                       const CavOptions& options, std::span<const double> user_weight = {}, std::span<const double> prior = {});

struct SkippedCav {
  std::string attribute;
  std::string reason;
};
struct CavBatch {
  std::vector<Cav> cavs;  ///< in the order of the attributes, without the skipped ones
  std::vector<SkippedCav> skipped;  ///< too few examples
};
/// train_cav of each, attributes in parallel. Other errors than too few examples are thrown.
CavBatch train_cavs(const ItemSpace& space, std::span<const AttributeData> attributes, const CavOptions& options, ThreadPool& pool,
                    std::span<const ItemIndex> negative_pool = {});

/// Mean of the tagged items minus mean of the other `tagged_items` of every attribute in one sparse pass, each item once per attribute:
/// a screen of all words, rows of length 1, or 0 where one side is empty. [attributes, d]. O((sum of tagged items) d).
std::vector<float> mean_difference_screen(const ItemSpace& space, const AttributeSet& set, ThreadPool& pool);

/// Direction with length 1 and its standard deviation over the space's rows. Throws kFailedPrecondition if w has no direction.
Direction make_direction(const ItemSpace& space, std::string name, std::span<const double> w, std::string record = {});

}  // namespace attune::people
