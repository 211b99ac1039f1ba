#include <algorithm>
#include <cmath>
#include <functional>

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
  rank_scores();
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

/// Dense ranks of the scores. Gemma's fall with the id, so that the sort finds them almost in order.
void BpeTables::rank_scores() {
  std::vector<std::pair<float, uint32_t>> order;
  order.reserve(vocab_.pieces.size());
  for (size_t id = 0; id < vocab_.pieces.size(); ++id) {
    if (vocab_.types[id] == PieceType::kNormal) order.emplace_back(-vocab_.scores[id], static_cast<uint32_t>(id));
  }
  if (!std::is_sorted(order.begin(), order.end())) std::sort(order.begin(), order.end());
  ranks_.assign(vocab_.pieces.size(), 0);
  uint32_t rank = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (i > 0 && order[i].first > order[i - 1].first) ++rank;
    ranks_[order[i].second] = rank;
  }
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

/// Fills symbols_ with the characters from `start` up to the next place that no merge can cross; returns that place.
size_t BpeMerger::next_part(size_t start) {
  symbols_.clear();
  char32_t previous = 0;
  while (start < run_.size()) {
    const Utf8Char c = decode_utf8(run_, start);
    if (!symbols_.empty() && !tables_.may_join(previous, c.code)) break;
    const auto index = static_cast<int32_t>(symbols_.size());
    symbols_.push_back(
        {static_cast<uint32_t>(start), c.size, tables_.find_character(run_.substr(start, c.size)), -1, index - 1, index + 1});
    previous = c.code;
    start += c.size;
  }
  symbols_.back().next = -1;
  return start;
}

void BpeMerger::merge_part() {
  if (symbols_.size() == 1) return;
  for (int32_t i = 0; i >= 0; i = at(i).next) update_pair(i);
  symbols_.size() <= kShortPart ? merge_short() : merge_long();
}

void BpeMerger::update_pair(int32_t left) noexcept {
  Symbol& symbol = at(left);
  symbol.pair = symbol.next < 0 ? -1 : tables_.find_normal(run_.substr(symbol.start, size_t{symbol.size} + at(symbol.next).size));
}

/// Takes the right neighbour into `left` and renews the pairs on both sides.
void BpeMerger::join(int32_t left) noexcept {
  Symbol& symbol = at(left);
  Symbol& right = at(symbol.next);
  symbol.size += right.size;
  symbol.id = symbol.pair;
  symbol.next = right.next;
  if (right.next >= 0) at(right.next).previous = left;
  right.size = 0;
  right.pair = -1;
  update_pair(left);
  if (symbol.previous >= 0) update_pair(symbol.previous);
}

void BpeMerger::merge_short() {
  while (true) {
    int32_t best = -1;
    for (int32_t i = 0; i >= 0; i = at(i).next) {
      if (at(i).pair >= 0 && (best < 0 || tables_.rank(at(i).pair) < tables_.rank(at(best).pair))) best = i;
    }
    if (best < 0) return;
    join(best);
  }
}

/// Adds the pair that starts at symbol `left`, if it is a piece, to the heap.
void BpeMerger::push(int32_t left) {
  if (left < 0 || at(left).pair < 0) return;
  heap_.push_back(key(left));
  std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
}

void BpeMerger::merge_long() {
  first_.clear();
  heap_.clear();
  for (size_t i = 0; i < symbols_.size(); ++i) {
    if (symbols_[i].pair >= 0) first_.push_back(key(static_cast<int32_t>(i)));
  }
  if (!std::is_sorted(first_.begin(), first_.end())) std::sort(first_.begin(), first_.end());
  for (size_t cursor = 0; cursor < first_.size() || !heap_.empty();) {
    uint64_t top = 0;
    if (heap_.empty() || (cursor < first_.size() && first_[cursor] < heap_.front())) {
      top = first_[cursor++];
    } else {
      top = heap_.front();
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      heap_.pop_back();
    }
    const auto left = static_cast<int32_t>(static_cast<uint32_t>(top));
    if (at(left).pair < 0 || key(left) != top) continue;  // stale: the pair was merged otherwise since
    join(left);
    push(left);
    push(at(left).previous);
  }
}

}  // namespace attune::text
