// From words that people used to the attributes of a recommender (docs/methods/soft_attributes.md, "In the product").
//
// Sources in this order; a word learned from one is not learned again from a later one:
//   tags         the data set's own tag events, by the users and items of the recommender
//   joined tags  tag events of another data set, items joined by title and year, its users being other people
//   judgements   pairs judged by raters (data/soft_attributes.h), joined likewise
//   genres       the substitute: each user "tags" what they rated at least `min_rating` with the item's genres. A genre is a fixed flag, so
//                it has one sense and is objective by construction; nothing is tested but how well it can be decoded.
// For a word of people: senses by held-out EM, kind, accuracy on pairs of held-out users, AUC on held-out items, and whether it is decodable
// at all (relevance). Deterministic in the seed, whatever the number of threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "data/soft_attributes.h"
#include "people/recommender.h"
#include "people/soft_attributes.h"

namespace attune::people {

struct LearnAttributesOptions {
  double min_rating = 0;  ///< a tag counts where the same user rated the item at least this; 0 = 0.8 times the largest rating (4 of 5),
      ///< below 0 = no rating asked for
  int32_t min_users = 3;  ///< words of fewer users are skipped and listed
  int32_t min_items = 8;  ///< words on fewer items likewise
  int32_t max_attributes = 200;  ///< of people's words, the most used; more are skipped and listed
  bool genres = true;  ///< the substitute, for genres that are no learned word
  bool senses = true;  ///< look for senses; false: one for each word
  int32_t permutations = 200;  ///< of the tests of senses and kinds
  int64_t max_pairs = 200;  ///< of a user and word
  int32_t year_slack = 1;  ///< of joins by title and year
  uint64_t seed = 0;

  void describe(OptionList& list);
};

struct AttributeSources {
  std::optional<data::Dataset> tags;  ///< users and items have the recommender's keys
  std::optional<data::Dataset> joined;  ///< another data set with tags
  std::optional<data::SoftSheets> judgements;
};

/// The recommender's users, items and ratings as a data set without tags. O(ratings).
data::Dataset dataset_of(const Recommender& recommender);

/// `created`: ISO 8601. Reports words done to `progress`. Words that cannot be learned are skipped and listed; throws kFailedPrecondition if
/// none is left, and kInvalidArgument for options out of range.
LearnedAttributes learn_attributes(const Recommender& recommender, const AttributeSources& sources, const LearnAttributesOptions& options,
                                   const std::string& created, ThreadPool& pool, ProgressSink& progress);

}  // namespace attune::people
