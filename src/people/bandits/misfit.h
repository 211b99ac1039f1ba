// Does a model fit what its user does? (docs/methods/latent_bandits.md, "Misfit")
//
// If the model is right, shortfall s_t = (E[log evidence] - log evidence) / sd has mean 0 and variance 1 given the past, so their sum is a
// martingale and z = sum / sqrt(rounds) is about standard normal. Two CUSUMs find a misfit that begins late: rewards less likely than the
// model expects (wrong means, too little noise, a new kind of user), and rewards more likely than it expects (too much noise).
// Each s counts as at most 10, so that one wild reward raises no alarm. One monitor, one user, one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/options.h"
#include "people/bandits/information.h"

namespace attune::people {

struct MisfitOptions {
  double slack = 0.5;
  double alarm = 25;

  void describe(OptionList& list);
};

class MisfitMonitor {
 public:
  explicit MisfitMonitor(MisfitOptions options = {});

  /// A round's log evidence (-infinity: no state allows the reward), what the model expected of it, and the belief after it, p [Z].
  void observe(double log_evidence, const EvidenceMoments& expected, std::span<const double> p) noexcept;

  int64_t num_rounds() const noexcept { return num_rounds_; }
  /// Sum of shortfalls / sqrt(rounds); 0 before the first round.
  double z() const noexcept;
  double sum() const noexcept { return sum_; }  ///< of the shortfalls
  double shortfall() const noexcept { return shortfall_; }  ///< CUSUM: less likely than expected
  double excess() const noexcept { return excess_; }  ///< CUSUM: more likely than expected
  /// Times a CUSUM passed the alarm; it then starts at 0 again.
  int64_t num_alarms() const noexcept { return num_alarms_; }
  /// Round (from 1 on) of the first alarm; 0: none.
  int64_t first_alarm() const noexcept { return first_alarm_; }
  double entropy() const noexcept { return entropy_; }  ///< of the belief, nats
  int32_t state() const noexcept { return state_; }  ///< the likeliest; -1 before the first round
  int64_t rounds_in_state() const noexcept { return rounds_in_state_; }  ///< since it became the likeliest

  /// One JSON object; `load` continues bit for bit. Throws kCorruptData naming the field.
  std::string save() const;
  void load(std::string_view json);

 private:
  MisfitOptions options_;
  int64_t num_rounds_ = 0;
  double sum_ = 0;
  double shortfall_ = 0;
  double excess_ = 0;
  int64_t num_alarms_ = 0;
  int64_t first_alarm_ = 0;
  double entropy_ = 0;
  int32_t state_ = -1;
  int64_t rounds_in_state_ = 0;
};

}  // namespace attune::people
