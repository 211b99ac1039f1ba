// What one conjunction of schemas says about values that are no objects or lists: their types, enumerations, strings and numbers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "text/grammar_builder_internal.h"
#include "text/schema_document_internal.h"

namespace attune::text {

/// Types as bits. "number" is kFraction | kInteger, "integer" is kInteger.
namespace types {
inline constexpr uint8_t kObject = 1;
inline constexpr uint8_t kArray = 2;
inline constexpr uint8_t kString = 4;
inline constexpr uint8_t kBoolean = 8;
inline constexpr uint8_t kNull = 16;
inline constexpr uint8_t kFraction = 32;
inline constexpr uint8_t kInteger = 64;
inline constexpr uint8_t kAll = 127;
}  // namespace types

/// Reads keywords and adds edges. Throws as compile_json_schema. Each pattern and range of numbers becomes an automaton once.
class ScalarSchemas {
 public:
  ScalarSchemas(SchemaDocument& document, GrammarBuilder& builder) : document_(document), builder_(builder) {}

  /// Types that all schemas allow; without "type", those that their keywords speak about.
  uint8_t types_of(const Conjunction& parts);
  /// enum and const. False if there is neither.
  bool add_values(const Conjunction& parts, uint32_t from, uint32_t to);
  void add_string(const Conjunction& parts, uint32_t from, uint32_t to);
  void add_number(const Conjunction& parts, bool integer, uint32_t from, uint32_t to);

 private:
  uint8_t named_types(const SchemaJson& schema, const SchemaJson& type);
  std::optional<std::string> pattern_of(const Conjunction& parts);
  std::optional<DecimalBound> bound(const SchemaJson& schema, const char* name, bool open, bool is_low, bool integer);
  uint32_t add(const Dfa& dfa);

  SchemaDocument& document_;
  GrammarBuilder& builder_;
  std::map<std::tuple<std::string, int64_t, int64_t>, uint32_t> patterns_;
  std::map<std::tuple<bool, int64_t, bool, int64_t, bool>, uint32_t> numbers_;
};

}  // namespace attune::text
