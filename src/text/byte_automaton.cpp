#include "text/byte_automaton.h"

#include <algorithm>
#include <array>

#include "core/error.h"

namespace attune::text {
namespace json_string {
namespace {

/// Places besides kClean. kHex1..kHex4 wait for the digits of \u; kPair1.. for the low surrogate that must follow a high one.
constexpr uint8_t kEscape = 1;
constexpr uint8_t kHex1 = 2;  // first digit: D leads to surrogates
constexpr uint8_t kHexD = 3;  // second digit after D: 0-7 plain, 8-B high surrogate
constexpr uint8_t kHex2 = 4;
constexpr uint8_t kHex3 = 5;
constexpr uint8_t kHex4 = 6;
constexpr uint8_t kHigh3 = 7;  // digits of a high surrogate
constexpr uint8_t kHigh4 = 8;
constexpr uint8_t kPairSlash = 9;
constexpr uint8_t kPairU = 10;
constexpr uint8_t kPairD = 11;
constexpr uint8_t kPairC = 12;  // second digit of the low surrogate: C-F
constexpr uint8_t kTail1 = 13;  // one continuation byte
constexpr uint8_t kTail2 = 14;
constexpr uint8_t kTail3 = 15;
constexpr uint8_t kAfterE0 = 16;  // A0-BF
constexpr uint8_t kAfterEd = 17;  // 80-9F
constexpr uint8_t kAfterF0 = 18;  // 90-BF
constexpr uint8_t kAfterF4 = 19;  // 80-8F
constexpr uint8_t kNumPlaces = 20;

bool is_hex(uint8_t byte) { return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F'); }
bool is_in(uint8_t byte, uint8_t low, uint8_t high) { return byte >= low && byte <= high; }

uint8_t from_clean(uint8_t byte) {
  if (byte == '"') return kClosed;
  if (byte == '\\') return kEscape;
  if (byte < 0x20) return kDead;
  if (byte < 0x80) return kClean;
  if (is_in(byte, 0xC2, 0xDF)) return kTail1;
  if (byte == 0xE0) return kAfterE0;
  if (byte == 0xED) return kAfterEd;
  if (is_in(byte, 0xE1, 0xEF)) return kTail2;
  if (byte == 0xF0) return kAfterF0;
  if (is_in(byte, 0xF1, 0xF3)) return kTail3;
  return byte == 0xF4 ? kAfterF4 : kDead;
}

uint8_t compute(uint8_t place, uint8_t byte) {
  const bool tail = is_in(byte, 0x80, 0xBF);
  const uint8_t upper = byte & 0xDF;  // of a letter
  switch (place) {
    case kClean: return from_clean(byte);
    case kEscape:
      if (byte == 'u') return kHex1;
      return std::string_view("\"\\/bfnrt").find(static_cast<char>(byte)) != std::string_view::npos ? kClean : kDead;
    case kHex1: return !is_hex(byte) ? kDead : upper == 'D' ? kHexD : kHex2;
    case kHexD:
      if (is_in(byte, '0', '7')) return kHex3;
      return byte == '8' || byte == '9' || upper == 'A' || upper == 'B' ? kHigh3 : kDead;
    case kHex2: return is_hex(byte) ? kHex3 : kDead;
    case kHex3: return is_hex(byte) ? kHex4 : kDead;
    case kHex4: return is_hex(byte) ? kClean : kDead;
    case kHigh3: return is_hex(byte) ? kHigh4 : kDead;
    case kHigh4: return is_hex(byte) ? kPairSlash : kDead;
    case kPairSlash: return byte == '\\' ? kPairU : kDead;
    case kPairU: return byte == 'u' ? kPairD : kDead;
    case kPairD: return upper == 'D' ? kPairC : kDead;
    case kPairC: return is_in(upper, 'C', 'F') ? kHex3 : kDead;
    case kTail1: return tail ? kClean : kDead;
    case kTail2: return tail ? kTail1 : kDead;
    case kTail3: return tail ? kTail2 : kDead;
    case kAfterE0: return is_in(byte, 0xA0, 0xBF) ? kTail1 : kDead;
    case kAfterEd: return is_in(byte, 0x80, 0x9F) ? kTail1 : kDead;
    case kAfterF0: return is_in(byte, 0x90, 0xBF) ? kTail2 : kDead;
    case kAfterF4: return is_in(byte, 0x80, 0x8F) ? kTail2 : kDead;
    default: return kDead;
  }
}

using Table = std::array<std::array<uint8_t, 256>, kNumPlaces>;
Table make_table() {
  Table table{};
  for (uint8_t place = 0; place < kNumPlaces; ++place) {
    for (int byte = 0; byte < 256; ++byte) table[place][static_cast<size_t>(byte)] = compute(place, static_cast<uint8_t>(byte));
  }
  return table;
}
const Table kTable = make_table();

}  // namespace

uint8_t next(uint8_t place, uint8_t byte) noexcept { return place < kNumPlaces ? kTable[place][byte] : kDead; }

}  // namespace json_string

namespace {

/// Stacks are equal if their frames are. Shared ends have the same index.
bool same_stack(uint32_t a, uint32_t b, const std::vector<CallFrame>& pool) noexcept {
  while (a != b) {
    if (a == kNone || b == kNone) return false;
    if (pool[a].node != pool[b].node || pool[a].count != pool[b].count) return false;
    a = pool[a].parent;
    b = pool[b].parent;
  }
  return true;
}

constexpr size_t kCompared = 64;  // parses that a new one is compared with

}  // namespace

void GrammarStepper::add(const Parse& parse, const std::vector<CallFrame>& pool, std::vector<Parse>& out) {
  if (out.size() >= kMaxParses) return;
  const size_t first = out.size() > kCompared ? out.size() - kCompared : 0;
  for (size_t i = first; i < out.size(); ++i) {
    const Parse& other = out[i];
    if (other.lexeme == parse.lexeme && other.resume == parse.resume && other.place == parse.place && other.chars == parse.chars &&
        other.count == parse.count && same_stack(other.stack, parse.stack, pool)) {
      return;
    }
  }
  out.push_back(parse);
}

void GrammarStepper::enter(uint32_t node, uint32_t count, uint32_t stack, std::vector<CallFrame>& pool, std::vector<Parse>& out) {
  const size_t base = pending_.size();
  pending_.push_back({node, count, stack});
  while (pending_.size() > base) {
    const Visit visit = pending_.back();
    pending_.pop_back();
    const Grammar::Node& at = grammar_->nodes[visit.node];
    for (uint32_t i = at.num_edges; i > 0; --i) follow(grammar_->edges[at.first_edge + i - 1], visit, pool, out);
    if (out.size() >= kMaxParses) pending_.resize(base);
  }
}

void GrammarStepper::follow(const Grammar::Edge& edge, const Visit& from, std::vector<CallFrame>& pool, std::vector<Parse>& out) {
  const auto nesting = [&] { return from.stack == kNone ? uint32_t{grammar_->rules[grammar_->root].nests} : pool[from.stack].nesting; };
  const auto fits = [&](uint32_t levels) {
    return nesting() + std::max<uint32_t>(levels, grammar_->nodes[edge.target].need) <= kMaxGrammarDepth;
  };
  switch (edge.kind) {
    case Grammar::EdgeKind::kEpsilon: pending_.push_back({edge.target, from.count, from.stack}); break;
    case Grammar::EdgeKind::kLexeme: {
      const Grammar::LexemeState& state = grammar_->lexeme_states[edge.value];
      if (state.num_ranges > 0 && fits(0)) add({edge.value, 0, 0, edge.target, from.count, from.stack}, pool, out);
      if (state.accepts) pending_.push_back({edge.target, from.count, from.stack});
      break;
    }
    case Grammar::EdgeKind::kString:
      if (fits(0)) add({Parse::kStringBit | edge.value, 0, json_string::kClean, edge.target, from.count, from.stack}, pool, out);
      break;
    case Grammar::EdgeKind::kCall: {
      const Grammar::Rule& rule = grammar_->rules[edge.value];
      if (!fits(rule.height)) break;
      pool.push_back({edge.target, from.count, from.stack, nesting() + rule.nests});
      pending_.push_back({rule.start, 0, static_cast<uint32_t>(pool.size() - 1)});
      break;
    }
    case Grammar::EdgeKind::kReturn:
      if (from.stack == kNone) {
        add({kNone, 0, 0, 0, 0, kNone}, pool, out);
      } else {
        const CallFrame& caller = pool[from.stack];
        pending_.push_back({caller.node, caller.count, caller.parent});
      }
      break;
    case Grammar::EdgeKind::kCount: pending_.push_back({edge.target, std::min(from.count + 1, edge.value), from.stack}); break;
    case Grammar::EdgeKind::kAtLeast:
      if (from.count >= edge.value) pending_.push_back({edge.target, from.count, from.stack});
      break;
    case Grammar::EdgeKind::kBelow:
      if (from.count < edge.value) pending_.push_back({edge.target, from.count, from.stack});
      break;
  }
}

void GrammarStepper::begin(std::vector<CallFrame>& pool, std::vector<Parse>& out) {
  enter(grammar_->rules[grammar_->root].start, 0, kNone, pool, out);
}

uint32_t GrammarStepper::string_room(const Parse& parse) const noexcept {
  const Grammar::StringLexeme& lexeme = grammar_->strings[parse.lexeme & ~Parse::kStringBit];
  return lexeme.max_length == kNoLimit ? kNoLimit : lexeme.max_length - parse.chars;
}

void GrammarStepper::close_string(const Parse& parse, uint32_t more, std::vector<CallFrame>& pool, std::vector<Parse>& out) {
  const Grammar::StringLexeme& lexeme = grammar_->strings[parse.lexeme & ~Parse::kStringBit];
  const uint64_t chars = uint64_t{parse.chars} + more;
  if (chars >= lexeme.min_length && chars <= lexeme.max_length) enter(parse.resume, parse.count, parse.stack, pool, out);
}

void GrammarStepper::step_string(const Parse& parse, uint8_t byte, std::vector<CallFrame>& pool, std::vector<Parse>& out) {
  const uint8_t place = json_string::next(parse.place, byte);
  if (place == json_string::kDead) return;
  if (place == json_string::kClosed) return close_string(parse, 0, pool, out);
  Parse next = parse;
  next.place = place;
  if (parse.place == json_string::kClean) {  // a character begins
    const Grammar::StringLexeme& lexeme = grammar_->strings[parse.lexeme & ~Parse::kStringBit];
    if (parse.chars >= lexeme.max_length) return;
    next.chars = lexeme.max_length == kNoLimit ? std::min(parse.chars + 1, lexeme.min_length) : parse.chars + 1;
  }
  add(next, pool, out);
}

void GrammarStepper::step(std::span<const Parse> in, uint8_t byte, std::vector<CallFrame>& pool, std::vector<Parse>& out) {
  out.clear();
  for (const Parse& parse : in) {
    if (parse.is_done()) continue;
    if (parse.is_string()) {
      step_string(parse, byte, pool, out);
      continue;
    }
    const Grammar::LexemeState& state = grammar_->lexeme_states[parse.lexeme];
    for (uint32_t i = 0; i < state.num_ranges; ++i) {
      const Grammar::Range& range = grammar_->ranges[state.first_range + i];
      if (byte < range.low) break;
      if (byte > range.high) continue;
      const Grammar::LexemeState& target = grammar_->lexeme_states[range.target];
      if (target.num_ranges > 0) add({range.target, 0, 0, parse.resume, parse.count, parse.stack}, pool, out);
      if (target.accepts) enter(parse.resume, parse.count, parse.stack, pool, out);
      break;
    }
  }
}

ByteAutomaton::ByteAutomaton(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  check(grammar_ != nullptr, ErrorCode::kInvalidArgument, "[byte_automaton] no grammar");
  GrammarStepper(*grammar_).begin(pool_, parses_);
}

bool ByteAutomaton::advance(uint8_t byte) {
  std::vector<Parse> next;
  GrammarStepper(*grammar_).step(parses_, byte, pool_, next);
  parses_ = std::move(next);
  if (pool_.size() > 256) compact();
  return !parses_.empty();
}

bool ByteAutomaton::advance(std::string_view bytes) {
  for (const char byte : bytes) {
    if (!advance(static_cast<uint8_t>(byte))) return false;
  }
  return !parses_.empty();
}

bool ByteAutomaton::complete() const noexcept {
  return std::any_of(parses_.begin(), parses_.end(), [](const Parse& parse) { return parse.is_done(); });
}

bool ByteAutomaton::can_continue() const noexcept {
  return std::any_of(parses_.begin(), parses_.end(), [](const Parse& parse) { return !parse.is_done(); });
}

// Keeps the frames that a parse still refers to. Parents come before children in the pool, so ascending order keeps that.
void ByteAutomaton::compact() {
  std::vector<uint32_t> moved(pool_.size(), kNone);
  for (const Parse& parse : parses_) {
    for (uint32_t at = parse.stack; at != kNone && moved[at] == kNone; at = pool_[at].parent) moved[at] = 0;
  }
  std::vector<CallFrame> kept;
  for (size_t i = 0; i < pool_.size(); ++i) {
    if (moved[i] == kNone) continue;
    moved[i] = static_cast<uint32_t>(kept.size());
    kept.push_back(pool_[i]);
    if (kept.back().parent != kNone) kept.back().parent = moved[kept.back().parent];
  }
  for (Parse& parse : parses_) {
    if (parse.stack != kNone) parse.stack = moved[parse.stack];
  }
  pool_ = std::move(kept);
}

void ByteAutomaton::append_key(const Parse& parse, const std::vector<CallFrame>& pool, std::string& out) {
  const auto put = [&](uint32_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  put(parse.lexeme);
  put(parse.chars);
  put(parse.place);
  put(parse.resume);
  put(parse.count);
  for (uint32_t at = parse.stack; at != kNone; at = pool[at].parent) {
    put(pool[at].node);
    put(pool[at].count);
  }
  put(kNone);
}

std::string ByteAutomaton::key() const {
  std::string out;
  for (const Parse& parse : parses_) append_key(parse, pool_, out);
  return out;
}

bool matches(const std::shared_ptr<const Grammar>& grammar, std::string_view document) {
  ByteAutomaton automaton(grammar);
  return automaton.advance(document) && automaton.complete();
}

}  // namespace attune::text
