// The tokenizer on a small vocabulary: against a plain reference, and every kind of bad vocabulary.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "core/error.h"
#include "core/rng.h"
#include "tests/text/small_vocab.h"

namespace attune::text {
namespace {

using Ids = std::vector<int32_t>;
using testing::add_piece;
using testing::small_vocab;

ErrorCode code_of(const Vocab& vocab) {
  try {
    Tokenizer tokenizer(vocab);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("[tokenizer]"), std::string::npos);
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(Tokenizer, AgreesWithThePlainReference) {
  const Vocab vocab = small_vocab();
  const Tokenizer tokenizer(vocab);
  const testing::ReferenceEncoder reference(vocab);
  static const char* kUnits[] = {"a",
                                 "b",
                                 "c",
                                 " ",
                                 "the",
                                 "\n",
                                 "<b>",
                                 "<b",
                                 "\xC3\xA9",
                                 "\xF0\x9F\x98\x80",
                                 "user",
                                 "<end_of_turn>",
                                 "<start_of_image>",
                                 "aaaa",
                                 "\xE2\x96\x81",
                                 "\x80",
                                 "\xE2\x96",
                                 "x",
                                 "<bos>",
                                 "m"};
  Rng rng(3, "tokenizer.reference");
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    const uint64_t kinds = rng.below(20) + 1;
    for (uint64_t i = rng.below(round % 50 == 0 ? 120 : 20); i > 0; --i) text += kUnits[rng.below(kinds)];
    const bool control = rng.below(2) == 1;
    const bool images = rng.below(2) == 1;
    const Ids ids = tokenizer.encode(text, {.allow_control = control, .allow_image_tokens = images});
    ASSERT_EQ(ids, reference.encode(text, control, images)) << ::testing::PrintToString(text);
  }
}

TEST(Tokenizer, LongRunsAgreeWithTheReference) {
  const Vocab vocab = small_vocab();
  const Tokenizer tokenizer(vocab);
  const testing::ReferenceEncoder reference(vocab);
  for (const char* unit : {"a", "ab", "abc", "aab", " ", "\n", "<b>", "bca"}) {
    for (size_t n : {22, 23, 24, 25, 26, 100, 255}) {  // around the change from scanning to the heap
      std::string text;
      while (text.size() < n) text += unit;
      EXPECT_EQ(tokenizer.encode(text), reference.encode(text, false, false)) << unit << " " << n;
    }
  }
}

TEST(Tokenizer, LongRandomWordsAgreeWithTheReference) {
  Vocab vocab = small_vocab();
  // Every word of two or three of the letters a, b, c, d with scores that often tie, so that merges compete everywhere.
  Rng rng(4, "tokenizer.long");
  for (int n = 16; n < 64 + 16 * 4; ++n) {
    std::string piece = {static_cast<char>('a' + n / 16 % 4), static_cast<char>('a' + n / 4 % 4), static_cast<char>('a' + n % 4)};
    if (n < 32) piece.erase(0, 1);
    if (rng.below(2) == 0 || std::find(vocab.pieces.begin(), vocab.pieces.end(), piece) != vocab.pieces.end()) continue;
    add_piece(vocab, piece, -static_cast<float>(rng.below(12)), PieceType::kNormal);
  }
  const Tokenizer tokenizer(vocab);
  const testing::ReferenceEncoder reference(vocab);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (uint64_t i = rng.below(200); i > 0; --i) text += static_cast<char>('a' + rng.below(4));
    ASSERT_EQ(tokenizer.encode(text), reference.encode(text, false, false)) << text;
  }
}

TEST(Tokenizer, TiesGoToTheLeft) {
  const Tokenizer tokenizer(small_vocab());
  EXPECT_EQ(tokenizer.encode("abc"), Ids{*tokenizer.find("abc")});   // ab + c
  EXPECT_EQ(tokenizer.encode("bcab"), (Ids{*tokenizer.find("bc"), *tokenizer.find("ab")}));
  EXPECT_EQ(tokenizer.encode("aaa"), (Ids{*tokenizer.find("aa"), *tokenizer.find("a")}));
}

TEST(Tokenizer, SpecialPieces) {
  const Tokenizer tokenizer(small_vocab());
  EXPECT_EQ(tokenizer.encode("<b><b><b>"), (Ids{12, 11}));  // longest first
  EXPECT_EQ(tokenizer.encode("    "), (Ids{8, *tokenizer.find("\xE2\x96\x81")}));
  EXPECT_EQ(tokenizer.encode("\xE2\x96\x81 \xE2\x96\x81"), Ids{8});  // U+2581 in the text is a space
  EXPECT_EQ(tokenizer.encode("", {.add_bos = true}), Ids{2});
  EXPECT_EQ(tokenizer.encode("<bos>", {.add_bos = true, .allow_control = true}), (Ids{2, 2}));
  EXPECT_EQ(tokenizer.encode("<start_of_image>", {.allow_image_tokens = true}), Ids{6});
  EXPECT_GT(tokenizer.encode("<start_of_image>", {.allow_control = true}).size(), 1u);
}

TEST(Tokenizer, InvalidUtf8BecomesReplacement) {
  const Tokenizer tokenizer(small_vocab());
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a\x80z\xF0\x9F")), "a\xEF\xBF\xBDz\xEF\xBF\xBD");
  EXPECT_EQ(tokenizer.encode("\xE2\x96 "), tokenizer.encode("\xEF\xBF\xBD "));
}

TEST(Tokenizer, DecodesPieceByPiece) {
  const Tokenizer tokenizer(small_vocab());
  EXPECT_EQ(tokenizer.piece_bytes(13 + 0xF0), "\xF0");
  EXPECT_EQ(tokenizer.piece_bytes(*tokenizer.find("\xE2\x96\x81the")), " the");
  EXPECT_EQ(tokenizer.piece_bytes(7), "  ");
  EXPECT_EQ(tokenizer.piece_bytes(2), "");
  EXPECT_EQ(tokenizer.piece_bytes(2, true), "<bos>");
  EXPECT_EQ(tokenizer.piece_bytes(1 << 30), "");
  EXPECT_THROW(tokenizer.piece_bytes(-1), Error);
  EXPECT_THROW(tokenizer.decode(Ids{1, -5}), Error);
}

TEST(Tokenizer, WithoutBytePiecesUnknownsAreFused) {
  const Tokenizer tokenizer(small_vocab(false));
  EXPECT_EQ(tokenizer.encode("axyzb"), (Ids{*tokenizer.find("a"), 3, *tokenizer.find("b")}));
  EXPECT_EQ(tokenizer.encode("x\ny"), (Ids{3, 9, 3}));
}

TEST(Tokenizer, RefusesBadVocabularies) {
  const auto broken = [](auto&& change) {
    Vocab vocab = small_vocab();
    change(vocab);
    return code_of(vocab);
  };
  constexpr auto kBad = ErrorCode::kCorruptData;
  EXPECT_EQ(code_of(Vocab{}), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.scores.pop_back(); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.types.push_back(PieceType::kNormal); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.types[0] = static_cast<PieceType>(0); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.types[0] = static_cast<PieceType>(7); }), kBad);
  for (const char* byte : {"<0x-1>", "<0xG0>", "<0x041>", "<0x4>", "0x41", "<0x 1>", "<0X41>", "<0x41", "<0x+1>", "<0x4G>", "<0x4->", ""}) {
    EXPECT_EQ(broken([&](Vocab& v) { v.pieces[13] = byte; }), kBad) << byte;
  }
  EXPECT_EQ(broken([](Vocab& v) { v.pieces[13 + 0x3F] = "<0x4G>"; }), kBad);  // 0x3F if the bad digit counted as -1
  EXPECT_EQ(broken([](Vocab& v) { v.pieces[13] = "<0x0a>"; }), kBad);  // the byte 10 twice
  EXPECT_EQ(broken([](Vocab& v) { add_piece(v, "<0x0a>", 0, PieceType::kByte); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.types[13] = PieceType::kUnused; }), kBad);  // the byte 0 is missing
  EXPECT_EQ(broken([](Vocab& v) { v.pieces.back() = "a"; }), kBad);             // twice
  EXPECT_EQ(broken([](Vocab& v) { v.pieces[7] = "\xE2\x96\x81\xE2\x96\x81\xE2\x96\x81"; }), kBad);  // the same as three spaces
  EXPECT_EQ(broken([](Vocab& v) { v.pieces.back().clear(); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.pieces[7].clear(); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.pieces.back() = "\xC3"; }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.pieces[7] = "\xC3"; }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.pieces.back().assign(5000, 'a'); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.scores.back() = std::numeric_limits<float>::quiet_NaN(); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.scores.back() = -std::numeric_limits<float>::infinity(); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.bos_id = static_cast<int32_t>(v.size()); }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.eos_id = -2; }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.pad_id = 1 << 30; }), kBad);
  EXPECT_EQ(broken([](Vocab& v) { v.unknown_id = -7; }), kBad);
  Vocab no_fallback = small_vocab(false);
  no_fallback.unknown_id = -1;
  EXPECT_EQ(code_of(no_fallback), kBad);
}

TEST(Tokenizer, AcceptsOddButLegalVocabularies) {
  Vocab vocab = small_vocab();
  vocab.bos_id = -1;
  vocab.pad_id = -1;
  add_piece(vocab, "", 0, PieceType::kUnused);
  const int32_t unused = add_piece(vocab, "aaa", 5, PieceType::kUnused);
  const Tokenizer tokenizer(vocab);
  EXPECT_EQ(tokenizer.find("aaa"), unused);
  EXPECT_EQ(tokenizer.encode("aaa").size(), 2u);  // never produced
  EXPECT_EQ(tokenizer.piece_bytes(unused), "aaa");
  EXPECT_THROW(tokenizer.encode("a", {.add_bos = true}), Error);
}

TEST(Tokenizer, RefusesHugeTexts) {
  const Tokenizer tokenizer(small_vocab());
  const std::string text((size_t{64} << 20) + 1, 'a');
  try {
    tokenizer.encode(text);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Tokenizer, ThreadsShareOne) {
  const Tokenizer tokenizer(small_vocab());
  const Ids expected = tokenizer.encode("the model aaaab \xC3\xA9\xC3\xA9");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 500; ++round) wrong[i] += tokenizer.encode("the model aaaab \xC3\xA9\xC3\xA9") != expected ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

}  // namespace
}  // namespace attune::text
