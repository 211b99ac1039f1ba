// What weighted ALS learned: factors, biases, and one exact solve for a user that was not there (docs/methods/factorisation.md).
//
// Letters: n users, m items, d = rank. User vector p_u [d], item vector q_i [d], both rows of row-major matrices. Immutable after
// construction; thread-safe. Memory 4 (n + m)(d + 1) bytes and 8 d^2.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "data/ids.h"
#include "people/als_options.h"

namespace attune::people {

using data::ItemIndex;
using data::UserIndex;

/// A rating that a person gave, by item row.
struct RatedItem {
  ItemIndex item;
  float rating = 0;
};

struct ScoredItem {
  ItemIndex item;
  float score = 0;
};

/// A user as the model sees one: what a solve returns.
struct UserVector {
  std::vector<float> p;  ///< [d]
  float bias = 0;
  int num_ratings = 0;   ///< that the solve used; 0 = nothing is known, p is zero
  int num_liked = 0;     ///< of these with a target above 0 (target "liked": what pulls towards items rather than away)
};

struct AlsParameters {
  AlsOptions options;
  double mean = 0;                  ///< global mean mu
  std::vector<float> user_bias;     ///< [n]
  std::vector<float> item_bias;     ///< [m]
  std::vector<float> user_factors;  ///< [n, d]
  std::vector<float> item_factors;  ///< [m, d]
};

class AlsModel {
 public:
  /// Checks shapes and that every number is finite: kCorruptData naming the array.
  explicit AlsModel(AlsParameters parameters);
  ~AlsModel();
  AlsModel(AlsModel&&) noexcept;
  AlsModel& operator=(AlsModel&&) noexcept;

  int rank() const noexcept;
  int32_t num_users() const noexcept;
  int32_t num_items() const noexcept;
  const AlsParameters& parameters() const noexcept;
  std::span<const float> user_row(UserIndex user) const;
  std::span<const float> item_row(ItemIndex item) const;

  /// The user vector of the training run. Its counts are 1: how many ratings there were is not kept here.
  UserVector known_user(UserIndex user) const;
  /// The exact row update for these ratings with item factors held fixed: for a user's training ratings it gives the training run's vector
  /// bit for bit. Item rows must be distinct and inside: kInvalidArgument. O(|ratings| d^2 + d^3).
  UserVector fold_in(std::span<const RatedItem> ratings) const;

  /// A_u of eq. 2 [d, d] for these ratings: the precision of the user's vector up to the residual variance. Errors as fold_in. O(|ratings| d^2).
  std::vector<double> precision(std::span<const RatedItem> ratings) const;

  /// Ranking score of every item, into out [m]: p . q_i, plus b_i if rank_with_bias. O(m d).
  void scores(const UserVector& user, std::span<float> out) const;
  float score(const UserVector& user, ItemIndex item) const;
  /// Predicted rating (targets residual, centred, rating): mean + biases + p . q_i. For target "liked" the preference p . q_i.
  float predict(const UserVector& user, ItemIndex item) const;

  /// Parts of score(fold_in(ratings), item) - its bias part, one per rating: q_i' A_u^-1 q_j w_j t_j, in the order of `ratings`
  /// (Hu, Koren, Volinsky, "Collaborative filtering for implicit feedback datasets", ICDM 2008, section 5). They add up to p . q_i.
  std::vector<float> contributions(std::span<const RatedItem> ratings, ItemIndex item) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::people
