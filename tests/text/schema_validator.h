// A small JSON Schema validator, written from the specification's sentences and independent of the compiler under test.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace attune::text {

class SchemaValidator {
 public:
  using Json = nlohmann::ordered_json;

  SchemaValidator(Json root, bool strict) : root_(std::move(root)), strict_(strict) {}

  bool accepts(const Json& value) const { return accepts(root_, value); }

 private:
  bool accepts(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    for (const auto& [name, rule] : schema.items()) {
      if (!keyword(schema, name, rule, value)) return false;
    }
    if (strict_ && value.is_object() && !schema.contains("additionalProperties") && !is_combined(schema)) {
      for (const auto& [name, member] : value.items()) {
        if (!schema.contains("properties") || !schema["properties"].contains(name)) return false;
      }
    }
    return true;
  }
  static bool is_combined(const Json& schema) {
    return schema.contains("$ref") || schema.contains("allOf") || schema.contains("anyOf") || schema.contains("oneOf") ||
           schema.contains("enum") || schema.contains("const");
  }

  static bool has_type(const std::string& type, const Json& value) {
    if (type == "integer") return value.is_number() && value.get<double>() == std::floor(value.get<double>());
    if (type == "number") return value.is_number();
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    return value.is_null();
  }
  static size_t length(const std::string& text) {
    size_t n = 0;
    for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    return n;
  }

  bool keyword(const Json& schema, const std::string& name, const Json& rule, const Json& value) const {
    const auto any = [&](const auto& list, auto&& test) {
      for (const Json& entry : list) {
        if (test(entry)) return true;
      }
      return false;
    };
    if (name == "type") {
      if (rule.is_string()) return has_type(rule, value);
      return any(rule, [&](const Json& type) { return has_type(type, value); });
    }
    if (name == "const") return rule == value;
    if (name == "enum") return any(rule, [&](const Json& entry) { return entry == value; });
    if (name == "$ref") return accepts(root_.at(Json::json_pointer(rule.get<std::string>().substr(1))), value);
    if (name == "anyOf" || name == "oneOf") return any(rule, [&](const Json& entry) { return accepts(entry, value); });
    if (name == "allOf") return !any(rule, [&](const Json& entry) { return !accepts(entry, value); });
    if (value.is_number()) {
      const double x = value.get<double>();
      if (name == "minimum") return x >= rule.get<double>();
      if (name == "maximum") return x <= rule.get<double>();
      if (name == "exclusiveMinimum") return x > rule.get<double>();
      if (name == "exclusiveMaximum") return x < rule.get<double>();
    }
    if (value.is_string()) {
      const auto& text = value.get_ref<const std::string&>();
      if (name == "minLength") return length(text) >= rule.get<size_t>();
      if (name == "maxLength") return length(text) <= rule.get<size_t>();
      if (name == "pattern") return std::regex_search(text, std::regex(rule.get<std::string>(), std::regex::ECMAScript));
    }
    if (value.is_array()) {
      if (name == "minItems") return value.size() >= rule.get<size_t>();
      if (name == "maxItems") return value.size() <= rule.get<size_t>();
      const size_t prefix = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
      for (size_t i = 0; i < value.size(); ++i) {
        if (name == "prefixItems" && i < prefix && !accepts(rule[i], value[i])) return false;
        if (name == "items" && i >= prefix && !accepts(rule, value[i])) return false;
      }
    }
    if (value.is_object()) {
      if (name == "required") return !any(rule, [&](const Json& key) { return !value.contains(key.get<std::string>()); });
      for (const auto& [key, member] : value.items()) {
        const bool declared = schema.contains("properties") && schema["properties"].contains(key);
        if (name == "properties" && declared && !accepts(rule[key], member)) return false;
        if (name == "additionalProperties" && !declared && !accepts(rule, member)) return false;
      }
    }
    return true;
  }

  Json root_;
  bool strict_;
};

}  // namespace attune::text
