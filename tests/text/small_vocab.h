// A vocabulary of a few hundred pieces for tests that need no model file, and a plain reference encoder.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/utf8.h"
#include "text/vocab.h"

namespace attune::text::testing {

inline int32_t add_piece(Vocab& vocab, std::string piece, float score, PieceType type) {
  vocab.pieces.push_back(std::move(piece));
  vocab.scores.push_back(score);
  vocab.types.push_back(type);
  return static_cast<int32_t>(vocab.pieces.size()) - 1;
}

/// Ids: 0 pad, 1 eos, 2 bos, 3 unk, 4 <start_of_turn>, 5 <end_of_turn>, 6 <start_of_image>, 7 and 8 two and three spaces, 9 "\n", 10
/// "\n\n", 11 <b>, 12 <b><b>; bytes from 13; then normal pieces.
inline Vocab small_vocab(bool with_bytes = true) {
  Vocab v;
  for (const char* control : {"<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"})
    add_piece(v, control, -1000, PieceType::kControl);
  for (const char* user : {"<start_of_image>", "  ", "   ", "\n", "\n\n", "<b>", "<b><b>"})
    add_piece(v, user, -1000, PieceType::kUserDefined);
  if (with_bytes) {
    static const char* kHex = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) add_piece(v, std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 0, PieceType::kByte);
  }
  float score = 0;
  // Equal scores on purpose: "ab" and "bc" tie, so the leftmost pair must win. "<unused" shows that pieces may hold '<'.
  for (const char* tie : {"ab", "bc"}) add_piece(v, tie, -0.5f, PieceType::kNormal);
  for (const char* piece : {"aa", "aaaa", "\xE2\x96\x81t", "he", "\xE2\x96\x81the", "abc", "us", "user", "er", "mod", "od", "el", "model",
                            "\xC3\xA9\xC3\xA9", "th", "\xE2\x96\x81th", "<b", "aab",
                            "\xE2\x96\x81"
                            "a"}) {
    add_piece(v, piece, score -= 1, PieceType::kNormal);
  }
  for (const char* letter :
       {"a",       "b", "c", "d", "e", "h", "l", "m", "o", "r", "s", "t", "u", "<", ">", "/", "_", "n", "f", "i", "g", "\xE2\x96\x81",
        "\xC3\xA9"}) {
    add_piece(v, letter, score -= 1, PieceType::kNormal);
  }
  return v;
}

/// The algorithm as the methods page states it, without any of the shortcuts: maps, scans of all pairs, whole fragments.
class ReferenceEncoder {
 public:
  explicit ReferenceEncoder(const Vocab& vocab) : vocab_(vocab) {
    for (size_t id = 0; id < vocab.pieces.size(); ++id) {
      const auto type = vocab.types[id];
      if (type == PieceType::kNormal) normal_[vocab.pieces[id]] = static_cast<int32_t>(id);
      if (type == PieceType::kUserDefined || type == PieceType::kControl) special_[spaced(vocab.pieces[id])] = static_cast<int32_t>(id);
      if (type == PieceType::kByte) byte_[std::stoi(vocab.pieces[id].substr(3, 2), nullptr, 16)] = static_cast<int32_t>(id);
    }
  }

  std::vector<int32_t> encode(std::string_view raw, bool control, bool images) const {
    const std::string text = spaced(sanitize_utf8(raw));
    std::vector<int32_t> ids;
    std::string fragment;
    for (size_t at = 0; at < text.size();) {
      std::string best;
      int32_t best_id = -1;
      for (const auto& [piece, id] : special_) {
        const bool image = piece == "<start_of_image>" || piece == "<end_of_image>";
        if (image ? !images : vocab_.types[static_cast<size_t>(id)] == PieceType::kControl && !control) continue;
        if (piece.size() > best.size() && text.compare(at, piece.size(), piece) == 0) best = piece, best_id = id;
      }
      if (best_id < 0) {
        fragment += text[at++];
        continue;
      }
      encode_fragment(fragment, ids);
      fragment.clear();
      ids.push_back(best_id);
      at += best.size();
    }
    encode_fragment(fragment, ids);
    return ids;
  }

 private:
  static std::string spaced(std::string_view text) {
    std::string out;
    for (const char c : text) c == ' ' ? out += "\xE2\x96\x81" : out += c;
    return out;
  }

  void encode_fragment(const std::string& fragment, std::vector<int32_t>& ids) const {
    std::vector<std::string> symbols;
    for (size_t at = 0; at < fragment.size();) {
      const size_t size = decode_utf8(fragment, at).size;
      symbols.push_back(fragment.substr(at, size));
      at += size;
    }
    while (true) {
      size_t best = symbols.size();
      float best_score = 0;
      for (size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto it = normal_.find(symbols[i] + symbols[i + 1]);
        if (it == normal_.end()) continue;
        const float score = vocab_.scores[static_cast<size_t>(it->second)];
        if (best == symbols.size() || score > best_score) best = i, best_score = score;
      }
      if (best == symbols.size()) break;
      symbols[best] += symbols[best + 1];
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    for (const std::string& symbol : symbols) {
      const auto it = normal_.find(symbol);
      if (it != normal_.end()) {
        ids.push_back(it->second);
      } else {
        for (const char c : symbol) ids.push_back(byte_.at(static_cast<unsigned char>(c)));
      }
    }
  }

  const Vocab& vocab_;
  std::map<std::string, int32_t> normal_;
  std::map<std::string, int32_t> special_;
  std::map<int, int32_t> byte_;
};

}  // namespace attune::text::testing
