// Bayesian personalised ranking: a baseline that learns the order of items from pairs (docs/methods/factorisation.md, "Baselines").
//
// Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian personalized ranking from implicit feedback", UAI 2009. For a user u, an item
// i that u chose and an item j that u did not, x = p_u . (q_i - q_j) + b_i - b_j; stochastic gradient descent on
//   sum ln(1 + exp(-x)) + (user_decay |p_u|^2 + item_decay (|q_i|^2 + |q_j|^2 + b_i^2 + b_j^2)) / 2.
// Letters: n users, m items, d = rank. Trained by one thread in one fixed order: the same bits on every run, whatever the pool.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"
#include "data/dataset.h"
#include "people/baselines.h"

namespace attune::people {

struct BprOptions {
  int32_t rank = 32;
  int32_t epochs = 40;  ///< an epoch draws as many pairs as there are chosen items
  double learning_rate = 0.05;
  double user_decay = 0.01;
  double item_decay = 0.01;
  double init_sd = 0.1;  ///< of the random start; biases start at 0
  double threshold = -1e9;  ///< ratings of at least this are chosen; an item rated below it counts as not chosen
  int32_t fold_in_epochs = 40;  ///< steps an item when a user is given by ratings alone
  uint64_t seed = 0;

  /// Names every field with range and help.
  void describe(OptionList& list);
};

class BprRanker final : public Ranker {
 public:
  /// O(epochs |chosen| d). Throws kInvalidArgument: rows outside, no chosen item, a diverged run (lower learning_rate), bad options.
  BprRanker(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, const BprOptions& options);

  /// With the vector of the training run.
  void score_user(UserIndex user, std::span<const RatedItem> ratings, std::span<float> out) const override;
  /// With a vector made from the ratings by the same descent, items held fixed. Deterministic. No chosen item: p = 0, the item biases rank.
  void score(std::span<const RatedItem> ratings, std::span<float> out) const override;

  std::span<const float> user_factors() const noexcept { return users_; }  ///< [n, d]
  std::span<const float> item_factors() const noexcept { return items_; }  ///< [m, d]
  std::span<const float> item_bias() const noexcept { return bias_; }  ///< [m]

 private:
  void scores(std::span<const float> p, std::span<float> out) const;

  BprOptions options_;
  std::vector<float> users_;
  std::vector<float> items_;
  std::vector<float> bias_;
};

}  // namespace attune::people
