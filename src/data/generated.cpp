#include "data/generated.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "core/error.h"
#include "core/rng.h"
#include "data/title.h"

namespace attune::data {
namespace {

constexpr std::array<std::string_view, 42> kAdjectives = {
    "Silent",  "Golden",   "Broken",  "Distant", "Hidden",   "Crimson", "Lonely",  "Electric", "Frozen",    "Velvet",   "Wandering",
    "Burning", "Secret",   "Crooked", "Gentle",  "Midnight", "Paper",   "Savage",  "Quiet",    "Endless",   "Borrowed", "Iron",
    "Little",  "Northern", "Second",  "Hollow",  "Bright",   "Stolen",  "Painted", "Restless", "Forgotten", "Emerald",  "Late",
    "Winter",  "Honest",   "Falling", "Tender",  "Scarlet",  "Blind",   "Merry",   "Last",     "Patient"};
constexpr std::array<std::string_view, 41> kNouns = {
    "River",     "Harbour",  "Garden", "Witness", "Orchard",  "Stranger", "Machine",  "Letter", "Horizon", "Promise", "Dancer",
    "Winter",    "Station",  "Mirror", "Kingdom", "Shadow",   "Voyage",   "Ballad",   "Tower",  "Island",  "Captain", "Summer",
    "Detective", "Circus",   "Valley", "Clock",   "Lantern",  "Soldier",  "Melody",   "Bridge", "Fortune", "Hunter",  "Cathedral",
    "Train",     "Comedian", "Ocean",  "Prophet", "Daughter", "Portrait", "Frontier", "Parade"};
constexpr std::array<std::string_view, 18> kGenreNames = {"Action",      "Adventure", "Animation", "Children's", "Comedy", "Crime",
                                                          "Documentary", "Drama",     "Fantasy",   "Film-Noir",  "Horror", "Musical",
                                                          "Mystery",     "Romance",   "Sci-Fi",    "Thriller",   "War",    "Western"};

std::vector<float> normal_rows(Rng& rng, int64_t rows, int rank) {
  std::vector<float> out(static_cast<size_t>(rows) * static_cast<size_t>(rank));
  for (auto& value : out) value = static_cast<float>(rng.normal() / std::sqrt(static_cast<double>(rank)));
  return out;
}

/// Moves users towards the centres of clusters; from a stream of its own, so that everything else stays as it is without clusters.
void cluster_users(const GeneratedOptions& o, Generated& out) {
  Rng rng(o.seed, "generated clusters");
  const auto rank = static_cast<size_t>(o.rank);
  const auto centres = normal_rows(rng, o.num_clusters, o.rank);
  const double towards = std::sqrt(1 - o.cluster_spread * o.cluster_spread);
  for (int32_t u = 0; u < o.num_users; ++u) {
    const auto k = static_cast<size_t>(rng.below(static_cast<uint64_t>(o.num_clusters)));
    out.cluster.push_back(static_cast<int32_t>(k));
    for (size_t i = 0; i < rank; ++i) {
      float& x = out.user_factors[static_cast<size_t>(u) * rank + i];
      x = static_cast<float>(towards * centres[k * rank + i] + o.cluster_spread * x);
    }
  }
}

double dot(const float* a, const float* b, int n) {
  double sum = 0;
  for (int k = 0; k < n; ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

/// Ratings a user: log-normal above the minimum, scaled so that they add up to `total`.
std::vector<int64_t> user_counts(const GeneratedOptions& o, Rng& rng) {
  const int64_t most = o.num_items * 2 / 5;
  std::vector<double> weight(static_cast<size_t>(o.num_users));
  double sum = 0;
  for (auto& w : weight) sum += w = std::exp(1.1 * rng.normal());
  const int64_t spare = o.num_ratings - static_cast<int64_t>(o.num_users) * o.least_per_user;
  check(spare >= 0 && o.num_ratings <= most * o.num_users, ErrorCode::kInvalidArgument, "[generate dataset] ", o.num_ratings,
        " ratings for ", o.num_users, " users with ", o.least_per_user, " to ", most, " each do not fit");
  std::vector<int64_t> out(weight.size());
  int64_t given = 0;
  for (size_t u = 0; u < out.size(); ++u) {
    out[u] = std::min<int64_t>(most, o.least_per_user + static_cast<int64_t>(static_cast<double>(spare) * weight[u] / sum));
    given += out[u];
  }
  for (size_t u = 0; given != o.num_ratings; u = (u + 1) % out.size()) {
    if (given < o.num_ratings && out[u] < most) ++out[u], ++given;
    if (given > o.num_ratings && out[u] > o.least_per_user) --out[u], --given;
  }
  return out;
}

ItemInfo make_item(int32_t index, const float* factors, const std::vector<float>& directions, int rank, Rng& rng) {
  const auto place = static_cast<size_t>(index);
  const int year = 1998 - static_cast<int>(std::min(68.0, -12.0 * std::log(1.0 - rng.uniform())));
  const std::string name = cat(kAdjectives[place % kAdjectives.size()], " ", kNouns[place / kAdjectives.size()], ", The (", year, ")");
  ParsedTitle parsed = parse_title(name);
  ItemInfo info{std::move(parsed.title), std::move(parsed.display_title), {}, parsed.year, {}, {}};
  std::array<std::pair<double, size_t>, kGenreNames.size()> match;
  for (size_t g = 0; g < match.size(); ++g) match[g] = {-dot(factors, directions.data() + g * static_cast<size_t>(rank), rank), g};
  std::sort(match.begin(), match.end());
  const uint64_t count = 1 + rng.below(3);
  for (uint64_t g = 0; g < count; ++g) info.genres.emplace_back(kGenreNames[match[g].second]);
  std::sort(info.genres.begin(), info.genres.end());
  return info;
}

}  // namespace

Generated generate_dataset(const GeneratedOptions& o) {
  check(o.num_users > 0 && o.num_items > 0 && o.rank > 0 && o.least_per_user >= 0 &&
            o.num_items <= static_cast<int32_t>(kAdjectives.size() * kNouns.size()),
        ErrorCode::kInvalidArgument, "[generate dataset] ", o.num_users, " users, ", o.num_items, " items, rank ", o.rank,
        ", expected at least 1 of each and at most 1722 items");
  check(o.num_clusters >= 0 && o.cluster_spread >= 0 && o.cluster_spread <= 1, ErrorCode::kInvalidArgument, "[generate dataset] ",
        o.num_clusters, " clusters of spread ", o.cluster_spread, ", expected at least 0 and a spread in [0, 1]");
  Generated out;
  Rng rng(o.seed, "generated dataset");
  out.user_factors = normal_rows(rng, o.num_users, o.rank);
  out.item_factors = normal_rows(rng, o.num_items, o.rank);
  if (o.num_clusters > 0) cluster_users(o, out);
  const auto directions = normal_rows(rng, kGenreNames.size(), o.rank);

  const auto num_items = static_cast<size_t>(o.num_items);
  std::vector<int32_t> title_order(num_items);
  for (size_t i = 0; i < num_items; ++i) title_order[i] = static_cast<int32_t>(i);
  shuffle(title_order, rng);
  std::vector<double> log_popularity(num_items);
  std::vector<double> quality(num_items);
  std::vector<int32_t> rank_of(title_order);
  shuffle(rank_of, rng);
  out.dataset.name = "generated";
  for (size_t i = 0; i < num_items; ++i) {
    quality[i] = rng.normal();
    log_popularity[i] = -0.9 * std::log(rank_of[i] + 20.0) + 0.4 * quality[i];
    out.dataset.items.add(cat(i + 1));
    out.dataset.item_info.push_back(
        make_item(title_order[i], out.item_factors.data() + i * static_cast<size_t>(o.rank), directions, o.rank, rng));
  }

  const auto counts = user_counts(o, rng);
  std::vector<std::pair<double, int32_t>> choice(num_items);
  for (int32_t u = 0; u < o.num_users; ++u) {
    Rng user_rng(o.seed, fnv1a("generated user", static_cast<uint64_t>(u)));
    const UserIndex user = out.dataset.users.add(cat(u + 1));
    const double leniency = user_rng.normal();
    const float* p = out.user_factors.data() + static_cast<size_t>(u) * static_cast<size_t>(o.rank);
    const auto affinity = [&](size_t i) {
      return std::sqrt(static_cast<double>(o.rank)) * dot(p, out.item_factors.data() + i * static_cast<size_t>(o.rank), o.rank);
    };
    for (size_t i = 0; i < num_items; ++i) {
      const double gumbel = -std::log(-std::log(user_rng.uniform() * (1 - 1e-12) + 1e-13));
      choice[i] = {-(log_popularity[i] + 1.2 * affinity(i) + gumbel), static_cast<int32_t>(i)};
    }
    std::partial_sort(choice.begin(), choice.begin() + counts[u], choice.end());
    int64_t time = 874724710 + static_cast<int64_t>(user_rng.below(18000000));
    for (int64_t n = 0; n < counts[u]; ++n) {
      const auto i = static_cast<size_t>(choice[n].second);
      const double raw = 3.5 + 0.5 * quality[i] + 0.4 * leniency + 0.8 * affinity(i) + 0.7 * user_rng.normal();
      const auto rating = static_cast<float>(std::clamp(std::round(raw), 1.0, 5.0));
      time += static_cast<int64_t>(user_rng.below(90));
      out.dataset.interactions.push_back({user, ItemIndex(static_cast<int32_t>(i)), rating, time});
    }
  }
  out.dataset.report.num_rows = o.num_ratings;
  return out;
}

}  // namespace attune::data
