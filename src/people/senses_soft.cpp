// Soft senses: a mixture of logistic models of pairs, by EM (docs/methods/soft_attributes.md, "Soft senses").
#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "people/logistic.h"
#include "people/senses_internal.h"

namespace attune::people {
namespace {

double temperature_of(std::span<const PairExample> pairs, bool used) {
  if (!used || pairs.empty()) return 1;
  std::set<ItemIndex> items;
  for (const auto& pair : pairs) {
    items.insert(pair.better);
    items.insert(pair.worse);
  }
  return std::max(1.0, static_cast<double>(pairs.size()) / static_cast<double>(items.size() - 1));
}

/// sum of strength log sigma(w . (q_better - q_worse)).
double log_likelihood(const ItemSpace& space, std::span<const PairExample> pairs, std::span<const double> w) {
  double out = 0;
  for (const auto& pair : pairs) {
    const auto a = space.row(pair.better);
    const auto b = space.row(pair.worse);
    double margin = 0;
    for (size_t k = 0; k < w.size(); ++k) margin += w[k] * (static_cast<double>(a[k]) - b[k]);
    out -= pair.strength * (std::log1p(std::exp(-std::abs(margin))) + (margin < 0 ? -margin : 0));
  }
  return out;
}

/// Posterior of the senses into gamma; returns log sum_s pi_s exp(L_s / T).
double posterior(const ItemSpace& space, const SoftSenses& senses, std::span<const PairExample> pairs, double temperature,
                 std::span<double> gamma) {
  double largest = -HUGE_VAL;
  for (size_t s = 0; s < senses.w.size(); ++s) {
    gamma[s] = std::log(std::max(senses.pi[s], 1e-300)) + log_likelihood(space, pairs, senses.w[s]) / temperature;
    largest = std::max(largest, gamma[s]);
  }
  double total = 0;
  for (size_t s = 0; s < senses.w.size(); ++s) total += gamma[s] = std::exp(gamma[s] - largest);
  for (size_t s = 0; s < senses.w.size(); ++s) gamma[s] /= total;
  return largest + std::log(total);
}

/// E step; returns the penalised log likelihood.
double expect(const ItemSpace& space, const UserPairs& pairs, double c, SoftSenses& out) {
  const size_t senses = out.w.size();
  double objective = 0;
  for (size_t u = 0; u < pairs.size(); ++u) {
    const double value = posterior(space, out, pairs[u], out.temperature[u], std::span(out.gamma).subspan(u * senses, senses));
    if (!pairs[u].empty()) objective += value;
  }
  for (const auto& w : out.w) {
    for (const double value : w) objective -= value * value / (2 * c);
  }
  return objective;
}

/// M step: shares, and each sense's weights by a fit on all pairs weighted by gamma / T.
void maximise(const UserPairs& pairs, const SoftSenseOptions& options, LogisticProblem& problem, SoftSenses& out) {
  const size_t senses = out.w.size();
  for (size_t s = 0; s < senses; ++s) {
    std::vector<float> weight;
    double share = 0;
    double users = 0;
    for (size_t u = 0; u < pairs.size(); ++u) {
      if (pairs[u].empty()) continue;
      const double gamma = out.gamma[u * senses + s];
      share += gamma;
      users += 1;
      for (const auto& pair : pairs[u]) {
        weight.push_back(std::max(static_cast<float>(gamma / out.temperature[u] * pair.strength), 1e-30f));
      }
    }
    out.pi[s] = share / users;
    problem.set_weights(std::move(weight));
    LogisticFit start;
    start.w = out.w[s];
    out.w[s] = problem.fit({.c = options.c, .balanced = false, .tolerance = 1e-6}, &start).w;
  }
}

}  // namespace

SoftSenses soft_senses(const ItemSpace& space, const AttributeData& attribute, const Senses& start, const SoftSenseOptions& options) {
  check_attribute(attribute, space.size());
  check(start.count() >= 1 && options.rounds >= 1 && options.c > 0 && std::isfinite(options.c) && options.tolerance >= 0,
        ErrorCode::kInvalidArgument, "[soft senses of ", attribute.name, "] ", start.count(), " senses, ", options.rounds, " rounds, C ",
        options.c, ", expected at least 1, at least 1, above 0");
  const UserPairs pairs = attribute_pairs(attribute, {options.max_per_side, true, options.max_pairs}, options.seed);
  LogisticExamples examples;
  for (const auto& own : pairs) {
    for (const auto& pair : own) {
      examples.row.push_back(pair.better.value);
      examples.other.push_back(pair.worse.value);
      examples.label.push_back(1);
    }
  }
  check(!examples.row.empty(), ErrorCode::kFailedPrecondition, "[soft senses of ", attribute.name, "] too few examples: no pair of ",
        attribute.users.size(), " users");
  LogisticProblem problem(space.rows(), space.d(), std::move(examples));
  SoftSenses out;
  for (const auto& cav : start.cavs) {
    check(cav.w.size() == static_cast<size_t>(space.d()), ErrorCode::kInvalidArgument, "[soft senses of ", attribute.name,
          "] a start of another space");
    out.w.push_back(cav.w);
  }
  out.pi = start.share;
  for (const auto& own : pairs) out.temperature.push_back(temperature_of(own, options.temperature));
  out.gamma.assign(pairs.size() * out.w.size(), 0);
  out.objective.push_back(expect(space, pairs, options.c, out));
  for (int32_t round = 0; round < options.rounds; ++round) {
    maximise(pairs, options, problem, out);
    out.objective.push_back(expect(space, pairs, options.c, out));
    const double last = out.objective[out.objective.size() - 2];
    if (out.objective.back() - last <= options.tolerance * std::abs(last)) break;
  }
  for (size_t s = 0; s < out.w.size(); ++s) {
    const std::string name = out.w.size() == 1 ? attribute.name : cat(attribute.name, "#", s + 1);
    out.directions.push_back(make_direction(space, name, out.w[s]));
  }
  return out;
}

std::vector<double> sense_posterior(const ItemSpace& space, const SoftSenses& senses, std::span<const PairExample> pairs,
                                    bool temperature) {
  std::vector<double> out(senses.w.size());
  posterior(space, senses, pairs, temperature_of(pairs, temperature), out);
  return out;
}

}  // namespace attune::people
