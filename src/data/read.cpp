#include "data/read.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "data/readers_internal.h"

namespace attune::data {
namespace {

namespace fs = std::filesystem;

bool has_all(const Path& folder, const std::vector<std::string>& names) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return fs::is_regular_file(folder / name); });
}

/// The only .inter file of a folder, or an empty path.
Path inter_file(const Path& folder) {
  std::vector<Path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".inter") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  check(found.size() <= 1, ErrorCode::kInvalidArgument, "[read dataset] ", folder.string(), " holds ", found.size(),
        " .inter files, expected one: name the file");
  return found.empty() ? Path() : found.front();
}

std::string detect(const Path& path) {
  if (fs::is_directory(path)) {
    if (has_all(path, {"u.data", "u.item"})) return "ml-100k";
    if (has_all(path, {"ratings.dat", "movies.dat"})) return "ml-dat";
    if (has_all(path, {"ratings.csv", "movies.csv"})) return "ml-csv";
    if (!inter_file(path).empty()) return "recbole";
    fail(
        ErrorCode::kNotFound, "[read dataset] ", path.string(),
        " holds no known data set: expected u.data and u.item, ratings.dat and movies.dat, ratings.csv and movies.csv, or one .inter file");
  }
  if (path.extension() == ".inter") return "recbole";
  if (path.extension() == ".csv" || path.extension() == ".tsv" || path.extension() == ".txt") return "table";
  fail(ErrorCode::kInvalidArgument, "[read dataset] cannot tell the format of ", path.filename().string(),
       " from its name: expected .inter, .csv, .tsv or .txt, or give the format");
}

void run(const std::string& format, const Path& path, const ReadJob& job) {
  const bool folder = fs::is_directory(path);
  check(folder || format == "recbole" || format == "table", ErrorCode::kInvalidArgument, "[read dataset] format ", format,
        " expects a folder, found ", path.string());
  check(!folder || format != "table", ErrorCode::kInvalidArgument, "[read dataset] format table expects a file, found the folder ",
        path.string());
  if (format == "ml-100k") return read_ml_100k(path, job);
  if (format == "ml-dat") return read_ml_dat(path, job);
  if (format == "ml-csv") return read_ml_csv(path, job);
  if (format == "table") return read_table(path, job);
  const Path inter = folder ? inter_file(path) : path;
  check(!inter.empty(), ErrorCode::kNotFound, "[read dataset] ", path.string(), " holds no .inter file");
  read_recbole(inter, job);
}

}  // namespace

void ReadOptions::describe(OptionList& list) {
  list.add("format", format, "Format of the data; auto goes by the file names.")
      .choices({"auto", "ml-100k", "ml-dat", "ml-csv", "recbole", "table"});
  list.add("user_column", user_column, "Column of user ids in a delimited file (found by usual names if empty).");
  list.add("item_column", item_column, "Column of item ids.");
  list.add("rating_column", rating_column, "Column of ratings; none = every row counts as 1.");
  list.add("timestamp_column", timestamp_column, "Column of Unix seconds; none = without.");
  list.add("items_file", items_file, "Delimited file with item titles and genres, beside a delimited file of ratings.");
  list.add("title_column", title_column, "Column of titles in the items file.");
  list.add("genres_column", genres_column, "Column of genres in the items file, separated by |.");
  list.add("max_bad_share", max_bad_share, "Largest share of bad rows of a file before reading fails.").range(0, 1);
}

Dataset read_dataset(const Path& path, const ReadOptions& options, ProgressSink& progress) {
  std::error_code error;
  check(fs::exists(path, error), ErrorCode::kNotFound, "[read dataset] ", path.string(), " does not exist");
  const std::string format = options.format == "auto" ? detect(path) : options.format;
  Dataset out;
  const Path plain = path.has_filename() ? path : path.parent_path();  // "x/" names the folder x
  out.name = fs::is_directory(path) ? plain.filename().string() : path.stem().string();
  run(format, path, {options, progress, out});
  check(!out.interactions.empty(), ErrorCode::kCorruptData, "[read dataset] ", path.string(), " holds no usable rating");
  if (!out.user_info.empty()) out.user_info.resize(static_cast<size_t>(out.users.size()));
  if (const int64_t removed = deduplicate(out); removed > 0) {
    out.report.notices.push_back(cat(removed, " ratings of pairs rated more than once were dropped: the last one of each counts"));
  }
  for (const auto& notice : out.report.notices) log_info("[read dataset] ", notice);
  return out;
}

}  // namespace attune::data
