// Ranking quality of a model on held-out ratings (docs/methods/factorisation.md, "How models are compared").
//
// For each user with at least one relevant held-out item (rating >= relevant_rating): rank all items that the user has not rated in
// `history` (which holds what the ranker was trained on), take the metrics of stats/ranking.h at k. Users without relevant item are left out and counted.
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
};

struct Evaluation {
  std::vector<int32_t> users;  ///< user rows that were evaluated, rising
  std::vector<stats::RankingMetrics> metrics;  ///< one a user
  int64_t num_skipped = 0;  ///< users with held-out ratings but none relevant

  /// One metric of all users, for bootstrap.
  std::vector<double> values(double stats::RankingMetrics::* metric) const;
  double mean(double stats::RankingMetrics::* metric) const;
};

/// Ratings of each user as rated items, in item order.
std::vector<std::vector<RatedItem>> histories(std::span<const data::Interaction> ratings, int32_t num_users);

/// Deterministic whatever the number of threads. Throws kInvalidArgument if no user can be evaluated.
Evaluation evaluate_ranking(const Ranker& ranker, const std::vector<std::vector<RatedItem>>& history,
                            std::span<const data::Interaction> held_out, int32_t num_items, ThreadPool& pool,
                            const EvaluationOptions& options = {});

}  // namespace attune::people
