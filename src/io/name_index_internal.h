// Looking up items by name through a sorted list of indices: O(log n), no hash table that hostile names could degrade.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

namespace attune::io {

/// Indices of `items` ordered by `name_of(item)`; equal names stay in file order. O(n log n).
template <class Items, class NameOf>
std::vector<uint32_t> order_by_name(const Items& items, const NameOf& name_of) {
  std::vector<uint32_t> order(items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int order_ab = std::string_view(name_of(items[a])).compare(name_of(items[b]));
    return order_ab != 0 ? order_ab < 0 : a < b;
  });
  return order;
}

/// Index of an item whose name occurs twice, or nothing.
template <class Items, class NameOf>
std::optional<uint32_t> find_duplicate(const Items& items, const std::vector<uint32_t>& order, const NameOf& name_of) {
  for (size_t i = 1; i < order.size(); ++i) {
    if (std::string_view(name_of(items[order[i - 1]])) == std::string_view(name_of(items[order[i]]))) return order[i];
  }
  return std::nullopt;
}

/// Position in `items` of `name`, or items.size().
template <class Items, class NameOf>
size_t find_by_name(const Items& items, const std::vector<uint32_t>& order, std::string_view name, const NameOf& name_of) noexcept {
  const auto found = std::lower_bound(order.begin(), order.end(), name,
                                      [&](uint32_t i, std::string_view wanted) { return std::string_view(name_of(items[i])) < wanted; });
  return found != order.end() && std::string_view(name_of(items[*found])) == name ? *found : items.size();
}

}  // namespace attune::io
