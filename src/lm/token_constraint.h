// Which tokens may come next in a text that a grammar constrains (docs/methods/constrained_decoding.md).
//
// TokenConstraint: a grammar and a vocabulary, shared by all generations under it; remembers the tokens of each parse that it met.
// ConstraintCursor: where one generation stands. Sampling renormalises over the allowed tokens.
// Cost of a step: one union of remembered sets, 32 KiB a set for Gemma's vocabulary; a parse met for the first time walks the vocabulary (below
// 0.1 ms where few tokens fit, some tens of milliseconds where most do, as in patterns). Bounded by kMaxWalkSteps.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lm/vocab_trie.h"
#include "text/byte_automaton.h"

namespace attune::lm {

inline constexpr int64_t kMaxWalkSteps = 32'000'000;  ///< parses that one generation's walks may touch: a second or few
inline constexpr size_t kMaxMaskBytes = 16 * 1024 * 1024;  ///< remembered by one constraint

class TokenConstraint {
 public:
  TokenConstraint(std::shared_ptr<const VocabTrie> vocab, std::shared_ptr<const text::Grammar> grammar);

  const VocabTrie& vocab() const noexcept { return *vocab_; }
  const std::shared_ptr<const text::Grammar>& grammar() const noexcept { return grammar_; }
  /// The tokens that may follow. out: [vocab().num_words()], overwritten. `walk_steps` counts the work. Throws kResource when it exceeds
  /// kMaxWalkSteps. Thread-safe.
  void allowed(const text::ByteAutomaton& state, std::span<uint64_t> out, int64_t& walk_steps) const;

 private:
  /// The tokens of one parse: ids if they are few, else bits.
  struct Choices {
    std::vector<int32_t> ids;
    TokenBits bits;
    size_t size_bytes() const noexcept { return ids.size() * sizeof(int32_t) + bits.size() * sizeof(uint64_t) + 256; }
  };
  using ChoicesPtr = std::shared_ptr<const Choices>;

  void add_string(const text::Parse& parse, const std::vector<text::CallFrame>& pool, std::span<uint64_t> out, int64_t& walk_steps) const;
  ChoicesPtr choices(const text::Parse& parse, const std::vector<text::CallFrame>& pool, bool closing, int64_t& walk_steps) const;
  std::vector<int32_t> walk(const ByteTrie& trie, std::vector<text::Parse> start, std::vector<text::CallFrame> pool,
                            int64_t& walk_steps) const;

  std::shared_ptr<const VocabTrie> vocab_;
  std::shared_ptr<const text::Grammar> grammar_;
  mutable std::mutex mutex_;  // guards what follows
  mutable std::unordered_map<std::string, ChoicesPtr> known_;
  mutable size_t known_bytes_ = 0;
};

/// One generation. Copies are independent. Not thread-safe.
class ConstraintCursor {
 public:
  /// `stop_ids` are allowed when the text is complete.
  ConstraintCursor(std::shared_ptr<const TokenConstraint> constraint, std::vector<int32_t> stop_ids);

  /// Bits of the tokens that may come next. Throws kUnsupported if there is none (a vocabulary that cannot spell what must come).
  std::span<const uint64_t> allowed();
  /// Takes the token that came. Stop ids change nothing. Throws kInternal for one that was not allowed.
  void accept(int32_t id);
  /// The text is complete and nothing can follow.
  bool finished() const noexcept { return state_.complete() && !state_.can_continue(); }

 private:
  std::shared_ptr<const TokenConstraint> constraint_;
  std::vector<int32_t> stop_ids_;
  text::ByteAutomaton state_;
  TokenBits bits_;
  bool known_ = false;  // bits_ belong to state_
  int64_t walk_steps_ = 0;
};

/// Sets the logits of tokens that are not allowed to -inf. logits: [V].
void mask_logits(std::span<const uint64_t> allowed, std::span<float> logits) noexcept;

/// Constraints of the grammars used last over one vocabulary, so that requests with the same schema share what they found. Thread-safe.
class ConstraintCache {
 public:
  /// `tokenizer` must outlive the cache; it is read at the first use.
  explicit ConstraintCache(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::shared_ptr<const TokenConstraint> get(const std::shared_ptr<const text::Grammar>& grammar);

 private:
  const text::Tokenizer& tokenizer_;
  std::mutex mutex_;
  std::shared_ptr<const VocabTrie> vocab_;
  std::list<std::shared_ptr<const TokenConstraint>> recent_;  // newest first
};

}  // namespace attune::lm
