// What a Sequence handle owns. Shared by sequence.cpp and the engine.
#pragma once

#include <memory>
#include <vector>

#include "core/rng.h"
#include "lm/engine.h"
#include "lm/kv_cache.h"
#include "lm/publish_internal.h"

namespace attune::lm {

struct Sequence::State {
  struct SoftBlock {
    int64_t begin;
    int64_t end;
    std::shared_ptr<const float[]> rows;
    bool bidirectional;
    uint64_t content;   // hash of rows and shape; 0 = unnamed, never in the prefix cache
  };

  State(std::shared_ptr<const Model> m, WeightSetPtr w, std::shared_ptr<KvPool> p, const SeqOptions& o)
      : model(std::move(m)), set(std::move(w)), pool(std::move(p)), cache(pool), options(o), rng(o.seed, o.stream) {}

  int64_t length() const noexcept { return static_cast<int64_t>(ids.size()); }
  int64_t pending() const noexcept { return length() - cache.length(); }
  /// The soft block that holds `position`, or null.
  const SoftBlock* soft_at(int64_t position) const noexcept;
  /// Where the last unit begins: the last position, or the bidirectional block that ends the sequence.
  int64_t last_unit() const noexcept;
  /// Rows of the next chunk of at most `budget`, ending at most at `end`; a bidirectional block is taken whole (it may exceed the budget
  /// only when `may_exceed`). 0 if nothing fits.
  int64_t chunk_rows(int64_t budget, int64_t end, bool may_exceed) const noexcept;

  /// Keys of the first `end` positions for the prefix cache (lm/prefix_cache.h); fewer if an unnamed soft row comes before. O(end).
  std::vector<uint64_t> keys(int64_t end) const;
  /// What the prefix cache keeps apart: the caller's salt and the weights. Ids of sets are never used again.
  uint64_t salt() const noexcept;
  /// Forgets everything computed: it is computed again, to the same bytes, when memory allows.
  void drop_computed() {
    cache = KvCache(pool);
    reused = 0;
  }

  std::shared_ptr<const Model> model;
  WeightSetPtr set;               // kept until the sequence ends
  std::shared_ptr<KvPool> pool;
  KvCache cache;
  int64_t reused = 0;             // leading positions that came from the prefix cache
  std::vector<int32_t> ids;       // by position; -1 = soft row
  std::vector<SoftBlock> soft;    // ascending
  SeqOptions options;
  Rng rng;
};

}  // namespace attune::lm
