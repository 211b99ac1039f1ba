#include "data/dataset.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace attune::data {

std::string Dataset::shape_line() const {
  return cat(users.size(), " users x ", items.size(), " items, ", interactions.size(), " ratings");
}

std::vector<std::string> Dataset::genres() const {
  std::set<std::string> out;
  for (const auto& info : item_info) out.insert(info.genres.begin(), info.genres.end());
  return {out.begin(), out.end()};
}

int64_t deduplicate(Dataset& dataset) {
  auto& all = dataset.interactions;
  std::vector<size_t> order(all.size());
  for (size_t n = 0; n < order.size(); ++n) order[n] = n;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(all[a].user, all[a].item, all[a].timestamp, a) < std::tuple(all[b].user, all[b].item, all[b].timestamp, b);
  });
  std::vector<uint8_t> keep(all.size(), 0);
  for (size_t n = 0; n < order.size(); ++n) {
    const auto& here = all[order[n]];
    const bool last = n + 1 == order.size() || all[order[n + 1]].user != here.user || all[order[n + 1]].item != here.item;
    keep[order[n]] = last ? 1 : 0;
  }
  size_t out = 0;
  for (size_t n = 0; n < all.size(); ++n) {
    if (keep[n] != 0) all[out++] = all[n];
  }
  const auto removed = static_cast<int64_t>(all.size() - out);
  all.resize(out);
  return removed;
}

}  // namespace attune::data
