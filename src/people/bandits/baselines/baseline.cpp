#include "people/bandits/baselines/baseline.h"

#include "core/error.h"
#include "core/registry.h"
#include "people/bandits/baselines/policies_internal.h"

namespace attune::people {
namespace {

using Make = std::function<std::unique_ptr<Policy>(const BaselineOptions&, const BaselineSetting&)>;

Make table(Recipe recipe) {
  return [recipe](const BaselineOptions& options, const BaselineSetting& setting) {
    return std::make_unique<TablePolicy>(recipe, options, setting.num_arms);
  };
}

Make linear(Recipe recipe) {
  return [recipe](const BaselineOptions& options, const BaselineSetting& setting) {
    return std::make_unique<LinearPolicy>(recipe, options, setting.d);
  };
}

Registry<Make> all() {
  Registry<Make> out("baseline");
  constexpr bool kUcb = false, kTs = true, kDiscounted = true, kWindowed = true;
  out.add("ucb1", table({"ucb1", kUcb}));
  out.add("ts", table({"ts", kTs}));
  out.add("d-ucb", table({"d-ucb", kUcb, kDiscounted}));
  out.add("d-ts", table({"d-ts", kTs, kDiscounted}));
  out.add("sw-ucb", table({"sw-ucb", kUcb, false, kWindowed}));
  out.add("sw-ts", table({"sw-ts", kTs, false, kWindowed}));
  out.add("cd-ucb", table({"cd-ucb", kUcb, false, false, Detector::kCusum}));
  out.add("m-ucb", table({"m-ucb", kUcb, false, false, Detector::kHalves}));
  out.add("linucb", linear({"linucb", kUcb}));
  out.add("lints", linear({"lints", kTs}));
  out.add("d-lints", linear({"d-lints", kTs, kDiscounted}));
  out.add("sw-linucb", linear({"sw-linucb", kUcb, false, kWindowed}));
  out.add("cd-lints", linear({"cd-lints", kTs, false, false, Detector::kCusum}));
  out.add("exp3s", [](const auto& options, const auto& setting) { return std::make_unique<Exp3sPolicy>(options, setting.num_arms); });
  out.add("exp4s",
          [](const auto& options, const auto& setting) { return std::make_unique<Exp4sPolicy>(options, setting.model, setting.num_arms); });
  out.add("random", [](const auto&, const auto&) { return make_random(); });
  out.add("oracle", [](const auto&, const auto& setting) { return make_oracle(setting.means); });
  out.add("best-fixed", [](const auto&, const auto& setting) {
    check(setting.fixed_arm.size() == 1, ErrorCode::kFailedPrecondition, "[best-fixed] expected one arm, found ", setting.fixed_arm.size());
    return make_best_fixed(setting.fixed_arm[0]);
  });
  return out;
}

const Registry<Make>& registry() {
  static const Registry<Make> made = all();
  return made;
}

}  // namespace

std::unique_ptr<Policy> make_baseline(std::string_view name, const BaselineOptions& options, const BaselineSetting& setting) {
  return registry().get(name)(options, setting);
}

std::vector<std::string> baseline_names() { return registry().names(); }

}  // namespace attune::people
