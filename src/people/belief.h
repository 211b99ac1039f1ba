// A belief: a distribution over what is hidden about a user, moved by what is observed.
//
// One interface for every method that infers a hidden state: exact filters and particle filters of latent bandits, user types, senses of
// words, learned filters. Letters: Z = number of latent states (the papers write S), z = a state, p [Z] = P(z | past).
// A round is: decide by the belief; `update` with what came back; `predict` the time until the next round. The belief between rounds is
// therefore P(z_t | everything before round t). Not thread-safe: one belief, one user, one thread. Copies are independent.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/rng.h"

namespace attune::people {

/// What came back in a round. Either (action, features, reward), for beliefs with a reward model, or a likelihood found elsewhere.
struct Observation {
  int32_t action = -1;  ///< arm that was played; -1 = an arm known by its features alone
  std::span<const double> features{};  ///< [d] of that arm; empty for models without features
  double reward = 0;
  std::span<const double> log_likelihood{};  ///< [Z] log p(observation | z); if not empty the fields above are not looked at
};

/// A draw from a belief: a state, or a vector for beliefs over vectors.
struct Latent {
  int32_t state = -1;
  std::vector<double> z{};
};

class Belief {
 public:
  virtual ~Belief() = default;
  Belief() = default;
  Belief(const Belief&) = default;
  Belief& operator=(const Belief&) = default;

  /// `dt` rounds pass, dt >= 0 (0 changes nothing). Throws kInvalidArgument: negative, not finite, or a fraction where the model knows
  /// whole rounds only.
  virtual void predict(double dt) = 0;
  /// Conditions on the observation and returns its log evidence, log p(observation | past). Impossible under every state: the belief is
  /// kept, num_impossible() rises and -infinity is returned. Throws kInvalidArgument (unknown arm, sizes, a reward outside the model's
  /// support, not finite); the belief is then unchanged.
  virtual double update(const Observation& observation) = 0;
  virtual Latent sample(Rng& rng) const = 0;

  /// What a policy sees of the belief: [num_features()]; for categorical beliefs p itself.
  virtual int32_t num_features() const noexcept = 0;
  virtual void features(std::span<float> out) const = 0;
  /// p [Z]; nullopt for beliefs over vectors.
  virtual std::optional<std::vector<double>> marginals() const = 0;
  virtual int64_t num_impossible() const noexcept = 0;

  virtual std::unique_ptr<Belief> clone() const = 0;
  /// One JSON object; numbers round-trip exactly. `load` of it continues bit for bit. Throws kCorruptData naming the field,
  /// kFailedPrecondition for another version.
  virtual std::string save() const = 0;
  virtual void load(std::string_view json) = 0;
  /// Names the model that the belief is about.
  virtual const std::string& version() const noexcept = 0;
};

}  // namespace attune::people
