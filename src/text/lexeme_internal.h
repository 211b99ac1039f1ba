// Finite automata over bytes, as parts of grammars: built nondeterministic (Thompson 1968), made deterministic by the subset construction
// (Rabin and Scott 1959), trimmed to states that can be completed.
//
// All functions are pure. Limits keep hostile patterns cheap; beyond them kInvalidArgument with "too large".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text {

inline constexpr size_t kMaxNfaStates = 50'000;
inline constexpr size_t kMaxDfaStates = 20'000;
inline constexpr int64_t kMaxDecimalBound = 999'999'999'999'999;

struct Dfa {
  struct Range {
    uint8_t low;
    uint8_t high;
    uint32_t target;
  };
  struct State {
    std::vector<Range> ranges;  ///< ascending, disjoint
    bool accepts = false;
  };
  std::vector<State> states;  ///< the first is where it begins; every one can reach an accepting one
  size_t work = 0;            ///< edges looked at while it was built

  /// State after `byte`, -1 if none.
  int64_t next(uint32_t state, uint8_t byte) const noexcept;
  bool matches(std::string_view bytes) const noexcept;
};

/// A part of an Nfa with one entry and one exit.
struct Fragment {
  uint32_t entry;
  uint32_t exit;
};

/// Code points [low, high].
struct CodeRange {
  char32_t low;
  char32_t high;
};

class Nfa {
 public:
  uint32_t add_state();
  void add_epsilon(uint32_t from, uint32_t to);
  void add_range(uint32_t from, uint8_t low, uint8_t high, uint32_t to);

  Fragment empty();
  Fragment range(uint8_t low, uint8_t high);
  /// The bytes of a text as they are.
  Fragment bytes(std::string_view text);
  Fragment sequence(Fragment a, Fragment b);
  Fragment choice(std::span<const Fragment> parts);
  Fragment optional(Fragment part);
  Fragment star(Fragment part);
  /// One character out of a set as it stands inside a JSON string: UTF-8, with '"', '\' and control characters escaped in their shortest form.
  Fragment character(std::vector<CodeRange> set);

  /// Equivalent deterministic automaton. Throws kInvalidArgument if nothing matches or it grows too large.
  Dfa determinise(Fragment whole) const;

 private:
  struct Edge {
    uint8_t low;
    uint8_t high;
    uint32_t target;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<uint32_t> epsilon;
  };
  void add_utf8(uint32_t from, char32_t low, char32_t high, uint32_t to);
  std::vector<uint32_t> closure(std::vector<uint32_t> set) const;

  std::vector<State> states_;
};

/// Drops states that reach no accepting one. Throws kInvalidArgument if the first is among them.
Dfa trim(Dfa dfa);
/// Content of a JSON string that `content` matches and that has min to max characters, then the closing quote.
Dfa close_content(const Dfa& content, uint32_t min_length, uint32_t max_length);

// Lexemes of JSON (lexemes.cpp).

/// Nothing, one space, or a line break and up to 16 spaces or 8 tabs.
Dfa white_space();
/// At most 15 digits before and after the point, exponents of at most two digits: every one is a finite double.
Dfa any_number();
/// Whole numbers low to high; without limits at most 18 digits. No "-0".
Dfa integer_range(int64_t low, int64_t high);
/// A bound of numbers, at most 15 digits.
struct DecimalBound {
  int64_t value = 0;
  bool open = false;  ///< the value itself is outside
};
/// Decimal numbers without exponent between the bounds (null: 15 digits). Throws kInvalidArgument if there are none.
Dfa decimal_range(const DecimalBound* low, const DecimalBound* high);
/// One of the texts.
Dfa any_of(std::span<const std::string> texts);
/// Content and closing quote of a name that is none of `names` (raw UTF-8), without escapes.
Dfa other_name(std::span<const std::string> names);
/// Content of a JSON string that the regular expression matches (ECMA-262 subset, docs/methods/constrained_decoding.md). Throws
/// kInvalidArgument naming the position.
Dfa pattern_content(std::string_view pattern);
/// Regular expression of a "format", empty if it is not known.
std::string_view format_pattern(std::string_view format) noexcept;
/// Names of the known formats.
std::string known_formats();

}  // namespace attune::text
