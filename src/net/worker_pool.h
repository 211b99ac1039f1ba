// Threads for blocking handlers: started on demand up to a bound, reused, and ended after a while without work.
#pragma once

#include <functional>
#include <memory>

namespace attune::net {

class WorkerPool {
 public:
  /// Throws kInvalidArgument for max_threads < 1. Starts no thread.
  explicit WorkerPool(int max_threads, int idle_timeout_ms = 10'000);
  /// Waits for all work.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Runs `work` on some thread; false (and not run) if all threads are busy or the machine gives no further thread.
  /// `work` must not throw. Thread-safe.
  bool submit(std::function<void()> work);
  /// Threads that exist, busy or idle.
  int num_threads() const;
  /// Blocks until no work is running, at most `timeout_ms`. False on time-out.
  bool wait_idle(int timeout_ms);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace attune::net
