// Alarms that the mean of a stream of numbers has changed (docs/methods/latent_bandits.md, "Baselines").
// Not thread-safe; O(1) a number.
#pragma once

#include <cstdint>
#include <deque>

namespace attune::people {

/// Two-sided CUSUM (Liu, Lee, Shroff, "A change-detection based framework for piecewise-stationary multi-armed bandit problem", AAAI 2018): the mean
/// u of the first `warmup` numbers, then g+ = max(0, g+ + y - u - drift), g- = max(0, g- + u - y - drift); alarm when either exceeds `threshold`.
class Cusum {
 public:
  Cusum(int32_t warmup, double drift, double threshold) : warmup_(warmup), drift_(drift), threshold_(threshold) {}
  /// True on the number that raises the alarm; starts over then.
  bool add(double y);
  void reset() noexcept;
  double up() const noexcept { return up_; }
  double down() const noexcept { return down_; }

 private:
  int32_t warmup_;
  double drift_;
  double threshold_;
  int64_t seen_ = 0;
  double mean_ = 0;
  double up_ = 0;
  double down_ = 0;
};

/// The last `window` numbers (even): alarm when the sums of their two halves differ by more than `threshold` (Cao, Wen, Kveton, Xie, "Nearly optimal
/// adaptive procedure with change detection for piecewise-stationary bandit", AISTATS 2019, Algorithm 1).
class HalvesTest {
 public:
  HalvesTest(int64_t window, double threshold) : window_(window), threshold_(threshold) {}
  /// True on the number that raises the alarm; starts over then.
  bool add(double y);
  void reset() noexcept;
  /// Newer half minus older half; 0 until the window is full.
  double difference() const noexcept { return static_cast<int64_t>(values_.size()) == window_ ? new_ - old_ : 0; }

 private:
  int64_t window_;
  double threshold_;
  std::deque<double> values_;
  double old_ = 0;
  double new_ = 0;
};

}  // namespace attune::people
