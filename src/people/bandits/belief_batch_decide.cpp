// Decisions of a batch: mean rewards of the candidates in every state, the best of each state, then one of them a user.
#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "people/bandits/belief_tables_internal.h"

namespace attune::people {
namespace {

constexpr int64_t kGrain = 256;

template <class... Parts>
void expect(bool condition, const Parts&... parts) {
  check(condition, ErrorCode::kInvalidArgument, "[belief batch] ", parts...);
}

/// Whether `size` numbers are one row of `row` for each of n users, or one for all (or none).
bool is_per_user(size_t size, size_t row, size_t n, const char* what) {
  expect(size == 0 || size == row || size == n * row, "expected ", row, " ", what, " for all users or ", n * row, ", found ", size);
  return size != row && size != 0;
}

/// Which of the candidates' arrays are rows a user.
struct Layout {
  size_t actions;
  size_t width;  ///< numbers of an action's features
  bool arms;
  bool features;
  bool available;

  Layout(const LatentModel& model, const BatchCandidates& c, size_t n)
      : actions(static_cast<size_t>(std::max(c.num_actions, 0))),
        width(static_cast<size_t>(model.d)),
        arms(is_per_user(c.arms.size(), actions, n, "arms")),
        features(is_per_user(c.features.size(), actions * width, n, "features")),
        available(is_per_user(c.available.size(), actions, n, "entries of available")) {
    expect(c.num_actions >= 1, "expected at least 1 action, found ", c.num_actions);
    if (model.by_features()) {
      expect(!c.features.empty(), "expected features of the candidates, found none");
      for (const float x : c.features) expect(std::isfinite(x), "expected finite features, found ", x);
    } else {
      expect(!c.arms.empty() || c.num_actions <= model.num_arms, "expected at most ", model.num_arms, " actions, found ", c.num_actions);
      for (const int32_t arm : c.arms) expect(arm >= 0 && arm < model.num_arms, "unknown arm ", arm, ", there are ", model.num_arms);
    }
    for (size_t begin = 0; begin < c.available.size(); begin += actions) {
      const auto row = c.available.subspan(begin, actions);
      expect(std::any_of(row.begin(), row.end(), [](uint8_t x) { return x != 0; }), "no action is available to user ", begin / actions);
    }
  }
  bool same_for_all() const noexcept { return !arms && !features && !available; }
};

/// Scores of one user's candidates.
struct BatchScores {
  std::vector<float> mu;  ///< [A, padded]
  std::vector<int32_t> best;  ///< [padded]
  const uint8_t* available = nullptr;

  template <class Tables>
  void fill(const Tables& tables, const LatentModel& model, const BatchCandidates& c, const Layout& layout, size_t i) {
    const auto padded = static_cast<size_t>(tables.padded);
    mu.resize(layout.actions * padded);
    best.resize(padded);
    available = c.available.empty() ? nullptr : c.available.data() + (layout.available ? i * layout.actions : 0);
    if (model.by_features()) {
      const float* x = c.features.data() + (layout.features ? i * layout.actions * layout.width : 0);
      kernels::belief_means(x, static_cast<int64_t>(layout.actions), model.d, tables.theta_t.data(), tables.padded, tables.low, tables.high,
                            mu.data());
    } else {
      const int32_t* arms = c.arms.empty() ? nullptr : c.arms.data() + (layout.arms ? i * layout.actions : 0);
      for (size_t a = 0; a < layout.actions; ++a) {
        const size_t arm = arms != nullptr ? static_cast<size_t>(arms[a]) : a;
        std::copy_n(tables.means.data() + arm * padded, padded, mu.data() + a * padded);
      }
    }
    kernels::belief_best(mu.data(), static_cast<int64_t>(layout.actions), tables.padded, available, best.data());
  }

  int32_t greedy(std::span<const float> p, size_t padded, size_t actions) const noexcept {
    int32_t out = -1;
    float top = 0;
    for (size_t a = 0; a < actions; ++a) {
      if (available != nullptr && available[a] == 0) continue;
      float sum = 0;
      for (size_t z = 0; z < p.size(); ++z) sum += p[z] * mu[a * padded + z];
      if (out >= 0 && !(sum > top)) continue;
      out = static_cast<int32_t>(a);
      top = sum;
    }
    return out;
  }

  /// The best action of the state that `u` in [0, 1) draws from p, and its probability.
  std::pair<int32_t, float> thompson(std::span<const float> p, double u) const noexcept {
    int32_t action = -1;
    for (size_t z = 0; z < p.size(); ++z) {
      if (p[z] <= 0) continue;
      action = best[z];
      u -= p[z];
      if (u < 0) break;
    }
    float propensity = 0;
    for (size_t z = 0; z < p.size(); ++z) propensity += best[z] == action ? p[z] : 0;
    return {action, std::min(propensity, 1.0f)};
  }
};

}  // namespace

void BeliefBatch::decide(std::span<const int64_t> users, const BatchCandidates& candidates, BatchRule rule, Rng& rng, ThreadPool& pool,
                         std::span<int32_t> action, std::span<float> propensity) const {
  const size_t n = action.size();
  expect(propensity.size() == n, "expected room for ", n, " propensities, found ", propensity.size());
  expect(users.empty() ? n <= static_cast<size_t>(num_users_) : users.size() == n, "expected ", n, " users, found ",
         users.empty() ? num_users_ : static_cast<int64_t>(users.size()));
  for (const int64_t user : users) expect(user >= 0 && user < num_users_, "expected users below ", num_users_, ", found ", user);
  const Layout layout(*model_, candidates, n);
  BatchScores common;
  if (layout.same_for_all()) common.fill(*tables_, *model_, candidates, layout, 0);
  pool.for_ranges(static_cast<int64_t>(n), kGrain, [&](int64_t begin, int64_t end) {
    BatchScores own;
    Rng draws = rng;  // user i has the i-th number whatever the chunks
    draws.seek(rng.position() + static_cast<uint64_t>(begin));
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      if (!layout.same_for_all()) own.fill(*tables_, *model_, candidates, layout, i);
      const BatchScores& scores = layout.same_for_all() ? common : own;
      const std::span<const float> belief = p(users.empty() ? static_cast<int64_t>(i) : users[i]);
      const double u = draws.uniform();
      if (rule == BatchRule::kGreedy) {
        action[i] = scores.greedy(belief, static_cast<size_t>(tables_->padded), layout.actions);
        propensity[i] = 1;
      } else {
        std::tie(action[i], propensity[i]) = scores.thompson(belief, u);
      }
    }
  });
  rng.seek(rng.position() + n);
}

}  // namespace attune::people
