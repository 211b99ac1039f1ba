// JSON Schema to grammars: documents that fit and that do not, by keyword; refusals with their reason; limits.
#include "text/json_schema.h"

#include <gtest/gtest.h>

#include <chrono>

#include "core/error.h"
#include "text/byte_automaton.h"

namespace attune::text {
namespace {

struct Case {
  const char* name;
  const char* schema;
  std::vector<std::string> good;
  std::vector<std::string> bad;
  bool strict = false;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class Documents : public testing::TestWithParam<Case> {};

TEST_P(Documents, AreAcceptedOrNot) {
  const auto grammar = compile_json_schema(GetParam().schema, {.strict = GetParam().strict});
  for (const std::string& text : GetParam().good) EXPECT_TRUE(matches(grammar, text)) << text;
  for (const std::string& text : GetParam().bad) EXPECT_FALSE(matches(grammar, text)) << text;
}

INSTANTIATE_TEST_SUITE_P(
    Keywords, Documents,
    testing::Values(
        Case{"any",
             "true",
             {"{}", "[1,\"a\",null,true,false]", "-1.5e+10", "\"x\"", R"({"a":{"b":[]}})"},
             {"", "{", "nul", "01", "+1", "1.", ".5", "[1,]", "{a:1}"}},
        Case{"string",
             R"({"type":"string"})",
             {R"("")", R"("a\"\\\/\b\f\n\r\t\u00e9")", "\"\xC3\xA9\xF0\x9F\x98\x80\"", R"("\ud83d\ude00")"},
             {"\"", "\"a\nb\"", R"("\x")", R"("\ud83d")", R"("\ude00")", R"("\u12g4")", "\"\xC3\"", "\"\xED\xA0\x80\"", "\"\xC0\xAF\"",
              "1"}},
        Case{"lengths",
             R"({"type":"string","minLength":2,"maxLength":3})",
             {R"("ab")", R"("abc")", "\"\xC3\xA9\xC3\xA9\"", R"("\n\u00e9\ud83d\ude00")"},
             {R"("a")", R"("abcd")", "\"\xC3\xA9\"", R"("\n\n\n\n")"}},
        Case{"pattern",
             R"({"type":"string","pattern":"^[A-C]{2}-\\d+$"})",
             {R"("AB-1")", R"("CC-123")"},
             {R"("A-1")", R"("AB-")", R"("AB-1x")", R"("xAB-1")"}},
        Case{"pattern inside", R"({"type":"string","pattern":"b+"})", {R"("abc")", R"("b")", R"("xbb\ny")"}, {R"("")", R"("ac")"}},
        Case{"pattern escapes", R"({"type":"string","pattern":"^\"\\\\\\n$"})", {R"("\"\\\n")"}, {R"("")", R"("\"\\n")"}},
        Case{"pattern choice",
             R"j({"type":"string","pattern":"^(?:on|off|o{3}|[^a-z])$"})j",
             {R"("on")", R"("off")", R"("ooo")", R"("A")", "\"\xE2\x82\xAC\""},
             {R"("a")", R"("oo")"}},
        Case{"pattern and length",
             R"({"type":"string","pattern":"^a*$","minLength":2,"maxLength":4})",
             {R"("aa")", R"("aaaa")"},
             {R"("a")", R"("aaaaa")", R"("ab")"}},
        Case{"date",
             R"({"type":"string","format":"date"})",
             {R"("2024-02-28")", R"("1999-12-31")"},
             {R"("2024-02-30")", R"("2024-13-01")", R"("24-1-1")"}},
        Case{"date-time",
             R"({"type":"string","format":"date-time"})",
             {R"("2024-02-28T23:59:59Z")", R"("2024-02-28T00:00:00.123+02:00")"},
             {R"("2024-02-28")", R"("2024-02-28T24:00:00Z")"}},
        Case{"uuid",
             R"({"type":"string","format":"uuid"})",
             {R"("123e4567-e89b-12d3-a456-426614174000")"},
             {R"("123e4567-e89b-12d3-a456-42661417400")"}},
        Case{"integer",
             R"({"type":"integer"})",
             {"0", "-7", "123456789012345678"},
             {"-0", "01", "1.0", "1e3", "1234567890123456789", "\"1\""}},
        Case{"integer range",
             R"({"type":"integer","minimum":-12,"maximum":105})",
             {"-12", "-1", "0", "9", "10", "99", "105"},
             {"-13", "106", "200", "-20", "1000"}},
        Case{"integer open", R"({"type":"integer","exclusiveMinimum":3,"exclusiveMaximum":6.5})", {"4", "5", "6"}, {"3", "7"}},
        Case{"number", R"({"type":"number"})", {"0", "-0.5", "1e5", "1.25E-07"}, {"--1", "1e", "1e500", "NaN", "Infinity"}},
        Case{"share", R"({"type":"number","minimum":0,"maximum":1})", {"0", "0.5", "1", "1.0", "0.999"}, {"1.01", "-0.1", "2", "1e0"}},
        Case{"positive", R"({"type":"number","exclusiveMinimum":0})", {"0.001", "1", "17.5"}, {"0", "0.0", "-1"}},
        Case{"number range",
             R"({"type":"number","minimum":-2,"exclusiveMaximum":3})",
             {"-2", "-2.0", "-1.5", "-0.5", "0", "2.99"},
             {"-2.01", "3", "3.0", "-3"}},
        Case{"number below", R"({"type":"number","exclusiveMaximum":0})", {"-0.5", "-1", "-9.25"}, {"0", "-0", "1"}},
        Case{"boolean and null", R"({"type":["boolean","null"]})", {"true", "false", "null"}, {"0", "tru"}},
        Case{"enum",
             R"({"enum":["a","ab",1,12,null,{"x":[1]}]})",
             {R"("a")", R"("ab")", "1", "12", "null", R"({"x":[1]})"},
             {R"("b")", "2", "{}"}},
        Case{"enum of a type", R"({"type":"string","enum":["a",1]})", {R"("a")"}, {"1"}},
        Case{"const", R"({"const":"x\"y"})", {R"("x\"y")"}, {R"("x")"}},
        Case{"array",
             R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})",
             {"[1]", "[1, 2,3]", "[\n  1,\n  2\n]"},
             {"[]", "[1,2,3,4]", "[\"a\"]", "[1 ,2]", "[  1]", "[\n\n1]"}},
        Case{"array of many", R"({"items":{"const":1},"minItems":3})", {"[1,1,1]", "[1,1,1,1,1]"}, {"[1,1]", "[]"}},
        Case{"array bounds", R"({"items":{"const":1},"minItems":3,"maxItems":4})", {"[1,1,1]", "[1,1,1,1]"}, {"[1,1]", "[1,1,1,1,1]"}},
        Case{"empty array", R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"}},
        Case{"tuple",
             R"({"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false})",
             {"[]", R"(["a"])", R"(["a",1])"},
             {R"(["a",1,2])", "[1]"}},
        Case{"tuple and rest",
             R"({"prefixItems":[{"type":"string"}],"items":{"type":"integer"},"minItems":2,"maxItems":3})",
             {R"(["a",1])", R"(["a",1,2])"},
             {R"(["a"])", R"(["a",1,2,3])", R"(["a","b"])"}},
        Case{
            "object",
            R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{"type":"null"}},"required":["b"],"additionalProperties":false})",
            {R"({"b":""})", R"({"a":1,"b":""})", R"({"a": 1, "b": "", "c": null})", "{\n  \"b\": \"\"\n}"},
            {"{}", R"({"a":1})", R"({"b":"","a":1})", R"({"b":"","d":1})", R"({"b":"",})", R"({"b":"","b":""})"}},
        Case{"additional",
             R"({"properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"boolean"}})",
             {R"({"a":1,"b":true})", R"({"ab":false,"":true})", "{}"},
             {R"({"a":true})", R"({"b":1})", R"({"b":true,"a":1})"}},
        Case{"strict", R"({"type":"object","properties":{"a":{"type":"integer"}}})", {"{}", R"({"a":1})"}, {R"({"b":1})"}, true},
        Case{"required only", R"({"type":"object","required":["x"]})", {R"({"x":1})", R"({"x":[],"y":2})"}, {"{}", R"({"y":2})"}},
        Case{"anyOf", R"({"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]})", {"1", R"("a")"}, {R"("ab")", "null"}},
        Case{
            "anyOf beside",
            R"({"properties":{"k":{"type":"string"}},"required":["k"],"anyOf":[{"properties":{"k":{"const":"a"}}},{"properties":{"k":{"const":"b"},"n":{"type":"integer"}},"required":["n"]}]})",
            {R"({"k":"a"})", R"({"k":"b","n":1})"},
            {R"({"k":"b"})", R"({"k":"c"})"},
            true},
        Case{"allOf", R"({"allOf":[{"type":"integer","minimum":3},{"maximum":5}]})", {"3", "5"}, {"2", "6"}},
        Case{
            "allOf objects",
            R"({"$defs":{"base":{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}},"allOf":[{"$ref":"#/$defs/base"},{"properties":{"name":{"type":"string"}},"required":["name"]}]})",
            {R"({"id":1,"name":"x"})"},
            {R"({"id":1})", R"({"name":"x"})"},
            true},
        Case{
            "recursion",
            R"({"$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}},"$ref":"#/$defs/node"})",
            {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
            {R"({"v":1})", R"({"v":1,"next":{}})"}},
        Case{"root recursion", R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]", "[[]"}},
        Case{"reference to itself", R"({"$ref":"#"})", {"1", "{}"}, {"x"}},
        Case{"false branch", R"({"anyOf":[false,{"type":"integer"}]})", {"1"}, {"true"}},
        Case{"odd names",
             R"({"properties":{"a\"b":{"const":1},"\u00e9":{"const":2}},"additionalProperties":false})",
             {R"({"a\"b":1})", "{\"\xC3\xA9\":2}"},
             {R"({"a":1})"}},
        Case{"annotations",
             R"({"$schema":"x","$id":"y","title":"t","description":"d","type":"null","default":null,"examples":[1]})",
             {"null"},
             {"1"}}));

struct Refusal {
  const char* schema;
  const char* reason;  // part of the message
};

TEST(JsonSchema, RefusesWithTheReason) {
  const Refusal cases[] = {
      {"", "no valid JSON"},
      {"{", "no valid JSON"},
      {"[]", "must be an object"},
      {"1", "must be an object"},
      {R"j({"type":"int"})j", "'type' must be"},
      {R"j({"type":1})j", "'type' must be"},
      {R"j({"properties":{"x":{"type":"string","not":{}}}})j", "#/properties/x': the keyword 'not'"},
      {R"j({"patternProperties":{}})j", "patternProperties"},
      {R"j({"type":"integer","multipleOf":3})j", "multipleOf"},
      {R"j({"type":"array","uniqueItems":true})j", "uniqueItems"},
      {R"j({"properties":[]})j", "'properties' must be an object"},
      {R"j({"properties":{"x":1}})j", "must hold schemas"},
      {R"j({"required":"x"})j", "'required' must be a list"},
      {R"j({"required":[1]})j", "must hold names"},
      {R"j({"items":[{}]})j", "'items' must be a schema"},
      {R"j({"additionalProperties":1})j", "'additionalProperties' must be a schema"},
      {R"j({"anyOf":[]})j", "'anyOf' must hold schemas"},
      {R"j({"anyOf":[1]})j", "'anyOf' must hold schemas"},
      {R"j({"allOf":{}})j", "'allOf' must be a list"},
      {R"j({"$ref":"other.json"})j", "is not supported"},
      {R"j({"$ref":"#/$defs/none"})j", "leads to no schema"},
      {R"j({"$ref":"#/~2"})j", "leads to no schema"},
      {R"j({"$ref":1})j", "'$ref' must be a string"},
      {R"j({"type":"object","properties":{"x":{"$ref":"#"}},"required":["x"]})j", "no document"},
      {R"j({"type":"string","minLength":3,"maxLength":2})j", "'minLength' is 3"},
      {R"j({"type":"string","minLength":-1})j", "'minLength' must be a whole number"},
      {R"j({"type":"string","minLength":1.5})j", "'minLength' must be a whole number"},
      {R"j({"type":"string","maxLength":"2"})j", "'maxLength' must be a whole number"},
      {R"j({"type":"array","minItems":3,"maxItems":2})j", "'minItems' is 3"},
      {R"j({"type":"array","prefixItems":[{}],"items":false,"minItems":2})j", "no document"},
      {R"j({"type":"string","format":"colour"})j", "the format 'colour' is not supported, expected one of date"},
      {R"j({"type":"string","format":"date","pattern":"x"})j", "more than one pattern"},
      {R"j({"type":"string","pattern":"(?=x)"})j", "look-around"},
      {R"j({"type":"string","pattern":"\\bx"})j", "'\\b' is not supported"},
      {R"j({"type":"string","pattern":"(a"})j", "expected ')'"},
      {R"j({"type":"string","pattern":"a)"})j", "unexpected ')'"},
      {R"j({"type":"string","pattern":"[a"})j", "expected ']'"},
      {R"j({"type":"string","pattern":"[z-a]"})j", "ascending"},
      {R"j({"type":"string","pattern":"a{3,2}"})j", "wrong order"},
      {R"j({"type":"string","pattern":"a{9999}"})j", "up to 1000"},
      {R"j({"type":"string","pattern":"*"})j", "expected an expression"},
      {R"j({"type":"string","pattern":"a\\"})j", "backslash"},
      {R"j({"type":"string","pattern":"[^\\s\\S]"})j", "no text fits"},
      {R"j({"type":"string","pattern":"^abc$","maxLength":2})j", "no text fits"},
      {R"j({"type":"string","pattern":"((((((((((a{99}){99}){99}){99}){99}){99}){99}){99}){99}){99})"})j", "too large"},
      {R"j({"type":"string","pattern":"[ab]*a[ab]{100}c"})j", "too large"},
      {R"j({"type":"integer","minimum":"0"})j", "'minimum' must be a number"},
      {R"j({"type":"integer","minimum":5,"maximum":4})j", "no whole number"},
      {R"j({"type":"integer","minimum":1e30})j", "beyond 15 digits"},
      {R"j({"type":"number","minimum":0.5})j", "must be a whole number"},
      {R"j({"type":"number","exclusiveMinimum":1,"maximum":1})j", "no number lies"},
      {R"j({"enum":[]})j", "no document"},
      {R"j({"enum":1})j", "'enum' must be a list"},
      {R"j({"enum":["a"],"minLength":1})j", "beside 'enum'"},
      {"false", "no document"},
      {R"j({"allOf":[{"type":"string"},{"type":"integer"}]})j", "no document"},
  };
  for (const Refusal& c : cases) {
    try {
      compile_json_schema(c.schema);
      ADD_FAILURE() << "not refused: " << c.schema;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(c.reason), std::string::npos) << c.schema << ": " << error.what();
    }
  }
}

std::string repeat(const std::string& part, int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += part;
  return out;
}

// Each within a generous time: what is refused late would be refused much later.
TEST(JsonSchema, BombsAreRefusedFast) {
  std::string many = "{\"properties\":{";
  for (int i = 0; i < 9000; ++i) many += cat(i > 0 ? "," : "", "\"p", i, "\":true");
  many += "}}";
  std::string doubling = "{\"$defs\":{\"d0\":{\"type\":\"null\"}";
  for (int i = 1; i < 40; ++i)
    doubling += cat(",\"d", i, "\":{\"anyOf\":[{\"$ref\":\"#/$defs/d", i - 1, "\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/d",
                    i - 1, "\"}}]}");
  doubling += "},\"allOf\":[" + repeat("{\"anyOf\":[{\"minLength\":1},{\"maxLength\":2},{\"type\":\"null\"}]},", 30) +
              "{\"$ref\":\"#/$defs/d39\"}]}";
  std::string rules = "{\"type\":\"object\",\"properties\":{";
  for (int i = 0; i < 500; ++i)
    rules += cat(i > 0 ? "," : "", "\"p", i, "\":{\"allOf\":[", repeat("{},", 10), "{\"items\":{\"items\":{\"items\":{}}}}]}");
  rules += "}}";
  const std::string bombs[] = {
      repeat("[", 100'000),
      repeat("{\"items\":", 300) + "{}" + repeat("}", 300),
      "{\"title\":\"" + repeat("x", 300'000) + "\"}",
      "{" + repeat("\"a\":{\"a\":1},", 9'000) + "\"b\":1}",
      many,
      doubling,
  };
  for (const std::string& bomb : bombs) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THROW(compile_json_schema(bomb), Error) << bomb.substr(0, 60);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << bomb.substr(0, 60);
  }
  try {
    compile_json_schema(rules);
  } catch (const Error&) {  // either is fine, fast
  }
}

std::string refusal(const std::string& schema) {
  try {
    compile_json_schema(schema);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Just within each limit, and just beyond it; of rules, which only the compiler counts, far within and beyond.
TEST(JsonSchema, LimitsAreMetExactly) {
  const auto nested = [](int levels) {
    return repeat(R"({"type":"object","required":["x"],"properties":{"x":)", levels) + "{\"type\":\"null\"}" + repeat("}}", levels);
  };
  EXPECT_EQ(refusal(nested(kMaxGrammarDepth)), "");
  EXPECT_NE(refusal(nested(kMaxGrammarDepth + 1)).find("no document of at most 64 levels"), std::string::npos);
  const auto keys = [](size_t count) {
    std::string text = "{\"default\":{";
    for (size_t i = 1; i < count; ++i) text += cat(i > 1 ? "," : "", "\"p", i, "\":0");
    return text + "}}";
  };
  EXPECT_EQ(refusal(keys(kMaxSchemaKeys)), "");
  EXPECT_NE(refusal(keys(kMaxSchemaKeys + 1)).find("more than 10000 keys"), std::string::npos);
  const auto lists = [](int count) {  // more than two rules each
    std::string text = R"({"type":"array","prefixItems":[{})";
    for (int i = 1; i <= count; ++i) text += cat(R"(,{"items":{"maxItems":)", i, "}}");
    return text + "]}";
  };
  EXPECT_EQ(refusal(lists(1000)), "");
  EXPECT_NE(refusal(lists(4900)).find("more than 10000 rules"), std::string::npos);
  const auto bytes = [](size_t count) { return "{\"title\":\"" + std::string(count - 12, 'x') + "\"}"; };
  EXPECT_EQ(bytes(100).size(), 100u);
  EXPECT_EQ(refusal(bytes(kMaxSchemaBytes)), "");
  EXPECT_NE(refusal(bytes(kMaxSchemaBytes + 1)).find("expected at most 262144"), std::string::npos);
}

TEST(JsonSchema, DocumentsNestToTheLimitAndNoFurther) {
  const auto grammar = compile_json_schema("true");
  EXPECT_TRUE(matches(grammar, repeat("[", kMaxGrammarDepth) + repeat("]", kMaxGrammarDepth)));
  EXPECT_FALSE(matches(grammar, repeat("[", kMaxGrammarDepth + 1) + repeat("]", kMaxGrammarDepth + 1)));
  // A node needs two levels: the last that begins is the last that can end.
  const auto nested =
      compile_json_schema(R"({"type":"object","properties":{"x":{"type":"array","items":{"$ref":"#"},"minItems":1}}})", {.strict = true});
  ByteAutomaton automaton(nested);
  const std::string open = R"({"x":[)";
  for (int i = 0; i < kMaxGrammarDepth / 2 - 1; ++i) ASSERT_TRUE(automaton.advance(open)) << i;
  ASSERT_TRUE(automaton.advance("{"));
  EXPECT_FALSE(ByteAutomaton(automaton).advance("\"")) << "a list would need an object below the limit";
  EXPECT_TRUE(automaton.advance("}" + repeat("]}", kMaxGrammarDepth / 2 - 1)));
  EXPECT_TRUE(automaton.complete());
}

TEST(ByteAutomaton, SaysWhatIsCompleteAndWhatCanFollow) {
  ByteAutomaton number(compile_json_schema(R"({"type":"integer"})"));
  EXPECT_FALSE(number.complete());
  ASSERT_TRUE(number.advance("1"));
  EXPECT_TRUE(number.complete());
  EXPECT_TRUE(number.can_continue());
  ByteAutomaton object(json_object_grammar());
  ASSERT_TRUE(object.advance("{}"));
  EXPECT_TRUE(object.complete());
  EXPECT_FALSE(object.can_continue());
  EXPECT_FALSE(object.advance(" "));
  EXPECT_TRUE(object.dead());
  EXPECT_FALSE(matches(json_object_grammar(), "[]"));
}

TEST(ByteAutomaton, CopiesAreIndependentAndEqualStatesHaveEqualKeys) {
  ByteAutomaton a(json_object_grammar());
  ASSERT_TRUE(a.advance(R"({"a":[)"));
  ByteAutomaton b = a;
  ASSERT_TRUE(b.advance("1]}"));
  EXPECT_FALSE(a.complete());
  ByteAutomaton c(json_object_grammar());
  ASSERT_TRUE(c.advance(R"({"other":[)"));
  EXPECT_EQ(a.key(), c.key());
  ASSERT_TRUE(c.advance("["));
  EXPECT_NE(a.key(), c.key());
}

// The pool of stacks is cut to what is in use.
TEST(ByteAutomaton, LongDocumentsNeedLittleMemory) {
  ByteAutomaton automaton(json_object_grammar());
  ASSERT_TRUE(automaton.advance("{\"a\":["));
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(automaton.advance(R"({"k":[1,"x"]},)"));
  EXPECT_LT(automaton.pool().size(), 1000u);
  EXPECT_TRUE(automaton.advance("0]}"));
}

}  // namespace
}  // namespace attune::text
