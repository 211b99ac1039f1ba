#include "people/bandits/bandit_log.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/error.h"
#include "io/csv/csv.h"
#include "io/jsonl/jsonl.h"
#include "people/bandits/json_internal.h"
#include "people/bandits/latent_model_files.h"

namespace attune::people {
namespace {

using bandit_json::Json;
using bandit_json::member;
using bandit_json::number;
using bandit_json::whole;

constexpr size_t kMostListed = 20;
constexpr size_t kMostLineBytes = size_t{16} << 20;
constexpr size_t kMostKeyBytes = 256;
constexpr size_t kMostActions = 1000000;
constexpr double kMostTime = 1e15;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Names to numbers in order of appearance.
class Names {
 public:
  explicit Names(std::vector<std::string>& names) : names_(names) {}
  int32_t index(const std::string& name) {
    const auto [at, fresh] = known_.try_emplace(name, static_cast<int32_t>(names_.size()));
    if (fresh) names_.push_back(name);
    return at->second;
  }

 private:
  std::vector<std::string>& names_;
  std::unordered_map<std::string, int32_t> known_;
};

/// One line on its way into the log; nothing is added before all of it was checked.
struct Line {
  std::string user;
  LoggedDecision decision;
  bool has_time = false;
  std::vector<int32_t> arms;
  std::vector<double> features;
  int32_t d = 0;
  std::string policy, model;
};

std::string key(const Json& value, const char* name, const std::string& place) {
  std::string out = value.is_number_integer() ? value.dump() : bandit_json::text(value, kMostKeyBytes, name, place);
  check(!out.empty() && io::is_valid_utf8(out), ErrorCode::kCorruptData, "[", place, "] ", name, ": expected 1 to ", kMostKeyBytes,
        " bytes of UTF-8");
  return out;
}

const Json* optional(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

void parse_offer(const Json& json, const std::string& place, int32_t num_arms, Line& out) {
  const int64_t most = num_arms > 0 ? num_arms : kMostArms;
  if (const Json* arms = optional(json, "arms")) {
    check(arms->is_array() && !arms->empty() && arms->size() <= kMostActions, ErrorCode::kCorruptData, "[", place,
          "] arms: expected a list of 1 to ", kMostActions, " arms");
    for (const Json& arm : *arms) out.arms.push_back(static_cast<int32_t>(whole(arm, 0, most - 1, "arms", place)));
  }
  if (const Json* rows = optional(json, "features")) {
    check(rows->is_array() && !rows->empty() && rows->size() <= kMostActions && rows->front().is_array() && !rows->front().empty() &&
              rows->front().size() <= static_cast<size_t>(kMostFeatures),
          ErrorCode::kCorruptData, "[", place, "] features: expected a list of 1 to ", kMostActions, " lists of 1 to ", kMostFeatures,
          " numbers");
    out.d = static_cast<int32_t>(rows->front().size());
    out.features = bandit_json::numbers(*rows, {rows->size(), rows->front().size()}, "features", place);
  }
  const size_t num_features = out.d > 0 ? out.features.size() / static_cast<size_t>(out.d) : 0;
  check(out.arms.empty() || out.d == 0 || out.arms.size() == num_features, ErrorCode::kCorruptData, "[", place, "] ", out.arms.size(),
        " arms and ", num_features, " rows of features: expected as many");
  out.decision.num_actions = static_cast<int32_t>(std::max(out.arms.size(), num_features));
  const int64_t actions = out.decision.num_actions > 0 ? out.decision.num_actions : most;
  out.decision.action = static_cast<int32_t>(whole(member(json, "action", place), 0, actions - 1, "action", place));
}

Line parse_line(std::string_view text, const std::string& place, int32_t num_arms) {
  check(text.size() <= kMostLineBytes, ErrorCode::kCorruptData, "[", place, "] expected at most ", kMostLineBytes,
        " bytes in a line, found ", text.size());
  const Json json = bandit_json::parse_object(text, place);
  Line out;
  out.user = key(member(json, "user", place), "user", place);
  const Json* time = optional(json, "time");
  if (time == nullptr) time = optional(json, "t");
  if (time != nullptr) {
    out.has_time = true;
    out.decision.time = number(*time, "time", place);
    check(std::abs(out.decision.time) <= kMostTime, ErrorCode::kCorruptData, "[", place, "] time: expected at most ", kMostTime, ", found ",
          out.decision.time);
  }
  parse_offer(json, place, num_arms, out);
  const Json* propensity = optional(json, "propensity");
  out.decision.propensity = propensity != nullptr ? number(*propensity, "propensity", place) : kNone;
  check(propensity == nullptr || (out.decision.propensity > 0 && out.decision.propensity <= 1), ErrorCode::kCorruptData, "[", place,
        "] propensity: expected above 0, at most 1, found ", out.decision.propensity);
  const Json* reward = optional(json, "reward");
  out.decision.reward = reward != nullptr ? number(*reward, "reward", place) : kNone;
  if (const Json* policy = optional(json, "policy")) out.policy = key(*policy, "policy", place);
  if (const Json* model = optional(json, "model")) out.model = key(*model, "model", place);
  return out;
}

class Reader {
 public:
  Reader(std::string_view name, const BanditLogOptions& options) : name_(name), options_(options) {}

  BanditLog read(std::string_view text) {
    io::LineReader lines(text);
    std::string_view line;
    while (lines.next(line)) {
      ++log_.report.num_lines;
      const std::string place = cat(name_, ":", lines.line_number());
      try {
        add(parse_line(line, place, options_.num_arms), place);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kCorruptData) throw;
        ++log_.report.num_bad;
        if (log_.report.bad.size() < kMostListed) log_.report.bad.push_back(error.message());
      }
    }
    finish();
    return std::move(log_);
  }

 private:
  void add(Line line, const std::string& place) {
    if (any_) {
      check(line.has_time == log_.report.has_times, ErrorCode::kCorruptData, "[", place, "] time: expected ",
            log_.report.has_times ? "one, as in lines before" : "none, as in lines before");
      check(line.d == log_.d, ErrorCode::kCorruptData, "[", place, "] features: expected ", log_.d, " an action, found ", line.d);
    }
    any_ = true;
    log_.report.has_times = line.has_time;
    log_.d = line.d;
    LoggedDecision decision = line.decision;
    decision.policy = line.policy.empty() ? -1 : policies_.index(line.policy);
    decision.model = line.model.empty() ? -1 : models_.index(line.model);
    const int32_t user = users_.index(line.user);
    if (decision.num_actions > 0) {
      decision.first = num_actions_;
      num_actions_ += decision.num_actions;
      if (line.arms.empty()) line.arms.assign(static_cast<size_t>(decision.num_actions), -1);
      log_.arms.insert(log_.arms.end(), line.arms.begin(), line.arms.end());
      log_.features.insert(log_.features.end(), line.features.begin(), line.features.end());
      for (const int32_t arm : line.arms) log_.num_arms = std::max(log_.num_arms, arm + 1);
    } else {
      log_.num_arms = std::max(log_.num_arms, decision.action + 1);
    }
    if (static_cast<size_t>(user) == latest_.size()) latest_.push_back(decision.time);
    if (decision.time < latest_[static_cast<size_t>(user)]) ++log_.report.num_out_of_order;
    latest_[static_cast<size_t>(user)] = std::max(latest_[static_cast<size_t>(user)], decision.time);
    log_.report.num_rewards += std::isnan(decision.reward) ? 0 : 1;
    log_.report.num_propensities += std::isnan(decision.propensity) ? 0 : 1;
    rows_.push_back({user, decision});
  }

  void finish() {
    const BanditLogReport& report = log_.report;
    const std::string first = report.bad.empty() ? std::string() : cat("; the first: ", report.bad.front());
    check(report.num_bad * 100 <= report.num_lines, ErrorCode::kCorruptData, "[bandit log] ", name_, ": ", report.num_bad, " of ",
          report.num_lines, " lines are bad, expected at most 1 %", first);
    check(!rows_.empty(), ErrorCode::kCorruptData, "[bandit log] ", name_, ": expected decisions, found none", first);
    if (options_.num_arms > 0) log_.num_arms = options_.num_arms;
    log_.time_unit = options_.time_unit;
    std::stable_sort(rows_.begin(), rows_.end(),
                     [](const Row& a, const Row& b) { return a.user != b.user ? a.user < b.user : a.decision.time < b.decision.time; });
    for (size_t i = 0; i < rows_.size(); ++i) {
      const bool fresh = i == 0 || rows_[i].user != rows_[i - 1].user;
      if (fresh && i > 0) log_.offsets.push_back(static_cast<int64_t>(i));
      LoggedDecision& decision = rows_[i].decision;
      if (decision.num_actions == 0) decision.num_actions = log_.num_arms;
      if (!fresh) decision.dt = gap(decision.time - rows_[i - 1].decision.time);
      log_.decisions.push_back(decision);
    }
    log_.offsets.push_back(static_cast<int64_t>(rows_.size()));
  }

  double gap(double time) {
    if (!log_.report.has_times || options_.time_unit == 0) return 1;
    double out = time / options_.time_unit;
    if (!options_.fractions) out = std::round(out);
    log_.report.num_gaps += out > 1 ? 1 : 0;
    log_.report.greatest_gap = std::max(log_.report.greatest_gap, out);
    return out;
  }

  struct Row {
    int32_t user;
    LoggedDecision decision;
  };
  std::string name_;
  const BanditLogOptions& options_;
  BanditLog log_;
  Names users_{log_.users};
  Names policies_{log_.policies};
  Names models_{log_.models};
  std::vector<Row> rows_;
  std::vector<double> latest_;
  int64_t num_actions_ = 0;
  bool any_ = false;
};

}  // namespace

void BanditLogOptions::describe(OptionList& list) {
  list.add("num_arms", num_arms, "Arms of the log; 0: one more than the greatest that occurs. Others make a line bad.").range(0, kMostArms);
  list.add("time_unit", time_unit, "Length of a round on the log's clock; 0: times only order, every gap is one round.").range(0, 1e15);
  list.add("fractions", fractions, "Keep gaps of fractions of a round (sticky transitions only) instead of rounding them.");
}

Round BanditLog::round(int64_t index, int64_t t) const {
  const LoggedDecision& decision = decisions[static_cast<size_t>(index)];
  Round out;
  out.t = t;
  out.num_actions = decision.num_actions;
  out.dt = decision.dt;
  if (decision.first < 0) return out;
  const auto n = static_cast<size_t>(decision.num_actions);
  const auto first = static_cast<size_t>(decision.first);
  if (arms[first] >= 0) out.arms = std::span(arms).subspan(first, n);
  if (d > 0) out.features = std::span(features).subspan(first * static_cast<size_t>(d), n * static_cast<size_t>(d));
  return out;
}

BanditSequences BanditLog::sequences() const {
  BanditSequences out;
  out.d = d;
  out.num_arms = d > 0 ? 0 : num_arms;
  out.offsets = offsets;
  for (size_t i = 0; i < decisions.size(); ++i) {
    const LoggedDecision& decision = decisions[i];
    const Round offered = round(static_cast<int64_t>(i), 0);
    if (d > 0) {
      const auto x = offered.features_of(decision.action);
      out.features.insert(out.features.end(), x.begin(), x.end());
    } else {
      out.arms.push_back(offered.arm(decision.action));
    }
    out.rewards.push_back(decision.reward);
    out.dt.push_back(decision.dt);
  }
  return out;
}

BanditLog parse_bandit_log(std::string_view text, std::string_view name, const BanditLogOptions& options) {
  check(options.num_arms >= 0 && options.num_arms <= kMostArms, ErrorCode::kInvalidArgument, "[bandit log] num_arms: expected 0 to ",
        kMostArms, ", found ", options.num_arms);
  check(std::isfinite(options.time_unit) && options.time_unit >= 0, ErrorCode::kInvalidArgument,
        "[bandit log] time_unit: expected at least 0, found ", options.time_unit);
  return Reader(name, options).read(text);
}

BanditLog read_bandit_log(const Path& path, const BanditLogOptions& options) {
  const MappedFile file(path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  return parse_bandit_log(text, path.filename().string(), options);
}

std::string bandit_log_line(std::string_view user, double time, const Round& round, const Choice& choice, std::optional<double> reward,
                            std::string_view policy, std::string_view model) {
  Json out = {{"user", user}, {"time", time}};
  if (!round.arms.empty()) out["arms"] = std::vector<int32_t>(round.arms.begin(), round.arms.end());
  if (!round.features.empty()) {
    Json rows = Json::array();
    for (int32_t a = 0; a < round.num_actions; ++a) {
      const auto x = round.features_of(a);
      rows.push_back(std::vector<double>(x.begin(), x.end()));
    }
    out["features"] = std::move(rows);
  }
  out["action"] = choice.action;
  if (!std::isnan(choice.propensity)) out["propensity"] = choice.propensity;
  if (reward) out["reward"] = *reward;
  if (!policy.empty()) out["policy"] = policy;
  if (!model.empty()) out["model"] = model;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string bandit_log_text(const BanditLog& log) {
  const auto name = [](const std::vector<std::string>& names, int32_t index) -> std::string_view {
    return index < 0 ? std::string_view() : std::string_view(names[static_cast<size_t>(index)]);
  };
  std::string out;
  for (size_t u = 0; u < log.users.size(); ++u) {
    double time = 0;
    for (int64_t i = log.offsets[u]; i < log.offsets[u + 1]; ++i) {
      const LoggedDecision& decision = log.decisions[static_cast<size_t>(i)];
      if (i > log.offsets[u]) time += decision.dt;
      const auto reward = std::isnan(decision.reward) ? std::nullopt : std::optional(decision.reward);
      out += bandit_log_line(log.users[u], log.report.has_times ? decision.time : time, log.round(i, i - log.offsets[u]),
                             {decision.action, decision.propensity}, reward, name(log.policies, decision.policy),
                             name(log.models, decision.model));
    }
  }
  return out;
}

}  // namespace attune::people
