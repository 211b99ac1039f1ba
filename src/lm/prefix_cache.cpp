#include "lm/prefix_cache.h"

#include <algorithm>

#include "core/error.h"

namespace attune::lm {

int64_t common_length(std::span<const uint64_t> a, std::span<const uint64_t> b) noexcept {
  const size_t limit = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(limit), b.begin()).first - a.begin();
}

/// One page. Only nodes of kPagePositions keys have children, and no key of a parent's children is the beginning of another.
struct PrefixCache::Node {
  Node* parent = nullptr;
  uint64_t salt = 0;               // of roots
  Children::iterator place;        // in the parent's children; roots have none
  KvPagePtr global;
  KvPagePtr local;                 // null outside snapshots
  int64_t local_rows = 0;          // rows of `local` that are written
  uint64_t leaf_stamp = 0;         // keys in the queues
  uint64_t local_stamp = 0;
  uint64_t last_use = 0;
  Children children;

  const std::vector<uint64_t>& key() const { return place->first; }
};

PrefixCache::PrefixCache(std::shared_ptr<KvPool> pool, int64_t max_bytes) : pool_(std::move(pool)), max_bytes_(max_bytes) {}
PrefixCache::~PrefixCache() { clear(); }

void PrefixCache::clear() noexcept {
  while (!leaves_.empty()) remove_leaf(*leaves_.begin()->second);
  locals_.clear();
  roots_.clear();
  stats_.bytes = 0;
}

void PrefixCache::touch(Node& node, bool local) {
  node.last_use = clock_;
  if (node.children.empty() && node.parent != nullptr) {
    leaves_.erase({node.leaf_stamp, &node});
    node.leaf_stamp = clock_;
    leaves_.emplace(node.leaf_stamp, &node);
  }
  if (local && node.local) {
    locals_.erase({node.local_stamp, &node});
    node.local_stamp = clock_;
    locals_.emplace(node.local_stamp, &node);
  }
}

void PrefixCache::set_local(Node& node, KvPagePtr page, int64_t rows) {
  drop_local(node);
  node.local = std::move(page);
  node.local_rows = rows;
  node.local_stamp = clock_;
  locals_.emplace(node.local_stamp, &node);
  stats_.bytes += pool_->local_page_bytes();
  ++stats_.inserted_pages;
}

void PrefixCache::drop_local(Node& node) noexcept {
  if (!node.local) return;
  locals_.erase({node.local_stamp, &node});
  node.local.reset();
  node.local_rows = 0;
  stats_.bytes -= pool_->local_page_bytes();
}

void PrefixCache::remove_leaf(Node& node) noexcept {
  drop_local(node);
  if (node.global) stats_.bytes -= pool_->global_page_bytes();
  auto place = leaves_.extract({node.leaf_stamp, &node});
  Node* parent = node.parent;
  parent->children.erase(node.place);  // node is gone
  if (!parent->children.empty()) return;
  if (parent->parent == nullptr) {
    roots_.erase(parent->salt);
  } else {  // a leaf now; the extracted place is used again, so that nothing is allocated
    parent->leaf_stamp = parent->last_use;
    place.value() = {parent->leaf_stamp, parent};
    leaves_.insert(std::move(place));
  }
}

// The child that holds `key`: found, extended from a shorter one, or new.
PrefixCache::Node* PrefixCache::add(Node& parent, std::span<const uint64_t> key, const KvCache& cache, int64_t page_index) {
  std::vector<uint64_t> wanted(key.begin(), key.end());
  auto after = parent.children.lower_bound(wanted);
  if (after != parent.children.end() && common_length(after->first, key) == static_cast<int64_t>(key.size())) return after->second.get();
  if (after != parent.children.begin()) {
    const auto before = std::prev(after);
    if (common_length(before->first, key) == static_cast<int64_t>(before->first.size())) {  // its beginning: the new page holds more
      auto handle = parent.children.extract(before);
      handle.key() = std::move(wanted);
      Node& node = *handle.mapped();
      node.global = cache.global_page(page_index);
      node.place = parent.children.insert(std::move(handle)).position;
      return &node;
    }
  }
  if (parent.children.empty() && parent.parent != nullptr) leaves_.erase({parent.leaf_stamp, &parent});
  auto node = std::make_unique<Node>();
  Node* out = node.get();
  out->parent = &parent;
  out->global = cache.global_page(page_index);
  if (out->global) {
    stats_.bytes += pool_->global_page_bytes();
    ++stats_.inserted_pages;
  }
  out->place = parent.children.emplace(std::move(wanted), std::move(node)).first;
  return out;
}

void PrefixCache::insert(uint64_t salt, std::span<const uint64_t> keys, const KvCache& cache) {
  const int64_t length = std::min<int64_t>(static_cast<int64_t>(keys.size()), cache.length());
  if (!enabled() || length <= 0) return;
  ++clock_;
  auto& root = roots_[salt];
  if (!root) {
    root = std::make_unique<Node>();
    root->salt = salt;
  }
  Node* node = root.get();
  for (int64_t begin = 0; begin < length; begin += kPagePositions) {
    const int64_t rows = std::min(kPagePositions, length - begin);
    const int64_t page_index = begin / kPagePositions;
    node = add(*node, keys.subspan(static_cast<size_t>(begin), static_cast<size_t>(rows)), cache, page_index);
    KvPagePtr local = cache.local_page(page_index);
    const bool in_ring = local != nullptr;
    if (in_ring && rows > node->local_rows) set_local(*node, std::move(local), rows);
    touch(*node, in_ring);
  }
  while (stats_.bytes > max_bytes_ && evict_one(false)) {
  }
}

// Nodes along `keys` with the matching rows of each: all rows but for the last node.
std::vector<std::pair<PrefixCache::Node*, int64_t>> PrefixCache::path_of(Node& root, std::span<const uint64_t> keys) const {
  std::vector<std::pair<Node*, int64_t>> path;
  Node* node = &root;
  while (!keys.empty()) {
    const auto key = keys.first(std::min<size_t>(keys.size(), kPagePositions));
    const std::vector<uint64_t> wanted(key.begin(), key.end());
    const auto at = node->children.lower_bound(wanted);
    if (key.size() == kPagePositions && at != node->children.end() && at->first == wanted) {
      node = at->second.get();
      path.emplace_back(node, kPagePositions);
      keys = keys.subspan(kPagePositions);
      continue;
    }
    // The longest common beginning is a neighbour's in the order of keys. Of several such, one whose local page reaches far.
    constexpr int kNeighbours = 8;
    Node* best = nullptr;
    int64_t best_rows = 0, best_local = 0;
    const auto consider = [&](Node& candidate) {
      const int64_t rows = common_length(candidate.key(), key);
      const int64_t local = std::min(rows, candidate.local_rows);
      if (rows == 0 || rows < best_rows || (rows == best_rows && local <= best_local && best != nullptr)) return;
      best = &candidate;
      best_rows = rows;
      best_local = local;
    };
    auto forward = at;
    for (int i = 0; i < kNeighbours && forward != node->children.end(); ++i, ++forward) consider(*forward->second);
    auto backward = at;
    for (int i = 0; i < kNeighbours && backward != node->children.begin(); ++i) consider(*(--backward)->second);
    if (best != nullptr) path.emplace_back(best, best_rows);
    break;
  }
  return path;
}

// The largest usable number of positions up to `limit`.
int64_t PrefixCache::best_cut(std::span<const std::pair<Node*, int64_t>> path, int64_t limit) const {
  const auto pages = static_cast<int64_t>(path.size());
  if (!pool_->has_local()) {
    const int64_t known = pages == 0 ? 0 : (pages - 1) * kPagePositions + path.back().second;
    return std::min(limit, known);
  }
  std::vector<int64_t> whole_from(path.size() + 1);  // first page of the run of complete local pages that ends before page i
  for (int64_t i = 0; i < pages; ++i) {
    const bool complete = path[static_cast<size_t>(i)].first->local_rows == kPagePositions;
    whole_from[static_cast<size_t>(i + 1)] = complete ? whole_from[static_cast<size_t>(i)] : i + 1;
  }
  for (int64_t i = pages - 1; i >= 0; --i) {
    const auto& [node, rows] = path[static_cast<size_t>(i)];
    const int64_t begin = i * kPagePositions;
    const int64_t cut = std::min(limit, begin + std::min(rows, node->local_rows));
    if (cut <= begin) continue;
    const int64_t needed = std::max<int64_t>(0, cut - pool_->window() + 1) / kPagePositions;
    if (whole_from[static_cast<size_t>(i)] <= needed) return cut;
  }
  return 0;
}

PrefixCache::Match PrefixCache::find(uint64_t salt, std::span<const uint64_t> keys, std::span<const std::pair<int64_t, int64_t>> atomic,
                                     int64_t min_usable) {
  Match out;
  if (!enabled()) return out;
  const auto root = roots_.find(salt);
  if (root == roots_.end()) return out;
  const auto path = path_of(*root->second, keys);
  if (path.empty()) return out;
  out.known = (static_cast<int64_t>(path.size()) - 1) * kPagePositions + path.back().second;
  int64_t cut = best_cut(path, out.known);
  for (auto block = atomic.rbegin(); block != atomic.rend(); ++block) {
    if (cut > block->first && cut < block->second) cut = best_cut(path, block->first);
  }
  if (cut < std::max<int64_t>(min_usable, 1)) return out;
  ++clock_;
  const int64_t pages = (cut + kPagePositions - 1) / kPagePositions;
  // All complete local pages before the cut that the ring can hold, so that a short rewind stays possible.
  int64_t first_local = pages - 1;
  while (pool_->has_local() && first_local > 0 && pages - first_local < pool_->num_slots() &&
         path[static_cast<size_t>(first_local - 1)].first->local_rows == kPagePositions) {
    --first_local;
  }
  std::vector<KvPagePtr> global, local;
  for (int64_t i = 0; i < pages; ++i) {
    Node& node = *path[static_cast<size_t>(i)].first;
    const bool in_ring = pool_->has_local() && i >= first_local;
    if (pool_->has_global()) global.push_back(node.global);
    if (in_ring) local.push_back(node.local);
    touch(node, in_ring);
  }
  out.usable = cut;
  out.cache.emplace(pool_, cut, std::move(global), first_local, std::move(local));
  return out;
}

void PrefixCache::count(const Match& match) noexcept {
  ++stats_.lookups;
  stats_.hits += match.usable > 0 ? 1 : 0;
  stats_.hit_positions += match.usable;
}

// Drops one page of the least recent use; with `unshared_only` one whose memory comes back by it.
bool PrefixCache::evict_one(bool unshared_only) noexcept {
  const auto frees = [](const KvPagePtr& page) { return page && page.use_count() == 1; };
  auto leaf = leaves_.begin();
  while (unshared_only && leaf != leaves_.end() && !frees(leaf->second->global) && !frees(leaf->second->local)) ++leaf;
  auto local = locals_.begin();
  while (unshared_only && local != locals_.end() && !frees(local->second->local)) ++local;
  const bool has_leaf = leaf != leaves_.end();
  const bool has_local = local != locals_.end();
  if (!has_leaf && !has_local) return false;
  ++stats_.evicted_pages;
  if (has_local && (!has_leaf || local->first < leaf->first)) {
    drop_local(*local->second);
  } else {
    remove_leaf(*leaf->second);
  }
  return true;
}

bool PrefixCache::make_room(int64_t bytes) {
  const auto fits = [&] { return pool_->bytes_in_use() + bytes <= pool_->max_bytes(); };
  while (!fits() && evict_one(true)) {
  }
  return fits();
}

int64_t PrefixCache::evictable_bytes() const {
  int64_t out = 0;
  for (const auto& [stamp, node] : locals_) {
    if (node->local.use_count() == 1) out += pool_->local_page_bytes();
  }
  std::vector<const Node*> open;
  for (const auto& [salt, root] : roots_) open.push_back(root.get());
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (node->global && node->global.use_count() == 1) out += pool_->global_page_bytes();
    for (const auto& [key, child] : node->children) open.push_back(child.get());
  }
  return out;
}

}  // namespace attune::lm
