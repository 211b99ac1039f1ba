#include "people/learn.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "core/number.h"
#include "data/split.h"
#include "people/als.h"
#include "people/bpr.h"
#include "people/evaluate.h"

namespace attune::people {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Candidate {
  std::string name;
  AlsOptions options;
};

std::string settings_of(const Candidate& c) {
  const AlsOptions& o = c.options;
  std::string out = cat(c.name, " rank=", o.rank, " lambda=", o.lambda, " w0=", o.w0, " target=", o.target, " sweeps=", o.sweeps);
  if (o.target == "liked") out += cat(" low_weight=", o.low_weight, " low_target=", o.low_target, " low_slope=", o.low_slope);
  if (o.target == "residual") out += o.rank_with_bias ? " with item bias" : " without item bias";
  return out;
}

Candidate preset_candidate(const std::string& name, double liked) {
  Candidate out{name, als_preset(name)};
  out.options.liked_threshold = liked;
  return out;
}

/// Everything the choice is made among, in two stages: the second varies the winner of the first.
std::vector<Candidate> first_stage(const LearnOptions& options) {
  std::vector<Candidate> out;
  if (options.preset != "auto") return {preset_candidate(options.preset, options.relevant_rating)};
  for (const auto& name : als_preset_names()) {
    // To `implicit` one star is a choice like five: it would bring more of what a person dislikes.
    if (name != "implicit") out.push_back(preset_candidate(name, options.relevant_rating));
  }
  Candidate bare = preset_candidate("soft_attributes", options.relevant_rating);
  bare.options.rank_with_bias = false;
  out.push_back(bare);
  for (const double lambda : {0.005, 0.01, 0.02}) {
    for (const double w0 : {0.1, 0.3}) {
      Candidate c = preset_candidate("ranking", options.relevant_rating);
      c.options.lambda = lambda;
      c.options.w0 = w0;
      out.push_back(c);
    }
  }
  return out;
}

std::vector<Candidate> second_stage(const Candidate& best) {
  std::vector<Candidate> out;
  if (best.name != "ranking") return out;
  for (const int rank : {16, 64}) {
    Candidate c = best;
    c.options.rank = rank;
    out.push_back(c);
  }
  for (const auto& [low, slope] : {std::pair(0.5, 0.3), std::pair(0.9, 0.5)}) {  // the lowest rating always pushes away: low < 2 slope
    Candidate c = best;
    c.options.low_target = low;
    c.options.low_slope = slope;
    out.push_back(c);
  }
  return out;
}

class Study {
 public:
  Study(const data::Dataset& dataset, const LearnOptions& options, ThreadPool& pool, ProgressSink& progress)
      : dataset_(dataset),
        options_(options),
        pool_(pool),
        progress_(progress),
        split_(data::split_ratings(dataset, {.kind = options.split, .seed = options.seed})) {
    check(!split_.train.empty() && !split_.valid.empty() && !split_.test.empty(), ErrorCode::kInvalidArgument, "[learn] ",
          dataset.shape_line(), ": too few to split 8:1:1, expected users with at least 5 ratings");
    train_history_ = histories(split_.train, num_users());
    train_valid_ = split_.train;
    train_valid_.insert(train_valid_.end(), split_.valid.begin(), split_.valid.end());
    full_history_ = histories(train_valid_, num_users());
  }

  Candidate choose(LearnReport& report);
  ItemKnnOptions choose_knn();
  BprOptions choose_bpr();
  void compare(const Candidate& best, LearnReport& report);

 private:
  int32_t num_users() const { return dataset_.users.size(); }
  int32_t num_items() const { return dataset_.items.size(); }
  EvaluationOptions evaluation() const { return {options_.k, options_.relevant_rating, dataset_.item_info}; }
  double validate(const Ranker& ranker) {
    return evaluate_ranking(ranker, train_history_, split_.valid, num_items(), pool_, evaluation()).mean(&stats::RankingMetrics::ndcg);
  }
  Evaluation test(const Ranker& ranker) { return evaluate_ranking(ranker, full_history_, split_.test, num_items(), pool_, evaluation()); }
  bool wants(std::string_view model) const {
    return std::find(options_.models.begin(), options_.models.end(), model) != options_.models.end();
  }
  /// Fits, tests, adds a row.
  void add_row(std::string model, std::string settings, LearnReport& report, const std::function<std::unique_ptr<Ranker>()>& make);
  void add_intervals(LearnReport& report) const;
  void add_groups(LearnReport& report) const;
  stats::BootstrapOptions bootstrap() const { return {.resamples = options_.resamples, .seed = options_.seed}; }
  void step() { progress_.update("models", ++done_, total_); }

  const data::Dataset& dataset_;
  const LearnOptions& options_;
  ThreadPool& pool_;
  ProgressSink& progress_;
  data::Split split_;
  std::vector<data::Interaction> train_valid_;
  std::vector<std::vector<RatedItem>> train_history_;
  std::vector<std::vector<RatedItem>> full_history_;
  std::vector<Evaluation> tested_;  ///< of the report's rows
  int64_t done_ = 0;
  int64_t total_ = 0;
};

Candidate Study::choose(LearnReport& report) {
  std::optional<Candidate> best;
  double best_ndcg = -1;
  const auto try_all = [&](const std::vector<Candidate>& candidates) {
    total_ += static_cast<int64_t>(candidates.size());
    for (const auto& candidate : candidates) {
      const AlsModel model = fit_als(split_.train, num_users(), num_items(), candidate.options, pool_);
      const double ndcg = validate(AlsRanker(model));
      report.candidates.push_back(cat(settings_of(candidate), ": ", fixed(ndcg, 4)));
      if (ndcg > best_ndcg) {
        best_ndcg = ndcg;
        best = candidate;
      }
      step();
    }
  };
  total_ = 1 + (wants("item-knn") ? 9 : 0) + (wants("bpr") ? 5 : 0) + (wants("popularity") ? 1 : 0);  // settings tried and tests
  try_all(first_stage(options_));
  if (options_.preset == "auto") try_all(second_stage(*best));
  return *best;
}

ItemKnnOptions Study::choose_knn() {
  ItemKnnOptions best;
  double best_ndcg = -1;
  for (const int neighbours : {50, 200}) {
    for (const double shrinkage : {10.0, 50.0}) {
      for (const double threshold : {-1e9, options_.relevant_rating}) {
        const ItemKnnOptions candidate{neighbours, shrinkage, threshold};
        const double ndcg = validate(ItemKnnRanker(split_.train, num_users(), num_items(), candidate, pool_));
        if (ndcg > best_ndcg) {
          best_ndcg = ndcg;
          best = candidate;
        }
        step();
      }
    }
  }
  return best;
}

BprOptions Study::choose_bpr() {
  BprOptions best;
  double best_ndcg = -1;
  for (const double threshold : {-1e9, options_.relevant_rating}) {
    for (const double decay : {0.01, 0.03}) {
      BprOptions candidate;
      candidate.threshold = threshold;
      candidate.user_decay = candidate.item_decay = decay;
      candidate.seed = options_.seed;
      const double ndcg = validate(BprRanker(split_.train, num_users(), num_items(), candidate));
      if (ndcg > best_ndcg) {
        best_ndcg = ndcg;
        best = candidate;
      }
      step();
    }
  }
  return best;
}

constexpr std::pair<const char*, double UserMetrics::*> kMetrics[] = {{"ndcg", &stats::RankingMetrics::ndcg},
                                                                      {"recall", &stats::RankingMetrics::recall},
                                                                      {"hit", &stats::RankingMetrics::hit},
                                                                      {"mrr", &stats::RankingMetrics::mrr},
                                                                      {"map", &stats::RankingMetrics::map},
                                                                      {"precision", &stats::RankingMetrics::precision},
                                                                      {"auc", &UserMetrics::auc},
                                                                      {"novelty", &UserMetrics::novelty},
                                                                      {"diversity", &UserMetrics::diversity}};

void Study::add_row(std::string model, std::string settings, LearnReport& report, const std::function<std::unique_ptr<Ranker>()>& make) {
  const auto start = Clock::now();
  const auto ranker = make();
  const double train_seconds = seconds_since(start);
  const auto tested = Clock::now();
  tested_.push_back(test(*ranker));
  ModelRow row{.model = std::move(model), .settings = std::move(settings), .ndcg = {}, .recall = {}, .metrics = {}, .groups = {}};
  row.coverage = tested_.back().coverage;
  row.gini = tested_.back().gini;
  row.train_seconds = train_seconds;
  row.test_seconds = seconds_since(tested);
  report.rows.push_back(std::move(row));
  step();
}

/// One set of draws for all metrics, models and differences: whole users are resampled, so differences are paired.
void Study::add_intervals(LearnReport& report) const {
  std::vector<std::vector<double>> columns;
  for (const auto& evaluation : tested_) {
    for (const auto& [name, metric] : kMetrics) columns.push_back(evaluation.values(metric));
  }
  const size_t per_model = std::size(kMetrics);
  for (size_t c = per_model; c < tested_.size() * per_model; ++c) {
    columns.push_back(columns[c % per_model]);
    for (size_t u = 0; u < columns[c].size(); ++u) columns.back()[u] -= columns[c][u];
  }
  const auto intervals = stats::bootstrap_means(columns, bootstrap());
  const auto metrics_at = [&](size_t first) {
    std::vector<MetricInterval> out;
    for (size_t c = 0; c < per_model; ++c) out.push_back({kMetrics[c].first, intervals[first + c]});
    return out;
  };
  for (size_t n = 0; n < report.rows.size(); ++n) {
    ModelRow& row = report.rows[n];
    row.metrics = metrics_at(n * per_model);
    row.ndcg = row.metrics[0].interval;
    row.recall = row.metrics[1].interval;
    if (n > 0) report.differences.push_back({row.model, metrics_at((report.rows.size() + n - 1) * per_model)});
  }
}

/// Thirds of the users by number of ratings (equal numbers in order of rows), the same users for every model.
void Study::add_groups(LearnReport& report) const {
  const auto& size = tested_[0].history_size;
  std::vector<size_t> order(size.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return size[a] < size[b]; });
  constexpr size_t kGroups = 3;
  for (size_t g = 0; g < kGroups && order.size() >= kGroups; ++g) {
    const auto members =
        std::span(order).subspan(g * order.size() / kGroups, (g + 1) * order.size() / kGroups - g * order.size() / kGroups);
    std::vector<std::vector<double>> columns(tested_.size());
    for (size_t n = 0; n < tested_.size(); ++n) {
      for (const size_t u : members) columns[n].push_back(tested_[n].metrics[u].ndcg);
    }
    const auto intervals = stats::bootstrap_means(columns, bootstrap());
    for (size_t n = 0; n < tested_.size(); ++n)
      report.rows[n].groups.push_back({size[members.front()], size[members.back()], intervals[n]});
  }
}

void Study::compare(const Candidate& best, LearnReport& report) {
  std::optional<AlsModel> model;
  add_row("weighted ALS", settings_of(best), report, [&] {
    model.emplace(fit_als(train_valid_, num_users(), num_items(), best.options, pool_));
    return std::make_unique<AlsRanker>(*model);
  });
  if (wants("bpr")) {
    const BprOptions bpr = choose_bpr();
    add_row("BPR",
            cat("rank=", bpr.rank, " epochs=", bpr.epochs, " learning_rate=", bpr.learning_rate, " decay=", bpr.user_decay,
                bpr.threshold > -1e8 ? " liked items only" : " all rated items"),
            report, [&] { return std::make_unique<BprRanker>(train_valid_, num_users(), num_items(), bpr); });
  }
  if (wants("item-knn")) {
    const ItemKnnOptions knn = choose_knn();
    add_row(
        "item-kNN",
        cat("neighbours=", knn.neighbours, " shrinkage=", knn.shrinkage, knn.threshold > -1e8 ? " liked items only" : " all rated items"),
        report, [&] { return std::make_unique<ItemKnnRanker>(train_valid_, num_users(), num_items(), knn, pool_); });
  }
  if (wants("popularity")) {
    add_row("popularity", "number of ratings", report, [&] { return std::make_unique<PopularityRanker>(train_valid_, num_items()); });
  }
  add_intervals(report);
  add_groups(report);
  report.num_users_tested = static_cast<int64_t>(tested_[0].users.size());
  report.num_users_skipped = tested_[0].num_skipped;
  report.num_users_without_history = tested_[0].num_without_history;
}

TrainRecord record_of(const data::Dataset& dataset, const LearnReport& report, const Candidate& best, const LearnOptions& options,
                      const std::string& created) {
  TrainRecord out{dataset.name, static_cast<int64_t>(dataset.interactions.size()), created, {}, settings_of(best)};
  for (const auto& row : report.rows) {
    out.metrics[cat("test ndcg@", options.k, " ", row.model)] = row.ndcg.mean;
    out.metrics[cat("test recall@", options.k, " ", row.model)] = row.recall.mean;
  }
  for (const auto& difference : report.differences) {
    if (difference.other != "popularity") continue;
    out.metrics["test ndcg over popularity, low"] = difference.metrics[0].interval.low;
    out.metrics["test ndcg over popularity, high"] = difference.metrics[0].interval.high;
  }
  return out;
}

std::string split_sentence(const LearnOptions& options) {
  if (options.split == "temporal") return "all ratings by time 8:1:1";
  if (options.split == "user_temporal") return "each user's ratings by time 8:1:1";
  if (options.split == "leave_one_out") return "the last rating of each user for test, the one before for validation";
  return cat("each user's ratings at random 8:1:1 (seed ", options.seed, ")");
}

constexpr double kRelevantShare = 0.8;

double largest_rating(const data::Dataset& dataset) {
  check(!dataset.interactions.empty(), ErrorCode::kInvalidArgument, "[learn] the data holds no rating");
  const auto less = [](const data::Interaction& a, const data::Interaction& b) { return a.rating < b.rating; };
  return std::max_element(dataset.interactions.begin(), dataset.interactions.end(), less)->rating;
}

}  // namespace

void LearnOptions::describe(OptionList& list) {
  list.add("preset", preset, "Configuration of weighted ALS; auto chooses on validation.")
      .choices({"auto", "ranking", "soft_attributes", "eagle", "latent_bandits", "implicit"});
  list.add("k", k, "Cut-off of the ranking metrics.").range(1, 1000);
  list.add("relevant_rating", relevant_rating, "Ratings of at least this are relevant; 0 = 0.8 times the largest rating.").range(-1e6, 1e6);
  list.add("split", split, "How the ratings are split: each user's at random, each user's or all by time, or the last one of each user.")
      .choices({"random", "user_temporal", "temporal", "leave_one_out"});
  list.add("resamples", resamples, "Bootstrap resamples.").range(100, 1000000);
  list.add("seed", seed, "Seed of split, start and bootstrap.");
  list.add("models", models,
           "Models in the table, of als, bpr, item-knn, popularity; als, from which the others differ, is there in any case.");
}

const stats::Interval& LearnReport::ndcg_over(std::string_view model) const {
  for (const auto& difference : differences) {
    if (difference.other == model) return difference.metrics[0].interval;
  }
  fail(ErrorCode::kNotFound, "[learn] the table has no model '", model, "'");
}

Learned learn_recommender(const data::Dataset& dataset, const LearnOptions& given, bool refit, const std::string& created, ThreadPool& pool,
                          ProgressSink& progress) {
  Learned out;
  out.report.shape = dataset.shape_line();
  LearnOptions options = given;
  for (const auto& model : options.models) {
    check(model == "als" || model == "bpr" || model == "item-knn" || model == "popularity", ErrorCode::kInvalidArgument, "[learn] model '",
          model, "', expected als, bpr, item-knn or popularity");
  }
  if (options.relevant_rating == 0) options.relevant_rating = kRelevantShare * largest_rating(dataset);
  out.report.relevant_rating = options.relevant_rating;
  Candidate best = preset_candidate(options.preset == "auto" ? "ranking" : options.preset, options.relevant_rating);
  if (options.compare) {
    out.report.split = cat(split_sentence(options), "; relevant: rating of at least ", options.relevant_rating,
                           "; candidates: every item the user has not rated in the training part");
    Study study(dataset, options, pool, progress);
    best = study.choose(out.report);
    study.compare(best, out.report);
  }
  if (refit) {
    AlsModel model =
        fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), best.options, pool, [&](int sweep, const Als&) {
          progress.update("sweeps over all ratings", sweep, best.options.sweeps);
          return true;
        });
    out.recommender =
        std::make_shared<const Recommender>(dataset, std::move(model), record_of(dataset, out.report, best, options, created));
  }
  return out;
}

}  // namespace attune::people
