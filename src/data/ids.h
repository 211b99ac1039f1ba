// Users and items: opaque keys outside, dense indices inside. UserIndex and ItemIndex are different types, so they cannot be swapped.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/error.h"

namespace attune::data {

/// A row number, 0 based. `Tag` tells users from items.
template <class Tag>
struct Index {
  int32_t value = 0;
  constexpr Index() = default;
  constexpr explicit Index(int32_t row) : value(row) {}
  friend constexpr auto operator<=>(Index, Index) = default;
};
struct UserTag {
  static constexpr std::string_view kName = "user";
};
struct ItemTag {
  static constexpr std::string_view kName = "item";
};
using UserIndex = Index<UserTag>;
using ItemIndex = Index<ItemTag>;

/// Two-way map between opaque string keys and rows 0..size-1 in order of first sight. Not thread-safe while `add` is used.
template <class Tag>
class IdMap {
 public:
  using IndexType = Index<Tag>;

  /// The row of `key`, a new one if unknown.
  IndexType add(std::string_view key) {
    if (const auto found = rows_.find(key); found != rows_.end()) return found->second;
    check(keys_.size() < size_t{INT32_MAX}, ErrorCode::kResource, "[id map] more than 2^31 - 1 ", Tag::kName, "s");
    const IndexType row(static_cast<int32_t>(keys_.size()));
    keys_.emplace_back(key);
    rows_.emplace(keys_.back(), row);
    return row;
  }
  std::optional<IndexType> find(std::string_view key) const {
    const auto found = rows_.find(key);
    if (found == rows_.end()) return std::nullopt;
    return found->second;
  }
  /// Throws kNotFound naming the key.
  IndexType at(std::string_view key) const {
    const auto found = find(key);
    check(found.has_value(), ErrorCode::kNotFound, "[id map] unknown ", Tag::kName, " \"", key.substr(0, 100), "\"");
    return *found;
  }
  /// `row` must be inside; throws kInvalidArgument otherwise.
  const std::string& key(IndexType row) const {
    check(row.value >= 0 && row.value < size(), ErrorCode::kInvalidArgument, "[id map] ", Tag::kName, " row ", row.value, ", there are ",
          size());
    return keys_[static_cast<size_t>(row.value)];
  }
  int32_t size() const noexcept { return static_cast<int32_t>(keys_.size()); }
  const std::vector<std::string>& keys() const noexcept { return keys_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  std::vector<std::string> keys_;
  std::unordered_map<std::string, IndexType, Hash, std::equal_to<>> rows_;
};

using UserIds = IdMap<UserTag>;
using ItemIds = IdMap<ItemTag>;

}  // namespace attune::data
