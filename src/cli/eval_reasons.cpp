// attune eval reasons: how the check of reasons judges a file of labelled sentences (docs/methods/reasons.md).
#include <map>
#include <nlohmann/json.hpp>

#include "assist/grounding.h"
#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;
constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;

struct EvalReasonsOptions {
  std::string file;

  void describe(OptionList& list) {
    list.add("file", file,
             "Labelled sentences, one JSON object a line: title, year, genres, user_likes, user_dislikes, sentence, grounded, fault.")
        .positional()
        .required();
  }
};

struct Row {
  std::string id;
  assist::ReasonFacts facts;
  std::string sentence;
  bool grounded = false;
  std::string fault;  ///< of an ungrounded row
};

Row read_row(const Json& json) {
  Row row;
  row.id = json.value("id", "");
  row.facts.title = json.at("title").get<std::string>();
  if (json.contains("year") && json["year"].is_number_integer()) row.facts.year = json["year"].get<int>();
  row.facts.genres = json.at("genres").get<std::vector<std::string>>();
  row.facts.user_likes = json.at("user_likes").get<std::vector<std::string>>();
  row.facts.user_dislikes = json.at("user_dislikes").get<std::vector<std::string>>();
  row.sentence = json.at("sentence").get<std::string>();
  row.grounded = json.at("grounded").get<bool>();
  if (json.contains("fault") && json["fault"].is_string()) row.fault = json["fault"].get<std::string>();
  return row;
}

std::vector<Row> read_rows(const std::string& path) {
  const std::string text = read_file(path, kMaxFileBytes);
  std::vector<Row> rows;
  int64_t line_number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      rows.push_back(read_row(Json::parse(line)));
    } catch (const nlohmann::json::exception& error) {
      fail(ErrorCode::kCorruptData, "[eval reasons] ", path, ", line ", line_number, ": expected one labelled sentence, found ",
           error.what());
    }
  }
  return rows;
}

double share(int64_t part, int64_t whole) { return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole); }

Json evaluate(const CommandContext& context, const std::vector<Row>& rows) {
  std::vector<std::string> titles;
  for (const Row& row : rows) titles.push_back(row.facts.title);
  const assist::TitleIndex index(titles);
  int64_t grounded = 0;
  int64_t rejected = 0;
  int64_t accepted = 0;
  struct Count {
    int64_t rows = 0;
    int64_t accepted = 0;
  };
  std::map<std::string, Count> faults;
  std::map<std::string, int64_t> rejected_as;
  for (const Row& row : rows) {
    const assist::Verdict verdict = assist::check_reason(row.facts, row.sentence, &index);
    if (row.grounded) {
      ++grounded;
      if (verdict.accepted()) continue;
      ++rejected;
      ++rejected_as[std::string(assist::reason_fault_name(verdict.fault))];
      context.note(cat("rejected ", row.id, " (", verdict.detail, "): ", row.sentence));
      continue;
    }
    Count& count = faults[row.fault];
    ++count.rows;
    if (!verdict.accepted()) continue;
    ++count.accepted;
    ++accepted;
    context.note(cat("accepted ", row.id, " (", row.fault, "): ", row.sentence));
  }
  const auto num_rows = static_cast<int64_t>(rows.size());
  const int64_t ungrounded = num_rows - grounded;
  Json per_fault = Json::object();
  for (const auto& [fault, count] : faults) {
    per_fault[fault] = {{"rows", count.rows}, {"accepted", count.accepted}, {"accepted_share", share(count.accepted, count.rows)}};
  }
  return {{"rows", num_rows},
          {"grounded", grounded},
          {"ungrounded", ungrounded},
          {"ungrounded_accepted", accepted},
          {"grounded_rejected", rejected},
          {"ungrounded_accepted_share", share(accepted, ungrounded)},
          {"grounded_rejected_share", share(rejected, grounded)},
          {"per_fault", per_fault},
          {"grounded_rejected_as", rejected_as}};
}

int eval_reasons(const CommandContext& context, const EvalReasonsOptions& options) {
  const Json summary = evaluate(context, read_rows(options.file));
  if (context.common.json) {
    context.print(summary.dump());
    return 0;
  }
  context.print(cat(summary["ungrounded_accepted"].get<int64_t>(), " of ", summary["ungrounded"].get<int64_t>(),
                    " ungrounded sentences accepted, ", summary["grounded_rejected"].get<int64_t>(), " of ",
                    summary["grounded"].get<int64_t>(), " grounded ones rejected"));
  for (const auto& [fault, count] : summary["per_fault"].items()) {
    context.print(cat("  ", fault, ": ", count["accepted"].get<int64_t>(), " of ", count["rows"].get<int64_t>(), " accepted"));
  }
  return 0;
}

}  // namespace

void register_eval_reasons(CommandSet& commands) {
  commands.add("eval reasons", "How the check of reasons judges a file of labelled sentences.", [](CommandSpec& spec) {
    auto& options = spec.options<EvalReasonsOptions>();
    spec.example("attune eval reasons reasons.jsonl --json");
    return [&options](const CommandContext& context) { return eval_reasons(context, options); };
  });
}

}  // namespace attune::cli
