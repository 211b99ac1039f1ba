// Policies that bound the others: random, the best arm in hindsight, the truth.
#include "core/error.h"
#include "people/bandits/baselines/policies_internal.h"

namespace attune::people {
namespace {

class RandomPolicy final : public Policy {
 public:
  std::string_view name() const noexcept override { return "random"; }
  void reset() override {}
  Choice choose(const Round& round, Rng& rng) override {
    const auto actions = available_actions(round, name());
    return {actions[rng.below(actions.size())], 1.0 / static_cast<double>(actions.size())};
  }
  bool probabilities(const Round& round, std::span<double> out) override {
    const auto actions = available_actions(round, name());
    clear_probabilities(round, name(), out);
    for (const int32_t a : actions) out[static_cast<size_t>(a)] = 1.0 / static_cast<double>(actions.size());
    return true;
  }
  void observe(const Round&, int32_t, double, Rng&) override {}
};

class OraclePolicy final : public Policy {
 public:
  explicit OraclePolicy(MeansOf means) : means_(std::move(means)) {}
  std::string_view name() const noexcept override { return "oracle"; }
  void reset() override {}
  Choice choose(const Round& round, Rng&) override {
    const auto actions = available_actions(round, name());
    const auto means = means_(round);
    check(means.size() == static_cast<size_t>(round.num_actions), ErrorCode::kInvalidArgument, "[oracle] expected ", round.num_actions,
          " means, found ", means.size());
    int32_t best = actions[0];
    for (const int32_t a : actions) {
      if (means[static_cast<size_t>(a)] > means[static_cast<size_t>(best)]) best = a;
    }
    return {best, 1};
  }
  void observe(const Round&, int32_t, double, Rng&) override {}

 private:
  MeansOf means_;
};

/// The arm where it is offered, else the first action.
class BestFixedPolicy final : public Policy {
 public:
  explicit BestFixedPolicy(int32_t arm) : arm_(arm) {}
  std::string_view name() const noexcept override { return "best-fixed"; }
  void reset() override {}
  Choice choose(const Round& round, Rng&) override {
    const auto actions = available_actions(round, name());
    for (const int32_t a : actions) {
      if (round.arm(a) == arm_) return {a, 1};
    }
    return {actions[0], 1};
  }
  void observe(const Round&, int32_t, double, Rng&) override {}

 private:
  int32_t arm_;
};

}  // namespace

std::unique_ptr<Policy> make_random() { return std::make_unique<RandomPolicy>(); }

std::unique_ptr<Policy> make_oracle(MeansOf means) {
  check(static_cast<bool>(means), ErrorCode::kFailedPrecondition, "[oracle] expected the true means, found none");
  return std::make_unique<OraclePolicy>(std::move(means));
}

std::unique_ptr<Policy> make_best_fixed(int32_t arm) { return std::make_unique<BestFixedPolicy>(arm); }

}  // namespace attune::people
