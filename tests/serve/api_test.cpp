// Around the handlers: route table, key, Host, content type, readiness, error shapes, page, metrics.
#include <set>

#include "serve/page.h"
#include "serve/route.h"
#include "tests/serve/served_api.h"

namespace attune::serve {
namespace {

using test::chat;
using test::fixed;
using test::Json;
using test::ServedApi;

/// A request that reaches the route's handler: names filled in, a body where one belongs.
net::Response call_route(net::Client& client, const Route& route, const net::Headers& headers) {
  std::string path(route.pattern);
  if (const size_t brace = path.find('{'); brace != std::string::npos) path.replace(brace, path.find('}') - brace + 1, "x");
  if (path.ends_with('*')) path.pop_back();
  net::Headers all = headers;
  const bool has_body = route.method == "POST" || route.method == "PUT";
  if (has_body) all.add("Content-Type", "application/json");
  return client.request(route.method, path, all, has_body ? "{}" : "");
}

void expect_error_shape(const net::Response& response, int status) {
  EXPECT_EQ(response.status, status) << response.body;
  const Json body = Json::parse(response.body, nullptr, false);
  ASSERT_TRUE(body.is_object() && body.contains("error")) << response.body;
  EXPECT_TRUE(body["error"]["message"].is_string());
  EXPECT_TRUE(body["error"]["type"].is_string());
  EXPECT_TRUE(body["error"].contains("param"));
  EXPECT_TRUE(body["error"].contains("code"));
}

// Deny by default: whatever is in the table asks for the key, /health alone does not.
TEST(Routes, EveryRouteButHealthNeedsTheKey) {
  ApiOptions options;
  options.api_key = "secret-key";
  ServedApi served(fixed({"a"}), options);
  served.ready();
  net::Client client = served.client();
  for (const Route& route : routes()) {
    EXPECT_EQ(route.needs_key, route.pattern != "/health") << route.pattern;
    for (const net::Headers& headers :
         {net::Headers{}, net::Headers{{"Authorization", "Bearer wrong"}}, net::Headers{{"Authorization", "secret-key"}},
          net::Headers{{"Authorization", "Bearer secret-key2"}}, net::Headers{{"Authorization", "Bearer "}},
          net::Headers{{"Authorization", "Basic %%%"}}, net::Headers{{"Authorization", "Basic dXNlcjp3cm9uZw=="}}}) {
      const auto response = call_route(client, route, headers);
      if (route.pattern == "/health") {
        EXPECT_EQ(response.status, 200);
      } else {
        expect_error_shape(response, 401);
        EXPECT_NE(response.headers.find("WWW-Authenticate"), nullptr);
      }
    }
    EXPECT_NE(call_route(client, route, {{"Authorization", "Bearer secret-key"}}).status, 401) << route.pattern;
    // "user:secret-key": how a browser opens the page.
    EXPECT_NE(call_route(client, route, {{"Authorization", "Basic dXNlcjpzZWNyZXQta2V5"}}).status, 401) << route.pattern;
  }
  expect_error_shape(client.get("/v1/unknown"), 401);  // unknown paths tell nothing without the key
  expect_error_shape(client.get("/v1/unknown", {{"Authorization", "Bearer secret-key"}}), 404);
}

TEST(Routes, NoRouteGivesAServerErrorForAnEmptyRequest) {
  ServedApi served(fixed({"a"}));
  served.ready();
  net::Client client = served.client();
  for (const Route& route : routes()) EXPECT_LT(call_route(client, route, {}).status, 500) << route.method << " " << route.pattern;
}

TEST(Routes, LoadingIs503Everywhere) {
  ServedApi served(fixed({"a"}));
  net::Client client = served.client();
  auto health = client.get("/health");
  EXPECT_EQ(health.status, 503);
  EXPECT_EQ(health.body, R"({"status":"loading"})");
  for (const Route& route : routes()) {
    if (route.needs_ready) expect_error_shape(call_route(client, route, {}), 503);
  }
  served.ready();
  health = client.get("/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.body, R"({"status":"ok"})");
}

TEST(Routes, WrongMethodsNameTheRightOnes) {
  ServedApi served(fixed({"a"}));
  served.ready();
  net::Client client = served.client();
  for (const char* method : {"GET", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    const auto response = client.request(method, "/v1/chat/completions", {{"Content-Type", "application/json"}}, "");
    expect_error_shape(response, 405);
    EXPECT_EQ(*response.headers.find("Allow"), "POST");
  }
  expect_error_shape(client.request("POST", "/health", {{"Content-Type", "application/json"}}, "{}"), 405);
  EXPECT_EQ(client.request("HEAD", "/health").status, 200);
  const auto options = client.request("OPTIONS", "/v1/models");
  EXPECT_EQ(options.headers.find("Access-Control-Allow-Origin"), nullptr);
}

TEST(Routes, MatchingDecodesSegmentsAndKeepsEncodedSlashes) {
  EXPECT_EQ(match_route("GET", "/v1/models/a%2Fb%20c").params, std::vector<std::string>{"a/b c"});
  EXPECT_EQ(match_route("GET", "/v1/models").route->pattern, "/v1/models");
  EXPECT_EQ(match_route("GET", "/v1/models/").route->pattern, "/*");
  EXPECT_EQ(match_route("GET", "/v1/models/a/b").route->pattern, "/*");
  EXPECT_EQ(match_route("GET", "/%76%31/models").route->pattern, "/v1/models");
  EXPECT_EQ(match_route("GET", "").route, nullptr);
  EXPECT_EQ(match_route("GET", "*").route, nullptr);
  EXPECT_EQ(match_route("GET", "/v1/models/%zz").route->pattern, "/*");  // and no such page
}

TEST(Routes, TableIsConsistent) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const Route& route : routes()) {
    EXPECT_TRUE(seen.emplace(route.method, route.pattern).second) << route.pattern;
    EXPECT_FALSE(route.help.empty());
    EXPECT_NE(route.handler, nullptr);
  }
}

// A page of another site that a browser resolves to this machine must not reach the API.
TEST(Host, OnlyLoopbackAndListedNames) {
  ApiOptions options;
  options.allowed_hosts = {"my.machine"};
  ServedApi served(fixed({"a"}), options);
  served.ready();
  net::Client client = served.client();
  for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "my.machine", "My.Machine:80"}) {
    EXPECT_EQ(client.get("/v1/models", {{"Host", host}}).status, 200) << host;
  }
  for (const char* host : {"evil.example", "evil.example:8080", "127.0.0.1.evil.example", "my.machine.evil", "localhost.evil", "[::2]", "",
                           "[", "192.168.1.2"}) {
    expect_error_shape(client.get("/v1/models", {{"Host", host}}), 400);
    expect_error_shape(client.get("/health", {{"Host", host}}), 400);
  }
}

TEST(ContentType, BodiesMustSayJson) {
  ServedApi served(fixed({"a"}));
  served.ready();
  net::Client client = served.client();
  const std::string body = chat("Hi").dump();
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""}) {
    expect_error_shape(client.request("POST", "/v1/chat/completions", {{"Content-Type", type}}, body), 415);
  }
  expect_error_shape(client.request("POST", "/v1/chat/completions", {}, body), 415);
  for (const char* type : {"application/json", "application/json; charset=utf-8", "Application/JSON ;x=y"}) {
    EXPECT_EQ(client.request("POST", "/v1/chat/completions", {{"Content-Type", type}}, body).status, 200) << type;
  }
}

TEST(Models, ListAndOne) {
  ServedApi served(fixed({"a"}));
  served.ready();
  net::Client client = served.client();
  const Json list = Json::parse(client.get("/v1/models").body);
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][0]["id"], "scripted-model-7b");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(list["data"][0]["attune"]["instruction_tuned"], true);
  EXPECT_EQ(list["data"][0]["attune"]["context_length"], 4096);
  EXPECT_EQ(Json::parse(client.get("/v1/models/scripted-model-7b").body), list["data"][0]);
  const auto unknown = client.get("/v1/models/gpt-4");
  expect_error_shape(unknown, 404);
  EXPECT_EQ(Json::parse(unknown.body)["error"]["code"], "model_not_found");
}

TEST(Models, RequestsMayNameTheModelShortly) {
  ServedApi served(fixed({"a"}));
  served.ready();
  Json body = chat("Hi");
  for (const char* name : {"scripted-model-7b", "scripted-model", "default", "attune", ""}) {
    body["model"] = name;
    EXPECT_EQ(served.post("/v1/chat/completions", body)["model"], "scripted-model-7b");
  }
  for (const char* name : {"gpt-4", "scripted-model-7b-it", "7b"}) {
    body["model"] = name;
    EXPECT_EQ(served.post("/v1/chat/completions", body, 404)["error"]["code"], "model_not_found");
  }
}

TEST(Models, AdaptersAreModels) {
  ServedApi served(fixed({"a"}));
  served.engine->mutable_info().adapters = {{"tone", 5}, {"plot.v2", 6}};
  served.ready();
  const Json models = Json::parse(served.client().get("/v1/models").body)["data"];
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models[0]["id"], "scripted-model-7b");
  EXPECT_EQ(models[2]["id"], "scripted-model-7b:plot.v2");
  EXPECT_EQ(Json::parse(served.client().get("/v1/models/scripted-model-7b:tone").body)["id"], "scripted-model-7b:tone");
  EXPECT_EQ(served.client().get("/v1/models/tone").status, 404);
  Json body = chat("Hi");
  for (const char* name : {"tone", "scripted-model-7b:tone", "scripted:tone", "default:tone", ":tone"}) {
    body["model"] = name;
    EXPECT_EQ(served.post("/v1/chat/completions", body)["model"], "scripted-model-7b:tone") << name;
    EXPECT_EQ(served.engine->calls.back().weights, 5u) << name;
  }
  body["model"] = "scripted-model-7b";
  served.post("/v1/chat/completions", body);
  EXPECT_EQ(served.engine->calls.back().weights, lm::kCurrentWeights);
  for (const char* name : {"gpt-4:tone", "scripted-model-7b:other", "tone:tone", "ton", "scripted-model-7b:"}) {
    body["model"] = name;
    const Json error = served.post("/v1/chat/completions", body, 404)["error"];
    EXPECT_EQ(error["code"], "model_not_found") << name;
  }
  EXPECT_EQ(served.post("/v1/embeddings", {{"input", "a"}, {"model", "tone"}})["model"], "scripted-model-7b:tone");
}

TEST(Tokens, ThereAndBack) {
  ServedApi served(fixed({"a"}));
  served.ready();
  const Json tokens = served.post("/tokenize", {{"content", "a\xc3\xa9"}})["tokens"];
  EXPECT_EQ(tokens.size(), 4u);
  EXPECT_EQ(served.post("/detokenize", {{"tokens", tokens}})["content"], "a\xc3\xa9");
  EXPECT_EQ(served.post("/detokenize", {{"tokens", {tokens[2]}}})["content"], "\xef\xbf\xbd");
  served.post("/tokenize", {{"content", 3}}, 400);
  served.post("/tokenize", Json::object(), 400);
  for (const Json& bad : {Json(-1), Json(1.5), Json("a"), Json(1 << 20), Json(18446744073709551615ull), Json(nullptr)}) {
    served.post("/detokenize", {{"tokens", {bad}}}, 400);
  }
}

TEST(Page, TypesAndCacheRules) {
  const EmbeddedFile files[] = {{"/index.html", "<html>", "aaaa"}, {"/assets/app-1234.js", "js", "bbbb"}, {"/icon.svg", "svg", "cccc"}};
  auto page = page_response(files, "/", nullptr);
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "<html>");
  EXPECT_EQ(*page.headers.find("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(*page.headers.find("Cache-Control"), "no-cache");
  EXPECT_EQ(*page.headers.find("X-Content-Type-Options"), "nosniff");
  const std::string policy = *page.headers.find("Content-Security-Policy");
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  EXPECT_EQ(policy.find("http"), std::string::npos);
  page = page_response(files, "/assets/app-1234.js", nullptr);
  EXPECT_EQ(*page.headers.find("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_NE(page.headers.find("Cache-Control")->find("immutable"), std::string::npos);
  const std::string tag = "\"cccc\"";
  page = page_response(files, "/icon.svg", &tag);
  EXPECT_EQ(page.status, 304);
  EXPECT_EQ(page.body, "");
  EXPECT_THROW(page_response(files, "/../etc/passwd", nullptr), std::exception);
  EXPECT_THROW(page_response(files, "/index.htm", nullptr), std::exception);
  EXPECT_NE(page_response({}, "/", nullptr).body.find("not built"), std::string::npos);
}

TEST(Page, IsServed) {
  ServedApi served(fixed({"a"}));
  net::Client client = served.client();  // also while loading
  const auto page = client.get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.body.find("<html"), std::string::npos);
  for (const EmbeddedFile& file : page_files()) {
    const auto response = client.get(file.path);
    EXPECT_EQ(response.status, 200) << file.path;
    EXPECT_EQ(response.body, file.bytes) << file.path;
    EXPECT_NE(*response.headers.find("Content-Type"), "application/octet-stream") << file.path;
  }
  expect_error_shape(client.get("/no/such/page"), 404);
}

TEST(Metrics, CountByRouteAndStatus) {
  ServedApi served(fixed({"a", "b"}));
  served.ready();
  served.post("/v1/chat/completions", chat("Hi"));
  served.post("/v1/chat/completions", Json::object(), 400);
  served.client().get("/health");
  served.client().get("/nothing?user=secret-user");
  EXPECT_EQ(served.metric("attune_requests_total{route=\"/v1/chat/completions\",status=\"200\"}"), 1);
  EXPECT_EQ(served.metric("attune_requests_total{route=\"/v1/chat/completions\",status=\"400\"}"), 1);
  EXPECT_EQ(served.metric("attune_requests_total{route=\"/health\",status=\"200\"}"), 1);
  EXPECT_EQ(served.metric("attune_requests_total{route=\"/*\",status=\"404\"}"), 1);
  EXPECT_EQ(served.metric("attune_generated_tokens_total"), 2);
  EXPECT_EQ(served.metric("attune_prompt_tokens_total"), 6);
  EXPECT_EQ(served.metric("attune_time_to_first_token_seconds_count"), 1);
  EXPECT_EQ(served.metric("attune_time_per_token_seconds_count"), 1);
  EXPECT_EQ(served.metric("attune_ready"), 1);
  EXPECT_EQ(served.client().get("/metrics").body.find("secret"), std::string::npos);
}

TEST(ErrorPage, HttpErrorsHaveTheSameShape) {
  ServedApi served(fixed({"a"}));
  test::RawSocket socket(served.server.port());
  socket.send("NONSENSE\r\n\r\n");
  const std::string text = socket.read_all();
  const Json body = Json::parse(text.substr(text.find("\r\n\r\n") + 4));
  EXPECT_EQ(body["error"]["type"], "invalid_request_error");
  EXPECT_EQ(text.substr(0, 12), "HTTP/1.1 400");
}

}  // namespace
}  // namespace attune::serve
