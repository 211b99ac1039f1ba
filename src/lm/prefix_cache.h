// Keys and values of finished work, found again by the tokens they belong to (docs/methods/gemma3.md, "Prefix cache").
//
// A radix tree over positions whose edges are pages: a node is one page of up to kPagePositions keys under its parent. A node holds the
// global page of its positions, and the local page while a snapshot of the ring covers it; both are shared with the sequences they came
// from (lm/kv_cache.h: copy-on-write). A prefix of p positions is usable when every page has its global part and local layers
// hold positions p - W + 1 to p - 1: at snapshots, and anywhere in the first window.
// Memory: pages, plus about 400 bytes a node. Eviction: least recently used first, of leaves and of local pages, one page at a time.
// Keys: a token's id, or for a soft row a hash of its content with the top bit set. Different `salt`s (weights, adapters) share nothing.
// Not thread-safe: the engine uses it inside a step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "lm/kv_cache.h"

namespace attune::lm {

/// Leading keys that are equal.
int64_t common_length(std::span<const uint64_t> a, std::span<const uint64_t> b) noexcept;

struct PrefixStats {
  int64_t lookups = 0;
  int64_t hits = 0;           ///< lookups that found something usable
  int64_t hit_positions = 0;
  int64_t inserted_pages = 0;
  int64_t evicted_pages = 0;
  int64_t bytes = 0;          ///< of the pages referred to, shared ones included
};

class PrefixCache {
 public:
  /// `max_bytes` 0 keeps nothing.
  PrefixCache(std::shared_ptr<KvPool> pool, int64_t max_bytes);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  bool enabled() const noexcept { return max_bytes_ > 0; }
  int64_t max_bytes() const noexcept { return max_bytes_; }
  const PrefixStats& stats() const noexcept { return stats_; }

  /// Remembers the first min(keys.size(), cache.length()) positions of `cache`. O(pages). What does not fit is evicted at once.
  void insert(uint64_t salt, std::span<const uint64_t> keys, const KvCache& cache);

  struct Match {
    int64_t known = 0;             ///< leading positions in the tree, whether or not usable
    int64_t usable = 0;            ///< leading positions that `cache` holds
    std::optional<KvCache> cache;  ///< set if usable > 0
  };
  /// The longest usable prefix of `keys`. A cut inside a bidirectional block is none: `atomic` lists blocks [begin, end), ascending.
  /// Prefixes below `min_usable` positions are not worth their copy of a page. What it returns counts as used just now.
  Match find(uint64_t salt, std::span<const uint64_t> keys, std::span<const std::pair<int64_t, int64_t>> atomic, int64_t min_usable);
  /// Enters a match that work begins with into the statistics.
  void count(const Match& match) noexcept;

  /// Drops least recently used pages that nobody else refers to until the pool has `bytes` to give. False if it cannot.
  bool make_room(int64_t bytes);
  /// Bytes that make_room could free. O(nodes).
  int64_t evictable_bytes() const;
  void clear() noexcept;

 private:
  struct Node;
  using Children = std::map<std::vector<uint64_t>, std::unique_ptr<Node>>;
  using Queue = std::set<std::pair<uint64_t, Node*>>;  // by time of last use

  Node* add(Node& parent, std::span<const uint64_t> key, const KvCache& cache, int64_t page_index);
  void set_local(Node& node, KvPagePtr page, int64_t rows);
  void drop_local(Node& node) noexcept;
  void remove_leaf(Node& node) noexcept;
  void touch(Node& node, bool local);
  bool evict_one(bool unshared_only) noexcept;
  std::vector<std::pair<Node*, int64_t>> path_of(Node& root, std::span<const uint64_t> keys) const;
  int64_t best_cut(std::span<const std::pair<Node*, int64_t>> path, int64_t limit) const;

  std::shared_ptr<KvPool> pool_;
  int64_t max_bytes_;
  uint64_t clock_ = 0;
  std::map<uint64_t, std::unique_ptr<Node>> roots_;  // by salt
  Queue leaves_;
  Queue locals_;
  PrefixStats stats_;
};

}  // namespace attune::lm
