#include "cli/ratings.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/number.h"
#include "data/generated.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string with_interval(const stats::Interval& interval) {
  return cat(fixed(interval.mean, 4), " [", fixed(interval.low, 4), ", ", fixed(interval.high, 4), "]");
}

Path locate(const std::string& path) {
  if (path.empty()) return home_folder() / "datasets" / "ml-100k";
  if (std::filesystem::exists(path)) return path;
  const Path named = home_folder() / "datasets" / path;
  return std::filesystem::exists(named) ? named : Path(path);
}

void note_report(const CommandContext& context, const data::Dataset& dataset) {
  context.note(cat(dataset.name, ": ", dataset.shape_line()));
  for (const auto& notice : dataset.report.notices) context.note(notice);
  if (dataset.report.num_bad_rows == 0) return;
  context.note(cat(dataset.report.num_bad_rows, " of ", dataset.report.num_rows, " rows were left out:"));
  for (const auto& bad : dataset.report.bad_rows) context.note(cat("  ", bad.file, ":", bad.line, ": ", bad.reason));
}

void add_intervals(Json& line, const std::vector<people::MetricInterval>& metrics) {
  for (const auto& [metric, interval] : metrics) {
    line[metric] = interval.mean;
    line[metric + "_low"] = interval.low;
    line[metric + "_high"] = interval.high;
  }
}

void print_json(const CommandContext& context, const people::LearnReport& report, int k) {
  for (const auto& row : report.rows) {
    Json line = {{"model", row.model}, {"settings", row.settings}, {"split", report.split}, {"k", k}};
    add_intervals(line, row.metrics);
    line["coverage"] = row.coverage;
    line["gini"] = row.gini;
    for (const auto& group : row.groups) {
      line["groups"].push_back({{"ratings_from", group.least},
                                {"ratings_to", group.most},
                                {"users", group.ndcg.n},
                                {"ndcg", group.ndcg.mean},
                                {"ndcg_low", group.ndcg.low},
                                {"ndcg_high", group.ndcg.high}});
    }
    line["users"] = row.ndcg.n;
    line["users_without_relevant_item"] = report.num_users_skipped;
    line["users_without_history"] = report.num_users_without_history;
    line["train_seconds"] = row.train_seconds;
    line["test_seconds"] = row.test_seconds;
    context.print(line.dump());
  }
  for (const auto& difference : report.differences) {
    Json line = {{"difference", cat("weighted ALS - ", difference.other)}, {"k", k}};
    add_intervals(line, difference.metrics);
    line["users"] = difference.metrics[0].interval.n;
    line["ndcg_excludes_zero"] = difference.metrics[0].interval.excludes_zero();
    context.print(line.dump());
  }
}

void print_groups(const CommandContext& context, const people::LearnReport& report, int k) {
  if (report.rows[0].groups.empty()) return;
  std::string header = cat("| NDCG@", k, " of users with");
  std::string rule = "|---";
  for (const auto& group : report.rows[0].groups) {
    header += cat(" | ", group.least, " to ", group.most, " ratings (", group.ndcg.n, ")");
    rule += "|---";
  }
  context.print(header + " |");
  context.print(rule + "|");
  for (const auto& row : report.rows) {
    std::string line = cat("| ", row.model);
    for (const auto& group : row.groups) line += cat(" | ", with_interval(group.ndcg));
    context.print(line + " |");
  }
  context.print("");
}

}  // namespace

void RatingsOptions::describe(OptionList& list) {
  list.add("path", path, "Folder or file of ratings, or a name below datasets/; generated = a made-up set (default: ml-100k).")
      .positional();
  read.describe(list);
}

data::Dataset open_ratings(const CommandContext& context, const RatingsOptions& options) {
  data::Dataset out;
  if (options.path == "generated") {
    out = data::generate_dataset().dataset;
  } else {
    const Path path = locate(options.path);
    check(std::filesystem::exists(path), ErrorCode::kNotFound, "[read ratings] ", path.string(),
          " does not exist: scripts/bootstrap.sh fetches the default data, and the name `generated` needs none");
    out = data::read_dataset(path, options.read, context.progress);
  }
  note_report(context, out);
  return out;
}

void print_report(const CommandContext& context, const people::LearnReport& report, int k) {
  if (report.rows.empty()) return;
  if (context.common.json) return print_json(context, report, k);
  context.print(cat(report.shape, "; ", report.split));
  context.print(cat(report.num_users_tested, " users tested, ", report.num_users_skipped, " left out (no relevant rating in test), ",
                    report.num_users_without_history, " left out (no rating before the test); 95% intervals over users"));
  context.print("");
  context.print(cat("| model | NDCG@", k, " | Recall@", k,
                    " | Hit | MRR | MAP | Precision | AUC | novelty, bits | diversity | coverage | Gini | train s | "
                    "test s | settings |"));
  context.print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
  for (const auto& row : report.rows) {
    std::string line = cat("| ", row.model, " | ", with_interval(row.ndcg), " | ", with_interval(row.recall));
    for (const auto& [metric, interval] : row.metrics) {
      if (metric != "ndcg" && metric != "recall") line += cat(" | ", fixed(interval.mean, metric == "novelty" ? 2 : 4));
    }
    context.print(cat(line, " | ", fixed(row.coverage, 4), " | ", fixed(row.gini, 4), " | ", fixed(row.train_seconds, 2), " | ",
                      fixed(row.test_seconds, 2), " | ", row.settings, " |"));
  }
  context.print("");
  print_groups(context, report, k);
  for (const auto& difference : report.differences) {
    context.print(
        cat("weighted ALS - ", difference.other, ", NDCG@", k, ", paired by user: ", with_interval(difference.metrics[0].interval)));
  }
}

void print_csv(const CommandContext& context, const people::LearnReport& report) {
  if (report.rows.empty()) return;
  std::string header = "model";
  for (const auto& [metric, interval] : report.rows[0].metrics) header += cat(",", metric, ",", metric, "_low,", metric, "_high");
  context.print(header + ",coverage,gini,users,train_seconds,test_seconds,settings");
  for (const auto& row : report.rows) {
    std::string line = row.model;
    for (const auto& [metric, interval] : row.metrics) {
      line += cat(",", fixed(interval.mean, 6), ",", fixed(interval.low, 6), ",", fixed(interval.high, 6));
    }
    context.print(cat(line, ",", fixed(row.coverage, 6), ",", fixed(row.gini, 6), ",", row.ndcg.n, ",", fixed(row.train_seconds, 3), ",",
                      fixed(row.test_seconds, 3), ",\"", row.settings, "\""));
  }
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char buffer[32];
  std::strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return buffer;
}

}  // namespace attune::cli
