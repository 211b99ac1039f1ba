#include "people/bandits/baselines/memory.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune::people {

void ArmMemory::grow(int32_t arm) {
  const auto needed = static_cast<size_t>(arm) + 1;
  if (count_.size() >= needed) return;
  count_.resize(needed, 0.0);
  sum_.resize(needed, 0.0);
}

void ArmMemory::tick() {
  if (forgetting_.discount >= 1) return;
  total_ *= forgetting_.discount;
  for (double& x : count_) x *= forgetting_.discount;
  for (double& x : sum_) x *= forgetting_.discount;
}

void ArmMemory::add(int32_t arm, double reward) {
  grow(arm);
  const auto a = static_cast<size_t>(arm);
  count_[a] += 1;
  sum_[a] += reward;
  total_ += 1;
  if (forgetting_.window <= 0) return;
  window_.push_back({arm, reward});
  if (static_cast<int64_t>(window_.size()) <= forgetting_.window) return;
  const auto old = static_cast<size_t>(window_.front().arm);
  count_[old] -= 1;
  sum_[old] = count_[old] == 0 ? 0 : sum_[old] - window_.front().reward;
  total_ -= 1;
  window_.pop_front();
}

void ArmMemory::forget(int32_t arm) {
  grow(arm);
  const auto a = static_cast<size_t>(arm);
  total_ = std::max(0.0, total_ - count_[a]);
  count_[a] = sum_[a] = 0;
  std::erase_if(window_, [&](const Sample& sample) { return sample.arm == arm; });
}

void ArmMemory::forget_all() {
  count_.assign(count_.size(), 0.0);
  sum_.assign(sum_.size(), 0.0);
  total_ = 0;
  window_.clear();
}

double ArmMemory::count(int32_t arm) const noexcept {
  return static_cast<size_t>(arm) < count_.size() ? count_[static_cast<size_t>(arm)] : 0;
}

double ArmMemory::sum(int32_t arm) const noexcept { return static_cast<size_t>(arm) < sum_.size() ? sum_[static_cast<size_t>(arm)] : 0; }

LinearMemory::LinearMemory(int32_t d, Forgetting forgetting, double theta_sd, double noise_sd)
    : d_(static_cast<size_t>(d)), forgetting_(forgetting), theta_sd_(theta_sd), noise_sd_(noise_sd) {
  check(d >= 1, ErrorCode::kInvalidArgument, "[linear memory] expected at least 1 feature, found ", d);
  forget_all();
}

void LinearMemory::forget_all() {
  s_.assign(d_ * d_, 0.0);
  b_.assign(d_, 0.0);
  total_ = 0;
  removed_ = 0;
  dirty_ = true;
  window_.clear();
}

void LinearMemory::tick() {
  if (forgetting_.discount >= 1) return;
  for (double& x : s_) x *= forgetting_.discount;
  for (double& x : b_) x *= forgetting_.discount;
  total_ *= forgetting_.discount;
  dirty_ = true;
}

void LinearMemory::accumulate(std::span<const double> x, double reward, double sign) {
  for (size_t i = 0; i < d_; ++i) {
    for (size_t j = 0; j < d_; ++j) s_[i * d_ + j] += sign * (x[i] * x[j]);
    b_[i] += sign * (reward * x[i]);
  }
  dirty_ = true;
}

void LinearMemory::add(std::span<const double> x, double reward) {
  check(x.size() == d_, ErrorCode::kInvalidArgument, "[linear memory] expected ", d_, " features, found ", x.size());
  accumulate(x, reward, 1);
  total_ += 1;
  if (forgetting_.window <= 0) return;
  window_.push_back({{x.begin(), x.end()}, reward});
  if (static_cast<int64_t>(window_.size()) <= forgetting_.window) return;
  const Sample old = std::move(window_.front());
  window_.pop_front();
  total_ -= 1;
  if (++removed_ >= 256) return rebuild();
  accumulate(old.x, old.reward, -1);
}

void LinearMemory::rebuild() {
  removed_ = 0;
  s_.assign(d_ * d_, 0.0);
  b_.assign(d_, 0.0);
  for (const auto& sample : window_) accumulate(sample.x, sample.reward, 1);
}

void LinearMemory::solve() {
  if (!dirty_) return;
  dirty_ = false;
  const double w = 1 / (noise_sd_ * noise_sd_), prior = 1 / (theta_sd_ * theta_sd_);
  lower_.assign(d_ * d_, 0.0);
  for (size_t i = 0; i < d_; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = w * s_[i * d_ + j] + (i == j ? prior : 0);
      for (size_t k = 0; k < j; ++k) sum -= lower_[i * d_ + k] * lower_[j * d_ + k];
      lower_[i * d_ + j] = i == j ? std::sqrt(std::max(sum, 1e-12 * prior)) : sum / lower_[j * d_ + j];
    }
  }
  mean_.assign(d_, 0.0);
  for (size_t i = 0; i < d_; ++i) {
    double sum = w * b_[i];
    for (size_t k = 0; k < i; ++k) sum -= lower_[i * d_ + k] * mean_[k];
    mean_[i] = sum / lower_[i * d_ + i];
  }
  for (size_t i = d_; i-- > 0;) {
    double sum = mean_[i];
    for (size_t k = i + 1; k < d_; ++k) sum -= lower_[k * d_ + i] * mean_[k];
    mean_[i] = sum / lower_[i * d_ + i];
  }
}

std::span<const double> LinearMemory::mean() {
  solve();
  return mean_;
}

double LinearMemory::sd(std::span<const double> x) {
  solve();
  // |L^-1 x|
  std::vector<double> y(d_);
  double square = 0;
  for (size_t i = 0; i < d_; ++i) {
    double sum = x[i];
    for (size_t k = 0; k < i; ++k) sum -= lower_[i * d_ + k] * y[k];
    y[i] = sum / lower_[i * d_ + i];
    square += y[i] * y[i];
  }
  return std::sqrt(square);
}

std::vector<double> LinearMemory::draw(Rng& rng) {
  solve();
  // m + L'^-1 e has covariance Lambda^-1.
  std::vector<double> out(d_);
  for (double& x : out) x = rng.normal();
  for (size_t i = d_; i-- > 0;) {
    for (size_t k = i + 1; k < d_; ++k) out[i] -= lower_[k * d_ + i] * out[k];
    out[i] /= lower_[i * d_ + i];
  }
  for (size_t i = 0; i < d_; ++i) out[i] += mean_[i];
  return out;
}

}  // namespace attune::people
