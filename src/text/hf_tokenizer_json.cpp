// Reader of HF's tokenizer.json. The two long parts, model.vocab and model.merges, are taken out while parsing; the rest becomes a small
// document that is inspected afterwards.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "text/hf_tokenizer.h"
#include "text/piece_table_internal.h"
#include "text/piece_text_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxExactScore = size_t{1} << 24;  // floats hold integers exactly up to here

/// Collects model.vocab and model.merges during parsing.
class Collector {
 public:
  explicit Collector(const TokenizerFileLimits& limits) : limits_(limits) {}

  std::vector<std::pair<std::string, int64_t>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;

  /// nlohmann's parser callback: false drops the value from the document. `depth` counts the open containers.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    check(depth <= limits_.max_depth, ErrorCode::kCorruptData, "[tokenizer.json] nested deeper than ", limits_.max_depth);
    using Event = Json::parse_event_t;
    if (event == Event::key && depth == 1) section_ = parsed.get<std::string>();
    if (event == Event::key && depth == 2) part_ = parsed.get<std::string>();
    if (section_ != "model" || depth < 3) return true;
    if (part_ == "vocab") return on_vocab(depth, event, parsed);
    if (part_ == "merges") return on_merges(depth, event, parsed);
    return true;
  }

 private:
  bool on_vocab(int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key) {
      check(vocab.size() < limits_.max_pieces, ErrorCode::kCorruptData, "[tokenizer.json] more than ", limits_.max_pieces, " pieces");
      vocab.emplace_back(std::move(parsed.get_ref<std::string&>()), -1);
      return false;
    }
    check(event == Json::parse_event_t::value && depth == 3 && !vocab.empty() && parsed.is_number_integer(), ErrorCode::kCorruptData,
          "[tokenizer.json] model.vocab must map pieces to integers, found ", parsed.type_name(), " near entry ", vocab.size());
    vocab.back().second =
        parsed.is_number_unsigned() && parsed.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX) ? INT64_MAX : parsed.get<int64_t>();
    return false;
  }

  bool on_merges(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth == 3 && event == Event::array_start) {
      pair_.clear();
      return true;
    }
    if (depth == 3 && event == Event::array_end) {
      check(pair_.size() == 2, ErrorCode::kCorruptData, "[tokenizer.json] merge ", merges.size(), " has ", pair_.size(),
            " parts, expected 2");
      add_merge(std::move(pair_[0]), std::move(pair_[1]));
      return false;
    }
    check(event == Event::value && parsed.is_string() && depth <= 4, ErrorCode::kCorruptData, "[tokenizer.json] merge ", merges.size(),
          " is ", parsed.type_name(), ", expected \"a b\" or [\"a\", \"b\"]");
    std::string& text = parsed.get_ref<std::string&>();
    if (depth == 4) {
      check(pair_.size() < 2, ErrorCode::kCorruptData, "[tokenizer.json] merge ", merges.size(), " has more than 2 parts");
      pair_.push_back(std::move(text));
      return false;
    }
    const size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
      fail(ErrorCode::kCorruptData, "[tokenizer.json] merge ", merges.size(), " is \"", excerpt(text),
           "\", expected two pieces and one space");
    }
    add_merge(text.substr(0, space), text.substr(space + 1));
    return false;
  }

  void add_merge(std::string left, std::string right) {
    check(merges.size() < limits_.max_merges, ErrorCode::kCorruptData, "[tokenizer.json] more than ", limits_.max_merges, " merges");
    merges.emplace_back(std::move(left), std::move(right));
  }

  const TokenizerFileLimits& limits_;
  std::string section_;
  std::string part_;
  std::vector<std::string> pair_;
};

/// Member of an object, null if absent or `json` is no object.
const Json& member(const Json& json, const char* key) {
  static const Json kNull;
  if (!json.is_object()) return kNull;
  const auto it = json.find(key);
  return it == json.end() ? kNull : *it;
}

bool is_text(const Json& json, std::string_view text) { return json.is_string() && json.get_ref<const std::string&>() == text; }

bool flag(const Json& object, const char* key) {
  const Json& value = member(object, key);
  check(value.is_null() || value.is_boolean(), ErrorCode::kCorruptData, "[tokenizer.json] ", key, " is ", value.type_name(),
        ", expected a boolean");
  return value.is_boolean() && value.get<bool>();
}

/// Only " " -> U+2581, alone or as the elements of a sequence; `depth` is bounded by the parser.
bool is_space_normalizer(const Json& json) {
  if (json.is_null()) return true;
  if (is_text(member(json, "type"), "Sequence")) {
    const Json& list = member(json, "normalizers");
    if (!list.is_array()) return false;
    for (const Json& element : list) {
      if (!is_space_normalizer(element)) return false;
    }
    return true;
  }
  return is_text(member(json, "type"), "Replace") && is_text(member(member(json, "pattern"), "String"), " ") &&
         is_text(member(json, "content"), kSpaceMark);
}

void check_pipeline(const Json& root) {
  const Json& model = member(root, "model");
  const Json& type = member(model, "type");
  check(type.is_null() || is_text(type, "BPE"), ErrorCode::kUnsupported, "[tokenizer.json] model.type is ", type.dump(),
        ", expected \"BPE\"");
  check(is_space_normalizer(member(root, "normalizer")), ErrorCode::kUnsupported,
        "[tokenizer.json] the normalizer changes text, expected only \" \" to U+2581");
  const Json& pre = member(root, "pre_tokenizer");
  check(pre.is_null() || (is_text(member(pre, "type"), "Split") && is_text(member(member(pre, "pattern"), "String"), " ")),
        ErrorCode::kUnsupported, "[tokenizer.json] pre_tokenizer is not a split on \" \"");
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json& value = member(model, key);
    const bool empty = value.is_null() || is_text(value, "") || (value.is_number() && value.get<double>() == 0);
    check(empty, ErrorCode::kUnsupported, "[tokenizer.json] model.", key, " is set");
  }
  check(!flag(model, "ignore_merges"), ErrorCode::kUnsupported, "[tokenizer.json] model.ignore_merges is set");
}

/// Puts the pieces at their ids. Ids that the file leaves out stay empty and kUnused.
class VocabBuilder {
 public:
  /// `named`: pieces that the file names. Ids may leave gaps, but a small file cannot ask for a large vocabulary.
  VocabBuilder(const TokenizerFileLimits& limits, size_t named)
      : limits_(limits), max_ids_(std::min(limits.max_pieces, named * 2 + 1024)) {}

  void place(const std::string& piece, int64_t id, PieceType type) {
    // `if` instead of check where the message costs something and a million pieces pass.
    if (id < 0 || static_cast<uint64_t>(id) >= max_ids_) {
      fail(ErrorCode::kCorruptData, "[tokenizer.json] id of \"", excerpt(piece), "\" is ", id, ", expected 0 to ", max_ids_ - 1);
    }
    check(!piece.empty() && piece.size() <= limits_.max_piece_bytes, ErrorCode::kCorruptData, "[tokenizer.json] piece ", id, " has ",
          piece.size(), " bytes, expected 1 to ", limits_.max_piece_bytes);
    const auto index = static_cast<size_t>(id);
    if (index >= vocab.pieces.size()) {
      vocab.pieces.resize(index + 1);
      vocab.scores.resize(index + 1, 0.0f);
      vocab.types.resize(index + 1, PieceType::kUnused);
    }
    if (!vocab.pieces[index].empty() && vocab.pieces[index] != piece) {
      fail(ErrorCode::kCorruptData, "[tokenizer.json] id ", id, " stands for \"", excerpt(vocab.pieces[index]), "\" and \"", excerpt(piece),
           "\"");
    }
    vocab.pieces[index] = piece;
    vocab.types[index] = type;
  }

  Vocab vocab;

 private:
  const TokenizerFileLimits& limits_;
  size_t max_ids_;
};

void place_added_tokens(const Json& added, VocabBuilder& builder) {
  if (added.is_null()) return;
  check(added.is_array(), ErrorCode::kCorruptData, "[tokenizer.json] added_tokens is ", added.type_name(), ", expected an array");
  for (size_t i = 0; i < added.size(); ++i) {
    const Json& content = member(added[i], "content");
    const Json& id = member(added[i], "id");
    check(content.is_string() && id.is_number_unsigned() && id.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX), ErrorCode::kCorruptData,
          "[tokenizer.json] added token ", i, " lacks a text \"content\" or a whole number \"id\"");
    builder.place(content.get<std::string>(), id.get<int64_t>(), flag(added[i], "special") ? PieceType::kControl : PieceType::kUserDefined);
  }
}

/// Types of the plain pieces and their scores out of the merges.
void score_pieces(const std::vector<std::pair<std::string, std::string>>& merges, const PieceTable& table, bool byte_fallback,
                  Vocab& vocab) {
  check(merges.size() < kMaxExactScore, ErrorCode::kUnsupported, "[tokenizer.json] ", merges.size(), " merges, expected less than ",
        kMaxExactScore);
  std::vector<bool> made(vocab.pieces.size(), false);
  std::string whole;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    whole = left;
    whole += right;
    const int32_t id = table.find(whole);
    if (id < 0 || table.find(left) < 0 || table.find(right) < 0) {
      fail(ErrorCode::kCorruptData, "[tokenizer.json] merge ", rank, " (\"", excerpt(left), "\", \"", excerpt(right),
           "\") names a piece that model.vocab lacks");
    }
    const auto index = static_cast<size_t>(id);
    if (made[index]) continue;
    made[index] = true;
    vocab.scores[index] = -static_cast<float>(rank);
  }
  for (size_t id = 0; id < vocab.pieces.size(); ++id) {
    const std::string& piece = vocab.pieces[id];
    if (vocab.types[id] != PieceType::kNormal) continue;
    if (byte_fallback && byte_of_piece(piece) >= 0) {
      vocab.types[id] = PieceType::kByte;
    } else if (!made[id] && decode_utf8(piece, 0).size != piece.size()) {
      vocab.types[id] = PieceType::kUnused;
    }
  }
}

bool mentions_bos(const Json& post_processor) {
  const Json& single = member(post_processor, "single");
  if (!single.is_array()) return false;
  for (const Json& element : single) {
    if (is_text(member(member(element, "SpecialToken"), "id"), "<bos>")) return true;
  }
  return false;
}

/// Id of a piece that is special in the file, -1 if absent.
int32_t special_id(const PieceTable& table, std::string_view piece) { return table.find(piece); }

Json parse(std::string_view text, Collector& collector) {
  try {
    return Json::parse(text.begin(), text.end(),
                       [&](int depth, Json::parse_event_t event, Json& parsed) { return collector(depth, event, parsed); });
  } catch (const Json::parse_error& error) {
    fail(ErrorCode::kCorruptData, "[tokenizer.json] no JSON near byte ", error.byte, " of ", text.size());
  } catch (const Json::exception& error) {
    fail(ErrorCode::kCorruptData, "[tokenizer.json] unreadable: ", error.what());
  }
}

}  // namespace

Vocab vocab_from_tokenizer_json(std::string_view json, const TokenizerFileLimits& limits) {
  Collector collector(limits);
  const Json root = parse(json, collector);
  check(member(root, "model").is_object(), ErrorCode::kCorruptData, "[tokenizer.json] the document lacks an object \"model\"");
  check(!collector.vocab.empty(), ErrorCode::kCorruptData, "[tokenizer.json] model.vocab is absent or empty");
  check_pipeline(root);

  VocabBuilder builder(limits, collector.vocab.size() + member(root, "added_tokens").size());
  for (const auto& [piece, id] : collector.vocab) builder.place(piece, id, PieceType::kNormal);
  place_added_tokens(member(root, "added_tokens"), builder);
  Vocab& vocab = builder.vocab;
  const PieceTable table(vocab.pieces);
  score_pieces(collector.merges, table, flag(member(root, "model"), "byte_fallback"), vocab);

  const Json& unknown = member(member(root, "model"), "unk_token");
  vocab.unknown_id = special_id(table, unknown.is_string() ? unknown.get<std::string>() : "<unk>");
  vocab.bos_id = special_id(table, "<bos>");
  vocab.eos_id = special_id(table, "<eos>");
  vocab.pad_id = special_id(table, "<pad>");
  vocab.add_bos = vocab.bos_id >= 0 && mentions_bos(member(root, "post_processor"));
  if (vocab.unknown_id >= 0) vocab.types[static_cast<size_t>(vocab.unknown_id)] = PieceType::kUnknown;
  for (size_t id = 0; id < vocab.pieces.size(); ++id) {
    if (vocab.types[id] == PieceType::kUserDefined) vocab.pieces[id] = replace_all(vocab.pieces[id], kSpaceMark, " ");
  }
  return std::move(vocab);
}

}  // namespace attune::text
