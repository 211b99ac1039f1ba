#include "text/tokenizer.h"

#include <array>
#include <optional>
#include <utility>

#include "core/error.h"
#include "text/bpe_internal.h"
#include "text/piece_table_internal.h"
#include "text/piece_text_internal.h"
#include "text/special_pieces_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

constexpr size_t kMaxTextBytes = size_t{64} << 20;
constexpr size_t kMaxPieces = size_t{1} << 24;
constexpr size_t kMaxPieceBytes = 4096;

bool is_image_piece(std::string_view piece) noexcept { return piece == "<start_of_image>" || piece == "<end_of_image>"; }

void check_special_id(const Vocab& vocab, int32_t id, const char* name) {
  check(id >= -1 && id < vocab.size(), ErrorCode::kCorruptData, "[tokenizer] ", name, " id is ", id, ", expected -1 to ", vocab.size() - 1);
}

Vocab checked_vocab(Vocab vocab) {
  check(!vocab.pieces.empty() && vocab.pieces.size() <= kMaxPieces, ErrorCode::kCorruptData, "[tokenizer] the vocabulary has ",
        vocab.pieces.size(), " pieces, expected 1 to ", kMaxPieces);
  check(vocab.scores.size() == vocab.pieces.size() && vocab.types.size() == vocab.pieces.size(), ErrorCode::kCorruptData, "[tokenizer] ",
        vocab.pieces.size(), " pieces, ", vocab.scores.size(), " scores, ", vocab.types.size(), " types; expected as many of each");
  for (size_t id = 0; id < vocab.pieces.size(); ++id) {
    const std::string& piece = vocab.pieces[id];
    const PieceType type = vocab.types[id];
    check(piece.size() <= kMaxPieceBytes, ErrorCode::kCorruptData, "[tokenizer] piece ", id, " has ", piece.size(),
          " bytes, expected at most ", kMaxPieceBytes);
    check(type >= PieceType::kNormal && type <= PieceType::kByte, ErrorCode::kCorruptData, "[tokenizer] type of piece ", id, " is ",
          static_cast<int>(type), ", expected 1 to 6");
    check(!piece.empty() || (type != PieceType::kNormal && type != PieceType::kUserDefined), ErrorCode::kCorruptData, "[tokenizer] piece ",
          id, " is empty, expected text");
  }
  check_special_id(vocab, vocab.bos_id, "bos");
  check_special_id(vocab, vocab.eos_id, "eos");
  check_special_id(vocab, vocab.unknown_id, "unknown");
  check_special_id(vocab, vocab.pad_id, "pad");
  return vocab;
}

}  // namespace

struct Tokenizer::State {
  explicit State(Vocab v) : vocab(checked_vocab(std::move(v))), table(vocab.pieces), bpe(vocab, table) {
    byte_ids.fill(-1);
    for (size_t id = 0; id < vocab.pieces.size(); ++id) {
      if (vocab.types[id] != PieceType::kNormal) add_special(vocab.pieces[id], static_cast<int32_t>(id), vocab.types[id]);
    }
    check_bytes();
  }

  void add_special(const std::string& piece, int32_t id, PieceType type) {
    if (type == PieceType::kByte) {
      const int byte = byte_of_piece(piece);
      check(byte >= 0, ErrorCode::kCorruptData, "[tokenizer] byte piece ", id, " is \"", excerpt(piece), "\", expected <0x00> to <0xFF>");
      int32_t& slot = byte_ids[static_cast<size_t>(byte)];
      check(slot < 0, ErrorCode::kCorruptData, "[tokenizer] byte pieces ", slot, " and ", id, " stand for the same byte");
      slot = id;
      ++num_bytes;
    } else if ((type == PieceType::kUserDefined || type == PieceType::kControl) && !piece.empty()) {
      // Texts are matched after spaces became U+2581, as sentencepiece does.
      check(is_valid_utf8(piece), ErrorCode::kCorruptData, "[tokenizer] piece ", id, " is no UTF-8");
      const SpecialClass special_class = is_image_piece(piece) ? kImageClass : type == PieceType::kControl ? kControlClass : kUserClass;
      specials.add(replace_all(piece, " ", kSpaceMark), id, special_class);
    }
  }

  void check_bytes() const {
    if (num_bytes == 0) {
      check(vocab.unknown_id >= 0, ErrorCode::kCorruptData, "[tokenizer] the vocabulary has neither byte pieces nor an unknown piece");
      return;
    }
    for (size_t byte = 0; byte < byte_ids.size(); ++byte) {
      check(byte_ids[byte] >= 0, ErrorCode::kCorruptData, "[tokenizer] the piece of byte ", byte, " is missing, expected all 256 or none");
    }
  }

  Vocab vocab;
  PieceTable table;
  BpeTables bpe;
  SpecialPieces specials;
  std::array<int32_t, 256> byte_ids;
  size_t num_bytes = 0;
};

namespace {

/// Encodes one text whose spaces are already U+2581.
class Encoder {
 public:
  Encoder(const Vocab& vocab, const BpeTables& bpe, const SpecialPieces& specials, const std::array<int32_t, 256>& byte_ids,
          std::vector<int32_t>& ids)
      : vocab_(vocab), merger_(bpe), specials_(specials), byte_ids_(byte_ids), ids_(ids) {}

  void encode(std::string_view text, uint8_t classes) {
    size_t start = 0;
    for (size_t at = 0; at < text.size();) {
      const SpecialPieces::Match match = specials_.match(text, at, classes);
      if (match.id < 0) {
        ++at;
        continue;
      }
      encode_run(text.substr(start, at - start));
      ids_.push_back(match.id);
      after_unknown_ = false;
      at += match.size;
      start = at;
    }
    encode_run(text.substr(start));
  }

 private:
  void encode_run(std::string_view run) {
    merger_.merge(run, [&](const BpeMerger::Symbol& symbol) {
      if (symbol.id >= 0) {
        ids_.push_back(symbol.id);
        after_unknown_ = false;
      } else {
        push_fallback(run.substr(symbol.start, symbol.size));
      }
    });
  }

  /// A character that is no piece: its bytes, or in a vocabulary without byte pieces one unknown id for the whole run of them.
  void push_fallback(std::string_view character) {
    if (byte_ids_[0] >= 0) {
      for (const char c : character) ids_.push_back(byte_ids_[static_cast<uint8_t>(c)]);
    } else if (!after_unknown_) {
      ids_.push_back(vocab_.unknown_id);
      after_unknown_ = true;
    }
  }

  const Vocab& vocab_;
  BpeMerger merger_;
  const SpecialPieces& specials_;
  const std::array<int32_t, 256>& byte_ids_;
  std::vector<int32_t>& ids_;
  bool after_unknown_ = false;
};

}  // namespace

Tokenizer::Tokenizer(Vocab vocab) : state_(std::make_unique<const State>(std::move(vocab))) {}
Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  check(text.size() <= kMaxTextBytes, ErrorCode::kInvalidArgument, "[encode] the text has ", text.size(), " bytes, expected at most ",
        kMaxTextBytes);
  const State& s = *state_;
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 2);
  if (options.add_bos) {
    check(s.vocab.bos_id >= 0, ErrorCode::kFailedPrecondition, "[encode] add_bos is set, but the vocabulary has no BOS piece");
    ids.push_back(s.vocab.bos_id);
  }
  uint8_t classes = kUserClass;
  if (options.allow_control) classes |= kControlClass;
  if (options.allow_image_tokens) classes |= kImageClass;
  const std::string marked = replace_all(is_valid_utf8(text) ? text : std::string_view(sanitize_utf8(text)), " ", kSpaceMark);
  Encoder(s.vocab, s.bpe, s.specials, s.byte_ids, ids).encode(marked, classes);
  return ids;
}

std::string Tokenizer::piece_bytes(int32_t id, bool show_control) const {
  check(id >= 0, ErrorCode::kInvalidArgument, "[decode] id is ", id, ", expected 0 or more");
  const Vocab& vocab = state_->vocab;
  if (id >= vocab.size()) return {};  // soft-token and padding rows past the vocabulary have no text
  const std::string& piece = vocab.pieces[static_cast<size_t>(id)];
  switch (vocab.types[static_cast<size_t>(id)]) {
    case PieceType::kByte: return std::string(1, static_cast<char>(byte_of_piece(piece)));
    case PieceType::kControl:
    case PieceType::kUnknown: return show_control ? piece : std::string();
    case PieceType::kNormal:
    case PieceType::kUserDefined:
    case PieceType::kUnused: break;
  }
  return replace_all(piece, kSpaceMark, " ");
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool show_control) const {
  std::string out;
  for (const int32_t id : ids) out += piece_bytes(id, show_control);
  return out;
}

const Vocab& Tokenizer::vocab() const noexcept { return state_->vocab; }

bool Tokenizer::is_control(int32_t id) const noexcept {
  return id >= 0 && id < state_->vocab.size() && state_->vocab.types[static_cast<size_t>(id)] == PieceType::kControl;
}

std::optional<int32_t> Tokenizer::find(std::string_view piece) const noexcept {
  const int32_t id = piece.empty() ? -1 : state_->table.find(piece);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

}  // namespace attune::text
