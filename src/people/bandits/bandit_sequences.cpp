// What users did and got: checks and subsets.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "people/bandits/baum_welch.h"

namespace attune::people {
namespace {

constexpr size_t kMostLevels = 1000;
constexpr double kLevelTolerance = 1e-9;

}  // namespace

int64_t BanditSequences::num_rewards() const noexcept {
  int64_t n = 0;
  for (const double r : rewards) n += std::isnan(r) ? 0 : 1;
  return n;
}

void BanditSequences::check() const {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  const size_t n = rewards.size();
  attune::check(num_arms >= 0 && d >= 0 && (num_arms > 0) != (d > 0), kBad,
                "[bandit sequences] expected either arms (a table) or features, found ", num_arms, " arms and ", d, " features");
  attune::check(!offsets.empty() && offsets.front() == 0 && offsets.back() == num_rounds(), kBad,
                "[bandit sequences] offsets: expected 0 to ", n);
  for (size_t u = 1; u < offsets.size(); ++u) {
    attune::check(offsets[u] >= offsets[u - 1], kBad, "[bandit sequences] offsets: expected rising numbers, found a fall at user ", u - 1);
  }
  const auto size = [](size_t found, size_t expected, const char* name) {
    attune::check(found == expected, kBad, "[bandit sequences] ", name, ": expected ", expected, ", found ", found);
  };
  size(arms.size(), d > 0 ? 0 : n, "arms");
  size(features.size(), n * static_cast<size_t>(d), "features");
  if (!dt.empty()) size(dt.size(), n, "dt");
  for (size_t i = 0; i < n; ++i) {
    attune::check(!std::isinf(rewards[i]), kBad, "[bandit sequences] round ", i, ": expected a finite reward or none");
    attune::check(d > 0 || (arms[i] >= 0 && arms[i] < num_arms), kBad, "[bandit sequences] round ", i, ": unknown arm ",
                  d > 0 ? -1 : arms[i], ", there are ", num_arms);
    attune::check(dt.empty() || (std::isfinite(dt[i]) && dt[i] >= 0), kBad, "[bandit sequences] round ", i,
                  ": expected a gap of at least 0 rounds, found ", dt.empty() ? 0 : dt[i]);
  }
  for (size_t i = 0; i < features.size(); ++i) {
    attune::check(std::isfinite(features[i]), kBad, "[bandit sequences] round ", i / static_cast<size_t>(d), ": expected finite features");
  }
}

std::vector<double> BanditSequences::levels() const {
  std::vector<double> out;
  for (const double r : rewards) {
    if (std::isnan(r)) continue;
    const auto at = std::lower_bound(out.begin(), out.end(), r - kLevelTolerance);
    if (at != out.end() && std::abs(*at - r) <= kLevelTolerance) continue;
    out.insert(at, r);
    attune::check(out.size() <= kMostLevels, ErrorCode::kInvalidArgument, "[bandit sequences] expected at most ", kMostLevels,
                  " different rewards of the categorical kind");
  }
  return out;
}

BanditSequences BanditSequences::subset(std::span<const int32_t> users) const {
  BanditSequences out;
  out.num_arms = num_arms;
  out.d = d;
  const auto copy = [](const auto& from, auto& to, int64_t begin, int64_t end) {
    to.insert(to.end(), from.begin() + begin, from.begin() + end);
  };
  for (const int32_t user : users) {
    const int64_t begin = offsets[static_cast<size_t>(user)];
    const int64_t end = offsets[static_cast<size_t>(user) + 1];
    if (d == 0) copy(arms, out.arms, begin, end);
    copy(features, out.features, begin * d, end * d);
    copy(rewards, out.rewards, begin, end);
    if (!dt.empty()) copy(dt, out.dt, begin, end);
    out.offsets.push_back(out.num_rounds());
  }
  return out;
}

}  // namespace attune::people
