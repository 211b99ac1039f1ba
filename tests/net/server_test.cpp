#include "net/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "net/client.h"
#include "tests/net/raw_socket.h"

namespace attune::net {
namespace {

using test::eventually;
using test::RawSocket;

/// Counts what handlers did, for tests that look from outside.
struct Probe {
  std::atomic<int> calls{0};
  std::atomic<int> cancelled{0};
  std::atomic<int> streams_running{0};
  std::atomic<int64_t> flooded_bytes{0};
};

/// Routes: /echo (body back), /sleep (until cancelled, at most 5 s), /stream (endless), /big, /throw, /late-throw, /silent.
Handler probe_handler(Probe& probe) {
  return [&probe](const Request& request, Responder& responder) {
    ++probe.calls;
    if (request.path == "/sleep") {
      for (int i = 0; i < 5000 && !request.stop.stop_requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (request.stop.stop_requested()) ++probe.cancelled;
      responder.send({200, {}, "slept"});
    } else if (request.path == "/stream") {
      ++probe.streams_running;
      responder.start_stream(200, {{"Content-Type", "text/event-stream"}});
      while (responder.write_chunk("data: x\n\n")) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      if (request.stop.stop_requested()) ++probe.cancelled;
      --probe.streams_running;
    } else if (request.path == "/flood") {
      ++probe.streams_running;
      responder.start_stream(200, {});
      const std::string block(64 * 1024, 'x');
      while (responder.write_chunk(block)) probe.flooded_bytes += static_cast<int64_t>(block.size());
      if (request.stop.stop_requested()) ++probe.cancelled;
      --probe.streams_running;
    } else if (request.path == "/three") {
      responder.start_stream(200, {});
      for (const char* piece : {"one", "", "two", "three"}) responder.write_chunk(piece);
    } else if (request.path == "/big") {
      responder.send({200, {}, std::string(4 << 20, 'b')});
    } else if (request.path == "/throw") {
      throw std::runtime_error("broken on purpose");
    } else if (request.path == "/late-throw") {
      responder.start_stream(200, {});
      responder.write_chunk("part");
      throw std::runtime_error("broken on purpose");
    } else if (request.path != "/silent") {
      responder.send({200, {{"Content-Type", "text/plain"}}, cat(request.method, " ", request.path, " ", request.body)});
    }
  };
}

class ServerTest : public ::testing::Test {
 protected:
  void start(const std::function<void(HttpLimits&)>& change = {}) {
    ServerOptions options;
    options.port = 0;
    if (change) change(options.limits);
    server_ = std::make_unique<Server>(options, probe_handler(probe_));
  }
  Client client() { return Client({.host = "127.0.0.1", .port = server_->port()}); }
  std::string exchange(std::string_view bytes) {
    RawSocket socket(server_->port());
    socket.send(bytes);
    return socket.read_all();
  }

  Probe probe_;
  std::unique_ptr<Server> server_;
};

std::string get(const std::string& path, const std::string& fields = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

TEST_F(ServerTest, AnswersAndKeepsAlive) {
  start();
  Client http = client();
  for (int i = 0; i < 20; ++i) {
    const Response response = http.request("POST", "/echo", {}, cat("body ", i));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, cat("POST /echo body ", i));
    EXPECT_NE(response.headers.find("Date"), nullptr);
  }
  EXPECT_EQ(server_->stats().accepted, 1);
  EXPECT_EQ(http.request("HEAD", "/echo").body, "");
  EXPECT_EQ(http.get("/echo").body, "GET /echo ");
  EXPECT_EQ(server_->stats().accepted, 1);
}

TEST_F(ServerTest, Http10ClosesUnlessAsked) {
  start();
  EXPECT_NE(exchange("GET /a HTTP/1.0\r\n\r\n").find("Connection: close"), std::string::npos);
  RawSocket kept(server_->port());
  kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(kept.read_until("GET /a ").find("Connection: keep-alive"), std::string::npos);
  kept.send("GET /b HTTP/1.0\r\n\r\n");
  EXPECT_NE(kept.read_all().find("GET /b "), std::string::npos);
  const std::string stream = exchange("GET /three HTTP/1.0\r\n\r\n");
  EXPECT_NE(stream.find("\r\n\r\nonetwothree"), std::string::npos);
  EXPECT_EQ(stream.find("chunked"), std::string::npos);
}

TEST_F(ServerTest, ChunkedStreamIsExact) {
  start();
  const std::string text = exchange(get("/three", "Connection: close\r\n"));
  EXPECT_NE(text.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_EQ(text.substr(text.find("\r\n\r\n") + 4), "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
  Client http = client();
  std::string body;
  http.request("GET", "/three", {}, {}, [&](std::string_view piece) {
    body += piece;
    return true;
  });
  EXPECT_EQ(body, "onetwothree");
  EXPECT_EQ(http.get("/echo").status, 200);  // the connection is usable after a stream
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  std::string sent;
  for (int i = 0; i < 50; ++i) sent += get(cat("/p", i), i == 49 ? "Connection: close\r\n" : "");
  const std::string got = exchange(sent);
  size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = got.find(cat("GET /p", i, " "), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(ServerTest, PipelinedWhileHandlingDoesNotEndTheFirst) {
  start();
  RawSocket socket(server_->port());
  socket.send(get("/three") + get("/echo", "Connection: close\r\n"));
  const std::string got = socket.read_all();
  EXPECT_NE(got.find("0\r\n\r\nHTTP/1.1 200"), std::string::npos);
  EXPECT_EQ(probe_.cancelled, 0);
}

TEST_F(ServerTest, HandlerErrorsBecome500AndTheServerGoesOn) {
  start();
  EXPECT_NE(exchange(get("/throw", "Connection: close\r\n")).find("HTTP/1.1 500 "), std::string::npos);
  EXPECT_EQ(exchange(get("/throw")).find("on purpose"), std::string::npos);  // no internals to the outside
  EXPECT_NE(exchange(get("/silent", "Connection: close\r\n")).find("HTTP/1.1 500 "), std::string::npos);
  const std::string cut = exchange(get("/late-throw"));
  EXPECT_NE(cut.find("part"), std::string::npos);
  EXPECT_EQ(cut.find("0\r\n\r\n"), std::string::npos);  // the client must see that the stream is not whole
  EXPECT_NE(exchange(get("/echo", "Connection: close\r\n")).find("200 OK"), std::string::npos);
}

TEST_F(ServerTest, MalformedRequestsGetTheirStatusAndAClosedConnection) {
  start();
  const std::pair<std::string, std::string> cases[] = {
      {"NONSENSE\r\n\r\n", "400"},
      {"GET / HTTP/3.0\r\nHost: h\r\n\r\n", "505"},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
       "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
       "400"},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n", "413"},
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", "431"},
  };
  for (const auto& [bytes, status] : cases) {
    RawSocket socket(server_->port());
    socket.send(bytes);
    const std::string got = socket.read_all();
    EXPECT_EQ(got.substr(0, 12), "HTTP/1.1 " + status) << bytes.substr(0, 40);
    EXPECT_EQ(got.find("HTTP/1.1 200"), std::string::npos) << "a second answer: " << got;
    EXPECT_TRUE(socket.closed());
  }
  EXPECT_EQ(probe_.calls, 0);
  EXPECT_EQ(server_->stats().malformed, 5);
}

TEST_F(ServerTest, OversizedBodyIsRefusedWhileItIsSent) {
  start([](HttpLimits& limits) { limits.max_body_bytes = 1000; });
  EXPECT_EQ(client().request("POST", "/echo", {}, std::string(1000, 'a')).status, 200);
  EXPECT_EQ(client().request("POST", "/echo", {}, std::string(3'000'000, 'a')).status, 413);
}

TEST_F(ServerTest, ExpectContinue) {
  start();
  RawSocket socket(server_->port());
  socket.send("POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(socket.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("ok");
  EXPECT_NE(socket.read_all().find("POST /echo ok"), std::string::npos);
}

TEST_F(ServerTest, SlowHeadIsClosedAfterItsTime) {
  start([](HttpLimits& limits) { limits.header_timeout_ms = 200; });
  RawSocket socket(server_->port());
  const std::string head = get("/echo", "X: " + std::string(1000, 'a') + "\r\n");
  bool cut = false;
  for (size_t i = 0; i < 100 && !cut; ++i) {  // 1 byte each 10 ms: any byte-wise idle limit would never fire
    cut = !socket.send(head.substr(i, 1));
    ::usleep(10'000);
  }
  EXPECT_TRUE(cut);
  EXPECT_EQ(probe_.calls, 0);
  RawSocket silent(server_->port());
  EXPECT_EQ(silent.read_all(3000), "");
  EXPECT_TRUE(silent.closed());
  EXPECT_GE(server_->stats().timed_out, 2);
}

TEST_F(ServerTest, SlowBodyIsClosedByIdleAndByTotalTime) {
  start([](HttpLimits& limits) {
    limits.body_idle_timeout_ms = 150;
    limits.body_total_timeout_ms = 500;
  });
  const std::string head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n";
  RawSocket idle(server_->port());
  idle.send(head + "abc");
  EXPECT_EQ(idle.read_all(3000), "");
  EXPECT_TRUE(idle.closed());
  RawSocket drip(server_->port());
  drip.send(head);
  bool cut = false;
  for (int i = 0; i < 60 && !cut; ++i) {  // never idle, but too slow as a whole
    cut = !drip.send("a");
    ::usleep(30'000);
  }
  EXPECT_TRUE(cut);
  EXPECT_EQ(probe_.calls, 0);
}

TEST_F(ServerTest, IdleConnectionIsClosed) {
  start([](HttpLimits& limits) { limits.keep_alive_timeout_ms = 150; });
  RawSocket socket(server_->port());
  socket.send(get("/echo"));
  EXPECT_NE(socket.read_all(3000).find("GET /echo"), std::string::npos);
  EXPECT_TRUE(socket.closed());
  Client http = client();
  EXPECT_EQ(http.get("/echo").status, 200);
  ::usleep(400'000);
  EXPECT_EQ(http.get("/echo").status, 200);  // the client opens a new connection by itself
}

TEST_F(ServerTest, DisconnectFiresTheTokenWithin100Milliseconds) {
  std::atomic<bool> running{false};
  std::atomic<bool> fired{false};
  ServerOptions options;
  options.port = 0;
  server_ = std::make_unique<Server>(options, [&](const Request& request, Responder&) {
    running = true;
    while (!request.stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    fired = true;
    running = false;
  });
  for (const bool reset : {false, true, false, true}) {
    fired = false;
    RawSocket socket(server_->port());
    socket.send(get("/x"));
    ASSERT_TRUE(eventually([&] { return running.load(); }));
    reset ? socket.abort() : socket.close();
    EXPECT_TRUE(eventually([&] { return fired.load(); }, 100)) << reset;
    ASSERT_TRUE(eventually([&] { return !running.load(); }));
  }
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0 && server_->stats().running == 0; }));
}

TEST_F(ServerTest, DisconnectBehindPipelinedBytesIsSeen) {
  start();
  RawSocket socket(server_->port());
  std::string behind;
  while (behind.size() < 100'000) behind += get("/echo");
  socket.send(get("/stream"));
  ASSERT_TRUE(eventually([&] { return probe_.streams_running == 1; }));
  socket.send(behind.substr(0, 100'000));
  ::usleep(50'000);
  EXPECT_EQ(probe_.cancelled, 0);
  socket.shutdown_send();
  EXPECT_TRUE(eventually([&] { return probe_.cancelled == 1; }));
}

TEST_F(ServerTest, HalfCloseCancelsButStillGetsTheAnswer) {
  start();
  RawSocket socket(server_->port());
  socket.send(get("/sleep"));
  ASSERT_TRUE(eventually([&] { return probe_.calls == 1; }));
  socket.shutdown_send();
  EXPECT_NE(socket.read_all().find("slept"), std::string::npos);
  EXPECT_EQ(probe_.cancelled, 1);
}

TEST_F(ServerTest, SlowReaderHoldsNoMoreThanTheBufferAndIsDropped) {
  start([](HttpLimits& limits) { limits.write_stall_timeout_ms = 300; });
  RawSocket socket(server_->port(), nullptr, 4096);
  socket.send(get("/flood"));
  ASSERT_TRUE(eventually([&] { return probe_.streams_running == 1; }));
  EXPECT_TRUE(eventually([&] { return probe_.cancelled == 1; }));  // without reading a byte
  EXPECT_LT(probe_.flooded_bytes, int64_t{32} << 20);               // the handler was held back: sockets' buffers and ours, no more
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
}

TEST_F(ServerTest, SlowButSteadyReaderGetsAll) {
  start([](HttpLimits& limits) { limits.write_stall_timeout_ms = 400; });
  RawSocket socket(server_->port(), nullptr, 8192);
  socket.send(get("/big", "Connection: close\r\n"));
  size_t total = 0;
  for (;;) {
    const std::string part = socket.read_until("\n", 1);  // whatever is there
    total += part.size();
    if (socket.closed()) break;
  }
  EXPECT_GT(total, size_t{4} << 20);
}

TEST_F(ServerTest, ConnectionLimitsPerAddressAndTotal) {
  start([](HttpLimits& limits) {
    limits.max_connections = 6;
    limits.max_connections_per_address = 4;
  });
  std::vector<std::unique_ptr<RawSocket>> held;
  for (int i = 0; i < 4; ++i) held.push_back(std::make_unique<RawSocket>(server_->port()));
  ASSERT_TRUE(eventually([&] { return server_->stats().connections == 4; }));
  const std::string refused = exchange(get("/echo"));
  EXPECT_EQ(refused.substr(0, 12), "HTTP/1.1 503");
  EXPECT_NE(refused.find("Retry-After: "), std::string::npos);
  for (int i = 0; i < 2; ++i) held.push_back(std::make_unique<RawSocket>(server_->port(), "127.0.0.2"));
  ASSERT_TRUE(eventually([&] { return server_->stats().connections == 6; }));
  RawSocket other(server_->port(), "127.0.0.3");
  other.send(get("/echo"));
  EXPECT_EQ(other.read_all().substr(0, 12), "HTTP/1.1 503");
  held.clear();
  ASSERT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
  EXPECT_EQ(client().get("/echo").status, 200);
  EXPECT_EQ(server_->stats().rejected, 2);
}

TEST_F(ServerTest, SilentConnectionsMakeRoomForNewOnes) {
  start([](HttpLimits& limits) { limits.max_connections_per_address = 4; });
  std::vector<std::unique_ptr<RawSocket>> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(std::make_unique<RawSocket>(server_->port()));
    if (i > 0) held.back()->send("GET / HT");
  }
  ::usleep(300'000);
  EXPECT_EQ(client().get("/echo").status, 200);  // in the place of an unfinished head
  EXPECT_EQ(held[0]->read_all(1), "");
  EXPECT_FALSE(held[0]->closed());               // merely silent: has a second
  ::usleep(900'000);
  std::vector<std::unique_ptr<RawSocket>> more;
  for (int i = 0; i < 4; ++i) {
    more.push_back(std::make_unique<RawSocket>(server_->port()));
    ::usleep(20'000);
  }
  held[0]->read_all(500);
  EXPECT_TRUE(held[0]->closed());
}

TEST_F(ServerTest, SixtyFourClientsGetTheirOwnAnswers) {
  start();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 64; ++t) {
    threads.emplace_back([&, t] {
      Client http = client();
      for (int i = 0; i < 50; ++i) {
        const std::string body = cat("nonce-", t, "-", i);
        if (http.request("POST", "/echo", {}, body).body != "POST /echo " + body) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(probe_.calls, 3200);
  EXPECT_EQ(server_->stats().running, 0);
}

TEST_F(ServerTest, ManyConnectionsOneAfterAnother) {
  start();
  for (int i = 0; i < 1500; ++i) ASSERT_EQ(client().get("/echo").status, 200) << i;
  EXPECT_TRUE(eventually([&] { return server_->stats().connections == 0; }));
}

TEST_F(ServerTest, StopLetsRunningRequestsFinish) {
  std::atomic<bool> running{false};
  ServerOptions options;
  options.port = 0;
  server_ = std::make_unique<Server>(options, [&](const Request&, Responder& responder) {
    running = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    responder.send({200, {}, "finished"});
  });
  RawSocket idle(server_->port());
  RawSocket busy(server_->port());
  busy.send(get("/x"));
  ASSERT_TRUE(eventually([&] { return running.load(); }));
  EXPECT_TRUE(server_->stop(5000));
  const std::string got = busy.read_all();
  EXPECT_NE(got.find("finished"), std::string::npos);
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_TRUE(idle.closed());
  EXPECT_THROW(RawSocket{server_->port()}, std::runtime_error);
}

TEST_F(ServerTest, StopCancelsWhatDoesNotFinish) {
  start();
  RawSocket stream(server_->port());
  stream.send(get("/stream"));
  ASSERT_TRUE(eventually([&] { return probe_.streams_running == 1; }));
  RawSocket sleeper(server_->port());
  sleeper.send(get("/sleep"));
  ASSERT_TRUE(eventually([&] { return probe_.calls == 2; }));
  EXPECT_TRUE(server_->stop(300));
  EXPECT_EQ(probe_.streams_running, 0);
  EXPECT_EQ(probe_.cancelled, 2);
}

TEST_F(ServerTest, BusyPortIsNamed) {
  start();
  ServerOptions options;
  options.port = server_->port();
  try {
    Server second(options, probe_handler(probe_));
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(error.what()).find(cat(server_->port())), std::string::npos);
  }
  options.host = "no such host.invalid";
  EXPECT_THROW(Server(options, probe_handler(probe_)), Error);
}

TEST_F(ServerTest, ClientReportsWhatWentWrong) {
  start();
  const uint16_t port = server_->port();
  std::stop_source stop;
  std::thread canceller([&] {
    eventually([&] { return probe_.streams_running == 1; });
    stop.request_stop();
  });
  try {
    client().request("GET", "/stream", {}, {}, [](std::string_view) { return true; }, stop.get_token());
    ADD_FAILURE() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  canceller.join();
  server_.reset();
  try {
    Client({.host = "127.0.0.1", .port = port}).get("/");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
  }
}

}  // namespace
}  // namespace attune::net
