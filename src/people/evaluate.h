// Ranking quality of a model on held-out ratings (docs/methods/factorisation.md, "How models are compared").
//
// For each user with at least one relevant held-out item (rating >= relevant_rating): rank all items that the user has not rated in
// `history` (which holds what the ranker was trained on), take the metrics of stats/ranking.h at k. Users without a relevant item, and users without
// a rating in `history`, of whom a model knows nothing, are left out and counted.
#pragma once

#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "people/baselines.h"
#include "stats/ranking.h"

namespace attune::people {

struct EvaluationOptions {
  int k = 10;
  double relevant_rating = 4;
  std::span<const data::ItemInfo> items = {};  ///< [num_items] for `diversity`; empty = 0
};

/// Of one user. Beyond accuracy (docs/methods/factorisation.md, "Metrics"):
struct UserMetrics : stats::RankingMetrics {
  double auc = 0;  ///< over all candidates, not only the first k; 0.5 if nothing but relevant items is left
  double novelty = 0;  ///< mean over the list of -log2(share of users whose history has the item; at least one user)
  double diversity = 0;  ///< mean over pairs of the list of 1 - Jaccard similarity of their genres (two without genres: 0)
};

struct Evaluation {
  std::vector<int32_t> users;  ///< user rows that were evaluated, rising
  std::vector<UserMetrics> metrics;  ///< one a user
  std::vector<std::vector<int32_t>> lists;  ///< item rows, best first; one a user
  std::vector<int64_t> history_size;  ///< ratings in `history`; one a user
  int64_t num_skipped = 0;  ///< users with held-out ratings but none relevant
  int64_t num_without_history = 0;  ///< users with a relevant held-out item but nothing to go by
  double coverage = 0;  ///< share of the items that stand in at least one list
  double gini = 0;  ///< of how often each item stands in a list: 0 = all alike, near 1 = few items fill all lists

  /// One metric of all users, for bootstrap.
  std::vector<double> values(double UserMetrics::* metric) const;
  double mean(double UserMetrics::* metric) const;
};

/// Ratings of each user as rated items, in item order.
std::vector<std::vector<RatedItem>> histories(std::span<const data::Interaction> ratings, int32_t num_users);

/// Deterministic whatever the number of threads. Throws kInvalidArgument if no user can be evaluated.
Evaluation evaluate_ranking(const Ranker& ranker, const std::vector<std::vector<RatedItem>>& history,
                            std::span<const data::Interaction> held_out, int32_t num_items, ThreadPool& pool,
                            const EvaluationOptions& options = {});

}  // namespace attune::people
