// Rankers to compare with: popularity, and item-based nearest neighbours. One interface, so that evaluation treats all alike.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "data/dataset.h"
#include "people/als_model.h"

namespace attune::people {

/// Scores all items for a user given by ratings. Implementations are immutable and thread-safe.
class Ranker {
 public:
  virtual ~Ranker() = default;
  /// out [num_items]; higher is better. `ratings` have distinct items.
  virtual void score(std::span<const RatedItem> ratings, std::span<float> out) const = 0;
  /// The same for a user of the training run, `ratings` being those trained on. A model without user vectors ignores `user`.
  virtual void score_user(UserIndex user, std::span<const RatedItem> ratings, std::span<float> out) const {
    static_cast<void>(user);
    score(ratings, out);
  }
};

/// Score = number of training ratings, whoever the user is.
class PopularityRanker final : public Ranker {
 public:
  PopularityRanker(std::span<const data::Interaction> ratings, int32_t num_items);
  void score(std::span<const RatedItem> ratings, std::span<float> out) const override;

 private:
  std::vector<float> counts_;
};

struct ItemKnnOptions {
  int neighbours = 50;     ///< kept per item, 1 to num_items
  double shrinkage = 20;   ///< pulls similarities with few common users to 0
  double threshold = 0;    ///< ratings of at least this count
};

/// Binary cosine over users with shrinkage: s_ij = c_ij / (sqrt(n_i n_j) + shrinkage), c_ij = users of both
/// (docs/methods/factorisation.md, eq. 6).
/// Score of i = sum of s_ij over the user's counted items j among the nearest neighbours of i.
class ItemKnnRanker final : public Ranker {
 public:
  /// O(sum over users of n_u^2 + num_items^2) time; memory 4 num_items bytes a thread and what is kept.
  ItemKnnRanker(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, const ItemKnnOptions& options,
                ThreadPool& pool);
  void score(std::span<const RatedItem> ratings, std::span<float> out) const override;
  /// s_ij if j is among the neighbours of i, else 0.
  float similarity(ItemIndex i, ItemIndex j) const;

 private:
  struct Neighbour {
    int32_t item;
    float similarity;
  };
  ItemKnnOptions options_;
  std::vector<std::vector<Neighbour>> neighbours_;  ///< best first
};

/// Score of an ALS model after folding the ratings in.
class AlsRanker final : public Ranker {
 public:
  /// `model` must outlive the ranker.
  explicit AlsRanker(const AlsModel& model) : model_(model) {}
  void score(std::span<const RatedItem> ratings, std::span<float> out) const override { model_.scores(model_.fold_in(ratings), out); }

 private:
  const AlsModel& model_;
};

}  // namespace attune::people
