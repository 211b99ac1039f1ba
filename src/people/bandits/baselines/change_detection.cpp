#include "people/bandits/baselines/change_detection.h"

#include <algorithm>
#include <cmath>

namespace attune::people {

bool Cusum::add(double y) {
  if (++seen_ <= warmup_) {
    mean_ += (y - mean_) / static_cast<double>(seen_);
    return false;
  }
  up_ = std::max(0.0, up_ + y - mean_ - drift_);
  down_ = std::max(0.0, down_ + mean_ - y - drift_);
  if (up_ <= threshold_ && down_ <= threshold_) return false;
  reset();
  return true;
}

void Cusum::reset() noexcept {
  seen_ = 0;
  mean_ = up_ = down_ = 0;
}

bool HalvesTest::add(double y) {
  const auto half = static_cast<size_t>(window_ / 2);
  values_.push_back(y);
  if (values_.size() > 2 * half) {
    old_ += values_[half] - values_.front();
    new_ += y - values_[half];
    values_.pop_front();
  } else {
    (values_.size() <= half ? old_ : new_) += y;
  }
  if (values_.size() < 2 * half || std::abs(new_ - old_) <= threshold_) return false;
  reset();
  return true;
}

void HalvesTest::reset() noexcept {
  values_.clear();
  old_ = new_ = 0;
}

}  // namespace attune::people
