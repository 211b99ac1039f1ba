// Exactly one BOS in front of every sequence that reaches the model (docs/methods/gemma3_text.md, "BOS").
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace attune::text {

struct BosChange {
  bool added = false;  ///< there was none
  size_t dropped = 0;  ///< surplus ones removed; the caller writes one log line if this is not 0
};

/// Makes `ids` begin with exactly one `bos_id`: a missing one is put in front, further ones directly behind the first are removed.
/// A BOS later in the sequence is left alone. O(size).
inline BosChange ensure_single_bos(std::vector<int32_t>& ids, int32_t bos_id) {
  size_t count = 0;
  while (count < ids.size() && ids[count] == bos_id) ++count;
  if (count == 0) {
    ids.insert(ids.begin(), bos_id);
    return {true, 0};
  }
  ids.erase(ids.begin() + 1, ids.begin() + static_cast<std::ptrdiff_t>(count));
  return {false, count - 1};
}

}  // namespace attune::text
