#include "core/error.h"
#include "text/special_pieces_internal.h"

namespace attune::text {

SpecialPieces::SpecialPieces() { roots_.fill(-1); }

void SpecialPieces::add(std::string_view text, int32_t id, SpecialClass special_class) {
  check(!text.empty(), ErrorCode::kCorruptData, "[tokenizer] special piece ", id, " is empty");
  int32_t node = -1;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    int32_t next = node < 0 ? roots_[byte] : nodes_[static_cast<size_t>(node)].child;
    while (node >= 0 && next >= 0 && nodes_[static_cast<size_t>(next)].byte != byte) next = nodes_[static_cast<size_t>(next)].sibling;
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      int32_t& link = node < 0 ? roots_[byte] : nodes_[static_cast<size_t>(node)].child;
      const int32_t sibling = node < 0 ? -1 : link;
      link = next;
      nodes_.push_back({-1, sibling, -1, byte, 0});
    }
    node = next;
  }
  Node& end = nodes_[static_cast<size_t>(node)];
  check(end.id < 0, ErrorCode::kCorruptData, "[tokenizer] special pieces ", end.id, " and ", id, " are equal, expected distinct pieces");
  end.id = id;
  end.special_class = special_class;
}

SpecialPieces::Match SpecialPieces::match(std::string_view text, size_t at, uint8_t classes) const noexcept {
  Match best;
  int32_t node = roots_[static_cast<uint8_t>(text[at])];
  size_t size = 1;
  while (node >= 0) {
    const Node& here = nodes_[static_cast<size_t>(node)];
    if (here.id >= 0 && (here.special_class & classes) != 0) best = {here.id, size};
    if (at + size >= text.size()) break;
    const auto byte = static_cast<uint8_t>(text[at + size]);
    node = here.child;
    while (node >= 0 && nodes_[static_cast<size_t>(node)].byte != byte) node = nodes_[static_cast<size_t>(node)].sibling;
    ++size;
  }
  return best;
}

}  // namespace attune::text
