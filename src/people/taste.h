// A user's taste in words: genres liked and disliked more than usual, favourite titles. What explanations are allowed to refer to.
//
// Likes are ratings from a midpoint on, which lies half way between the mean of the user's ratings and the mean of what others gave to the
// same items. Dislikes are ratings below it that are also below what others gave; what lies between says nothing. For each side
// and genre g:
//   share_g = (count_g + a * base_g) / (total + a),  lift_g = share_g / base_g
// base_g = share of the genre among all training ratings, a = 8 pseudo ratings, which pull the lift of a user with few ratings to 1.
// A genre is liked if its lift among likes >= 1.15 and above its lift among dislikes; disliked the other way round.
// docs/methods/factorisation.md.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "people/recommender.h"

namespace attune::people {

struct GenreTaste {
  std::string genre;
  double lift = 1;  ///< against the catalogue as it is rated; above 1
  int count = 0;  ///< the user's ratings of the genre on this side
};

struct Favourite {
  ItemIndex item;
  std::string title;  ///< display title
  float rating = 0;
};

struct Taste {
  int num_ratings = 0;
  std::vector<GenreTaste> likes;  ///< strongest first, at most max_genres, no genre in both lists
  std::vector<GenreTaste> dislikes;
  std::vector<Favourite> favourites;  ///< best rated first; equal ratings: less popular first, as they say more
};

struct TasteOptions {
  int max_genres = 3;
  int max_favourites = 5;
  double least_lift = 1.15;
  double pseudo_ratings = 8;
  int least_count = 2;  ///< a genre needs this many ratings on its side
  float favourite_rating = 4;  ///< favourites have at least this rating and are at least the user's median
};

/// O(ratings * genres per item). No ratings give an empty taste.
Taste taste_of(const Recommender& recommender, std::span<const RatedItem> ratings, const TasteOptions& options = {});

}  // namespace attune::people
