// The vocabulary as plain data, filled from a GGUF file or a tokenizer file by lm/, so that text/ reads no files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune::text {

enum class PieceType : uint8_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

/// id = index. `pieces` are as in GGUF: U+2581 for a space in normal pieces, real spaces in user-defined ones, "<0x41>" for bytes.
struct Vocab {
  std::vector<std::string> pieces;
  std::vector<float> scores;     ///< normal pieces: higher merges first
  std::vector<PieceType> types;
  int32_t bos_id = 2;
  int32_t eos_id = 1;
  int32_t unknown_id = 3;
  int32_t pad_id = 0;
  bool add_bos = true;

  int64_t size() const noexcept { return static_cast<int64_t>(pieces.size()); }
};

}  // namespace attune::text
