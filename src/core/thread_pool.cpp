#include "core/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "core/error.h"

namespace attune {
namespace {

constexpr int kSpins = 2000;
constexpr int kMaxChunks = 1 << 20;

inline void pause_cpu() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Ticket layout: generation (24 bits) | count (20 bits + 1) | next (19 bits + 1). Packing keeps claim and validity in one word.
constexpr uint64_t pack(uint64_t generation, uint64_t count, uint64_t next) {
  return (generation << 42) | (count << 21) | next;
}
constexpr uint64_t generation_of(uint64_t ticket) { return ticket >> 42; }
constexpr uint64_t count_of(uint64_t ticket) { return (ticket >> 21) & 0x1fffff; }
constexpr uint64_t next_of(uint64_t ticket) { return ticket & 0x1fffff; }

thread_local bool t_inside_run = false;

}  // namespace

struct ThreadPool::State {
  std::mutex run_mutex;  // one run at a time
  std::atomic<uint64_t> ticket{0};
  std::atomic<const std::function<void(int)>*> body{nullptr};
  std::atomic<int> finished{0};
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false};
  std::mutex sleep_mutex;
  std::condition_variable wake;
  std::mutex error_mutex;
  std::exception_ptr error;
  std::vector<std::thread> workers;

  // Claims and runs chunks of `generation` until none is left.
  void work(uint64_t generation) {
    uint64_t seen = ticket.load(std::memory_order_acquire);
    while (generation_of(seen) == generation && next_of(seen) < count_of(seen)) {
      if (!ticket.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      // The claim succeeded, so the run cannot end before this chunk does and `body` stays valid.
      try {
        (*body.load(std::memory_order_acquire))(static_cast<int>(next_of(seen)));
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!error) error = std::current_exception();
      }
      finished.fetch_add(1, std::memory_order_acq_rel);
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void worker_loop() {
    t_inside_run = true;
    uint64_t done_generation = 0;
    int spins = 0;
    while (!stop.load(std::memory_order_acquire)) {
      const uint64_t seen = ticket.load(std::memory_order_acquire);
      if (generation_of(seen) != done_generation && next_of(seen) < count_of(seen)) {
        work(generation_of(seen));
        done_generation = generation_of(seen);
        spins = 0;
        continue;
      }
      if (++spins < kSpins) {
        pause_cpu();
        continue;
      }
      std::unique_lock lock(sleep_mutex);
      sleepers.fetch_add(1);
      wake.wait(lock, [&] {
        const uint64_t now = ticket.load();
        return stop.load() || (generation_of(now) != done_generation && next_of(now) < count_of(now));
      });
      sleepers.fetch_sub(1);
      spins = 0;
    }
  }
};

ThreadPool::ThreadPool(int num_threads) : state_(std::make_unique<State>()) {
  check(num_threads >= 0 && num_threads <= 1024, ErrorCode::kInvalidArgument, "[thread_pool] threads is ", num_threads,
        ", expected 0 to 1024");
  if (num_threads == 0) num_threads = usable_cores();
  for (int i = 1; i < num_threads; ++i) {
    state_->workers.emplace_back([this] { state_->worker_loop(); });
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(state_->sleep_mutex);
    state_->stop.store(true);
  }
  state_->wake.notify_all();
  for (auto& worker : state_->workers) worker.join();
}

int ThreadPool::num_threads() const noexcept { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(int num_chunks, const std::function<void(int)>& body) {
  check(num_chunks >= 0 && num_chunks <= kMaxChunks, ErrorCode::kInvalidArgument, "[thread_pool] chunks is ", num_chunks);
  if (num_chunks == 0) return;
  if (t_inside_run || state_->workers.empty() || num_chunks == 1) {
    for (int chunk = 0; chunk < num_chunks; ++chunk) body(chunk);
    return;
  }
  State& s = *state_;
  const std::lock_guard run_lock(s.run_mutex);
  t_inside_run = true;
  s.error = nullptr;
  s.finished.store(0, std::memory_order_relaxed);
  s.body.store(&body, std::memory_order_release);
  const uint64_t generation = (generation_of(s.ticket.load()) + 1) & 0x3fffff;
  s.ticket.store(pack(generation, static_cast<uint64_t>(num_chunks), 0));
  if (s.sleepers.load() > 0) {
    { const std::lock_guard lock(s.sleep_mutex); }
    s.wake.notify_all();
  }
  s.work(generation);
  for (int spins = 0; s.finished.load(std::memory_order_acquire) < num_chunks; ++spins) {
    if (spins < kSpins) {
      pause_cpu();
    } else {
      sched_yield();
    }
  }
  t_inside_run = false;
  if (s.error) std::rethrow_exception(std::exchange(s.error, nullptr));
}

void ThreadPool::for_ranges(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  check(grain > 0, ErrorCode::kInvalidArgument, "[thread_pool] grain is ", grain, ", expected at least 1");
  if (n <= 0) return;
  const int64_t chunks = (n + grain - 1) / grain;
  run(static_cast<int>(chunks), [&](int chunk) { body(chunk * grain, std::min(n, (chunk + 1) * grain)); });
}

int usable_cores() noexcept {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cores = CPU_COUNT(&set);
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    long long quota = 0;
    long long period = 0;
    if (std::fscanf(file, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0) {
      cores = std::min(cores, static_cast<int>((quota + period - 1) / period));
    }
    std::fclose(file);
  }
  return std::max(1, cores);
}

}  // namespace attune
