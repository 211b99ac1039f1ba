// /v1/embeddings: shapes of requests and answers, and what is refused.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/serve/served_api.h"

namespace attune::test {
namespace {

Script silent(const std::string&, const serve::GenerateCall&, int) { return {}; }

class Embeddings : public ::testing::Test {
 protected:
  Embeddings() { served_.ready(); }
  Json post(const Json& body, int status = 200) { return served_.post("/v1/embeddings", body, status); }
  void refused(const Json& body, const std::string& param, const std::string& code) {
    const Json error = post(body, 400)["error"];
    EXPECT_EQ(error["param"], param) << body;
    EXPECT_EQ(error["code"], code) << body;
  }
  ServedApi served_{silent, {}, 16};
};

TEST_F(Embeddings, OneTextGivesOneVector) {
  const Json answer = post({{"input", "abc"}, {"model", "scripted-model-7b"}});
  EXPECT_EQ(answer["object"], "list");
  EXPECT_EQ(answer["model"], "scripted-model-7b");
  ASSERT_EQ(answer["data"].size(), 1u);
  EXPECT_EQ(answer["data"][0]["object"], "embedding");
  EXPECT_EQ(answer["data"][0]["index"], 0);
  EXPECT_EQ(answer["data"][0]["embedding"].size(), 3u);
  EXPECT_EQ(answer["data"][0]["embedding"][0], 4);  // BOS and three bytes
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 4);
  EXPECT_EQ(answer["usage"]["total_tokens"], 4);
  EXPECT_EQ(served_.metric("attune_prompt_tokens_total"), 4);
}

TEST_F(Embeddings, ListsOfTextsAndIds) {
  Json answer = post({{"input", {"abc", "a", "abcdef"}}});
  ASSERT_EQ(answer["data"].size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(answer["data"][i]["index"], i);
  EXPECT_EQ(answer["data"][2]["embedding"][0], 7);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 4 + 2 + 7);
  answer = post({{"input", {5, 6, 7}}});
  EXPECT_EQ(answer["data"][0]["embedding"][0], 3);
  EXPECT_EQ(answer["data"][0]["embedding"][1], 7);
  answer = post({{"input", {{5, 6, 7}, {9}}}});
  EXPECT_EQ(answer["data"].size(), 2u);
  EXPECT_EQ(answer["data"][1]["embedding"][1], 9);
}

TEST_F(Embeddings, NumbersAreShortAndExact) {
  const std::string body = served_.client().post_json("/v1/embeddings", R"({"input": "a"})").body;
  EXPECT_NE(body.find("0.33333334]"), std::string::npos) << body;
  EXPECT_EQ(Json::parse(body)["data"][0]["embedding"][2].get<float>(), 1.0f / 3);
}

TEST_F(Embeddings, Base64HoldsTheFloats) {
  const auto floats = [](const std::string& text) {
    std::string bytes;
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
      if (c == '=') break;
      bits = bits << 6 | static_cast<uint32_t>(digits.find(c));
      count += 6;
      if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8) & 255);
    }
    std::vector<float> out(bytes.size() / 4);
    std::memcpy(out.data(), bytes.data(), out.size() * 4);
    return out;
  };
  const Json answer = post({{"input", {5, 6, 9}}, {"encoding_format", "base64"}});
  const std::string text = answer["data"][0]["embedding"];
  EXPECT_EQ(text.size(), 16u);
  EXPECT_EQ(floats(text), (std::vector<float>{3, 9, 1.0f / 3}));
}

TEST_F(Embeddings, PoolingIsPassedOn) {
  EXPECT_EQ(post({{"input", "a"}, {"pooling", "last"}})["data"][0]["embedding"][2], 1);
  EXPECT_EQ(post({{"input", "a"}, {"dimensions", 3}, {"user", "x"}, {"normalize", false}})["data"].size(), 1u);
}

TEST_F(Embeddings, Refused) {
  refused(Json::object(), "input", "missing_required_parameter");
  refused({{"input", nullptr}}, "input", "missing_required_parameter");
  refused({{"input", 7}}, "input", "invalid_type");
  refused({{"input", Json::object()}}, "input", "invalid_type");
  refused({{"input", Json::array()}}, "input", "invalid_value");
  refused({{"input", ""}}, "input", "invalid_value");
  refused({{"input", {"a", ""}}}, "input", "invalid_value");
  refused({{"input", Json::array({Json::array()})}}, "input", "invalid_value");
  refused({{"input", Json::array({"a", Json::array({1})})}}, "input", "invalid_type");
  refused({{"input", {1, -2}}}, "input", "invalid_value");
  refused({{"input", {1, 1.5}}}, "input", "invalid_value");
  refused({{"input", {1, 1 << 20}}}, "input", "invalid_value");
  refused({{"input", std::vector<std::string>(2049, "a")}}, "input", "invalid_value");
  refused({{"input", "longer than sixteen bytes"}}, "input", "context_length_exceeded");
  refused({{"input", "a"}, {"encoding_format", "hex"}}, "encoding_format", "invalid_value");
  refused({{"input", "a"}, {"encoding_format", 1}}, "encoding_format", "invalid_type");
  refused({{"input", "a"}, {"pooling", "max"}}, "pooling", "invalid_value");
  refused({{"input", "a"}, {"dimensions", 2}}, "dimensions", "invalid_value");
  refused({{"input", "a"}, {"dimensions", 0}}, "dimensions", "invalid_value");
  EXPECT_EQ(post({{"input", "a"}, {"model", "text-embedding-3-small"}}, 404)["error"]["code"], "model_not_found");
  EXPECT_EQ(post({{"input", std::string(15, 'a')}})["data"].size(), 1u) << "exactly the context";
}

TEST_F(Embeddings, EngineErrorsBecomeStatuses) {
  served_.engine->refusal = Error(ErrorCode::kResource, "[engine] full");
  post({{"input", "a"}}, 429);
  served_.engine->refusal = Error(ErrorCode::kInternal, "[embed] secret");
  EXPECT_EQ(post({{"input", "a"}}, 500).dump().find("secret"), std::string::npos);
}

}  // namespace
}  // namespace attune::test
