#include <bit>
#include <cstring>

#include "core/error.h"
#include "text/piece_table_internal.h"

namespace attune::text {
namespace {

/// A fair hash never probes this far in a table that is half full; a file that does was made to.
constexpr uint64_t kMaxProbes = 2048;

uint64_t fold_multiply(uint64_t a, uint64_t b) noexcept {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) noexcept {
  constexpr uint64_t kA = 0x9E3779B97F4A7C15u;
  constexpr uint64_t kB = 0xD6E8FEB86659FD93u;
  uint64_t hash = kA + bytes.size() * kB;
  const char* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t word = 0;
    std::memcpy(&word, p, 8);
    hash = fold_multiply(hash ^ word, kB);
  }
  if (left > 0) {
    uint64_t word = 0;
    std::memcpy(&word, p, left);
    hash = fold_multiply(hash ^ word, kB);
  }
  return fold_multiply(hash ^ kA, kB);
}

PieceTable::PieceTable(const std::vector<std::string>& texts) : texts_(&texts) {
  slots_.resize(std::bit_ceil(texts.size() * 2 + 2));
  mask_ = slots_.size() - 1;
  for (size_t id = 0; id < texts.size(); ++id) {
    if (texts[id].empty()) continue;
    const uint64_t hash = hash_bytes(texts[id]);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    uint64_t at = hash & mask_;
    uint64_t probes = 0;
    for (; slots_[at].id >= 0; at = (at + 1) & mask_) {
      const auto other = static_cast<size_t>(slots_[at].id);
      check(slots_[at].tag != tag || texts[other] != texts[id], ErrorCode::kCorruptData, "[tokenizer] pieces ", other, " and ", id,
            " are equal, expected distinct pieces");
      check(++probes < kMaxProbes, ErrorCode::kCorruptData, "[tokenizer] the pieces up to ", id, " collide in the hash table on purpose");
    }
    slots_[at] = {tag, static_cast<int32_t>(id)};
  }
}

int32_t PieceTable::find(std::string_view text) const noexcept {
  const uint64_t hash = hash_bytes(text);
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (uint64_t at = hash & mask_; slots_[at].id >= 0; at = (at + 1) & mask_) {
    if (slots_[at].tag == tag && (*texts_)[static_cast<size_t>(slots_[at].id)] == text) return slots_[at].id;
  }
  return -1;
}

}  // namespace attune::text
