// The exact filter when rewards come late and in any order (docs/methods/latent_bandits.md, "Batches, delays and slates").
//
// A ring keeps the last max_delay + 1 rounds: the belief before each and the log likelihood of what came back for it so far. A late reward is
// added to its round and the filter runs again from there: O(delay Z^2). Once all rewards are in, the belief is that of the filter that
// received them in order (tested to 1e-12, any order of arrival). Rounds that leave the ring are final; rewards for them are dropped and counted.
// Memory: (max_delay + 1) (2 Z + 2) doubles. One filter, one user, one thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "people/belief.h"
#include "people/bandits/latent_model.h"

namespace attune::people {

class DelayedFilter final : public Belief {
 public:
  /// Round 0 begins with the model's `initial`. `max_delay` in rounds, 0 to 10^6. The model was checked. Throws kInvalidArgument.
  DelayedFilter(std::shared_ptr<const LatentModel> model, int32_t max_delay);

  /// The next round begins, dt > 0 after the last (dt = 0: the same round goes on).
  void predict(double dt) override;
  /// For the current round.
  double update(const Observation& observation) override { return *update_round(round(), observation); }
  /// For round `round` <= round(): the log evidence, log p(observation | all other rewards received); nullopt if the round has left the ring.
  /// Impossible beside what else is known of the past: that round is taken as never answered, and num_impossible() counts it as long as that
  /// holds. Throws kInvalidArgument as Belief::update, and for rounds that have not begun.
  std::optional<double> update_round(int64_t round, const Observation& observation);

  /// Of the current round, before its own reward if that is not in. A state, no vector.
  Latent sample(Rng& rng) const override;
  int32_t num_features() const noexcept override { return model_->num_states; }
  void features(std::span<float> out) const override;
  std::optional<std::vector<double>> marginals() const override;
  int64_t num_impossible() const noexcept override;

  std::unique_ptr<Belief> clone() const override { return std::make_unique<DelayedFilter>(*this); }
  /// {"kind": "delayed", "format", "model", "round", "num_impossible", "num_dropped", "num_unanswered", "p": [Z], "rounds": [{"dt", "answers", "log_likelihood"}]},
  /// rounds from the oldest; -infinity is null. A filter of another max_delay may read it: what is too old for it becomes final.
  std::string save() const override;
  void load(std::string_view json) override;
  const std::string& version() const noexcept override { return model_->version; }

  int64_t round() const noexcept { return first_round_ + static_cast<int64_t>(slots_.size()) - 1; }
  int64_t oldest_round() const noexcept { return first_round_; }  ///< that still takes rewards
  int64_t num_dropped() const noexcept { return num_dropped_; }  ///< rewards that came too late
  int64_t num_unanswered() const noexcept { return num_unanswered_; }  ///< rounds that left the ring without a reward

 private:
  struct Slot {
    double dt = 0;  ///< since the round before
    int64_t answers = 0;
    std::vector<double> before;  ///< belief before this round's rewards [Z]
    std::vector<double> log_likelihood;  ///< sum over answers [Z]
    double log_evidence = 0;  ///< of its answers given all before; -infinity: impossible
  };
  std::vector<double> after(const Slot& slot) const;
  void rerun(size_t from);
  void shrink();

  std::shared_ptr<const LatentModel> model_;
  int32_t max_delay_ = 0;
  std::deque<Slot> slots_;  ///< oldest first; never empty
  int64_t first_round_ = 0;
  int64_t num_impossible_ = 0;  ///< of rounds that left
  int64_t num_dropped_ = 0;
  int64_t num_unanswered_ = 0;
};

}  // namespace attune::people
