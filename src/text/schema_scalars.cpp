#include "text/schema_scalars_internal.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "text/utf8.h"

namespace attune::text {
namespace {

struct TypeName {
  std::string_view name;
  uint8_t bits;
};
constexpr TypeName kTypes[] = {{"object", types::kObject},
                               {"array", types::kArray},
                               {"string", types::kString},
                               {"boolean", types::kBoolean},
                               {"null", types::kNull},
                               {"integer", types::kInteger},
                               {"number", types::kFraction | types::kInteger}};

/// Types that a keyword speaks about: a schema without "type" is read as one of the types that its keywords speak about.
constexpr TypeName kImplied[] = {{"properties", types::kObject},
                                 {"required", types::kObject},
                                 {"additionalProperties", types::kObject},
                                 {"items", types::kArray},
                                 {"prefixItems", types::kArray},
                                 {"minItems", types::kArray},
                                 {"maxItems", types::kArray},
                                 {"minLength", types::kString},
                                 {"maxLength", types::kString},
                                 {"pattern", types::kString},
                                 {"format", types::kString},
                                 {"minimum", types::kFraction | types::kInteger},
                                 {"maximum", types::kFraction | types::kInteger},
                                 {"exclusiveMinimum", types::kFraction | types::kInteger},
                                 {"exclusiveMaximum", types::kFraction | types::kInteger}};

uint8_t type_of(const SchemaJson& value) {
  switch (value.type()) {
    case SchemaJson::value_t::object: return types::kObject;
    case SchemaJson::value_t::array: return types::kArray;
    case SchemaJson::value_t::string: return types::kString;
    case SchemaJson::value_t::boolean: return types::kBoolean;
    case SchemaJson::value_t::null: return types::kNull;
    case SchemaJson::value_t::number_float:
      return value.get<double>() == std::floor(value.get<double>()) ? types::kInteger : types::kFraction;
    default: return types::kInteger;
  }
}

}  // namespace

uint8_t ScalarSchemas::named_types(const SchemaJson& schema, const SchemaJson& type) {
  uint8_t bits = 0;
  const auto add = [&](const SchemaJson& name) {
    const auto known = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& t) { return name == t.name; });
    if (known == std::end(kTypes)) {
      document_.refuse(schema, ErrorCode::kInvalidArgument, "'type' must be object, array, string, number, integer, boolean or null");
    }
    bits |= known->bits;
  };
  if (!type.is_array()) {
    add(type);
  } else {
    for (const SchemaJson& name : type) add(name);
  }
  return bits;
}

uint8_t ScalarSchemas::types_of(const Conjunction& parts) {
  uint8_t kinds = types::kAll;
  uint8_t implied = 0;
  bool typed = false;
  for (const SchemaJson* part : parts) {
    if (const SchemaJson* type = document_.find(*part, "type")) {
      kinds &= named_types(*part, *type);
      typed = true;
    }
    for (const TypeName& keyword : kImplied) {
      if (document_.find(*part, keyword.name.data()) != nullptr) implied |= keyword.bits;
    }
  }
  return typed || implied == 0 ? kinds : implied;
}

bool ScalarSchemas::add_values(const Conjunction& parts, uint32_t from, uint32_t to) {
  std::vector<std::vector<const SchemaJson*>> lists;
  for (const SchemaJson* part : parts) {
    if (const SchemaJson* value = document_.find(*part, "const")) lists.push_back({value});
    const SchemaJson* values = document_.array(*part, "enum");
    if (values == nullptr) continue;
    lists.emplace_back();
    for (const SchemaJson& value : *values) lists.back().push_back(&value);
    document_.count_work(values->size());
  }
  if (lists.empty()) return false;
  uint8_t kinds = types::kAll;
  for (const SchemaJson* part : parts) {
    if (const SchemaJson* type = document_.find(*part, "type")) kinds &= named_types(*part, *type);
    for (const TypeName& keyword : kImplied) {
      if (document_.find(*part, keyword.name.data()) == nullptr) continue;
      document_.refuse(*part, ErrorCode::kUnsupported, "'", keyword.name, "' beside 'enum' or 'const' is not supported");
    }
  }
  std::vector<std::string> texts;
  for (const SchemaJson* value : lists[0]) {
    const bool everywhere = std::all_of(lists.begin() + 1, lists.end(), [&](const auto& list) {
      document_.count_work(list.size());
      return std::any_of(list.begin(), list.end(), [&](const SchemaJson* other) { return *other == *value; });
    });
    if (everywhere && (kinds & type_of(*value)) != 0) texts.push_back(value->dump());
  }
  if (!texts.empty()) builder_.lexeme(from, add(any_of(texts)), to);
  return true;
}

std::optional<std::string> ScalarSchemas::pattern_of(const Conjunction& parts) {
  std::optional<std::string> pattern;
  for (const SchemaJson* part : parts) {
    for (const char* name : {"pattern", "format"}) {
      const std::string* text = document_.string(*part, name);
      if (text == nullptr) continue;
      const std::string expression = std::string_view(name) == "pattern" ? *text : std::string(format_pattern(*text));
      if (expression.empty() && std::string_view(name) == "format") {
        document_.refuse(*part, ErrorCode::kUnsupported, "the format '", excerpt(*text), "' is not supported, expected one of ",
                         known_formats());
      }
      if (pattern && *pattern != expression) {
        document_.refuse(*part, ErrorCode::kUnsupported, "more than one pattern or format for a string is not supported");
      }
      pattern = expression;
    }
  }
  return pattern;
}

void ScalarSchemas::add_string(const Conjunction& parts, uint32_t from, uint32_t to) {
  const int64_t min = std::max<int64_t>(0, document_.largest(parts, "minLength"));
  const int64_t max = document_.least(parts, "maxLength");
  document_.check_order(parts, min, max, "minLength", "maxLength");
  const std::optional<std::string> pattern = pattern_of(parts);
  const auto limit = max == SchemaDocument::kUnlimited ? kNoLimit : static_cast<uint32_t>(max);
  const uint32_t inside = builder_.add_node();
  builder_.literal(from, "\"", inside);
  if (!pattern) return builder_.string(inside, static_cast<uint32_t>(min), limit, to);
  const auto key = std::tuple(*pattern, min, max);
  auto found = patterns_.find(key);
  if (found == patterns_.end()) {
    const Dfa dfa = with_context([&] { return cat("compiling ", excerpt(*pattern)); },
                                 [&] { return close_content(pattern_content(*pattern), static_cast<uint32_t>(min), limit); });
    found = patterns_.emplace(key, add(dfa)).first;
  }
  builder_.lexeme(inside, found->second, to);
}

/// A bound as the largest whole number below (or the least above) it and whether that number is outside, for whole and other numbers.
std::optional<DecimalBound> ScalarSchemas::bound(const SchemaJson& schema, const char* name, bool open, bool is_low, bool integer) {
  const SchemaJson* value = document_.find(schema, name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number())
    document_.refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must be a number, found ", value->type_name());
  const double number = value->get<double>();
  if (std::abs(number) > static_cast<double>(kMaxDecimalBound)) {
    document_.refuse(schema, ErrorCode::kUnsupported, "'", name, "' beyond 15 digits is not supported");
  }
  const auto whole = static_cast<int64_t>(is_low ? std::ceil(number) : std::floor(number));
  const bool is_whole = number == static_cast<double>(whole);
  if (!integer) {
    if (!is_whole) document_.refuse(schema, ErrorCode::kUnsupported, "'", name, "' of numbers must be a whole number");
    return DecimalBound{whole, open};
  }
  return DecimalBound{open && is_whole ? whole + (is_low ? 1 : -1) : whole, false};
}

void ScalarSchemas::add_number(const Conjunction& parts, bool integer, uint32_t from, uint32_t to) {
  std::optional<DecimalBound> low, high;
  for (const SchemaJson* part : parts) {
    for (const bool open : {false, true}) {
      const auto min = bound(*part, open ? "exclusiveMinimum" : "minimum", open, true, integer);
      if (min && (!low || min->value > low->value || (min->value == low->value && open))) low = min;
      const auto max = bound(*part, open ? "exclusiveMaximum" : "maximum", open, false, integer);
      if (max && (!high || max->value < high->value || (max->value == high->value && open))) high = max;
    }
  }
  if (!integer && !low && !high) return builder_.lexeme(from, builder_.number(), to);
  const auto key = std::tuple(integer, low ? low->value : INT64_MIN, low && low->open, high ? high->value : INT64_MAX, high && high->open);
  auto found = numbers_.find(key);
  if (found == numbers_.end()) {
    const Dfa dfa = integer ? integer_range(low ? low->value : INT64_MIN, high ? high->value : INT64_MAX)
                            : decimal_range(low ? &*low : nullptr, high ? &*high : nullptr);
    found = numbers_.emplace(key, add(dfa)).first;
  }
  builder_.lexeme(from, found->second, to);
}

uint32_t ScalarSchemas::add(const Dfa& dfa) {
  document_.count_work(dfa.states.size() * 8 + dfa.work / 4);
  return builder_.add_dfa(dfa);
}

}  // namespace attune::text
