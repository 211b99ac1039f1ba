// MovieLens as published: 100K (u.data, u.item), 1M and 10M (::), 20M, 25M and latest (CSV).
#include <array>

#include "core/error.h"
#include "data/readers_internal.h"
#include "data/row_source_internal.h"

namespace attune::data {
namespace {

constexpr std::array<std::string_view, 19> kGenres100k = {
    "unknown",   "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime",    "Documentary", "Drama",  "Fantasy",
    "Film-Noir", "Horror", "Musical",   "Mystery",   "Romance",    "Sci-Fi", "Thriller", "War",         "Western"};

float parse_rating(std::string_view text) {
  const double rating = parse_number(text, "rating");
  if (rating < 0 || rating > 5) throw RowProblem{cat("rating ", rating, ", expected 0 to 5")};
  return static_cast<float>(rating);
}

/// user, item, rating, timestamp.
void read_ratings(RowSource& source, Dataset& out) {
  source.each([&](const Fields& f) {
    const auto user = parse_key(f[0], "user id");
    const auto item = parse_key(f[1], "item id");
    const float rating = parse_rating(f[2]);
    const int64_t timestamp = parse_timestamp(f[3]);
    out.interactions.push_back({out.users.add(user), touch_item(out, item), rating, timestamp});
  });
}

/// item, title, genres.
void read_movies(RowSource& source, Dataset& out) {
  source.each([&](const Fields& f) { add_item(out, f[0], f[1], parse_genres(f[2], '|'), {}); });
}

/// user, item, tag, timestamp. Without quoting a tag may hold the delimiter: the last field is the time, what lies between is the tag.
void read_tags(RowSource& source, std::string_view delimiter, Dataset& out) {
  source.each([&](const Fields& f) {
    const auto user = parse_key(f[0], "user id");
    const auto item = parse_key(f[1], "item id");
    const int64_t timestamp = parse_timestamp(f.back());
    std::string tag(f[2]);
    for (size_t n = 3; n + 1 < f.size(); ++n) tag.append(delimiter).append(f[n]);
    if (trim_blanks(tag).empty()) throw RowProblem{"empty tag"};
    out.tags.push_back({out.users.add(user), touch_item(out, item), std::string(trim_blanks(tag)), timestamp});
  });
}

void read_items_100k(const Path& folder, const ReadJob& job) {
  std::vector<std::string> genres(kGenres100k.begin(), kGenres100k.end());
  if (std::filesystem::exists(folder / "u.genre")) {
    RowSource names(folder / "u.genre", {.delimiter = "|", .least_fields = 2}, job.options, job.out.report, job.progress);
    genres.clear();
    names.each([&](const Fields& f) { genres.emplace_back(trim_blanks(f[0])); });
  }
  constexpr size_t kFixed = 5;  // id | title | release date | video release date | IMDb URL | one flag a genre
  RowSource source(folder / "u.item", {.delimiter = "|", .least_fields = kFixed + genres.size()}, job.options, job.out.report,
                   job.progress);
  source.each([&](const Fields& f) {
    std::vector<std::string> mine;
    for (size_t g = 0; g < genres.size(); ++g) {
      const auto flag = trim_blanks(f[kFixed + g]);
      if (flag != "0" && flag != "1") throw RowProblem{cat("genre flag \"", flag.substr(0, 40), "\", expected 0 or 1")};
      if (flag == "1" && genres[g] != "unknown") mine.push_back(genres[g]);
    }
    std::map<std::string, std::string> other;
    if (!f[2].empty()) other.emplace("release_date", f[2]);
    if (!f[4].empty()) other.emplace("imdb_url", f[4]);
    add_item(job.out, f[0], f[1], std::move(mine), std::move(other));
  });
}

void read_users_100k(const Path& folder, const ReadJob& job) {
  if (!std::filesystem::exists(folder / "u.user")) return;
  RowSource source(folder / "u.user", {.delimiter = "|", .least_fields = 5}, job.options, job.out.report, job.progress);
  source.each([&](const Fields& f) {
    const UserIndex row = job.out.users.add(parse_key(f[0], "user id"));
    job.out.user_info.resize(static_cast<size_t>(job.out.users.size()));
    job.out.user_info[row.value] = {
        {"age", std::string(f[1])}, {"gender", std::string(f[2])}, {"occupation", std::string(f[3])}, {"zip_code", std::string(f[4])}};
  });
}

}  // namespace

void read_ml_100k(const Path& folder, const ReadJob& job) {
  read_items_100k(folder, job);
  read_users_100k(folder, job);
  RowSource ratings(folder / "u.data", {.delimiter = "\t", .least_fields = 4}, job.options, job.out.report, job.progress);
  read_ratings(ratings, job.out);
}

void read_ml_dat(const Path& folder, const ReadJob& job) {
  RowSource movies(folder / "movies.dat", {.delimiter = "::", .least_fields = 3}, job.options, job.out.report, job.progress);
  read_movies(movies, job.out);
  RowSource ratings(folder / "ratings.dat", {.delimiter = "::", .least_fields = 4}, job.options, job.out.report, job.progress);
  read_ratings(ratings, job.out);
  if (!std::filesystem::exists(folder / "tags.dat")) return;
  RowSource tags(folder / "tags.dat", {.delimiter = "::", .least_fields = 4}, job.options, job.out.report, job.progress);
  read_tags(tags, "::", job.out);
}

void read_ml_csv(const Path& folder, const ReadJob& job) {
  const RowSourceOptions csv{.delimiter = ",", .quoting = true, .header = true};
  const auto expect = [](const RowSource& source, const std::vector<std::string>& columns) {
    for (size_t n = 0; n < columns.size(); ++n) {
      check(n < source.header().size() && source.header()[n] == columns[n], ErrorCode::kCorruptData, "[read ", source.name(), "] column ",
            n + 1, " is ", n < source.header().size() ? source.header()[n] : "missing", ", expected ", columns[n]);
    }
  };
  RowSource movies(folder / "movies.csv", csv, job.options, job.out.report, job.progress);
  expect(movies, {"movieId", "title", "genres"});
  read_movies(movies, job.out);
  RowSource ratings(folder / "ratings.csv", csv, job.options, job.out.report, job.progress);
  expect(ratings, {"userId", "movieId", "rating", "timestamp"});
  read_ratings(ratings, job.out);
  if (!std::filesystem::exists(folder / "tags.csv")) return;
  RowSource tags(folder / "tags.csv", csv, job.options, job.out.report, job.progress);
  expect(tags, {"userId", "movieId", "tag", "timestamp"});
  read_tags(tags, ",", job.out);
}

}  // namespace attune::data
