// The exact filter for many users at once: beliefs [B, Z] in float, moved and acted on by batches (docs/methods/latent_bandits.md,
// "Batches, delays and slates").
//
// update: likelihood, normalisation and transition in one pass over the rounds (kernels/belief.h), users in any subset and order.
// decide: Thompson sampling or greedy on frozen beliefs; the update may come any time later (batched Thompson sampling).
// Memory: 4 Z bytes a user and nothing else: 20 MB for 1 million users of 5 states. Equals ExactBelief within 1e-6 in each probability (tested);
// what differs is that a possible state keeps at least 1e-37 (there 1e-300), so that it comes back from further behind.
// Calls that change the batch must not overlap; const calls may. Results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/file.h"
#include "core/rng.h"
#include "core/thread_pool.h"
#include "people/bandits/latent_model.h"

namespace attune::people {

/// What came back from n users, a round each.
struct BatchFeedback {
  std::span<const int64_t> users{};  ///< [n] distinct rows; empty: users 0 to n - 1
  std::span<const int32_t> arms{};  ///< [n]; tables
  std::span<const float> features{};  ///< [n, d] of the arms played; models by features
  std::span<const float> rewards{};  ///< [n]
};

/// What n users may be offered.
struct BatchCandidates {
  int32_t num_actions = 0;  ///< A
  std::span<const int32_t> arms{};  ///< tables: [A] for all, or [n, A]; empty: action a is arm a
  std::span<const float> features{};  ///< by features: [A, d] for all, or [n, A, d]
  std::span<const uint8_t> available{};  ///< [A] for all, or [n, A]; empty: all
};

enum class BatchRule { kThompson, kGreedy };

class BeliefBatch {
 public:
  /// All users at the model's `initial`. The model was checked. Throws kInvalidArgument: no model, num_users < 0.
  BeliefBatch(std::shared_ptr<const LatentModel> model, int64_t num_users);

  int64_t num_users() const noexcept { return num_users_; }
  const LatentModel& model() const noexcept { return *model_; }
  std::span<const float> p(int64_t user) const noexcept;  ///< [Z]
  /// Sets a user's belief [Z]: a distribution within 1e-4. Throws kInvalidArgument.
  void set(int64_t user, std::span<const float> p);
  void reset(int64_t user);
  int64_t bytes() const noexcept { return static_cast<int64_t>(p_.capacity() * sizeof(float)); }
  /// Rounds since construction or load that were impossible under every state of the user (their beliefs moved by predict only).
  int64_t num_impossible() const noexcept { return num_impossible_; }

  /// Conditions each user on the reward, then moves by dt rounds (0: no move; Transition::power). `log_evidence`: empty, or [n] to fill,
  /// -infinity where impossible. Everything is checked before anything changes: kInvalidArgument for sizes, users outside or twice, unknown arms,
  /// rewards outside the support, anything not finite, a dt that the transition refuses. O(n (Z^2 + Z d)).
  void update(const BatchFeedback& feedback, double dt, ThreadPool& pool, std::span<float> log_evidence = {});
  /// dt rounds pass for all users without a reward. O(B Z^2).
  void predict(double dt, ThreadPool& pool);

  /// Chooses for n users: action [n], propensity [n] (exact; greedy: 1). One uniform of `rng` a user, whatever the rule. Ties go to the lowest
  /// action. Throws kInvalidArgument: sizes, users outside, unknown arms, a user without an available action, features that are not finite.
  /// O(n A Z d); [A]-shaped candidates are scored once: O(A Z d + n Z).
  void decide(std::span<const int64_t> users, const BatchCandidates& candidates, BatchRule rule, Rng& rng, ThreadPool& pool,
              std::span<int32_t> action, std::span<float> propensity) const;

  /// Little-endian file: a header of 64 bytes (magic, sizes, hash of the model's version, hash of the beliefs), then [B, Z] floats.
  void save(const Path& path) const;
  /// Replaces beliefs and number of users. Throws kCorruptData (broken file, rows that are no distributions), kFailedPrecondition (another
  /// version of model or format, another Z).
  void load(const Path& path);

 private:
  struct Tables;
  std::shared_ptr<const LatentModel> model_;
  std::shared_ptr<const Tables> tables_;
  int64_t num_users_ = 0;
  int64_t num_impossible_ = 0;
  std::vector<float> p_;
};

}  // namespace attune::people
