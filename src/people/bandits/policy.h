// A bandit policy: chooses among offered actions, learns from the reward. One object serves one user, round by round.
//
// Used by latent bandits (exact filter, particles), by all baselines, by simulation and by the evaluation of logs. Actions are numbered
// 0..n-1 inside a round; where arms have a lasting identity (tables), `arms` names them. Deterministic in the Rng that is passed in;
// ties go to the lowest action.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/rng.h"

namespace attune::people {

/// What is known when deciding. The spans belong to the caller and live until observe() of the round.
struct Round {
  int64_t t = 0;  ///< 0-based
  int32_t num_actions = 0;
  std::span<const int32_t> arms{};  ///< [num_actions] arm of each action; empty: action a is arm a
  std::span<const double> features{};  ///< [num_actions, d]; empty for tables
  std::span<const uint8_t> available{};  ///< [num_actions] 0 = may not be chosen; empty: all
  double dt = 1;  ///< rounds since the one before (gaps in a log)

  int32_t arm(int32_t action) const noexcept { return arms.empty() ? action : arms[static_cast<size_t>(action)]; }
  std::span<const double> features_of(int32_t action) const noexcept {
    if (features.empty()) return {};
    const size_t d = features.size() / static_cast<size_t>(num_actions);
    return features.subspan(static_cast<size_t>(action) * d, d);
  }
  bool may(int32_t action) const noexcept { return available.empty() || available[static_cast<size_t>(action)] != 0; }
};

struct Choice {
  int32_t action = -1;
  /// P(this action | history, round) over the policy's own draws: exact where it can be had, a Monte Carlo estimate for particle beliefs.
  double propensity = std::numeric_limits<double>::quiet_NaN();
};

class Policy {
 public:
  virtual ~Policy() = default;
  virtual std::string_view name() const noexcept = 0;
  /// A new user: everything learned from rewards is forgotten, options stay.
  virtual void reset() = 0;
  /// Throws kInvalidArgument: no available action, sizes that do not fit the model.
  virtual Choice choose(const Round& round, Rng& rng) = 0;
  /// P(action | history, round) of every action into out [num_actions], without drawing; choose() may follow for the same round. False: the
  /// policy cannot say exactly, and out is not written. Throws as choose.
  virtual bool probabilities(const Round& /*round*/, std::span<double> /*out*/) { return false; }
  /// The reward of `action` in `round`. Called at most once a round, in order of t; rounds without a call gave no feedback.
  virtual void observe(const Round& round, int32_t action, double reward, Rng& rng) = 0;
};

}  // namespace attune::people
