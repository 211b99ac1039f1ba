// The policies behind make_baseline().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "people/bandits/baselines/baseline.h"
#include "people/bandits/baselines/change_detection.h"
#include "people/bandits/baselines/memory.h"

namespace attune::people {

enum class Detector { kNone, kCusum, kHalves };

/// How a policy of the UCB and Thompson families is put together.
struct Recipe {
  std::string name;
  bool thompson = false;
  bool discounted = false;
  bool windowed = false;
  Detector detector = Detector::kNone;
};

Forgetting forgetting(const Recipe& recipe, const BaselineOptions& options);

/// Throws kInvalidArgument unless `out` is [num_actions]; fills it with zeros.
void clear_probabilities(const Round& round, std::string_view policy, std::span<double> out);

/// The actions that may be chosen, rising; throws kInvalidArgument if there is none.
std::vector<int32_t> available_actions(const Round& round, std::string_view policy);

/// UCB or Thompson sampling on the arms of a table.
class TablePolicy final : public Policy {
 public:
  TablePolicy(Recipe recipe, const BaselineOptions& options, int32_t num_arms);
  std::string_view name() const noexcept override { return recipe_.name; }
  void reset() override;
  Choice choose(const Round& round, Rng& rng) override;
  void observe(const Round& round, int32_t action, double reward, Rng& rng) override;
  /// Alarms since reset().
  int64_t num_alarms() const noexcept { return num_alarms_; }

 private:
  double score(int32_t arm, Rng& rng) const;
  bool alarm(int32_t arm, double reward);

  Recipe recipe_;
  BaselineOptions options_;
  int32_t num_arms_;
  bool beta_;
  ArmMemory memory_;
  std::map<int32_t, Cusum> cusums_;  ///< by arm
  std::map<int32_t, HalvesTest> halves_;
  int64_t since_alarm_ = 0;  ///< rounds; M-UCB explores by this clock
  int64_t num_alarms_ = 0;
};

/// The same on features. The alarm of "cd-lints" is a CUSUM of residuals and forgets everything.
class LinearPolicy final : public Policy {
 public:
  LinearPolicy(Recipe recipe, const BaselineOptions& options, int32_t d);
  std::string_view name() const noexcept override { return recipe_.name; }
  void reset() override;
  Choice choose(const Round& round, Rng& rng) override;
  void observe(const Round& round, int32_t action, double reward, Rng& rng) override;
  int64_t num_alarms() const noexcept { return num_alarms_; }

 private:
  Recipe recipe_;
  BaselineOptions options_;
  size_t d_;
  LinearMemory memory_;
  Cusum cusum_;
  int64_t num_alarms_ = 0;
};

/// EXP3.S (Auer, Cesa-Bianchi, Freund, Schapire, "The nonstochastic multiarmed bandit problem", 2002, section 8) on actions by arm.
class Exp3sPolicy final : public Policy {
 public:
  Exp3sPolicy(const BaselineOptions& options, int32_t num_arms);
  std::string_view name() const noexcept override { return "exp3s"; }
  void reset() override;
  Choice choose(const Round& round, Rng& rng) override;
  bool probabilities(const Round& round, std::span<double> out) override;
  void observe(const Round& round, int32_t action, double reward, Rng& rng) override;
  /// Weights of arms, summing to 1 over those seen.
  const std::map<int32_t, double>& weights() const noexcept { return weights_; }

 private:
  std::vector<double> distribution(const Round& round, std::span<const int32_t> actions) const;

  BaselineOptions options_;
  int32_t num_arms_;
  double gamma_;
  std::map<int32_t, double> weights_;
};

/// EXP4.S: the experts are the greedy policies of the states of a model; exponential weights of importance-weighted losses, a share of the weight dealt
/// out evenly after each update (after Luo, Wei, Agarwal, Langford, "Efficient contextual bandits in non-stationary worlds", COLT 2018).
class Exp4sPolicy final : public Policy {
 public:
  Exp4sPolicy(const BaselineOptions& options, std::shared_ptr<const LatentModel> model, int32_t num_arms);
  std::string_view name() const noexcept override { return "exp4s"; }
  void reset() override;
  Choice choose(const Round& round, Rng& rng) override;
  bool probabilities(const Round& round, std::span<double> out) override;
  void observe(const Round& round, int32_t action, double reward, Rng& rng) override;
  std::span<const double> weights() const noexcept { return weights_; }

 private:
  /// What each expert plays [Z].
  std::vector<int32_t> advice(const Round& round) const;

  BaselineOptions options_;
  std::shared_ptr<const LatentModel> model_;
  double eta_;
  std::vector<double> weights_;
};

std::unique_ptr<Policy> make_random();
std::unique_ptr<Policy> make_oracle(MeansOf means);
std::unique_ptr<Policy> make_best_fixed(int32_t arm);

}  // namespace attune::people
