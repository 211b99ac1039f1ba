// What a Recommender holds, shared with the reader and writer of its files.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "people/recommender.h"

namespace attune::people {

struct RecommenderState {
  explicit RecommenderState(AlsModel m) : model(std::move(m)) {}

  AlsModel model;
  data::UserIds users;
  data::ItemIds items;
  std::vector<data::ItemInfo> item_info;
  std::vector<data::Interaction> interactions;   ///< as learned from, with times; by user, then item
  std::vector<size_t> first_interaction;         ///< [n + 1] of each user
  std::vector<std::vector<RatedItem>> ratings;   ///< by user, in item order
  TrainRecord record;
  std::string version;
  std::optional<ItemSpace> item_space;           ///< plain factors, for neighbours
  std::optional<UserSpace> user_space;

  std::vector<int64_t> popularity;
  std::vector<float> mean_rating;
  std::vector<std::string> genres;
  std::vector<double> genre_share;
  int64_t num_ratings = 0;
  float least_rating = std::numeric_limits<float>::infinity();
  float greatest_rating = -std::numeric_limits<float>::infinity();

  /// Fills the six fields above from `ratings`.
  void count_ratings();
  /// Whether nothing that the user rated says what to recommend.
  bool needs_popularity(const UserVector& user) const;
  /// Index into item arrays; kInvalidArgument if outside.
  size_t place(ItemIndex item) const;
};

}  // namespace attune::people
