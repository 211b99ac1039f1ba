// The whole service: options, background loading, failures named, clean stop.
#include "serve/service.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "net/client.h"
#include "tests/net/raw_socket.h"

namespace attune::serve {
namespace {

using test::eventually;

ServiceOptions tiny_options() {
  ServiceOptions options;
  options.http.port = 0;
  options.model = Path(ATTUNE_SOURCE_DIR) / "data" / "tiny.gguf";
  options.store = std::filesystem::temp_directory_path() / cat("attune-service-", ::getpid(), ".db");
  return options;
}

TEST(Service, OtherAddressesNeedAKey) {
  ServiceOptions options = tiny_options();
  for (const char* host : {"0.0.0.0", "::", "192.168.1.2", "example.org", "127.0.0.1.example.org"}) {
    options.http.host = host;
    EXPECT_THROW(options.validate(), Error) << host;
    EXPECT_THROW(Service{options}, Error) << host;
  }
  options.api.api_key = "key";
  EXPECT_NO_THROW(options.validate());
  options.http.host = "127.0.0.1";
  options.api.api_key.clear();
  EXPECT_NO_THROW(options.validate());
}

TEST(Service, LoadsInTheBackgroundAndStops) {
  Service service(tiny_options());
  net::Client client({.host = "127.0.0.1", .port = service.port()});
  const int early = client.get("/health").status;
  EXPECT_TRUE(early == 503 || early == 200);
  ASSERT_TRUE(eventually([&] { return service.state() != ServiceState::kLoading; }, 60'000));
  ASSERT_EQ(service.state(), ServiceState::kReady) << service.failure();
  EXPECT_NE(service.summary().find("tiny"), std::string::npos);
  EXPECT_EQ(client.get("/health").status, 200);
  EXPECT_EQ(client.post_json("/v1/completions", R"({"prompt":"a","max_tokens":3})").status, 200);
  EXPECT_TRUE(service.stop());
  EXPECT_THROW(net::Client({.host = "127.0.0.1", .port = service.port()}).get("/health"), Error);
}

TEST(Service, FailuresOfLoadingAreNamed) {
  ServiceOptions options = tiny_options();
  options.model = "/nonexistent/model.gguf";
  Service no_model(options);
  ASSERT_TRUE(eventually([&] { return no_model.state() == ServiceState::kFailed; }));
  EXPECT_NE(no_model.failure().find("/nonexistent/model.gguf"), std::string::npos) << no_model.failure();

  options = tiny_options();
  options.recommender = "/nonexistent/recommender";
  options.recommender_required = true;
  Service no_recommender(options);
  ASSERT_TRUE(eventually([&] { return no_recommender.state() == ServiceState::kFailed; }, 60'000));
  EXPECT_NE(no_recommender.failure().find("/nonexistent/recommender"), std::string::npos) << no_recommender.failure();

  options.recommender_required = false;  // the default folder may be absent
  Service without(options);
  ASSERT_TRUE(eventually([&] { return without.state() == ServiceState::kReady; }, 60'000));
  EXPECT_NE(without.summary().find("no recommender"), std::string::npos);
}

TEST(Service, StopCutsRunningWorkWithinItsGrace) {
  ServiceOptions options = tiny_options();
  options.http.limits.stop_grace_ms = 300;
  Service service(options);
  ASSERT_TRUE(eventually([&] { return service.state() == ServiceState::kReady; }, 60'000));
  const std::string body = R"({"prompt":"a","max_tokens":400,"n":16,"stream":true,"logit_bias":{"1":-100}})";
  std::vector<std::unique_ptr<test::RawSocket>> sockets;
  for (int i = 0; i < 8; ++i) {
    sockets.push_back(std::make_unique<test::RawSocket>(service.port()));
    sockets.back()->send(cat("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ",
                             body.size(), "\r\n\r\n", body));
  }
  eventually([&] { return service.api().gate().running() > 0; });
  EXPECT_TRUE(service.stop());
  EXPECT_EQ(service.api().gate().running(), 0);
}

}  // namespace
}  // namespace attune::serve
