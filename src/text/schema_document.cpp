#include <algorithm>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>

#include "text/json_schema.h"
#include "text/schema_document_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

constexpr int kMaxSchemaLevels = 256;        // of JSON
constexpr size_t kMaxWork = 2'000'000;       // schemas, names and values looked at
constexpr size_t kMaxAlternatives = 1'024;   // of one schema

constexpr std::string_view kKnown[] = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "definitions", "properties",
                                       "required", "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern",
                                       "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "additionalProperties",
    // Annotations.
                                       "title", "description", "default", "examples", "$schema", "$comment", "deprecated", "readOnly",
                                       "writeOnly", "discriminator", "contentEncoding", "contentMediaType"};

bool is_schema(const SchemaJson& value) { return value.is_object() || value.is_boolean(); }

}  // namespace

struct SchemaDocument::Partial {
  Conjunction parts;
  std::deque<const SchemaJson*> pending;
  std::deque<const SchemaJson*> choices;  // lists of which one entry must hold
  bool possible = true;
};

SchemaDocument::SchemaDocument(std::string_view text) {
  check(text.size() <= kMaxSchemaBytes, ErrorCode::kInvalidArgument, "[json_schema] the schema has ", text.size(),
        " bytes, expected at most ", kMaxSchemaBytes);
  size_t keys = 0;
  const auto limit = [&](int depth, SchemaJson::parse_event_t event, SchemaJson&) {
    check(depth <= kMaxSchemaLevels, ErrorCode::kInvalidArgument, "[json_schema] the schema nests more than ", kMaxSchemaLevels, " levels");
    if (event == SchemaJson::parse_event_t::key) ++keys;
    check(keys <= kMaxSchemaKeys, ErrorCode::kInvalidArgument, "[json_schema] the schema has more than ", kMaxSchemaKeys, " keys");
    return true;
  };
  try {
    root_ = std::make_unique<const SchemaJson>(SchemaJson::parse(text, limit));
  } catch (const SchemaJson::exception& error) {
    fail(ErrorCode::kInvalidArgument, "[json_schema] the schema is no valid JSON: ", excerpt(error.what(), 128));
  }
  check(is_schema(*root_), ErrorCode::kInvalidArgument, "[json_schema] a schema must be an object, found ", root_->type_name());
}

SchemaDocument::~SchemaDocument() = default;

void SchemaDocument::count_work(size_t units) {
  work_ += units;
  check(work_ <= kMaxWork, ErrorCode::kInvalidArgument, "[json_schema] the schema is too complex: it combines too many parts");
}

std::vector<Conjunction> SchemaDocument::alternatives(const Conjunction& schemas) {
  std::vector<Conjunction> out;
  std::vector<Partial> stack(1);
  stack[0].pending.assign(schemas.begin(), schemas.end());
  while (!stack.empty()) {
    Partial partial = std::move(stack.back());
    stack.pop_back();
    while (partial.possible && !partial.pending.empty()) {
      const SchemaJson& next = *partial.pending.front();
      partial.pending.pop_front();
      take(next, partial);
    }
    if (!partial.possible) continue;
    if (partial.choices.empty()) {
      if (std::find(out.begin(), out.end(), partial.parts) == out.end()) out.push_back(std::move(partial.parts));
      check(out.size() + stack.size() <= kMaxAlternatives, ErrorCode::kInvalidArgument, "[json_schema] anyOf and oneOf give more than ",
            kMaxAlternatives, " alternatives at one place");
      continue;
    }
    const SchemaJson& choice = *partial.choices.front();
    partial.choices.pop_front();
    for (auto branch = choice.rbegin(); branch != choice.rend(); ++branch) {
      count_work(partial.parts.size() + partial.choices.size() + 1);
      stack.push_back(partial);
      stack.back().pending.push_back(&*branch);
    }
    check(stack.size() <= kMaxAlternatives, ErrorCode::kInvalidArgument, "[json_schema] anyOf and oneOf give more than ", kMaxAlternatives,
          " alternatives at one place");
  }
  return out;
}

void SchemaDocument::take(const SchemaJson& schema, Partial& partial) {
  count_work(1 + partial.parts.size() / 8);
  if (schema.is_boolean()) {
    partial.possible = schema.get<bool>();
    return;
  }
  if (std::find(partial.parts.begin(), partial.parts.end(), &schema) != partial.parts.end()) return;
  check_keywords(schema);
  partial.parts.push_back(&schema);
  // In front, so that properties keep the order in which a reader meets them.
  if (const SchemaJson* all = array(schema, "allOf")) {
    for (auto part = all->rbegin(); part != all->rend(); ++part) partial.pending.push_front(&*part);
  }
  if (const std::string* reference = string(schema, "$ref")) partial.pending.push_front(&resolve(schema, *reference));
  for (const char* name : {"anyOf", "oneOf"}) {
    if (const SchemaJson* any = array(schema, name)) partial.choices.push_back(any);
  }
}

void SchemaDocument::check_keywords(const SchemaJson& schema) {
  if (!checked_.insert(&schema).second) return;
  count_work(schema.size());
  for (const auto& [name, value] : schema.items()) {
    if (name == "$id" && &schema == root_.get()) continue;
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) {
      refuse(schema, ErrorCode::kUnsupported, "the keyword '", excerpt(name), "' is not supported");
    }
  }
  for (const char* name : {"allOf", "anyOf", "oneOf", "prefixItems"}) {
    const SchemaJson* list = array(schema, name);
    if (list != nullptr && (list->empty() || !std::all_of(list->begin(), list->end(), is_schema))) {
      refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must hold schemas, one at least");
    }
  }
  if (const SchemaJson* properties = object(schema, "properties")) {
    if (!std::all_of(properties->begin(), properties->end(), is_schema)) {
      refuse(schema, ErrorCode::kInvalidArgument, "'properties' must hold schemas");
    }
  }
  for (const char* name : {"items", "additionalProperties"}) {
    const SchemaJson* value = find(schema, name);
    if (value != nullptr && !is_schema(*value)) {
      refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must be a schema, found ", value->type_name());
    }
  }
}

// "#" and JSON pointers behind it (RFC 6901; percent-encoding is not undone).
const SchemaJson& SchemaDocument::resolve(const SchemaJson& schema, const std::string& reference) const {
  if (reference.empty() || reference[0] != '#' || (reference.size() > 1 && reference[1] != '/')) {
    refuse(schema, ErrorCode::kUnsupported, "$ref '", excerpt(reference), "' is not supported, expected '#' or '#/...'");
  }
  const SchemaJson* at = nullptr;
  try {
    at = &root_->at(SchemaJson::json_pointer(reference.substr(1)));
  } catch (const SchemaJson::exception&) {
  }
  if (at == nullptr || !is_schema(*at)) {
    refuse(schema, ErrorCode::kInvalidArgument, "$ref '", excerpt(reference), "' leads to no schema");
  }
  return *at;
}

const SchemaJson* SchemaDocument::find(const SchemaJson& schema, const char* name) const {
  const auto found = schema.find(name);
  return found == schema.end() ? nullptr : &*found;
}

const SchemaJson* SchemaDocument::object(const SchemaJson& schema, const char* name) const {
  const SchemaJson* value = find(schema, name);
  if (value != nullptr && !value->is_object()) {
    refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must be an object, found ", value->type_name());
  }
  return value;
}

const SchemaJson* SchemaDocument::array(const SchemaJson& schema, const char* name) const {
  const SchemaJson* value = find(schema, name);
  if (value != nullptr && !value->is_array()) {
    refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must be a list, found ", value->type_name());
  }
  return value;
}

const std::string* SchemaDocument::string(const SchemaJson& schema, const char* name) const {
  const SchemaJson* value = find(schema, name);
  if (value != nullptr && !value->is_string()) {
    refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must be a string, found ", value->type_name());
  }
  return value == nullptr ? nullptr : &value->get_ref<const std::string&>();
}

int64_t SchemaDocument::natural(const SchemaJson& schema, const char* name) const {
  const SchemaJson* value = find(schema, name);
  if (value == nullptr) return -1;
  constexpr double kCap = 4294967294.0;
  const double number = value->is_number() ? value->get<double>() : -1;
  if (!(number >= 0) || number != std::floor(number)) {
    refuse(schema, ErrorCode::kInvalidArgument, "'", name, "' must be a whole number of at least 0");
  }
  return static_cast<int64_t>(std::min(number, kCap));
}

int64_t SchemaDocument::largest(const Conjunction& parts, const char* name) const {
  int64_t out = kUnlimited;
  for (const SchemaJson* part : parts) out = std::max(out, natural(*part, name));
  return out;
}

int64_t SchemaDocument::least(const Conjunction& parts, const char* name) const {
  int64_t out = kUnlimited;
  for (const SchemaJson* part : parts) {
    const int64_t value = natural(*part, name);
    if (value != kUnlimited && (out == kUnlimited || value < out)) out = value;
  }
  return out;
}

void SchemaDocument::check_order(const Conjunction& parts, int64_t min, int64_t max, const char* min_name, const char* max_name) const {
  if (max == kUnlimited || min <= max) return;
  refuse(*parts[0], ErrorCode::kInvalidArgument, "'", min_name, "' is ", min, ", '", max_name, "' is ", max);
}

std::string SchemaDocument::path_of(const SchemaJson& target) const {
  std::vector<std::pair<const SchemaJson*, std::string>> stack = {{root_.get(), "#"}};
  while (!stack.empty()) {
    const auto [at, path] = stack.back();
    stack.pop_back();
    if (at == &target) return excerpt(path, 256);
    if (path.size() > 1024) continue;
    if (at->is_object()) {
      for (const auto& [name, value] : at->items()) {
        if (value.is_structured()) stack.emplace_back(&value, path + "/" + name);
      }
    } else if (at->is_array()) {
      for (size_t i = 0; i < at->size(); ++i) {
        if ((*at)[i].is_structured()) stack.emplace_back(&(*at)[i], cat(path, "/", i));
      }
    }
  }
  return "#";
}

}  // namespace attune::text
