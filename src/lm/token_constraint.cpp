#include "lm/token_constraint.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "core/error.h"

namespace attune::lm {
namespace {

constexpr size_t kMaxConstraints = 16;  // of a cache

void set_bit(std::span<uint64_t> bits, int32_t id) noexcept { bits[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64); }

}  // namespace

TokenConstraint::TokenConstraint(std::shared_ptr<const VocabTrie> vocab, std::shared_ptr<const text::Grammar> grammar)
    : vocab_(std::move(vocab)), grammar_(std::move(grammar)) {
  check(vocab_ != nullptr && grammar_ != nullptr, ErrorCode::kInvalidArgument, "[token_constraint] a vocabulary or a grammar is missing");
}

void TokenConstraint::allowed(const text::ByteAutomaton& state, std::span<uint64_t> out, int64_t& walk_steps) const {
  std::fill(out.begin(), out.end(), 0);
  for (const text::Parse& parse : state.parses()) {
    if (parse.is_done()) continue;
    if (parse.is_string() && parse.place == text::json_string::kClean) {
      add_string(parse, state.pool(), out, walk_steps);
      continue;
    }
    const ChoicesPtr found = choices(parse, state.pool(), false, walk_steps);
    for (const int32_t id : found->ids) set_bit(out, id);
    for (size_t i = 0; i < found->bits.size(); ++i) out[i] |= found->bits[i];
  }
}

// Tokens that stay inside the string depend on the characters left alone, tokens that close it on what may follow the quote; neither is found
// again for every length.
void TokenConstraint::add_string(const text::Parse& parse, const std::vector<text::CallFrame>& pool, std::span<uint64_t> out,
                                 int64_t& walk_steps) const {
  const auto& lexeme = grammar_->strings[parse.lexeme & ~text::Parse::kStringBit];
  const uint32_t room = lexeme.max_length == text::kNoLimit ? text::kNoLimit : lexeme.max_length - parse.chars;
  const TokenBits& inside = vocab_->inside(room);
  for (size_t i = 0; i < inside.size(); ++i) out[i] |= inside[i];
  text::Parse closing = parse;
  closing.chars = 0;
  const auto add = [&](int32_t id) {
    const uint32_t more = vocab_->chars_before_quote(id);
    if (more <= room && uint64_t{parse.chars} + more >= lexeme.min_length) set_bit(out, id);
  };
  const ChoicesPtr found = choices(closing, pool, true, walk_steps);
  for (const int32_t id : found->ids) add(id);
  for (size_t i = 0; i < found->bits.size(); ++i) {
    for (uint64_t rest = found->bits[i]; rest != 0; rest &= rest - 1) add(static_cast<int32_t>(i * 64) + std::countr_zero(rest));
  }
}

TokenConstraint::ChoicesPtr TokenConstraint::choices(const text::Parse& parse, const std::vector<text::CallFrame>& pool, bool closing,
                                                     int64_t& walk_steps) const {
  std::string key;
  text::ByteAutomaton::append_key(parse, pool, key);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
  }
  auto out = std::make_shared<Choices>();
  if (closing) {
    text::Parse enough = parse;
    enough.chars = grammar_->strings[parse.lexeme & ~text::Parse::kStringBit].min_length;
    std::vector<text::Parse> after;
    std::vector<text::CallFrame> frames = pool;
    text::GrammarStepper(*grammar_).close_string(enough, 0, frames, after);
    out->ids = walk(vocab_->closing(), std::move(after), std::move(frames), walk_steps);
  } else {
    out->ids = walk(vocab_->tokens(), {parse}, pool, walk_steps);
  }
  if (out->ids.size() > vocab_->num_words() * 2) {
    out->bits.assign(vocab_->num_words(), 0);
    for (const int32_t id : out->ids) set_bit(out->bits, id);
    out->ids = {};
  }
  const std::lock_guard lock(mutex_);
  if (known_bytes_ + out->size_bytes() > kMaxMaskBytes) {
    known_.clear();
    known_bytes_ = 0;
  }
  if (known_.emplace(std::move(key), out).second) known_bytes_ += out->size_bytes();
  return out;
}

// Depth first. levels[d]: the parses behind the d bytes of the current node; marks[d]: frames in the pool then, so that those of other branches
// are dropped.
std::vector<int32_t> TokenConstraint::walk(const ByteTrie& trie, std::vector<text::Parse> start, std::vector<text::CallFrame> pool,
                                           int64_t& walk_steps) const {
  text::GrammarStepper stepper(*grammar_);
  std::vector<std::vector<text::Parse>> levels = {std::move(start)};
  std::vector<size_t> marks = {pool.size()};
  const auto at_root = trie.entries_at(0);
  std::vector<int32_t> out(at_root.begin(), at_root.end());
  for (size_t i = 1; i + 1 < trie.nodes.size();) {
    const ByteTrie::Node& node = trie.nodes[i];
    if (levels.size() <= node.depth) {
      levels.emplace_back();
      marks.push_back(0);
    }
    const auto& before = levels[node.depth - size_t{1}];
    auto& after = levels[node.depth];
    pool.resize(marks[node.depth - size_t{1}]);
    stepper.step(before, node.byte, pool, after);
    walk_steps += static_cast<int64_t>(before.size() + after.size());
    check(walk_steps <= kMaxWalkSteps, ErrorCode::kResource,
          "[token_constraint] the schema needs too much time a token: make it less ambiguous");
    if (after.empty()) {
      i = node.end;
      continue;
    }
    marks[node.depth] = pool.size();
    const auto here = trie.entries_at(i);
    out.insert(out.end(), here.begin(), here.end());
    ++i;
  }
  return out;
}

ConstraintCursor::ConstraintCursor(std::shared_ptr<const TokenConstraint> constraint, std::vector<int32_t> stop_ids)
    : constraint_(std::move(constraint)), stop_ids_(std::move(stop_ids)), state_(constraint_->grammar()) {}

std::span<const uint64_t> ConstraintCursor::allowed() {
  if (known_) return bits_;
  bits_.resize(constraint_->vocab().num_words());
  constraint_->allowed(state_, bits_, walk_steps_);
  if (state_.complete()) {
    for (const int32_t id : stop_ids_) {
      if (id >= 0 && id < constraint_->vocab().vocab_size()) set_bit(bits_, id);
    }
  }
  check(std::any_of(bits_.begin(), bits_.end(), [](uint64_t word) { return word != 0; }), ErrorCode::kUnsupported,
        "[token_constraint] no token of the vocabulary spells what the grammar expects next");
  known_ = true;
  return bits_;
}

void ConstraintCursor::accept(int32_t id) {
  if (std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end()) return;
  known_ = false;
  const bool in_vocab = id >= 0 && id < constraint_->vocab().vocab_size();
  const std::string_view bytes = in_vocab ? constraint_->vocab().bytes(id) : std::string_view{};
  check(!bytes.empty() && state_.advance(bytes), ErrorCode::kInternal, "[token_constraint] token ", id, " does not fit the grammar");
}

void mask_logits(std::span<const uint64_t> allowed, std::span<float> logits) noexcept {
  constexpr float kImpossible = -std::numeric_limits<float>::infinity();
  for (size_t word = 0; word * 64 < logits.size(); ++word) {
    const uint64_t bits = word < allowed.size() ? allowed[word] : 0;
    if (bits == ~uint64_t{0}) continue;
    const size_t begin = word * 64;
    const size_t count = std::min<size_t>(64, logits.size() - begin);
    if (bits == 0) {
      std::fill_n(logits.data() + begin, count, kImpossible);
      continue;
    }
    for (size_t i = 0; i < count; ++i) {
      if ((bits >> i & 1) == 0) logits[begin + i] = kImpossible;
    }
  }
}

std::shared_ptr<const TokenConstraint> ConstraintCache::get(const std::shared_ptr<const text::Grammar>& grammar) {
  const std::lock_guard lock(mutex_);
  if (vocab_ == nullptr) vocab_ = std::make_shared<const VocabTrie>(tokenizer_);
  const auto found = std::find_if(recent_.begin(), recent_.end(), [&](const auto& c) { return c->grammar()->source == grammar->source; });
  if (found != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, found);
  } else {
    recent_.push_front(std::make_shared<const TokenConstraint>(vocab_, grammar));
    if (recent_.size() > kMaxConstraints) recent_.pop_back();
  }
  return recent_.front();
}

}  // namespace attune::lm
