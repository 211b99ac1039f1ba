// Writer of HF's tokenizer.json.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "text/hf_tokenizer.h"
#include "text/piece_table_internal.h"
#include "text/piece_text_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

using Json = nlohmann::ordered_json;

std::string json_string(std::string_view piece) { return Json(piece).dump(); }

class Writer {
 public:
  explicit Writer(const Vocab& vocab) : vocab_(vocab), table_(vocab.pieces) {
    for (size_t id = 0; id < vocab.pieces.size(); ++id) {
      check(is_valid_utf8(vocab.pieces[id]), ErrorCode::kUnsupported, "[tokenizer.json] piece ", id,
            " is no UTF-8, which JSON cannot hold");
    }
  }

  TokenizerJson write() {
    const bool has_bytes = std::find(vocab_.types.begin(), vocab_.types.end(), PieceType::kByte) != vocab_.types.end();
    const Json normalizer = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}};
    const Json pre_tokenizer = {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "MergedWithPrevious"}, {"invert", false}};
    const Json back = {{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}};
    const Json decoder = {{"type", "Sequence"}, {"decoders", Json::array({back, {{"type", "ByteFallback"}}, {{"type", "Fuse"}}})}};
    const bool has_unknown = vocab_.unknown_id >= 0;
    std::string& out = out_.text;
    out = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)" + added_tokens().dump();
    out += ",\n\"normalizer\":" + normalizer.dump() + ",\"pre_tokenizer\":" + pre_tokenizer.dump();
    out += ",\"post_processor\":" + post_processor().dump() + ",\"decoder\":" + decoder.dump();
    out += R"(,"model":{"type":"BPE","dropout":null,"unk_token":)";
    out += has_unknown ? json_string(vocab_.pieces[static_cast<size_t>(vocab_.unknown_id)]) : "null";
    out += R"(,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":)";
    out += has_bytes ? "true" : "false";
    out += ",\"ignore_merges\":false,\n\"vocab\":{";
    add_pieces();
    out += "},\n\"merges\":[";
    add_merges();
    out += "]}}\n";
    return std::move(out_);
  }

 private:
  Json added_tokens() const {
    Json list = Json::array();
    for (size_t id = 0; id < vocab_.pieces.size(); ++id) {
      const PieceType type = vocab_.types[id];
      const bool special = type == PieceType::kControl || type == PieceType::kUnknown;
      if (vocab_.pieces[id].empty() || (!special && type != PieceType::kUserDefined)) continue;
      list.push_back({{"id", id},
                      {"content", vocab_.pieces[id]},
                      {"single_word", false},
                      {"lstrip", false},
                      {"rstrip", false},
                      {"normalized", vocab_.pieces[id].find(' ') != std::string::npos},  // found after " " became U+2581
                      {"special", special}});
    }
    return list;
  }

  Json post_processor() const {
    if (!vocab_.add_bos || vocab_.bos_id < 0) return nullptr;
    const std::string& bos = vocab_.pieces[static_cast<size_t>(vocab_.bos_id)];
    const auto special = [&](int type_id) -> Json { return {{"SpecialToken", {{"id", bos}, {"type_id", type_id}}}}; };
    const auto sequence = [](const char* id, int type_id) -> Json { return {{"Sequence", {{"id", id}, {"type_id", type_id}}}}; };
    const Json token = {{"id", bos}, {"ids", Json::array({vocab_.bos_id})}, {"tokens", Json::array({bos})}};
    return {{"type", "TemplateProcessing"},
            {"single", Json::array({special(0), sequence("A", 0)})},
            {"pair", Json::array({special(0), sequence("A", 0), special(1), sequence("B", 1)})},
            {"special_tokens", {{bos, token}}}};
  }

  void add_pieces() {
    const char* separator = "";
    for (size_t id = 0; id < vocab_.pieces.size(); ++id) {
      if (vocab_.pieces[id].empty()) continue;
      out_.text += cat(separator, json_string(vocab_.pieces[id]), ":", id);
      separator = ",";
    }
  }

  bool is_normal(std::string_view text) const {
    const int32_t id = table_.find(text);
    return id >= 0 && vocab_.types[static_cast<size_t>(id)] == PieceType::kNormal;
  }

  void add_merges() {
    std::vector<size_t> order;
    for (size_t id = 0; id < vocab_.pieces.size(); ++id) {
      if (vocab_.types[id] == PieceType::kNormal) order.push_back(id);
    }
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return vocab_.scores[a] > vocab_.scores[b]; });
    const float* previous = nullptr;  // score of the last piece that had merges
    for (const size_t id : order) {
      const int64_t before = out_.num_merges;
      const std::string_view piece = vocab_.pieces[id];
      const size_t first = decode_utf8(piece, 0).size;
      for (size_t at = first; at < piece.size(); at += decode_utf8(piece, at).size) add_merge(piece.substr(0, at), piece.substr(at));
      if (first >= piece.size()) continue;  // a single character needs none
      if (out_.num_merges == before) {
        ++out_.num_unreachable;
        continue;
      }
      if (previous != nullptr && *previous == vocab_.scores[id]) ++out_.num_tied;
      previous = &vocab_.scores[id];
    }
  }

  void add_merge(std::string_view left, std::string_view right) {
    if (!is_normal(left) || !is_normal(right)) return;
    out_.text += cat(out_.num_merges == 0 ? "[" : ",[", json_string(left), ",", json_string(right), "]");
    ++out_.num_merges;
  }

  const Vocab& vocab_;
  PieceTable table_;
  TokenizerJson out_;
};

}  // namespace

TokenizerJson tokenizer_json_from_vocab(const Vocab& vocab) {
  check(vocab.scores.size() == vocab.pieces.size() && vocab.types.size() == vocab.pieces.size() && vocab.unknown_id < vocab.size() &&
            vocab.bos_id < vocab.size(),
        ErrorCode::kInvalidArgument, "[tokenizer.json] expected as many scores and types as the ", vocab.size(),
        " pieces, and ids of pieces");
  return Writer(vocab).write();
}

}  // namespace attune::text
