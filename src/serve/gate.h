// Admission of generations: so many run, so many wait in order of arrival, more are refused.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <stop_token>
#include <utility>

namespace attune::serve {

class Gate {
 public:
  /// `slots` sequences run at once; `max_waiting` requests wait, each at most `timeout_ms`.
  Gate(int slots, int max_waiting, int timeout_ms) : slots_(slots), max_waiting_(max_waiting), timeout_ms_(timeout_ms) {}

  /// A place held; the destructor gives it back.
  class Pass {
   public:
    Pass(Gate& gate, int slots) : gate_(&gate), slots_(slots) {}
    ~Pass() {
      if (gate_ != nullptr) gate_->release(slots_);
    }
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), slots_(other.slots_) {}
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    Pass& operator=(Pass&&) = delete;

   private:
    Gate* gate_;
    int slots_;
  };

  /// Waits for `slots` free places (a request for more than all waits for all). Throws kResource when too many wait (429),
  /// kFailedPrecondition after the time-out (503), kCancelled when `stop` fires.
  Pass enter(int slots, std::stop_token stop);
  int64_t running() const;
  int64_t waiting() const;

 private:
  friend class Pass;
  void release(int slots);

  const int slots_;
  const int max_waiting_;
  const int timeout_ms_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  int used_ = 0;
  std::list<int> queue_;  // waiting requests, first come first served
};

}  // namespace attune::serve
