#include "envs/bandit_tuning.h"

#include <map>

#include "core/error.h"

namespace attune::envs {
namespace {

/// One value for each key of a grid.
using Setting = std::vector<std::pair<std::string, std::string>>;

std::vector<Setting> combinations(const std::vector<GridKey>& grid) {
  std::vector<Setting> out = {{}};
  for (const auto& [key, values] : grid) {
    std::vector<Setting> longer;
    for (const auto& setting : out) {
      for (const auto& value : values) {
        longer.push_back(setting);
        longer.back().emplace_back(key, value);
      }
    }
    out = std::move(longer);
  }
  return out;
}

people::BaselineOptions with(people::BaselineOptions options, const Setting& setting) {
  OptionList list;
  options.describe(list);
  for (const auto& [key, value] : setting) list.get(key).set_text(value);
  return options;
}

std::string text_of(const Setting& setting) {
  std::string out;
  for (const auto& [key, value] : setting) out += cat(out.empty() ? "" : ", ", key, " ", value);
  return out;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double x : values) sum += x / static_cast<double>(values.size());
  return sum;
}

}  // namespace

std::vector<GridKey> tuning_grid(std::string_view baseline) {
  const GridKey bonus{"bonus", {"0.05", "0.1", "0.25", "0.5", "1"}};
  const GridKey linear_bonus{"linear-bonus", {"0.05", "0.1", "0.25", "0.5", "1"}};
  const GridKey discount{"discount", {"0.95", "0.98", "0.99", "0.995", "0.998", "0.9995"}};
  const GridKey window{"window", {"50", "100", "200", "400", "800"}};
  const GridKey theta{"theta-sd", {"0.1", "0.3", "1"}};
  const GridKey threshold{"cusum-threshold", {"5", "10", "20", "40"}};
  const GridKey explore{"explore", {"0", "0.02", "0.05", "0.1"}};
  const std::map<std::string_view, std::vector<GridKey>> grids = {
      {"ucb1", {bonus}},
      {"ts", {{"prior-sd", {"0.1", "0.25", "0.5", "1", "2"}}}},
      {"d-ucb", {bonus, discount}},
      {"d-ts", {discount, {"prior-sd", {"0.1", "0.25", "0.5"}}}},
      {"sw-ucb", {bonus, window}},
      {"sw-ts", {window, {"prior-sd", {"0.1", "0.25", "0.5"}}}},
      {"cd-ucb", {bonus, threshold, explore}},
      {"m-ucb", {bonus, explore, {"halves-window", {"50", "100", "200"}}, {"halves-threshold", {"0", "10", "20"}}}},
      {"linucb", {linear_bonus, theta}},
      {"lints", {theta}},
      {"d-lints", {theta, discount}},
      {"sw-linucb", {linear_bonus, theta, window}},
      {"cd-lints", {theta, threshold, explore}},
      {"exp3s", {{"exp3-gamma", {"0.05", "0.1", "0.2", "0.4", "0.8"}}, {"mix", {"0", "0.0001", "0.001", "0.01"}}}},
      {"exp4s", {{"eta", {"0.02", "0.05", "0.1", "0.2", "0.4", "0.8", "1.6"}}, {"mix", {"0.00001", "0.0001", "0.001", "0.01"}}}},
  };
  const auto found = grids.find(baseline);
  return found != grids.end() ? found->second : std::vector<GridKey>{};
}

TunedBaseline tune_baseline(const std::string& baseline, const people::BaselineOptions& given, const MakeProblem& problem,
                            uint64_t first_seed, int32_t num_seeds, ThreadPool& pool) {
  check(num_seeds >= 1, ErrorCode::kInvalidArgument, "[tune ", baseline, "] expected at least 1 seed, found ", num_seeds);
  std::vector<Setting> settings = {{}};
  const auto grid = tuning_grid(baseline);
  if (!grid.empty()) {
    for (auto& setting : combinations(grid)) settings.push_back(std::move(setting));
  }
  std::vector<Contender> contenders;
  for (const auto& setting : settings) contenders.push_back(envs::baseline(baseline, with(given, setting)));
  const auto played = run_experiment(problem, contenders, first_seed, num_seeds, {0, 1}, pool);
  size_t best = 0;
  std::vector<double> regret;
  for (const auto& values : played.regret) regret.push_back(mean_of(values));
  for (size_t s = 1; s < regret.size(); ++s) best = regret[s] < regret[best] ? s : best;
  return {with(given, settings[best]), text_of(settings[best]), regret[best], regret[0], static_cast<int32_t>(settings.size()) - 1};
}

}  // namespace attune::envs
