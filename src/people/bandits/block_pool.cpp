#include "people/bandits/block_pool.h"

#include <algorithm>

namespace attune::people {

int32_t BlockPool::allocate() {
  if (free_.empty()) {
    const size_t old = references_.size();
    const size_t capacity = std::max<size_t>(64, 2 * old);
    values_.resize(capacity * block_size_);
    memo_.resize(capacity * 2 * memo_size_);
    stamps_.resize(capacity * 2, 0);
    free_.reserve(capacity);
    references_.resize(capacity, 0);
    for (size_t id = capacity; id-- > old;) free_.push_back(static_cast<int32_t>(id));
  }
  const int32_t id = free_.back();
  free_.pop_back();
  references_[static_cast<size_t>(id)] = 1;
  stamps_[static_cast<size_t>(id) * 2] = stamps_[static_cast<size_t>(id) * 2 + 1] = 0;
  return id;
}

int32_t BlockPool::own(int32_t id) {
  if (references_[static_cast<size_t>(id)] == 1) {
    stamps_[static_cast<size_t>(id) * 2] = stamps_[static_cast<size_t>(id) * 2 + 1] = 0;
    return id;
  }
  const int32_t copy = allocate();  // may move the blocks
  std::copy_n(values_.data() + static_cast<size_t>(id) * block_size_, block_size_,
              values_.data() + static_cast<size_t>(copy) * block_size_);
  --references_[static_cast<size_t>(id)];
  return copy;
}

}  // namespace attune::people
