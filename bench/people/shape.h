// A made-up rating matrix of MovieLens 25M's shape (25,000,095 ratings, 162,541 users, 59,047 items), or smaller, for timings.
//
// Counts a user: 20 + a log-normal (sigma 1.35), scaled to the total, at most a third of the items. Items of a user: distinct draws from
// a Zipf-Mandelbrot popularity (rank + 120)^-1.6 by an alias table (Walker 1977, Vose 1991), after each item was given to one user at random, so
// that none is empty. Rating: 3.5 + 0.4 quality_i + 0.4 leniency_u + 0.6 affinity_ui (rank 8) + 0.7 noise, in halves from 0.5 to 5.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "people/rating_matrix.h"

namespace attune::bench {

/// Draws i with probability weights[i] / sum in O(1).
class AliasTable {
 public:
  /// Weights are finite, not negative, with a positive sum: kInvalidArgument.
  explicit AliasTable(std::span<const double> weights);
  int32_t draw(Rng& rng) const noexcept;

 private:
  std::vector<double> keep_;  ///< probability of i itself, given its column
  std::vector<int32_t> alias_;
};

struct ShapeOptions {
  int64_t num_ratings = 25000095;
  int32_t num_users = 162541;
  int32_t num_items = 59047;
  uint64_t seed = 0;
};

/// The shape with about `num_ratings` ratings: users and items in proportion to its square root, at least 20 ratings a user.
ShapeOptions shape_of(int64_t num_ratings, uint64_t seed = 0);

/// Exactly options.num_ratings ratings; the same for any number of threads. kInvalidArgument if the counts do not fit.
people::RatingMatrix generate_ratings(const ShapeOptions& options, ThreadPool& pool);

}  // namespace attune::bench
