// Stop strings: cut texts, what is held back, equality of streaming and one-shot results.
#include "text/stop.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "core/rng.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

using Stops = std::vector<std::string>;

/// Reference by definition: the smallest end at which a stop string is complete, the longest stop there; quadratic.
std::string reference_cut(const std::string& text, const Stops& stops, bool& stopped) {
  stopped = true;
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return text.substr(0, end - longest);
  }
  stopped = false;
  return text;
}

/// Longest tail of `text` that is a proper prefix of a stop string.
size_t reference_held(const std::string& text, const Stops& stops) {
  size_t held = 0;
  for (const std::string& stop : stops) {
    for (size_t size = 1; size < stop.size() && size <= text.size(); ++size) {
      if (text.compare(text.size() - size, size, stop, 0, size) == 0) held = std::max(held, size);
    }
  }
  return held;
}

TEST(StopMatcher, NothingOfTheMatchIsSent) {
  StopMatcher matcher({"DEFGHIJ"});
  std::string sent;
  for (const char* piece : {"ABC", "DEF", "G", "HI"}) {
    const auto result = matcher.feed(piece);
    EXPECT_FALSE(result.stopped);
    sent += result.text;
  }
  EXPECT_EQ(sent, "ABC");
  EXPECT_EQ(matcher.held(), "DEFGHI");
  const auto last = matcher.feed("JKL");
  EXPECT_TRUE(last.stopped);
  EXPECT_EQ(last.text, "");
  EXPECT_EQ(matcher.matched(), 0u);
  EXPECT_TRUE(matcher.feed("more").stopped);
  EXPECT_EQ(matcher.feed("more").text, "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, FalseAlarmIsSentLater) {
  StopMatcher matcher({"DEFGHIJ"});
  EXPECT_EQ(matcher.feed("DEFG").text, "");
  EXPECT_EQ(matcher.feed("x").text, "DEFGx");
  EXPECT_EQ(matcher.feed("DEF").text, "");
  EXPECT_EQ(matcher.finish(), "DEF");
}

TEST(StopMatcher, PrefixesOfEachOther) {
  EXPECT_EQ(cut_at_stop("a\n\nb", Stops{"\n", "\n\n"}), "a");
  EXPECT_EQ(cut_at_stop("a\n\nb", Stops{"\n\n", "\n"}), "a");
  EXPECT_EQ(cut_at_stop("a\nb\n\nc", Stops{"\n\n"}), "a\nb");
  std::optional<size_t> index;
  EXPECT_EQ(cut_at_stop("xabcd", Stops{"abcd", "bc"}, &index), "xa");  // "bc" is complete first
  EXPECT_EQ(index, 1u);
  EXPECT_EQ(cut_at_stop("xabc", Stops{"bc", "abc"}, &index), "x");  // both at once: the longest
  EXPECT_EQ(index, 1u);
  EXPECT_EQ(cut_at_stop("aaab", Stops{"aab"}), "a");  // overlap with itself
}

TEST(StopMatcher, StopAsFirstOutputAndNoStops) {
  EXPECT_EQ(cut_at_stop("STOPabc", Stops{"STOP"}), "");
  EXPECT_EQ(cut_at_stop("STOP", Stops{"STOP"}), "");
  EXPECT_EQ(cut_at_stop("abc", Stops{}), "abc");
  EXPECT_EQ(cut_at_stop("", Stops{"x"}), "");
  StopMatcher matcher({"ab"});
  EXPECT_EQ(matcher.feed("a").text, "");
  EXPECT_EQ(matcher.feed("").text, "");
  EXPECT_TRUE(matcher.feed("b").stopped);
}

TEST(StopMatcher, SplitInsideACharacter) {
  const std::string stop = "\xC3\xA9\xF0\x9F\x98\x80";
  const std::string text = "caf" + stop + "rest";
  Utf8Stream stream;
  StopMatcher matcher({stop});
  std::string sent;
  bool stopped = false;
  for (const char byte : text) {
    const auto result = matcher.feed(stream.feed({&byte, 1}));
    EXPECT_TRUE(is_valid_utf8(result.text));
    sent += result.text;
    stopped = stopped || result.stopped;
  }
  EXPECT_EQ(sent, "caf");
  EXPECT_TRUE(stopped);
}

TEST(StopMatcher, BadListsAreRefused) {
  const auto code = [](const Stops& stops) {
    try {
      StopMatcher matcher(stops);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kInternal;
  };
  EXPECT_EQ(code({""}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"a", "b", "c", "d", ""}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"a", "b", "c", "d", "e"}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({std::string(257, 'a')}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"\xF0\x9F"}), ErrorCode::kInvalidArgument);
  EXPECT_NO_THROW(check_stops(Stops{"a", "b", "c", std::string(256, 'd')}));
  EXPECT_NO_THROW(check_stops(Stops{}));
}

TEST(StopMatcher, StreamingEqualsOneShotForEverySplit) {
  Rng rng(13, "stop.property");
  int stops_seen = 0;
  for (int round = 0; round < 30000; ++round) {
    const auto random_text = [&](uint64_t max) {
      static const char* kUnits[] = {"a", "b", "\n", "\xC3\xA9", "\xF0\x9F\x98\x80"};
      std::string out;
      for (uint64_t i = rng.below(max) + 1; i > 0; --i) out += kUnits[rng.below(round % 2 == 0 ? 3 : 5)];
      return out;
    };
    Stops stops(rng.below(kMaxStops) + 1);
    for (std::string& stop : stops) stop = random_text(6);
    const std::string text = random_text(30);
    bool expected_stop = false;
    const std::string expected = reference_cut(text, stops, expected_stop);
    stops_seen += expected_stop ? 1 : 0;

    StopMatcher matcher(stops);
    std::string sent;
    bool stopped = false;
    size_t at = 0;
    while (at < text.size() && !stopped) {
      size_t size = rng.below(5) + 1;
      while (at + size < text.size() && (static_cast<unsigned char>(text[at + size]) & 0xC0) == 0x80) ++size;  // whole characters
      const auto result = matcher.feed(std::string_view(text).substr(at, size));
      at += size;
      sent += result.text;
      stopped = result.stopped;
      ASSERT_TRUE(is_valid_utf8(result.text));
      if (!stopped) {
        const std::string so_far = text.substr(0, std::min(at, text.size()));
        ASSERT_EQ(matcher.held().size(), reference_held(so_far, stops)) << "held back more or less than needed";
        ASSERT_EQ(sent + std::string(matcher.held()), so_far);
      }
    }
    sent += matcher.finish();
    ASSERT_EQ(sent, expected);
    ASSERT_EQ(stopped, expected_stop);
    ASSERT_EQ(cut_at_stop(text, stops), expected);
  }
  EXPECT_GT(stops_seen, 5000);
}

}  // namespace
}  // namespace attune::text
