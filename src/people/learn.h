// From ratings to a recommender: a fixed split, a choice on validation, a comparison on test, a refit on everything.
//
// Protocol (docs/methods/factorisation.md, "How models are compared"): split the ratings 8:1:1, each user's at random by the seed if not asked
// otherwise. Candidates
// are fitted on the training part and compared by NDCG@k on validation; the best is fitted again on training + validation and scored once on
// test, beside popularity, item-kNN and BPR (whose options are chosen on validation too). Intervals are 95% bootstrap over users; the
// difference is paired by user. The recommender that is returned is fitted on all ratings with the chosen options.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "people/recommender.h"
#include "stats/bootstrap.h"

namespace attune::people {

struct LearnOptions {
  std::string preset = "auto";  ///< auto = all presets but "implicit" and the grid around "ranking"; or one preset as it stands
  int32_t k = 10;
  double relevant_rating = 0;  ///< 0 = 0.8 times the largest rating: 4 of 5, 8 of 10; it is also what "liked" means to the model
  std::string split = "random";  ///< kind of split (data/split.h)
  int32_t resamples = 2000;
  uint64_t seed = 0;
  std::vector<std::string> models = {"als", "bpr", "item-knn", "popularity"};  ///< in the table; als is there in any case
  bool compare = true;  ///< false: fit the preset on everything, no split, no table

  void describe(OptionList& list);
};

/// A metric by name: "ndcg", "recall", "hit", "mrr", "map", "precision" at k (stats/ranking.h), "auc", "novelty", "diversity" (evaluate.h).
struct MetricInterval {
  std::string metric;
  stats::Interval interval;
};

/// NDCG@k of the users with `least` to `most` ratings to go by.
struct GroupRow {
  int64_t least = 0;
  int64_t most = 0;
  stats::Interval ndcg;
};

/// One line of the table.
struct ModelRow {
  std::string model;  ///< "weighted ALS", "BPR", "item-kNN", "popularity"
  std::string settings;  ///< what was chosen, for a person
  stats::Interval ndcg;
  stats::Interval recall;
  std::vector<MetricInterval> metrics;  ///< all, ndcg and recall among them
  std::vector<GroupRow> groups;  ///< thirds of the users by number of ratings, fewest first
  double coverage = 0;  ///< Evaluation::coverage, without an interval: it is no mean over users
  double gini = 0;  ///< Evaluation::gini
  double train_seconds = 0;
  double test_seconds = 0;
};

/// Weighted ALS minus another model, paired by user.
struct ModelDifference {
  std::string other;
  std::vector<MetricInterval> metrics;
};

struct LearnReport {
  std::string shape;  ///< Dataset::shape_line
  std::string split;  ///< one sentence
  std::vector<std::string> candidates;  ///< "ranking rank=32 ...: 0.2612" in the order tried
  std::vector<ModelRow> rows;  ///< ALS first; empty without comparison
  std::vector<ModelDifference> differences;  ///< one for each row after the first
  double relevant_rating = 0;  ///< as used
  int64_t num_users_tested = 0;
  int64_t num_users_skipped = 0;  ///< with test ratings, none relevant
  int64_t num_users_without_history = 0;  ///< with relevant test ratings, but no rating before them

  /// Difference of NDCG@k to a model by name; kNotFound if the table does not have it.
  const stats::Interval& ndcg_over(std::string_view model) const;
};

struct Learned {
  std::shared_ptr<const Recommender> recommender;  ///< null when only the comparison was asked for
  LearnReport report;
};

/// Runs the protocol. `refit`: also fit on all ratings and return the recommender. `created` goes into the record (ISO 8601).
/// Throws kInvalidArgument (too few ratings to split, unknown preset). Time: about 15 fits.
Learned learn_recommender(const data::Dataset& dataset, const LearnOptions& options, bool refit, const std::string& created,
                          ThreadPool& pool, ProgressSink& progress);

}  // namespace attune::people
