#include "net/request_parser.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/rng.h"

namespace attune::net {
namespace {

ParseState parse(RequestParser& parser, std::string_view bytes, size_t step = 1 << 20) {
  for (size_t i = 0; i < bytes.size(); i += step) parser.feed(bytes.substr(i, step));
  return parser.state();
}

/// Status of the refusal, 0 if more bytes are needed, 200 if a request came out.
int verdict(std::string_view bytes, size_t step = 1 << 20, const HttpLimits& limits = {}) {
  RequestParser parser(limits);
  switch (parse(parser, bytes, step)) {
    case ParseState::kError: return parser.status();
    case ParseState::kDone: return 200;
    default: return 0;
  }
}

TEST(RequestParser, PlainGet) {
  RequestParser parser{HttpLimits{}};
  ASSERT_EQ(parse(parser, "GET /v1/items/a%2Fb?query=x+y&limit=3#frag HTTP/1.1\r\nHost: h\r\nX-A:  v \r\n\r\n"), ParseState::kDone);
  const Request request = parser.take();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/v1/items/a%2Fb");
  EXPECT_EQ(*request.query_value("query"), "x y");
  EXPECT_EQ(*request.query_value("limit"), "3");
  EXPECT_EQ(request.query_value("other"), nullptr);
  EXPECT_EQ(*request.headers.find("x-a"), "v");
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(parser.state(), ParseState::kIdle);
}

TEST(RequestParser, BodiesOverEverySplit) {
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
      "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
      "GET /c HTTP/1.0\r\n\r\n";
  for (size_t step = 1; step <= text.size(); ++step) {
    RequestParser parser{HttpLimits{}};
    std::vector<Request> got;
    for (size_t i = 0; i < text.size(); i += step) {
      parser.feed(std::string_view(text).substr(i, step));
      while (parser.state() == ParseState::kDone) got.push_back(parser.take());
    }
    ASSERT_EQ(got.size(), 3u) << step << parser.message();
    EXPECT_EQ(got[0].body, "hello");
    EXPECT_EQ(got[1].body, "abc0123456789");
    EXPECT_EQ(got[1].headers.find("Trailer"), nullptr);
    EXPECT_EQ(got[2].path, "/c");
    EXPECT_FALSE(got[2].keep_alive);
    EXPECT_EQ(got[2].version_minor, 0);
  }
}

TEST(RequestParser, EmptyLinesBeforeARequestAreSkipped) {
  RequestParser parser{HttpLimits{}};
  EXPECT_EQ(parse(parser, "\r\n\r\n"), ParseState::kIdle);
  EXPECT_EQ(parse(parser, "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), ParseState::kDone);
}

TEST(RequestParser, ExpectContinueIsReportedOnce) {
  RequestParser parser{HttpLimits{}};
  EXPECT_EQ(parse(parser, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), ParseState::kBody);
  EXPECT_TRUE(parser.take_expect_continue());
  EXPECT_FALSE(parser.take_expect_continue());
  EXPECT_EQ(parser.feed("ab"), ParseState::kDone);
}

struct BadCase {
  const char* name;
  std::string bytes;
  int status;
};

std::string get_with(const std::string& fields) { return "GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"; }
std::string post_with(const std::string& fields, const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n" + body;
}

std::vector<BadCase> bad_cases() {
  return {
      {"only empty lines",
       [] {
         std::string out;
         for (int i = 0; i < 17; ++i) out += "\r\n";
         return out;
       }(),
       400},
      {"long line without CR", "GET /" + std::string(9000, 'a') + "\n", 431},
      {"no version", "GET /\r\n\r\n", 400},
      {"version 2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"version 1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
      {"empty method", " / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"method with a bracket", "G{T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"space in target", "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 505},
      {"target without slash", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"absolute target", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"bad escape in query", "GET /?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", get_with("Host: h\r\n"), 400},
      {"bare line feed", "GET / HTTP/1.1\nHost: h\n\n", 400},
      {"line feed inside head", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400},
      {"bare CR in value", get_with("X: a\rb\r\n"), 400},
      {"NUL in value", get_with(std::string("X: a\0b\r\n", 8)), 400},
      {"control in value", get_with("X: a\x01\r\n"), 400},
      {"folded line", get_with("X: a\r\n b\r\n"), 400},
      {"leading space field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400},
      {"space before colon", get_with("X : a\r\n"), 400},
      {"no colon", get_with("Xabc\r\n"), 400},
      {"empty name", get_with(": a\r\n"), 400},
      {"name not a token", get_with("X(y): a\r\n"), 400},
      {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12), 400},
      {"length and chunked", post_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"chunked and length", post_with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400},
      {"two different lengths", post_with("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"), 400},
      {"two equal lengths", post_with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400},
      {"list of lengths", post_with("Content-Length: 5, 5\r\n", "hello"), 400},
      {"negative length", post_with("Content-Length: -5\r\n", "hello"), 400},
      {"plus length", post_with("Content-Length: +5\r\n", "hello"), 400},
      {"hex length", post_with("Content-Length: 0x5\r\n", "hello"), 400},
      {"empty length", post_with("Content-Length:\r\n", ""), 400},
      {"huge length", post_with("Content-Length: 99999999999999999999999\r\n", ""), 400},
      {"length above the limit", post_with("Content-Length: 33554433\r\n", ""), 413},
      {"coding gzip", post_with("Transfer-Encoding: gzip\r\n", ""), 501},
      {"coding gzip, chunked", post_with("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
      {"coding chunked, identity", post_with("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 501},
      {"coding xchunked", post_with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501},
      {"coding twice", post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 400},
      {"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"bad chunk size", post_with("Transfer-Encoding: chunked\r\n", "zz\r\nab\r\n0\r\n\r\n"), 400},
      {"negative chunk size", post_with("Transfer-Encoding: chunked\r\n", "-1\r\na\r\n0\r\n\r\n"), 400},
      {"empty chunk size", post_with("Transfer-Encoding: chunked\r\n", "\r\nab\r\n0\r\n\r\n"), 400},
      {"chunk size wraps", post_with("Transfer-Encoding: chunked\r\n", "10000000000000001\r\na\r\n0\r\n\r\n"), 400},
      {"chunk above the limit", post_with("Transfer-Encoding: chunked\r\n", "2000001\r\n"), 413},
      {"chunk without its line end", post_with("Transfer-Encoding: chunked\r\n", "1\r\nabX0\r\n\r\n"), 400},
      {"chunk header too long", post_with("Transfer-Encoding: chunked\r\n", "1;" + std::string(70'000, 'x')), 400},
      {"length in trailer", post_with("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 3\r\n\r\nabc"), 400},
      {"unknown expectation", get_with("Expect: tea\r\n"), 417},
      {"long request line", "GET /" + std::string(8200, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 431},
      {"long field", get_with("X: " + std::string(8200, 'a') + "\r\n"), 431},
      {"endless line", "GET /" + std::string(9000, 'a'), 431},
      {"many fields", get_with([] {
         std::string out;
         for (int i = 0; i < 101; ++i) out += "X: a\r\n";
         return out;
       }()),
       431},
      {"large head", get_with([] {
         std::string out;
         for (int i = 0; i < 5; ++i) out += "X: " + std::string(8000, 'a') + "\r\n";
         return out;
       }()),
       431},
  };
}

// Every malformed request is refused with its status, whatever pieces it arrives in.
TEST(RequestParser, MalformedRequestsAreRefused) {
  for (const BadCase& bad : bad_cases()) {
    for (const size_t step : {size_t{1} << 20, size_t{1}, size_t{7}}) {
      EXPECT_EQ(verdict(bad.bytes, step), bad.status) << bad.name << " in pieces of " << step;
    }
  }
}

TEST(RequestParser, LimitsAreExact) {
  HttpLimits limits;
  limits.max_header_line_bytes = 100;
  limits.max_header_bytes = 400;
  limits.max_header_fields = 4;
  limits.max_body_bytes = 10;
  const auto field = [](size_t size) { return "X: " + std::string(size - 3, 'a') + "\r\n"; };
  EXPECT_EQ(verdict(get_with(field(100)), 1, limits), 200);
  EXPECT_EQ(verdict(get_with(field(101)), 1, limits), 431);
  EXPECT_EQ(verdict(get_with("A: a\r\nB: b\r\nC: c\r\n"), 1, limits), 200);
  EXPECT_EQ(verdict(get_with("A: a\r\nB: b\r\nC: c\r\nD: d\r\n"), 1, limits), 431);
  const std::string base = get_with("");
  const auto head_of = [&](size_t size) { return get_with(field(100) + field(100) + field(size - base.size() - 204 - 2)); };
  ASSERT_EQ(head_of(330).size(), 330u);
  limits.max_header_bytes = 330;
  EXPECT_EQ(verdict(head_of(330), 1, limits), 200);
  EXPECT_EQ(verdict(head_of(331), 1, limits), 431);
  EXPECT_EQ(verdict(post_with("Content-Length: 10\r\n", "0123456789"), 1, limits), 200);
  EXPECT_EQ(verdict(post_with("Content-Length: 11\r\n", ""), 1, limits), 413);
  EXPECT_EQ(verdict(post_with("Transfer-Encoding: chunked\r\n", "5\r\n01234\r\n5\r\n01234\r\n0\r\n\r\n"), 1, limits), 200);
  EXPECT_EQ(verdict(post_with("Transfer-Encoding: chunked\r\n", "5\r\n01234\r\n6\r\n012345\r\n0\r\n\r\n"), 1, limits), 413);
}

TEST(RequestParser, NothingIsParsedAfterAnError) {
  RequestParser parser{HttpLimits{}};
  ASSERT_EQ(parse(parser, "BAD\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), ParseState::kError);
  EXPECT_EQ(parser.feed("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), ParseState::kError);
  EXPECT_THROW(parser.take(), Error);
}

// Random damage to a good request: any verdict, no crash, and the same verdict for every way of cutting.
TEST(RequestParser, DamagedRequestsAreJudgedTheSameInAnyPieces) {
  const std::string good = post_with("Transfer-Encoding: chunked\r\nX: y\r\n", "3\r\nabc\r\n0\r\n\r\n");
  Rng rng(7);
  for (int round = 0; round < 3000; ++round) {
    std::string text = good;
    for (uint64_t n = 1 + rng.below(3); n > 0; --n) {
      const size_t at = rng.below(text.size());
      switch (rng.below(3)) {
        case 0: text[at] = static_cast<char>(rng.below(256)); break;
        case 1: text.erase(at, 1 + rng.below(4)); break;
        default: text.insert(at, 1, "\r\n :;0aF\0"[rng.below(9)]); break;
      }
    }
    EXPECT_EQ(verdict(text, 1), verdict(text)) << round << ": " << text;
  }
}

}  // namespace
}  // namespace attune::net
