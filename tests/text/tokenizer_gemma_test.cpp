// The tokenizer on the real Gemma 3 vocabulary: golden ids, facts of the vocabulary, long runs, text that must not become control ids.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/rng.h"
#include "tests/text/gemma_vocab.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

using Ids = std::vector<int32_t>;

TEST(GemmaTokenizer, Goldens) {
  ATTUNE_GEMMA_OR_SKIP(t);
  const std::pair<std::string, Ids> cases[] = {
      {"", {2}},
      {"The capital of France is", {2, 818, 5279, 529, 7001, 563}},
      {"Hello world", {2, 9259, 1902}},
      {" leading", {2, 5830}},
      {"a  b", {2, 236746, 138, 236763}},
      {"a\n\n\nb", {2, 236746, 109, 236763}},
      {"x\t\ty", {2, 236781, 255969, 236762}},
      {"1234567", {2, 236770, 236778, 236800, 236812, 236810, 236825, 236832}},
      {"na\xC3\xAFve \xF0\x9F\x99\x82", {2, 1789, 238527, 560, 57235}},
      {"def f(x):\n    return x", {2, 2063, 517, 236769, 236781, 1473, 107, 140, 2060, 1123}},
      {"zz\xE1\x88\xB4\xF0\x93\x80\x80", {2, 9961, 240735, 478, 385, 366, 366}},
  };
  for (const auto& [text, ids] : cases) {
    EXPECT_EQ(t->encode(text, {.add_bos = true}), ids) << text;
    EXPECT_EQ(t->decode(ids), text);
  }
}

TEST(GemmaTokenizer, FactsOfTheVocabulary) {
  ATTUNE_GEMMA_OR_SKIP(t);
  EXPECT_EQ(t->vocab().size(), 262144);
  EXPECT_EQ(t->find("<end_of_turn>"), 106);
  EXPECT_EQ(t->find("<start_of_image>"), 255999);
  EXPECT_EQ(t->find("no such piece at all"), std::nullopt);
  EXPECT_EQ(t->find(""), std::nullopt);
  EXPECT_TRUE(t->is_control(2));
  EXPECT_TRUE(t->is_control(262143));
  EXPECT_FALSE(t->is_control(168));     // <table>
  EXPECT_FALSE(t->is_control(262144));  // image soft token: outside
  EXPECT_FALSE(t->is_control(-1));
}

TEST(GemmaTokenizer, RunsOfWhiteSpaceAreOnePiece) {
  ATTUNE_GEMMA_OR_SKIP(t);
  for (int32_t n = 2; n <= 31; ++n) EXPECT_EQ(t->encode(std::string(n, ' ')), Ids{136 + n});
  for (int32_t n = 1; n <= 31; ++n) EXPECT_EQ(t->encode(std::string(n, '\n')), Ids{106 + n});
  for (int32_t n = 1; n <= 31; ++n) EXPECT_EQ(t->encode(std::string(n, '\t')), Ids{255967 + n});
  EXPECT_EQ(t->encode(std::string(33, ' ')), (Ids{167, 138}));
  EXPECT_EQ(t->encode(std::string(6, '\t') + "test"), (Ids{255973, 2181}));
  EXPECT_EQ(t->encode("[multimodal]<table></td>"), (Ids{5, 168, *t->find("</td>")}));
}

TEST(GemmaTokenizer, TypedControlTextStaysText) {
  ATTUNE_GEMMA_OR_SKIP(t);
  for (const char* typed : {"<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>", "<unused7>", "<unused6241>",
                            "<0x41>", "<start_of_image>", "<end_of_image>"}) {
    const Ids ids = t->encode(typed);
    EXPECT_GT(ids.size(), 1u) << typed;
    for (const int32_t id : ids) {
      EXPECT_EQ(t->vocab().types[static_cast<size_t>(id)], PieceType::kNormal) << typed;
    }
    EXPECT_EQ(t->decode(ids), typed);
  }
  EXPECT_EQ(t->encode("Hi<end_of_turn>\n", {.allow_control = true}), (Ids{10979, 106, 107}));
  EXPECT_EQ(t->encode("<unused7>", {.allow_control = true}), Ids{13});
  EXPECT_EQ(t->encode("<start_of_image>", {.allow_image_tokens = true}), Ids{255999});
  EXPECT_GT(t->encode("<start_of_image>", {.allow_control = true}).size(), 1u);
  EXPECT_GT(t->encode("<0x41>", {.allow_control = true, .allow_image_tokens = true}).size(), 1u);
  EXPECT_EQ(t->decode(Ids{105, 10979, 106}, true), "<start_of_turn>Hi<end_of_turn>");
  EXPECT_EQ(t->decode(Ids{105, 10979, 106}, false), "Hi");
}

TEST(GemmaTokenizer, BytesOfOnePiece) {
  ATTUNE_GEMMA_OR_SKIP(t);
  for (int byte = 0; byte < 256; ++byte) EXPECT_EQ(t->piece_bytes(238 + byte), std::string(1, static_cast<char>(byte)));
  EXPECT_EQ(t->piece_bytes(5830), " leading");
  EXPECT_EQ(t->piece_bytes(262144), "");
  EXPECT_THROW(t->piece_bytes(-1), Error);
}

TEST(GemmaTokenizer, OneMebibyteOfOneCharacter) {
  ATTUNE_GEMMA_OR_SKIP(t);
  const std::pair<const char*, size_t> cases[] = {{"a", 131072}, {" ", 33826}, {"\n", 33826}, {"\xF0\x93\x80\x80", 1048576},
                                                  {"=", 65536},  {"z", 524288}};
  for (const auto& [unit, count] : cases) {
    std::string text;
    while (text.size() < (size_t{1} << 20)) text += unit;
    const Ids ids = t->encode(text);
    EXPECT_EQ(ids.size(), count) << unit;  // counted by the sentencepiece library too (tests/text_oracle)
    EXPECT_EQ(t->decode(ids), text) << unit;
  }
}

TEST(GemmaTokenizer, DecodingGivesOwnSourcesBack) {
  ATTUNE_GEMMA_OR_SKIP(t);
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(ATTUNE_SOURCE_DIR "/src/core")) {
    if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    EXPECT_EQ(t->decode(t->encode(text.str())), text.str()) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 5);
}

TEST(GemmaTokenizer, DecodeInvertsEncode) {
  ATTUNE_GEMMA_OR_SKIP(t);
  Rng rng(20260101, "text.roundtrip");
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    const uint64_t length = rng.below(40);
    for (uint64_t i = 0; i < length; ++i) {
      const uint64_t kind = rng.below(6);
      if (kind == 0) append_utf8(text, static_cast<char32_t>(rng.below(0x110000)));  // a surrogate becomes U+FFFD
      if (kind == 1) append_utf8(text, static_cast<char32_t>(rng.below(0x3000)));
      if (kind == 2) text += t->vocab().pieces[rng.below(262144)];
      if (kind >= 3) text += static_cast<char>(rng.below(128));
    }
    std::string expected;  // the one exception: U+2581 comes back as a space
    for (size_t at = 0; at < text.size();) {
      const Utf8Char c = decode_utf8(text, at);
      if (c.code == 0x2581) {
        expected += ' ';
      } else {
        append_utf8(expected, c.code);
      }
      at += c.size;
    }
    EXPECT_EQ(t->decode(t->encode(text)), expected);
    EXPECT_EQ(t->decode(t->encode(text, {.add_bos = true, .allow_image_tokens = true})), expected);
  }
}

}  // namespace
}  // namespace attune::text
