// Delimited text, row by row: CSV (RFC 4180), tab-separated files, and the `::` files of MovieLens.
//
// The reader works on text in memory (map the file with MappedFile) and copies nothing but fields with escaped quotes. It never throws on
// bad input: a malformed row comes out with `error` set, and reading goes on at the next line, so that the caller counts and lists bad
// rows. Which delimiter and whether quotes mean anything is the caller's choice and never guessed: `::` files have no quoting.
// Not thread-safe: one reader, one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace attune::io {

struct CsvOptions {
  std::string delimiter = ",";            ///< 1 to 8 bytes without quote, CR and LF: ",", "\t", "::", "|"
  bool quoting = true;                    ///< RFC 4180: "a, b", "" inside is one quote, line breaks inside quotes belong to the field
  uint64_t num_fields = 0;                ///< a row with another number of fields is malformed; 0 = any number
  bool skip_empty_lines = true;           ///< otherwise an empty line is a row with one empty field
  uint64_t max_field_bytes = 1u << 20;    ///< longer fields make the row malformed
  uint64_t max_line_bytes = 4u << 20;     ///< longer rows (all lines of a quoted row together) are malformed
  uint64_t max_fields = 1u << 16;         ///< more fields make the row malformed
};

struct Row {
  int64_t line = 0;                       ///< 1-based number of the row's first line
  std::vector<std::string_view> fields;   ///< valid until the next call of `next`; empty if malformed
  std::string error;                      ///< empty, or why the row is malformed: "[FILE:LINE] expected ..., found ..."
  bool invalid_utf8 = false;              ///< some byte of the row is no valid UTF-8: try latin1_to_utf8 on its fields

  bool ok() const noexcept { return error.empty(); }
};

class DelimitedReader {
 public:
  /// `text` must outlive the reader and the rows. A byte order mark is skipped. Throws kInvalidArgument for an unusable delimiter.
  DelimitedReader(std::string_view text, std::string file_name, CsvOptions options = {});

  /// Reads one row into `out` (reusing its memory). False at the end of the text. The last line break may be missing; CR LF and LF end a
  /// line, a lone CR is an ordinary character. A quote that opens a field but never closes spoils its own line only. Time is linear in
  /// the text: at most 64 MiB are read a second time after broken quotes, later ones spoil everything up to where they were given up.
  bool next(Row& out);

  const std::string& file_name() const noexcept { return file_name_; }

 private:
  struct Failure;
  size_t line_end(size_t begin, size_t& next_line) const noexcept;
  size_t next_delimiter(size_t begin, size_t end) const noexcept;
  void scan_plain(size_t begin, size_t end, Row& out) const;
  size_t scan_quoted(size_t begin, Row& out);
  size_t quoted_field(size_t open, size_t limit, std::string_view& field);
  void add_field(Row& out, std::string_view field, size_t position) const;
  void recover(size_t begin, size_t failed_at);

  std::string_view text_;
  std::string file_name_;
  CsvOptions options_;
  size_t position_ = 0;
  int64_t line_ = 1;
  uint64_t rescan_left_ = uint64_t{64} << 20;
  std::deque<std::string> unescaped_;  ///< texts of the current row's fields with escaped quotes; a deque, so that views stay valid
};

/// True if `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_valid_utf8(std::string_view text) noexcept;

/// Every byte read as the Latin-1 character of that number; cannot fail.
std::string latin1_to_utf8(std::string_view text);

}  // namespace attune::io
