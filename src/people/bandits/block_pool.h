// Equal blocks of numbers with reference counts: copy-on-write statistics of particles. A copied particle shares its blocks; own() gives it one
// of its own at the first write. Each block has room for two lists of memo values, which a write makes void.
//
// Memory: blocks in use, grown by doubling and kept; no allocation once a size was reached. Ids stay valid as long as they are referenced.
// Not thread-safe; a copy of the pool is independent.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune::people {

class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(size_t block_size, size_t memo_size) : block_size_(block_size), memo_size_(memo_size) {}

  /// A block with one reference; its content is left over from before. O(1), amortised.
  int32_t allocate();
  void retain(int32_t id, int32_t times = 1) noexcept { references_[static_cast<size_t>(id)] += times; }
  void release(int32_t id) noexcept {
    if (--references_[static_cast<size_t>(id)] == 0) free_.push_back(id);  // room reserved by allocate()
  }
  /// The block for writing by one of its holders: `id` if nobody else holds it, else a copy, with the holder's reference moved to it.
  int32_t own(int32_t id);

  std::span<double> at(int32_t id) noexcept { return {values_.data() + static_cast<size_t>(id) * block_size_, block_size_}; }
  std::span<const double> at(int32_t id) const noexcept { return {values_.data() + static_cast<size_t>(id) * block_size_, block_size_}; }

  /// Begins a new question: all memo values are void. There are two lists, `which` 0 and 1.
  void new_memo() noexcept { ++stamp_; }
  /// True if values were set since; marks them as set otherwise, so fill memo(id, which) then.
  bool has_memo(int32_t id, size_t which) noexcept {
    uint64_t& stamp = stamps_[static_cast<size_t>(id) * 2 + which];
    const bool there = stamp == stamp_;
    stamp = stamp_;
    return there;
  }
  std::span<double> memo(int32_t id, size_t which) noexcept {
    return {memo_.data() + (static_cast<size_t>(id) * 2 + which) * memo_size_, memo_size_};
  }

  int32_t references(int32_t id) const noexcept { return references_[static_cast<size_t>(id)]; }
  size_t num_used() const noexcept { return references_.size() - free_.size(); }
  size_t capacity() const noexcept { return references_.size(); }

 private:
  size_t block_size_ = 0;
  size_t memo_size_ = 0;
  uint64_t stamp_ = 1;
  std::vector<double> values_;  ///< [capacity, block_size]
  std::vector<double> memo_;  ///< [capacity, 2, memo_size]
  std::vector<uint64_t> stamps_;  ///< [capacity, 2]; 0: void
  std::vector<int32_t> references_;  ///< [capacity]
  std::vector<int32_t> free_;
};

}  // namespace attune::people
