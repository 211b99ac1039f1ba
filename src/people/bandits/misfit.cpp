#include "people/bandits/misfit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "people/bandits/json_internal.h"
#include "people/bandits/latent_model_files.h"

namespace attune::people {
namespace {

constexpr const char* kWhat = "misfit monitor";
constexpr int64_t kFormat = 1;
constexpr double kMostShortfall = 10;
constexpr double kCertain = 1e-12;  // variance below this: the reward was known beforehand
constexpr double kSame = 1e-6;

double shortfall_of(double log_evidence, const EvidenceMoments& expected) noexcept {
  const double below = expected.mean - log_evidence;
  if (expected.variance < kCertain) return std::abs(below) < kSame ? 0 : kMostShortfall;
  return std::clamp(below / std::sqrt(expected.variance), -kMostShortfall, kMostShortfall);  // +infinity: the most
}

}  // namespace

void MisfitOptions::describe(OptionList& list) {
  list.add("misfit_slack", slack, "Shortfall a round that the alarm forgives.").range(0, 10).unit("standard deviations");
  list.add("misfit_alarm", alarm, "Sum of shortfalls beyond the slack that raises the alarm.").range(1, 1e6).unit("standard deviations");
}

MisfitMonitor::MisfitMonitor(MisfitOptions options) : options_(options) {
  check(options.slack >= 0 && options.slack <= 10, ErrorCode::kInvalidArgument, "[misfit monitor] slack: expected 0 to 10, found ",
        options.slack);
  check(options.alarm >= 1 && options.alarm <= 1e6, ErrorCode::kInvalidArgument, "[misfit monitor] alarm: expected 1 to 1e6, found ",
        options.alarm);
}

void MisfitMonitor::observe(double log_evidence, const EvidenceMoments& expected, std::span<const double> p) noexcept {
  const double s = shortfall_of(log_evidence, expected);
  ++num_rounds_;
  sum_ += s;
  for (double* sum : {&shortfall_, &excess_}) {
    *sum = std::max(0.0, *sum + (sum == &shortfall_ ? s : -s) - options_.slack);
    if (*sum <= options_.alarm) continue;
    *sum = 0;
    if (num_alarms_++ == 0) first_alarm_ = num_rounds_;
  }
  entropy_ = 0;
  for (const double x : p) entropy_ -= x > 0 ? x * std::log(x) : 0;
  const auto likeliest = static_cast<int32_t>(std::max_element(p.begin(), p.end()) - p.begin());
  rounds_in_state_ = likeliest == state_ ? rounds_in_state_ + 1 : 0;
  state_ = likeliest;
}

double MisfitMonitor::z() const noexcept { return num_rounds_ > 0 ? sum_ / std::sqrt(static_cast<double>(num_rounds_)) : 0; }

std::string MisfitMonitor::save() const {
  return bandit_json::Json{{"format", kFormat},
                           {"rounds", num_rounds_},
                           {"sum", sum_},
                           {"shortfall", shortfall_},
                           {"excess", excess_},
                           {"alarms", num_alarms_},
                           {"first_alarm", first_alarm_},
                           {"entropy", entropy_},
                           {"state", state_},
                           {"rounds_in_state", rounds_in_state_}}
      .dump();
}

void MisfitMonitor::load(std::string_view json) {
  using namespace bandit_json;
  constexpr auto kMost = std::numeric_limits<int64_t>::max();
  const Json object = parse_object(json, kWhat);
  const auto count = [&](const char* name, int64_t low, int64_t high) {
    return whole(member(object, name, kWhat), low, high, name, kWhat);
  };
  const auto real = [&](const char* name, double low) {
    const double out = number(member(object, name, kWhat), name, kWhat);
    check(out >= low, ErrorCode::kCorruptData, "[misfit monitor] ", name, ": expected at least ", low, ", found ", out);
    return out;
  };
  count("format", kFormat, kFormat);
  MisfitMonitor out(options_);
  out.num_rounds_ = count("rounds", 0, kMost);
  out.sum_ = real("sum", std::numeric_limits<double>::lowest());
  out.shortfall_ = real("shortfall", 0);
  out.excess_ = real("excess", 0);
  out.num_alarms_ = count("alarms", 0, out.num_rounds_);
  out.first_alarm_ = count("first_alarm", 0, out.num_rounds_);
  out.entropy_ = real("entropy", 0);
  out.state_ = static_cast<int32_t>(count("state", -1, kMostStates - 1));
  out.rounds_in_state_ = count("rounds_in_state", 0, out.num_rounds_);
  *this = out;
}

}  // namespace attune::people
