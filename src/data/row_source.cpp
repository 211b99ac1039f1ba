#include <algorithm>

#include "core/error.h"
#include "data/row_source_internal.h"
#include "data/title.h"

namespace attune::data {
namespace {

constexpr int64_t kProgressRows = 1 << 16;

std::string_view text_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

io::CsvOptions csv_options(const RowSourceOptions& options) {
  io::CsvOptions out;
  out.delimiter = options.delimiter;
  out.quoting = options.quoting;
  return out;
}

}  // namespace

RowSource::RowSource(const Path& path, RowSourceOptions options, const ReadOptions& read_options, ReadReport& report,
                     ProgressSink& progress)
    : file_(path),
      name_(path.filename().string()),
      options_(std::move(options)),
      read_options_(read_options),
      report_(report),
      progress_(progress),
      reader_(text_of(file_), name_, csv_options(options_)) {
  latin1_ = !io::is_valid_utf8(text_of(file_));
  if (latin1_) report_.notices.push_back(cat(name_, " is no valid UTF-8: read as Latin-1"));
  if (!options_.header) return;
  io::Row row;
  check(reader_.next(row), ErrorCode::kCorruptData, "[read ", name_, "] expected a header row, found an empty file");
  check(row.ok(), ErrorCode::kCorruptData, "[read ", name_, "] bad header row: ", row.error);
  for (const auto& field : decode(row)) header_.emplace_back(trim_blanks(field));
  if (options_.least_fields == 0) options_.least_fields = header_.size();
}

const Fields& RowSource::decode(const io::Row& row) {
  if (!latin1_) return row.fields;
  decoded_.clear();
  for (const auto& field : row.fields) decoded_.push_back(io::latin1_to_utf8(field));
  views_.assign(decoded_.begin(), decoded_.end());
  return views_;
}

void RowSource::add_bad(int64_t line, std::string reason) {
  ++report_.num_bad_rows;
  if (report_.bad_rows.size() < kMaxListedBadRows) report_.bad_rows.push_back({name_, line, std::move(reason)});
}

void RowSource::each(const std::function<void(const Fields&)>& body) {
  const int64_t bad_before = report_.num_bad_rows;
  int64_t rows = 0;
  std::string first;
  io::Row row;
  while (reader_.next(row)) {
    ++rows;
    if (rows % kProgressRows == 0) progress_.update(cat("rows of ", name_), rows, 0);
    std::string reason = row.error;
    if (reason.empty() && row.fields.size() < options_.least_fields) {
      reason = cat("expected at least ", options_.least_fields, " fields, found ", row.fields.size());
    }
    if (reason.empty()) {
      try {
        body(decode(row));
        continue;
      } catch (const RowProblem& problem) {
        reason = problem.reason;
      }
    }
    if (first.empty()) first = cat(name_, ":", row.line, ": ", reason);
    add_bad(row.line, std::move(reason));
  }
  report_.num_rows += rows;
  const int64_t bad = report_.num_bad_rows - bad_before;
  check(static_cast<double>(bad) <= read_options_.max_bad_share * static_cast<double>(rows), ErrorCode::kCorruptData, "[read ", name_, "] ",
        bad, " of ", rows, " rows are bad, expected at most ", 100 * read_options_.max_bad_share, "%; the first is ", first);
}

std::string_view trim_blanks(std::string_view text) noexcept {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view parse_key(std::string_view text, std::string_view what) {
  text = trim_blanks(text);
  if (text.empty()) throw RowProblem{cat("empty ", what)};
  if (text.size() > kMaxKeyBytes) throw RowProblem{cat(what, " has ", text.size(), " bytes, expected at most ", kMaxKeyBytes)};
  return text;
}

double parse_number(std::string_view text, std::string_view what) {
  text = trim_blanks(text);
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(out)) {
    throw RowProblem{cat(what, " \"", text.substr(0, 40), "\", expected a number")};
  }
  return out;
}

int64_t parse_timestamp(std::string_view text) {
  const double seconds = parse_number(text, "timestamp");
  if (std::abs(seconds) > 1e15) throw RowProblem{cat("timestamp ", seconds, " is out of range")};
  return static_cast<int64_t>(seconds);
}

std::vector<std::string> parse_genres(std::string_view text, char separator) {
  std::vector<std::string> out;
  text = trim_blanks(text);
  if (text == "(no genres listed)") return out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    const std::string_view genre = trim_blanks(text.substr(0, end));
    if (!genre.empty() && genre != "unknown" && std::find(out.begin(), out.end(), genre) == out.end()) out.emplace_back(genre);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

void add_item(Dataset& dataset, std::string_view key, std::string_view title, std::vector<std::string> genres,
              std::map<std::string, std::string> other) {
  key = parse_key(key, "item id");
  if (title.size() > kMaxTitleBytes) throw RowProblem{cat("title has ", title.size(), " bytes, expected at most ", kMaxTitleBytes)};
  if (dataset.items.find(key).has_value()) throw RowProblem{cat("item ", key, " is listed twice")};
  ParsedTitle parsed = parse_title(title);
  ItemInfo info{std::move(parsed.title), std::move(parsed.display_title), std::move(parsed.alternates), parsed.year, std::move(genres),
                std::move(other)};
  if (info.title.empty()) info.title = info.display_title = key;
  dataset.items.add(key);
  dataset.item_info.push_back(std::move(info));
}

ItemIndex touch_item(Dataset& dataset, std::string_view key) {
  const ItemIndex row = dataset.items.add(key);
  if (static_cast<size_t>(row.value) == dataset.item_info.size()) {
    ItemInfo info;
    info.title = info.display_title = key;
    dataset.item_info.push_back(std::move(info));
  }
  return row;
}

}  // namespace attune::data
