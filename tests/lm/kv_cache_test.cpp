// Pages of keys and values: counts by the formula at long contexts, and the order in which the prefix cache gives them up. Nothing is computed.
#include "lm/kv_cache.h"

#include <gtest/gtest.h>

#include <numeric>

#include "core/error.h"
#include "lm/prefix_cache.h"

namespace attune::lm {
namespace {

constexpr int64_t kNoCap = int64_t{1} << 40;

/// Sizes of a released configuration with pages so small that page counts are those of the real one and memory is not: G E = 1.
ModelConfig thin(ModelConfig config) {
  config.num_kv_heads = 1;
  config.head_dim = 1;
  return config;
}

int64_t pages_of(int64_t length) { return (length + kPagePositions - 1) / kPagePositions; }

void grow(KvCache& cache, int64_t length, int64_t chunk) {
  while (cache.length() < length) {
    cache.begin(std::min(chunk, length - cache.length()));
    cache.commit();
  }
}

int64_t held(const KvCache& cache, bool global) {
  int64_t count = 0;
  for (int64_t i = 0; i < pages_of(cache.length()); ++i) count += (global ? cache.global_page(i) : cache.local_page(i)) != nullptr;
  return count;
}

// Local layers hold ceil((W + margin - 1) / 32) + 1 pages however long the sequence is; global layers one page for each 32 positions.
TEST(KvPages, CountsAtLongContexts) {
  struct Case {
    const char* size;
    int64_t length, local_pages, global_pages;
  };
  // 270M and 1B have windows of 512, 4B one of 1,024; margin 64.
  for (const Case& c : {Case{"270m", 32768, 19, 1024}, Case{"1b", 32768, 19, 1024}, Case{"4b", 131072, 35, 4096}}) {
    const ModelConfig config = thin(released_config(c.size));
    for (const int64_t chunk : {int64_t{256}, int64_t{1000}}) {
      const auto pool = std::make_shared<KvPool>(config, kernels::KvType::kF16, 64, kNoCap);
      EXPECT_EQ(pool->num_slots(), c.local_pages) << c.size;
      KvCache cache(pool);
      for (const int64_t length : {int64_t{1}, int64_t{32}, int64_t{33}, int64_t{511}, int64_t{513}, int64_t{4097}, c.length}) {
        grow(cache, length, chunk);
        EXPECT_EQ(held(cache, true), pages_of(length)) << c.size << ' ' << length;
        EXPECT_EQ(held(cache, false), std::min(pages_of(length), c.local_pages)) << c.size << ' ' << length;
        EXPECT_EQ(cache.bytes(), pool->bytes_for(length));
        EXPECT_EQ(pool->bytes_in_use(), cache.bytes());
      }
      EXPECT_EQ(held(cache, true), c.global_pages);
    }
  }
}

// The whole formula, bytes of the real shapes: 2 G E b P (global pages and layers + local pages and layers), near ModelConfig::kv_bytes.
TEST(KvPages, BytesOfTheReleasedShapes) {
  struct Case {
    const char* size;
    int64_t length;
    double most;  // over the formula without pages and margin
  };
  for (const Case& c : {Case{"270m", 32768, 1.04}, Case{"1b", 32768, 1.05}, Case{"4b", 131072, 1.02}}) {
    const ModelConfig config = released_config(c.size);
    // Bytes of 32 values: two or four each, or one each and a scale of two.
    for (const auto& [type, bytes] : {std::pair{kernels::KvType::kF16, int64_t{64}}, std::pair{kernels::KvType::kF32, int64_t{128}},
                                      std::pair{kernels::KvType::kQ8_0, int64_t{34}}}) {
      const KvPool pool(config, type, 64, kNoCap);
      const int64_t row = 2 * int64_t{config.num_kv_heads} * config.head_dim / 32 * bytes;
      EXPECT_EQ(pool.global_page_bytes(), row * kPagePositions * config.num_global_layers());
      EXPECT_EQ(pool.local_page_bytes(), row * kPagePositions * config.num_local_layers());
      const int64_t slots = (config.sliding_window + 64 - 1 + kPagePositions - 1) / kPagePositions + 1;
      EXPECT_EQ(pool.bytes_for(c.length),
                row * (config.num_global_layers() * c.length + config.num_local_layers() * slots * kPagePositions));
      const double least = static_cast<double>(config.kv_bytes(c.length, 1)) * static_cast<double>(bytes) / 32;
      EXPECT_GE(static_cast<double>(pool.bytes_for(c.length)), least) << c.size;
      EXPECT_LE(static_cast<double>(pool.bytes_for(c.length)), c.most * least) << c.size;
    }
  }
}

// Pages of the real shapes, taken from the system but not written: 4B at 128K is 2.6 GiB of addresses.
TEST(KvPages, RealShapesAtTheContextLimit) {
  for (const char* size : {"270m", "1b", "4b"}) {
    const ModelConfig config = released_config(size);
    for (const kernels::KvType type : {kernels::KvType::kF16, kernels::KvType::kQ8_0}) {
      const KvPool measure(config, type, 64, kNoCap);
      const int64_t needed = measure.bytes_for(config.context_length) + 8 * measure.local_page_bytes();  // of chunks of 256
      const auto pool = std::make_shared<KvPool>(config, type, 64, needed);
      KvCache cache(pool);
      grow(cache, config.context_length, 256);
      EXPECT_EQ(cache.bytes(), pool->bytes_for(config.context_length)) << size;
      EXPECT_EQ(pool->bytes_in_use(), cache.bytes()) << size;
      EXPECT_EQ(held(cache, true), config.context_length / kPagePositions);
      EXPECT_EQ(held(cache, false), pool->num_slots());
    }
  }
}

// While a chunk is computed its new pages exist beside those that will leave the ring: 8 local pages for 256 positions.
TEST(KvPages, TheCapIsMetExactlyAndARefusalChangesNothing) {
  const ModelConfig config = thin(released_config("270m"));
  const KvPool measure(config, kernels::KvType::kF16, 64, kNoCap);
  const int64_t needed = measure.bytes_for(4096) + 8 * measure.local_page_bytes();
  for (const int64_t cap : {needed, needed - 1}) {
    const auto pool = std::make_shared<KvPool>(config, kernels::KvType::kF16, 64, cap);
    KvCache cache(pool);
    grow(cache, 4096 - 256, 256);
    EXPECT_EQ(pool->bytes_in_use() + cache.growth_bytes(256), needed);
    if (cap == needed) {
      EXPECT_NO_THROW(grow(cache, 4096, 256));
      EXPECT_EQ(pool->bytes_in_use(), pool->bytes_for(4096));
      continue;
    }
    try {
      cache.begin(256);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kResource);
    }
    EXPECT_EQ(cache.length(), 4096 - 256);
    EXPECT_EQ(pool->bytes_in_use(), pool->bytes_for(4096 - 256));
    EXPECT_NO_THROW(grow(cache, 4096, 32));  // in smaller chunks it fits
  }
}

TEST(KvPages, ForksShareUntilTheyWrite) {
  const auto pool = std::make_shared<KvPool>(thin(released_config("270m")), kernels::KvType::kF16, 64, kNoCap);
  KvCache cache(pool);
  grow(cache, 1000, 256);  // page 31 holds 8 of 32 positions
  const int64_t alone = pool->bytes_in_use();
  KvCache fork = cache;
  EXPECT_EQ(pool->bytes_in_use(), alone);
  grow(fork, 1001, 1);
  EXPECT_EQ(pool->bytes_in_use(), alone + pool->global_page_bytes() + pool->local_page_bytes());  // its own copy of the last page
  EXPECT_EQ(fork.global_page(30), cache.global_page(30));
  EXPECT_NE(fork.global_page(31), cache.global_page(31));
  EXPECT_EQ(fork.growth_bytes(1), pool->global_page_bytes() + pool->local_page_bytes());
}

// ---- What the prefix cache gives up, and when.

class Eviction : public ::testing::Test {
 protected:
  // A window of 64 without margin: rings of 3 pages.
  static ModelConfig config() {
    ModelConfig out = thin(released_config("270m"));
    out.sliding_window = 64;
    return out;
  }
  /// Keys of `pages` pages, the first `common` of them the same for all.
  static std::vector<uint64_t> keys(int64_t pages, uint64_t own, int64_t common = 0) {
    std::vector<uint64_t> out(static_cast<size_t>(pages * kPagePositions));
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int64_t>(i) < common * kPagePositions ? i : own * 100000 + i;
    return out;
  }
  void insert(PrefixCache& cache, const std::vector<uint64_t>& k) {
    KvCache computed(pool_);
    grow(computed, static_cast<int64_t>(k.size()), 32);
    cache.insert(0, k, computed);
  }
  static int64_t known(PrefixCache& cache, const std::vector<uint64_t>& k) { return cache.find(0, k, {}, int64_t{1} << 40).known; }
  static int64_t usable(PrefixCache& cache, const std::vector<uint64_t>& k) { return cache.find(0, k, {}, 1).usable; }
  int64_t page_bytes() const { return pool_->global_page_bytes() + pool_->local_page_bytes(); }

  std::shared_ptr<KvPool> pool_ = std::make_shared<KvPool>(config(), kernels::KvType::kF16, 0, kNoCap);
};

// Three prompts of two pages each; room for two. The one not used for longest goes, its leaf before its root page.
TEST_F(Eviction, LeastRecentlyUsedGoesFirst) {
  const auto a = keys(2, 1), b = keys(2, 2), c = keys(2, 3), d = keys(2, 4);
  PrefixCache cache(pool_, 6 * page_bytes());
  insert(cache, a);
  insert(cache, b);
  insert(cache, c);
  EXPECT_EQ(cache.stats().evicted_pages, 0);
  EXPECT_EQ(usable(cache, a), 64);  // used: b is the oldest now
  insert(cache, d);
  EXPECT_EQ(known(cache, a), 64);
  EXPECT_EQ(known(cache, b), 0);
  EXPECT_EQ(known(cache, c), 64);
  EXPECT_EQ(known(cache, d), 64);
  EXPECT_LE(cache.stats().bytes, cache.max_bytes());
}

// A long prompt loses its end first: what is left is a prefix, and the beginning that others share stays until the last.
TEST_F(Eviction, LeavesGoBeforeWhatTheyStandOn) {
  const auto trunk_a = keys(6, 1, 3), trunk_b = keys(6, 2, 3);
  PrefixCache cache(pool_, int64_t{1} << 30);
  insert(cache, trunk_a);
  insert(cache, trunk_b);
  ASSERT_EQ(known(cache, trunk_a), 192);
  ASSERT_EQ(known(cache, trunk_b), 192);
  const int64_t shared = 96;
  int64_t a = 192, b = 192;
  const auto cap = [&](int64_t bytes) { return pool_->max_bytes() - pool_->bytes_in_use() + bytes; };
  while (cache.stats().bytes > 0) {
    ASSERT_TRUE(cache.make_room(cap(1)));  // one page goes
    const int64_t now_a = known(cache, trunk_a), now_b = known(cache, trunk_b);
    EXPECT_LE(now_a, a);
    EXPECT_LE(now_b, b);
    if (now_a < shared || now_b < shared) {
      EXPECT_EQ(now_a, now_b) << "the shared beginning left while a branch stood on it";
    }
    a = now_a;
    b = now_b;
  }
  EXPECT_EQ(a, 0);
  EXPECT_EQ(b, 0);
  EXPECT_EQ(pool_->bytes_in_use(), 0);
  EXPECT_FALSE(cache.make_room(cap(1)));
}

// Pages that a live sequence refers to are left: dropping them would free nothing.
TEST_F(Eviction, PagesInUseAreNotGivenUpForRoom) {
  PrefixCache cache(pool_, int64_t{1} << 30);
  const auto live = keys(2, 1), idle = keys(2, 2);
  KvCache computed(pool_);
  grow(computed, 64, 32);
  cache.insert(0, live, computed);
  insert(cache, idle);  // newer than the live one
  EXPECT_EQ(cache.evictable_bytes(), 2 * page_bytes());
  while (cache.make_room(pool_->max_bytes() - pool_->bytes_in_use() + 1)) {
  }
  EXPECT_EQ(known(cache, idle), 0);
  EXPECT_EQ(known(cache, live), 64);
  EXPECT_EQ(pool_->bytes_in_use(), 2 * page_bytes());
}

}  // namespace
}  // namespace attune::lm
