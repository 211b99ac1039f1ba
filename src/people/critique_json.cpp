// Critiques and sessions as JSON.
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "people/critique.h"

namespace attune::people {
namespace {

using Json = nlohmann::json;

constexpr int64_t kVersion = 1;
constexpr size_t kMaxRank = 4096;
constexpr size_t kMaxSlate = 1000;

Json parse_object(std::string_view text, std::string_view what) {
  Json out = Json::parse(text.begin(), text.end(), nullptr, false);
  check(out.is_object(), ErrorCode::kCorruptData, "[parse ", what, "] expected a JSON object");
  return out;
}

const Json& field(const Json& object, const char* name, std::string_view what) {
  const auto found = object.find(name);
  check(found != object.end(), ErrorCode::kCorruptData, "[parse ", what, "] field ", name, " is missing");
  return *found;
}

double number(const Json& value, std::string_view name, std::string_view what) {
  check(value.is_number(), ErrorCode::kCorruptData, "[parse ", what, "] field ", name, ": expected a number");
  const auto out = value.get<double>();
  check(std::isfinite(out), ErrorCode::kCorruptData, "[parse ", what, "] field ", name, " is not finite");
  return out;
}

int64_t whole(const Json& value, int64_t low, int64_t high, std::string_view name, std::string_view what) {
  check(value.is_number_integer(), ErrorCode::kCorruptData, "[parse ", what, "] field ", name, ": expected a whole number");
  const auto out = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX} ? INT64_MAX : value.get<int64_t>();
  check(out >= low && out <= high, ErrorCode::kCorruptData, "[parse ", what, "] field ", name, " is ", out, ", expected ", low, " to ",
        high);
  return out;
}

std::vector<double> numbers(const Json& object, const char* name, std::string_view what) {
  const Json& list = field(object, name, what);
  check(list.is_array(), ErrorCode::kCorruptData, "[parse ", what, "] field ", name, ": expected a list of numbers");
  std::vector<double> out;
  out.reserve(list.size());
  for (const Json& value : list) out.push_back(number(value, name, what));
  return out;
}

void expect_size(const std::vector<double>& values, size_t expected, std::string_view name) {
  check(values.size() == expected, ErrorCode::kCorruptData, "[parse critique state] field ", name, " has ", values.size(),
        " numbers, expected ", expected);
}

}  // namespace

std::string critique_event_json(const CritiqueEvent& event) {
  Json out = {{"attribute", event.attribute}, {"sign", event.sign}, {"strength", event.strength}, {"slate", event.slate}};
  if (!event.update.empty()) out["update"] = event.update;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

CritiqueEvent parse_critique_event(std::string_view json) {
  constexpr std::string_view kWhat = "critique";
  const Json object = parse_object(json, kWhat);
  CritiqueEvent out;
  const Json& attribute = field(object, "attribute", kWhat);
  check(attribute.is_string() && !attribute.get_ref<const std::string&>().empty(), ErrorCode::kCorruptData,
        "[parse critique] field attribute: expected a text that is not empty");
  out.attribute = attribute.get<std::string>();
  out.sign = static_cast<int32_t>(whole(field(object, "sign", kWhat), -1, 1, "sign", kWhat));
  check(out.sign != 0, ErrorCode::kCorruptData, "[parse critique] field sign is 0, expected 1 or -1");
  if (object.contains("strength")) out.strength = number(object["strength"], "strength", kWhat);
  check(out.strength > 0 && out.strength <= 4, ErrorCode::kCorruptData, "[parse critique] field strength is ", out.strength,
        ", expected above 0, at most 4");
  if (const auto update = object.find("update"); update != object.end()) {
    check(*update == "heuristic" || *update == "bayes" || *update == "pairwise", ErrorCode::kCorruptData,
          "[parse critique] field update: expected heuristic, bayes or pairwise");
    out.update = update->get<std::string>();
  }
  if (!object.contains("slate")) return out;
  const Json& slate = object["slate"];
  check(slate.is_array() && slate.size() <= kMaxSlate, ErrorCode::kCorruptData, "[parse critique] field slate: expected a list of at most ",
        kMaxSlate, " item keys");
  for (const Json& key : slate) {
    check(key.is_string(), ErrorCode::kCorruptData, "[parse critique] field slate: expected item keys");
    out.slate.push_back(key.get<std::string>());
  }
  return out;
}

std::string critique_state_json(const CritiqueState& state) {
  const size_t d = state.mean.size();
  std::vector<double> lower;  // of the covariance, row by row
  for (size_t a = 0; a < d && !state.covariance.empty(); ++a) {
    for (size_t b = 0; b <= a; ++b) lower.push_back(state.covariance[a * d + b]);
  }
  std::vector<int32_t> shown;
  for (const ItemIndex item : state.shown) shown.push_back(item.value);
  return Json{{"version", kVersion},
              {"start", state.start},
              {"mean", state.mean},
              {"covariance", lower},
              {"shown", shown},
              {"pairs", state.pairs},
              {"pair_weights", state.pair_weights},
              {"steps", state.steps}}
      .dump();
}

CritiqueState parse_critique_state(std::string_view json) {
  constexpr std::string_view kWhat = "critique state";
  const Json object = parse_object(json, kWhat);
  whole(field(object, "version", kWhat), kVersion, kVersion, "version", kWhat);
  CritiqueState out;
  out.start = numbers(object, "start", kWhat);
  const size_t d = out.start.size();
  check(d >= 1 && d <= kMaxRank, ErrorCode::kCorruptData, "[parse critique state] field start has ", d, " numbers, expected 1 to ",
        kMaxRank);
  out.mean = numbers(object, "mean", kWhat);
  expect_size(out.mean, d, "mean");
  const auto lower = numbers(object, "covariance", kWhat);
  if (!lower.empty()) {
    expect_size(lower, d * (d + 1) / 2, "covariance");
    out.covariance.resize(d * d);
    size_t n = 0;
    for (size_t a = 0; a < d; ++a) {
      for (size_t b = 0; b <= a; ++b) out.covariance[a * d + b] = out.covariance[b * d + a] = lower[n++];
      check(out.covariance[a * d + a] > 0, ErrorCode::kCorruptData, "[parse critique state] variance ", a, " is not above 0");
    }
  }
  const Json& shown = field(object, "shown", kWhat);
  check(shown.is_array(), ErrorCode::kCorruptData, "[parse critique state] field shown: expected a list");
  for (const Json& item : shown) {
    out.shown.emplace_back(static_cast<int32_t>(whole(item, 0, INT32_MAX, "shown", kWhat)));
    check(out.shown.size() < 2 || out.shown[out.shown.size() - 2] < out.shown.back(), ErrorCode::kCorruptData,
          "[parse critique state] field shown does not rise");
  }
  out.pair_weights = numbers(object, "pair_weights", kWhat);
  out.pairs = numbers(object, "pairs", kWhat);
  expect_size(out.pairs, out.pair_weights.size() * d, "pairs");
  for (const double w : out.pair_weights) check(w > 0, ErrorCode::kCorruptData, "[parse critique state] a pair weight is not above 0");
  out.steps = static_cast<int32_t>(whole(field(object, "steps", kWhat), 0, INT32_MAX, "steps", kWhat));
  return out;
}

}  // namespace attune::people
