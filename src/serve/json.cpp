#include "serve/json.h"

#include <cmath>

#include "serve/api_error.h"

namespace attune::serve {
namespace {

ApiError wrong_type(std::string_view name, std::string_view expected, const Json& value) {
  return {400, cat("'", name, "' must be ", expected, ", found ", json_kind(value)), std::string(name), "invalid_type"};
}

std::string_view expected_kind(OptionType type) {
  switch (type) {
    case OptionType::kBool: return "true or false";
    case OptionType::kInt: return "a whole number";
    case OptionType::kDouble: return "a number";
    case OptionType::kString: return "a string";
    case OptionType::kStringList: return "a list of strings";
  }
  return "something else";
}

void set_option(const Json& value, Option& option) {
  const auto refuse = [&] { return wrong_type(option.name(), expected_kind(option.type()), value); };
  switch (option.type()) {
    case OptionType::kBool:
      if (!value.is_boolean()) throw refuse();
      return option.set_bool(value.get<bool>());
    case OptionType::kInt:
      if (value.is_number_integer()) return option.set_number(value.get<double>(), true);
      if (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()))
        return option.set_number(value.get<double>(), false);
      throw refuse();
    case OptionType::kDouble:
      if (!value.is_number()) throw refuse();
      return option.set_number(value.get<double>(), value.is_number_integer());
    case OptionType::kString:
      if (!value.is_string()) throw refuse();
      return option.set_text(value.get_ref<const std::string&>());
    case OptionType::kStringList: {
      if (!value.is_array()) throw refuse();
      std::vector<std::string> texts;
      for (const Json& entry : value) {
        if (!entry.is_string()) throw refuse();
        texts.push_back(entry.get<std::string>());
      }
      return option.set_list(std::move(texts));
    }
  }
}

}  // namespace

Json parse_json(std::string_view text) {
  int keys = 0;
  const auto limit = [&](int depth, Json::parse_event_t event, Json&) {
    // Objects and arrays report the depth that holds them.
    if ((event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) && depth >= kMaxJsonDepth) {
      throw ApiError(400, cat("the JSON body is nested deeper than ", kMaxJsonDepth), "", "json_too_deep");
    }
    if (event == Json::parse_event_t::key && ++keys > kMaxJsonKeys) {
      throw ApiError(400, cat("the JSON body has more than ", kMaxJsonKeys, " keys"), "", "json_too_large");
    }
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), limit);
  } catch (const Json::exception& error) {
    throw ApiError(400, cat("the body is no valid JSON: ", error.what()), "", "invalid_json");
  }
}

Json parse_json_object(std::string_view text) {
  Json out = parse_json(text);
  if (!out.is_object()) throw ApiError(400, cat("the body must be a JSON object, found ", json_kind(out)), "", "invalid_type");
  return out;
}

std::string dump_json(const OrderedJson& value) { return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace); }

const Json* find_member(const Json& object, std::string_view name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

void read_fields(const Json& object, OptionList& list) {
  for (const auto& option : list.options()) {
    const Json* value = find_member(object, option->name());
    if (value == nullptr) continue;
    try {
      set_option(*value, *option);
    } catch (const Error& error) {
      const std::string range = option->range_text();
      throw ApiError(400, range.empty() ? error.message() : cat("'", option->name(), "' must be ", range, ", found ", value->dump()),
                     option->name(), "invalid_value");
    }
  }
}

std::string require_text(const Json& object, std::string_view name, size_t max_bytes) {
  const Json* value = find_member(object, name);
  if (value == nullptr) throw ApiError(400, cat("'", name, "' is required"), std::string(name), "missing_required_parameter");
  if (!value->is_string()) throw wrong_type(name, "a string", *value);
  const auto& text = value->get_ref<const std::string&>();
  if (text.empty() || text.size() > max_bytes) {
    throw ApiError(400, cat("'", name, "' must have 1 to ", max_bytes, " bytes, found ", text.size()), std::string(name), "invalid_value");
  }
  return text;
}

std::string_view json_kind(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "a list";
    case Json::value_t::string: return "a string";
    case Json::value_t::boolean: return "true or false";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned: return "a whole number";
    case Json::value_t::number_float: return "a number";
    default: return "nothing";
  }
}

}  // namespace attune::serve
