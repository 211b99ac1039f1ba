#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "text/bpe_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

/// Up to this many symbols scanning all pairs beats a heap.
constexpr size_t kShortPart = 24;

}  // namespace

BpeTables::BpeTables(const Vocab& vocab, const PieceTable& table) : vocab_(vocab), table_(table), joins_(kJoinBits / 64) {
  for (size_t id = 0; id < vocab.pieces.size(); ++id) {
    check(std::isfinite(vocab.scores[id]), ErrorCode::kCorruptData, "[tokenizer] score of piece ", id, " is ",
          static_cast<double>(vocab.scores[id]), ", expected a finite number");
    if (vocab.types[id] == PieceType::kNormal) add_joins(vocab.pieces[id], id);
  }
  for (size_t c = 0; c < ascii_.size(); ++c) {
    const char text = static_cast<char>(c);
    ascii_[c] = find_normal({&text, 1});
  }
}

void BpeTables::add_joins(std::string_view piece, size_t id) {
  char32_t previous = 0;
  for (size_t at = 0; at < piece.size();) {
    const Utf8Char c = decode_utf8(piece, at);
    check(c.valid, ErrorCode::kCorruptData, "[tokenizer] piece ", id, " is no UTF-8 at byte ", at);
    if (at > 0) joins_[bit(previous, c.code) >> 6] |= uint64_t{1} << (bit(previous, c.code) & 63);
    previous = c.code;
    at += c.size;
  }
  longest_ = std::max(longest_, piece.size());
}

int32_t BpeTables::find_normal(std::string_view text) const noexcept {
  if (text.size() > longest_) return -1;
  const int32_t id = table_.find(text);
  return id >= 0 && vocab_.types[static_cast<size_t>(id)] == PieceType::kNormal ? id : -1;
}

int32_t BpeTables::find_character(std::string_view character) const noexcept {
  const auto first = static_cast<uint8_t>(character.front());
  return first < 128 ? ascii_[first] : find_normal(character);
}

/// Fills symbols_ with the characters from `at` up to the next place that no merge can cross; returns that place.
size_t BpeMerger::next_part(size_t at) {
  symbols_.clear();
  char32_t previous = 0;
  while (at < run_.size()) {
    const Utf8Char c = decode_utf8(run_, at);
    if (!symbols_.empty() && !tables_.may_join(previous, c.code)) break;
    const auto index = static_cast<int32_t>(symbols_.size());
    symbols_.push_back({static_cast<uint32_t>(at), c.size, tables_.find_character(run_.substr(at, c.size)), index - 1, index + 1});
    previous = c.code;
    at += c.size;
  }
  symbols_.back().next = -1;
  return at;
}

void BpeMerger::merge_part() {
  if (symbols_.size() == 1) return;
  symbols_.size() <= kShortPart ? merge_short() : merge_long();
}

/// Takes the right neighbour into `left`.
void BpeMerger::join(Symbol& left, int32_t id) noexcept {
  Symbol& right = symbols_[static_cast<size_t>(left.next)];
  left.size += right.size;
  left.id = id;
  if (right.next >= 0) symbols_[static_cast<size_t>(right.next)].previous = right.previous;
  left.next = right.next;
  right.size = 0;
}

void BpeMerger::merge_short() {
  std::array<int32_t, kShortPart> pair;  // pair[i]: piece made of symbol i and its right neighbour, -1 if none
  pair.fill(-1);
  const auto update = [&](int32_t i) {
    const Symbol& left = symbols_[static_cast<size_t>(i)];
    pair[static_cast<size_t>(i)] = left.next < 0 ? -1 : pair_id(left, symbols_[static_cast<size_t>(left.next)]);
  };
  for (int32_t i = 0; i >= 0; i = symbols_[static_cast<size_t>(i)].next) update(i);
  while (true) {
    int32_t best = -1;
    for (int32_t i = 0; i >= 0; i = symbols_[static_cast<size_t>(i)].next) {
      const int32_t id = pair[static_cast<size_t>(i)];
      if (id >= 0 && (best < 0 || tables_.score(id) > tables_.score(pair[static_cast<size_t>(best)]))) best = i;
    }
    if (best < 0) return;
    Symbol& left = symbols_[static_cast<size_t>(best)];
    join(left, pair[static_cast<size_t>(best)]);
    update(best);
    if (left.previous >= 0) update(left.previous);
  }
}

/// Adds the pair of symbol `left` and its right neighbour to the heap if it is a piece.
void BpeMerger::push(int32_t left) {
  const Symbol& symbol = symbols_[static_cast<size_t>(left)];
  if (symbol.next < 0) return;
  const Symbol& right = symbols_[static_cast<size_t>(symbol.next)];
  const int32_t id = pair_id(symbol, right);
  if (id < 0) return;
  heap_.push_back({tables_.score(id), id, static_cast<uint32_t>(left), symbol.size + right.size});
}

void BpeMerger::merge_long() {
  heap_.clear();
  for (size_t i = 0; i + 1 < symbols_.size(); ++i) push(static_cast<int32_t>(i));
  std::make_heap(heap_.begin(), heap_.end(), later);
  const auto push_new = [&](int32_t left) {
    const size_t before = heap_.size();
    push(left);
    if (heap_.size() > before) std::push_heap(heap_.begin(), heap_.end(), later);
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Candidate top = heap_.back();
    heap_.pop_back();
    Symbol& left = symbols_[top.left];
    // Stale: one of the two was merged otherwise since. Equal start and size mean equal bytes, so the id is still right.
    if (left.size == 0 || left.next < 0 || left.size + symbols_[static_cast<size_t>(left.next)].size != top.size) continue;
    join(left, top.id);
    push_new(static_cast<int32_t>(top.left));
    if (left.previous >= 0) push_new(left.previous);
  }
}

}  // namespace attune::text
