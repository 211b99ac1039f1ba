#include "people/attribute_eval.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "people/als_kernels_internal.h"

namespace attune::people {
namespace {

/// Fold of every item: a shuffled deal.
std::vector<int32_t> item_folds(int32_t num_items, const HoldOutOptions& options) {
  std::vector<int32_t> order(static_cast<size_t>(num_items));
  std::iota(order.begin(), order.end(), 0);
  Rng rng(options.seed, "item folds");
  shuffle(order, rng);
  std::vector<int32_t> out(order.size());
  for (size_t k = 0; k < order.size(); ++k) out[static_cast<size_t>(order[k])] = static_cast<int32_t>(k) % options.folds;
  return out;
}

/// What a fold tests on and trains on.
struct Fold {
  AttributeData train;
  std::vector<std::vector<PairExample>> test;  ///< by user of the attribute
  std::vector<ItemIndex> pool;                 ///< binary negatives outside the fold
};

/// The part of a user's items and pairs that satisfies `keep`.
UserTags restricted(const UserTags& user, const auto& keep) {
  UserTags out{user.user, {}, {}, {}};
  std::copy_if(user.tagged.begin(), user.tagged.end(), std::back_inserter(out.tagged), keep);
  std::copy_if(user.others.begin(), user.others.end(), std::back_inserter(out.others), keep);
  std::copy_if(user.pairs.begin(), user.pairs.end(), std::back_inserter(out.pairs),
               [&](const PairExample& pair) { return keep(pair.better) && keep(pair.worse); });
  return out;
}

std::vector<PairExample> test_pairs(const AttributeData& attribute, const UserTags& user, const HoldOutOptions& options) {
  Rng rng(options.seed, cat("test pairs ", attribute.name, " ", user.user.value));
  PairOptions pairs = options.cav.pair_options();
  pairs.equal_sides = false;
  if (pairs.max_pairs == 0) pairs.max_pairs = 2000;
  return user_pairs(user, pairs, rng);
}

Fold make_fold(const ItemSpace& space, const AttributeData& attribute, const HoldOutOptions& options, int32_t fold,
               std::span<const ItemIndex> pool) {
  Fold out{{attribute.name, {}}, std::vector<std::vector<PairExample>>(attribute.users.size()), {pool.begin(), pool.end()}};
  if (options.by == "user") {
    for (size_t k = 0; k < attribute.users.size(); ++k) {
      const auto& user = attribute.users[k];
      if (user.user.value % options.folds == fold) {
        out.test[k] = test_pairs(attribute, user, options);
      } else {
        out.train.users.push_back(user);
      }
    }
    return out;
  }
  const auto folds = item_folds(space.size(), options);
  const auto inside = [&](ItemIndex item) { return folds[static_cast<size_t>(item.value)] == fold; };
  const auto outside = [&](ItemIndex item) { return !inside(item); };
  std::erase_if(out.pool, inside);
  for (size_t k = 0; k < attribute.users.size(); ++k) {
    out.test[k] = test_pairs(attribute, restricted(attribute.users[k], inside), options);
    UserTags rest = restricted(attribute.users[k], outside);
    if (!rest.tagged.empty() || !rest.pairs.empty()) out.train.users.push_back(std::move(rest));
  }
  return out;
}

void check_options(const ItemSpace& space, const AttributeData& attribute, const HoldOutOptions& options) {
  check(options.by == "user" || options.by == "item", ErrorCode::kInvalidArgument, "[hold out] by ", options.by, ", expected user or item");
  check(options.folds >= 2 && options.folds <= 100, ErrorCode::kInvalidArgument, "[hold out] ", options.folds, " folds, expected 2 to 100");
  options.cav.check_ranges();
  check_attribute(attribute, space.size());
}

/// The direction of a fold, or nothing if it has too few examples.
std::optional<Cav> try_train(const ItemSpace& space, const Fold& fold, const CavOptions& options) {
  if (fold.train.users.empty()) return std::nullopt;
  try {
    return train_cav(space, fold.train, options, fold.pool);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kFailedPrecondition) throw;
    return std::nullopt;
  }
}

/// Values of `a` and `b` of the users that both have.
void matched(const HeldOutAccuracy& a, const std::map<UserIndex, double>& b, std::vector<double>& left, std::vector<double>& right) {
  for (size_t k = 0; k < a.users.size(); ++k) {
    if (const auto found = b.find(a.users[k]); found != b.end()) {
      left.push_back(a.accuracy[k]);
      right.push_back(found->second);
    }
  }
}

std::map<UserIndex, double> by_user(const HeldOutAccuracy& values) {
  std::map<UserIndex, double> out;
  for (size_t k = 0; k < values.users.size(); ++k) out[values.users[k]] = values.accuracy[k];
  return out;
}

std::vector<uint8_t> parity(const data::Dataset& dataset, const auto& number) {
  std::vector<uint8_t> out;
  for (const auto& item : dataset.item_info) out.push_back(static_cast<uint8_t>(number(item) & 1u));
  return out;
}

}  // namespace

std::vector<float> degrees(const ItemSpace& space, std::span<const float> unit, Degree degree) {
  check(unit.size() == static_cast<size_t>(space.d()), ErrorCode::kInvalidArgument, "[degrees] vector [", unit.size(), "], expected [",
        space.d(), "]");
  std::vector<float> out(static_cast<size_t>(space.size()));
  als_scores(space.rows().data(), space.size(), space.d(), unit.data(), out.data());
  if (degree == Degree::kDot) return out;
  for (int32_t i = 0; i < space.size(); ++i) {
    double squares = 0;
    for (const float x : space.row(ItemIndex(i))) squares += static_cast<double>(x) * x;
    auto& value = out[static_cast<size_t>(i)];
    value = squares > 0 ? static_cast<float>(value / std::sqrt(squares)) : 0;
  }
  return out;
}

double pair_accuracy(std::span<const float> degrees, std::span<const PairExample> pairs, bool weighted) {
  check(!pairs.empty(), ErrorCode::kInvalidArgument, "[pair accuracy] no pair");
  double hits = 0;
  double total = 0;
  for (const auto& pair : pairs) {
    check(pair.better.value >= 0 && pair.worse.value >= 0 && static_cast<size_t>(pair.better.value) < degrees.size() &&
              static_cast<size_t>(pair.worse.value) < degrees.size(),
          ErrorCode::kInvalidArgument, "[pair accuracy] pair of rows ", pair.better.value, " and ", pair.worse.value, " of ",
          degrees.size());
    const float difference = degrees[static_cast<size_t>(pair.better.value)] - degrees[static_cast<size_t>(pair.worse.value)];
    const double weight = weighted ? pair.strength : 1.0;
    hits += difference > 0 ? weight : difference == 0 ? weight / 2 : 0;
    total += weight;
  }
  return hits / total;
}

stats::GradedAgreement graded_agreement(std::span<const float> degrees, std::span<const PairExample> pairs) {
  stats::GradedAgreement out;
  for (const auto& pair : pairs) {
    const double hit = pair_accuracy(degrees, {&pair, 1});
    const bool strong = pair.strength >= 2;
    if (hit == 1) ++(strong ? out.agree_strongly : out.agree);
    if (hit == 0) ++(strong ? out.disagree_strongly : out.disagree);
  }
  return out;
}

AxisFit least_squares_axis(const ItemSpace& space, std::span<const float> truth, std::span<const uint8_t> used) {
  const auto n = static_cast<size_t>(space.size());
  const int d = space.d();
  check(truth.size() == n && (used.empty() || used.size() == n), ErrorCode::kInvalidArgument, "[least squares axis] ", truth.size(),
        " values and ", used.size(), " marks for ", n, " items");
  Eigen::MatrixXd a = Eigen::MatrixXd::Zero(d + 1, d + 1);
  Eigen::VectorXd b = Eigen::VectorXd::Zero(d + 1);
  Eigen::VectorXd x(d + 1);
  double sum = 0, squares = 0, count = 0;
  for (size_t i = 0; i < n; ++i) {
    if (!used.empty() && used[i] == 0) continue;
    check(std::isfinite(truth[i]), ErrorCode::kInvalidArgument, "[least squares axis] the value of item row ", i, " is not finite");
    const auto row = space.row(ItemIndex(static_cast<int32_t>(i)));
    for (int k = 0; k < d; ++k) x[k] = row[static_cast<size_t>(k)];
    x[d] = 1;
    a.selfadjointView<Eigen::Lower>().rankUpdate(x);
    b += truth[i] * x;
    sum += truth[i];
    squares += static_cast<double>(truth[i]) * truth[i];
    count += 1;
  }
  check(count >= 2, ErrorCode::kInvalidArgument, "[least squares axis] ", static_cast<int64_t>(count), " items, expected at least 2");
  const double trace = a.trace();
  for (int k = 0; k < d; ++k) a(k, k) += 1e-10 * trace + 1e-30;  // flat directions get nothing
  const Eigen::VectorXd w = a.selfadjointView<Eigen::Lower>().ldlt().solve(b);
  AxisFit out;
  for (int k = 0; k < d; ++k) out.w.push_back(static_cast<float>(w[k]));
  const double variance = squares - sum * sum / count;
  out.r2 = variance > 0 ? std::clamp((w.dot(b) - sum * sum / count) / variance, 0.0, 1.0) : 0;
  return out;
}

AxisComparison compare_with_axis(const ItemSpace& space, const Direction& direction, std::span<const float> truth, Degree degree,
                                 std::span<const uint8_t> used) {
  const AxisFit axis = least_squares_axis(space, truth, used);
  const auto select = [&](std::span<const float> values) {
    std::vector<float> out;
    for (size_t i = 0; i < values.size(); ++i) {
      if (used.empty() || used[i] != 0) out.push_back(values[i]);
    }
    return out;
  };
  const auto kept = select(truth);
  AxisComparison out;
  out.spearman = stats::spearman(select(degrees(space, direction.unit.v, degree)), kept);
  out.ceiling = stats::spearman(select(degrees(space, axis.w, degree)), kept);
  double dot = 0, norm = 0;
  for (size_t k = 0; k < axis.w.size(); ++k) {
    dot += static_cast<double>(axis.w[k]) * direction.unit.v[k];
    norm += static_cast<double>(axis.w[k]) * axis.w[k];
  }
  out.cosine = norm > 0 ? std::abs(dot) / std::sqrt(norm) : 0;
  return out;
}

double HeldOutAccuracy::mean() const {
  check(!accuracy.empty(), ErrorCode::kFailedPrecondition, "[held-out accuracy] no user has a held-out pair");
  return std::accumulate(accuracy.begin(), accuracy.end(), 0.0) / static_cast<double>(accuracy.size());
}

HeldOutAccuracy held_out_accuracy(const ItemSpace& space, const AttributeData& attribute, const HoldOutOptions& options,
                                  std::span<const ItemIndex> negative_pool) {
  check_options(space, attribute, options);
  std::vector<double> hits(attribute.users.size(), 0);
  std::vector<int64_t> counts(attribute.users.size(), 0);
  HeldOutAccuracy out;
  for (int32_t f = 0; f < options.folds; ++f) {
    const Fold fold = make_fold(space, attribute, options, f, negative_pool);
    if (std::all_of(fold.test.begin(), fold.test.end(), [](const auto& pairs) { return pairs.empty(); })) continue;
    const auto cav = try_train(space, fold, options.cav);
    if (!cav) continue;
    ++out.num_folds;
    const auto values = degrees(space, cav->direction.unit.v, options.degree);
    for (size_t k = 0; k < fold.test.size(); ++k) {
      if (fold.test[k].empty()) continue;
      hits[k] += pair_accuracy(values, fold.test[k]) * static_cast<double>(fold.test[k].size());
      counts[k] += static_cast<int64_t>(fold.test[k].size());
      out.agreement += graded_agreement(values, fold.test[k]);
    }
  }
  for (size_t k = 0; k < hits.size(); ++k) {
    if (counts[k] == 0) continue;
    out.users.push_back(attribute.users[k].user);
    out.accuracy.push_back(hits[k] / static_cast<double>(counts[k]));
    out.num_pairs += counts[k];
  }
  return out;
}

stats::Interval held_out_auc(const ItemSpace& space, const AttributeData& attribute, const HoldOutOptions& options,
                             std::span<const ItemIndex> negative_pool) {
  HoldOutOptions by_item = options;
  by_item.by = "item";
  by_item.cav.mode = "binary";
  check_options(space, attribute, by_item);
  std::set<ItemIndex> tagged;
  std::set<ItemIndex> others(negative_pool.begin(), negative_pool.end());
  for (const auto& user : attribute.users) {
    tagged.insert(user.tagged.begin(), user.tagged.end());
    if (negative_pool.empty()) others.insert(user.others.begin(), user.others.end());
  }
  const auto folds = item_folds(space.size(), by_item);
  std::vector<double> wins;
  for (int32_t f = 0; f < by_item.folds; ++f) {
    const auto cav = try_train(space, make_fold(space, attribute, by_item, f, negative_pool), by_item.cav);
    if (!cav) continue;
    const auto values = degrees(space, cav->direction.unit.v, by_item.degree);
    std::vector<float> negatives;
    for (const ItemIndex item : others) {
      if (folds[static_cast<size_t>(item.value)] == f && !tagged.contains(item))
        negatives.push_back(values[static_cast<size_t>(item.value)]);
    }
    if (negatives.empty()) continue;
    std::sort(negatives.begin(), negatives.end());
    for (const ItemIndex item : tagged) {
      if (folds[static_cast<size_t>(item.value)] != f) continue;
      const auto [low, high] = std::equal_range(negatives.begin(), negatives.end(), values[static_cast<size_t>(item.value)]);
      wins.push_back(0.5 * static_cast<double>((low - negatives.begin()) + (high - negatives.begin())) /
                     static_cast<double>(negatives.size()));
    }
  }
  check(!wins.empty(), ErrorCode::kFailedPrecondition, "[held-out auc ", attribute.name,
        "] no fold has positives and negatives: ", tagged.size(), " tagged and ", others.size(), " other items");
  return stats::bootstrap_mean(wins, {.seed = options.seed});
}

Relevance preference_relevance(const ItemSpace& space, const AttributeData& attribute, std::span<const AttributeData> artificial,
                               const RelevanceOptions& options, ThreadPool& pool) {
  check(options.shuffles >= 1, ErrorCode::kInvalidArgument, "[relevance] ", options.shuffles, " shuffles, expected at least 1");
  const auto shuffles = static_cast<size_t>(options.shuffles);
  std::vector<HeldOutAccuracy> results(1 + shuffles + artificial.size());
  pool.run(static_cast<int>(results.size()), [&](int chunk) {
    const auto k = static_cast<size_t>(chunk);
    if (k == 0) {
      results[k] = held_out_accuracy(space, attribute, options.hold_out);
    } else if (k <= shuffles) {
      results[k] =
          held_out_accuracy(space, shuffled(attribute, cat(attribute.name, " shuffled"), options.hold_out.seed + k), options.hold_out);
    } else if (!artificial[k - 1 - shuffles].users.empty()) {
      results[k] = held_out_accuracy(space, artificial[k - 1 - shuffles], options.hold_out);
    }
  });
  const auto& real = results[0];
  check(!real.users.empty(), ErrorCode::kFailedPrecondition, "[relevance of ", attribute.name, "] too few examples: no user of ",
        attribute.users.size(), " can be tested");
  std::map<UserIndex, std::pair<double, int>> sums;
  for (size_t k = 1; k <= shuffles; ++k) {
    for (const auto& [user, value] : by_user(results[k])) {
      sums[user].first += value;
      ++sums[user].second;
    }
  }
  std::map<UserIndex, double> means;
  for (const auto& [user, sum] : sums) means[user] = sum.first / sum.second;
  std::vector<double> left, right;
  matched(real, means, left, right);
  check(!left.empty(), ErrorCode::kFailedPrecondition, "[relevance of ", attribute.name, "] too few examples: no shuffle can be tested");
  Relevance out;
  out.accuracy = stats::bootstrap_mean(real.accuracy, options.bootstrap);
  out.shuffled = stats::bootstrap_mean(right, options.bootstrap);
  out.over_shuffled = stats::paired_bootstrap(left, right, options.bootstrap);
  out.relevant = out.over_shuffled.low > 0;
  for (size_t k = 0; k < artificial.size(); ++k) {
    left.clear();
    right.clear();
    matched(real, by_user(results[1 + shuffles + k]), left, right);
    out.over_artificial.push_back(left.empty() ? stats::Interval{} : stats::paired_bootstrap(left, right, options.bootstrap));
    if (!left.empty()) out.relevant = out.relevant && out.over_artificial.back().low > 0;
  }
  return out;
}

std::vector<uint8_t> title_length_parity(const data::Dataset& dataset) {
  return parity(dataset, [](const data::ItemInfo& item) { return item.title.size(); });
}

std::vector<uint8_t> release_year_parity(const data::Dataset& dataset) {
  return parity(dataset, [](const data::ItemInfo& item) { return static_cast<size_t>(std::max(0, item.year.value_or(0))); });
}

}  // namespace attune::people
