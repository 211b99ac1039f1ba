#include "people/bpr.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "people/als_kernels_internal.h"

namespace attune::people {
namespace {

constexpr int kTries = 1000;  ///< draws of an item that was not chosen: a user who chose nearly everything teaches nothing

/// Chosen items by user, sorted, and all (user, item) pairs in one array to draw from.
struct Chosen {
  std::vector<std::vector<int32_t>> items;
  std::vector<std::pair<int32_t, int32_t>> pairs;

  Chosen(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, double threshold)
      : items(static_cast<size_t>(std::max(0, num_users))) {
    for (const auto& r : ratings) {
      check(r.user.value >= 0 && r.user.value < num_users && r.item.value >= 0 && r.item.value < num_items, ErrorCode::kInvalidArgument,
            "[bpr] rating of user row ", r.user.value, " and item row ", r.item.value, ", the matrix is ", num_users, " users x ",
            num_items, " items");
      if (r.rating >= threshold) items[r.user.value].push_back(r.item.value);
    }
    for (int32_t u = 0; u < num_users; ++u) {
      auto& mine = items[u];
      std::sort(mine.begin(), mine.end());
      mine.erase(std::unique(mine.begin(), mine.end()), mine.end());
      for (const int32_t i : mine) pairs.emplace_back(u, i);
    }
    check(!pairs.empty(), ErrorCode::kInvalidArgument, "[bpr] no rating of at least ", threshold, " to learn from");
  }
};

/// An item outside `sorted`, uniformly; -1 if none was met.
int32_t draw_other(std::span<const int32_t> sorted, int32_t num_items, Rng& rng) {
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const auto j = static_cast<int32_t>(rng.below(static_cast<uint64_t>(num_items)));
    if (!std::binary_search(sorted.begin(), sorted.end(), j)) return j;
  }
  return -1;
}

float dot(const float* a, const float* b, int d) {
  float out = 0;
  als_scores(a, 1, d, b, &out);
  return out;
}

/// 1 / (1 + exp(x)): the share of the pair's gradient.
float wrongness(float x) { return 1 / (1 + std::exp(x)); }

}  // namespace

void BprOptions::describe(OptionList& list) {
  list.add("rank", rank, "Dimension d of the factors.").range(1, 1024);
  list.add("epochs", epochs, "Passes; each draws as many pairs as there are chosen items.").range(1, 10000);
  list.add("learning_rate", learning_rate, "Step of the descent.").range(1e-6, 10);
  list.add("user_decay", user_decay, "L2 regularisation of users.").range(0, 10);
  list.add("item_decay", item_decay, "L2 regularisation of items and their biases.").range(0, 10);
  list.add("init_sd", init_sd, "Standard deviation of the random start.").range(1e-9, 100);
  list.add("threshold", threshold, "Ratings of at least this are chosen.").range(-1e9, 1e9);
  list.add("fold_in_epochs", fold_in_epochs, "Steps an item when a user is given by ratings alone.").range(1, 10000);
  list.add("seed", seed, "Seed of start and draws.");
}

BprRanker::BprRanker(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, const BprOptions& options)
    : options_(options) {
  check_option_ranges(options);
  check(num_users > 0 && num_items > 1, ErrorCode::kInvalidArgument, "[bpr] ", num_users, " users and ", num_items,
        " items, expected at least one user and two items");
  const Chosen chosen(ratings, num_users, num_items, options.threshold);
  const int d = options.rank;
  Rng rng(options.seed, "bpr");
  users_.resize(static_cast<size_t>(num_users) * static_cast<size_t>(d));
  items_.resize(static_cast<size_t>(num_items) * static_cast<size_t>(d));
  bias_.assign(static_cast<size_t>(num_items), 0.0f);
  for (auto& value : users_) value = static_cast<float>(options.init_sd * rng.normal());
  for (auto& value : items_) value = static_cast<float>(options.init_sd * rng.normal());
  const auto rate = static_cast<float>(options.learning_rate);
  const auto user_decay = static_cast<float>(options.user_decay);
  const auto item_decay = static_cast<float>(options.item_decay);
  const auto steps = static_cast<int64_t>(chosen.pairs.size()) * options.epochs;
  for (int64_t step = 0; step < steps; ++step) {
    const auto [u, i] = chosen.pairs[rng.below(chosen.pairs.size())];
    const int32_t j = draw_other(chosen.items[u], num_items, rng);
    if (j < 0) continue;
    float* p = users_.data() + static_cast<int64_t>(u) * d;
    float* good = items_.data() + static_cast<int64_t>(i) * d;
    float* other = items_.data() + static_cast<int64_t>(j) * d;
    const float share = wrongness(dot(p, good, d) - dot(p, other, d) + bias_[i] - bias_[j]);
    for (int k = 0; k < d; ++k) {
      const float user = p[k];
      p[k] += rate * (share * (good[k] - other[k]) - user_decay * user);
      good[k] += rate * (share * user - item_decay * good[k]);
      other[k] -= rate * (share * user + item_decay * other[k]);
    }
    bias_[i] += rate * (share - item_decay * bias_[i]);
    bias_[j] -= rate * (share + item_decay * bias_[j]);
  }
  const auto finite = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  };
  check(finite(users_) && finite(items_) && finite(bias_), ErrorCode::kInvalidArgument, "[bpr] the descent diverged with learning_rate ",
        options.learning_rate, ": lower it");
}

void BprRanker::scores(std::span<const float> p, std::span<float> out) const {
  check(out.size() == bias_.size(), ErrorCode::kInvalidArgument, "[bpr] out [", out.size(), "], expected [", bias_.size(), "]");
  als_scores(items_.data(), static_cast<int64_t>(bias_.size()), options_.rank, p.data(), out.data());
  for (size_t i = 0; i < out.size(); ++i) out[i] += bias_[i];
}

void BprRanker::score_user(UserIndex user, std::span<const RatedItem>, std::span<float> out) const {
  const auto d = static_cast<size_t>(options_.rank);
  check(user.value >= 0 && static_cast<size_t>(user.value) * d < users_.size(), ErrorCode::kInvalidArgument, "[bpr] user row ", user.value,
        " of ", users_.size() / d);
  scores(std::span(users_).subspan(static_cast<size_t>(user.value) * d, d), out);
}

void BprRanker::score(std::span<const RatedItem> ratings, std::span<float> out) const {
  const auto num_items = static_cast<int32_t>(bias_.size());
  std::vector<int32_t> mine;
  for (const auto& r : ratings) {
    check(r.item.value >= 0 && r.item.value < num_items, ErrorCode::kInvalidArgument, "[bpr] item row ", r.item.value, ", the model has ",
          num_items, " items");
    if (r.rating >= options_.threshold) mine.push_back(r.item.value);
  }
  std::sort(mine.begin(), mine.end());
  const int d = options_.rank;
  std::vector<float> p(static_cast<size_t>(d), 0.0f);
  Rng rng(options_.seed, "bpr fold in");
  const auto rate = static_cast<float>(options_.learning_rate);
  const auto decay = static_cast<float>(options_.user_decay);
  for (int64_t step = 0; step < static_cast<int64_t>(mine.size()) * options_.fold_in_epochs; ++step) {
    const int32_t i = mine[rng.below(mine.size())];
    const int32_t j = draw_other(mine, num_items, rng);
    if (j < 0) continue;
    const float* good = items_.data() + static_cast<int64_t>(i) * d;
    const float* other = items_.data() + static_cast<int64_t>(j) * d;
    const float share = wrongness(dot(p.data(), good, d) - dot(p.data(), other, d) + bias_[i] - bias_[j]);
    for (int k = 0; k < d; ++k) p[k] += rate * (share * (good[k] - other[k]) - decay * p[k]);
  }
  scores(p, out);
}

}  // namespace attune::people
