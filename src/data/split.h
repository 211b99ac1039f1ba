// Parts of a data set for training, validation and test; filters.
//
// random:        each user's ratings are shuffled (a stream of the seed and the user's row) and cut by the ratios; counts of validation and
//                test are rounded to the nearest whole number, and at least one rating stays in training.
// leave_one_out: one rating a user for test, one for validation (users with fewer than 3 ratings: all training); by time or at random.
// temporal:      one cut through all ratings by time (ties by file order): the past trains, the future tests.
// user_temporal: each user's ratings in time order, cut by the ratios as under random.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/options.h"
#include "data/dataset.h"

namespace attune::data {

struct SplitOptions {
  std::string kind = "random";
  std::string order = "time";  ///< leave_one_out only
  double valid = 0.1;
  double test = 0.1;  ///< the rest trains
  uint64_t seed = 0;

  void describe(OptionList& list);
};

struct Split {
  std::vector<Interaction> train;
  std::vector<Interaction> valid;
  std::vector<Interaction> test;
};

/// Every rating lands in exactly one part. Deterministic by options and data. Throws kInvalidArgument (unknown kind, valid + test >= 1).
Split split_ratings(const Dataset& dataset, const SplitOptions& options);

/// Drops users with fewer than `user_core` and items with fewer than `item_core` ratings until none is left to drop; rows are renumbered in
/// order. Item and user data and tags follow. Throws kInvalidArgument if nothing remains.
Dataset k_core(const Dataset& dataset, int user_core, int item_core);

}  // namespace attune::data
