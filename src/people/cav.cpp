#include "people/cav.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>

#include "core/error.h"
#include "people/logistic.h"

namespace attune::people {
namespace {

LogisticOptions logistic_options(const CavOptions& options) {
  LogisticOptions out;
  out.c = options.c;
  out.intercept = options.mode == "binary";
  out.balanced = options.mode == "binary" || options.mode == "ranking_simple";
  out.tolerance = options.tolerance;
  out.max_iterations = options.max_iterations;
  return out;
}

/// Fits with or without the path, and fills the record.
LogisticFit fit_problem(const LogisticProblem& problem, const CavOptions& options, int64_t num_positive, std::span<const double> prior,
                        CavRecord& record) {
  const auto logistic = logistic_options(options);
  LogisticFit fit;
  if (options.cross_validate && prior.empty() && num_positive >= options.min_cv_examples) {
    const LogisticPath path = problem.fit_path(logistic, {options.num_c, options.c_min, options.c_max, options.folds, options.seed});
    fit = path.fit;
    record.c_tried = path.c;
    record.cv_accuracy = path.cv_accuracy;
  } else {
    fit = problem.fit(logistic, nullptr, prior);
  }
  record.num_items = problem.num_rows();
  record.c = fit.c;
  record.loss = fit.loss;
  record.accuracy = fit.accuracy;
  record.iterations = fit.iterations;
  record.converged = fit.converged;
  return fit;
}

Cav finish(const ItemSpace& space, std::string_view name, const LogisticFit& fit, CavRecord record) {
  Cav out;
  out.w = fit.w;
  out.intercept = fit.intercept;
  out.direction = make_direction(space, std::string(name), fit.w, to_json(record));
  out.record = std::move(record);
  return out;
}

/// Positive and negative items of the word, as rows.
struct Classes {
  std::vector<int32_t> positive;
  std::vector<int32_t> negative;
};

Classes judged_classes(const AttributeData& attribute) {
  Classes out;
  for (const auto& user : attribute.users) {
    std::map<ItemIndex, int> wins;
    for (const auto& pair : user.pairs) {
      ++wins[pair.better];
      --wins[pair.worse];
    }
    for (const auto& [item, balance] : wins) {
      if (balance != 0) (balance > 0 ? out.positive : out.negative).push_back(item.value);
    }
  }
  return out;
}

Classes tag_classes(const ItemSpace& space, const AttributeData& attribute, const CavOptions& options, std::span<const ItemIndex> pool) {
  std::set<ItemIndex> tagged;
  std::set<ItemIndex> others;
  std::copy_if(pool.begin(), pool.end(), std::inserter(others, others.end()), [&](ItemIndex item) { return space.has_vector(item); });
  for (const auto& user : attribute.users) {
    tagged.insert(user.tagged.begin(), user.tagged.end());
    if (pool.empty()) others.insert(user.others.begin(), user.others.end());
  }
  Classes out;
  for (const ItemIndex item : tagged) out.positive.push_back(item.value);
  for (const ItemIndex item : others) {
    if (!tagged.contains(item)) out.negative.push_back(item.value);
  }
  Rng rng(options.seed, cat("negatives ", attribute.name));
  const size_t wanted = out.positive.size() * static_cast<size_t>(options.negatives_per_positive);
  if (wanted < out.negative.size()) {
    for (size_t i = 0; i < wanted; ++i) std::swap(out.negative[i], out.negative[i + rng.below(out.negative.size() - i)]);
    out.negative.resize(wanted);
  }
  return out;
}

bool has_judgements(const AttributeData& attribute) { return attribute.num_judged() > 0; }

Cav train_binary(const ItemSpace& space, const AttributeData& attribute, const CavOptions& options, std::span<const ItemIndex> pool) {
  const Classes classes = has_judgements(attribute) ? judged_classes(attribute) : tag_classes(space, attribute, options, pool);
  check(!classes.positive.empty() && !classes.negative.empty(), ErrorCode::kFailedPrecondition, "[cav ", attribute.name,
        "] too few examples: ", classes.positive.size(), " positive and ", classes.negative.size(), " negative items, expected both");
  LogisticExamples examples;
  for (const auto* rows : {&classes.positive, &classes.negative}) {
    examples.row.insert(examples.row.end(), rows->begin(), rows->end());
    examples.label.insert(examples.label.end(), rows->size(), rows == &classes.positive ? 1 : 0);
  }
  CavRecord record{.attribute = attribute.name, .mode = options.mode};
  record.num_users = static_cast<int64_t>(attribute.users.size());
  record.num_positive = static_cast<int64_t>(classes.positive.size());
  record.num_negative = static_cast<int64_t>(classes.negative.size());
  record.seed = options.seed;
  const LogisticProblem problem(space.rows(), space.d(), std::move(examples));
  const int64_t smaller = std::min(record.num_positive, record.num_negative);
  const auto fit = fit_problem(problem, options, smaller < options.folds ? 0 : record.num_positive, {}, record);
  return finish(space, attribute.name, fit, std::move(record));
}

/// Mean of the weighted differences; the "fit" of mode mean_difference.
LogisticFit mean_difference(const ItemSpace& space, const LogisticExamples& e) {
  LogisticFit out;
  out.w.assign(static_cast<size_t>(space.d()), 0);
  double total = 0;
  for (size_t n = 0; n < e.row.size(); ++n) {
    const auto a = space.row(ItemIndex(e.row[n]));
    const auto b = space.row(ItemIndex(e.other[n]));
    for (size_t k = 0; k < out.w.size(); ++k) out.w[k] += e.weight[n] * (static_cast<double>(a[k]) - b[k]);
    total += e.weight[n];
  }
  for (auto& value : out.w) value /= total;
  double hits = 0;
  for (size_t n = 0; n < e.row.size(); ++n) {
    const auto a = space.row(ItemIndex(e.row[n]));
    const auto b = space.row(ItemIndex(e.other[n]));
    double margin = 0;
    for (size_t k = 0; k < out.w.size(); ++k) margin += out.w[k] * (static_cast<double>(a[k]) - b[k]);
    hits += margin > 0 ? 1 : margin == 0 ? 0.5 : 0;
  }
  out.accuracy = hits / static_cast<double>(e.row.size());
  out.converged = true;
  return out;
}

/// Examples of all users, and where each user's begin.
struct PairExamples {
  LogisticExamples examples;
  std::vector<size_t> begin;  ///< [users + 1]
  int64_t num_users = 0;      ///< with at least one pair
};

PairExamples collect(std::span<const std::vector<PairExample>> pairs, const CavOptions& options, std::span<const double> user_weight) {
  PairExamples out;
  auto& e = out.examples;
  const double scale = options.mode == "ranking_lambda" ? kLambdaWeight : 1;
  for (size_t u = 0; u < pairs.size(); ++u) {
    out.begin.push_back(e.row.size());
    const double weight = scale * (user_weight.empty() ? 1.0 : user_weight[u]);
    check(std::isfinite(weight) && weight >= 0, ErrorCode::kInvalidArgument, "[cav] user weight ", weight, ", expected at least 0");
    if (static_cast<float>(weight) == 0) continue;
    out.num_users += pairs[u].empty() ? 0 : 1;
    for (const auto& pair : pairs[u]) {
      e.row.push_back(pair.better.value);
      e.other.push_back(pair.worse.value);
      e.label.push_back(e.label.size() % 2 == 0 ? 1 : 0);  // every second one is entered as (-x, 0)
      e.weight.push_back(std::max(static_cast<float>(weight * pair.strength), 1e-30f));
      if (options.group_folds) e.group.push_back(static_cast<int32_t>(u));
    }
  }
  out.begin.push_back(e.row.size());
  return out;
}

void duplicate(LogisticExamples& e) {
  const auto twice = [](auto& values) { values.insert(values.end(), values.begin(), values.end()); };
  twice(e.row);
  twice(e.other);
  twice(e.weight);
  twice(e.group);
  twice(e.label);
  for (size_t n = 0; n < e.label.size(); ++n) e.label[n] = n % 2 == 0 ? 1 : 0;
}

/// Gains of a user's items: with how much strength an item beats another one at most. Tagged items have 1, others 0; less, same and more
/// than a reference have 0, 1, 2.
std::map<ItemIndex, double> gains_of(std::span<const PairExample> pairs) {
  std::map<ItemIndex, double> out;
  for (const auto& pair : pairs) {
    out.try_emplace(pair.worse, 0);
    auto& gain = out[pair.better];
    gain = std::max(gain, static_cast<double>(pair.strength));
  }
  return out;
}

/// |2^g_i - 2^g_j| |1/log2(1 + rank_i) - 1/log2(1 + rank_j)| / maxDCG of each pair of a user, in the order of w . q.
void list_weights(const ItemSpace& space, std::span<const PairExample> pairs, std::span<const double> w, std::span<float> out) {
  struct Item {
    double score = 0;
    double gain = 0;
    double discount = 0;
  };
  std::map<ItemIndex, Item> items;
  for (const auto& [item, gain] : gains_of(pairs)) {
    double score = 0;
    const auto row = space.row(item);
    for (size_t k = 0; k < w.size(); ++k) score += w[k] * row[k];
    items[item] = {score, gain, 0};
  }
  std::vector<Item*> order;
  for (auto& [item, entry] : items) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) { return a->score > b->score; });
  for (size_t r = 0; r < order.size(); ++r) order[r]->discount = 1 / std::log2(static_cast<double>(r) + 2);
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) { return a->gain > b->gain; });
  double best = 0;
  for (size_t r = 0; r < order.size(); ++r) best += (std::exp2(order[r]->gain) - 1) / std::log2(static_cast<double>(r) + 2);
  for (size_t n = 0; n < pairs.size(); ++n) {
    const Item& i = items[pairs[n].better];
    const Item& j = items[pairs[n].worse];
    const double value = std::abs(std::exp2(i.gain) - std::exp2(j.gain)) * std::abs(i.discount - j.discount) / best;
    out[n] *= static_cast<float>(std::max(value, 1e-9));
  }
}

/// Refits with list-wise weights (of mean 1, so that C keeps its meaning) until the direction stands.
LogisticFit refit_list(const ItemSpace& space, LogisticProblem& problem, std::span<const std::vector<PairExample>> pairs,
                       const PairExamples& all, const CavOptions& options, LogisticFit fit, CavRecord& record) {
  auto logistic = logistic_options(options);
  logistic.c = fit.c;
  const size_t count = all.begin.back();
  for (int round = 0; round < options.list_iterations; ++round) {
    std::vector<float> weight(all.examples.weight.begin(), all.examples.weight.begin() + static_cast<int64_t>(count));
    for (size_t u = 0; u < pairs.size(); ++u) {
      const size_t n = all.begin[u + 1] - all.begin[u];
      for (size_t k = 0; k < n; ++k) weight[all.begin[u] + k] /= pairs[u][k].strength;  // the gains say it
      if (n > 0) list_weights(space, pairs[u], fit.w, std::span(weight).subspan(all.begin[u], n));
    }
    double sum = 0;
    for (const float value : weight) sum += value;
    for (auto& value : weight) value *= static_cast<float>(static_cast<double>(count) / sum);
    while (weight.size() < all.examples.row.size())
      weight.insert(weight.end(), weight.begin(), weight.begin() + static_cast<int64_t>(count));
    problem.set_weights(std::move(weight));
    const LogisticFit next = problem.fit(logistic, &fit);
    double ab = 0, aa = 0, bb = 0;
    for (size_t k = 0; k < fit.w.size(); ++k) {
      ab += fit.w[k] * next.w[k];
      aa += fit.w[k] * fit.w[k];
      bb += next.w[k] * next.w[k];
    }
    fit = next;
    record.iterations += fit.iterations;
    if (ab >= (1 - 1e-9) * std::sqrt(aa * bb)) break;
  }
  record.loss = fit.loss;
  record.accuracy = fit.accuracy;
  record.converged = fit.converged;
  return fit;
}

}  // namespace

void CavOptions::describe(OptionList& list) {
  list.add("mode", mode, "How a direction is trained.")
      .choices({"binary", "ranking_simple", "ranking_lambda", "ranking_list", "mean_difference"});
  list.add("cross-validate", cross_validate, "Choose C by cross-validated accuracy.");
  list.add("c", c, "Inverse of the regularisation without cross-validation.").range(1e-12, 1e12);
  list.add("num-c", num_c, "Values of C tried, log-spaced.").range(1, 100);
  list.add("c-min", c_min, "Smallest C tried.").range(1e-12, 1e12);
  list.add("c-max", c_max, "Largest C tried.").range(1e-12, 1e12);
  list.add("folds", folds, "Folds of the cross-validation.").range(2, 20);
  list.add("group-folds", group_folds, "Keep the pairs of a user in one fold.");
  list.add("min-cv-examples", min_cv_examples, "With fewer positives or pairs there is no cross-validation.").at_least(1);
  list.add("duplicate-few", duplicate_few, "Enter fewer pairs than folds twice.");
  list.add("negatives-per-positive", negatives_per_positive, "Negative items drawn per positive (binary).").range(1, 1000);
  list.add("list-iterations", list_iterations, "Refits with list-wise weights (ranking_list).").range(1, 100);
  list.add("tolerance", tolerance, "Largest gradient component at the end of a fit.").range(1e-14, 1);
  list.add("max-iterations", max_iterations, "Newton steps of a fit.").range(1, 100000);
  list.add("max-per-side", max_per_side, "Tagged and other items of a user that enter pairs.").range(1, 1000000);
  list.add("equal-sides", equal_sides, "Draw as many other items as a user has tagged ones.");
  list.add("max-pairs", max_pairs, "Pairs of a user, drawn at random; 0 = all.").at_least(0);
  list.add("seed", seed, "Seed of all draws.");
}

void CavOptions::check_ranges() const {
  check_option_ranges(*this);
  check(c_min <= c_max, ErrorCode::kInvalidArgument, "[cav] c_min ", c_min, " is above c_max ", c_max);
}

Direction make_direction(const ItemSpace& space, std::string name, std::span<const double> w, std::string record) {
  double squares = 0;
  for (const double value : w) squares += value * value;
  const double norm = std::sqrt(squares);
  check(w.size() == static_cast<size_t>(space.d()), ErrorCode::kInvalidArgument, "[direction ", name, "] vector [", w.size(),
        "], expected [", space.d(), "]");
  check(std::isfinite(norm) && norm > 1e-30, ErrorCode::kFailedPrecondition, "[direction ", name, "] length is ", norm,
        ", expected above 0: the examples give no direction");
  Direction out{std::move(name), {space.id(), {}}, 0, std::move(record)};
  for (const double value : w) out.unit.v.push_back(static_cast<float>(value / norm));
  out.sd = static_cast<float>(space.deviation(out.unit.v));
  return out;
}

Cav train_cav_on_pairs(const ItemSpace& space, std::string_view name, std::span<const std::vector<PairExample>> pairs,
                       const CavOptions& options, std::span<const double> user_weight, std::span<const double> prior) {
  options.check_ranges();
  check(options.mode != "binary", ErrorCode::kInvalidArgument, "[cav ", name, "] mode binary takes no pairs");
  check(user_weight.empty() || user_weight.size() == pairs.size(), ErrorCode::kInvalidArgument, "[cav ", name, "] ", user_weight.size(),
        " user weights for ", pairs.size(), " users");
  PairExamples all = collect(pairs, options, user_weight);
  auto& e = all.examples;
  check(!e.row.empty(), ErrorCode::kFailedPrecondition, "[cav ", name, "] too few examples: no pair of ", pairs.size(), " users");
  CavRecord record{.attribute = std::string(name), .mode = options.mode};
  record.num_users = all.num_users;
  record.num_positive = static_cast<int64_t>(e.row.size());
  record.seed = options.seed;
  if (options.mode == "mean_difference") {
    const LogisticFit fit = mean_difference(space, e);
    record.accuracy = fit.accuracy;
    return finish(space, name, fit, std::move(record));
  }
  record.duplicated = options.duplicate_few && e.row.size() < static_cast<size_t>(options.folds);
  if (record.duplicated) duplicate(e);
  // Folds need one of each class, or one group, in each.
  const auto count = static_cast<int64_t>(e.row.size());
  const int64_t foldable = options.group_folds ? all.num_users : count / 2;
  LogisticProblem problem(space.rows(), space.d(), e);
  LogisticFit fit = fit_problem(problem, options, foldable < options.folds ? 0 : count, prior, record);
  if (options.mode == "ranking_list") fit = refit_list(space, problem, pairs, all, options, std::move(fit), record);
  return finish(space, name, fit, std::move(record));
}

namespace {

/// The attribute without items whose row is zero, and how many mentions of such items it had.
std::pair<AttributeData, int64_t> with_vectors_only(const ItemSpace& space, AttributeData attribute) {
  int64_t removed = 0;
  const auto empty = [&](ItemIndex item) { return !space.has_vector(item); };
  for (auto& user : attribute.users) {
    removed += static_cast<int64_t>(std::erase_if(user.tagged, empty));
    removed += static_cast<int64_t>(std::erase_if(user.others, empty));
    removed += static_cast<int64_t>(std::erase_if(user.pairs, [&](const PairExample& p) { return empty(p.better) || empty(p.worse); }));
  }
  return {std::move(attribute), removed};
}

}  // namespace

Cav train_cav(const ItemSpace& space, const AttributeData& given, const CavOptions& options, std::span<const ItemIndex> negative_pool) {
  options.check_ranges();
  check_attribute(given, space.size());
  const auto [attribute, num_without_vector] = with_vectors_only(space, given);
  for (const ItemIndex item : negative_pool) {
    check(item.value >= 0 && item.value < space.size(), ErrorCode::kInvalidArgument, "[cav ", attribute.name, "] negative item row ",
          item.value, ", there are ", space.size());
  }
  Cav out = options.mode == "binary"
                ? train_binary(space, attribute, options, negative_pool)
                : train_cav_on_pairs(space, attribute.name, attribute_pairs(attribute, options.pair_options(), options.seed), options);
  if (num_without_vector > 0) {
    out.record.num_without_vector = num_without_vector;
    out.direction.record = to_json(out.record);
  }
  return out;
}

CavBatch train_cavs(const ItemSpace& space, std::span<const AttributeData> attributes, const CavOptions& options, ThreadPool& pool,
                    std::span<const ItemIndex> negative_pool) {
  options.check_ranges();
  std::vector<std::optional<Cav>> cavs(attributes.size());
  std::vector<std::string> reasons(attributes.size());
  pool.for_ranges(static_cast<int64_t>(attributes.size()), 1, [&](int64_t begin, int64_t) {
    const auto k = static_cast<size_t>(begin);
    try {
      cavs[k] = train_cav(space, attributes[k], options, negative_pool);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kFailedPrecondition) throw;
      reasons[k] = error.what();
    }
  });
  CavBatch out;
  for (size_t k = 0; k < cavs.size(); ++k) {
    if (cavs[k]) {
      out.cavs.push_back(std::move(*cavs[k]));
    } else {
      out.skipped.push_back({attributes[k].name, reasons[k]});
    }
  }
  return out;
}

std::vector<float> mean_difference_screen(const ItemSpace& space, const AttributeSet& set, ThreadPool& pool) {
  const auto d = static_cast<size_t>(space.d());
  std::vector<double> total(d, 0);
  for (const ItemIndex item : set.tagged_items) {
    const auto row = space.row(item);
    for (size_t k = 0; k < d; ++k) total[k] += row[k];
  }
  std::vector<float> out(set.attributes.size() * d, 0);
  pool.for_ranges(static_cast<int64_t>(set.attributes.size()), 8, [&](int64_t begin, int64_t end) {
    std::vector<ItemIndex> tagged;
    std::vector<double> sum(d);
    for (int64_t a = begin; a < end; ++a) {
      tagged.clear();
      for (const auto& user : set.attributes[static_cast<size_t>(a)].users) {
        tagged.insert(tagged.end(), user.tagged.begin(), user.tagged.end());
      }
      std::sort(tagged.begin(), tagged.end());
      tagged.erase(std::unique(tagged.begin(), tagged.end()), tagged.end());
      if (tagged.empty() || tagged.size() >= set.tagged_items.size()) continue;
      std::fill(sum.begin(), sum.end(), 0);
      for (const ItemIndex item : tagged) {
        const auto row = space.row(item);
        for (size_t k = 0; k < d; ++k) sum[k] += row[k];
      }
      const auto inside = static_cast<double>(tagged.size());
      const double outside = static_cast<double>(set.tagged_items.size()) - inside;
      double squares = 0;
      for (size_t k = 0; k < d; ++k) {
        sum[k] = sum[k] / inside - (total[k] - sum[k]) / outside;
        squares += sum[k] * sum[k];
      }
      const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
      for (size_t k = 0; k < d; ++k) out[static_cast<size_t>(a) * d + k] = static_cast<float>(sum[k] * scale);
    }
  });
  return out;
}

}  // namespace attune::people
