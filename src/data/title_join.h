// Finding an item by its title and year in another catalogue: "The Third Man (1949)" is "Third Man, The (1949)".
//
// Titles are compared folded (text/fold.h: case, accents, typography, only letters and digits count) with a trailing article in front.
// Tried in this order, always with the year: the title with everything in trailing parentheses, the title without them, the titles in
// parentheses ("a.k.a. ..."). Items that share a key are ambiguous: the one with the most ratings counts (then the lower row).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/dataset.h"

namespace attune::data {

class TitleIndex {
 public:
  /// Keeps nothing of `catalogue`. O(items + ratings).
  explicit TitleIndex(const Dataset& catalogue);

  struct Match {
    ItemIndex item;
    bool ambiguous = false;  ///< more items have this title and year
  };
  /// `title_with_year` as catalogues write it; a title without year matches only an item without year. `year_slack`: years that may differ
  /// (the nearest year wins, the earlier one of two), 0 to 5.
  std::optional<Match> find(std::string_view title_with_year, int year_slack = 0) const;
  /// The item of another catalogue.
  std::optional<Match> find(const ItemInfo& info, int year_slack = 0) const;

 private:
  struct Entry {
    ItemIndex item;
    int64_t num_ratings = 0;
    bool ambiguous = false;
  };
  void add(const std::string& key, ItemIndex item, int64_t num_ratings);
  std::unordered_map<std::string, Entry> entries_;
};

/// What a join by titles did.
struct JoinReport {
  int64_t num_joined = 0;
  int64_t num_ambiguous = 0;  ///< of the joined ones
  std::vector<std::string> unjoined;  ///< titles not found, each once, sorted
};

struct JoinOptions {
  std::string prefix = "other:";  ///< put before the user keys of the second data set, which are other people
  int32_t year_slack = 0;  ///< years that may differ, 0 to 5
  bool ratings = true;  ///< take the second data set's ratings of joined items too
};

struct JoinedDataset {
  Dataset dataset;  ///< items of `base`; users of `base`, then those of `other` that tagged (or rated) a joined item
  JoinReport report;  ///< of the items of `other` that carry a tag
  int64_t num_tags = 0;  ///< tag events taken over
  int64_t num_dropped_tags = 0;  ///< tag events on items that `base` lacks
  int64_t num_ratings = 0;  ///< ratings taken over
};

/// `base` with the tags of `other`, items joined by title and year: how MovieLens 100K, which has no tags, gets some.
/// A rating of `other` counts once for an item that two items of `other` joined (the last one). Throws kInvalidArgument (year_slack, an
/// empty prefix while user keys of both data sets collide).
JoinedDataset join_tags(const Dataset& base, const Dataset& other, const JoinOptions& options = {});

}  // namespace attune::data
