// Slates of k items and large action sets (docs/methods/latent_bandits.md, "Batches, delays and slates").
//
// What comes back from a slate given the state: independent rewards of all k items, or a cascade: the user goes down the list and stops at the
// first click, so that items after it say nothing. Thompson sampling shows the k best items of a drawn state z, best first, and the
// probability of a slate is exact: sum over z of p[z] 1[the k best of z = slate].
// ActionIndex scores a fixed set of n actions once for every state, in blocks of V theta (float), and keeps the best of each; masks take actions
// out (arms come and go) without new scores as long as enough of the kept ones are left.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "people/bandits/latent_model.h"
#include "people/bandits/policy.h"

namespace attune::people {

/// What was shown, and what came back.
struct SlateFeedback {
  std::span<const int32_t> arms{};  ///< [k]; tables
  std::span<const double> features{};  ///< [k, d]; models by features
  std::span<const double> rewards{};  ///< [k]
};

/// sum_i log p(reward_i | item i, z): out [Z]. Feed it to Belief::update. Throws kInvalidArgument as LatentModel::log_likelihood.
void slate_log_likelihood(const LatentModel& model, const SlateFeedback& feedback, std::span<double> out);
/// The cascade: items 0 to first_click - 1 were looked at and not clicked, first_click was; -1: none of all `arms` or `features`. `rewards` is
/// not looked at. Bernoulli models only (kUnsupported).
void cascade_log_likelihood(const LatentModel& model, const SlateFeedback& feedback, int32_t first_click, std::span<double> out);

/// The k best available actions by score [n], best first, ties to the lower action; all that are available where those are fewer. Scores are
/// score[0], score[stride], ... O(n + k log k) on average.
std::vector<int32_t> top_k(std::span<const double> score, size_t stride, std::span<const uint8_t> available, int32_t k);

struct Slate {
  std::vector<int32_t> actions;  ///< best first
  double propensity = 0;  ///< of these actions in this order
};
/// means [n, Z], p [Z]; k >= 1. O(Z n). Throws kInvalidArgument: k, sizes, no available action.
Slate act_thompson_slate(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, int32_t k, Rng& rng);
/// The k best by sum_z p[z] mu(a, z). Propensity 1.
Slate act_greedy_slate(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, int32_t k);

class ActionIndex {
 public:
  /// Actions are the arms of a table, or `features` [n, d] rows. Keeps the `kept` best actions of each state: O(n Z d) once.
  /// Memory: 4 kept Z bytes and for models by features 4 n d. Throws kInvalidArgument: sizes, features that are not finite, kept < 1.
  ActionIndex(std::shared_ptr<const LatentModel> model, std::span<const double> features, int32_t kept = 256);

  int32_t num_actions() const noexcept { return num_actions_; }
  /// The k best available actions of state z, best first. O(k + masked ones passed); where fewer than k of the kept ones are available, one pass
  /// over all: O(n d). Thread-safe.
  std::vector<int32_t> best(int32_t z, int32_t k, std::span<const uint8_t> available) const;
  /// As act_thompson_slate; k = 1 is Thompson sampling over many actions.
  Slate act_thompson(std::span<const double> p, int32_t k, std::span<const uint8_t> available, Rng& rng) const;

 private:
  /// From the kept ones; nullopt if too few of them are available.
  std::optional<std::vector<int32_t>> kept_best(size_t z, int32_t k, std::span<const uint8_t> available) const;
  void check_mask(std::span<const uint8_t> available) const;
  /// The `count` best available actions of each state, best first, by one pass over all.
  std::vector<std::vector<int32_t>> scan(int32_t count, std::span<const uint8_t> available) const;

  std::shared_ptr<const LatentModel> model_;
  int32_t num_actions_ = 0;
  int32_t kept_ = 0;
  int padded_ = 0;
  float low_;
  float high_;
  std::vector<float> features_;  ///< [n, d]
  std::vector<float> theta_t_;  ///< [d, padded]
  std::vector<std::vector<int32_t>> best_;  ///< [Z]
};

}  // namespace attune::people
