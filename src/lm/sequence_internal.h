// What a Sequence handle owns. Shared by sequence.cpp and the engine.
#pragma once

#include <memory>
#include <vector>

#include "core/rng.h"
#include "lm/engine.h"
#include "lm/kv_cache.h"

namespace attune::lm {

struct Sequence::State {
  struct SoftBlock {
    int64_t begin;
    int64_t end;
    std::shared_ptr<const float[]> rows;
    bool bidirectional;
  };

  State(std::shared_ptr<const Model> m, std::shared_ptr<KvPool> pool, const SeqOptions& o)
      : model(std::move(m)), cache(std::move(pool)), options(o), rng(o.seed, o.stream) {}

  int64_t length() const noexcept { return static_cast<int64_t>(ids.size()); }
  int64_t pending() const noexcept { return length() - cache.length(); }
  /// The soft block that holds `position`, or null.
  const SoftBlock* soft_at(int64_t position) const noexcept;
  /// Where the last unit begins: the last position, or the bidirectional block that ends the sequence.
  int64_t last_unit() const noexcept;
  /// Rows of the next chunk of at most `budget`, ending at most at `end`; a bidirectional block is taken whole (it may exceed the budget
  /// only when `may_exceed`). 0 if nothing fits.
  int64_t chunk_rows(int64_t budget, int64_t end, bool may_exceed) const noexcept;

  std::shared_ptr<const Model> model;
  KvCache cache;
  std::vector<int32_t> ids;       // by position; -1 = soft row
  std::vector<SoftBlock> soft;    // ascending
  SeqOptions options;
  Rng rng;
};

}  // namespace attune::lm
