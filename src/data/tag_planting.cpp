#include "data/tag_planting.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "data/row_source_internal.h"

namespace attune::data {
namespace {

constexpr double kMeanDamping = 5;  // ratings of the global mean added to every item mean
constexpr size_t kLeastItems = 10;

void check_options(const TagPlantOptions& o) {
  check(o.none_share >= 0 && o.none_share <= 1, ErrorCode::kInvalidArgument, "[plant tags] none_share ", o.none_share, ", expected 0 to 1");
  check(o.low >= 0 && o.low <= o.high && o.high <= 1, ErrorCode::kInvalidArgument, "[plant tags] low ", o.low, " and high ", o.high,
        ", expected 0 <= low <= high <= 1");
  check(std::isfinite(o.least_rating), ErrorCode::kInvalidArgument, "[plant tags] least_rating is not finite");
}

void check_genre(const Dataset& dataset, const std::string& genre) {
  const auto known = dataset.genres();
  if (std::find(known.begin(), known.end(), genre) != known.end()) return;
  std::string list;
  for (const auto& name : known) list += (list.empty() ? "" : ", ") + name;
  fail(ErrorCode::kInvalidArgument, "[plant tags] unknown genre \"", genre.substr(0, 60), "\", the data has ",
       list.empty() ? "none" : list);
}

bool has_any(const ItemInfo& info, const std::vector<std::string>& genres) {
  return std::any_of(genres.begin(), genres.end(),
                     [&](const std::string& g) { return std::find(info.genres.begin(), info.genres.end(), g) != info.genres.end(); });
}

/// Whether user u tags the rated item; each user's stream is drawn in the order of the ratings.
std::vector<char> tagged_ratings(const Dataset& dataset, const TagPlantOptions& o) {
  const auto n = static_cast<size_t>(dataset.users.size());
  std::vector<Rng> rng;
  std::vector<double> probability(n);
  for (size_t u = 0; u < n; ++u) {
    rng.emplace_back(o.seed, fnv1a(cat("plant tags ", u)));
    const double drawn = rng[u].uniform();
    const double level = o.low + (o.high - o.low) * rng[u].uniform();
    probability[u] = drawn < o.none_share ? 0 : level;
  }
  std::vector<char> out(dataset.interactions.size(), 0);
  for (size_t k = 0; k < out.size(); ++k) {
    const Interaction& rating = dataset.interactions[k];
    const auto u = static_cast<size_t>(rating.user.value);
    out[k] = rng[u].uniform() < probability[u] && rating.rating >= o.least_rating;
  }
  return out;
}

/// The tags of every tagged rating; `word` says whether the planted word holds.
std::vector<TagEvent> plant(const Dataset& dataset, const TagPlantOptions& o, const std::string& word,
                            const std::function<bool(UserIndex, ItemIndex)>& holds) {
  const auto tagged = tagged_ratings(dataset, o);
  std::vector<TagEvent> out;
  for (size_t k = 0; k < tagged.size(); ++k) {
    if (!tagged[k]) continue;
    const Interaction& rating = dataset.interactions[k];
    if (o.genre_tags) {
      for (const auto& genre : dataset.item_info[static_cast<size_t>(rating.item.value)].genres) {
        out.push_back({rating.user, rating.item, lower_ascii(genre), rating.timestamp});
      }
    }
    if (holds && holds(rating.user, rating.item)) out.push_back({rating.user, rating.item, word, rating.timestamp});
  }
  return out;
}

void check_word(const Dataset& dataset, const std::string& word) {
  check(!word.empty(), ErrorCode::kInvalidArgument, "[plant tags] the word is empty");
  for (const auto& genre : dataset.genres()) {
    check(lower_ascii(genre) != lower_ascii(word), ErrorCode::kInvalidArgument, "[plant tags] the word \"", word, "\" is also a genre");
  }
}

}  // namespace

std::vector<TagEvent> plant_genre_tags(const Dataset& dataset, const TagPlantOptions& options) {
  check_options(options);
  check(!dataset.genres().empty(), ErrorCode::kInvalidArgument, "[plant tags] the data has no genres");
  TagPlantOptions with = options;
  with.genre_tags = true;
  return plant(dataset, with, {}, nullptr);
}

PlantedSenses plant_senses(const Dataset& dataset, const std::string& word, const std::vector<std::vector<std::string>>& senses,
                           const TagPlantOptions& options) {
  check_options(options);
  check_word(dataset, word);
  check(senses.size() >= 2, ErrorCode::kInvalidArgument, "[plant tags] ", senses.size(), " senses, expected at least 2");
  for (const auto& genres : senses) {
    check(!genres.empty(), ErrorCode::kInvalidArgument, "[plant tags] a sense without genres");
    for (const auto& genre : genres) check_genre(dataset, genre);
  }
  PlantedSenses out;
  std::vector<size_t> order(static_cast<size_t>(dataset.users.size()));
  for (size_t u = 0; u < order.size(); ++u) order[u] = u;
  Rng rng(options.seed, "plant senses");
  shuffle(order, rng);
  out.sense.resize(order.size());
  for (size_t n = 0; n < order.size(); ++n) out.sense[order[n]] = static_cast<int32_t>(n % senses.size());
  out.tags = plant(dataset, options, word, [&](UserIndex user, ItemIndex item) {
    return has_any(dataset.item_info[static_cast<size_t>(item.value)],
                   senses[static_cast<size_t>(out.sense[static_cast<size_t>(user.value)])]);
  });
  return out;
}

PlantedDegree plant_degree(const Dataset& dataset, const std::string& word, const std::string& genre, const std::vector<double>& quantiles,
                           const TagPlantOptions& options) {
  check_options(options);
  check_word(dataset, word);
  check_genre(dataset, genre);
  check(!quantiles.empty(), ErrorCode::kInvalidArgument, "[plant tags] no quantiles");
  for (const double q : quantiles) check(q > 0 && q < 1, ErrorCode::kInvalidArgument, "[plant tags] quantile ", q, ", expected in (0, 1)");
  std::vector<double> sum(static_cast<size_t>(dataset.items.size()), 0);
  std::vector<double> count(sum.size(), 0);
  double total = 0;
  for (const auto& r : dataset.interactions) {
    sum[static_cast<size_t>(r.item.value)] += r.rating;
    ++count[static_cast<size_t>(r.item.value)];
    total += r.rating;
  }
  const double mean = total / std::max<double>(1, static_cast<double>(dataset.interactions.size()));
  PlantedDegree out;
  out.degree.assign(sum.size(), std::numeric_limits<float>::quiet_NaN());
  std::vector<float> sorted;
  for (size_t i = 0; i < sum.size(); ++i) {
    if (!has_any(dataset.item_info[i], {genre})) continue;
    out.degree[i] = static_cast<float>((sum[i] + kMeanDamping * mean) / (count[i] + kMeanDamping));
    sorted.push_back(out.degree[i]);
  }
  check(sorted.size() >= kLeastItems, ErrorCode::kInvalidArgument, "[plant tags] genre ", genre, " has ", sorted.size(),
        " items, expected at least ", kLeastItems);
  std::sort(sorted.begin(), sorted.end());
  Rng rng(options.seed, "plant degree");
  for (int32_t u = 0; u < dataset.users.size(); ++u) {
    const double q = quantiles[rng.below(quantiles.size())];
    out.threshold.push_back(sorted[static_cast<size_t>(q * static_cast<double>(sorted.size() - 1))]);
  }
  out.tags = plant(dataset, options, word, [&](UserIndex user, ItemIndex item) {
    return out.degree[static_cast<size_t>(item.value)] > out.threshold[static_cast<size_t>(user.value)];  // NaN: false
  });
  return out;
}

}  // namespace attune::data
