#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "people/bandits/belief_json_internal.h"

namespace attune::people::bandit_json {
namespace {

constexpr size_t kMostVersionBytes = 1000;
constexpr double kSumTolerance = 1e-6;

}  // namespace

Json parse_belief(std::string_view text_in, const char* kind, int64_t format, std::string_view version) {
  constexpr std::string_view kWhat = "belief";
  Json json = parse_object(text_in, kWhat);
  const std::string found_kind = text(member(json, "kind", kWhat), kMostVersionBytes, "kind", kWhat);
  check(found_kind == kind, ErrorCode::kCorruptData, "[belief] kind: expected ", kind, ", found ", found_kind);
  const int64_t found = whole(member(json, "format", kWhat), 0, INT64_MAX, "format", kWhat);
  check(found == format, ErrorCode::kFailedPrecondition, "[belief] format: expected ", format, ", found ", found);
  const std::string model = text(member(json, "model", kWhat), kMostVersionBytes, "model", kWhat);
  check(model == version, ErrorCode::kFailedPrecondition, "[belief] model: expected version ", version, ", found ", model);
  return json;
}

std::vector<double> distribution(const Json& value, size_t size, const char* name, std::string_view what) {
  std::vector<double> out = numbers(value, {size}, name, what);
  double sum = 0;
  for (const double x : out) {
    check(x >= 0, ErrorCode::kCorruptData, "[", what, "] ", name, ": expected probabilities of at least 0, found ", x);
    sum += x;
  }
  check(std::abs(sum - 1) <= kSumTolerance, ErrorCode::kCorruptData, "[", what, "] ", name, ": expected a sum of 1, found ", sum);
  return out;
}

Rng read_rng(const Json& value, std::string_view what) {
  list(value, 3, "rng", what);
  uint64_t parts[3];
  for (size_t i = 0; i < 3; ++i) {
    check(value[i].is_number_unsigned(), ErrorCode::kCorruptData, "[", what, "] rng: expected whole numbers of at least 0");
    parts[i] = value[i].get<uint64_t>();
  }
  Rng out(parts[0], parts[1]);
  out.seek(parts[2]);
  return out;
}

}  // namespace attune::people::bandit_json
