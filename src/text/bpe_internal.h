// Byte-pair merging of one run of characters (docs/methods/gemma3_text.md, "Merging").
//
// Of all adjacent pairs whose concatenation is a normal piece, the pair with the highest score is merged first, the leftmost on ties, until
// none is left. A run is first split where no piece holds the two characters beside each other: no merge can cross such a place, so
// the parts are independent and most words become a few symbols. Short parts are merged by scanning, long ones with a priority queue.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/piece_table_internal.h"
#include "text/vocab.h"

namespace attune::text {

/// Read-only tables for merging. References the vocabulary and the table, which must outlive it. Thread-safe.
class BpeTables {
 public:
  /// Throws kCorruptData if a normal piece is no UTF-8 or a score is not finite. O(total bytes of the pieces).
  BpeTables(const Vocab& vocab, const PieceTable& table);

  /// Id of the normal piece with this text, or -1.
  int32_t find_normal(std::string_view text) const noexcept;
  /// The same for one character, without hashing for ASCII.
  int32_t find_character(std::string_view character) const noexcept;
  /// False: no normal piece holds `left` directly before `right`. True is no promise.
  bool may_join(char32_t left, char32_t right) const noexcept {
    return (joins_[bit(left, right) >> 6] >> (bit(left, right) & 63) & 1) != 0;
  }
  /// Order of merging: lower first, equal for equal scores. Below 2^24.
  uint32_t rank(int32_t id) const noexcept { return ranks_[static_cast<size_t>(id)]; }

 private:
  static constexpr size_t kJoinBits = size_t{1} << 22;
  static size_t bit(char32_t left, char32_t right) noexcept {
    const uint64_t mixed = (uint64_t{left} << 21 | right) * 0x9E3779B97F4A7C15u;
    return static_cast<size_t>(mixed >> 42);  // 22 bits
  }
  void add_joins(std::string_view piece, size_t id);
  void rank_scores();

  const Vocab& vocab_;
  const PieceTable& table_;
  std::vector<uint32_t> ranks_;
  std::vector<uint64_t> joins_;  ///< 512 KiB: hashed pairs of adjacent characters
  std::array<int32_t, 128> ascii_;
  size_t longest_ = 0;  ///< bytes of the longest normal piece
};

/// Merges the characters of one run. Scratch memory is kept from run to run: about 40 bytes a character of the longest part. Not
/// thread-safe.
class BpeMerger {
 public:
  /// A symbol of the result: bytes [start, start + size) of the run; id -1 if these bytes are no piece (one character then).
  struct Symbol {
    uint32_t start = 0;
    uint32_t size = 0;  ///< 0: taken into the symbol on the left
    int32_t id = -1;
    int32_t pair = -1;  ///< normal piece made of this symbol and the next one, -1 if none
    int32_t previous = -1;
    int32_t next = -1;
  };

  explicit BpeMerger(const BpeTables& tables) : tables_(tables) {}

  /// Calls `emit(symbol)` for each symbol of `run` (well-formed UTF-8, spaces already U+2581, below 4 GiB) from left to right.
  template <class Emit>
  void merge(std::string_view run, Emit&& emit) {
    run_ = run;
    for (size_t start = 0; start < run.size();) {
      start = next_part(start);
      merge_part();
      for (int32_t i = 0; i >= 0; i = at(i).next) emit(std::as_const(at(i)));
    }
  }

 private:
  /// Rank in the upper half, index of the left symbol in the lower: the smallest key is merged next.
  uint64_t key(int32_t left) const noexcept { return uint64_t{tables_.rank(at(left).pair)} << 32 | static_cast<uint32_t>(left); }
  Symbol& at(int32_t index) noexcept { return symbols_[static_cast<size_t>(index)]; }
  const Symbol& at(int32_t index) const noexcept { return symbols_[static_cast<size_t>(index)]; }

  size_t next_part(size_t start);
  void merge_part();
  void merge_short();
  void merge_long();
  void update_pair(int32_t left) noexcept;
  void join(int32_t left) noexcept;
  void push(int32_t left);

  const BpeTables& tables_;
  std::string_view run_;
  std::vector<Symbol> symbols_;
  std::vector<uint64_t> first_;  ///< keys of the pairs that a part begins with, sorted
  std::vector<uint64_t> heap_;  ///< keys of pairs made since, smallest on top
};

}  // namespace attune::text
