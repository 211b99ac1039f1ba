// Folding for comparisons, and the single-BOS helper.
#include "text/fold.h"

#include <gtest/gtest.h>

#include "core/rng.h"
#include "text/bos.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

TEST(Fold, KnownTexts) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},
      {"  The   Lord\tof\nthe Rings ", "the lord of the rings"},
      {"Mis\xC3\xA9rables, Les (1995)", "miserables, les (1995)"},
      {"Am\xC3\xA9lie", "amelie"},
      {"Ame\xCC\x81lie", "amelie"},                                   // combining accent
      {"\xC3\x98rsted \xC3\x86on \xC5\x81\xC3\xB3\xC4\x8F\xC5\xBA", "orsted aeon lodz"},
      {"Stra\xC3\x9F"
       "e",
       "strasse"},
      {"\xEF\xBC\xA8\xEF\xBD\x89\xEF\xBC\x9A", "hi:"},                // full width
      {"\xEF\xAC\x81n", "fin"},                                        // ligature
      {"Schindler\xE2\x80\x99s List \xE2\x80\x93 \xE2\x80\x9CX\xE2\x80\x9D", "schindler's list - \"x\""},
      {"a\xE2\x80\x8B"
       "b\xC2\xAD"
       "c",
       "abc"},                        // zero-width space, soft hyphen
      {"\xD0\x81\xD0\xBB\xD0\xBA\xD0\xB0", "\xD0\xB5\xD0\xBB\xD0\xBA\xD0\xB0"},
      {"\xE3\x81\x8C", "\xE3\x81\x8C"},                                // Japanese voicing mark stays
      {"\xED\x95\x9C\xEA\xB5\xAD", "\xED\x95\x9C\xEA\xB5\xAD"},        // Hangul is composed again
      {"\xC4\xB0\xC4\xB1I", "iii"},                                    // Turkish i
      {"\xC2\xBD", "1/2"},
      {"a\xF0\x9F", "a\xEF\xBF\xBD"},
      {"a\x01\x7F"
       "b",
       "a\x7F"
       "b"},
  };
  for (const auto& [text, folded] : cases) EXPECT_EQ(fold(text), folded) << text;
}

TEST(Fold, AlphanumericDropsSigns) {
  EXPECT_EQ(fold_alphanumeric("Se7en! (1995)"), "se7en 1995");
  EXPECT_EQ(fold_alphanumeric("  ... "), "");
  EXPECT_EQ(fold_alphanumeric("Schindler's  List"), "schindlers list");
  EXPECT_EQ(fold_alphanumeric("- a - b -"), "a b");
  EXPECT_EQ(fold_alphanumeric("\xE3\x81\x8C\xE3\x80\x82"), "\xE3\x81\x8C");
}

TEST(Fold, IsIdempotentAndWellFormed) {
  Rng rng(17, "fold.random");
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (uint64_t i = rng.below(12); i > 0; --i) {
      const uint64_t kind = rng.below(5);
      if (kind == 0) append_utf8(text, static_cast<char32_t>(rng.below(0x110000)));
      if (kind == 1) append_utf8(text, static_cast<char32_t>(0x0300 + rng.below(0x70)));
      if (kind == 2) append_utf8(text, static_cast<char32_t>(rng.below(0x2600)));
      if (kind == 3) text += static_cast<char>(rng.below(256));
      if (kind == 4) append_utf8(text, static_cast<char32_t>(0x1E00 + rng.below(0x200)));
    }
    const std::string folded = fold(text);
    ASSERT_TRUE(is_valid_utf8(folded));
    ASSERT_EQ(fold(folded), folded);
    ASSERT_EQ(trim(folded), folded);
    ASSERT_EQ(folded.find("  "), std::string::npos);
  }
}

TEST(Fold, EveryCharacterIsStable) {
  for (char32_t code = 0; code < 0x20000; ++code) {
    std::string text = "x";
    append_utf8(text, code);
    text += 'y';
    const std::string folded = fold(text);
    ASSERT_EQ(fold(folded), folded) << static_cast<uint32_t>(code);
  }
}

TEST(Bos, ExactlyOneInFront) {
  using Ids = std::vector<int32_t>;
  Ids ids = {5, 6};
  BosChange change = ensure_single_bos(ids, 2);
  EXPECT_EQ(ids, (Ids{2, 5, 6}));
  EXPECT_TRUE(change.added);
  EXPECT_EQ(change.dropped, 0u);
  change = ensure_single_bos(ids, 2);
  EXPECT_EQ(ids, (Ids{2, 5, 6}));
  EXPECT_FALSE(change.added);
  EXPECT_EQ(change.dropped, 0u);
  ids = {2, 2, 2, 5, 2};
  change = ensure_single_bos(ids, 2);
  EXPECT_EQ(ids, (Ids{2, 5, 2}));
  EXPECT_EQ(change.dropped, 2u);
  ids = {};
  change = ensure_single_bos(ids, 2);
  EXPECT_EQ(ids, Ids{2});
  EXPECT_TRUE(change.added);
}

}  // namespace
}  // namespace attune::text
