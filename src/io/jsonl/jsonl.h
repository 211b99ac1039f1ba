// JSON lines: the lines of a text with their numbers; parsing a line is the caller's. Nothing is copied.
#pragma once

#include <cstdint>
#include <string_view>

namespace attune::io {

/// Walks over the lines of `text` (which must outlive it): LF or CR LF ends a line, the last one may lack it, a byte order mark is
/// skipped, lines of nothing but spaces and tabs are passed over. Not thread-safe.
class LineReader {
 public:
  explicit LineReader(std::string_view text) noexcept;

  /// False at the end of the text. O(line).
  bool next(std::string_view& line) noexcept;
  /// 1-based number of the line that `next` gave last.
  int64_t line_number() const noexcept { return line_number_; }

 private:
  std::string_view rest_;
  int64_t line_number_ = 0;
};

}  // namespace attune::io
