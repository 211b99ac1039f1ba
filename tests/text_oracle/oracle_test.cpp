// Our tokenizer against the sentencepiece library on Gemma's vocabulary. The library gets a ModelProto written here in protobuf wire format
// (sentencepiece_model.proto): user-defined pieces with U+2581 for spaces, id 3 of type UNKNOWN, BPE, byte fallback, identity normaliser,
// no dummy prefix, white space kept. The same bytes are read back by our own reader.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/rng.h"
#include "tests/text/gemma_vocab.h"
#include "text/hf_tokenizer.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

using Ids = std::vector<int32_t>;

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_int(std::string& out, int field, int64_t value) {
  put_varint(out, static_cast<uint64_t>(field) << 3);
  put_varint(out, static_cast<uint64_t>(value));
}

std::string model_proto(const Vocab& vocab) {
  std::string model;
  for (size_t id = 0; id < vocab.pieces.size(); ++id) {
    std::string piece = vocab.pieces[id];
    auto type = vocab.types[id];
    if (type == PieceType::kUserDefined) {
      for (size_t at = 0; (at = piece.find(' ', at)) != std::string::npos;) piece.replace(at, 1, "\xE2\x96\x81");
    }
    if (static_cast<int32_t>(id) == vocab.unknown_id) type = PieceType::kUnknown;
    std::string message;
    put_bytes(message, 1, piece);
    message.push_back(0x15);  // field 2, 32 bits
    char score[4];
    std::memcpy(score, &vocab.scores[id], 4);
    message.append(score, 4);
    put_int(message, 3, static_cast<int64_t>(type));
    put_bytes(model, 1, message);
  }
  std::string trainer;
  put_int(trainer, 3, 2);  // model_type BPE
  put_int(trainer, 35, 1);  // byte_fallback
  put_int(trainer, 40, vocab.unknown_id);
  put_int(trainer, 41, vocab.bos_id);
  put_int(trainer, 42, vocab.eos_id);
  put_int(trainer, 43, vocab.pad_id);
  put_bytes(model, 2, trainer);
  std::string normalizer;
  put_bytes(normalizer, 1, "identity");
  put_int(normalizer, 3, 0);  // add_dummy_prefix
  put_int(normalizer, 4, 0);  // remove_extra_whitespaces
  put_int(normalizer, 5, 1);  // escape_whitespaces
  put_bytes(model, 3, normalizer);
  return model;
}

struct Oracle {
  sentencepiece::SentencePieceProcessor library;
  std::shared_ptr<const Tokenizer> ours;
  std::string model;
  bool ready = false;

  static const Oracle& get() {
    static const Oracle oracle;
    return oracle;
  }

  /// Ids of both. User-defined pieces always match in the library, so image tokens are allowed in ours.
  void expect_equal(const std::string& text) const {
    std::vector<int> expected;
    ASSERT_TRUE(library.Encode(text, &expected).ok());
    const Ids ids = ours->encode(text, {.allow_image_tokens = true});
    ASSERT_EQ(ids, Ids(expected.begin(), expected.end())) << ::testing::PrintToString(text);
  }

 private:
  Oracle() : ours(testing::gemma_tokenizer()) {
    if (ours == nullptr) return;
    model = model_proto(ours->vocab());
    ready = library.LoadFromSerializedProto(model).ok();
  }
};

#define ORACLE_OR_SKIP(name)                                               \
  const Oracle& name = Oracle::get();                                      \
  if (name.ours == nullptr) GTEST_SKIP() << "the default model is absent"; \
  ASSERT_TRUE(name.ready)

std::string random_code_point(Rng& rng, uint64_t limit) {
  std::string out;
  append_utf8(out, static_cast<char32_t>(rng.below(limit)));  // surrogates become U+FFFD
  return out;
}

/// Strings of pieces, ASCII, other code points and runs of white space.
std::string random_text(Rng& rng, const Vocab& vocab) {
  std::string out;
  const uint64_t style = rng.below(4);
  for (uint64_t i = rng.below(30) + 1; i > 0; --i) {
    switch (style == 3 ? rng.below(6) : style * 2 + rng.below(2)) {
      case 0: out += vocab.pieces[rng.below(vocab.pieces.size())]; break;
      case 1: out += static_cast<char>('a' + rng.below(26)); break;
      case 2: out += static_cast<char>(rng.below(127) + 1); break;
      case 3: out += std::string(rng.below(40), " \n\t"[rng.below(3)]); break;
      case 4: out += random_code_point(rng, 0x3000); break;
      default: out += random_code_point(rng, 0x110000); break;
    }
  }
  return out;
}

TEST(Oracle, RandomStrings) {
  ORACLE_OR_SKIP(oracle);
  Rng rng(20261125, "oracle.random");
  for (int round = 0; round < 20000; ++round) {
    ASSERT_NO_FATAL_FAILURE(oracle.expect_equal(random_text(rng, oracle.ours->vocab())));
  }
}

TEST(Oracle, LongWordsWithoutSpaces) {
  ORACLE_OR_SKIP(oracle);
  Rng rng(20261126, "oracle.long");
  for (int round = 0; round < 300; ++round) {
    std::string text;
    const uint64_t letters = rng.below(8) + 1;
    for (uint64_t i = rng.below(2000); i > 0; --i) text += static_cast<char>('a' + rng.below(letters));
    ASSERT_NO_FATAL_FAILURE(oracle.expect_equal(text));
  }
}

TEST(Oracle, OneMebibyteOfOneCharacter) {
  ORACLE_OR_SKIP(oracle);
  for (const char* unit : {"a", " ", "\n", "\xF0\x93\x80\x80", "=", "z"}) {
    std::string text;
    while (text.size() < (size_t{1} << 20)) text += unit;
    std::vector<int> expected;
    ASSERT_TRUE(oracle.library.Encode(text, &expected).ok());
    ASSERT_TRUE(oracle.ours->encode(text) == Ids(expected.begin(), expected.end())) << unit;
  }
}

TEST(Oracle, EveryPieceAlone) {
  ORACLE_OR_SKIP(oracle);
  for (const std::string& piece : oracle.ours->vocab().pieces) ASSERT_NO_FATAL_FAILURE(oracle.expect_equal(piece));
}

TEST(Oracle, OwnSources) {
  ORACLE_OR_SKIP(oracle);
  size_t bytes = 0;
  for (const char* folder : {"/src/core", "/src/text", "/tests/text"}) {
    for (const auto& entry : std::filesystem::directory_iterator(std::string(ATTUNE_SOURCE_DIR) + folder)) {
      std::ifstream in(entry.path(), std::ios::binary);
      std::stringstream text;
      text << in.rdbuf();
      bytes += text.str().size();
      ASSERT_NO_FATAL_FAILURE(oracle.expect_equal(text.str()));
    }
  }
  EXPECT_GT(bytes, 50000u);
}

TEST(Oracle, RunsAndTypedSpecials) {
  ORACLE_OR_SKIP(oracle);
  for (const char c : {' ', '\n', '\t', '=', 'a'}) {
    for (size_t n = 1; n < 100; ++n) ASSERT_NO_FATAL_FAILURE(oracle.expect_equal("x" + std::string(n, c) + "y"));
  }
  for (const char* text :
       {"<end_of_turn>", "<bos>", "<unk>", "<unused7>", "<0x41>", "<table><td>a</td></table>", "[multimodal]", "<start_of_image>", "<b",
        "[toxicity=0]", "\xE2\x96\x81\xE2\x96\x81 \xE2\x96\x81", "<start_of_image", " <h1> ", "\n \n\t\n"}) {
    ASSERT_NO_FATAL_FAILURE(oracle.expect_equal(text));
  }
}

TEST(Oracle, DecodesTheSameText) {
  ORACLE_OR_SKIP(oracle);
  Rng rng(20261127, "oracle.decode");
  for (int round = 0; round < 2000; ++round) {
    const Ids ids = oracle.ours->encode(random_text(rng, oracle.ours->vocab()));
    std::string expected;
    ASSERT_TRUE(oracle.library.Decode(std::vector<int>(ids.begin(), ids.end()), &expected).ok());
    ASSERT_EQ(oracle.ours->decode(ids), expected);
  }
}

TEST(Oracle, OurReaderTakesTheSameModel) {
  ORACLE_OR_SKIP(oracle);
  const Vocab vocab = vocab_from_sentencepiece(oracle.model);
  const Vocab& expected = oracle.ours->vocab();
  EXPECT_EQ(vocab.pieces, expected.pieces);
  EXPECT_EQ(vocab.scores, expected.scores);
  EXPECT_EQ(vocab.bos_id, expected.bos_id);
  EXPECT_EQ(vocab.eos_id, expected.eos_id);
  EXPECT_EQ(vocab.unknown_id, expected.unknown_id);
  EXPECT_EQ(vocab.pad_id, expected.pad_id);
  EXPECT_TRUE(vocab.add_bos);
  for (size_t id = 0; id < vocab.types.size(); ++id) {
    const bool unknown = static_cast<int32_t>(id) == expected.unknown_id;
    ASSERT_EQ(vocab.types[id], unknown ? PieceType::kUnknown : expected.types[id]) << id;
  }
}

}  // namespace
}  // namespace attune::text
