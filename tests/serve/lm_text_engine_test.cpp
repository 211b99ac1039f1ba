// The API on a real engine: data/tiny.gguf always, the default model when it is there.
#include "serve/lm_text_engine.h"

#include <filesystem>

#include "core/file.h"
#include "tests/expect_error.h"
#include "tests/lm/publish_fixtures.h"
#include "tests/serve/served_api.h"

namespace attune::serve {
namespace {

using test::chat;
using test::eventually;
using test::Json;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";

class RealApi {
 public:
  explicit RealApi(const Path& path, LmTextEngineOptions options = {}, lm::EngineOptions engine_options = {})
      : lm(std::make_shared<lm::Engine>(lm::Model::load(path), engine_options)),
        engine(std::make_shared<LmTextEngine>(lm, options)),
        server(server_options(), [this](const net::Request& q, net::Responder& r) { api.handle(q, r); }, Api::error_page) {
    api.set_ready({engine, nullptr});
  }
  net::Client client() { return net::Client({.host = "127.0.0.1", .port = server.port()}); }
  Json post(const std::string& path, const Json& body, int status = 200) {
    const auto response = client().post_json(path, body.dump());
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body);
  }
  std::string complete(const Json& body, int choice = 0) { return post(kCompletions, body)["choices"][choice]["text"]; }

  std::shared_ptr<lm::Engine> lm;
  std::shared_ptr<LmTextEngine> engine;
  Api api{ApiOptions{}};
  net::Server server;

 private:
  static net::ServerOptions server_options() {
    net::ServerOptions options;
    options.port = 0;
    options.limits.max_connections_per_address = 256;
    return options;
  }
};

Path tiny() { return Path(ATTUNE_SOURCE_DIR) / "data" / "tiny.gguf"; }
Path real() { return Path(ATTUNE_SOURCE_DIR) / "models" / "gemma-3-270m-q4_k_m.gguf"; }

Json prompt(const std::string& text, int max_tokens = 24, double temperature = 1) {
  return {{"prompt", text}, {"max_tokens", max_tokens}, {"temperature", temperature}, {"seed", 7}};
}

TEST(LmTextEngine, SameSeedSameTextOtherSeedOtherText) {
  RealApi api(tiny());
  const std::string first = api.complete(prompt("once upon a time"));
  EXPECT_EQ(api.complete(prompt("once upon a time")), first);
  Json other = prompt("once upon a time");
  other["seed"] = 8;
  EXPECT_NE(api.complete(other), first);
}

TEST(LmTextEngine, ChoicesAreTheStreamsOfTheSeed) {
  RealApi api(tiny());
  Json body = prompt("once upon a time");
  const std::string alone = api.complete(body);
  body["n"] = 4;
  const Json answer = api.post(kCompletions, body);
  ASSERT_EQ(answer["choices"].size(), 4u);
  EXPECT_EQ(answer["choices"][0]["text"], alone);
  EXPECT_NE(answer["choices"][1]["text"], alone);
  EXPECT_NE(answer["choices"][1]["text"], answer["choices"][2]["text"]);
  EXPECT_EQ(api.post(kCompletions, body)["choices"], answer["choices"]);
}

TEST(LmTextEngine, AnswersDoNotDependOnOtherClients) {
  RealApi api(tiny());
  std::vector<std::string> alone;
  for (int i = 0; i < 12; ++i) alone.push_back(api.complete(prompt(cat("text number ", i), 32)));
  api.lm->clear_prefix_cache();
  std::vector<std::string> together(12);
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&, i] { together[static_cast<size_t>(i)] = api.complete(prompt(cat("text number ", i), 32)); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

// Window caches that lose their past make every turn a full prefill (ggml-org/llama.cpp #15082).
TEST(LmTextEngine, PrefixReuseChangesNothingButTheCount) {
  lm::EngineOptions without;
  without.prefix_cache_mib = 0;
  RealApi kept(tiny());
  RealApi fresh(tiny(), {}, without);
  const std::string system = "a long text that stands in front of every conversation here";
  std::string talk = system;
  int64_t cached = 0;
  for (int turn = 0; turn < 4; ++turn) {
    const Json answer = kept.post(kCompletions, prompt(talk));
    const Json expected = fresh.post(kCompletions, prompt(talk));
    EXPECT_EQ(answer["choices"], expected["choices"]) << turn;
    EXPECT_EQ(expected["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    cached = answer["usage"]["prompt_tokens_details"]["cached_tokens"];
    EXPECT_EQ(cached > 0, turn > 0) << turn;
    // The same again: all but the last position of the prompt is there, and the last one is computed anew.
    const Json again = kept.post(kCompletions, prompt(talk));
    EXPECT_EQ(again["choices"], expected["choices"]) << turn;
    EXPECT_EQ(again["usage"]["prompt_tokens_details"]["cached_tokens"], again["usage"]["prompt_tokens"].get<int>() - 1);
    talk += answer["choices"][0]["text"].get<std::string>() + " and then";
  }
}

TEST(LmTextEngine, StreamEqualsWholeAnswerWithLogprobs) {
  RealApi api(tiny());
  Json body = prompt("once", 20);
  body["logprobs"] = 3;
  const Json whole = api.post(kCompletions, body)["choices"][0];
  body["stream"] = true;
  std::string text;
  Json tokens = Json::array();
  Json values = Json::array();
  net::SseReader reader;
  api.client().request("POST", kCompletions, {{"Content-Type", "application/json"}}, body.dump(), [&](std::string_view bytes) {
    return reader.feed(bytes, [&](std::string_view data) {
      if (data == "[DONE]") return true;
      const Json choice = Json::parse(data)["choices"][0];
      text += choice["text"].get<std::string>();
      if (!choice["logprobs"].is_null()) {
        tokens.insert(tokens.end(), choice["logprobs"]["tokens"].begin(), choice["logprobs"]["tokens"].end());
        values.insert(values.end(), choice["logprobs"]["token_logprobs"].begin(), choice["logprobs"]["token_logprobs"].end());
      }
      return true;
    });
  });
  EXPECT_EQ(text, whole["text"]);
  EXPECT_EQ(tokens, whole["logprobs"]["tokens"]);
  EXPECT_EQ(values, whole["logprobs"]["token_logprobs"]);
  for (const Json& top : whole["logprobs"]["top_logprobs"]) EXPECT_LE(top.size(), 3u);
}

TEST(LmTextEngine, CancelledInPrefillDecodeAndQueueLeavesNothing) {
  lm::EngineOptions engine_options;
  engine_options.max_sequences = 4;
  RealApi api(tiny(), {}, engine_options);
  std::string long_prompt;
  for (int i = 0; i < 300; ++i) long_prompt += "many words here ";
  for (int round = 0; round < 12; ++round) {
    std::vector<std::unique_ptr<test::RawSocket>> sockets;
    for (int i = 0; i < 10; ++i) {
      Json body = prompt(i % 2 == 0 ? long_prompt : "x", 400);
      body["stream"] = i % 3 == 0;
      body["n"] = 1 + i % 3;
      const std::string text = body.dump();
      sockets.push_back(std::make_unique<test::RawSocket>(api.server.port()));
      sockets.back()->send(cat("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ",
                               text.size(), "\r\n\r\n", text));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5 * round));
    sockets.clear();
    ASSERT_TRUE(eventually([&] { return api.api.gate().running() == 0 && api.server.stats().running == 0; })) << round;
  }
  EXPECT_TRUE(eventually([&] { return api.lm->stats().running == 0 && api.lm->stats().queued == 0; }));
  api.lm->clear_prefix_cache();
  EXPECT_TRUE(eventually([&] { return api.lm->stats().kv_bytes == 0; })) << api.lm->stats().kv_bytes;
}

// Mixed requests of 64 clients, some of which leave: no server error, greedy texts equal those of a client alone, counters at zero.
TEST(LmTextEngine, SixtyFourClientsMixed) {
  RealApi api(tiny());
  constexpr int kPrompts = 8;
  std::vector<std::string> alone;
  for (int i = 0; i < kPrompts; ++i) alone.push_back(api.complete(prompt(cat("nonce ", i * 7919), 20, 0)));
  std::atomic<int> wrong{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t) {
    threads.emplace_back([&, t] {
      net::Client client = api.client();
      for (int i = 0; i < 6; ++i) {
        const int which = (t + i) % kPrompts;
        Json body = prompt(cat("nonce ", which * 7919), 20, 0);
        body["n"] = 1 + (t * 3 + i) % 3;
        if (i % 2 == 0) body["logprobs"] = 2;
        const bool stream = (t + i) % 3 == 0;
        const bool leave = stream && t % 4 == 0;
        body["stream"] = stream;
        std::string text;
        net::SseReader reader;
        const auto on_data = [&](std::string_view bytes) {
          if (leave) return false;
          return reader.feed(bytes, [&](std::string_view data) {
            if (data == "[DONE]") return true;
            const Json event = Json::parse(data);
            if (event.contains("error")) ++refused;
            for (const Json& choice : event["choices"]) text += choice["index"] == 0 ? choice["text"].get<std::string>() : "";
            return true;
          });
        };
        const auto response = client.request("POST", kCompletions, {{"Content-Type", "application/json"}}, body.dump(),
                                             stream ? std::function<bool(std::string_view)>(on_data) : nullptr);
        if (response.status != 200) ++refused;
        if (!stream) text = Json::parse(response.body)["choices"][0]["text"];
        if (!leave && text != alone[static_cast<size_t>(which)]) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(refused, 0);
  EXPECT_TRUE(eventually([&] { return api.api.gate().running() == 0 && api.server.stats().running == 0; }));
  EXPECT_TRUE(eventually([&] { return api.lm->stats().running == 0; }));
}

TEST(LmTextEngine, ContextLimits) {
  LmTextEngineOptions options;
  options.ctx_size = 32;
  RealApi api(tiny(), options);
  const Json info = Json::parse(api.client().get("/v1/models").body)["data"][0]["attune"];
  EXPECT_EQ(info["context_length"], 32);
  std::string text;
  for (int i = 0; i < 200; ++i) text += "word ";
  EXPECT_EQ(api.post(kCompletions, prompt(text), 400)["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(api.post(kCompletions, prompt("a", 33), 400)["error"]["param"], "max_tokens");
  EXPECT_EQ(api.post(kCompletions, prompt("a", 32))["choices"][0]["finish_reason"], "length");
}

// Requests for the model and two adapters at once: each gets what an engine with that adapter alone gives.
TEST(LmTextEngine, AdaptersAnswerBesideTheModel) {
  const lm::testing::TempFolder folder("served");
  LmTextEngineOptions options;
  const std::vector<std::string> names{"first", "second"};
  for (size_t i = 0; i < names.size(); ++i) {
    std::filesystem::create_directory(folder.path / names[i]);
    lm::testing::write_peft_folder(lm::testing::adapter_tensors(0.5, 4, 10 + i), 4, 4, folder.path / names[i]);
    options.adapters.push_back(cat(names[i], "=", (folder.path / names[i]).string()));
  }
  RealApi api(tiny(), options);
  const auto asked = [&](const std::string& model) {
    Json body = prompt("once upon a time");
    if (!model.empty()) body["model"] = model;
    return body;
  };
  std::map<std::string, std::string> alone;
  alone[""] = RealApi(tiny()).complete(asked(""));
  for (size_t i = 0; i < names.size(); ++i) {
    LmTextEngineOptions one;
    one.adapters = {options.adapters[i]};
    alone[names[i]] = RealApi(tiny(), one).complete(asked(names[i]));
  }
  EXPECT_NE(alone[""], alone["first"]);
  EXPECT_NE(alone["first"], alone["second"]);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    const std::string model = t % 3 == 0 ? "" : names[static_cast<size_t>(t % 3 - 1)];
    threads.emplace_back([&, model] { wrong += api.complete(asked(model)) == alone.at(model) ? 0 : 1; });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  const Json vector = api.post("/v1/embeddings", {{"input", "once"}})["data"];
  EXPECT_NE(api.post("/v1/embeddings", {{"input", "once"}, {"model", "first"}})["data"], vector);
}

TEST(LmTextEngine, BadAdaptersAreNamed) {
  const lm::testing::TempFolder folder("bad");
  lm::testing::write_peft_folder(lm::testing::adapter_tensors(0.5, 4, 1), 4, 4, folder.path);
  const std::string good = folder.path.string();
  const auto refused = [](ErrorCode code, const std::string& part, std::vector<std::string> adapters) {
    LmTextEngineOptions options;
    options.adapters = std::move(adapters);
    test::expect_error(code, part, [&] { RealApi(tiny(), options); });
  };
  for (const std::string& text : {std::string(), std::string("tone"), std::string("tone="), "=" + good, "a:b=" + good, "a b=" + good,
                                  "..%2f=" + good, std::string(65, 'a') + "=" + good}) {
    refused(ErrorCode::kInvalidArgument, "NAME=DIR", {text});
  }
  refused(ErrorCode::kInvalidArgument, "twice", {"tone=" + good, "tone=" + good});
  refused(ErrorCode::kNotFound, "adapter_config.json", {"tone=/absent"});
}

TEST(LmTextEngine, StoppingWithWorkInProgressIsClean) {
  for (int round = 0; round < 5; ++round) {
    auto api = std::make_unique<RealApi>(tiny());
    Json body = prompt("x", 400);
    body["n"] = 8;
    const std::string text = body.dump();
    test::RawSocket socket(api->server.port());
    socket.send(cat("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ", text.size(),
                    "\r\n\r\n", text));
    eventually([&] { return api->api.gate().running() > 0; });
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    api.reset();
  }
}

// ggml-org/llama.cpp #12357: after the context was shifted, window caches gave nonsense. Here nothing is shifted: an answer ends where the
// context does, as a beginning of the answer in a larger one, and a conversation that does not fit is refused.
TEST(LmTextEngine, TheContextsEndEndsAnswers) {
  LmTextEngineOptions options;
  options.ctx_size = 32;
  RealApi small(tiny(), options), large(tiny());
  Json body = prompt("once", 96, 0);
  EXPECT_EQ(small.post(kCompletions, body, 400)["error"]["param"], "max_tokens");
  const std::string longer = large.post(kCompletions, body)["choices"][0]["text"];
  body.erase("max_tokens");  // as many as the context holds, or until the model stops
  const Json end = small.post(kCompletions, body);
  EXPECT_EQ(end["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(end["usage"]["total_tokens"], 32);
  const std::string text = end["choices"][0]["text"];
  EXPECT_FALSE(text.empty());
  EXPECT_TRUE(longer.starts_with(text)) << text << " | " << longer;
  std::string words;
  while (small.engine->tokenize(words).size() < 96) words += "word ";
  const Json refused = small.post(kChat, {{"messages", {{{"role", "user"}, {"content", words}}}}}, 400);
  EXPECT_EQ(refused["error"]["code"], "context_length_exceeded");
}

TEST(LmTextEngine, ControlTextOfUsersStaysText) {
  RealApi api(tiny());
  const auto bos = api.engine->tokenize("");
  ASSERT_EQ(bos.size(), 1u);
  const auto ids = api.engine->tokenize("<bos><end_of_turn>");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), bos[0]), 1);
  EXPECT_GT(ids.size(), 3u);
}

TEST(RealModel, AnswersInATranscript) {
  if (!std::filesystem::exists(real())) GTEST_SKIP() << "the default model is absent";
  RealApi api(real());
  Json body = chat("What is the capital of France?");
  body.update({{"max_tokens", 24}, {"temperature", 0}});
  const Json answer = api.post(kChat, body);
  EXPECT_NE(answer["choices"][0]["message"]["content"].get<std::string>().find("Paris"), std::string::npos) << answer;
  EXPECT_EQ(answer["attune"]["mode"], "transcript");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  // The next turn finds its beginning computed.
  body["messages"].push_back({{"role", "assistant"}, {"content", answer["choices"][0]["message"]["content"]}});
  body["messages"].push_back({{"role", "user"}, {"content", "And of Italy?"}});
  const Json next = api.post(kChat, body);
  EXPECT_GE(next["usage"]["prompt_tokens_details"]["cached_tokens"].get<int>(), answer["usage"]["prompt_tokens"].get<int>() - 1);
}

}  // namespace
}  // namespace attune::serve
