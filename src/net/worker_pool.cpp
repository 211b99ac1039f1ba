#include "net/worker_pool.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/error.h"

namespace attune::net {

struct WorkerPool::State {
  std::mutex mutex;
  std::condition_variable work_ready;
  std::condition_variable changed;
  std::deque<std::function<void()>> queue;
  int max_threads = 1;
  int idle_timeout_ms = 0;
  int threads = 0;
  int idle = 0;
  bool closing = false;

  // Body of a worker. The thread is detached: it owns the state and signals its end by `threads`.
  static void work(const std::shared_ptr<State>& self) {
    std::unique_lock lock(self->mutex);
    for (;;) {
      ++self->idle;
      self->changed.notify_all();
      const bool woken = self->work_ready.wait_for(lock, std::chrono::milliseconds(self->idle_timeout_ms),
                                                   [&] { return self->closing || !self->queue.empty(); });
      --self->idle;
      if (!woken || self->queue.empty()) break;
      auto body = std::move(self->queue.front());
      self->queue.pop_front();
      lock.unlock();
      body();
      body = nullptr;  // whatever it holds goes before the pool counts as idle
      lock.lock();
    }
    --self->threads;
    self->changed.notify_all();
  }
};

WorkerPool::WorkerPool(int max_threads, int idle_timeout_ms) : state_(std::make_shared<State>()) {
  check(max_threads >= 1, ErrorCode::kInvalidArgument, "[worker_pool] max_threads is ", max_threads, ", expected at least 1");
  state_->max_threads = max_threads;
  state_->idle_timeout_ms = idle_timeout_ms;
}

WorkerPool::~WorkerPool() {
  std::unique_lock lock(state_->mutex);
  state_->closing = true;
  state_->work_ready.notify_all();
  state_->changed.wait(lock, [&] { return state_->threads == 0; });
}

bool WorkerPool::submit(std::function<void()> work) {
  std::lock_guard lock(state_->mutex);
  if (state_->closing) return false;
  if (state_->idle <= static_cast<int>(state_->queue.size())) {
    if (state_->threads >= state_->max_threads) return false;
    try {
      std::thread(&State::work, state_).detach();
    } catch (const std::system_error&) {
      return false;
    }
    ++state_->threads;
  }
  state_->queue.push_back(std::move(work));
  state_->work_ready.notify_one();
  return true;
}

int WorkerPool::num_threads() const {
  std::lock_guard lock(state_->mutex);
  return state_->threads;
}

bool WorkerPool::wait_idle(int timeout_ms) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [&] { return state_->queue.empty() && state_->idle == state_->threads; });
}

}  // namespace attune::net
