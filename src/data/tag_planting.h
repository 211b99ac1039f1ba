// Tags with a known truth on rating data that has genres but no tags (MovieLens 100K), for tests and claims (docs/methods/soft_attributes.md).
//
// User u tags a rated item of at least `least_rating` stars with probability PT_u, which is 0 with probability `none_share` and uniform on
// [low, high] otherwise; a tagged item gets every word that holds for u and the item:
//   genre tags      a word per genre, the genre's name in lower case; truth = the genre flag (objective)
//   planted senses  one word that means genres A to some users and genres B to others (as many groups as senses, users dealt at random)
//   planted degree  one word = genre, and the item's mean rating is above a personal threshold (a quantile of the genre's means)
// Everything is a pure function of the data, the options and the seed; users have streams of their own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace attune::data {

struct TagPlantOptions {
  double none_share = 0.5;  ///< users who never tag, [0, 1] (the published generator has 0.8)
  double low = 0.1;  ///< least probability of tagging an item, [0, high]
  double high = 0.5;  ///< [low, 1]
  double least_rating = 4;  ///< only items that the user rated at least so high
  bool genre_tags = true;  ///< also plant the genre tags: they are what a user's other items carry
  uint64_t seed = 0;
};

/// Tags of every genre. Throws kInvalidArgument for options out of range and for data without genres.
std::vector<TagEvent> plant_genre_tags(const Dataset& dataset, const TagPlantOptions& options = {});

struct PlantedSenses {
  std::vector<TagEvent> tags;
  std::vector<int32_t> sense;  ///< [users]: the truth
};
/// `senses[s]`: the genres that `word` stands for in sense s (an item with any of them has it). Throws kInvalidArgument: fewer than two
/// senses, an empty one, an unknown genre (lists the known ones).
PlantedSenses plant_senses(const Dataset& dataset, const std::string& word, const std::vector<std::vector<std::string>>& senses,
                           const TagPlantOptions& options = {});

struct PlantedDegree {
  std::vector<TagEvent> tags;
  std::vector<float> threshold;  ///< [users]: the item mean above which the user says the word
  std::vector<float> degree;  ///< [items]: damped mean rating of items of the genre, NaN for others
};
/// Each user's threshold is the mean rating at one of `quantiles` (of the genre's items; drawn with equal weight). Throws kInvalidArgument:
/// unknown genre, fewer than 10 items of it, no quantiles or one outside (0, 1).
PlantedDegree plant_degree(const Dataset& dataset, const std::string& word, const std::string& genre,
                           const std::vector<double>& quantiles = {0.3, 0.7}, const TagPlantOptions& options = {});

}  // namespace attune::data
