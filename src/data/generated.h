// A made-up data set of MovieLens 100K's shape, for tests and for machines where no data may be fetched.
//
// Planted structure: user and item factors [rank] ~ N(0, I / rank); affinity a_ui = sqrt(rank) u . v, about normal. A user with n_u
// ratings rates the n_u items with the largest log popularity + 1.2 a_ui + Gumbel noise (a multinomial-logit choice without replacement);
// rating = 3.5 + 0.5 quality_i + 0.4 leniency_u + 0.8 a_ui + 0.7 noise, rounded, 1 to 5. Popularity has a long tail (rank^-0.9 with an
// offset), counts a user a log-normal one of at least 20. Genres are the directions an item's factors point to. Titles are invented.
// With clusters, user factors are sqrt(1 - spread^2) c_k + spread N(0, I / rank) around equally likely centres c_k ~ N(0, I / rank).
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace attune::data {

struct GeneratedOptions {
  int32_t num_users = 943;
  int32_t num_items = 1682;  ///< at most 1,722: one title each
  int64_t num_ratings = 100000;
  int rank = 6;
  int least_per_user = 20;
  int32_t num_clusters = 0;  ///< 0: users are drawn one by one
  double cluster_spread = 0.5;  ///< in [0, 1]
  uint64_t seed = 0;
};

struct Generated {
  Dataset dataset;
  std::vector<float> user_factors;  ///< [num_users, rank], the truth
  std::vector<float> item_factors;  ///< [num_items, rank]
  std::vector<int32_t> cluster;  ///< [num_users]; empty without clusters
};

/// The same data on every machine for the same options. Throws kInvalidArgument if the counts do not fit together.
Generated generate_dataset(const GeneratedOptions& options = {});

}  // namespace attune::data
