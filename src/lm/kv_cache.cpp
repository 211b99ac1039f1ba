#include "lm/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "core/error.h"

namespace attune::lm {

KvPool::KvPool(const ModelConfig& config, kernels::KvType type, int64_t rewind_margin, int64_t max_bytes)
    : type_(type),
      row_bytes_(kernels::kv_bytes(type, int64_t{config.num_kv_heads} * config.head_dim)),
      window_(config.sliding_window),
      num_slots_(config.num_local_layers() > 0 ? (config.sliding_window + rewind_margin - 1 + kPagePositions - 1) / kPagePositions + 1 : 1),
      max_bytes_(max_bytes),
      is_global_(config.is_global) {
  check(type != kernels::KvType::kQ8_0 || config.head_dim % 32 == 0, ErrorCode::kUnsupported,
        "[kv cache] q8_0 needs heads of a multiple of 32, found ", config.head_dim);
  int count[2] = {0, 0};
  for (const bool global : is_global_) kind_index_.push_back(count[global ? 1 : 0]++);
  for (int kind = 0; kind < 2; ++kind) page_bytes_[kind] = 2 * row_bytes_ * kPagePositions * count[kind];
}

int64_t KvPool::bytes_for(int64_t length) const noexcept {
  const int64_t pages = (length + kPagePositions - 1) / kPagePositions;
  return pages * page_bytes_[1] + std::min(pages, num_slots_) * page_bytes_[0];
}

std::byte* KvPool::take(bool global) {
  const int kind = global ? 1 : 0;
  const int64_t bytes = page_bytes_[kind];
  {
    const std::lock_guard lock(mutex_);
    const int64_t used = in_use_.load(std::memory_order_relaxed);
    check(used + bytes <= max_bytes_, ErrorCode::kResource, "[kv cache] ", (used + bytes) >> 20, " MiB needed, the limit is ",
          max_bytes_ >> 20, " MiB (--kv-memory-mib)");
    in_use_.store(used + bytes, std::memory_order_relaxed);
    if (!free_[kind].empty()) {
      std::byte* data = free_[kind].back().release();
      free_[kind].pop_back();
      return data;
    }
  }
  std::byte* data = new (std::nothrow) std::byte[static_cast<size_t>(bytes)];
  if (data == nullptr) {
    in_use_.fetch_sub(bytes);
    fail(ErrorCode::kOutOfMemory, "[kv cache] no memory for a page of ", bytes, " bytes");
  }
  return data;
}

void KvPool::give(bool global, std::byte* data) noexcept {
  const int kind = global ? 1 : 0;
  constexpr size_t kKeep = 256;
  std::unique_ptr<std::byte[]> owned(data);
  const std::lock_guard lock(mutex_);
  in_use_.store(in_use_.load(std::memory_order_relaxed) - page_bytes_[kind], std::memory_order_relaxed);
  try {
    if (free_[kind].size() < kKeep) free_[kind].push_back(std::move(owned));
  } catch (const std::bad_alloc&) {  // not kept for reuse
  }
}

KvPage::KvPage(std::shared_ptr<KvPool> pool, bool global) : pool_(std::move(pool)), global_(global), data_(pool_->take(global)) {}

KvPage::KvPage(const KvPage& other) : KvPage(other.pool_, other.global_) {
  std::memcpy(data_, other.data_, static_cast<size_t>(pool_->page_bytes_[global_ ? 1 : 0]));
}

KvPage::~KvPage() { pool_->give(global_, data_); }

std::byte* KvPage::row(int kind_index, bool value, int64_t offset) noexcept {
  const int64_t block = int64_t{kind_index} * 2 + (value ? 1 : 0);
  return data_ + (block * kPagePositions + offset) * pool_->row_bytes();
}

KvCache::KvCache(std::shared_ptr<KvPool> pool, int64_t length, std::vector<KvPagePtr> global, int64_t first_local,
                 std::vector<KvPagePtr> local)
    : KvCache(std::move(pool)) {
  const int64_t pages = (length + kPagePositions - 1) / kPagePositions;
  ATTUNE_DCHECK(!pool_->has_global() || static_cast<int64_t>(global.size()) == pages);
  ATTUNE_DCHECK(!pool_->has_local() ||
                (static_cast<int64_t>(local.size()) == pages - first_local && pages - first_local <= pool_->num_slots()));
  global_ = std::move(global);
  for (size_t i = 0; i < local.size(); ++i) local_slot(first_local + static_cast<int64_t>(i)) = std::move(local[i]);
  length_ = length;
  local_begin_ = pool_->has_local() ? first_local * kPagePositions : 0;
  (void)pages;
}

KvPagePtr KvCache::global_page(int64_t page_index) const noexcept {
  return page_index < static_cast<int64_t>(global_.size()) ? global_[static_cast<size_t>(page_index)] : nullptr;
}

KvPagePtr KvCache::local_page(int64_t page_index) const noexcept {
  if (!pool_->has_local() || page_index * kPagePositions < local_begin_ || page_index * kPagePositions >= length_) return nullptr;
  return local_[static_cast<size_t>(page_index % pool_->num_slots())];
}

int64_t KvCache::bytes() const noexcept {
  const auto held = [](const std::vector<KvPagePtr>& pages) {
    return static_cast<int64_t>(std::count_if(pages.begin(), pages.end(), [](const KvPagePtr& page) { return page != nullptr; }));
  };
  return held(local_) * pool_->local_page_bytes() + held(global_) * pool_->global_page_bytes();
}

int64_t KvCache::growth_bytes(int64_t n) const noexcept {
  const int64_t pages = (length_ + n + kPagePositions - 1) / kPagePositions - length_ / kPagePositions;  // a shared partial one is copied
  return pages * pool_->global_page_bytes() + std::min(pages, pool_->num_slots()) * pool_->local_page_bytes();
}

void KvCache::begin(int64_t n) {
  ATTUNE_DCHECK(chunk_ == 0 && n > 0);
  const bool has_local = pool_->has_local();
  const bool has_global = pool_->has_global();
  const int64_t first = length_ / kPagePositions;
  const int64_t last = (length_ + n - 1) / kPagePositions;
  const int64_t oldest_local = last - pool_->num_slots() + 1;  // earlier pages of the chunk leave the ring at once
  const auto own = [](KvPagePtr& page) {
    if (page.use_count() > 1) page = std::make_shared<KvPage>(*page);
  };
  try {
    for (int64_t index = first; index <= last; ++index) {
      Staged staged{index, nullptr, nullptr};
      const bool partial = index == first && length_ % kPagePositions != 0;
      if (has_local && index >= oldest_local) {
        if (partial) {
          own(local_slot(index));
        } else {
          staged.local = std::make_shared<KvPage>(pool_, false);
        }
      }
      if (has_global) {
        if (partial) {
          own(global_.back());
        } else {
          staged.global = std::make_shared<KvPage>(pool_, true);
        }
      }
      if (staged.local || staged.global) staged_.push_back(std::move(staged));
    }
  } catch (...) {
    staged_.clear();
    throw;
  }
  chunk_ = n;
}

void KvCache::store(int layer, const std::byte* k, const std::byte* v) {
  const bool global = pool_->is_global(layer);
  const int kind = pool_->kind_index(layer);
  const int64_t row_bytes = pool_->row_bytes();
  const int64_t last_page = (length_ + chunk_ - 1) / kPagePositions;
  for (int64_t t = 0; t < chunk_;) {
    const int64_t position = length_ + t;
    const int64_t index = position / kPagePositions;
    const int64_t count = std::min(chunk_ - t, (index + 1) * kPagePositions - position);
    KvPage* page = nullptr;
    const auto staged = std::find_if(staged_.begin(), staged_.end(), [&](const Staged& s) { return s.page_index == index; });
    if (staged != staged_.end()) page = global ? staged->global.get() : staged->local.get();
    if (page == nullptr && (global || index > last_page - pool_->num_slots())) {
      if (index * kPagePositions < length_) page = global ? global_[static_cast<size_t>(index)].get() : local_slot(index).get();
    }
    if (page != nullptr) {
      std::memcpy(page->row(kind, false, position % kPagePositions), k + t * row_bytes, static_cast<size_t>(count * row_bytes));
      std::memcpy(page->row(kind, true, position % kPagePositions), v + t * row_bytes, static_cast<size_t>(count * row_bytes));
    }
    t += count;
  }
}

void KvCache::commit() {
  for (Staged& staged : staged_) {
    if (staged.local) local_slot(staged.page_index) = std::move(staged.local);
    if (staged.global) {
      ATTUNE_DCHECK(static_cast<int64_t>(global_.size()) == staged.page_index);
      global_.push_back(std::move(staged.global));
    }
  }
  staged_.clear();
  length_ += std::exchange(chunk_, 0);
  const int64_t last_page = (length_ - 1) / kPagePositions;
  local_begin_ = std::max(local_begin_, (last_page - pool_->num_slots() + 1) * kPagePositions);
}

void KvCache::abandon() noexcept {
  staged_.clear();
  chunk_ = 0;
}

bool KvCache::rewind(int64_t length) {
  if (length < 0 || length > length_) return false;
  if (length == length_) return true;
  if (pool_->has_local() && local_begin_ > std::max<int64_t>(0, length - pool_->window() + 1)) return false;
  const int64_t pages = (length + kPagePositions - 1) / kPagePositions;
  const int64_t old_pages = (length_ + kPagePositions - 1) / kPagePositions;
  if (pool_->has_local()) {
    for (int64_t index = std::max(pages, old_pages - pool_->num_slots()); index < old_pages; ++index) local_slot(index).reset();
  }
  if (pool_->has_global()) global_.resize(static_cast<size_t>(pages));
  length_ = length;
  return true;
}

KvCache::Run KvCache::run(int layer, int64_t position, int64_t end) const noexcept {
  const int64_t index = position / kPagePositions;
  const bool global = pool_->is_global(layer);
  ATTUNE_DCHECK(position < length_ && (global || position >= local_begin_));
  const KvPage& page = global ? *global_[static_cast<size_t>(index)] : *local_[static_cast<size_t>(index % pool_->num_slots())];
  const int kind = pool_->kind_index(layer);
  const int64_t offset = position % kPagePositions;
  const int64_t count = std::min({kPagePositions - offset, end - position, length_ - position});
  return {page.row(kind, false, offset), page.row(kind, true, offset), count};
}

}  // namespace attune::lm
