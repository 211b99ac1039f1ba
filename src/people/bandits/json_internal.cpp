#include "people/bandits/json_internal.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace attune::people::bandit_json {

Json parse_object(std::string_view text, std::string_view what) {
  Json out = Json::parse(text.begin(), text.end(), nullptr, false);
  check(out.is_object(), ErrorCode::kCorruptData, "[", what, "] expected a JSON object");
  return out;
}

const Json& member(const Json& object, const char* name, std::string_view what) {
  check(object.is_object(), ErrorCode::kCorruptData, "[", what, "] expected an object that holds ", name);
  const auto found = object.find(name);
  check(found != object.end(), ErrorCode::kCorruptData, "[", what, "] ", name, " is missing");
  return *found;
}

double number(const Json& value, const char* name, std::string_view what) {
  check(value.is_number(), ErrorCode::kCorruptData, "[", what, "] ", name, ": expected a number, found ", value.type_name());
  const auto out = value.get<double>();
  check(std::isfinite(out), ErrorCode::kCorruptData, "[", what, "] ", name, ": expected a finite number");
  return out;
}

int64_t whole(const Json& value, int64_t low, int64_t high, const char* name, std::string_view what) {
  check(value.is_number_integer(), ErrorCode::kCorruptData, "[", what, "] ", name, ": expected a whole number");
  constexpr auto kMost = std::numeric_limits<int64_t>::max();
  const auto out = value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(kMost) ? kMost : value.get<int64_t>();
  check(out >= low && out <= high, ErrorCode::kCorruptData, "[", what, "] ", name, ": expected ", low, " to ", high, ", found ", out);
  return out;
}

std::string text(const Json& value, size_t max_bytes, const char* name, std::string_view what) {
  check(value.is_string(), ErrorCode::kCorruptData, "[", what, "] ", name, ": expected a text, found ", value.type_name());
  const auto& out = value.get_ref<const std::string&>();
  check(out.size() <= max_bytes, ErrorCode::kCorruptData, "[", what, "] ", name, ": expected at most ", max_bytes, " bytes, found ",
        out.size());
  return out;
}

const Json& list(const Json& value, size_t size, const char* name, std::string_view what) {
  check(value.is_array(), ErrorCode::kCorruptData, "[", what, "] ", name, ": expected a list, found ", value.type_name());
  check(value.size() == size, ErrorCode::kCorruptData, "[", what, "] ", name, ": expected a list of ", size, ", found ", value.size());
  return value;
}

namespace {

void append_numbers(const Json& value, const std::vector<size_t>& shape, size_t depth, const char* name, std::string_view what,
                    std::vector<double>& out) {
  list(value, shape[depth], name, what);
  for (const Json& element : value) {
    if (depth + 1 == shape.size()) {
      out.push_back(number(element, name, what));
    } else {
      append_numbers(element, shape, depth + 1, name, what, out);
    }
  }
}

Json nest(const double*& values, const std::vector<size_t>& shape, size_t depth) {
  Json out = Json::array();
  for (size_t i = 0; i < shape[depth]; ++i) out.push_back(depth + 1 == shape.size() ? Json(*values++) : nest(values, shape, depth + 1));
  return out;
}

}  // namespace

std::vector<double> numbers(const Json& value, const std::vector<size_t>& shape, const char* name, std::string_view what) {
  std::vector<double> out;
  append_numbers(value, shape, 0, name, what, out);
  return out;
}

Json nested(const std::vector<double>& values, const std::vector<size_t>& shape) {
  const double* next = values.data();
  return nest(next, shape, 0);
}

}  // namespace attune::people::bandit_json
