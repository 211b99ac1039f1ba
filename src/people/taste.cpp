#include "people/taste.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "core/error.h"

namespace attune::people {
namespace {

struct Middle {
  double liked;     ///< from here on a rating is a like
  double disliked;  ///< below it is a dislike
};

/// Likes: half way between the user's own mean rating and the mean of what others gave to the same items, so a user who gives only high
/// ratings still likes them. Dislikes are also below what others gave: a 4 among 5s is none.
Middle middle_of(const Recommender& recommender, std::span<const RatedItem> ratings) {
  double own = 0;
  double usual = 0;
  for (const auto& r : ratings) {
    own += r.rating;
    usual += recommender.mean_rating(r.item);
  }
  const auto n = static_cast<double>(ratings.size());
  const double liked = 0.5 * (own / n + usual / n);
  return {liked, std::min(liked, usual / n)};
}

struct Side {
  int total = 0;
  std::map<std::string, int, std::less<>> count;

  double lift(const std::string& genre, double base, double pseudo) const {
    const auto found = count.find(genre);
    const double mine = found == count.end() ? 0 : found->second;
    return (mine + pseudo * base) / (total + pseudo) / base;
  }
  int count_of(const std::string& genre) const {
    const auto found = count.find(genre);
    return found == count.end() ? 0 : found->second;
  }
};

std::vector<GenreTaste> strongest(const Recommender& recommender, const Side& side, const Side& other, const TasteOptions& options) {
  std::vector<GenreTaste> out;
  for (size_t g = 0; g < recommender.genres().size(); ++g) {
    const std::string& genre = recommender.genres()[g];
    const double base = recommender.genre_share()[g];
    if (base <= 0 || side.count_of(genre) < options.least_count) continue;
    const double lift = side.lift(genre, base, options.pseudo_ratings);
    if (lift < options.least_lift || lift <= other.lift(genre, base, options.pseudo_ratings)) continue;
    out.push_back({genre, lift, side.count_of(genre)});
  }
  std::stable_sort(out.begin(), out.end(), [](const GenreTaste& a, const GenreTaste& b) { return a.lift > b.lift; });
  if (out.size() > static_cast<size_t>(options.max_genres)) out.resize(static_cast<size_t>(options.max_genres));
  return out;
}

std::vector<Favourite> favourites_of(const Recommender& recommender, std::span<const RatedItem> ratings, const TasteOptions& options) {
  std::vector<float> values;
  for (const auto& r : ratings) values.push_back(r.rating);
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  const float least = std::max(options.favourite_rating, values[values.size() / 2]);
  std::vector<RatedItem> best;
  for (const auto& r : ratings) {
    if (r.rating >= least) best.push_back(r);
  }
  std::sort(best.begin(), best.end(), [&](const RatedItem& a, const RatedItem& b) {
    if (a.rating != b.rating) return a.rating > b.rating;
    const auto pa = recommender.popularity(a.item);
    const auto pb = recommender.popularity(b.item);
    return pa != pb ? pa < pb : a.item < b.item;
  });
  if (best.size() > static_cast<size_t>(options.max_favourites)) best.resize(static_cast<size_t>(options.max_favourites));
  std::vector<Favourite> out;
  for (const auto& r : best) out.push_back({r.item, recommender.item(r.item).display_title, r.rating});
  return out;
}

}  // namespace

Taste taste_of(const Recommender& recommender, std::span<const RatedItem> ratings, const TasteOptions& options) {
  check(options.max_genres >= 0 && options.max_favourites >= 0 && options.pseudo_ratings > 0, ErrorCode::kInvalidArgument,
        "[taste] max_genres ", options.max_genres, ", max_favourites ", options.max_favourites, ", pseudo_ratings ", options.pseudo_ratings,
        ", expected at least 0, at least 0 and above 0");
  Taste out;
  out.num_ratings = static_cast<int>(ratings.size());
  if (ratings.empty()) return out;
  Side liked;
  Side disliked;
  const Middle middle = middle_of(recommender, ratings);
  for (const auto& r : ratings) {
    if (r.rating < middle.liked && r.rating >= middle.disliked) continue;
    Side& side = r.rating >= middle.liked ? liked : disliked;
    ++side.total;
    for (const auto& genre : recommender.item(r.item).genres) ++side.count[genre];
  }
  out.likes = strongest(recommender, liked, disliked, options);
  out.dislikes = strongest(recommender, disliked, liked, options);
  out.favourites = favourites_of(recommender, ratings, options);
  return out;
}

}  // namespace attune::people
