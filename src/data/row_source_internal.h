// What the readers share: a file of delimited rows with encoding, bad rows and progress taken care of.
#pragma once

#include <charconv>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/progress.h"
#include "data/dataset.h"
#include "data/read.h"
#include "io/csv/csv.h"

namespace attune::data {

/// Thrown inside a row callback to leave the row out; the text is the reason.
struct RowProblem {
  std::string reason;
};

/// Fields of one row, UTF-8, trimmed of nothing.
using Fields = std::vector<std::string_view>;

struct RowSourceOptions {
  std::string delimiter = ",";
  bool quoting = false;
  bool header = false;      ///< the first row names the columns
  size_t least_fields = 0;  ///< rows with fewer are bad (0 = as many as the header has)
};

class RowSource {
 public:
  RowSource(const Path& path, RowSourceOptions options, const ReadOptions& read_options, ReadReport& report, ProgressSink& progress);

  /// Column names; empty without header.
  const std::vector<std::string>& header() const noexcept { return header_; }
  const std::string& name() const noexcept { return name_; }
  /// Calls `body` for every row; a RowProblem it throws makes the row a bad one. Throws kCorruptData if too many rows were bad.
  void each(const std::function<void(const Fields&)>& body);

 private:
  void add_bad(int64_t line, std::string reason);
  const Fields& decode(const io::Row& row);

  MappedFile file_;
  std::string name_;
  RowSourceOptions options_;
  const ReadOptions& read_options_;
  ReadReport& report_;
  ProgressSink& progress_;
  bool latin1_ = false;
  io::DelimitedReader reader_;
  std::vector<std::string> header_;
  std::vector<std::string> decoded_;
  Fields views_;
};

std::string_view trim_blanks(std::string_view text) noexcept;
/// A to Z made small; other bytes stay.
std::string lower_ascii(std::string_view text);
/// A key: not empty after trimming, at most kMaxKeyBytes. Throws RowProblem.
std::string_view parse_key(std::string_view text, std::string_view what);
/// A finite number with a decimal point, nothing after it. Throws RowProblem.
double parse_number(std::string_view text, std::string_view what);
/// Whole seconds; a fraction is cut off. Throws RowProblem.
int64_t parse_timestamp(std::string_view text);
/// "Action|Comedy"; empty parts, "unknown" and "(no genres listed)" are left out.
std::vector<std::string> parse_genres(std::string_view text, char separator);

/// Adds the item (if new) with the data of `info`; the title is parsed where `title` still holds a year. Throws RowProblem.
void add_item(Dataset& dataset, std::string_view key, std::string_view title, std::vector<std::string> genres,
              std::map<std::string, std::string> other);
/// Row of an item that ratings mention; without item data its key is the title.
ItemIndex touch_item(Dataset& dataset, std::string_view key);

}  // namespace attune::data
