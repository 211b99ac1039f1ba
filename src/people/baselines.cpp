#include "people/baselines.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "stats/ranking.h"

namespace attune::people {
namespace {

constexpr int64_t kItemGrain = 32;

void check_out(std::span<float> out, size_t expected, std::string_view operation) {
  check(out.size() == expected, ErrorCode::kInvalidArgument, "[", operation, "] out [", out.size(), "], expected [", expected, "]");
}

}  // namespace

PopularityRanker::PopularityRanker(std::span<const data::Interaction> ratings, int32_t num_items)
    : counts_(static_cast<size_t>(num_items), 0.0f) {
  for (const auto& r : ratings) counts_.at(static_cast<size_t>(r.item.value)) += 1;
}

void PopularityRanker::score(std::span<const RatedItem>, std::span<float> out) const {
  check_out(out, counts_.size(), "popularity");
  std::copy(counts_.begin(), counts_.end(), out.begin());
}

ItemKnnRanker::ItemKnnRanker(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items,
                             const ItemKnnOptions& options, ThreadPool& pool)
    : options_(options), neighbours_(static_cast<size_t>(num_items)) {
  check(options.neighbours >= 1 && options.shrinkage >= 0, ErrorCode::kInvalidArgument, "[item knn] ", options.neighbours,
        " neighbours, shrinkage ", options.shrinkage, ", expected at least 1 and at least 0");
  std::vector<std::vector<int32_t>> items_of(static_cast<size_t>(num_users));
  std::vector<std::vector<int32_t>> users_of(static_cast<size_t>(num_items));
  for (const auto& r : ratings) {
    if (r.rating < options.threshold) continue;
    items_of.at(static_cast<size_t>(r.user.value)).push_back(r.item.value);
    users_of.at(static_cast<size_t>(r.item.value)).push_back(r.user.value);
  }
  pool.for_ranges(num_items, kItemGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> common(static_cast<size_t>(num_items));
    for (int64_t i = begin; i < end; ++i) {
      std::fill(common.begin(), common.end(), 0.0f);
      for (const int32_t user : users_of[i]) {
        for (const int32_t j : items_of[user]) common[j] += 1;
      }
      const double own = static_cast<double>(users_of[i].size());
      for (size_t j = 0; j < common.size(); ++j) {
        if (common[j] == 0) continue;
        common[j] = static_cast<float>(common[j] / (std::sqrt(own * static_cast<double>(users_of[j].size())) + options.shrinkage));
      }
      common[i] = 0;
      for (const int32_t j : stats::top_k(common, options.neighbours)) {
        if (common[j] > 0) neighbours_[i].push_back({j, common[j]});
      }
    }
  });
}

void ItemKnnRanker::score(std::span<const RatedItem> ratings, std::span<float> out) const {
  check_out(out, neighbours_.size(), "item knn");
  std::vector<uint8_t> liked(neighbours_.size(), 0);
  for (const auto& r : ratings) {
    if (r.rating >= options_.threshold) liked.at(static_cast<size_t>(r.item.value)) = 1;
  }
  for (size_t i = 0; i < neighbours_.size(); ++i) {
    float sum = 0;
    for (const auto& neighbour : neighbours_[i]) {
      if (liked[neighbour.item] != 0) sum += neighbour.similarity;
    }
    out[i] = sum;
  }
}

float ItemKnnRanker::similarity(ItemIndex i, ItemIndex j) const {
  for (const auto& neighbour : neighbours_.at(static_cast<size_t>(i.value))) {
    if (neighbour.item == j.value) return neighbour.similarity;
  }
  return 0;
}

}  // namespace attune::people
