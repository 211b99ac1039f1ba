// response_format: what becomes a grammar, and what is refused with the place.
#include "serve/response_format.h"

#include <gtest/gtest.h>

#include "serve/api_error.h"
#include "serve/completion_request.h"
#include "text/byte_automaton.h"

namespace attune::serve {
namespace {

std::shared_ptr<const text::Grammar> grammar_of(const std::string& format, bool is_chat = true) {
  const std::string body =
      (is_chat ? R"({"messages":[{"role":"user","content":"x"}],"response_format":)" : R"({"prompt":"x","response_format":)") + format +
      "}";
  return (is_chat ? parse_chat_request(body, {}) : parse_completion_request(body, {})).grammar;
}

std::string schema_format(const std::string& schema, const std::string& more = "") {
  return R"({"type":"json_schema","json_schema":{"name":"n")" + more + R"(,"schema":)" + schema + "}}";
}

TEST(ResponseFormat, GivesAGrammar) {
  for (const bool is_chat : {true, false}) {
    EXPECT_EQ(grammar_of("null", is_chat), nullptr);
    EXPECT_EQ(grammar_of(R"({"type":"text"})", is_chat), nullptr);
    EXPECT_TRUE(text::matches(grammar_of(R"({"type":"json_object"})", is_chat), R"({"a":1})"));
    EXPECT_FALSE(text::matches(grammar_of(R"({"type":"json_object"})", is_chat), "[]"));
    const auto grammar = grammar_of(
        schema_format(R"({"type":"object","properties":{"z":{"type":"integer"},"a":{"type":"null"}},"required":["z","a"]})"), is_chat);
    EXPECT_TRUE(text::matches(grammar, R"({"z":1,"a":null})")) << "properties keep their order";
    EXPECT_FALSE(text::matches(grammar, R"({"a":null,"z":1})"));
    EXPECT_TRUE(text::matches(grammar, R"({"z":1,"a":null,"more":2})"));
  }
  const auto strict = grammar_of(schema_format(R"({"type":"object","properties":{"a":{"type":"null"}}})", R"(,"strict":true)"));
  EXPECT_TRUE(text::matches(strict, R"({"a":null})"));
  EXPECT_FALSE(text::matches(strict, R"({"b":null})"));
}

TEST(ResponseFormat, RefusesWithThePlace) {
  const struct {
    std::string format;
    const char* param;
    const char* reason;
  } cases[] = {
      {"1", "response_format", "object"},
      {"[]", "response_format", "object"},
      {"{}", "response_format", "'type'"},
      {R"({"type":1})", "response_format.type", "must be text"},
      {R"({"type":"xml"})", "response_format.type", "must be text"},
      {R"({"type":"json_object","schema":{}})", "response_format.schema", "json_schema"},
      {R"({"type":"json_schema"})", "response_format.json_schema", "object"},
      {R"({"type":"json_schema","json_schema":{"schema":{}}})", "response_format.json_schema.name", "letters"},
      {R"({"type":"json_schema","json_schema":{"name":"a b","schema":{}}})", "response_format.json_schema.name", "letters"},
      {R"({"type":"json_schema","json_schema":{"name":"a"}})", "response_format.json_schema.schema", "object"},
      {schema_format("true"), "response_format.json_schema.schema", "object"},
      {schema_format("{}", R"(,"strict":1)"), "response_format.json_schema.strict", "true or false"},
      {schema_format(R"({"properties":{"x":{"not":{}}}})"), "response_format.json_schema.schema", "#/properties/x': the keyword 'not'"},
      {schema_format(R"({"type":"string","pattern":"("})"), "response_format.json_schema.schema", "expected ')'"},
      {schema_format(R"({"$ref":"#/x"})"), "response_format.json_schema.schema", "leads to no schema"},
  };
  for (const auto& c : cases) {
    try {
      grammar_of(c.format);
      ADD_FAILURE() << "not refused: " << c.format;
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status(), 400) << c.format;
      EXPECT_EQ(error.param(), c.param) << c.format;
      EXPECT_NE(error.message().find(c.reason), std::string::npos) << error.message();
    }
  }
}

}  // namespace
}  // namespace attune::serve
