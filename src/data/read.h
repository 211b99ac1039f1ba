// Reads data sets of ratings: MovieLens as published, RecBole atomic files, and any delimited file whose columns are named.
//
// | format  | files in the folder                                    | notes                                                       |
// |---------|--------------------------------------------------------|-------------------------------------------------------------|
// | ml-100k | u.data, u.item, u.genre (optional), u.user (optional)  | tab and `|`, no quoting                                     |
// | ml-dat  | ratings.dat, movies.dat, tags.dat (optional)           | ML-1M, ML-10M: `::`, no quoting                             |
// | ml-csv  | ratings.csv, movies.csv, tags.csv (optional)           | ML-20M, ML-25M, latest: RFC 4180 quotes                     |
// | recbole | NAME.inter, NAME.item, NAME.user (the last two optional) | tab, header "user_id:token"                                |
// | table   | one file, header with column names                     | delimiter by extension: .csv comma, .tsv and .txt tab       |
//
// The format follows from the file names or is given; it is never guessed from the content. A file that is no UTF-8 is read as Latin-1 with
// one notice. A bad row (wrong number of fields, no number, empty or too long key) is left out, counted and listed (file, line, reason);
// more than max_bad_share of a file's rows bad is kCorruptData. Pairs rated twice keep the last rating, with a notice.
#pragma once

#include <string>

#include "core/file.h"
#include "core/options.h"
#include "core/progress.h"
#include "data/dataset.h"

namespace attune::data {

struct ReadOptions {
  std::string format = "auto";
  std::string user_column;  ///< table only; empty: user_id, userId, user
  std::string item_column;  ///< empty: item_id, itemId, movieId, movie_id, item
  std::string rating_column;  ///< empty: rating, score, value; "none": every row counts as 1
  std::string timestamp_column;  ///< empty: timestamp, time, if there; "none": without
  std::string items_file;  ///< table only: a second file with item data, key column named as item_column; empty: none
  std::string title_column;  ///< empty: title, movie_title, name
  std::string genres_column;  ///< empty: genres, genre, class; separated by `|`
  double max_bad_share = 0.01;

  void describe(OptionList& list);
};

inline constexpr size_t kMaxKeyBytes = 256;
inline constexpr size_t kMaxTitleBytes = 1024;

/// `path`: a folder, or a file of the table or recbole format. Throws kNotFound (nothing that is known lies there; says what was looked
/// for), kCorruptData, kInvalidArgument (unknown column: lists those of the file), kIo. Time linear in the files.
Dataset read_dataset(const Path& path, const ReadOptions& options = {}, ProgressSink& progress = no_progress());

}  // namespace attune::data
