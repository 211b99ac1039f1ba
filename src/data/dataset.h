// Ratings of users on items, whatever file they came from: data/read.h lists the formats that are read.
//
// Keys are opaque strings; rows are dense indices through IdMap. A data set is plain data: readers fill it, splits filter it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/ids.h"

namespace attune::data {

struct Interaction {
  UserIndex user;
  ItemIndex item;
  float rating = 0;
  int64_t timestamp = 0;  ///< Unix seconds; 0 if the file has none
};

/// A word that a user put on an item (MovieLens tags).
struct TagEvent {
  UserIndex user;
  ItemIndex item;
  std::string text;
  int64_t timestamp = 0;
};

struct ItemInfo {
  std::string title;                        ///< catalogue title without the year: "Third Man, The"
  std::string display_title;                ///< as people write it: "The Third Man"
  std::vector<std::string> alternates;      ///< titles in parentheses, article in front: "Nosferatu, eine Symphonie des Grauens"
  std::optional<int> year;
  std::vector<std::string> genres;
  std::map<std::string, std::string> other;  ///< remaining columns by name
};

/// A row that was left out.
struct BadRow {
  std::string file;
  int64_t line = 0;
  std::string reason;
};

/// What a reader met besides good rows.
struct ReadReport {
  int64_t num_rows = 0;           ///< data rows seen, good and bad
  int64_t num_bad_rows = 0;
  std::vector<BadRow> bad_rows;   ///< the first kMaxListedBadRows of them
  std::vector<std::string> notices;  ///< "u.item is no UTF-8: read as Latin-1"
};
inline constexpr size_t kMaxListedBadRows = 20;

struct Dataset {
  std::string name;
  UserIds users;
  ItemIds items;
  std::vector<ItemInfo> item_info;       ///< [items.size()]; an item without a row in the item file has its key as the title
  std::vector<Interaction> interactions;  ///< in file order; a pair (user, item) may be repeated: the last one counts (see deduplicate)
  std::vector<TagEvent> tags;
  std::vector<std::map<std::string, std::string>> user_info;  ///< [users.size()], or empty if there is no user file
  ReadReport report;

  /// "943 users x 1682 items, 100000 ratings".
  std::string shape_line() const;
  /// The distinct genres, sorted.
  std::vector<std::string> genres() const;
};

/// Keeps the last interaction (by timestamp, then file order) of every pair. Returns the number removed. O(n log n).
int64_t deduplicate(Dataset& dataset);

}  // namespace attune::data
