// One function a file format; `read_dataset` chooses. Each fills an empty data set.
#pragma once

#include "data/read.h"

namespace attune::data {

struct ReadJob {
  const ReadOptions& options;
  ProgressSink& progress;
  Dataset& out;
};

void read_ml_100k(const Path& folder, const ReadJob& job);
void read_ml_dat(const Path& folder, const ReadJob& job);
void read_ml_csv(const Path& folder, const ReadJob& job);
/// `inter`: the .inter file; .item and .user beside it are read if present.
void read_recbole(const Path& inter, const ReadJob& job);
void read_table(const Path& file, const ReadJob& job);

}  // namespace attune::data
