// Follows a Grammar byte by byte: which bytes may come next, and whether the text is complete.
//
// A state is a set of parses; a parse is a place inside a lexeme and a stack of calls. Stacks are linked lists in a pool that parses share,
// so a copy costs two short arrays and a step O(parses). Bounds: documents nest at most 64 levels, kMaxParses parses are followed (further
// ones of an ambiguous grammar are dropped: the text stays valid, and every parse kept can be completed).
// Not thread-safe: one automaton, one user; the grammar is shared.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar.h"

namespace attune::text {

inline constexpr size_t kMaxParses = 2048;
inline constexpr uint32_t kNone = 0xFFFFFFFF;

/// Places inside a JSON string (RFC 8259, section 7; UTF-8 as in Unicode 15, table 3-7).
namespace json_string {
inline constexpr uint8_t kClean = 0;  ///< between characters
inline constexpr uint8_t kClosed = 0xFE;  ///< the quote was read
inline constexpr uint8_t kDead = 0xFF;
/// The place after `byte`. Only well-formed UTF-8, the eight short escapes, and \u escapes whose surrogates come in pairs.
uint8_t next(uint8_t place, uint8_t byte) noexcept;
}  // namespace json_string

/// One parse. Plain data; `stack` points into the pool of its automaton.
struct Parse {
  uint32_t lexeme;  ///< lexeme state; kStringBit | string lexeme for strings; kNone: the document is complete
  uint32_t chars;  ///< string lexemes: characters begun so far (saturating)
  uint8_t place;  ///< string lexemes: json_string place
  uint32_t resume;  ///< node behind the lexeme
  uint32_t count;  ///< counter of the rule
  uint32_t stack;  ///< innermost caller, kNone at the bottom

  static constexpr uint32_t kStringBit = 0x80000000;
  bool is_done() const noexcept { return lexeme == kNone; }
  bool is_string() const noexcept { return lexeme != kNone && (lexeme & kStringBit) != 0; }
};

/// A caller: where to go on when the called rule returns.
struct CallFrame {
  uint32_t node;
  uint32_t count;
  uint32_t parent;  ///< index in the pool
  uint32_t nesting;  ///< objects and lists around what the called rule reads
};

/// The transition function, for automata and for walks over a vocabulary. The pool only grows during a step; a caller that walks depth-first
/// cuts it back to its size before the step.
class GrammarStepper {
 public:
  explicit GrammarStepper(const Grammar& grammar) noexcept : grammar_(&grammar) {}

  /// Parses at the beginning of a document.
  void begin(std::vector<CallFrame>& pool, std::vector<Parse>& out);
  /// Parses after `byte`, none if it cannot come next. `in` and `out` must differ.
  void step(std::span<const Parse> in, uint8_t byte, std::vector<CallFrame>& pool, std::vector<Parse>& out);
  /// A string parse between characters whose closing quote is read now, `more` characters later. Adds to `out`.
  void close_string(const Parse& parse, uint32_t more, std::vector<CallFrame>& pool, std::vector<Parse>& out);
  /// Characters that a string parse may still begin; kNoLimit if any number.
  uint32_t string_room(const Parse& parse) const noexcept;

 private:
  struct Visit {
    uint32_t node;
    uint32_t count;
    uint32_t stack;
  };
  void enter(uint32_t node, uint32_t count, uint32_t stack, std::vector<CallFrame>& pool, std::vector<Parse>& out);
  void follow(const Grammar::Edge& edge, const Visit& from, std::vector<CallFrame>& pool, std::vector<Parse>& out);
  void add(const Parse& parse, const std::vector<CallFrame>& pool, std::vector<Parse>& out);
  void step_string(const Parse& parse, uint8_t byte, std::vector<CallFrame>& pool, std::vector<Parse>& out);

  const Grammar* grammar_;
  std::vector<Visit> pending_;
};

class ByteAutomaton {
 public:
  explicit ByteAutomaton(std::shared_ptr<const Grammar> grammar);

  /// Takes a byte. False if it cannot come next: the automaton is dead then.
  bool advance(uint8_t byte);
  /// Takes bytes up to the first that cannot come.
  bool advance(std::string_view bytes);
  /// The bytes so far are a complete document.
  bool complete() const noexcept;
  /// Something can still be read.
  bool can_continue() const noexcept;
  bool dead() const noexcept { return parses_.empty(); }

  std::span<const Parse> parses() const noexcept { return parses_; }
  const std::vector<CallFrame>& pool() const noexcept { return pool_; }
  const Grammar& grammar() const noexcept { return *grammar_; }
  const std::shared_ptr<const Grammar>& shared_grammar() const noexcept { return grammar_; }
  /// Equal keys mean equal futures. At most a few hundred bytes in practice.
  std::string key() const;
  /// The same of one parse, appended.
  static void append_key(const Parse& parse, const std::vector<CallFrame>& pool, std::string& out);

 private:
  void compact();

  std::shared_ptr<const Grammar> grammar_;
  std::vector<CallFrame> pool_;
  std::vector<Parse> parses_;
};

/// True if `document` is complete under the grammar. O(bytes).
bool matches(const std::shared_ptr<const Grammar>& grammar, std::string_view document);

}  // namespace attune::text
