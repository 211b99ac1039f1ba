// Rating data of films with their item space, and judgements about them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "people/attributes.h"
#include "people/space.h"

namespace attune::eval {

struct Films {
  data::Dataset dataset;
  /// Item factors of weighted ALS (preset soft_attributes, 8 sweeps) from this seed.
  people::ItemSpace space(int32_t rank, uint64_t seed, ThreadPool& pool) const;
  /// Item factors of the preset that lists are made with (ranking).
  people::ItemSpace ranking_space(uint64_t seed, ThreadPool& pool) const;
};

/// Throws kNotFound "data absent: FOLDER".
std::shared_ptr<const Films> load_films(const Path& folder);
/// SoftAttributes judgements of these films, from FOLDER/soft-attributes. Throws kNotFound likewise.
std::vector<people::AttributeData> load_judgements(const Path& folder, const Films& films);

}  // namespace attune::eval
