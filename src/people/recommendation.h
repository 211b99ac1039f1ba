// The list that `attune recommend` prints: keys, titles and scores, without reasons.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "people/recommender.h"

namespace attune::people {

struct Recommendation {
  std::string item;   ///< key
  std::string title;  ///< display title
  double score = 0;
};

struct RecommendationList {
  std::string user;
  std::vector<Recommendation> items;  ///< best first
};

/// For a user that the model was learned from, overlaid with `events` of the log; the user must be known or have events: kNotFound naming
/// the user otherwise. k as RecommendOptions::k.
RecommendationList recommend_for(const Recommender& recommender, std::string_view user, int k, std::span<const store::Event> events = {});

}  // namespace attune::people
