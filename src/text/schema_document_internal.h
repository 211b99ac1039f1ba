// A JSON Schema document: parsing with limits, references, and conjunctions of schemas without allOf, anyOf and $ref.
//
// A conjunction is a list of schemas (pointers into the document) that must all hold. Since there are finitely many lists of distinct
// schemas, compiling each list once ends also for recursive documents.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace attune::text {

using SchemaJson = nlohmann::ordered_json;  // keeps properties in the order declared
using Conjunction = std::vector<const SchemaJson*>;

class SchemaDocument {
 public:
  /// Throws kInvalidArgument for malformed JSON, too many bytes or keys, nesting above kMaxSchemaLevels, and a top that is no schema.
  explicit SchemaDocument(std::string_view text);
  ~SchemaDocument();

  const SchemaJson& root() const noexcept { return *root_; }
  /// The conjunctions of plain schemas (whose keywords besides $ref, allOf, anyOf, oneOf are to be read) that a document may fulfil, one
  /// of them at least. Empty: nothing fits. Throws for unknown keywords and dangling references.
  std::vector<Conjunction> alternatives(const Conjunction& schemas);
  /// Refuses documents that cost too much.
  void count_work(size_t units);

  /// Throws with the place of `schema` in the document.
  template <class... Args>
  [[noreturn]] void refuse(const SchemaJson& schema, ErrorCode code, const Args&... message) const {
    fail(code, "[json_schema] at '", path_of(schema), "': ", message...);
  }

  // Members of one schema, null if absent. Throw kInvalidArgument for another kind of value.
  const SchemaJson* find(const SchemaJson& schema, const char* name) const;
  const SchemaJson* object(const SchemaJson& schema, const char* name) const;
  const SchemaJson* array(const SchemaJson& schema, const char* name) const;
  const std::string* string(const SchemaJson& schema, const char* name) const;
  /// A whole number of at least 0, capped at 2^32 - 2; -1 if absent.
  int64_t natural(const SchemaJson& schema, const char* name) const;

  static constexpr int64_t kUnlimited = -1;
  /// The largest (or least) of a keyword's numbers; kUnlimited if no schema has it.
  int64_t largest(const Conjunction& parts, const char* name) const;
  int64_t least(const Conjunction& parts, const char* name) const;
  /// Refuses a lower limit above the upper one.
  void check_order(const Conjunction& parts, int64_t min, int64_t max, const char* min_name, const char* max_name) const;

 private:
  struct Partial;
  void take(const SchemaJson& schema, Partial& partial);
  void check_keywords(const SchemaJson& schema);
  const SchemaJson& resolve(const SchemaJson& schema, const std::string& reference) const;
  std::string path_of(const SchemaJson& target) const;

  std::unique_ptr<const SchemaJson> root_;
  std::set<const SchemaJson*> checked_;
  size_t work_ = 0;
};

}  // namespace attune::text
