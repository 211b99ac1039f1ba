// JSON Schema to grammars: which texts a constrained generation may produce (docs/methods/constrained_decoding.md).
//
// Keywords: type, enum, const, anyOf, oneOf (read as anyOf), allOf, $ref within the document (also recursive), $defs, definitions;
// properties, required, additionalProperties; items, prefixItems, minItems, maxItems; minLength, maxLength, pattern, format;
// minimum, maximum, exclusiveMinimum, exclusiveMaximum. Annotations (title, description, default, examples, ...) have no effect. Every other
// keyword is refused by name: nothing that restricts documents is skipped silently.
// The texts are a subset of the documents that the schema allows: properties come in the order declared, numbers have at most 15 digits before
// and after the point, white space is bounded, documents nest at most kMaxGrammarDepth levels. Every text begun can be completed.
// Pure functions, thread-safe. Schemas come from outside: text, names, rules and work are bounded, nothing recurses.
#pragma once

#include <memory>
#include <string_view>

#include "text/grammar.h"

namespace attune::text {

inline constexpr size_t kMaxSchemaBytes = 256 * 1024;
inline constexpr size_t kMaxSchemaKeys = 10'000;

struct JsonSchemaOptions {
  bool strict = false;  ///< objects that do not mention additionalProperties take only the properties named
};

/// Compiles a schema. Throws kInvalidArgument for malformed or contradictory schemas and beyond the limits, kUnsupported for keywords and
/// formats that are not known, with the place as a JSON pointer. Typical schemas take below a millisecond, hostile ones below a second.
std::shared_ptr<const Grammar> compile_json_schema(std::string_view schema, const JsonSchemaOptions& options = {});

/// Any JSON object.
std::shared_ptr<const Grammar> json_object_grammar();

}  // namespace attune::text
