// Random schemas: walks through the automaton give documents that an independent validator accepts, documents made from a schema are
// accepted, and damaged documents only where the validator agrees.
#include <gtest/gtest.h>

#include <optional>

#include "core/error.h"
#include "core/rng.h"
#include "schema_validator.h"
#include "text/byte_automaton.h"
#include "text/json_schema.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

using Json = nlohmann::ordered_json;

class Draw {
 public:
  /// The validator has no notion of the names that strict conjunctions allow: no allOf there.
  explicit Draw(uint64_t seed, bool all_of = true) : rng_(seed, 0), all_of_(all_of) {}
  int below(int n) { return static_cast<int>(rng_.uniform() * n); }
  bool chance(double p) { return rng_.uniform() < p; }

  Json schema(int depth) {
    const int kind = below(depth > 0 ? 10 : 6);
    switch (kind) {
      case 0:
        return Json::parse(
            R"([{"type":"boolean"},{"type":"null"},{"type":["string","null"]},{"type":["integer","boolean"]},true])")[static_cast<size_t>(
            below(5))];
      case 1: return integer();
      case 2: return number();
      case 3: return string();
      case 4: return {{"enum", {"red", "green \"x\"", 3, nullptr, {{"a", {1, 2}}}}}};
      case 5: return depth > 0 ? Json{{"$ref", "#/$defs/shared"}} : Json{{"const", "k"}};
      case 6: return array(depth);
      case 7: return {{chance(0.5) ? "anyOf" : "oneOf", {schema(depth - 1), schema(depth - 1)}}};
      default: return object(depth);
    }
  }
  Json document() {
    Json out = object(3);
    out["$defs"]["shared"] = {{"type", "object"},
                              {"properties", {{"more", {{"anyOf", {{{"$ref", "#/$defs/shared"}}, {{"type", "null"}}}}}}}},
                              {"required", {"more"}},
                              {"additionalProperties", false}};
    return out;
  }

 private:
  Json integer() {
    Json out = {{"type", "integer"}};
    const int low = below(3000) - 1500;
    if (chance(0.5)) out[chance(0.3) ? "exclusiveMinimum" : "minimum"] = low;
    if (chance(0.5)) out[chance(0.3) ? "exclusiveMaximum" : "maximum"] = low + 2 + below(2000);
    return out;
  }
  Json number() {
    Json out = {{"type", "number"}};
    const int low = below(20) - 10;
    if (chance(0.5)) out[chance(0.3) ? "exclusiveMinimum" : "minimum"] = low;
    if (chance(0.5)) out[chance(0.3) ? "exclusiveMaximum" : "maximum"] = low + 1 + below(20);
    return out;
  }
  Json string() {
    Json out = {{"type", "string"}};
    if (chance(0.3)) {
      const char* patterns[] = {"^[a-z]{1,5}$", "^(ab|c)*$", "x", "^\\d{2}-\\w+$", "^[A-F]{2}$"};
      out["pattern"] = patterns[below(5)];
      return out;
    }
    const int low = below(4);
    if (chance(0.5)) out["minLength"] = low;
    if (chance(0.5)) out["maxLength"] = low + below(6);
    return out;
  }
  Json array(int depth) {
    Json out = {{"type", "array"}};
    if (chance(0.3)) out["prefixItems"] = {schema(depth - 1), schema(depth - 1)};
    if (chance(0.8)) out["items"] = schema(depth - 1);
    const int low = below(4);
    if (chance(0.5)) out["minItems"] = low;
    if (chance(0.5)) out["maxItems"] = low + below(3);
    return out;
  }
  Json object(int depth) {
    Json out = {{"type", "object"}, {"properties", Json::object()}};
    const int n = below(4);
    for (int i = 0; i < n; ++i) {
      const std::string name = cat("p", i);
      out["properties"][name] = schema(depth - 1);
      if (chance(0.5)) out["required"].push_back(name);
    }
    if (chance(0.4)) out["additionalProperties"] = chance(0.6) ? Json(false) : schema(depth - 1);
    if (all_of_ && n > 0 && chance(0.2)) out["allOf"] = {{{"required", {"p0"}}}, {{"properties", {{"p0", Json::object()}}}}};
    return out;
  }

  Rng rng_;
  bool all_of_;
};

/// A document from random allowed bytes, with a liking for what closes. Empty if it does not end in time.
std::optional<std::string> walk(const std::shared_ptr<const Grammar>& grammar, Draw& draw) {
  ByteAutomaton automaton(grammar);
  std::string out;
  while (out.size() < 20'000) {
    if (automaton.complete() && (!automaton.can_continue() || draw.chance(0.3))) return out;
    std::vector<uint8_t> allowed;
    std::vector<uint8_t> closing;
    for (int value = 0; value < 256; ++value) {
      const auto byte = static_cast<uint8_t>(value);
      if (!ByteAutomaton(automaton).advance(byte)) continue;
      allowed.push_back(byte);
      if (byte == '"' || byte == '}' || byte == ']' || byte == 'n') closing.push_back(byte);
    }
    EXPECT_FALSE(allowed.empty()) << "a dead end behind " << out;
    if (allowed.empty()) return std::nullopt;
    const auto& from = !closing.empty() && draw.chance(out.size() > 300 ? 0.95 : 0.4) ? closing : allowed;
    const uint8_t byte = from[static_cast<size_t>(draw.below(static_cast<int>(from.size())))];
    out.push_back(static_cast<char>(byte));
    EXPECT_TRUE(automaton.advance(byte));
  }
  return std::nullopt;
}

TEST(RandomSchemas, WalksAreValidDocuments) {
  int documents = 0;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    const bool strict = seed % 2 == 1;
    Draw draw(seed, !strict);
    const Json schema = draw.document();
    SCOPED_TRACE(cat("seed ", seed, strict ? " strict " : " ", schema.dump()));
    const auto grammar = compile_json_schema(schema.dump(), {.strict = strict});
    const SchemaValidator validator(schema, strict);
    for (int i = 0; i < 6; ++i) {
      const auto text = walk(grammar, draw);
      if (!text) continue;
      ++documents;
      ASSERT_TRUE(is_valid_utf8(*text)) << *text;
      Json value;
      ASSERT_NO_THROW(value = Json::parse(*text)) << *text;
      ASSERT_TRUE(validator.accepts(value)) << *text;
      // Damage: whatever is still accepted is still a document of the schema.
      for (int change = 0; change < 20; ++change) {
        std::string damaged = *text;
        const auto at = static_cast<size_t>(draw.below(static_cast<int>(damaged.size())));
        if (draw.chance(0.5))
          damaged[at] = "0-\"a,}]:[{\\ 9"[draw.below(13)];
        else
          damaged.erase(at, 1);
        if (!matches(grammar, damaged)) continue;
        ASSERT_NO_THROW(value = Json::parse(damaged)) << damaged;
        ASSERT_TRUE(validator.accepts(value)) << damaged;
      }
    }
  }
  EXPECT_GT(documents, 850) << "nearly all walks end";
}

TEST(RandomSchemas, ValidDocumentsInTheDeclaredOrderAreAccepted) {
  // Values of a document without restrictions, tried on random schemas: what the validator accepts, the automaton accepts.
  const char* values[] = {"null",
                          "true",
                          "-1200",
                          "0",
                          "7",
                          "1499",
                          "2.5",
                          "-0.5",
                          R"("")",
                          R"("ab")",
                          R"("12-x")",
                          R"("red")",
                          "[]",
                          "[null,true]",
                          "[1,2,3]",
                          R"({"a":[1,2]})",
                          R"({"more":null})",
                          R"({"more":{"more":null}})",
                          "{}",
                          R"({"p0":1,"p1":"x"})",
                          R"("k")"};
  int accepted = 0;
  for (uint64_t seed = 0; seed < 600; ++seed) {
    Draw draw(seed + 1000);
    const Json schema = {{"$defs", draw.document()["$defs"]}, {"anyOf", {draw.schema(2)}}};
    const auto grammar = compile_json_schema(schema.dump());
    const SchemaValidator validator(schema, false);
    for (const char* value : values) {
      const bool wanted = validator.accepts(Json::parse(value));
      accepted += wanted;
      EXPECT_EQ(matches(grammar, value), wanted) << value << " of " << schema.dump();
    }
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace attune::text
