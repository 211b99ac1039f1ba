#include "serve/choice_text.h"

#include <gtest/gtest.h>

#include "core/rng.h"

namespace attune::serve {
namespace {

/// Feeds `bytes` cut at random places and returns the joined text and the tokens listed.
std::pair<std::string, std::vector<std::string>> run(const std::string& bytes, const ChoiceText::Options& options, Rng& rng,
                                                     size_t longest) {
  ChoiceText text(options);
  std::string out;
  std::vector<std::string> tokens;
  const auto take = [&](ChoicePiece piece) {
    EXPECT_TRUE(text::is_valid_utf8(piece.text));
    out += piece.text;
    for (auto& token : piece.tokens) tokens.push_back(token.bytes);
  };
  for (size_t at = 0; at < bytes.size() && !text.stopped();) {
    const size_t size = 1 + rng.below(longest);
    take(text.add({0, 0, bytes.substr(at, size), {}}));
    at += size;
  }
  take(text.finish());
  return {out, tokens};
}

TEST(ChoiceText, AnyCutGivesTheSameText) {
  Rng rng(5);
  const std::string alphabet[] = {"a", "b", " ", "\n", "User:", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xff", "ab"};
  for (int round = 0; round < 400; ++round) {
    std::string bytes;
    for (uint64_t n = rng.below(30); n > 0; --n) bytes += alphabet[rng.below(9)];
    ChoiceText::Options options;
    options.trim = rng.below(2) == 0;
    if (rng.below(2) == 0) options.format_stops = {"\nUser:"};
    if (rng.below(2) == 0) options.stops = {"aab", "\xc3\xa9"};
    const std::string whole = run(bytes, options, rng, 1000).first;
    for (int cut = 0; cut < 5; ++cut) EXPECT_EQ(run(bytes, options, rng, 3).first, whole) << bytes;
  }
}

TEST(ChoiceText, TrimRemovesBothEndsOnly) {
  Rng rng(1);
  ChoiceText::Options options;
  options.trim = true;
  EXPECT_EQ(run("  \n a  b \n ", options, rng, 2).first, "a  b");
  EXPECT_EQ(run(" \n ", options, rng, 1).first, "");
}

// Without a stop every token is listed once and in order, whatever is held back on the way.
TEST(ChoiceText, TokensAreListedOnceAndInOrder) {
  Rng rng(9);
  ChoiceText::Options options;
  options.keep_tokens = true;
  options.stops = {"never this"};
  const std::string bytes = "neve never th \xf0\x9f\x98\x80 never thi";
  for (int round = 0; round < 50; ++round) {
    const auto [text, tokens] = run(bytes, options, rng, 4);
    std::string joined;
    for (const auto& token : tokens) joined += token;
    EXPECT_EQ(joined, bytes);
    EXPECT_EQ(text, bytes);
  }
}

}  // namespace
}  // namespace attune::serve
