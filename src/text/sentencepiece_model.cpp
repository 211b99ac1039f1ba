// Reader of sentencepiece's ModelProto in protobuf wire format (https://protobuf.dev/programming-guides/encoding/), by hand: only the few
// fields that matter here, everything else is skipped by its wire type. Field numbers: sentencepiece_model.proto.
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "text/hf_tokenizer.h"
#include "text/piece_text_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

/// Walks over the fields of one message.
class WireReader {
 public:
  WireReader(std::string_view bytes, std::string_view message) : bytes_(bytes), message_(message) {}

  struct Field {
    uint32_t number = 0;
    uint32_t wire_type = 0;
    uint64_t value = 0;       ///< wire types 0 (varint), 1 and 5 (fixed, little-endian)
    std::string_view bytes;   ///< wire type 2
  };

  /// False at the end of the message.
  bool next(Field& field) {
    if (at_ == bytes_.size()) return false;
    const uint64_t tag = varint();
    require(tag >> 3 >= 1 && tag >> 3 < (uint64_t{1} << 29), "a field number out of range");
    field = {static_cast<uint32_t>(tag >> 3), static_cast<uint32_t>(tag & 7), 0, {}};
    switch (field.wire_type) {
      case 0: field.value = varint(); break;
      case 1: field.value = fixed(8); break;
      case 2: field.bytes = take(varint()); break;
      case 5: field.value = fixed(4); break;
      default: require(false, "an unknown wire type");
    }
    return true;
  }

  /// Throws unless the field has this wire type.
  void expect(const Field& field, uint32_t wire_type) const {
    check(field.wire_type == wire_type, ErrorCode::kCorruptData, "[tokenizer.model] field ", field.number, " of ", message_,
          " has wire type ", field.wire_type, ", expected ", wire_type);
  }

 private:
  void require(bool condition, std::string_view what) const {
    check(condition, ErrorCode::kCorruptData, "[tokenizer.model] ", message_, ": ", what, " near byte ", at_, " of ", bytes_.size());
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      require(at_ < bytes_.size(), "a varint is cut off");
      const auto byte = static_cast<uint8_t>(bytes_[at_++]);
      require(shift < 63 || byte <= 1, "a varint has more than 64 bits");
      value |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    require(false, "a varint has more than 10 bytes");
    return 0;
  }

  std::string_view take(uint64_t size) {
    require(size <= bytes_.size() - at_, "a length passes the end");
    const std::string_view out = bytes_.substr(at_, static_cast<size_t>(size));
    at_ += static_cast<size_t>(size);
    return out;
  }

  uint64_t fixed(size_t size) {
    const std::string_view raw = take(size);
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<uint8_t>(raw[i])} << (8 * i);
    return value;
  }

  std::string_view bytes_;
  std::string_view message_;
  size_t at_ = 0;
};

/// What matters of TrainerSpec and NormalizerSpec, with the defaults of sentencepiece_model.proto.
struct Spec {
  uint64_t model_type = 1;  // UNIGRAM = 1, BPE = 2
  bool whitespace_suffix = false;
  int32_t unknown_id = 0;
  int32_t bos_id = 1;
  int32_t eos_id = 2;
  int32_t pad_id = -1;
  bool has_charsmap = false;
  bool dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
};

/// protobuf's int32: the low 32 bits of the varint.
int32_t int32_of(uint64_t value) noexcept { return static_cast<int32_t>(static_cast<uint32_t>(value)); }

void read_trainer_spec(std::string_view bytes, Spec& spec) {
  WireReader reader(bytes, "TrainerSpec");
  WireReader::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 3:
        reader.expect(field, 0);
        spec.model_type = field.value;
        break;
      case 24:
        reader.expect(field, 0);
        spec.whitespace_suffix = field.value != 0;
        break;
      case 40:
        reader.expect(field, 0);
        spec.unknown_id = int32_of(field.value);
        break;
      case 41:
        reader.expect(field, 0);
        spec.bos_id = int32_of(field.value);
        break;
      case 42:
        reader.expect(field, 0);
        spec.eos_id = int32_of(field.value);
        break;
      case 43:
        reader.expect(field, 0);
        spec.pad_id = int32_of(field.value);
        break;
      default: break;
    }
  }
}

void read_normalizer_spec(std::string_view bytes, Spec& spec) {
  WireReader reader(bytes, "NormalizerSpec");
  WireReader::Field field;
  while (reader.next(field)) {
    switch (field.number) {
      case 2:
        reader.expect(field, 2);
        spec.has_charsmap = !field.bytes.empty();
        break;
      case 3:
        reader.expect(field, 0);
        spec.dummy_prefix = field.value != 0;
        break;
      case 4:
        reader.expect(field, 0);
        spec.remove_extra_whitespaces = field.value != 0;
        break;
      case 5:
        reader.expect(field, 0);
        spec.escape_whitespaces = field.value != 0;
        break;
      default: break;
    }
  }
}

void read_piece(std::string_view bytes, const TokenizerFileLimits& limits, Vocab& vocab) {
  const size_t id = vocab.pieces.size();
  check(id < limits.max_pieces, ErrorCode::kCorruptData, "[tokenizer.model] more than ", limits.max_pieces, " pieces");
  WireReader reader(bytes, "SentencePiece");
  WireReader::Field field;
  std::string_view piece;
  float score = 0;
  uint64_t type = 1;
  while (reader.next(field)) {
    if (field.number == 1) {
      reader.expect(field, 2);
      piece = field.bytes;
    } else if (field.number == 2) {
      reader.expect(field, 5);
      const auto bits = static_cast<uint32_t>(field.value);
      std::memcpy(&score, &bits, sizeof(score));
    } else if (field.number == 3) {
      reader.expect(field, 0);
      type = field.value;
    }
  }
  check(type >= 1 && type <= 6, ErrorCode::kCorruptData, "[tokenizer.model] type of piece ", id, " is ", type, ", expected 1 to 6");
  check(std::isfinite(score), ErrorCode::kCorruptData, "[tokenizer.model] score of piece ", id, " is not finite");
  check(!piece.empty() && piece.size() <= limits.max_piece_bytes, ErrorCode::kCorruptData, "[tokenizer.model] piece ", id, " has ",
        piece.size(), " bytes, expected 1 to ", limits.max_piece_bytes);
  check(is_valid_utf8(piece), ErrorCode::kCorruptData, "[tokenizer.model] piece ", id, " is no UTF-8");
  const auto piece_type = static_cast<PieceType>(type);
  vocab.pieces.push_back(piece_type == PieceType::kUserDefined ? replace_all(piece, kSpaceMark, " ") : std::string(piece));
  vocab.scores.push_back(score);
  vocab.types.push_back(piece_type);
}

/// Id if it lies in the vocabulary, -1 if negative (switched off).
int32_t checked_id(int32_t id, const Vocab& vocab, std::string_view name) {
  check(id < vocab.size(), ErrorCode::kCorruptData, "[tokenizer.model] ", name, " id is ", id, ", expected less than ", vocab.size());
  return id < 0 ? -1 : id;
}

}  // namespace

Vocab vocab_from_sentencepiece(std::string_view bytes, const TokenizerFileLimits& limits) {
  Vocab vocab;
  Spec spec;
  WireReader reader(bytes, "ModelProto");
  WireReader::Field field;
  while (reader.next(field)) {
    if (field.number < 1 || field.number > 3) continue;
    reader.expect(field, 2);
    if (field.number == 1) read_piece(field.bytes, limits, vocab);
    if (field.number == 2) read_trainer_spec(field.bytes, spec);
    if (field.number == 3) read_normalizer_spec(field.bytes, spec);
  }
  check(!vocab.pieces.empty(), ErrorCode::kCorruptData, "[tokenizer.model] no pieces in ", bytes.size(), " bytes");
  check(spec.model_type == 2, ErrorCode::kUnsupported, "[tokenizer.model] model type is ", spec.model_type, ", expected 2 (BPE)");
  check(!spec.has_charsmap && !spec.dummy_prefix && !spec.remove_extra_whitespaces && spec.escape_whitespaces && !spec.whitespace_suffix,
        ErrorCode::kUnsupported,
        "[tokenizer.model] the normaliser changes text (expected identity, no dummy prefix, white space kept and written as U+2581)");
  vocab.unknown_id = checked_id(spec.unknown_id, vocab, "unknown");
  vocab.bos_id = checked_id(spec.bos_id, vocab, "bos");
  vocab.eos_id = checked_id(spec.eos_id, vocab, "eos");
  vocab.pad_id = checked_id(spec.pad_id, vocab, "pad");
  vocab.add_bos = vocab.bos_id >= 0;
  return vocab;
}

}  // namespace attune::text
