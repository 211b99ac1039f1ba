#include "people/attribute_kind.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.h"
#include "people/logistic.h"
#include "people/senses_internal.h"

namespace attune::people {
namespace {

/// Logit of the pooled model: slope * degree + intercept.
struct Pooled {
  double slope = 0;
  double intercept = 0;
};

Pooled pooled_model(const AttributeData& attribute, std::span<const float> degree) {
  LogisticExamples examples;
  for (const auto& user : attribute.users) {
    if (user.tagged.empty() || user.others.empty()) continue;
    for (const auto* items : {&user.tagged, &user.others}) {
      for (const ItemIndex item : *items) {
        examples.row.push_back(item.value);
        examples.label.push_back(items == &user.tagged ? 1 : 0);
      }
    }
  }
  if (examples.row.empty()) return {};
  const LogisticProblem problem(degree, 1, std::move(examples));
  const auto fit = problem.fit({.c = 100, .intercept = true, .balanced = false});
  return {fit.w[0], fit.intercept};
}

/// Shift of a user's intercept: the maximum of the likelihood times a standard normal prior (a user with perfectly separated items has no
/// finite maximum without one). Newton on a concave function of one variable.
double intercept_shift(const UserTags& user, std::span<const float> degree, const Pooled& pooled) {
  double shift = 0;
  for (int step = 0; step < 50; ++step) {
    double gradient = -shift;
    double curvature = 1;
    for (const auto* items : {&user.tagged, &user.others}) {
      for (const ItemIndex item : *items) {
        const double p = 1 / (1 + std::exp(-(pooled.slope * degree[static_cast<size_t>(item.value)] + pooled.intercept + shift)));
        gradient += (items == &user.tagged ? 1 : 0) - p;
        curvature += p * (1 - p);
      }
    }
    const double move = std::clamp(gradient / curvature, -2.0, 2.0);
    shift += move;
    if (std::abs(move) < 1e-9) break;
  }
  return shift;
}

double intercept_variance(const AttributeData& attribute, std::span<const float> degree, const Pooled& pooled, int64_t* num_users) {
  double sum = 0, squares = 0;
  int64_t count = 0;
  for (const auto& user : attribute.users) {
    if (user.tagged.empty() || user.others.empty()) continue;
    const double shift = intercept_shift(user, degree, pooled);
    sum += shift;
    squares += shift * shift;
    ++count;
  }
  if (num_users != nullptr) *num_users = count;
  const auto n = static_cast<double>(count);
  return count > 0 ? squares / n - (sum / n) * (sum / n) : 0;
}

/// Share of bootstrap means that are not above 0.
double p_not_above_zero(std::span<const double> values, int32_t resamples, uint64_t seed) {
  Rng rng(seed, "kind bootstrap");
  int32_t low = 0;
  for (int32_t r = 0; r < resamples; ++r) {
    double sum = 0;
    for (size_t k = 0; k < values.size(); ++k) sum += values[rng.below(values.size())];
    low += sum > 0 ? 0 : 1;
  }
  return static_cast<double>(low + 1) / static_cast<double>(resamples + 1);
}

}  // namespace

std::string_view kind_name(AttributeKind kind) noexcept {
  switch (kind) {
    case AttributeKind::kDegreeSubjective: return "degree-subjective";
    case AttributeKind::kSenseSubjective: return "sense-subjective";
    default: return "objective";
  }
}

ThresholdTest threshold_test(const ItemSpace& space, const AttributeData& attribute, const Direction& direction, int32_t permutations,
                             uint64_t seed, ThreadPool& pool) {
  check_attribute(attribute, space.size());
  check(permutations >= 1, ErrorCode::kInvalidArgument, "[threshold test] ", permutations, " permutations, expected at least 1");
  auto degree = degrees(space, direction.unit.v, Degree::kDot);
  for (auto& value : degree) value = direction.sd > 0 ? value / direction.sd : 0;
  const Pooled pooled = pooled_model(attribute, degree);
  ThresholdTest out;
  if (!(pooled.slope > 0)) return out;
  out.variance = intercept_variance(attribute, degree, pooled, &out.num_users);
  const std::vector<int32_t> group(attribute.users.size(), 0);
  std::vector<double> null(static_cast<size_t>(permutations));
  pool.run(permutations, [&](int k) {
    const auto permuted = permuted_within(attribute, group, seed + 1 + static_cast<uint64_t>(k));
    null[static_cast<size_t>(k)] = intercept_variance(permuted, degree, pooled, nullptr);
  });
  int64_t reached = 0;
  for (const double value : null) {
    out.null_mean += value / static_cast<double>(permutations);
    reached += value >= out.variance ? 1 : 0;
  }
  out.p_value = static_cast<double>(1 + reached) / static_cast<double>(1 + permutations);
  return out;
}

KindTest attribute_kind(const ItemSpace& space, const AttributeData& attribute, const Senses& senses, const KindOptions& options,
                        ThreadPool& pool, std::span<const ItemIndex> negative_pool) {
  check(senses.count() >= 1, ErrorCode::kInvalidArgument, "[kind of ", attribute.name, "] no direction");
  check(options.hold_out.cav.mode != "binary", ErrorCode::kInvalidArgument, "[kind of ", attribute.name,
        "] mode is binary, expected the ranking mode to compare with");
  const auto ranking = held_out_accuracy(space, attribute, options.hold_out);
  HoldOutOptions binary_options = options.hold_out;
  binary_options.cav.mode = "binary";
  const auto binary = held_out_accuracy(space, attribute, binary_options, negative_pool);
  std::map<UserIndex, double> of_binary;
  for (size_t k = 0; k < binary.users.size(); ++k) of_binary[binary.users[k]] = binary.accuracy[k];
  std::vector<double> gains;
  for (size_t k = 0; k < ranking.users.size(); ++k) {
    if (const auto found = of_binary.find(ranking.users[k]); found != of_binary.end()) gains.push_back(ranking.accuracy[k] - found->second);
  }
  check(!gains.empty(), ErrorCode::kFailedPrecondition, "[kind of ", attribute.name, "] too few examples: no user of ",
        attribute.users.size(), " can be tested");
  KindTest out;
  out.senses = senses.count();
  const stats::BootstrapOptions bootstrap{.resamples = options.resamples, .seed = options.hold_out.seed};
  out.ranking = stats::bootstrap_mean(ranking.accuracy, bootstrap);
  out.ranking_gain = stats::bootstrap_mean(gains, bootstrap);
  out.gain_p_value = p_not_above_zero(gains, options.resamples, options.hold_out.seed);
  if (out.senses >= 2) {
    out.kind = AttributeKind::kSenseSubjective;
    return out;
  }
  out.thresholds = threshold_test(space, attribute, senses.cavs[0].direction, options.permutations, options.hold_out.seed, pool);
  const bool ranking_wins = out.ranking_gain.mean >= options.gap && out.gain_p_value < options.max_p;
  const bool thresholds_vary = out.thresholds.p_value < options.max_p;
  if (out.ranking.low > 0.5 && (ranking_wins || thresholds_vary)) out.kind = AttributeKind::kDegreeSubjective;
  return out;
}

PersonalCavs personal_cavs(const ItemSpace& space, const AttributeData& attribute, const Cav& shared, const PersonalOptions& options,
                           ThreadPool& pool) {
  check_attribute(attribute, space.size());
  check(shared.w.size() == static_cast<size_t>(space.d()), ErrorCode::kInvalidArgument, "[personal directions of ", attribute.name,
        "] shared direction [", shared.w.size(), "], expected [", space.d(), "]");
  check(options.min_pairs >= 1 && options.c > 0, ErrorCode::kInvalidArgument, "[personal directions of ", attribute.name, "] min_pairs ",
        options.min_pairs, ", C ", options.c, ", expected at least 1 and above 0");
  const UserPairs pairs = attribute_pairs(attribute, {options.max_per_side, true, options.max_pairs}, options.seed);
  std::vector<size_t> chosen;
  for (size_t u = 0; u < pairs.size(); ++u) {
    if (pairs[u].size() >= static_cast<size_t>(options.min_pairs)) chosen.push_back(u);
  }
  PersonalCavs out;
  out.unit.resize(chosen.size());
  for (const size_t u : chosen) out.users.push_back(attribute.users[u].user);
  CavOptions fit;
  fit.cross_validate = false;
  fit.c = options.c;
  pool.for_ranges(static_cast<int64_t>(chosen.size()), 1, [&](int64_t begin, int64_t) {
    const auto k = static_cast<size_t>(begin);
    const std::span own(&pairs[chosen[k]], 1);
    out.unit[k] = train_cav_on_pairs(space, attribute.name, own, fit, {}, shared.w).direction.unit.v;
  });
  std::vector<double> sum(shared.w.size(), 0);
  for (const auto& unit : out.unit) {
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += unit[k];
  }
  double squares = 0;
  for (const double value : sum) squares += value * value;
  const auto n = static_cast<double>(out.unit.size());
  if (n >= 2) out.mean_cosine = (squares - n) / (n * (n - 1));
  return out;
}

}  // namespace attune::people
