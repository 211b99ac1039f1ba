// What publishing shares with the engine: a set, the sets that are there, and the probe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "lm/lora.h"
#include "lm/model.h"
#include "lm/publish.h"

namespace attune::lm {

/// Sets alive, retired ones with sequences included, and their bytes; the base model's not.
struct WeightsInUse {
  std::atomic<int64_t> sets{0};
  std::atomic<int64_t> bytes{0};
};

struct WeightSet {
  WeightSet(std::shared_ptr<const Weights> w, std::shared_ptr<const Adapter> a, std::shared_ptr<const WeightSet> b, int64_t own_bytes,
            std::shared_ptr<WeightsInUse> counter)
      : weights(std::move(w)), adapter(std::move(a)), base(std::move(b)), bytes(own_bytes), in_use(std::move(counter)) {
    if (in_use) {
      ++in_use->sets;
      in_use->bytes += bytes;
    }
  }
  ~WeightSet() {
    if (!in_use) return;
    --in_use->sets;
    in_use->bytes -= bytes;
  }
  WeightSet(const WeightSet&) = delete;
  WeightSet& operator=(const WeightSet&) = delete;

  /// What sequences have in common that share products: the set that owns the weights, and whether activations stay F32.
  std::pair<WeightsId, bool> product_key() const noexcept { return {base ? base->id : id, weights->f32_activations()}; }

  WeightsId id = 0;
  std::shared_ptr<const Weights> weights;
  std::shared_ptr<const Adapter> adapter;    // null: none
  std::shared_ptr<const WeightSet> base;     // of an adapter
  int64_t bytes = 0;
  std::shared_ptr<WeightsInUse> in_use;      // null: not counted
};

using WeightSetPtr = std::shared_ptr<const WeightSet>;

/// The sets by id. Thread-safe.
class WeightSets {
 public:
  WeightSets(std::shared_ptr<const Weights> base, int64_t max_bytes);

  /// kCurrentWeights: the current set. Throws kNotFound.
  WeightSetPtr get(WeightsId id) const;
  /// Gives the set its id, never used before.
  WeightsId add(std::shared_ptr<WeightSet> set);
  void set_current(WeightsId id);  // kNotFound
  WeightsId current() const;
  void retire(WeightsId id);  // kNotFound; kInvalidArgument for the base; kFailedPrecondition for the current set
  int64_t max_bytes() const noexcept { return max_bytes_; }
  int64_t free_bytes() const noexcept { return max_bytes_ - in_use_->bytes; }
  const std::shared_ptr<WeightsInUse>& in_use() const noexcept { return in_use_; }

 private:
  int64_t max_bytes_;
  std::shared_ptr<WeightsInUse> in_use_ = std::make_shared<WeightsInUse>();
  mutable std::mutex mutex_;
  std::map<WeightsId, WeightSetPtr> sets_;
  WeightsId current_ = kBaseWeights;
  WeightsId next_ = kBaseWeights + 1;
};

/// log p of every probe token but each prompt's first: fixed English sentences if the model has a tokenizer, else fixed random ids. Exactly
/// the bits of an engine with this arithmetic and type of keys and values. Runs on the caller's thread and `pool`, apart from any engine's queue.
std::vector<double> probe_logprobs(const Model& model, const Weights& weights, const Adapter* adapter, bool fast, kernels::KvType kv_type,
                                   ThreadPool& pool);

}  // namespace attune::lm
