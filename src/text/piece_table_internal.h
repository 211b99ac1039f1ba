// Flat hash table from piece text to id, open addressing with linear probing at most half full.
// 8 bytes a slot (4 MiB for 262,144 pieces); texts stay in the vocabulary, which must outlive the table. Immutable after build.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text {

/// 64-bit hash of bytes; the same on every run (ids never depend on it).
uint64_t hash_bytes(std::string_view bytes) noexcept;

class PieceTable {
 public:
  /// Empty texts are left out. Throws kCorruptData naming both ids if two texts are equal, or if the texts were made to collide.
  explicit PieceTable(const std::vector<std::string>& texts);

  /// Id of the text, or -1.
  int32_t find(std::string_view text) const noexcept;

 private:
  struct Slot {
    uint32_t tag = 0;
    int32_t id = -1;
  };
  const std::vector<std::string>* texts_;
  std::vector<Slot> slots_;
  uint64_t mask_ = 0;
};

}  // namespace attune::text
