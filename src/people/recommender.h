// A learned recommender ready to serve: factors, catalogue and the ratings that it was learned from.
//
// One folder on disk (docs/formats/recommender.md). Immutable after loading; every function is thread-safe. Users and items have opaque
// string keys outside and row numbers inside; an unknown key is kNotFound naming it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "data/dataset.h"
#include "people/als_model.h"
#include "people/space.h"
#include "store/event_store.h"

namespace attune::people {

struct RecommendOptions {
  int k = 10;                             ///< 1 to 100,000; fewer come back if fewer are left
  bool exclude_rated = true;              ///< leave out what `ratings` hold
  std::vector<ItemIndex> exclude;         ///< leave out these too (dismissed items)
  std::function<bool(ItemIndex)> accept;  ///< empty = all
};

/// A rated item and how much it added to a recommendation's score.
struct Contribution {
  ItemIndex item;
  float rating = 0;
  float amount = 0;
};

/// A rating that the model was learned from, with its time.
struct TimedRating {
  ItemIndex item;
  float rating = 0;
  int64_t timestamp = 0;  ///< Unix seconds; 0 = not known
};

/// How the model was made; what model.json holds beside the options.
struct TrainRecord {
  std::string dataset;                    ///< name of the data
  int64_t num_ratings = 0;
  std::string created;                    ///< ISO 8601, UTC
  std::map<std::string, double> metrics;  ///< "test ndcg@10", ...
  std::string note;                       ///< how it was chosen, for a person
};

class Recommender {
 public:
  /// `dataset` gives ids, item data and the ratings learned from; sizes must agree with the model: kCorruptData.
  Recommender(data::Dataset dataset, AlsModel model, TrainRecord record);
  ~Recommender();

  /// Reads a model folder; checks every file: kNotFound, kCorruptData (what was expected and found), kUnsupported (newer format).
  static std::shared_ptr<const Recommender> load(const Path& folder);
  /// Writes the folder. Each file appears whole or not at all, model.json last.
  void save(const Path& folder) const;
  /// Writes user_factors.npy [n, d], item_factors.npy [m, d], user_bias.npy [n] and item_bias.npy [m] (float32) into `folder`, for use
  /// elsewhere; row numbers are those of users.jsonl and items.jsonl. Each file appears whole or not at all.
  void export_npy(const Path& folder) const;

  const data::UserIds& users() const noexcept;
  const data::ItemIds& items() const noexcept;
  const data::ItemInfo& item(ItemIndex item) const;
  const AlsModel& model() const noexcept;
  const TrainRecord& record() const noexcept;
  /// Stable short name of the content, for replies: "als-5f3a...".
  const std::string& version() const noexcept;
  /// Ratings that the model was learned from; empty for no user.
  std::span<const RatedItem> training_ratings(UserIndex user) const;
  /// The same ratings in order of time; equal times in item order. O(ratings log ratings).
  std::vector<TimedRating> timed_ratings(UserIndex user) const;
  int64_t popularity(ItemIndex item) const;  ///< number of training ratings
  float mean_rating(ItemIndex item) const;   ///< damped mean of the training ratings
  /// Sorted, distinct.
  const std::vector<std::string>& genres() const noexcept;
  /// Training ratings that carry a genre divided by all training ratings, in the order of genres().
  std::span<const double> genre_share() const noexcept;

  /// Training ratings of `user` (if known) overlaid with rating events in log order: the last rating of an item counts. Events of other
  /// kinds, unknown items and ratings outside [min, max] of the training data's scale are passed over. `user` nullopt = a new user.
  std::vector<RatedItem> history(std::optional<UserIndex> user, std::span<const store::Event> events) const;

  /// Whether a rating lies on the training data's scale, [min, max] of its ratings; others are passed over.
  bool on_scale(double rating) const noexcept;

  /// Items to leave out besides the rated ones: "dismiss" events, unless rated later.
  std::vector<ItemIndex> dismissed(std::span<const store::Event> events) const;

  /// The user's vector from all ratings in one solve (well under 5 ms at rank 64 and 1,000 ratings).
  UserVector fold_in(std::span<const RatedItem> ratings) const;
  /// Best items first; equal scores by catalogue order. Items that nobody rated have no vector and are in no list. A user without ratings, or (target "liked") with low
  /// ones only, has said nothing to go by: the share of users who rated the item is added to the score, so popular items lead.
  std::vector<ScoredItem> recommend(std::span<const RatedItem> ratings, const RecommendOptions& options = {}) const;
  std::vector<ScoredItem> recommend(UserIndex user, const RecommendOptions& options = {}) const;
  /// With a vector that was folded in before (a cache): `ratings` only serve exclusion.
  std::vector<ScoredItem> recommend(const UserVector& user, std::span<const RatedItem> ratings, const RecommendOptions& options = {}) const;

  /// Nearest items (users) by cosine of factors, without the item itself and those without a vector. kFailedPrecondition if it has none either:
  /// nobody rated it (the user rated nothing).
  std::vector<ScoredItem> similar_items(ItemIndex item, int k) const;
  std::vector<std::pair<UserIndex, float>> similar_users(UserIndex user, int k) const;
  /// The `n` rated items that added most to the score of `item`, largest first, only those that raised it.
  std::vector<Contribution> explain(std::span<const RatedItem> ratings, ItemIndex item, int n) const;

  /// Item factors as a space; `with_bias` appends the item bias as a last coordinate (users then have 1 there,
  /// docs/methods/factorisation.md).
  ItemSpace item_space(bool with_bias = false) const;
  UserSpace user_space(bool with_bias = false) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::people
