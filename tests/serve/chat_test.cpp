// Chat and completions over the scripted engine: answers, streams, stop strings, UTF-8, log-probabilities, counts.
#include "tests/serve/served_api.h"

namespace attune::serve {
namespace {

using test::chat;
using test::eventually;
using test::fixed;
using test::Json;
using test::Script;
using test::ServedApi;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";

TEST(Chat, WholeAnswerHasOpenAisShape) {
  ServedApi served(fixed({"Hello", ", ", "world"}));
  served.ready();
  const Json answer = served.post(kChat, chat("Hi"));
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["model"], "scripted-model-7b");
  EXPECT_TRUE(answer["id"].get<std::string>().starts_with("chatcmpl-"));
  EXPECT_TRUE(answer["created"].is_number_integer());
  ASSERT_EQ(answer["choices"].size(), 1u);
  const Json& choice = answer["choices"][0];
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], "Hello, world");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_TRUE(choice["logprobs"].is_null());
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 6);  // BOS and "U:Hi\n", a token a byte
  EXPECT_EQ(answer["usage"]["completion_tokens"], 3);
  EXPECT_EQ(answer["usage"]["total_tokens"], 9);
  EXPECT_EQ(answer["timings"]["predicted_n"], 3);
  EXPECT_EQ(answer["attune"]["mode"], "chat");
}

TEST(Chat, StreamHasRoleFirstNullReasonsAndDone) {
  ServedApi served(fixed({"Hello", ", ", "world"}));
  served.ready();
  const auto events = served.stream(kChat, chat("Hi"));
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["object"], "chat.completion.chunk");
    EXPECT_EQ(events[i]["id"], events[0]["id"]);
    EXPECT_EQ(events[i]["choices"].size(), 1u);
    EXPECT_FALSE(events[i].contains("usage"));
    const bool is_last = i + 1 == events.size();
    EXPECT_EQ(events[i]["choices"][0]["finish_reason"], is_last ? Json("stop") : Json(nullptr)) << i;
  }
  EXPECT_EQ(events.back()["choices"][0]["delta"], Json::object());
  EXPECT_EQ(ServedApi::text_of(events), "Hello, world");
}

TEST(Chat, UsageChunkHasNoChoices) {
  ServedApi served(fixed({"a", "b"}, lm::Finish::kLength));
  served.ready();
  Json body = chat("Hi");
  body["stream_options"] = {{"include_usage", true}};
  const auto events = served.stream(kChat, body);
  for (size_t i = 0; i + 1 < events.size(); ++i) EXPECT_TRUE(events[i]["usage"].is_null());
  EXPECT_EQ(events[events.size() - 2]["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(events.back()["choices"], Json::array());
  EXPECT_EQ(events.back()["usage"]["completion_tokens"], 2);
}

TEST(Chat, MaxTokensCutsWithReasonLength) {
  ServedApi served(fixed({"a", "b", "c", "d"}));
  served.ready();
  Json body = chat("Hi");
  body["max_tokens"] = 2;
  Json answer = served.post(kChat, body);
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "ab");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  body["max_completion_tokens"] = 3;  // the newer name wins
  answer = served.post(kChat, body);
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "abc");
}

TEST(Chat, EachChoiceHasItsOwnTextAndStream) {
  ServedApi served([](const std::string&, const GenerateCall& call, int choice) {
    return Script{.pieces = {cat("seed", call.seed, "-"), cat("choice", choice)},
                  .finish = lm::Finish::kStop,
                  .endless = false,
                  .delay_us = 100 * (5 - choice),
                  .error = std::nullopt};
  });
  served.ready();
  Json body = chat("Hi");
  body["n"] = 5;
  body["seed"] = 42;
  const Json answer = served.post(kChat, body);
  ASSERT_EQ(answer["choices"].size(), 5u);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(answer["choices"][i]["index"], i);
    EXPECT_EQ(answer["choices"][i]["message"]["content"], cat("seed42-choice", i));
  }
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 6);  // the prompt is counted once
  EXPECT_EQ(answer["usage"]["completion_tokens"], 10);
  const auto events = served.stream(kChat, body);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ServedApi::text_of(events, i), cat("seed42-choice", i));
}

TEST(Chat, FieldsReachTheEngine) {
  ServedApi served(fixed({"a"}));
  served.ready();
  Json body = chat("Hi");
  body.update({{"temperature", 0.5},
               {"top_p", 0.9},
               {"top_k", 7},
               {"min_p", 0.1},
               {"repeat_penalty", 1.1},
               {"presence_penalty", -1},
               {"frequency_penalty", 2},
               {"seed", 18446744073709551615ull},
               {"logit_bias", {{"5", -100}, {"7", 1.5}}},
               {"max_tokens", 17},
               {"user", "u"},
               {"unknown_field", {1, 2}},
               {"stop", nullptr}});
  served.post(kChat, body);
  ASSERT_EQ(served.engine->calls.size(), 1u);
  const GenerateCall& call = served.engine->calls[0];
  EXPECT_EQ(call.sampler.temperature, 0.5);
  EXPECT_EQ(call.sampler.top_p, 0.9);
  EXPECT_EQ(call.sampler.top_k, 7);
  EXPECT_EQ(call.sampler.min_p, 0.1);
  EXPECT_EQ(call.sampler.repeat_penalty, 1.1);
  EXPECT_EQ(call.sampler.presence_penalty, -1);
  EXPECT_EQ(call.sampler.frequency_penalty, 2);
  EXPECT_EQ(call.seed, 18446744073709551615ull);
  EXPECT_EQ(call.sampler.logit_bias.at(5), -100.0f);
  EXPECT_EQ(call.sampler.logit_bias.at(7), 1.5f);
  EXPECT_EQ(call.max_new, 17);
  body["seed"] = -3;
  served.post(kChat, body);
  EXPECT_EQ(served.engine->calls[1].seed, static_cast<uint64_t>(int64_t{-3}));
}

TEST(Chat, ContentPartsAreJoined) {
  ServedApi served([](const std::string& prompt, const GenerateCall&, int) {
    return Script{.pieces = {prompt}, .finish = lm::Finish::kStop, .endless = false, .delay_us = 0, .error = std::nullopt};
  });
  served.ready();
  const Json body = {
      {"messages", {{{"role", "user"}, {"content", {{{"type", "text"}, {"text", "one "}}, {{"type", "text"}, {"text", "two"}}}}}}}};
  EXPECT_EQ(served.post(kChat, body)["choices"][0]["message"]["content"], "U:one two\n");
}

// A stop string spread over several tokens: nothing of it is sent, streams and whole answers agree.
TEST(Stop, AcrossTokens) {
  struct Case {
    std::vector<std::string> pieces;
    Json stop;
    std::string text;
    std::string reason;
  };
  const std::vector<Case> cases = {
      {{"ABC", "DEF", "G", "HI", "J", "KLM"}, {"DEFGHIJ"}, "ABC", "stop"},
      {{"DEF", "G", "HI", "J"}, "DEFGHIJ", "", "stop"},
      {{"DEF", "G", "HI", "K"}, {"DEFGHIJ"}, "DEFGHIK", "length"},
      {{"DEF", "G", "HI"}, {"DEFGHIJ"}, "DEFGHI", "length"},  // held back, then released at the end
      {{"a\n", "\n", "b"}, {"\n", "\n\n"}, "a", "stop"},
      {{"a", "\xc3", "\xa9", "b"}, {"\xc3\xa9"}, "a", "stop"},
      {{"xx", "xy", "z"}, {"xxy"}, "x", "stop"},
      {{"abc"}, {"b"}, "a", "stop"},
      {{"one two"}, {"three", "two", "four", "five"}, "one ", "stop"},
  };
  for (const Case& c : cases) {
    ServedApi served(fixed(c.pieces, lm::Finish::kLength));
    served.ready();
    Json chat_body = chat("Hi");
    chat_body["stop"] = c.stop;
    const Json text_body = {{"prompt", "Hi"}, {"stop", c.stop}};
    const Json whole = served.post(kChat, chat_body)["choices"][0];
    EXPECT_EQ(whole["message"]["content"], c.text) << c.stop;
    EXPECT_EQ(whole["finish_reason"], c.reason) << c.stop;
    const Json whole_text = served.post(kCompletions, text_body)["choices"][0];
    EXPECT_EQ(whole_text["text"], c.text);
    EXPECT_EQ(whole_text["finish_reason"], c.reason);
    const auto events = served.stream(kChat, chat_body);
    EXPECT_EQ(ServedApi::text_of(events), c.text);
    EXPECT_EQ(events.back()["choices"][0]["finish_reason"], c.reason);
    EXPECT_EQ(ServedApi::text_of(served.stream(kCompletions, text_body)), c.text);
  }
}

TEST(Stop, TheEngineStopsWorkingAtTheMatch) {
  ServedApi served([](const std::string&, const GenerateCall&, int) {
    return Script{.pieces = {"a", "b", "c"}, .finish = lm::Finish::kStop, .endless = true, .delay_us = 0, .error = std::nullopt};
  });
  served.ready();
  Json body = chat("Hi");
  body["stop"] = "ca";
  body["max_tokens"] = 4096;
  const Json answer = served.post(kChat, body);
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "ab");
  EXPECT_EQ(answer["usage"]["completion_tokens"], 4);
}

TEST(Stop, FormatStopsEndATranscriptAndItsSpaceIsTrimmed) {
  ServedApi served(fixed({" Hello", " there", " \n", "User", ":", " more"}));
  served.engine->mutable_info().instruction_tuned = false;
  served.engine->stops = {"\nUser:", "\nAssistant:"};
  served.ready();
  const Json answer = served.post(kChat, chat("Hi"));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Hello there");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer["attune"]["mode"], "transcript");
  EXPECT_EQ(ServedApi::text_of(served.stream(kChat, chat("Hi"))), "Hello there");
  Json body = chat("Hi");
  body["stop"] = "there";
  EXPECT_EQ(served.post(kChat, body)["choices"][0]["message"]["content"], "Hello");
  // Completions are raw: no format stop, no trimming.
  EXPECT_EQ(served.post(kCompletions, {{"prompt", "x"}})["choices"][0]["text"], " Hello there \nUser: more");
}

// Characters cut over tokens arrive whole; a broken tail becomes one replacement character, at the end only.
TEST(Utf8, SplitCharacters) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"\xf0", "\x9f", "\x98", "\x80"}, "\xf0\x9f\x98\x80"},
      {{"a", "\xf0", "\x9f"}, "a\xef\xbf\xbd"},
      {{"\x80"}, "\xef\xbf\xbd"},
      {{"\xf0\x9f\x87", "\xa9\xf0", "\x9f\x87\xaa"}, "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa"},
      {{"\xed\x95", "\x9c", "\xea", "\xb5\xad"}, "\xed\x95\x9c\xea\xb5\xad"},
      {{"\xd9", "\x85\xd8", "\xb1"}, "\xd9\x85\xd8\xb1"},
      {{"\xff", "a"}, "\xef\xbf\xbd\x61"},
  };
  for (const auto& [pieces, text] : cases) {
    ServedApi served(fixed(pieces));
    served.ready();
    EXPECT_EQ(served.post(kChat, chat("Hi"))["choices"][0]["message"]["content"], text);
    EXPECT_EQ(ServedApi::text_of(served.stream(kChat, chat("Hi"))), text);  // each event parsed: valid UTF-8
    EXPECT_EQ(served.post(kCompletions, {{"prompt", "x"}})["choices"][0]["text"], text);
  }
}

TEST(Logprobs, ChatCarriesTrueBytes) {
  ServedApi served(fixed({"Hi", "\xf0\x9f", "\x98\x80"}));
  served.ready();
  Json body = chat("Hi");
  body["logprobs"] = true;
  body["top_logprobs"] = 2;
  const auto check_content = [](const Json& content) {
    ASSERT_EQ(content.size(), 3u);
    EXPECT_EQ(content[0]["token"], "Hi");
    EXPECT_EQ(content[0]["bytes"], Json({72, 105}));
    EXPECT_FLOAT_EQ(content[0]["logprob"].get<float>(), -0.5f);
    EXPECT_EQ(content[1]["bytes"], Json({0xf0, 0x9f}));
    EXPECT_EQ(content[2]["bytes"], Json({0x98, 0x80}));
    EXPECT_FLOAT_EQ(content[2]["logprob"].get<float>(), -2.5f);
    ASSERT_EQ(content[0]["top_logprobs"].size(), 2u);
    EXPECT_EQ(content[0]["top_logprobs"][1]["token"], "b");
    EXPECT_EQ(content[0]["top_logprobs"][1]["bytes"], Json({98}));
  };
  check_content(served.post(kChat, body)["choices"][0]["logprobs"]["content"]);
  Json streamed = Json::array();
  for (const Json& event : served.stream(kChat, body)) {
    const Json& logprobs = event["choices"][0]["logprobs"];
    if (!logprobs.is_null()) streamed.insert(streamed.end(), logprobs["content"].begin(), logprobs["content"].end());
  }
  check_content(streamed);
}

TEST(Logprobs, TokensOfTheStopStringAreNotListed) {
  ServedApi served(fixed({"one", " two", " E", "ND", " three"}));
  served.ready();
  Json body = chat("Hi");
  body["logprobs"] = true;
  body["stop"] = " END";
  const Json choice = served.post(kChat, body)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "one two");
  ASSERT_EQ(choice["logprobs"]["content"].size(), 2u);
  EXPECT_EQ(choice["logprobs"]["content"][1]["token"], " two");
}

TEST(Logprobs, CompletionsHaveTheirOwnForm) {
  ServedApi served(fixed({"one", " two"}));
  served.ready();
  const Json choice = served.post(kCompletions, {{"prompt", "x"}, {"logprobs", 2}})["choices"][0];
  EXPECT_EQ(choice["logprobs"]["tokens"], Json({"one", " two"}));
  EXPECT_EQ(choice["logprobs"]["text_offset"], Json({0, 3}));
  EXPECT_EQ(choice["logprobs"]["token_logprobs"].size(), 2u);
  EXPECT_EQ(choice["logprobs"]["top_logprobs"][1].size(), 2u);
}

TEST(Completions, EveryFormOfPrompt) {
  ServedApi served([](const std::string& prompt, const GenerateCall&, int choice) {
    return Script{
        .pieces = {"[", prompt, cat("]", choice)}, .finish = lm::Finish::kStop, .endless = false, .delay_us = 0, .error = std::nullopt};
  });
  served.ready();
  Json answer = served.post(kCompletions, {{"prompt", "abc"}});
  EXPECT_EQ(answer["object"], "text_completion");
  EXPECT_TRUE(answer["id"].get<std::string>().starts_with("cmpl-"));
  EXPECT_EQ(answer["choices"][0]["text"], "[abc]0");
  answer = served.post(kCompletions, {{"prompt", {"abc", "de"}}, {"n", 2}});
  ASSERT_EQ(answer["choices"].size(), 4u);
  EXPECT_EQ(answer["choices"][1]["text"], "[abc]1");
  EXPECT_EQ(answer["choices"][2]["text"], "[de]0");
  EXPECT_EQ(answer["choices"][3]["index"], 3);
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 7);
  const auto ids = served.engine->tokenize("xy");
  EXPECT_EQ(served.post(kCompletions, {{"prompt", ids}})["choices"][0]["text"], "[xy]0");
  EXPECT_EQ(served.post(kCompletions, {{"prompt", Json::array({ids, ids})}})["choices"][1]["text"], "[xy]0");
  const auto events = served.stream(kCompletions, {{"prompt", {"abc", "de"}}});
  EXPECT_EQ(ServedApi::text_of(events, 1), "[de]0");
}

TEST(Errors, ContextOverflowIs400WithItsCode) {
  ServedApi served(fixed({"a"}), {}, 16);
  served.ready();
  Json error = served.post(kChat, chat(std::string(20, 'x')), 400);
  EXPECT_EQ(error["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(error["error"]["type"], "invalid_request_error");
  EXPECT_EQ(served.post(kCompletions, {{"prompt", std::string(16, 'x')}}, 400)["error"]["code"], "context_length_exceeded");
  served.post(kCompletions, {{"prompt", std::string(14, 'x')}, {"max_tokens", 16}});
  EXPECT_EQ(served.engine->calls.back().max_new, 1);  // what the context leaves
  EXPECT_EQ(served.post(kCompletions, {{"prompt", "x"}, {"max_tokens", 17}}, 400)["error"]["param"], "max_tokens");
}

TEST(Errors, EngineErrorsHaveTheirStatus) {
  ServedApi served([](const std::string& prompt, const GenerateCall&, int) {
    Script script{
        .pieces = {}, .finish = lm::Finish::kStop, .endless = false, .delay_us = 0, .error = Error(ErrorCode::kOutOfMemory, "[kv] full")};
    if (prompt.find("late") != std::string::npos) script.pieces = {"some", "text"};
    return script;
  });
  served.ready();
  Json body = chat("now");
  EXPECT_EQ(served.post(kChat, body, 503)["error"]["code"], "out_of_memory");
  body["stream"] = true;
  served.post(kChat, body, 503);  // before the first token a stream has a real status too
  // Later the error is an event, and there is no [DONE].
  body = chat("late");
  body["stream"] = true;
  const auto response = served.client().post_json(kChat, body.dump());
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body.find("[DONE]"), std::string::npos);
  EXPECT_NE(response.body.find("{\"error\":{"), std::string::npos);
  served.engine->refusal = Error(ErrorCode::kResource, "[queue] full");
  EXPECT_EQ(served.post(kChat, chat("x"), 429)["error"]["type"], "rate_limit_error");
  served.engine->refusal = Error(ErrorCode::kInternal, "secret detail");
  const Json hidden = served.post(kChat, chat("x"), 500);
  EXPECT_EQ(hidden.dump().find("secret"), std::string::npos);
}

Script endless_script(const std::string&, const GenerateCall&, int) {
  return {.pieces = {"word "}, .finish = lm::Finish::kStop, .endless = true, .delay_us = 500, .error = std::nullopt};
}

TEST(Cancel, DisconnectEndsTheGenerationAndCountersReturnToZero) {
  ServedApi served(endless_script);
  served.ready();
  for (const bool stream : {true, false}) {
    Json body = chat("Hi");
    body["stream"] = stream;
    body["max_tokens"] = 4000;
    body["n"] = 3;
    const std::string text = body.dump();
    test::RawSocket socket(served.server.port());
    socket.send(cat("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ",
                    text.size(), "\r\n\r\n", text));
    ASSERT_TRUE(eventually([&] { return served.engine->running() == 3; }));
    if (stream) socket.read_until("word");
    EXPECT_EQ(served.api.gate().running(), 3);
    socket.close();
    EXPECT_TRUE(eventually([&] { return served.engine->running() == 0; }, 100)) << stream;
    EXPECT_TRUE(eventually([&] { return served.api.gate().running() == 0 && served.server.stats().running == 0; })) << stream;
  }
  EXPECT_EQ(served.metric("attune_cancelled_total"), 6);
  EXPECT_EQ(served.metric("attune_requests_total{route=\"/v1/chat/completions\",status=\"200\"}"), 1);  // the stream had begun
  EXPECT_EQ(served.metric("attune_requests_total{route=\"/v1/chat/completions\",status=\"499\"}"), 1);
  EXPECT_EQ(served.metric("attune_requests_running"), 0);
}

TEST(Cancel, OneClientsDisconnectLeavesTheOthers) {
  ServedApi served([](const std::string& prompt, const GenerateCall&, int) {
    Script script{.pieces = std::vector<std::string>(200, "w"),
                  .finish = lm::Finish::kStop,
                  .endless = false,
                  .delay_us = 300,
                  .error = std::nullopt};
    script.endless = prompt.find("endless") != std::string::npos;
    return script;
  });
  served.ready();
  Json body = chat("endless");
  body["stream"] = true;
  const std::string text = body.dump();
  auto socket = std::make_unique<test::RawSocket>(served.server.port());
  socket->send(cat("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ",
                   text.size(), "\r\n\r\n", text));
  ASSERT_TRUE(eventually([&] { return served.engine->running() == 1; }));
  std::thread other([&] { EXPECT_EQ(served.post(kChat, chat("short"))["choices"][0]["message"]["content"], std::string(200, 'w')); });
  ASSERT_TRUE(eventually([&] { return served.engine->running() == 2; }));
  socket.reset();
  other.join();
}

TEST(Queue, FullQueueIs429AndLongWaitIs503) {
  ApiOptions options;
  options.parallel = 2;
  options.queue_limit = 1;
  options.queue_timeout_ms = 300;
  ServedApi served(endless_script, options);
  served.ready();
  std::vector<std::unique_ptr<test::RawSocket>> held;
  Json body = chat("Hi");
  body["max_tokens"] = 4000;
  const std::string text = body.dump();
  const std::string request =
      cat("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ", text.size(),
          "\r\n\r\n", text);
  for (int i = 0; i < 2; ++i) {
    held.push_back(std::make_unique<test::RawSocket>(served.server.port()));
    held.back()->send(request);
  }
  ASSERT_TRUE(eventually([&] { return served.api.gate().running() == 2; }));
  held.push_back(std::make_unique<test::RawSocket>(served.server.port()));
  held.back()->send(request);
  ASSERT_TRUE(eventually([&] { return served.api.gate().waiting() == 1; }));
  const auto refused = served.client().post_json(kChat, text);
  EXPECT_EQ(refused.status, 429);
  EXPECT_NE(refused.headers.find("Retry-After"), nullptr);
  EXPECT_EQ(held.back()->read_until("\r\n").substr(0, 12), "HTTP/1.1 503");
  held.clear();
  EXPECT_TRUE(eventually([&] { return served.api.gate().running() == 0 && served.api.gate().waiting() == 0; }));
}

TEST(Concurrency, SixtyFourClientsGetTheirOwnTexts) {
  ServedApi served([](const std::string& prompt, const GenerateCall&, int) {
    Script script{.pieces = {}, .finish = lm::Finish::kStop, .endless = false, .delay_us = 20, .error = std::nullopt};
    for (const char c : prompt) script.pieces.emplace_back(1, c);
    return script;
  });
  served.ready();
  std::atomic<int> wrong{0};
  std::atomic<int> tokens{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 6; ++i) {
        const std::string nonce = cat("nonce-", t, "-", i);
        const std::string expected = "U:" + nonce + "\n";
        std::string got;
        if (i % 2 == 0) {
          got = served.post(kChat, chat(nonce))["choices"][0]["message"]["content"];
        } else {
          got = ServedApi::text_of(served.stream(kChat, chat(nonce)));
        }
        if (got != expected) ++wrong;
        tokens += static_cast<int>(expected.size());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(served.metric("attune_generated_tokens_total"), tokens);  // the metrics equal the clients' own count
  EXPECT_EQ(served.metric("attune_prompt_tokens_total"), tokens + 64 * 6);
  EXPECT_EQ(served.metric("attune_requests_total{route=\"/v1/chat/completions\",status=\"200\"}"), 384);
}

}  // namespace
}  // namespace attune::serve
