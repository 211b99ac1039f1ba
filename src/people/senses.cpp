#include "people/senses.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "people/senses_internal.h"
#include "stats/bootstrap.h"

namespace attune::people {
namespace {

/// Direction of the weighted users by logistic regression; empty where the pairs give none.
SenseFit logistic_fit(const ItemSpace& space, const CavOptions& options) {
  return [&space, options](const PairTable& table, std::span<const double> user_weight) -> std::vector<float> {
    try {
      return train_cav_on_pairs(space, "sense", table.pairs(), options, user_weight).direction.unit.v;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kFailedPrecondition) throw;
      return {};
    }
  };
}

CavOptions em_options(const SenseOptions& options) {
  CavOptions out = options.cav;
  if (options.selection == "held_out") {
    out.cross_validate = false;
    out.c = options.em_c;
  }
  return out;
}

Assign assign_of(const SenseOptions& options) {
  return options.selection == "held_out" && options.assign == "likelihood" ? Assign::kLikelihood : Assign::kCorrect;
}

/// Pairs of `judged` in the right order by the sense that each user has on `chosen`.
double hits_by_other_half(const PairTable& chosen, const PairTable& judged, const EmState& state) {
  const size_t senses = state.direction.size();
  const auto score = user_scores(chosen, state);
  const auto correct = judged.correct(state.direction);
  double out = 0;
  for (size_t u = 0; u < chosen.num_users(); ++u) {
    const auto own =
        std::max_element(score.begin() + static_cast<int64_t>(u * senses), score.begin() + static_cast<int64_t>((u + 1) * senses));
    out += correct[static_cast<size_t>(own - score.begin())];
  }
  return out;
}

double fold_hits(const CrossFold& fold, const EmState& state) {
  return hits_by_other_half(fold.first, fold.second, state) + hits_by_other_half(fold.second, fold.first, state);
}

/// How a held-out score is fitted: by discriminants alone, or refined by `fit`.
struct Fitting {
  int32_t restarts;
  int32_t rounds;
  Assign assign;
  bool by_held_out = false;
  SenseFit fit;
};

/// Share of pairs in the right order: directions from other users, a user's sense from the other half of the user's items.
double held_out_accuracy_of(std::span<const CrossFold> folds, int32_t senses, const Fitting& how, uint64_t seed) {
  double hits = 0;
  double pairs = 0;
  for (const auto& fold : folds) {
    std::function<double(const EmState&)> score;
    if (how.by_held_out) score = [&](const EmState& state) { return fold_hits(fold, state); };
    EmState state = best_start(fold.train, senses, how.restarts, how.rounds, how.assign, seed, score);
    Rng rng(seed, cat("refine ", senses));
    if (how.fit) state = run_em(fold.train, std::move(state.sense), senses, how.rounds, how.assign, how.fit, rng);
    hits += fold_hits(fold, state);
    pairs += static_cast<double>(fold.first.num_pairs() + fold.second.num_pairs());
  }
  return hits / pairs;
}

/// Fills screened_gain, null_gain and p_value: the gain of one sense more by discriminants, against items dealt anew inside the groups.
void test_against_null(const ItemSpace& space, const AttributeData& attribute, std::span<const int32_t> group, const SenseOptions& options,
                       ThreadPool& pool, SenseStep& step) {
  const Fitting cheap{options.null_restarts, options.null_rounds, assign_of(options), false, nullptr};
  const auto gain_of = [&](const AttributeData& data, uint64_t seed) {
    const auto folds = cross_folds(space, data, options, options.null_folds, seed);
    if (folds.empty()) return 0.0;
    return held_out_accuracy_of(folds, step.senses, cheap, seed) - held_out_accuracy_of(folds, step.senses - 1, cheap, seed);
  };
  step.screened_gain = gain_of(attribute, options.seed);
  std::vector<double> null(static_cast<size_t>(options.permutations));
  pool.run(options.permutations, [&](int k) {
    const uint64_t seed = options.seed + 1 + static_cast<uint64_t>(k);
    null[static_cast<size_t>(k)] = gain_of(permuted_within(attribute, group, seed), seed);
  });
  const auto reached = std::count_if(null.begin(), null.end(), [&](double gain) { return gain >= step.screened_gain; });
  step.p_value = static_cast<double>(1 + reached) / static_cast<double>(1 + null.size());
  std::sort(null.begin(), null.end());
  step.null_gain = stats::quantile(null, options.null_quantile);
}

/// Final directions, the most used sense first; a sense without users is left out.
Senses finish(const ItemSpace& space, const AttributeData& attribute, const PairTable& table, const EmState& state,
              const SenseOptions& options) {
  std::vector<std::vector<double>> members;  // user weights by sense
  for (size_t s = 0; s < state.direction.size(); ++s) {
    std::vector<double> weight(table.num_users());
    for (size_t u = 0; u < weight.size(); ++u) weight[u] = state.sense[u] == static_cast<int32_t>(s) && table.has_pairs(u) ? 1 : 0;
    if (std::find(weight.begin(), weight.end(), 1.0) != weight.end()) members.push_back(std::move(weight));
  }
  const auto size = [](const std::vector<double>& weight) { return std::accumulate(weight.begin(), weight.end(), 0.0); };
  std::stable_sort(members.begin(), members.end(), [&](const auto& a, const auto& b) { return size(a) > size(b); });
  Senses out;
  out.attribute = attribute.name;
  for (const auto& user : attribute.users) out.users.push_back(user.user);
  out.sense.assign(table.num_users(), -1);
  std::vector<std::vector<float>> directions;
  double total = 0;
  for (size_t s = 0; s < members.size(); ++s) {
    const std::string name = members.size() == 1 ? attribute.name : cat(attribute.name, "#", s + 1);
    out.cavs.push_back(train_cav_on_pairs(space, name, table.pairs(), options.cav, members[s]));
    directions.push_back(out.cavs.back().direction.unit.v);
    for (size_t u = 0; u < members[s].size(); ++u) {
      if (members[s][u] == 1) out.sense[u] = static_cast<int32_t>(s);
    }
    out.share.push_back(size(members[s]));
    total += out.share.back();
  }
  for (auto& share : out.share) share /= total;
  const auto correct = table.correct(directions);
  double hits = 0;
  for (size_t u = 0; u < out.sense.size(); ++u) {
    if (out.sense[u] >= 0) hits += correct[u * directions.size() + static_cast<size_t>(out.sense[u])];
  }
  out.objective = hits / static_cast<double>(table.num_pairs());
  return out;
}

PairTable full_table(const ItemSpace& space, const AttributeData& attribute, const SenseOptions& options) {
  check_attribute(attribute, space.size());
  PairTable out(space, attribute_pairs(attribute, options.cav.pair_options(), options.cav.seed));
  check(out.num_pairs() > 0, ErrorCode::kFailedPrecondition, "[senses of ", attribute.name, "] too few examples: no pair of ",
        attribute.users.size(), " users");
  return out;
}

EmState best_state(const ItemSpace& space, const PairTable& table, int32_t count, const SenseOptions& options) {
  const auto fit = logistic_fit(space, em_options(options));
  Rng rng(options.seed, cat("senses ", count));
  if (options.selection == "compat") {
    return run_em(table, dealt_start(table.num_users(), count, rng), count, options.rounds, assign_of(options), fit, rng);
  }
  EmState state = best_start(table, count, options.restarts, options.rounds, assign_of(options), options.seed);
  return count == 1 ? state : run_em(table, std::move(state.sense), count, options.rounds, assign_of(options), fit, rng);
}

Senses compat_senses(const ItemSpace& space, const AttributeData& attribute, const SenseOptions& options) {
  const PairTable table = full_table(space, attribute, options);
  EmState accepted = best_state(space, table, 1, options);
  std::vector<SenseStep> steps{{.senses = 1, .objective = accepted.objective, .accepted = true}};
  const int32_t most = std::min<int32_t>(options.max_senses, static_cast<int32_t>(attribute.users.size()));
  for (int32_t s = 2; s <= most; ++s) {
    EmState state = best_state(space, table, s, options);
    steps.push_back({.senses = s, .objective = state.objective});
    steps.back().accepted = state.objective >= options.factor * accepted.objective;
    if (!steps.back().accepted) break;
    accepted = std::move(state);
  }
  Senses out = finish(space, attribute, table, accepted, options);
  out.steps = std::move(steps);
  return out;
}

Senses held_out_senses(const ItemSpace& space, const AttributeData& attribute, const SenseOptions& options, ThreadPool& pool) {
  Senses out = fit_senses(space, attribute, 1, options, pool);
  const auto folds = cross_folds(space, attribute, options, options.folds, options.seed);
  out.steps = {{.senses = 1, .accepted = true}};
  if (folds.empty()) return out;
  const Fitting full{options.restarts, options.rounds, assign_of(options), options.restart_choice == "held_out",
                     logistic_fit(space, em_options(options))};
  out.steps[0].objective = held_out_accuracy_of(folds, 1, full, options.seed);
  const auto most = std::min<int32_t>(options.max_senses, static_cast<int32_t>(attribute.users.size()));
  for (int32_t s = 2; s <= most; ++s) {
    SenseStep step{.senses = s, .objective = held_out_accuracy_of(folds, s, full, options.seed)};
    step.gain = step.objective - out.steps.back().objective;
    if (step.gain >= options.gain) {
      test_against_null(space, attribute, out.sense, options, pool, step);
      step.accepted = step.screened_gain > step.null_gain;
    }
    auto steps = out.steps;
    steps.push_back(step);
    if (step.accepted) out = fit_senses(space, attribute, s, options, pool);
    out.steps = std::move(steps);
    if (!step.accepted) break;
  }
  return out;
}

}  // namespace

void SenseOptions::describe(OptionList& list) {
  list.add("selection", selection, "How the number of senses is decided.").choices({"held_out", "compat"});
  list.add("assign", assign, "held_out: what a user's sense maximises.").choices({"likelihood", "accuracy"});
  list.add("max-senses", max_senses, "Senses tried at most.").range(1, 20);
  list.add("rounds", rounds, "Rounds of EM.").range(1, 1000);
  list.add("factor", factor, "compat: growth of the in-sample objective that one more sense needs.").range(0, 10);
  list.add("gain", gain, "held_out: held-out accuracy that one more sense must bring.").range(0, 1);
  list.add("folds", folds, "held_out: folds of users in the test of the number of senses.").range(2, 100);
  list.add("null-folds", null_folds, "Folds of users under the null.").range(2, 100);
  list.add("restarts", restarts, "held_out: starts of EM.").range(1, 1000);
  list.add("restart-choice", restart_choice, "held_out: which start is kept.").choices({"objective", "held_out"});
  list.add("permutations", permutations, "Permutations of the null.").range(1, 100000);
  list.add("null-quantile", null_quantile, "Quantile of the null that the gain must exceed.").range(0, 1);
  list.add("null-rounds", null_rounds, "Rounds of EM under the null.").range(1, 1000);
  list.add("null-restarts", null_restarts, "Starts of EM under the null.").range(1, 1000);
  list.add("min-users", min_users, "held_out: with fewer users whose items can be split there is one sense.").at_least(1);
  list.add("max-test-pairs", max_test_pairs, "Pairs of a user and half in the test; 0 = all.").at_least(0);
  list.add("em-c", em_c, "held_out: C in EM rounds.").range(1e-12, 1e12);
  list.add("sense-seed", seed, "Seed of starts, splits and permutations.");
}

void SenseOptions::check_ranges() const {
  check_option_ranges(*this);
  cav.check_ranges();
  check(cav.mode != "binary", ErrorCode::kInvalidArgument, "[senses] mode is binary, expected a mode on pairs");
}

Senses fit_senses(const ItemSpace& space, const AttributeData& attribute, int32_t count, const SenseOptions& options, ThreadPool& pool) {
  options.check_ranges();
  check(count >= 1, ErrorCode::kInvalidArgument, "[senses of ", attribute.name, "] ", count, " senses, expected at least 1");
  const PairTable table = full_table(space, attribute, options);
  return finish(space, attribute, table, best_state(space, table, count, options), options);
}

Senses find_senses(const ItemSpace& space, const AttributeData& attribute, const SenseOptions& options, ThreadPool& pool) {
  options.check_ranges();
  return options.selection == "compat" ? compat_senses(space, attribute, options) : held_out_senses(space, attribute, options, pool);
}

}  // namespace attune::people
