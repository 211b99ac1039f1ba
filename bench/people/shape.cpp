#include "bench/people/shape.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace attune::bench {
namespace {

constexpr int kAffinityRank = 8;
constexpr int64_t kUserGrain = 256;
constexpr int64_t kLeastPerUser = 20;

/// Items that users are given before the draws, by user.
std::vector<std::vector<int32_t>> give_every_item(const ShapeOptions& o, std::span<const int64_t> counts) {
  std::vector<std::vector<int32_t>> out(static_cast<size_t>(o.num_users));
  Rng rng(o.seed, "shape every item");
  for (int32_t i = 0; i < o.num_items; ++i) {
    auto u = static_cast<size_t>(rng.below(static_cast<uint64_t>(o.num_users)));
    while (static_cast<int64_t>(out[u].size()) >= counts[u]) u = (u + 1) % out.size();
    out[u].push_back(i);
  }
  return out;
}

std::vector<int64_t> counts_of_users(const ShapeOptions& o) {
  Rng rng(o.seed, "shape counts");
  const int64_t most = std::max(kLeastPerUser, static_cast<int64_t>(o.num_items) / 3);
  std::vector<double> extra(static_cast<size_t>(o.num_users));
  for (auto& value : extra) value = std::exp(1.35 * rng.normal());
  const double sum = std::accumulate(extra.begin(), extra.end(), 0.0);
  const double scale = static_cast<double>(o.num_ratings - kLeastPerUser * o.num_users) / sum;
  std::vector<int64_t> out(extra.size());
  int64_t total = 0;
  for (size_t u = 0; u < out.size(); ++u) {
    out[u] = std::min(most, kLeastPerUser + static_cast<int64_t>(scale * extra[u]));
    total += out[u];
  }
  for (size_t u = 0; total != o.num_ratings; u = (u + 1) % out.size()) {  // what rounding and the cap left
    const int64_t step = total < o.num_ratings ? 1 : -1;
    if (out[u] + step > most || out[u] + step < 1) continue;
    out[u] += step;
    total += step;
  }
  return out;
}

struct Factors {
  std::vector<float> values;  ///< [rows, kAffinityRank]
  std::vector<float> level;   ///< quality or leniency
  Factors(int32_t rows, uint64_t seed, const char* name) {
    Rng rng(seed, name);
    values.resize(static_cast<size_t>(rows) * kAffinityRank);
    level.resize(static_cast<size_t>(rows));
    for (auto& v : values) v = static_cast<float>(rng.normal() / std::sqrt(std::sqrt(static_cast<double>(kAffinityRank))));
    for (auto& v : level) v = static_cast<float>(rng.normal());
  }
};

float rate(const Factors& users, const Factors& items, int64_t u, int32_t i, Rng& rng) {
  double affinity = 0;
  for (int k = 0; k < kAffinityRank; ++k)
    affinity += users.values[u * kAffinityRank + k] * items.values[static_cast<size_t>(i) * kAffinityRank + k];
  const double value = 3.5 + 0.4 * items.level[i] + 0.4 * users.level[u] + 0.6 * affinity + 0.7 * rng.normal();
  return static_cast<float>(std::clamp(std::round(2 * value) / 2, 0.5, 5.0));
}

}  // namespace

AliasTable::AliasTable(std::span<const double> weights) : keep_(weights.size()), alias_(weights.size()) {
  double sum = 0;
  for (const double w : weights) {
    check(std::isfinite(w) && w >= 0, ErrorCode::kInvalidArgument, "[alias table] weight ", w, ", expected a finite one, not negative");
    sum += w;
  }
  check(sum > 0, ErrorCode::kInvalidArgument, "[alias table] the weights have the sum ", sum);
  std::vector<int32_t> small, large;
  for (size_t i = 0; i < weights.size(); ++i) {
    keep_[i] = weights[i] / sum * static_cast<double>(weights.size());
    alias_[i] = static_cast<int32_t>(i);
    (keep_[i] < 1 ? small : large).push_back(static_cast<int32_t>(i));
  }
  while (!small.empty() && !large.empty()) {
    const int32_t from = large.back();
    alias_[small.back()] = from;
    keep_[from] -= 1 - keep_[small.back()];
    small.pop_back();
    if (keep_[from] < 1) {
      large.pop_back();
      small.push_back(from);
    }
  }
  for (const int32_t i : small) keep_[i] = 1;  // rounding
  for (const int32_t i : large) keep_[i] = 1;
}

int32_t AliasTable::draw(Rng& rng) const noexcept {
  const auto column = static_cast<size_t>(rng.below(keep_.size()));
  return rng.uniform() < keep_[column] ? static_cast<int32_t>(column) : alias_[column];
}

ShapeOptions shape_of(int64_t num_ratings, uint64_t seed) {
  const ShapeOptions full;
  const double share = std::sqrt(static_cast<double>(num_ratings) / static_cast<double>(full.num_ratings));
  ShapeOptions out{num_ratings, std::max(1, static_cast<int32_t>(full.num_users * share)),
                   std::max(60, static_cast<int32_t>(full.num_items * share)), seed};
  out.num_users = static_cast<int32_t>(std::clamp<int64_t>(num_ratings / (2 * kLeastPerUser), 1, out.num_users));
  return out;
}

people::RatingMatrix generate_ratings(const ShapeOptions& o, ThreadPool& pool) {
  check(o.num_users >= 1 && o.num_items >= 3 * kLeastPerUser && o.num_ratings >= kLeastPerUser * o.num_users &&
            o.num_ratings >= o.num_items && o.num_ratings <= static_cast<int64_t>(o.num_users) * (o.num_items / 3),
        ErrorCode::kInvalidArgument, "[shape] ", o.num_ratings, " ratings of ", o.num_users, " users and ", o.num_items,
        " items, expected at least 20 a user and one an item, at most a third of the matrix");
  std::vector<double> popularity(static_cast<size_t>(o.num_items));
  for (size_t i = 0; i < popularity.size(); ++i) popularity[i] = std::pow(static_cast<double>(i) + 120, -1.6);
  Rng order(o.seed, "shape order");
  shuffle(popularity, order);
  const AliasTable table(popularity);
  const auto counts = counts_of_users(o);
  const auto given = give_every_item(o, counts);
  const Factors user_factors(o.num_users, o.seed, "shape users");
  const Factors item_factors(o.num_items, o.seed, "shape items");
  people::RatingMatrix out{o.num_users, o.num_items, {0}, {}, {}};
  for (const int64_t count : counts) out.offsets.push_back(out.offsets.back() + count);
  out.items.resize(static_cast<size_t>(o.num_ratings));
  out.ratings.resize(static_cast<size_t>(o.num_ratings));
  pool.for_ranges(o.num_users, kUserGrain, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> taken(static_cast<size_t>(o.num_items), -1);
    std::vector<int32_t> items;
    for (int64_t u = begin; u < end; ++u) {
      Rng rng(o.seed ^ 0x5ca1e, static_cast<uint64_t>(u));
      items = given[static_cast<size_t>(u)];
      for (const int32_t i : items) taken[i] = u;
      while (static_cast<int64_t>(items.size()) < counts[u]) {
        const int32_t i = table.draw(rng);
        if (taken[i] == u) continue;
        taken[i] = u;
        items.push_back(i);
      }
      std::sort(items.begin(), items.end());
      for (size_t n = 0; n < items.size(); ++n) {
        out.items[out.offsets[u] + static_cast<int64_t>(n)] = items[n];
        out.ratings[out.offsets[u] + static_cast<int64_t>(n)] = rate(user_factors, item_factors, u, items[n], rng);
      }
    }
  });
  return out;
}

}  // namespace attune::bench
