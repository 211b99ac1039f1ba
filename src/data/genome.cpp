#include "data/genome.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "data/row_source_internal.h"

namespace attune::data {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kMaxTags = 100000;

void expect_columns(const RowSource& source, const std::vector<std::string>& columns) {
  for (size_t n = 0; n < columns.size(); ++n) {
    check(n < source.header().size() && source.header()[n] == columns[n], ErrorCode::kCorruptData, "[read ", source.name(), "] column ",
          n + 1, " is ", n < source.header().size() ? source.header()[n] : "missing", ", expected ", columns[n]);
  }
}

}  // namespace

std::optional<size_t> Genome::find_tag(std::string_view tag) const {
  const auto found = std::find(tags_.begin(), tags_.end(), lower_ascii(tag));
  if (found == tags_.end()) return std::nullopt;
  return static_cast<size_t>(found - tags_.begin());
}

std::vector<float> Genome::relevance(size_t tag) const {
  check(tag < tags_.size(), ErrorCode::kInvalidArgument, "[genome] tag ", tag, ", expected below ", tags_.size());
  std::vector<float> out(items_.size());
  for (size_t n = 0; n < out.size(); ++n) out[n] = scores_[n * tags_.size() + tag];
  return out;
}

std::span<const float> Genome::row(size_t place) const {
  check(place < items_.size(), ErrorCode::kInvalidArgument, "[genome] place ", place, ", expected below ", items_.size());
  return std::span(scores_).subspan(place * tags_.size(), tags_.size());
}

Genome read_genome(const Path& folder, const Dataset& dataset, double max_bad_share) {
  for (const char* name : {"genome-tags.csv", "genome-scores.csv"}) {
    std::error_code error;
    check(std::filesystem::is_regular_file(folder / name, error), ErrorCode::kNotFound, "[read genome] ", folder.string(), " has no ",
          name);
  }
  ReadOptions options;
  options.max_bad_share = max_bad_share;
  const RowSourceOptions csv{.delimiter = ",", .quoting = true, .header = true};
  Genome out;
  RowSource tags(folder / "genome-tags.csv", csv, options, out.report, no_progress());
  expect_columns(tags, {"tagId", "tag"});
  std::unordered_map<std::string, size_t> tag_of;
  tags.each([&](const Fields& f) {
    const auto key = parse_key(f[0], "tag id");
    const auto text = parse_key(f[1], "tag");
    if (tag_of.size() >= kMaxTags) throw RowProblem{cat("more than ", kMaxTags, " tags")};
    if (!tag_of.emplace(key, out.tags_.size()).second) throw RowProblem{cat("tag id ", key, " is listed twice")};
    out.tags_.push_back(lower_ascii(text));
  });
  check(!out.tags_.empty(), ErrorCode::kCorruptData, "[read genome-tags.csv] no tags");
  RowSource scores(folder / "genome-scores.csv", csv, options, out.report, no_progress());
  expect_columns(scores, {"movieId", "tagId", "relevance"});
  std::vector<int32_t> place(static_cast<size_t>(dataset.items.size()), -1);
  std::unordered_set<std::string> unknown;
  scores.each([&](const Fields& f) {
    const auto item_key = parse_key(f[0], "item id");
    const auto tag = tag_of.find(std::string(parse_key(f[1], "tag id")));
    if (tag == tag_of.end()) throw RowProblem{cat("unknown tag id ", f[1].substr(0, 40))};
    const double value = parse_number(f[2], "relevance");
    if (value < 0 || value > 1) throw RowProblem{cat("relevance ", value, ", expected 0 to 1")};
    const auto item = dataset.items.find(item_key);
    if (!item) {
      unknown.emplace(item_key);
      return;
    }
    int32_t& at = place[static_cast<size_t>(item->value)];
    if (at < 0) {
      at = static_cast<int32_t>(out.items_.size());
      out.items_.push_back(*item);
      out.scores_.resize(out.scores_.size() + out.tags_.size(), kMissing);
    }
    float& cell = out.scores_[static_cast<size_t>(at) * out.tags_.size() + tag->second];
    if (!std::isnan(cell)) throw RowProblem{cat("item ", item_key, " has tag id ", f[1].substr(0, 40), " twice")};
    cell = static_cast<float>(value);
  });
  out.num_unknown_items = static_cast<int64_t>(unknown.size());
  return out;
}

}  // namespace attune::data
