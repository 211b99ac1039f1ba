// An Api behind a real socket, with a scripted engine and a client: what most tests of the routes use.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "net/client.h"
#include "serve/api.h"
#include "tests/net/raw_socket.h"
#include "tests/serve/scripted_engine.h"

namespace attune::test {

using Json = nlohmann::json;

class ServedApi {
 public:
  explicit ServedApi(ScriptedEngine::Writer writer, serve::ApiOptions options = {}, int64_t context_length = 4096)
      : engine(std::make_shared<ScriptedEngine>(std::move(writer), context_length)),
        api(std::move(options)),
        server(
            server_options(), [this](const net::Request& request, net::Responder& responder) { api.handle(request, responder); },
            serve::Api::error_page) {}

  void ready() { api.set_ready({engine, people}); }
  net::Client client() { return net::Client({.host = "127.0.0.1", .port = server.port()}); }

  /// POST, and the answer as JSON. Expects `status`.
  Json post(const std::string& path, const Json& body, int status = 200, net::Headers headers = {}) {
    return post_text(path, body.dump(), status, std::move(headers));
  }
  Json post_text(const std::string& path, const std::string& body, int status = 200, net::Headers headers = {}) {
    const net::Response response = client().post_json(path, body, std::move(headers));
    EXPECT_EQ(response.status, status) << response.body << "\nfor " << body.substr(0, 300);
    return Json::parse(response.body, nullptr, false);
  }
  /// Events of a stream; checks that each is valid JSON and that [DONE] comes last.
  std::vector<Json> stream(const std::string& path, Json body) {
    body["stream"] = true;
    std::vector<Json> events;
    bool done = false;
    net::SseReader reader;
    net::Client http = client();
    const auto response = http.request("POST", path, {{"Content-Type", "application/json"}}, body.dump(), [&](std::string_view bytes) {
      return reader.feed(bytes, [&](std::string_view data) {
        EXPECT_FALSE(done);
        if (data == "[DONE]") {
          done = true;
        } else {
          events.push_back(Json::parse(data));  // throws for invalid UTF-8 or JSON
        }
        return true;
      });
    });
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(done);
    return events;
  }
  /// Text of choice `index` of a stream.
  static std::string text_of(const std::vector<Json>& events, int index = 0) {
    std::string out;
    for (const Json& event : events) {
      for (const Json& choice : event["choices"]) {
        if (choice["index"] != index) continue;
        if (choice.contains("text")) out += choice["text"].get<std::string>();
        if (choice.contains("delta") && choice["delta"].contains("content")) out += choice["delta"]["content"].get<std::string>();
      }
    }
    return out;
  }
  /// Value of a metric line that begins with `name`.
  double metric(const std::string& name) {
    const std::string page = "\n" + client().get("/metrics").body;
    const size_t at = page.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size() + 2));
  }

  std::shared_ptr<ScriptedEngine> engine;
  std::shared_ptr<assist::RecommendService> people;  ///< set before ready()
  serve::Api api;
  net::Server server;

 private:
  static net::ServerOptions server_options() {
    net::ServerOptions options;
    options.port = 0;
    options.limits.max_connections_per_address = 256;
    return options;
  }
};

inline Json chat(const std::string& text) { return {{"messages", {{{"role", "user"}, {"content", text}}}}}; }

/// Always the same pieces.
inline ScriptedEngine::Writer fixed(std::vector<std::string> pieces, lm::Finish finish = lm::Finish::kStop) {
  return [pieces = std::move(pieces), finish](const std::string&, const serve::GenerateCall&, int) {
    return Script{.pieces = pieces, .finish = finish, .endless = false, .delay_us = 0, .error = std::nullopt};
  };
}

}  // namespace attune::test
