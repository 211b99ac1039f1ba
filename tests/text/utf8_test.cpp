// UTF-8 decoding, replacement by maximal subparts, and assembly from arbitrary pieces.
#include "text/utf8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/rng.h"

namespace attune::text {
namespace {

constexpr std::string_view kR = kReplacement;

/// Independent reference: a table of all well-formed sequences by their byte ranges (Unicode 15, table 3-7), tried from longest to
/// shortest; otherwise the longest prefix of any row is one replacement.
std::string reference_sanitize(std::string_view text) {
  using Range = std::pair<int, int>;
  static const std::vector<std::vector<Range>> kRows = {
      {{0x00, 0x7F}},
      {{0xC2, 0xDF}, {0x80, 0xBF}},
      {{0xE0, 0xE0}, {0xA0, 0xBF}, {0x80, 0xBF}},
      {{0xE1, 0xEC}, {0x80, 0xBF}, {0x80, 0xBF}},
      {{0xED, 0xED}, {0x80, 0x9F}, {0x80, 0xBF}},
      {{0xEE, 0xEF}, {0x80, 0xBF}, {0x80, 0xBF}},
      {{0xF0, 0xF0}, {0x90, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
      {{0xF1, 0xF3}, {0x80, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}},
      {{0xF4, 0xF4}, {0x80, 0x8F}, {0x80, 0xBF}, {0x80, 0xBF}},
  };
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t longest = 1;
    bool whole = false;
    for (const auto& row : kRows) {
      size_t n = 0;
      while (n < row.size() && at + n < text.size()) {
        const int byte = static_cast<unsigned char>(text[at + n]);
        if (byte < row[n].first || byte > row[n].second) break;
        ++n;
      }
      longest = std::max(longest, n);
      whole = whole || n == row.size();
    }
    out += whole ? text.substr(at, longest) : kR;
    at += longest;
  }
  return out;
}

std::string random_bytes(Rng& rng) {
  static const std::string kParts[] = {
      "a",    "\x80",     "\xC2",         "\xC3\xA9", "\xE2\x96", "\xE2\x96\x81", "\xED\xA0\x80", "\xF0\x9F\x98\x80",
      "\xF0", "\xF0\x9F", "\xF0\x9F\x98", "\xF4\x90", "\xFF",     "\xE0\x80\xAF", "\xC0\xAF",     "\xEF\xBF\xBD"};
  std::string out;
  for (uint64_t i = rng.below(12); i > 0; --i)
    out += rng.below(4) == 0 ? std::string(1, static_cast<char>(rng.below(256))) : kParts[rng.below(16)];
  return out;
}

TEST(Utf8, DecodesTheWholeRange) {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code == 0xD800) code = 0xE000;
    std::string text;
    append_utf8(text, code);
    const Utf8Char c = decode_utf8(text, 0);
    ASSERT_TRUE(c.valid) << static_cast<uint32_t>(code);
    ASSERT_EQ(static_cast<uint32_t>(c.code), static_cast<uint32_t>(code));
    ASSERT_EQ(c.size, text.size());
  }
  std::string text;
  append_utf8(text, 0xD800);
  append_utf8(text, 0x110000);
  EXPECT_EQ(text, std::string(kR) + std::string(kR));
}

TEST(Utf8, ReplacesMaximalSubparts) {
  const auto r = [](int n) {
    std::string out;
    for (; n > 0; --n) out += kR;
    return out;
  };
  EXPECT_EQ(sanitize_utf8("\x80"), r(1));
  EXPECT_EQ(sanitize_utf8("a\xF0\x9F\x98z"), "a" + r(1) + "z");
  EXPECT_EQ(sanitize_utf8("\xC0\xAF"), r(2));  // overlong
  EXPECT_EQ(sanitize_utf8("\xE0\x80\xAF"), r(3));  // overlong
  EXPECT_EQ(sanitize_utf8("\xED\xA0\x80"), r(3));  // surrogate
  EXPECT_EQ(sanitize_utf8("\xF4\x90\x80\x80"), r(4));  // above U+10FFFF
  EXPECT_EQ(sanitize_utf8("\xF5\xFF"), r(2));
  EXPECT_EQ(sanitize_utf8("\xF0\x9F\xF0\x9F\x98\x80"), r(1) + "\xF0\x9F\x98\x80");
  EXPECT_EQ(sanitize_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), r(4) + "A");  // the example of Unicode section 3.9
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("plain ASCII of more than eight bytes, \xE2\x96\x81 and \xF0\x9F\x98\x80"));
  EXPECT_FALSE(is_valid_utf8("plain ASCII of more than eight bytes \xF0\x9F\x98"));
}

TEST(Utf8, RandomBytesAgreeWithTheTable) {
  Rng rng(7, "utf8.random");
  for (int round = 0; round < 20000; ++round) {
    const std::string bytes = random_bytes(rng);
    const std::string expected = reference_sanitize(bytes);
    ASSERT_EQ(sanitize_utf8(bytes), expected);
    ASSERT_EQ(is_valid_utf8(bytes), expected == bytes);
    ASSERT_TRUE(is_valid_utf8(expected));
    ASSERT_EQ(count_code_points(bytes), count_code_points(expected));
  }
}

TEST(Utf8, ExcerptsAreWellFormed) {
  EXPECT_EQ(excerpt("short"), "short");
  EXPECT_EQ(excerpt("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(excerpt("a\xFF", 2), "a" + std::string(kR));
  EXPECT_EQ(excerpt(std::string(40, 'x')).size(), 32u);
}

TEST(Utf8, TrimsWhatPythonStrips) {
  EXPECT_EQ(trim(" \t\r\n\v\f a b \xC2\xA0\xE3\x80\x80\xE2\x80\x8A\x1F"), "a b");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \n "), "");
  EXPECT_EQ(trim("\xE2\x80\x8B x"), "\xE2\x80\x8B x");  // zero-width space is no white space in Python
  EXPECT_EQ(trim("\x80 "), "\x80");
  EXPECT_EQ(trim("\xC2\xA0"), "");
}

TEST(Utf8Stream, HoldsBackUntilTheCharacterIsWhole) {
  Utf8Stream stream;
  EXPECT_EQ(stream.feed("\xF0"), "");
  EXPECT_EQ(stream.feed("\x9F"), "");
  EXPECT_EQ(stream.feed("\x98"), "");
  EXPECT_EQ(stream.pending(), "\xF0\x9F\x98");
  EXPECT_EQ(stream.feed("\x80!"), "\xF0\x9F\x98\x80!");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Utf8Stream, BrokenTailIsOneReplacement) {
  Utf8Stream stream;
  EXPECT_EQ(stream.feed("ok \xF0"), "ok ");
  EXPECT_EQ(stream.feed("\x9F"), "");
  EXPECT_EQ(stream.finish(), kR);
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.feed("\x80") + stream.finish(), kR);
  EXPECT_EQ(stream.feed("\xE2\x96"), "");
  EXPECT_EQ(stream.feed("a"), std::string(kR) + "a");  // a broken sequence in the middle
}

TEST(Utf8Stream, EveryCutGivesTheSameValidChunks) {
  Rng rng(11, "utf8.stream");
  const std::string family =
      "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7 \xF0\x9F\x87\xA9\xF0\x9F\x87\xAA \xED\x95\x9C \xD8\xB9";
  for (int round = 0; round < 20000; ++round) {
    const std::string bytes = round % 10 == 0 ? family : random_bytes(rng);
    Utf8Stream stream;
    std::string joined;
    for (size_t at = 0; at < bytes.size();) {
      const size_t size = rng.below(3) + 1;
      const std::string chunk = stream.feed(std::string_view(bytes).substr(at, size));
      ASSERT_TRUE(is_valid_utf8(chunk));
      ASSERT_LE(stream.pending().size(), 3u);
      joined += chunk;
      at += size;
    }
    joined += stream.finish();
    ASSERT_EQ(joined, reference_sanitize(bytes));
  }
}

}  // namespace
}  // namespace attune::text
