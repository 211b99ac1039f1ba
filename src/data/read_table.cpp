// Files whose header names the columns: RecBole atomic files and any CSV or TSV.
#include <algorithm>

#include "core/error.h"
#include "data/readers_internal.h"
#include "data/row_source_internal.h"

namespace attune::data {
namespace {

constexpr size_t kNone = static_cast<size_t>(-1);

std::string list_of(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// Place of the wanted column, or of the first known name if nothing is wanted. kNone: not there and not wanted ("none" wants nothing).
size_t find_column(const std::vector<std::string>& header, const std::string& wanted, const std::vector<std::string>& known) {
  if (wanted == "none") return kNone;
  for (const auto& name : wanted.empty() ? known : std::vector<std::string>{wanted}) {
    const auto found = std::find(header.begin(), header.end(), name);
    if (found != header.end()) return static_cast<size_t>(found - header.begin());
  }
  return kNone;
}

size_t need_column(const RowSource& source, const std::vector<std::string>& header, const std::string& wanted,
                   const std::vector<std::string>& known, std::string_view what) {
  const size_t found = find_column(header, wanted, known);
  check(found != kNone, ErrorCode::kInvalidArgument, "[read ", source.name(), "] no column for the ", what, ": expected ",
        wanted.empty() ? list_of(known) : wanted, ", found columns ", list_of(header));
  return found;
}

const std::vector<std::string> kUserNames = {"user_id", "userId", "user"};
const std::vector<std::string> kItemNames = {"item_id", "itemId", "movieId", "movie_id", "item"};
const std::vector<std::string> kRatingNames = {"rating", "score", "value"};
const std::vector<std::string> kTimeNames = {"timestamp", "time"};
const std::vector<std::string> kTitleNames = {"title", "movie_title", "name", "item_name"};
const std::vector<std::string> kGenreNames = {"genres", "genre", "class", "categories"};
const std::vector<std::string> kYearNames = {"release_year", "year"};

void read_interactions(RowSource& source, const std::vector<std::string>& header, const ReadJob& job) {
  const ReadOptions& o = job.options;
  const size_t user = need_column(source, header, o.user_column, kUserNames, "user");
  const size_t item = need_column(source, header, o.item_column, kItemNames, "item");
  const size_t rating = find_column(header, o.rating_column, kRatingNames);
  const size_t time = find_column(header, o.timestamp_column, kTimeNames);
  for (const auto& [found, wanted] : {std::pair(rating, &o.rating_column), std::pair(time, &o.timestamp_column)}) {
    check(found != kNone || wanted->empty() || *wanted == "none", ErrorCode::kInvalidArgument, "[read ", source.name(), "] no column ",
          *wanted, ", found columns ", list_of(header));
  }
  if (rating == kNone) job.out.report.notices.push_back(cat(source.name(), " has no rating column: every row counts as 1"));
  source.each([&](const Fields& f) {
    const auto user_key = parse_key(f[user], "user id");
    const auto item_key = parse_key(f[item], "item id");
    const float value = rating == kNone ? 1.0f : static_cast<float>(parse_number(f[rating], "rating"));
    const int64_t timestamp = time == kNone || trim_blanks(f[time]).empty() ? 0 : parse_timestamp(f[time]);
    job.out.interactions.push_back({job.out.users.add(user_key), touch_item(job.out, item_key), value, timestamp});
  });
}

/// Items with known columns for title, genres and year; the other columns are kept by name.
void read_items(RowSource& source, const std::vector<std::string>& header, char genre_separator, const ReadJob& job) {
  const ReadOptions& o = job.options;
  const size_t item = need_column(source, header, o.item_column, kItemNames, "item");
  const size_t title = find_column(header, o.title_column, kTitleNames);
  const size_t genres = find_column(header, o.genres_column, kGenreNames);
  const size_t year = find_column(header, {}, kYearNames);
  source.each([&](const Fields& f) {
    std::map<std::string, std::string> other;
    for (size_t n = 0; n < header.size() && n < f.size(); ++n) {
      if (n != item && n != title && n != genres && n != year && !f[n].empty()) other.emplace(header[n], f[n]);
    }
    std::string full(title == kNone ? std::string_view() : f[title]);
    const auto year_text = year == kNone ? std::string_view() : trim_blanks(f[year]);
    if (!year_text.empty() && !full.empty()) full = cat(full, " (", year_text, ")");
    add_item(job.out, f[item], full, genres == kNone ? std::vector<std::string>{} : parse_genres(f[genres], genre_separator),
             std::move(other));
  });
}

/// "user_id:token" -> user_id; the type must be one of the four that atomic files have.
std::vector<std::string> atomic_header(const RowSource& source) {
  std::vector<std::string> out;
  for (const auto& field : source.header()) {
    const size_t colon = field.rfind(':');
    const std::string type = colon == std::string::npos ? "" : field.substr(colon + 1);
    check(type == "token" || type == "token_seq" || type == "float" || type == "float_seq", ErrorCode::kCorruptData, "[read ",
          source.name(), "] header field \"", field, "\", expected name:token, name:token_seq, name:float or name:float_seq");
    out.push_back(field.substr(0, colon));
  }
  return out;
}

RowSource atomic_source(const Path& file, const ReadJob& job) {
  return RowSource(file, {.delimiter = "\t", .header = true}, job.options, job.out.report, job.progress);
}

void read_atomic_users(const Path& file, const ReadJob& job) {
  RowSource source = atomic_source(file, job);
  const auto header = atomic_header(source);
  const size_t user = need_column(source, header, job.options.user_column, kUserNames, "user");
  source.each([&](const Fields& f) {
    const UserIndex row = job.out.users.add(parse_key(f[user], "user id"));
    job.out.user_info.resize(static_cast<size_t>(job.out.users.size()));
    for (size_t n = 0; n < header.size() && n < f.size(); ++n) {
      if (n != user) job.out.user_info[row.value].insert_or_assign(header[n], std::string(f[n]));
    }
  });
}

std::string delimiter_of(const Path& file) { return file.extension() == ".csv" ? "," : "\t"; }

}  // namespace

void read_recbole(const Path& inter, const ReadJob& job) {
  const Path item_file = Path(inter).replace_extension(".item");
  const Path user_file = Path(inter).replace_extension(".user");
  if (std::filesystem::exists(item_file)) {
    RowSource source = atomic_source(item_file, job);
    read_items(source, atomic_header(source), ' ', job);
  }
  if (std::filesystem::exists(user_file)) read_atomic_users(user_file, job);
  RowSource source = atomic_source(inter, job);
  read_interactions(source, atomic_header(source), job);
}

void read_table(const Path& file, const ReadJob& job) {
  const bool quoting = delimiter_of(file) == ",";
  if (!job.options.items_file.empty()) {
    const Path items = job.options.items_file;
    RowSource source(items, {.delimiter = delimiter_of(items), .quoting = delimiter_of(items) == ",", .header = true}, job.options,
                     job.out.report, job.progress);
    read_items(source, source.header(), '|', job);
  }
  RowSource source(file, {.delimiter = delimiter_of(file), .quoting = quoting, .header = true}, job.options, job.out.report, job.progress);
  read_interactions(source, source.header(), job);
}

}  // namespace attune::data
