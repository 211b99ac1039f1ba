#include "io/csv/csv.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "io/quote_internal.h"

namespace attune::io {

/// Thrown and caught inside `next` only: why a row is malformed, and how far the text was read to find out.
struct DelimitedReader::Failure {
  std::string reason;
  size_t position;
};

DelimitedReader::DelimitedReader(std::string_view text, std::string file_name, CsvOptions options)
    : text_(text), file_name_(std::move(file_name)), options_(std::move(options)) {
  const std::string& delimiter = options_.delimiter;
  check(!delimiter.empty() && delimiter.size() <= 8 && delimiter.find_first_of(std::string_view("\"\r\n\0", 4)) == std::string::npos,
        ErrorCode::kInvalidArgument, "[DelimitedReader] expected a delimiter of 1 to 8 bytes without quote and line break, found \"",
        printable(delimiter), "\"");
  if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
}

size_t DelimitedReader::line_end(size_t begin, size_t& next_line) const noexcept {
  const size_t newline = text_.find('\n', begin);
  size_t end = newline == std::string_view::npos ? text_.size() : newline;
  next_line = newline == std::string_view::npos ? text_.size() : newline + 1;
  if (end > begin && text_[end - 1] == '\r') --end;
  return end;
}

size_t DelimitedReader::next_delimiter(size_t begin, size_t end) const noexcept {
  const std::string_view part = text_.substr(begin, end - begin);
  const size_t found = options_.delimiter.size() == 1 ? part.find(options_.delimiter[0]) : part.find(options_.delimiter);
  return found == std::string_view::npos ? end : begin + found;
}

void DelimitedReader::add_field(Row& out, std::string_view field, size_t position) const {
  if (field.size() > options_.max_field_bytes) {
    throw Failure{cat("expected fields of at most ", options_.max_field_bytes, " bytes, found one of ", field.size()), position};
  }
  if (out.fields.size() >= options_.max_fields) {
    throw Failure{cat("expected at most ", options_.max_fields, " fields, found more"), position};
  }
  out.fields.push_back(field);
}

void DelimitedReader::scan_plain(size_t begin, size_t end, Row& out) const {
  for (;;) {
    const size_t delimiter = next_delimiter(begin, end);
    add_field(out, text_.substr(begin, delimiter - begin), begin);
    if (delimiter == end) return;
    begin = delimiter + options_.delimiter.size();
  }
}

/// Reads the field whose opening quote is at `open`; gives the position behind the closing quote.
size_t DelimitedReader::quoted_field(size_t open, size_t limit, std::string_view& field) {
  size_t position = open + 1;
  bool escaped = false;
  for (;;) {
    const size_t quote = std::min(text_.substr(0, limit).find('"', position), limit);
    if (quote - open > options_.max_field_bytes * 2 + 1 || quote == limit) {
      if (limit < text_.size() || quote < limit) {
        throw Failure{cat("expected a closing quote within the limits of field and line, found none"), std::min(quote, limit)};
      }
      throw Failure{"expected a closing quote, found the end of the file", limit};
    }
    if (quote + 1 < limit && text_[quote + 1] == '"') {
      escaped = true;
      position = quote + 2;
      continue;
    }
    field = text_.substr(open + 1, quote - open - 1);
    position = quote + 1;
    break;
  }
  if (escaped) {
    std::string plain;
    plain.reserve(field.size());
    for (size_t i = 0; i < field.size(); ++i) {
      plain.push_back(field[i]);
      if (field[i] == '"') ++i;  // the second quote of the pair
    }
    field = unescaped_.emplace_back(std::move(plain));
  }
  return position;
}

/// Reads a row that may span lines; gives the position behind its line break.
size_t DelimitedReader::scan_quoted(size_t begin, Row& out) {
  const size_t limit = std::min<uint64_t>(text_.size(), begin + options_.max_line_bytes);
  size_t position = begin;
  size_t next_line = begin;  // behind the line that holds `position`; found once a line, so that time stays linear
  size_t end = begin;
  for (;;) {
    if (position < text_.size() && text_[position] == '"') {
      std::string_view field;
      position = quoted_field(position, limit, field);
      add_field(out, field, position);
      const std::string_view rest = text_.substr(position);
      if (rest.starts_with(options_.delimiter)) {
        position += options_.delimiter.size();
        continue;
      }
      if (rest.empty() || rest == "\r") return text_.size();
      if (rest[0] == '\n') return position + 1;
      if (rest.starts_with("\r\n")) return position + 2;
      throw Failure{cat("expected a delimiter or line break after a closing quote, found \"", printable(rest.substr(0, 1)), "\""),
                    position};
    }
    if (position >= next_line) end = line_end(position, next_line);
    const size_t delimiter = next_delimiter(position, end);
    add_field(out, text_.substr(position, delimiter - position), position);
    if (delimiter == end) return next_line;
    position = delimiter + options_.delimiter.size();
  }
}

void DelimitedReader::recover(size_t begin, size_t failed_at) {
  size_t next_line = 0;
  line_end(begin, next_line);
  position_ = next_line;
  if (failed_at <= next_line) return;
  const size_t again = failed_at - next_line;
  if (again <= rescan_left_) {
    rescan_left_ -= again;
  } else {
    line_end(failed_at - 1, position_);  // a line that was read whole counts as spoilt
  }
}

bool DelimitedReader::next(Row& out) {
  out.fields.clear();
  out.error.clear();
  out.invalid_utf8 = false;
  unescaped_.clear();
  size_t begin = position_;
  size_t next_line = 0;
  size_t end = 0;
  for (;; begin = next_line, ++line_) {
    if (begin >= text_.size()) {
      position_ = begin;
      return false;
    }
    end = line_end(begin, next_line);
    if (end > begin || !options_.skip_empty_lines) break;
  }
  out.line = line_;
  try {
    const std::string_view line = text_.substr(begin, end - begin);
    if (!options_.quoting || line.find('"') == std::string_view::npos) {
      position_ = next_line;
      if (line.size() > options_.max_line_bytes) {
        throw Failure{cat("expected lines of at most ", options_.max_line_bytes, " bytes, found one of ", line.size()), begin};
      }
      scan_plain(begin, end, out);
    } else {
      position_ = scan_quoted(begin, out);
      const size_t bytes = position_ - begin;
      if (bytes > options_.max_line_bytes + 2) {
        throw Failure{cat("expected lines of at most ", options_.max_line_bytes, " bytes, found one of ", bytes), position_};
      }
    }
    if (options_.num_fields != 0 && out.fields.size() != options_.num_fields) {
      throw Failure{cat("expected ", options_.num_fields, " fields, found ", out.fields.size()), position_};
    }
  } catch (const Failure& failure) {
    out.fields.clear();
    out.error = cat("[", printable(file_name_, 4096), ":", out.line, "] ", failure.reason);
    recover(begin, failure.position);
  }
  const std::string_view row = text_.substr(begin, position_ - begin);
  line_ += std::max<int64_t>(1, std::count(row.begin(), row.end(), '\n'));
  out.invalid_utf8 = !is_valid_utf8(row);
  return true;
}

bool is_valid_utf8(std::string_view text) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = p + text.size();
  const auto continues = [&](int count) {
    for (int i = 1; i <= count; ++i) {
      if (p + i >= end || (p[i] & 0xc0) != 0x80) return false;
    }
    return true;
  };
  while (p < end) {
    if (end - p >= 8) {
      uint64_t word = 0;
      std::memcpy(&word, p, 8);
      if ((word & 0x8080808080808080u) == 0) {
        p += 8;
        continue;
      }
    }
    if (*p < 0x80) {
      ++p;
    } else if (*p >= 0xc2 && *p <= 0xdf && continues(1)) {
      p += 2;
    } else if ((*p & 0xf0) == 0xe0 && continues(2) && !(*p == 0xe0 && p[1] < 0xa0) && !(*p == 0xed && p[1] > 0x9f)) {
      p += 3;
    } else if (*p >= 0xf0 && *p <= 0xf4 && continues(3) && !(*p == 0xf0 && p[1] < 0x90) && !(*p == 0xf4 && p[1] > 0x8f)) {
      p += 4;
    } else {
      return false;
    }
  }
  return true;
}

std::string latin1_to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 8);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0 | (byte >> 6)));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return out;
}

}  // namespace attune::io
