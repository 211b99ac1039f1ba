#include "people/bandits/slate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "kernels/belief.h"
#include "people/bandits/exact_belief.h"

namespace attune::people {
namespace {

constexpr int64_t kBlock = 1024;  // actions scored at a time: their scores stay in the cache

template <class... Parts>
void expect(bool condition, const Parts&... parts) {
  check(condition, ErrorCode::kInvalidArgument, "[slate] ", parts...);
}

/// Checks arms or features; returns k.
size_t slate_size(const LatentModel& model, const SlateFeedback& feedback) {
  if (!model.by_features()) return feedback.arms.size();
  const auto d = static_cast<size_t>(model.d);
  expect(feedback.features.size() % d == 0, "expected features [k, ", d, "], found ", feedback.features.size(), " numbers");
  return feedback.features.size() / d;
}

/// Adds log p(reward | item i, z) to out.
void add_item(const LatentModel& model, const SlateFeedback& feedback, size_t i, double reward, std::span<double> out) {
  std::vector<double> one(out.size());
  const auto d = static_cast<size_t>(model.d);
  const bool by_features = model.by_features();
  model.log_likelihood(by_features ? -1 : feedback.arms[i], by_features ? feedback.features.subspan(i * d, d) : std::span<const double>{},
                       reward, one);
  for (size_t z = 0; z < out.size(); ++z) out[z] += one[z];
}

void check_slate(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, int32_t k) {
  expect(k >= 1, "expected at least 1 item, found ", k);
  expect(!p.empty() && !means.empty() && means.size() % p.size() == 0, "expected means [n, ", p.size(), "], found ", means.size(),
         " numbers");
  const size_t n = means.size() / p.size();
  expect(available.empty() || available.size() == n, "expected ", n, " entries of available, found ", available.size());
  const bool any = available.empty() || std::any_of(available.begin(), available.end(), [](uint8_t x) { return x != 0; });
  expect(any, "no action is available");
}

/// The slate of a drawn state; top(z) gives the best of state z.
template <class Top>
Slate draw_slate(std::span<const double> p, Rng& rng, Top&& top) {
  Slate out;
  const int32_t drawn = draw_index(p, rng);
  out.actions = top(drawn);
  for (size_t z = 0; z < p.size(); ++z) {
    const auto state = static_cast<int32_t>(z);
    if (p[z] > 0 && (state == drawn || top(state) == out.actions)) out.propensity += p[z];
  }
  out.propensity = std::min(out.propensity, 1.0);
  return out;
}

/// The best `count` of what was offered: a heap whose front is the worst kept. Actions are offered in rising order.
class BestActions {
 public:
  explicit BestActions(size_t count) : count_(count) {}

  void offer(float score, int32_t action) {
    if (heap_.size() == count_) {
      if (!(score > heap_.front().score)) return;
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.back() = {score, action};
    } else {
      heap_.push_back({score, action});
    }
    std::push_heap(heap_.begin(), heap_.end(), better);
  }

  std::vector<int32_t> sorted() {
    std::sort(heap_.begin(), heap_.end(), better);
    std::vector<int32_t> out;
    for (const Entry& x : heap_) out.push_back(x.action);
    return out;
  }

 private:
  struct Entry {
    float score;
    int32_t action;
  };
  static bool better(const Entry& a, const Entry& b) { return a.score > b.score || (a.score == b.score && a.action < b.action); }
  size_t count_;
  std::vector<Entry> heap_;
};

}  // namespace

void slate_log_likelihood(const LatentModel& model, const SlateFeedback& feedback, std::span<double> out) {
  const size_t k = slate_size(model, feedback);
  expect(feedback.rewards.size() == k, "expected ", k, " rewards, found ", feedback.rewards.size());
  expect(out.size() == static_cast<size_t>(model.num_states), "expected room for ", model.num_states, " states, found ", out.size());
  std::fill(out.begin(), out.end(), 0.0);
  for (size_t i = 0; i < k; ++i) add_item(model, feedback, i, feedback.rewards[i], out);
}

void cascade_log_likelihood(const LatentModel& model, const SlateFeedback& feedback, int32_t first_click, std::span<double> out) {
  check(model.reward == RewardKind::kBernoulli, ErrorCode::kUnsupported, "[slate] a cascade needs a bernoulli model, found ",
        reward_kind_name(model.reward));
  const size_t k = slate_size(model, feedback);
  expect(first_click >= -1 && first_click < static_cast<int64_t>(k), "expected a click on item 0 to ", static_cast<int64_t>(k) - 1,
         " or -1 for none, found ", first_click);
  expect(out.size() == static_cast<size_t>(model.num_states), "expected room for ", model.num_states, " states, found ", out.size());
  std::fill(out.begin(), out.end(), 0.0);
  const size_t looked_at = first_click < 0 ? k : static_cast<size_t>(first_click) + 1;
  for (size_t i = 0; i < looked_at; ++i) add_item(model, feedback, i, static_cast<int64_t>(i) == first_click ? 1.0 : 0.0, out);
}

std::vector<int32_t> top_k(std::span<const double> score, size_t stride, std::span<const uint8_t> available, int32_t k) {
  std::vector<int32_t> out;
  for (size_t a = 0; a * stride < score.size(); ++a) {
    if (available.empty() || available[a] != 0) out.push_back(static_cast<int32_t>(a));
  }
  const auto better = [&](int32_t a, int32_t b) {
    const double x = score[static_cast<size_t>(a) * stride];
    const double y = score[static_cast<size_t>(b) * stride];
    return x > y || (x == y && a < b);
  };
  const auto count = std::min(static_cast<size_t>(k), out.size());
  const auto end = out.begin() + static_cast<ptrdiff_t>(count);
  if (count < out.size()) std::nth_element(out.begin(), end, out.end(), better);
  std::sort(out.begin(), end, better);
  out.resize(count);
  return out;
}

Slate act_thompson_slate(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, int32_t k,
                         Rng& rng) {
  check_slate(p, means, available, k);
  return draw_slate(p, rng, [&](int32_t z) { return top_k(means.subspan(static_cast<size_t>(z)), p.size(), available, k); });
}

Slate act_greedy_slate(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, int32_t k) {
  check_slate(p, means, available, k);
  std::vector<double> score(means.size() / p.size(), 0.0);
  for (size_t a = 0; a < score.size(); ++a) {
    for (size_t z = 0; z < p.size(); ++z) score[a] += p[z] * means[a * p.size() + z];
  }
  return {top_k(score, 1, available, k), 1.0};
}

ActionIndex::ActionIndex(std::shared_ptr<const LatentModel> model, std::span<const double> features, int32_t kept)
    : model_(std::move(model)), low_(-std::numeric_limits<float>::infinity()), high_(std::numeric_limits<float>::infinity()) {
  expect(model_ != nullptr, "expected a model, found none");
  expect(kept >= 1, "expected at least 1 kept action, found ", kept);
  padded_ = kernels::belief_padded(model_->num_states);
  num_actions_ = model_->num_arms;
  if (model_->by_features()) {
    const auto d = static_cast<size_t>(model_->d);
    expect(!features.empty() && features.size() % d == 0, "expected features [n, ", d, "], found ", features.size(), " numbers");
    for (const double x : features) expect(std::isfinite(x), "expected finite features, found ", x);
    num_actions_ = static_cast<int32_t>(features.size() / d);
    features_.assign(features.begin(), features.end());
    theta_t_.assign(d * static_cast<size_t>(padded_), 0.0f);
    for (size_t z = 0; z < static_cast<size_t>(model_->num_states); ++z) {
      for (size_t i = 0; i < d; ++i) theta_t_[i * static_cast<size_t>(padded_) + z] = static_cast<float>(model_->theta[z * d + i]);
    }
    if (model_->reward == RewardKind::kBernoulli) {
      low_ = static_cast<float>(kLeastBernoulli);
      high_ = static_cast<float>(1 - kLeastBernoulli);
    }
  }
  kept_ = std::min(kept, num_actions_);
  best_ = scan(kept_, {});
}

std::vector<std::vector<int32_t>> ActionIndex::scan(int32_t count, std::span<const uint8_t> available) const {
  const auto num_states = static_cast<size_t>(model_->num_states);
  const auto padded = static_cast<size_t>(padded_);
  std::vector<BestActions> heaps(num_states, BestActions(static_cast<size_t>(count)));
  std::vector<float> mu(static_cast<size_t>(kBlock) * padded);
  for (int64_t begin = 0; begin < num_actions_; begin += kBlock) {
    const int64_t n = std::min<int64_t>(kBlock, num_actions_ - begin);
    if (model_->by_features()) {
      kernels::belief_means(features_.data() + begin * model_->d, n, model_->d, theta_t_.data(), padded_, low_, high_, mu.data());
    }
    for (size_t a = 0; a < static_cast<size_t>(n); ++a) {
      const size_t action = static_cast<size_t>(begin) + a;
      if (!available.empty() && available[action] == 0) continue;
      for (size_t z = 0; z < num_states; ++z) {
        const float score = model_->by_features() ? mu[a * padded + z] : static_cast<float>(model_->mean[action * num_states + z]);
        heaps[z].offer(score, static_cast<int32_t>(action));
      }
    }
  }
  std::vector<std::vector<int32_t>> out;
  for (BestActions& heap : heaps) out.push_back(heap.sorted());
  return out;
}

void ActionIndex::check_mask(std::span<const uint8_t> available) const {
  expect(available.empty() || available.size() == static_cast<size_t>(num_actions_), "expected ", num_actions_,
         " entries of available, found ", available.size());
}

std::optional<std::vector<int32_t>> ActionIndex::kept_best(size_t z, int32_t k, std::span<const uint8_t> available) const {
  std::vector<int32_t> out;
  for (const int32_t action : best_[z]) {
    if (out.size() == static_cast<size_t>(k)) break;
    if (available.empty() || available[static_cast<size_t>(action)] != 0) out.push_back(action);
  }
  if (out.size() == static_cast<size_t>(k) || kept_ == num_actions_) return out;
  return std::nullopt;
}

std::vector<int32_t> ActionIndex::best(int32_t z, int32_t k, std::span<const uint8_t> available) const {
  expect(z >= 0 && z < model_->num_states, "expected a state below ", model_->num_states, ", found ", z);
  expect(k >= 1, "expected at least 1 item, found ", k);
  check_mask(available);
  auto out = kept_best(static_cast<size_t>(z), k, available);
  return out ? *std::move(out) : scan(std::min(k, num_actions_), available)[static_cast<size_t>(z)];
}

Slate ActionIndex::act_thompson(std::span<const double> p, int32_t k, std::span<const uint8_t> available, Rng& rng) const {
  expect(p.size() == static_cast<size_t>(model_->num_states), "expected a belief over ", model_->num_states, " states, found ", p.size());
  check_mask(available);
  const bool any = available.empty() || std::any_of(available.begin(), available.end(), [](uint8_t x) { return x != 0; });
  expect(any, "no action is available");
  expect(k >= 1, "expected at least 1 item, found ", k);
  std::vector<std::vector<int32_t>> scanned;  // of all states, once one of them needs it
  return draw_slate(p, rng, [&](int32_t z) {
    if (auto out = kept_best(static_cast<size_t>(z), k, available)) return *std::move(out);
    if (scanned.empty()) scanned = scan(std::min(k, num_actions_), available);
    return scanned[static_cast<size_t>(z)];
  });
}

}  // namespace attune::people
