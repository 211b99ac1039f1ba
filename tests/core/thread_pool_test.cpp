#include "core/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/error.h"

namespace attune {
namespace {

TEST(ThreadPool, EveryChunkOnceOverManyRuns) {
  ThreadPool pool(4);
  for (int round = 0; round < 2000; ++round) {
    const int n = 1 + round % 37;
    std::vector<std::atomic<int>> hits(n);
    pool.run(n, [&](int chunk) { hits[chunk].fetch_add(1); });
    for (const auto& hit : hits) ASSERT_EQ(hit.load(), 1);
  }
}

TEST(ThreadPool, RangesDependOnGrainOnly) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    std::vector<int> owner(103, -1);
    pool.for_ranges(103, 10, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) owner[i] = static_cast<int>(begin / 10);
    });
    for (int i = 0; i < 103; ++i) EXPECT_EQ(owner[i], i / 10);
  }
}

TEST(ThreadPool, FirstErrorReachesTheCallerAndThePoolLives) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.run(50, [](int chunk) { if (chunk == 17) fail(ErrorCode::kInternal, "planted"); }), Error);
  std::atomic<int> sum{0};
  pool.run(10, [&](int chunk) { sum += chunk; });
  EXPECT_EQ(sum.load(), 45);
}

TEST(ThreadPool, NestedRunsExecuteOnTheCallingThread) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  pool.run(4, [&](int) { pool.run(5, [&](int) { ++count; }); });
  EXPECT_EQ(count.load(), 20);
}

TEST(ThreadPool, ConcurrentCallersQueue) {
  ThreadPool pool(2);
  std::atomic<int> count{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) pool.run(7, [&](int) { ++count; });
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(count.load(), 4 * 200 * 7);
}

TEST(ThreadPool, RefusesAbsurdCounts) { EXPECT_THROW(ThreadPool(-1), Error); }

}  // namespace
}  // namespace attune
