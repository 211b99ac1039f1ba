#include "net/http.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "net/client.h"
#include "net/exchange_internal.h"
#include "net/server.h"

namespace attune::net {
namespace {

TEST(Http, HeadersCompareWithoutCase) {
  Headers headers{{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}};
  ASSERT_NE(headers.find("content-type"), nullptr);
  EXPECT_EQ(*headers.find("CONTENT-TYPE"), "a");
  EXPECT_EQ(*headers.find("X"), "1");
  EXPECT_EQ(headers.count("x"), 2);
  EXPECT_EQ(headers.find("Content-Typ"), nullptr);
}

TEST(Http, PercentDecoding) {
  EXPECT_EQ(percent_decode("a%20b%2Fc"), "a b/c");
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("%c3%a9"), "\xc3\xa9");
  for (const char* bad : {"%", "%1", "%zz", "abc%4", "%00", "%-1", "% 1"}) EXPECT_EQ(percent_decode(bad), std::nullopt) << bad;
}

TEST(Http, PercentEncodingIsInverted) {
  std::string all;
  for (int c = 1; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
  EXPECT_EQ(percent_encode("a b/~"), "a%20b%2F~");
}

TEST(Http, Query) {
  const auto query = parse_query("a=1&b=x%26y&c&&d=e=f");
  ASSERT_TRUE(query);
  const std::vector<std::pair<std::string, std::string>> expected = {{"a", "1"}, {"b", "x&y"}, {"c", ""}, {"d", "e=f"}};
  EXPECT_EQ(*query, expected);
  EXPECT_FALSE(parse_query("a=%"));
  EXPECT_TRUE(parse_query("")->empty());
}

TEST(Http, LoopbackHosts) {
  for (const char* host : {"localhost", "LocalHost", "127.0.0.1", "127.1.2.3", "::1", "[::1]"}) EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host : {"127.0.0.1.evil.example", "127.evil.0.1", "0.0.0.0", "10.0.0.1", "localhost.evil.example", "", "127.0.0."}) {
    EXPECT_FALSE(is_loopback_host(host)) << host;
  }
}

TEST(Http, ResponseHeadersCannotBeSplit) {
  Exchange exchange;
  EXPECT_THROW(exchange.make_head(200, {{"X", "a\r\nSet-Cookie: b"}}, ""), Error);
  EXPECT_NE(exchange.make_head(200, {{"X", "a"}}, "").find("\r\nX: a\r\n"), std::string::npos);
}

TEST(Http, DateHasTheFormOfRfc9110) {
  const std::string date = http_date();
  EXPECT_EQ(date.size(), 29u);
  EXPECT_EQ(date.substr(26), "GMT");
  EXPECT_EQ(date[3], ',');
}

TEST(SseReader, EventsOverAnySplit) {
  const std::string stream = ": comment\n\ndata: one\n\ndata: two\ndata: lines\r\n\r\nevent: x\n\ndata:[DONE]\n\n";
  const std::vector<std::string> expected = {"one", "two\nlines", "[DONE]"};
  for (size_t step = 1; step < stream.size(); ++step) {
    SseReader reader;
    std::vector<std::string> got;
    for (size_t i = 0; i < stream.size(); i += step) {
      reader.feed(std::string_view(stream).substr(i, step), [&](std::string_view data) {
        got.emplace_back(data);
        return true;
      });
    }
    EXPECT_EQ(got, expected) << step;
  }
}

TEST(HttpLimits, EveryLimitIsAnOption) {
  HttpLimits limits;
  OptionList list;
  limits.describe(list);
  EXPECT_EQ(list.options().size(), 12u);
  for (const auto& option : list.options()) {
    ASSERT_TRUE(option->min() && option->max()) << option->name();
    EXPECT_THROW(option->set_number(*option->min() - 1, true), Error) << option->name();
    EXPECT_THROW(option->set_number(*option->max() + 1, true), Error) << option->name();
    option->set_number(*option->min(), true);
  }
}

}  // namespace
}  // namespace attune::net
