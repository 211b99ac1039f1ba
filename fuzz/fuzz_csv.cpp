// Any text as delimited rows; the first two bytes choose delimiter, quoting and limits.
#include <cstdlib>

#include "core/error.h"
#include "io/csv/csv.h"
#include "io/jsonl/jsonl.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  static const char* const kDelimiters[] = {",", "\t", "::", "|"};
  attune::io::CsvOptions options;
  options.delimiter = kDelimiters[data[0] & 3];
  options.quoting = (data[0] & 4) != 0;
  options.skip_empty_lines = (data[0] & 8) != 0;
  options.num_fields = (data[0] >> 4) & 3;
  if ((data[1] & 1) != 0) options.max_field_bytes = 16;
  if ((data[1] & 2) != 0) options.max_line_bytes = 64;
  if ((data[1] & 4) != 0) options.max_fields = 4;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);

  attune::io::DelimitedReader reader(text, "fuzz.csv", options);
  attune::io::Row row;
  int64_t line = 0;
  size_t rows = 0;
  while (reader.next(row)) {
    if (row.line <= line || ++rows > text.size()) std::abort();  // lines go up: reading ends
    line = row.line;
    if (row.ok() == row.fields.empty()) std::abort();
    if (row.fields.size() > options.max_fields) std::abort();
    for (const std::string_view field : row.fields) {
      if (field.size() > options.max_field_bytes) std::abort();
      if (!row.invalid_utf8 && !attune::io::is_valid_utf8(field)) std::abort();
      if (!attune::io::is_valid_utf8(attune::io::latin1_to_utf8(field))) std::abort();
    }
  }

  attune::io::LineReader lines(text);
  std::string_view one;
  while (lines.next(one)) {
    if (one.find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
