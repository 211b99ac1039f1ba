// Ranking metrics over a full catalogue, for one user at a time; averages over users are means of these (stats/bootstrap.h).
//
// `ranked`: item rows, best first, without repeats; it may be shorter than k (a model that found fewer candidates loses what is missing).
// `relevant`: the user's relevant rows, without repeats, in any order. With no relevant item a metric is undefined: kInvalidArgument, the
// caller leaves such users out and says how many. Relevance is binary. h(r) = 1 if the item at rank r (1 based) is relevant.
// R = |relevant|.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace attune::stats {

struct RankingMetrics {
  double ndcg = 0;  ///< sum_{r<=k} h(r) / log2(r + 1), divided by sum_{r<=min(k,R)} 1 / log2(r + 1)
  double recall = 0;  ///< hits in the first k / R
  double hit = 0;  ///< 1 if the first k hold a relevant item
  double mrr = 0;  ///< 1 / rank of the first relevant item of the first k, 0 if none
  double map = 0;  ///< average precision: sum_{r<=k} h(r) * precision@r, divided by min(k, R)
  double precision = 0;  ///< hits in the first k / k
};

/// All six at cut-off k >= 1. O(R log R + k log R).
RankingMetrics ranking_metrics(std::span<const int32_t> ranked, std::span<const int32_t> relevant, int k);

/// Area under the ROC curve of `scores` [n] for a user: the share of (relevant, other) pairs in the right order, ties half. `excluded` rows
/// (sorted or not) count as neither. NaN scores are kInvalidArgument. Both classes must be non-empty. O(n log |relevant|).
double auc(std::span<const float> scores, std::span<const int32_t> relevant, std::span<const int32_t> excluded);

/// Gini coefficient of counts at least 0: 0 = all equal, (n - 1) / n = one has everything; 0 if all are 0.
/// sum_i (2 i - n - 1) x_i / (n sum x), x ascending, i from 1. O(n log n).
double gini(std::span<const int64_t> counts);

/// Root mean squared and mean absolute error of equally long, non-empty arrays.
double rmse(std::span<const double> predicted, std::span<const double> actual);
double mae(std::span<const double> predicted, std::span<const double> actual);

/// Share of `catalogue_size` items that stand in at least one list.
double catalogue_coverage(std::span<const std::vector<int32_t>> lists, int32_t catalogue_size);

/// Rows of the k largest of `scores` [n], best first; equal scores by lower row, NaN and -infinity never. `excluded` [n] (or empty): rows
/// with a non-zero byte are left out. Shorter than k if fewer remain. O(n + k log k).
std::vector<int32_t> top_k(std::span<const float> scores, int k, std::span<const uint8_t> excluded = {});

/// Unbiased estimate of P(at least one of k samples passes) from n samples of which `passed` passed: 1 - C(n - passed, k) / C(n, k).
/// 1 <= k <= n, 0 <= passed <= n.
double pass_at_k(int n, int passed, int k);

}  // namespace attune::stats
