// Keys and values of one sequence, after norm and RoPE, in pages of kPagePositions positions, shared copy-on-write between forks.
//
// Local layers: a ring of pages that holds at least the last W + rewind_margin positions; the oldest page leaves when a new one begins.
// Global layers: pages for every position. A page holds all layers of its kind: K [P, G, E] then V [P, G, E], layer after layer.
// Bytes for length T at b bytes a value (4, 2, or 34/32 for Q8_0), per sequence: 2 G E b P (num_global ceil(T/P) + num_local min(ceil(T/P), slots)),
// slots = ceil((W + rewind_margin - 1) / P) + 1: the formula of ModelConfig::kv_bytes plus margin and page rounding.
//
// A chunk of n new positions is written beside the cache while all layers run (attention reads cache + chunk) and enters it at `commit`:
// until then old pages of the ring stay readable, and a failed step leaves the cache as it was.
// A page that someone else refers to (a fork, the prefix cache) is never written: its first writer makes a copy of its own.
// One writer. Forks may be used on different threads; the pool is thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/kernels.h"
#include "lm/config.h"

namespace attune::lm {

inline constexpr int64_t kPagePositions = 32;

/// Hands out page memory up to a cap and keeps freed pages for reuse.
class KvPool {
 public:
  KvPool(const ModelConfig& config, kernels::KvType type, int64_t rewind_margin, int64_t max_bytes);

  kernels::KvType type() const noexcept { return type_; }
  int64_t row_bytes() const noexcept { return row_bytes_; }       ///< of G * E values
  int64_t num_slots() const noexcept { return num_slots_; }       ///< pages of the local ring
  int64_t window() const noexcept { return window_; }
  int64_t local_page_bytes() const noexcept { return page_bytes_[0]; }
  int64_t global_page_bytes() const noexcept { return page_bytes_[1]; }
  bool has_local() const noexcept { return page_bytes_[0] > 0; }
  bool has_global() const noexcept { return page_bytes_[1] > 0; }
  /// Bytes of all pages of a sequence of `length` positions that shares none: the formula above.
  int64_t bytes_for(int64_t length) const noexcept;
  int64_t bytes_in_use() const noexcept { return in_use_.load(std::memory_order_relaxed); }
  int64_t max_bytes() const noexcept { return max_bytes_; }
  /// Index of a layer among the layers of its kind.
  int kind_index(int layer) const noexcept { return kind_index_[static_cast<size_t>(layer)]; }
  bool is_global(int layer) const noexcept { return is_global_[static_cast<size_t>(layer)]; }

 private:
  friend class KvPage;
  std::byte* take(bool global);  // kResource beyond the cap, kOutOfMemory
  void give(bool global, std::byte* data) noexcept;

  kernels::KvType type_;
  int64_t row_bytes_;
  int64_t window_;
  int64_t num_slots_;
  int64_t page_bytes_[2];
  int64_t max_bytes_;
  std::vector<int> kind_index_;
  std::vector<bool> is_global_;
  std::atomic<int64_t> in_use_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<std::byte[]>> free_[2];
};

class KvPage {
 public:
  KvPage(std::shared_ptr<KvPool> pool, bool global);
  KvPage(const KvPage& other);  // copies the content
  ~KvPage();
  KvPage& operator=(const KvPage&) = delete;

  /// Row of keys (values with `value`) of a layer at position % kPagePositions. [G * E] values of the pool's type.
  std::byte* row(int kind_index, bool value, int64_t offset) noexcept;
  const std::byte* row(int kind_index, bool value, int64_t offset) const noexcept {
    return const_cast<KvPage*>(this)->row(kind_index, value, offset);
  }

 private:
  std::shared_ptr<KvPool> pool_;
  bool global_;
  std::byte* data_;
};

using KvPagePtr = std::shared_ptr<KvPage>;

class KvCache {
 public:
  explicit KvCache(std::shared_ptr<KvPool> pool) : pool_(std::move(pool)), local_(static_cast<size_t>(pool_->num_slots())) {}

  /// Copying shares the pages: O(pages).
  KvCache(const KvCache&) = default;
  KvCache(KvCache&&) noexcept = default;
  KvCache& operator=(KvCache&&) noexcept = default;

  /// A cache of `length` positions made of shared pages: all global ones, local ones from page `first_local` on.
  /// [ceil(length / P)] and [ceil(length / P) - first_local, at most num_slots()]; empty for a kind that the model lacks.
  KvCache(std::shared_ptr<KvPool> pool, int64_t length, std::vector<KvPagePtr> global, int64_t first_local, std::vector<KvPagePtr> local);

  kernels::KvType type() const noexcept { return pool_->type(); }
  int64_t length() const noexcept { return length_; }
  /// Shared pages, null where the cache holds none. page_index in [0, ceil(length / P)).
  KvPagePtr global_page(int64_t page_index) const noexcept;
  KvPagePtr local_page(int64_t page_index) const noexcept;
  /// First position that local layers still hold.
  int64_t local_begin() const noexcept { return local_begin_; }
  /// Bytes of the pages referred to.
  int64_t bytes() const noexcept;

  /// Bytes that begin(n) will take from the pool, at most.
  int64_t growth_bytes(int64_t n) const noexcept;
  /// Makes room for n positions behind length(): own pages, new pages staged. Throws kResource or kOutOfMemory and changes nothing visible.
  void begin(int64_t n);
  /// Writes rows of the chunk to a layer: k, v [n, G * E] of the pool's type for positions length().. . After begin(n).
  void store(int layer, const std::byte* k, const std::byte* v);
  /// The chunk becomes part of the cache.
  void commit();
  /// Drops a chunk begun.
  void abandon() noexcept;

  /// False (unchanged) if a local layer lost what position `length` would need.
  bool rewind(int64_t length);

  /// Contiguous stored rows from `position` on (not beyond `end` and its page): pointers and count. position < length().
  struct Run {
    const std::byte* k;
    const std::byte* v;
    int64_t count;
  };
  Run run(int layer, int64_t position, int64_t end) const noexcept;

 private:
  struct Staged {
    int64_t page_index;
    KvPagePtr local;  // null if the page is already in place or there are no local layers
    KvPagePtr global;
  };
  KvPagePtr& local_slot(int64_t page_index) noexcept { return local_[static_cast<size_t>(page_index % pool_->num_slots())]; }

  std::shared_ptr<KvPool> pool_;
  std::vector<KvPagePtr> local_;
  std::vector<KvPagePtr> global_;
  std::vector<Staged> staged_;
  int64_t length_ = 0;
  int64_t local_begin_ = 0;
  int64_t chunk_ = 0;
};

}  // namespace attune::lm
