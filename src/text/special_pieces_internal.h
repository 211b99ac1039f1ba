// The pieces that are cut out of a text before any merging: a byte trie, longest match first.
// A few thousand nodes for Gemma's 165 user-defined and 6,249 control pieces. Immutable after the last add; thread-safe then.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace attune::text {

/// Classes of special pieces that a call may switch on; a bit set.
enum SpecialClass : uint8_t { kUserClass = 1, kControlClass = 2, kImageClass = 4 };

class SpecialPieces {
 public:
  SpecialPieces();
  /// Adds a piece (not empty). Throws kCorruptData if the same text was added before.
  void add(std::string_view text, int32_t id, SpecialClass special_class);

  struct Match {
    int32_t id = -1;  ///< -1: none
    size_t size = 0;
  };
  /// Longest piece of the given classes that starts at text[at]. O(longest piece).
  Match match(std::string_view text, size_t at, uint8_t classes) const noexcept;

 private:
  struct Node {
    int32_t child = -1;    ///< first child
    int32_t sibling = -1;  ///< next child of the same parent
    int32_t id = -1;       ///< piece that ends here
    uint8_t byte = 0;
    uint8_t special_class = 0;
  };
  std::array<int32_t, 256> roots_;
  std::vector<Node> nodes_;
};

}  // namespace attune::text
