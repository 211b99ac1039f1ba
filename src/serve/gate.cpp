#include "serve/gate.h"

#include <algorithm>
#include <chrono>

#include "core/error.h"

namespace attune::serve {

Gate::Pass Gate::enter(int slots, std::stop_token stop) {
  slots = std::clamp(slots, 1, slots_);
  std::unique_lock lock(mutex_);
  if (queue_.empty() && used_ + slots <= slots_) {
    used_ += slots;
    return {*this, slots};
  }
  check(static_cast<int>(queue_.size()) < max_waiting_, ErrorCode::kResource, "[queue] ", queue_.size(),
        " requests are waiting, the limit is ", max_waiting_);
  const auto place = queue_.insert(queue_.end(), slots);
  const auto my_turn = [&] { return place == queue_.begin() && used_ + slots <= slots_; };
  const bool ready = changed_.wait_for(lock, stop, std::chrono::milliseconds(timeout_ms_), my_turn);
  queue_.erase(place);
  if (ready) used_ += slots;
  changed_.notify_all();  // the next in the queue may go now
  if (!ready) {
    check(!stop.stop_requested(), ErrorCode::kCancelled, "[queue] the client is gone");
    fail(ErrorCode::kFailedPrecondition, "[queue] no place became free within ", timeout_ms_, " ms");
  }
  return {*this, slots};
}

void Gate::release(int slots) {
  {
    std::lock_guard lock(mutex_);
    used_ -= slots;
  }
  changed_.notify_all();
}

int64_t Gate::running() const {
  std::lock_guard lock(mutex_);
  return used_;
}

int64_t Gate::waiting() const {
  std::lock_guard lock(mutex_);
  return static_cast<int64_t>(queue_.size());
}

}  // namespace attune::serve
