#include "bench/people/attribute_modes.h"

#include <cmath>
#include <numeric>

#include "bench/people/arrays.h"
#include "core/rng.h"
#include "core/thread_pool.h"
#include "people/cav.h"
#include "people/critique.h"

namespace attune::bench {
namespace {

using people::ItemIndex;

constexpr int kItems = 59047;
constexpr int kPositive = 150;
constexpr int kExamples = 600;
constexpr int kPool = 1200;  ///< items that an attribute is judged on

/// Normal rows of expected length 1.
std::vector<float> random_rows(int64_t count, int d, const char* name) {
  Rng rng(1, name);
  std::vector<float> out(static_cast<size_t>(count * d));
  for (auto& v : out) v = static_cast<float>(rng.normal() / std::sqrt(static_cast<double>(d)));
  return out;
}

people::ItemSpace space_of(const std::vector<float>& rows, int d) {
  data::IdMap<data::ItemTag> ids;
  for (size_t i = 0; i < rows.size() / static_cast<size_t>(d); ++i) ids.add(cat(i));
  return people::ItemSpace({"items", 1}, std::move(ids), rows, d);
}

/// Tagged items of attribute `index`, then the others: of kPool random items the best by planted direction and noise, and some of the rest.
std::vector<int32_t> examples_of(const std::vector<float>& rows, int d, int index) {
  Rng rng(2, cat("cav ", index));
  std::vector<double> direction(static_cast<size_t>(d));
  for (auto& v : direction) v = rng.normal();
  std::vector<int32_t> order(kItems);
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::pair<double, int32_t>> scored;
  for (size_t k = 0; k < kPool; ++k) {
    std::swap(order[k], order[k + rng.below(order.size() - k)]);
    double score = rng.normal();
    for (int j = 0; j < d; ++j)
      score += direction[static_cast<size_t>(j)] * rows[static_cast<size_t>(order[k]) * static_cast<size_t>(d) + j];
    scored.emplace_back(-score, order[k]);
  }
  std::sort(scored.begin(), scored.end());
  std::vector<int32_t> out;
  for (int k = 0; k < kPositive; ++k) out.push_back(scored[static_cast<size_t>(k)].second);
  auto rest = std::span(scored).subspan(kPositive);
  shuffle(rest, rng);
  for (int k = kPositive; k < kExamples; ++k) out.push_back(scored[static_cast<size_t>(k)].second);
  return out;
}

people::AttributeData attribute_of(std::span<const int32_t> rows, int index) {
  people::UserTags user{.user = data::UserIndex(0), .tagged = {}, .others = {}, .pairs = {}};
  for (const int32_t row : rows.first(kPositive)) user.tagged.emplace_back(row);
  for (const int32_t row : rows.subspan(kPositive)) user.others.emplace_back(row);
  std::sort(user.tagged.begin(), user.tagged.end());
  std::sort(user.others.begin(), user.others.end());
  return {.name = cat("a", index), .users = {std::move(user)}};
}

/// Milliseconds of a step, medians over sessions of 10 steps.
double critique_ms(const people::Critiquer& critiquer, int d) {
  people::CritiquePrior prior{std::vector<double>(static_cast<size_t>(d)),
                              std::vector<double>(static_cast<size_t>(d) * static_cast<size_t>(d))};
  std::vector<double> milliseconds;
  for (int session = 0; session < 20; ++session) {
    Rng rng(3, cat("session ", session));
    for (int k = 0; k < d; ++k) {
      prior.mean[static_cast<size_t>(k)] = rng.normal();
      prior.covariance[static_cast<size_t>(k) * static_cast<size_t>(d + 1)] = 0.1;
    }
    std::vector<float> word(static_cast<size_t>(d));
    for (auto& v : word) v = static_cast<float>(rng.normal());
    const double one[] = {1.0};
    const auto direction = critiquer.direction("word", word, one);
    auto state = critiquer.start(prior);
    auto slate = critiquer.slate(state);
    for (int step = 0; step < critiquer.options().max_steps; ++step) {
      const auto start = Clock::now();
      std::vector<ItemIndex> shown;
      for (const auto& item : slate) shown.push_back(item.item);
      critiquer.show(state, shown);
      critiquer.apply(state, direction, 1, 1, shown);
      slate = critiquer.slate(state);
      milliseconds.push_back(1e3 * seconds_since(start));
    }
  }
  return median(milliseconds);
}

}  // namespace

Json run_cav(const Path& folder, int count, int d, bool cross_validate, int threads) {
  std::filesystem::create_directories(folder);
  const auto rows = random_rows(kItems, d, "cav items");
  const auto space = space_of(rows, d);
  std::vector<people::AttributeData> attributes;
  std::vector<int32_t> all;
  for (int index = 0; index < count; ++index) {
    const auto mine = examples_of(rows, d, index);
    attributes.push_back(attribute_of(mine, index));
    all.insert(all.end(), mine.begin(), mine.end());
  }
  people::CavOptions options;
  options.mode = "binary";
  options.cross_validate = cross_validate;
  ThreadPool pool(threads);
  const double before = processor_seconds();
  const auto start = Clock::now();
  const auto batch = people::train_cavs(space, attributes, options, pool);
  const double seconds = seconds_since(start);
  const double processor = processor_seconds() - before;
  check(batch.cavs.size() == attributes.size(), ErrorCode::kInternal, "[bench] ", batch.skipped.size(), " attributes were skipped");
  std::vector<float> w;
  std::vector<double> accuracy, iterations;
  for (const auto& cav : batch.cavs) {
    w.insert(w.end(), cav.w.begin(), cav.w.end());
    accuracy.push_back(cav.record.accuracy);
    iterations.push_back(cav.record.iterations);
  }
  write_array(folder / "cav_items.f32", rows);
  write_array(folder / "cav_rows.i32", all);
  write_array(folder / "cav_w.f32", w);
  return {{"mode", "cav"},
          {"cavs", count},
          {"examples", kExamples},
          {"rank", d},
          {"threads", threads},
          {"seconds", seconds},
          {"processor_seconds", processor},
          {"cross_validate", cross_validate},
          {"median_accuracy", median(accuracy)},
          {"median_iterations", median(iterations)}};
}

Json run_critique(int d) {
  constexpr int64_t kMany = 60000;
  const auto rows = random_rows(kMany, d, "critique items");
  Json out = {{"mode", "critique"}, {"items", kMany}, {"rank", d}};
  for (const char* update : {"heuristic", "bayes", "pairwise"}) {
    people::CritiqueOptions options;
    options.update = update;
    const people::Critiquer critiquer(rows, d, {}, options);
    out[cat("ms_", update)] = critique_ms(critiquer, d);
  }
  return out;
}

}  // namespace attune::bench
