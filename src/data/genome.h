// The tag genome of MovieLens 20M and 25M: how relevant each of about 1,128 tags is to each of about 13,800 films, 0 to 1
// (Vig, Sen, Riedl, "The Tag Genome", ACM TiiS 2012). Graded ground truth for attributes.
//
// Two CSV files: genome-tags.csv (tagId,tag) and genome-scores.csv (movieId,tagId,relevance). Kept dense over the films that have a score:
// 4 * films * tags bytes (62 MB for MovieLens 25M).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "data/dataset.h"

namespace attune::data {

class Genome {
 public:
  /// Tag texts, lower case, in the order of the file.
  const std::vector<std::string>& tags() const noexcept { return tags_; }
  /// Items that have scores, in the order of the file.
  const std::vector<ItemIndex>& items() const noexcept { return items_; }
  /// Column of a tag (any case); nullopt if unknown.
  std::optional<size_t> find_tag(std::string_view tag) const;
  /// Relevance [items().size()] of a tag, in the order of items(); NaN where the file has no row. Throws kInvalidArgument.
  std::vector<float> relevance(size_t tag) const;
  /// All of an item's scores [tags().size()] by place in items().
  std::span<const float> row(size_t place) const;

  ReadReport report;
  int64_t num_unknown_items = 0;  ///< films with scores that the ratings lack: passed over

 private:
  friend Genome read_genome(const Path& folder, const Dataset& dataset, double max_bad_share);
  std::vector<std::string> tags_;
  std::vector<ItemIndex> items_;
  std::vector<float> scores_;  ///< [items, tags]
};

/// Both files of `folder`. Bad rows (no number, relevance outside [0, 1], unknown tag id, a pair twice) are left out, counted and listed; more
/// than `max_bad_share` of a file's rows is kCorruptData. Throws kNotFound (naming the file that is missing), kCorruptData (columns), kIo.
Genome read_genome(const Path& folder, const Dataset& dataset, double max_bad_share = 0.01);

}  // namespace attune::data
