// Requests' fields: generated from the schema (bounds, types), and a table of bad bodies. Nothing a client sends gives 500.
#include "core/rng.h"
#include "serve/api_error.h"
#include "serve/completion_request.h"
#include "serve/json.h"
#include "tests/serve/served_api.h"

namespace attune::serve {
namespace {

using test::chat;
using test::fixed;
using test::Json;
using test::ServedApi;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";

class Fields : public ::testing::Test {
 protected:
  Fields() : served_(fixed({"a"}), {}, int64_t{1} << 30) { served_.ready(); }

  /// Status of a request whose field `name` is the JSON text `value`.
  int status_of_field(const std::string& path, const std::string& name, const std::string& value) {
    std::string body = path == kChat ? chat("Hi").dump() : Json({{"prompt", "Hi"}}).dump();
    if (name == "top_logprobs") body.insert(1, "\"logprobs\":true,");
    body.insert(1, "\"" + name + "\":" + value + ",");
    const auto response = served_.client().post_json(path, body);
    if (response.status >= 400) {
      const Json error = Json::parse(response.body)["error"];
      EXPECT_EQ(error["type"], "invalid_request_error");
      if (error["code"] != "invalid_json") {
        EXPECT_EQ(error["param"], name) << value;
      }
    }
    return response.status;
  }

  ServedApi served_;
};

std::string number(double value) { return cat(value); }

// Every numeric field: min - 1, min, max, max + 1, not a number, and every wrong type.
TEST_F(Fields, BoundsAndTypesOfTheSchema) {
  CompletionFields fields;
  int32_t top_logprobs = 0;
  OptionList list;
  fields.describe(list);
  list.add("top_logprobs", top_logprobs, "").range(0, 20);
  int checked = 0;
  for (const auto& option : list.options()) {
    if (option->type() != OptionType::kInt && option->type() != OptionType::kDouble) continue;
    const std::string& name = option->name();
    ASSERT_TRUE(option->min() && option->max()) << name << " has no bounds";
    ++checked;
    for (const char* path : {kChat, kCompletions}) {
      if (name == "top_logprobs" && path == kCompletions) continue;
      const bool is_int = option->type() == OptionType::kInt;
      const double step = is_int ? 1 : 0.001;
      EXPECT_EQ(status_of_field(path, name, number(*option->min() - step)), 400) << name;
      EXPECT_EQ(status_of_field(path, name, number(*option->max() + step)), 400) << name;
      if (name != "n") {  // a token id for each choice would be slow here; n has a test of its own
        EXPECT_EQ(status_of_field(path, name, number(*option->min())), 200) << name;
        EXPECT_EQ(status_of_field(path, name, number(*option->max())), 200) << name;
      }
      for (const char* bad : {"NaN", "Infinity", "1e400", "-1e400", "\"1\"", "true", "[1]", "{}", "1e30"}) {
        EXPECT_EQ(status_of_field(path, name, bad), 400) << name << " " << bad;
      }
      if (is_int) {
        EXPECT_EQ(status_of_field(path, name, "1.5"), 400) << name;
      }
      EXPECT_EQ(status_of_field(path, name, "null"), 200) << name;
    }
  }
  EXPECT_GE(checked, 12);
}

TEST_F(Fields, EveryOtherFieldOfTheSchemaRefusesWrongTypes) {
  for (const char* path : {kChat, kCompletions}) {
    for (const char* bad : {"1", "\"true\"", "[]", "{}"}) EXPECT_EQ(status_of_field(path, "stream", bad), 400) << bad;
    for (const char* bad : {"1", "true", "[]", "{}"}) {
      EXPECT_EQ(status_of_field(path, "model", bad), 400) << bad;
      EXPECT_EQ(status_of_field(path, "user", bad), 400) << bad;
    }
    for (const char* bad : {"1", "true", "{}", "[1]", "[null]", "\"\"", "[\"\"]", "[\"a\",\"b\",\"c\",\"d\",\"e\"]"}) {
      EXPECT_EQ(status_of_field(path, "stop", bad), 400) << bad;
    }
    EXPECT_EQ(status_of_field(path, "stop", "\"" + std::string(257, 'x') + "\""), 400);
    EXPECT_EQ(status_of_field(path, "stop", "\"" + std::string(256, 'x') + "\""), 200);
    EXPECT_EQ(status_of_field(path, "stop", "[\"a\",\"b\",\"c\",\"d\"]"), 200);
    EXPECT_EQ(status_of_field(path, "stop", "[]"), 200);
    for (const char* bad : {"1.5", "\"1\"", "true", "[]", "18446744073709551616", "1e400"})
      EXPECT_EQ(status_of_field(path, "seed", bad), 400) << bad;
    for (const char* good : {"0", "18446744073709551615", "-9223372036854775808"})
      EXPECT_EQ(status_of_field(path, "seed", good), 200) << good;
    for (const char* bad : {"1", "[]", "{\"a\":1}", "{\"-1\":1}", "{\"1.5\":1}", "{\" 1\":1}", "{\"1\":101}", "{\"1\":-101}",
                            "{\"1\":\"a\"}", "{\"1\":null}", "{\"99999999999\":1}", "{\"1048576\":1}"}) {
      EXPECT_EQ(status_of_field(path, "logit_bias", bad), 400) << bad;
    }
    EXPECT_EQ(status_of_field(path, "logit_bias", "{\"1\":100,\"2\":-100}"), 200);
    for (const char* bad : {"1", "[]", "\"x\""}) EXPECT_EQ(status_of_field(path, "stream_options", bad), 400) << bad;
  }
  for (const char* bad : {"1", "\"yes\"", "[]"}) EXPECT_EQ(status_of_field(kChat, "logprobs", bad), 400) << bad;
  for (const char* bad : {"-1", "21", "1.5", "\"1\"", "true", "[]"}) EXPECT_EQ(status_of_field(kCompletions, "logprobs", bad), 400) << bad;
  EXPECT_EQ(status_of_field(kCompletions, "logprobs", "20"), 200);
}

TEST_F(Fields, NumberOfChoices) {
  for (const int n : {1, 16}) {
    Json body = chat("Hi");
    body["n"] = n;
    EXPECT_EQ(served_.post(kChat, body)["choices"].size(), static_cast<size_t>(n));
  }
}

TEST_F(Fields, KnownButUnsupportedFieldsAreRefused) {
  for (const bool is_chat : {true, false}) {
    for (const std::string& name : unsupported_fields(is_chat)) {
      EXPECT_EQ(status_of_field(is_chat ? kChat : kCompletions, name, "{\"type\":\"json_schema\"}"), 400) << name;
    }
  }
  EXPECT_EQ(status_of_field(kCompletions, "echo", "true"), 400);
  EXPECT_EQ(status_of_field(kChat, "tools", "[{\"type\":\"function\"}]"), 400);
  EXPECT_EQ(status_of_field(kCompletions, "best_of", "2"), 400);
  // Values without effect pass.
  EXPECT_EQ(status_of_field(kCompletions, "echo", "false"), 200);
  EXPECT_EQ(status_of_field(kChat, "tools", "[]"), 200);
  EXPECT_EQ(status_of_field(kChat, "response_format", "{\"type\":\"text\"}"), 200);
  EXPECT_EQ(status_of_field(kChat, "service_tier", "\"auto\""), 200);
}

// Bodies of wrong shape: 400 each, with a message that names the place.
TEST_F(Fields, BadBodies) {
  struct BadBody {
    const char* path;
    std::string body;
    const char* param;
  };
  const std::string deep_ok = std::string(62, '[') + std::string(62, ']');
  const std::string deep = std::string(200'000, '[');
  const std::vector<BadBody> cases = {
      {kChat, "", nullptr},
      {kChat, "null", nullptr},
      {kChat, "[]", nullptr},
      {kChat, "\"text\"", nullptr},
      {kChat, "{", nullptr},
      {kChat, "{\"messages\":[}", nullptr},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", nullptr},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", nullptr},
      {kChat, "{} {}", nullptr},
      {kChat, deep, nullptr},
      {kChat, "{\"x\":" + deep + "}", nullptr},
      {kChat, "{}", "messages"},
      {kChat, "{\"messages\":null}", "messages"},
      {kChat, "{\"messages\":{}}", "messages"},
      {kChat, "{\"messages\":[]}", "messages"},
      {kChat, "{\"messages\":[1]}", "messages[0]"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},null]}", "messages[1]"},
      {kChat, "{\"messages\":[{\"content\":\"a\"}]}", "messages[0].role"},
      {kChat, "{\"messages\":[{\"role\":1,\"content\":\"a\"}]}", "messages[0].role"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":1}]}", "messages[0].content"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":[1]}]}", "messages[0].content"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}", "messages[0].content"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:\"}}]}]}",
       "messages[0].content"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":null}]}", "messages"},
      {kChat, "{\"messages\":[{\"role\":\"wizard\",\"content\":\"a\"}]}", "messages"},
      {kChat, "{\"messages\":[{\"role\":\"system\",\"content\":\"a\"}]}", "messages"},
      {kChat, "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}]}", "messages"},
      {kChat,
       "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},"
       "{\"role\":\"tool\",\"content\":\"x\"}]}",
       "messages"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"top_logprobs\":2}", "top_logprobs"},
      {kChat, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stream_options\":{\"include_usage\":true}}", "stream_options"},
      {kCompletions, "{}", "prompt"},
      {kCompletions, "{\"prompt\":1}", "prompt"},
      {kCompletions, "{\"prompt\":{}}", "prompt"},
      {kCompletions, "{\"prompt\":[]}", "prompt"},
      {kCompletions, "{\"prompt\":[[]]}", "prompt"},
      {kCompletions, "{\"prompt\":[\"a\",1]}", "prompt"},
      {kCompletions, "{\"prompt\":[1,\"a\"]}", "prompt"},
      {kCompletions, "{\"prompt\":[\"a\",[1]]}", "prompt"},
      {kCompletions, "{\"prompt\":[-1]}", "prompt"},
      {kCompletions, "{\"prompt\":[1.5]}", "prompt"},
      {kCompletions, "{\"prompt\":[4294967297]}", "prompt"},
      {kCompletions, "{\"prompt\":[1048576]}", "prompt"},
      {kCompletions, "{\"prompt\":[null]}", "prompt"},
  };
  EXPECT_EQ(served_.client().post_json(kChat, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"x\":" + deep_ok + "}").status, 200);
  for (const BadBody& bad : cases) {
    const auto response = served_.client().post_json(bad.path, bad.body);
    EXPECT_EQ(response.status, 400) << bad.body.substr(0, 200) << "\n" << response.body.substr(0, 300);
    const Json error = Json::parse(response.body)["error"];
    EXPECT_EQ(error["param"], bad.param == nullptr ? Json(nullptr) : Json(bad.param)) << bad.body.substr(0, 200);
  }
}

// What Gemma's own template refuses and other servers answered with 500 is either rendered or 400 with the message's index.
TEST_F(Fields, RoleOrders) {
  const auto message = [](const char* role, const char* text) { return Json({{"role", role}, {"content", text}}); };
  const auto post = [&](Json messages, int status) { return served_.post(kChat, {{"messages", std::move(messages)}}, status); };
  post({message("system", "s"), message("user", "u")}, 200);
  post({message("system", "s"), message("system", "t"), message("user", "u")}, 200);
  post({message("user", "u"), message("user", "v")}, 200);
  post({message("developer", "d"), message("user", "u"), message("assistant", "a"), message("user", "v")}, 200);
  const Json error = post({message("user", "u"), message("assistant", "a"), message("tool", "t")}, 400);
  EXPECT_NE(error["error"]["message"].get<std::string>().find("2"), std::string::npos);
}

TEST_F(Fields, CountsAreLimited) {
  Json messages = Json::array();
  for (int i = 0; i < 1024; ++i) messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", "x"}});
  served_.post(kChat, {{"messages", messages}});
  messages.push_back({{"role", "user"}, {"content", "x"}});
  EXPECT_EQ(served_.post(kChat, {{"messages", messages}}, 400)["error"]["param"], "messages");
  served_.post(kCompletions, {{"prompt", std::vector<std::string>(64, "x")}});
  EXPECT_EQ(served_.post(kCompletions, {{"prompt", std::vector<std::string>(65, "x")}}, 400)["error"]["param"], "prompt");
  const std::string long_text((4 << 20) + 1, 'x');
  EXPECT_EQ(served_.post(kChat, chat(long_text), 400)["error"]["code"], "prompt_too_long");
  EXPECT_EQ(served_.post(kCompletions, {{"prompt", long_text}}, 400)["error"]["code"], "prompt_too_long");
}

TEST(JsonLimits, KeysAndDepth) {
  std::string keys = "{";
  for (int i = 0; i < kMaxJsonKeys; ++i) keys += cat(i == 0 ? "" : ",", "\"", i, "\":1");
  EXPECT_EQ(parse_json(keys + "}").size(), static_cast<size_t>(kMaxJsonKeys));
  EXPECT_THROW(parse_json(keys + ",\"x\":1}"), ApiError);
  const auto nested = [](int depth) { return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']'); };
  EXPECT_NO_THROW(parse_json(nested(64)));
  EXPECT_THROW(parse_json(nested(65)), ApiError);
}

TEST(JsonLimits, AnswersAreValidUtf8) {
  EXPECT_EQ(dump_json({{"a", "\xff\xc3"}}), "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"}");
  EXPECT_EQ(dump_json({{"b", 1}, {"a", 2}}), "{\"b\":1,\"a\":2}");
}

// Random damage to a valid request: 200 or 400, never anything else.
TEST_F(Fields, DamagedRequestsNeverGive500) {
  const std::string good = R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]}],"temperature":0.5,"stop":["x"],)"
                           R"("logit_bias":{"5":1},"n":1,"seed":3,"logprobs":true,"top_logprobs":2})";
  Rng rng(11);
  net::Client client = served_.client();
  for (int round = 0; round < 1500; ++round) {
    std::string text = good;
    for (uint64_t n = 1 + rng.below(3); n > 0; --n) {
      const size_t at = rng.below(text.size());
      switch (rng.below(4)) {
        case 0: text[at] = static_cast<char>(rng.below(256)); break;
        case 1: text.erase(at, 1 + rng.below(6)); break;
        case 2: text.insert(at, 1, "{}[]\",:0-e."[rng.below(11)]); break;
        default: text.insert(at, text.substr(rng.below(text.size()), rng.below(20))); break;
      }
    }
    const int status = client.post_json(kChat, text).status;
    EXPECT_TRUE(status == 200 || status == 400 || status == 404) << status << ": " << text;
  }
}

TEST(ErrorMapping, EveryCodeHasAStatus) {
  for (const auto code :
       {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kFailedPrecondition, ErrorCode::kOutOfMemory, ErrorCode::kResource,
        ErrorCode::kCorruptData, ErrorCode::kIo, ErrorCode::kUnsupported, ErrorCode::kCancelled, ErrorCode::kInternal}) {
    const ApiError error = api_error(Error(code, "[x] text"));
    EXPECT_GE(error.status(), 400);
    EXPECT_EQ(error.code(), error_code_name(code));
    EXPECT_EQ(error.status() == 500, error.message() == "internal error");
    EXPECT_TRUE(Json::accept(error_body(error)));
  }
  EXPECT_EQ(status_of(ErrorCode::kInvalidArgument), 400);
  EXPECT_EQ(status_of(ErrorCode::kNotFound), 404);
  EXPECT_EQ(status_of(ErrorCode::kResource), 429);
  EXPECT_EQ(status_of(ErrorCode::kOutOfMemory), 503);
  EXPECT_EQ(status_of(ErrorCode::kInternal), 500);
}

}  // namespace
}  // namespace attune::serve
