#include "serve/response_format.h"

#include <algorithm>

#include "core/error.h"
#include "serve/api_error.h"
#include "text/json_schema.h"

namespace attune::serve {
namespace {

constexpr const char* kField = "response_format";

[[noreturn]] void refuse(std::string_view member, std::string message, std::string code = "invalid_value") {
  throw ApiError(400, std::move(message), cat(kField, member), std::move(code));
}

/// Letters, digits, '_' and '-', 1 to 64 of them.
bool is_name(const Json& value) {
  if (!value.is_string()) return false;
  const auto& name = value.get_ref<const std::string&>();
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
  });
}

/// The schema as it stands in the request. Everything else of the body is dropped while it is read again.
std::string schema_text(std::string_view text) {
  const auto keep = [](int depth, OrderedJson::parse_event_t event, OrderedJson& parsed) {
    return event != OrderedJson::parse_event_t::key || depth != 1 || parsed == kField;
  };
  return OrderedJson::parse(text, keep).at(kField).at("json_schema").at("schema").dump();
}

std::shared_ptr<const text::Grammar> read_schema(const Json& format, std::string_view text) {
  const Json* outer = find_member(format, "json_schema");
  if (outer == nullptr || !outer->is_object()) refuse(".json_schema", "'response_format.json_schema' must be an object", "invalid_type");
  const Json* name = find_member(*outer, "name");
  if (name == nullptr || !is_name(*name)) {
    refuse(".json_schema.name", "'response_format.json_schema.name' must have 1 to 64 letters, digits, '_' or '-'");
  }
  const Json* strict = find_member(*outer, "strict");
  if (strict != nullptr && !strict->is_boolean()) {
    refuse(".json_schema.strict", cat("'response_format.json_schema.strict' must be true or false, found ", json_kind(*strict)),
           "invalid_type");
  }
  const Json* schema = find_member(*outer, "schema");
  if (schema == nullptr || !schema->is_object()) {
    refuse(".json_schema.schema", "'response_format.json_schema.schema' must be an object", "invalid_type");
  }
  try {
    return text::compile_json_schema(schema_text(text), {.strict = strict != nullptr && strict->get<bool>()});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument && error.code() != ErrorCode::kUnsupported) throw;
    refuse(".json_schema.schema", error.what(), "invalid_json_schema");
  }
}

}  // namespace

std::shared_ptr<const text::Grammar> read_response_format(const Json& body, std::string_view text) {
  const Json* format = find_member(body, kField);
  if (format == nullptr) return nullptr;
  const Json* type = format->is_object() ? find_member(*format, "type") : nullptr;
  if (type == nullptr) refuse("", "'response_format' must be an object with 'type'", "invalid_type");
  if (*type == "text") return nullptr;
  if (*type == "json_schema") return read_schema(*format, text);
  if (*type != "json_object") refuse(".type", "'response_format.type' must be text, json_object or json_schema");
  if (find_member(*format, "schema") != nullptr) {
    refuse(".schema", "'response_format.schema' is not supported: use the type json_schema", "unsupported_parameter");
  }
  static const auto any_object = text::json_object_grammar();
  return any_object;
}

}  // namespace attune::serve
