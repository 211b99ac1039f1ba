// Ratings by user row (compressed sparse rows): what the factorisation is trained on, 8 bytes a rating.
//
// Letters: n users, m items, nnz ratings. Plain data; reading it from several threads is safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/dataset.h"

namespace attune::people {

struct RatingMatrix {
  int32_t num_users = 0;
  int32_t num_items = 0;
  std::vector<int64_t> offsets;  ///< [n + 1]; user u's ratings are [offsets[u], offsets[u + 1])
  std::vector<int32_t> items;    ///< [nnz], rising within a user
  std::vector<float> ratings;    ///< [nnz], finite
};

/// By user, items rising. Throws kInvalidArgument: nothing to do, a row outside, a rating that is not finite, a pair twice
/// (data::deduplicate first). O(nnz log(ratings of a user)) time, 8 nnz + 8 n bytes besides the input.
RatingMatrix make_rating_matrix(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items);

/// Throws kInvalidArgument unless the matrix is as its comments say. O(nnz).
void check_rating_matrix(const RatingMatrix& matrix);

}  // namespace attune::people
