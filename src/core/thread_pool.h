// Fork-join pool for kernels and solvers.
//
// `run(n, body)` calls body(chunk) for chunk = 0..n-1, each exactly once, on the caller and the workers. Which thread runs a chunk is
// not fixed; results are, because a chunk's work depends on its index alone: split work by `n`, never by the number of threads.
// Chunks are claimed by compare-and-swap on one 64-bit ticket (generation, count, next); the caller works too and waits only for
// chunks that others have claimed, so a worker that lost its core delays nothing it has not started.
// Workers spin for a short while between runs and then sleep. One run at a time: concurrent callers queue; a run inside a run executes
// on the calling thread. The first exception of a chunk is rethrown to the caller after all claimed chunks ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace attune {

class ThreadPool {
 public:
  /// `num_threads` counts the caller: 1 means no worker. 0 takes the number of usable cores.
  explicit ThreadPool(int num_threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const noexcept;
  /// At most 2^20 chunks a run.
  void run(int num_chunks, const std::function<void(int chunk)>& body);

  /// Splits [0, n) into ranges of `grain` (the last one shorter) and calls body(begin, end) for each. The ranges depend on n and grain only.
  void for_ranges(int64_t n, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Cores this process may use (affinity and cgroup quota respected), at least 1.
int usable_cores() noexcept;

}  // namespace attune
