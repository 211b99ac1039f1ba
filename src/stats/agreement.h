// How well two orders or two groupings agree.
#pragma once

#include <cstdint>
#include <span>

namespace attune::stats {

/// Spearman's rank correlation with mean ranks for ties, in [-1, 1]; 0 if one side is constant. Equal lengths of at least 2, finite:
/// kInvalidArgument otherwise. O(n log n).
double spearman(std::span<const float> a, std::span<const float> b);

/// Adjusted Rand index of two groupings of the same things (Hubert and Arabie 1985): 1 for the same groups under any names, about 0 for
/// independent ones. 1 if both put everything in one group, or each thing in a group of its own. Labels may be any numbers. O(n log n).
double adjusted_rand_index(std::span<const int32_t> a, std::span<const int32_t> b);

/// NDCG of the order of `scores` (falling, equal scores by lower row) at k with linear gains: sum_{r<=k} g(r) / log2(r + 1), divided by the same
/// sum for the order of `gains`. Gains finite and at least 0, some above 0; k >= 1: kInvalidArgument otherwise.
double graded_ndcg(std::span<const float> scores, std::span<const float> gains, int k);

/// Agreements and disagreements with graded pairs. A tie is neither.
struct GradedAgreement {
  int64_t agree = 0;  ///< "more"
  int64_t disagree = 0;
  int64_t agree_strongly = 0;  ///< "much more"
  int64_t disagree_strongly = 0;
  /// Weighted Goodman-Kruskal statistic (A - D + 2 (A2 - D2)) / (A + D + 2 (A2 + D2)); 0 if there is nothing.
  double gamma() const noexcept;
  GradedAgreement& operator+=(const GradedAgreement& other) noexcept;
};

}  // namespace attune::stats
