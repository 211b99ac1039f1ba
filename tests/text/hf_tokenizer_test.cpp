// tokenizer.json and tokenizer.model: the fixture model's files against the ids of transformers, and malformed files of every kind.
#include "text/hf_tokenizer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/rng.h"
#include "tests/text/gemma_vocab.h"
#include "text/tokenizer.h"

namespace attune::text {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int32_t>;

std::string fixture(const std::string& name) { return read_file(std::string(ATTUNE_SOURCE_DIR "/data/") + name, uint64_t{1} << 24); }

/// The code of the error that `body` throws; kInternal if none.
ErrorCode code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  return ErrorCode::kInternal;
}

void expect_goldens(const Tokenizer& tokenizer) {
  const Json goldens = Json::parse(fixture("tiny/tokens.json")).at("goldens");
  EXPECT_GT(goldens.size(), 5u);
  for (const Json& golden : goldens) {
    const auto text = golden.at("text").get<std::string>();
    EXPECT_EQ(tokenizer.encode(text, {.add_bos = true, .allow_image_tokens = true}), golden.at("ids").get<Ids>()) << text;
    EXPECT_EQ(tokenizer.encode(text, {.add_bos = true, .allow_control = true, .allow_image_tokens = true}),
              golden.at("ids_with_control").get<Ids>())
        << text;
  }
}

TEST(HfTokenizer, FixtureFilesAgreeWithTransformers) {
  const Tokenizer from_json(vocab_from_tokenizer_json(fixture("tiny/tokenizer.json")));
  const Tokenizer from_model(vocab_from_sentencepiece(fixture("tiny/tokenizer.model")));
  const auto gguf = testing::load_gguf_vocab(ATTUNE_SOURCE_DIR "/data/tiny.gguf");
  ASSERT_TRUE(gguf);
  const Tokenizer from_gguf(*gguf);
  expect_goldens(from_json);
  expect_goldens(from_model);
  expect_goldens(from_gguf);
  EXPECT_EQ(from_json.vocab().pieces, gguf->pieces);
  EXPECT_EQ(from_model.vocab().pieces, gguf->pieces);
  EXPECT_EQ(from_json.vocab().bos_id, 2);
  EXPECT_EQ(from_json.vocab().eos_id, 1);
  EXPECT_EQ(from_json.vocab().pad_id, 0);
  EXPECT_EQ(from_json.vocab().unknown_id, 3);
  EXPECT_TRUE(from_json.vocab().add_bos);
}

TEST(HfTokenizer, AllThreeSourcesEncodeAlike) {
  const Tokenizer from_json(vocab_from_tokenizer_json(fixture("tiny/tokenizer.json")));
  const Tokenizer from_model(vocab_from_sentencepiece(fixture("tiny/tokenizer.model")));
  const Tokenizer from_gguf(*testing::load_gguf_vocab(ATTUNE_SOURCE_DIR "/data/tiny.gguf"));
  Rng rng(23, "hf.sources");
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (uint64_t i = rng.below(25); i > 0; --i)
      text += rng.below(2) == 0 ? from_gguf.vocab().pieces[rng.below(512)] : std::string(1, "etaoin shrdlu\n"[rng.below(14)]);
    const Ids ids = from_gguf.encode(text);
    ASSERT_EQ(from_json.encode(text), ids) << text;
    ASSERT_EQ(from_model.encode(text), ids) << text;
  }
}

Json small_json() {
  Json root = {{"model", {{"type", "BPE"}, {"unk_token", "<unk>"}, {"byte_fallback", false}}}};
  root["model"]["vocab"] = {{"<unk>", 0}, {"a", 1}, {"b", 2}, {"ab", 3}, {"abb", 4}, {"xy", 5}, {"\xE2\x96\x81", 6}};
  root["model"]["merges"] = Json::array({"a b", Json::array({"ab", "b"})});
  root["added_tokens"] = Json::array(
      {{{"id", 7}, {"content", "<bos>"}, {"special", true}}, {{"id", 9}, {"content", "\xE2\x96\x81\xE2\x96\x81"}, {"special", false}}});
  return root;
}

TEST(TokenizerJson, TypesScoresAndIds) {
  const Vocab v = vocab_from_tokenizer_json(small_json().dump());
  ASSERT_EQ(v.size(), 10);
  EXPECT_EQ(v.types[0], PieceType::kUnknown);
  EXPECT_EQ(v.types[1], PieceType::kNormal);
  EXPECT_EQ(v.types[5], PieceType::kUnused);  // no merge makes it
  EXPECT_EQ(v.types[7], PieceType::kControl);
  EXPECT_EQ(v.types[8], PieceType::kUnused);  // an id that the file leaves out
  EXPECT_EQ(v.pieces[9], "  ");
  EXPECT_EQ(v.types[9], PieceType::kUserDefined);
  EXPECT_EQ(v.scores[3], 0.0f);
  EXPECT_EQ(v.scores[4], -1.0f);
  EXPECT_EQ(v.bos_id, 7);
  EXPECT_EQ(v.eos_id, -1);
  EXPECT_FALSE(v.add_bos);
  const Tokenizer t(v);
  EXPECT_EQ(t.encode("abbxy  a"), (Ids{4, 0, 9, 1}));
}

TEST(TokenizerJson, ThePieceScoresByItsFirstMerge) {
  Json root = small_json();
  root["model"]["vocab"]["bb"] = 8;
  root["model"]["merges"] = Json::array({"a b", "ab b", "b b", "a bb"});
  const Vocab v = vocab_from_tokenizer_json(root.dump());
  EXPECT_EQ(v.scores[3], 0.0f);
  EXPECT_EQ(v.scores[4], -1.0f);
  EXPECT_EQ(v.scores[8], -2.0f);
}

TEST(TokenizerJson, MalformedFilesAreNamedErrors) {
  const auto corrupt = [](const std::string& text) { return code_of([&] { vocab_from_tokenizer_json(text); }) == ErrorCode::kCorruptData; };
  const auto broken = [&](const std::function<void(Json&)>& change) {
    Json root = small_json();
    change(root);
    return corrupt(root.dump());
  };
  for (const char* text :
       {"", " ", "{", "[]", "null", "3", "\"x\"", "{}", "{\"model\":3}", "{\"model\":{}}", "{\"model\":{\"vocab\":{}}}",
        "{\"model\":{\"vocab\":[]}}", "{\"model\":{\"vocab\":{\"a\":\"b\"}}}", "{\"model\":{\"vocab\":{\"a\":1.5}}}",
        "{\"model\":{\"vocab\":{\"a\":{\"b\":1}}}}", "{\"model\":{\"vocab\":{\"a\":[1]}}}", "{\"model\":{\"vocab\":{\"a\":0,\"a\":1}}}",
        "{\"model\":{\"vocab\":{\"\xFF\":0}}}", "{\"model\":{\"vocab\":{\"a\":0}}} x"}) {
    EXPECT_TRUE(corrupt(text)) << text;
  }
  EXPECT_TRUE(corrupt(std::string(100000, '[')));
  EXPECT_TRUE(corrupt("{\"x\":" + std::string(100, '[') + std::string(100, ']') + "}"));
  EXPECT_TRUE(broken([](Json& j) { j["model"]["vocab"]["c"] = -1; }));
  EXPECT_TRUE(broken([](Json& j) { j["model"]["vocab"]["c"] = 1; }));
  EXPECT_TRUE(broken([](Json& j) { j["model"]["vocab"]["c"] = uint64_t{1} << 40; }));
  EXPECT_TRUE(broken([](Json& j) { j["model"]["vocab"]["c"] = 2000000; }));  // a small file, a huge vocabulary
  EXPECT_TRUE(broken([](Json& j) { j["model"]["vocab"]["c"] = ~uint64_t{0}; }));
  EXPECT_TRUE(broken([](Json& j) { j["model"]["vocab"][""] = 8; }));
  EXPECT_TRUE(broken([](Json& j) { j["model"]["vocab"][std::string(5000, 'a')] = 8; }));
  for (const Json& merge :
       {Json("ab"), Json("a b b"), Json(3), Json::array(), Json::array({"a"}), Json::array({"a", "b", "b"}), Json::array({"a", 3}),
        Json::array({"a", Json::array({"b"})}), Json("a c"), Json("b a"), Json(nullptr), Json::object({{"a", "b"}})}) {
    EXPECT_TRUE(broken([&](Json& j) { j["model"]["merges"].push_back(merge); })) << merge.dump();
  }
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"] = 3; }));
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"].push_back({{"id", 8}}); }));
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"].push_back({{"content", "x"}}); }));
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"].push_back({{"id", -8}, {"content", "x"}}); }));
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"].push_back({{"id", 1 << 30}, {"content", "x"}}); }));
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"].push_back({{"id", 1}, {"content", "x"}}); }));
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"].push_back({{"id", 8}, {"content", "a"}}); }));
  EXPECT_TRUE(broken([](Json& j) { j["added_tokens"].push_back({{"id", 8}, {"content", "x"}, {"special", 1}}); }));
}

TEST(TokenizerJson, LimitsHold) {
  const std::string text = small_json().dump();
  for (const TokenizerFileLimits& limits : {TokenizerFileLimits{.max_pieces = 3}, TokenizerFileLimits{.max_merges = 1},
                                            TokenizerFileLimits{.max_piece_bytes = 2}, TokenizerFileLimits{.max_depth = 2}}) {
    EXPECT_EQ(code_of([&] { vocab_from_tokenizer_json(text, limits); }), ErrorCode::kCorruptData);
  }
}

TEST(TokenizerJson, OtherPipelinesAreUnsupported) {
  const auto code = [](const std::function<void(Json&)>& change) {
    Json root = small_json();
    change(root);
    return code_of([&] { vocab_from_tokenizer_json(root.dump()); });
  };
  constexpr auto kNo = ErrorCode::kUnsupported;
  constexpr auto kYes = ErrorCode::kInternal;  // nothing thrown
  const Json spaces = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\xE2\x96\x81"}};
  EXPECT_EQ(code([](Json& j) { j["model"]["type"] = "WordPiece"; }), kNo);
  EXPECT_EQ(code([](Json& j) { j["model"]["ignore_merges"] = true; }), kNo);
  EXPECT_EQ(code([](Json& j) { j["model"]["dropout"] = 0.1; }), kNo);
  EXPECT_EQ(code([](Json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }), kNo);
  EXPECT_EQ(code([](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }), kNo);
  EXPECT_EQ(code([](Json& j) { j["normalizer"] = {{"type", "NFKC"}}; }), kNo);
  EXPECT_EQ(code([&](Json& j) { j["normalizer"] = {{"type", "Sequence"}, {"normalizers", {spaces, {{"type", "Prepend"}}}}}; }), kNo);
  EXPECT_EQ(code([](Json& j) { j["pre_tokenizer"] = {{"type", "ByteLevel"}}; }), kNo);
  EXPECT_EQ(code([&](Json& j) { j["normalizer"] = spaces; }), kYes);
  EXPECT_EQ(code([&](Json& j) { j["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array({spaces})}}; }), kYes);
  EXPECT_EQ(code([](Json& j) { j["model"]["dropout"] = nullptr; }), kYes);
}

TEST(TokenizerJson, CutAndChangedFilesNeverCrash) {
  const std::string text = small_json().dump();
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(code_of([&] { vocab_from_tokenizer_json(text.substr(0, size)); }), ErrorCode::kCorruptData) << size;
  }
  for (size_t at = 0; at < text.size(); ++at) {
    for (const char byte : {'\0', '{', '"', '9', '\xFF'}) {
      std::string changed = text;
      changed[at] = byte;
      code_of([&] { Tokenizer tokenizer(vocab_from_tokenizer_json(changed)); });
    }
  }
}

// ---- tokenizer.model -----------------------------------------------------------------------------------------------------------------

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
  return out;
}
std::string bytes_field(uint64_t number, const std::string& bytes) { return varint(number << 3 | 2) + varint(bytes.size()) + bytes; }
std::string int_field(uint64_t number, int64_t value) { return varint(number << 3) + varint(static_cast<uint64_t>(value)); }
std::string float_field(uint64_t number, float value) {
  std::string raw(4, '\0');
  std::memcpy(raw.data(), &value, 4);
  return varint(number << 3 | 5) + raw;
}
std::string piece(const std::string& text, float score, int64_t type) {
  return bytes_field(1, bytes_field(1, text) + float_field(2, score) + int_field(3, type));
}

struct Model {
  std::string pieces = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("a", -2, 1) + piece("aa", -1, 1) +
                       piece("\xE2\x96\x81\xE2\x96\x81", 0, 4);
  std::string trainer = int_field(3, 2);
  std::string normalizer = bytes_field(1, "identity") + int_field(3, 0) + int_field(4, 0);
  std::string bytes() const { return pieces + bytes_field(2, trainer) + bytes_field(3, normalizer); }
  ErrorCode code() const {
    return code_of([&] { vocab_from_sentencepiece(bytes()); });
  }
};

TEST(SentencepieceModel, ReadsPiecesAndDefaults) {
  const Vocab v = vocab_from_sentencepiece(Model().bytes());
  EXPECT_EQ(v.pieces, (std::vector<std::string>{"<unk>", "<s>", "</s>", "a", "aa", "  "}));
  EXPECT_EQ(v.scores[4], -1.0f);
  EXPECT_EQ(v.types[0], PieceType::kUnknown);
  EXPECT_EQ(v.unknown_id, 0);
  EXPECT_EQ(v.bos_id, 1);
  EXPECT_EQ(v.eos_id, 2);
  EXPECT_EQ(v.pad_id, -1);
  EXPECT_EQ(Tokenizer(v).encode("aaa  x", {.add_bos = true}), (Ids{1, 4, 3, 5, 0}));
  Model plain_type;
  plain_type.pieces += bytes_field(1, bytes_field(1, "b"));  // type and score have defaults
  EXPECT_EQ(vocab_from_sentencepiece(plain_type.bytes()).types.back(), PieceType::kNormal);
  Model unknown_fields;
  unknown_fields.trainer += int_field(99, -5) + bytes_field(100, "x") + float_field(101, 1) + varint(102 << 3 | 1) + std::string(8, 'z');
  unknown_fields.pieces += bytes_field(77, "skipped");
  EXPECT_EQ(vocab_from_sentencepiece(unknown_fields.bytes()).size(), 6);
}

TEST(SentencepieceModel, OtherModelsAreUnsupported) {
  const auto code = [](const std::function<void(Model&)>& change) {
    Model model;
    change(model);
    return model.code();
  };
  constexpr auto kNo = ErrorCode::kUnsupported;
  EXPECT_EQ(code([](Model& m) { m.trainer = int_field(3, 1); }), kNo);
  EXPECT_EQ(code([](Model& m) { m.trainer.clear(); }), kNo);  // the default is unigram
  EXPECT_EQ(code([](Model& m) { m.trainer += int_field(24, 1); }), kNo);
  EXPECT_EQ(code([](Model& m) { m.normalizer += int_field(3, 1); }), kNo);
  EXPECT_EQ(code([](Model& m) { m.normalizer += int_field(4, 1); }), kNo);
  EXPECT_EQ(code([](Model& m) { m.normalizer += int_field(5, 0); }), kNo);
  EXPECT_EQ(code([](Model& m) { m.normalizer += bytes_field(2, "charsmap"); }), kNo);
  EXPECT_EQ(code([](Model& m) { m.normalizer.clear(); }), kNo);  // the defaults change text
}

TEST(SentencepieceModel, MalformedBytesAreNamedErrors) {
  const auto corrupt = [](const std::string& bytes) {
    return code_of([&] { vocab_from_sentencepiece(bytes); }) == ErrorCode::kCorruptData;
  };
  const std::string good = Model().bytes();
  EXPECT_TRUE(corrupt(""));
  EXPECT_TRUE(corrupt(bytes_field(2, int_field(3, 2))));                       // no pieces
  EXPECT_TRUE(corrupt(good + piece("", 0, 1)));                                // empty piece
  EXPECT_TRUE(corrupt(good + piece(std::string(5000, 'a'), 0, 1)));            // long piece
  EXPECT_TRUE(corrupt(good + piece("\xFF", 0, 1)));                            // no UTF-8
  EXPECT_TRUE(corrupt(good + piece("b", 0, 0)));                               // types out of range
  EXPECT_TRUE(corrupt(good + piece("b", 0, 7)));
  EXPECT_TRUE(corrupt(good + piece("b", 0, -1)));
  EXPECT_TRUE(corrupt(good + piece("b", std::numeric_limits<float>::infinity(), 1)));
  EXPECT_TRUE(corrupt(good + bytes_field(1, int_field(1, 3))));                // wrong wire types
  EXPECT_TRUE(corrupt(good + bytes_field(1, bytes_field(1, "b") + int_field(2, 3))));
  EXPECT_TRUE(corrupt(good + bytes_field(1, bytes_field(3, "b"))));
  EXPECT_TRUE(corrupt(good + int_field(1, 3)));
  EXPECT_TRUE(corrupt(good + int_field(2, 3)));
  EXPECT_TRUE(corrupt(good + bytes_field(2, bytes_field(3, "x"))));
  EXPECT_TRUE(corrupt(good + bytes_field(3, bytes_field(3, "x"))));
  EXPECT_TRUE(corrupt(good + bytes_field(2, int_field(41, 6))));               // bos past the end
  EXPECT_TRUE(corrupt(good + bytes_field(2, int_field(42, 1 << 30))));
  EXPECT_TRUE(corrupt(good + std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11)));  // length 2^64 - 1
  EXPECT_TRUE(corrupt(good + std::string("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 11)));  // more than 64 bits
  EXPECT_TRUE(corrupt(good + bytes_field(1, bytes_field(1, "b") + "\x18\x81\x80\x80\x80\x80\x80\x80\x80\x80\x02")));  // a type of 65 bits
  EXPECT_TRUE(corrupt(good + std::string(11, '\xFF')));  // varint without end
  EXPECT_TRUE(corrupt(good + std::string("\x00\x00", 2)));  // field number 0
  EXPECT_TRUE(corrupt(good + std::string("\x0B", 1)));  // groups
  EXPECT_TRUE(corrupt(good + std::string("\x0F", 1)));  // wire type 7
  EXPECT_TRUE(corrupt(good + std::string("\x0D\x00\x00", 3)));  // 4 bytes cut off
  EXPECT_EQ(code_of([&] { vocab_from_sentencepiece(good, {.max_pieces = 3}); }), ErrorCode::kCorruptData);
  EXPECT_EQ(code_of([&] { vocab_from_sentencepiece(good, {.max_piece_bytes = 3}); }), ErrorCode::kCorruptData);
}

/// A text of pieces, characters, spaces and letters that are no piece.
std::string random_text(const Vocab& vocab, Rng& rng) {
  std::string text;
  for (uint64_t n = rng.below(30); n > 0; --n) {
    switch (rng.below(4)) {
      case 0: text += vocab.pieces[rng.below(vocab.pieces.size())]; break;
      case 1: text += static_cast<char>(' ' + rng.below(95)); break;
      case 2: text += std::string(rng.below(4), ' '); break;
      default: text += "\xE4\xB8\xAD\n";
    }
  }
  return text;
}

TEST(TokenizerJsonWriter, SameIdsAfterARoundTrip) {
  for (const char* name : {"tiny/tokenizer.json", "tiny/tokenizer.model"}) {
    const std::string file = fixture(name);
    const bool is_json = std::string(name).ends_with(".json");
    const Tokenizer before(is_json ? vocab_from_tokenizer_json(file) : vocab_from_sentencepiece(file));
    const TokenizerJson written = tokenizer_json_from_vocab(before.vocab());
    EXPECT_EQ(written.num_tied, 0);
    EXPECT_EQ(written.num_unreachable, 0);
    const Tokenizer after(vocab_from_tokenizer_json(written.text));
    EXPECT_EQ(after.vocab().pieces, before.vocab().pieces);
    EXPECT_EQ(after.vocab().bos_id, before.vocab().bos_id);
    EXPECT_EQ(after.vocab().eos_id, before.vocab().eos_id);
    EXPECT_EQ(after.vocab().pad_id, before.vocab().pad_id);
    EXPECT_EQ(after.vocab().unknown_id, before.vocab().unknown_id);
    EXPECT_EQ(after.vocab().add_bos, before.vocab().add_bos);
    Rng rng(1, "texts");
    for (int i = 0; i < 2000; ++i) {
      const std::string text = random_text(before.vocab(), rng);
      EXPECT_EQ(after.encode(text, {.allow_control = true}), before.encode(text, {.allow_control = true})) << text;
    }
    EXPECT_EQ(tokenizer_json_from_vocab(after.vocab()).text, written.text);
  }
}

TEST(TokenizerJsonWriter, ListsTheMergesByScore) {
  Vocab vocab;
  vocab.pieces = {"<unk>", "a", "b", "c", "ab", "bc", "abc", "xy", "\"\\"};
  vocab.scores = {0, 0, 0, 0, -2, -1, -3, -4, -3};
  vocab.types.assign(vocab.pieces.size(), PieceType::kNormal);
  vocab.types[0] = PieceType::kUnknown;
  vocab.unknown_id = 0;
  vocab.bos_id = vocab.eos_id = vocab.pad_id = -1;
  vocab.add_bos = false;
  const TokenizerJson written = tokenizer_json_from_vocab(vocab);
  const Json json = Json::parse(written.text);
  const Json expected = Json::array({Json::array({"b", "c"}), Json::array({"a", "b"}), Json::array({"a", "bc"}), Json::array({"ab", "c"})});
  EXPECT_EQ(json.at("model").at("merges"), expected);
  EXPECT_EQ(written.num_merges, 4);
  EXPECT_EQ(written.num_unreachable, 2);  // x, y and the quote are no pieces
  EXPECT_EQ(written.num_tied, 0);
  EXPECT_EQ(json.at("model").at("vocab").at("\"\\"), 8);
  EXPECT_TRUE(json.at("post_processor").is_null());

  vocab.scores[5] = -2;  // as "ab"
  EXPECT_EQ(tokenizer_json_from_vocab(vocab).num_tied, 1);
  vocab.pieces[4] = "\xFF";
  EXPECT_EQ(code_of([&] { tokenizer_json_from_vocab(vocab); }), ErrorCode::kUnsupported);
  vocab.types.pop_back();
  EXPECT_EQ(code_of([&] { tokenizer_json_from_vocab(vocab); }), ErrorCode::kInvalidArgument);
}

TEST(SentencepieceModel, CutAndChangedFilesNeverCrash) {
  const std::string good = Model().bytes();
  for (size_t at = 0; at < good.size(); ++at) {
    code_of([&] { vocab_from_sentencepiece(good.substr(0, at)); });
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = good;
      changed[at] = static_cast<char>(byte);
      code_of([&] { Tokenizer tokenizer(vocab_from_sentencepiece(changed)); });
    }
  }
}

}  // namespace
}  // namespace attune::text
