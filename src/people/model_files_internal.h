// The model folder: docs/formats/recommender.md.
#pragma once

#include "people/recommender_state_internal.h"

namespace attune::people {

struct ModelFiles {
  data::Dataset dataset;
  AlsParameters parameters;
  TrainRecord record;
};

/// Reads and checks every file of the folder: sizes, digests, types, ids, finite numbers.
ModelFiles read_model_files(const Path& folder);
/// Writes a new folder beside `folder` and puts it in its place, so that a killed process leaves the old model or the new one.
void write_model_files(const Path& folder, const RecommenderState& state);

}  // namespace attune::people
