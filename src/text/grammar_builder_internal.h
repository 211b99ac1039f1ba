// Builds a Grammar: nodes and edges while a schema is compiled, then the checks that every grammar must pass.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/grammar.h"
#include "text/lexeme_internal.h"

namespace attune::text {

/// Not thread-safe. Functions throw kInvalidArgument where a limit of grammar.h is reached.
class GrammarBuilder {
 public:
  /// A rule with an empty start node. `nests`: it reads an object or a list.
  uint32_t add_rule(bool nests);
  uint32_t start(uint32_t rule) const { return rules_[rule].start; }
  uint32_t add_node();

  void epsilon(uint32_t from, uint32_t to) { add_edge(from, {Grammar::EdgeKind::kEpsilon, 0, to}); }
  void lexeme(uint32_t from, uint32_t lexeme, uint32_t to) { add_edge(from, {Grammar::EdgeKind::kLexeme, lexeme, to}); }
  void literal(uint32_t from, std::string_view text, uint32_t to) { lexeme(from, add_literal(text), to); }
  /// The inside of a string and its closing quote.
  void string(uint32_t from, uint32_t min_length, uint32_t max_length, uint32_t to);
  void call(uint32_t from, uint32_t rule, uint32_t to) { add_edge(from, {Grammar::EdgeKind::kCall, rule, to}); }
  void end(uint32_t from) { add_edge(from, {Grammar::EdgeKind::kReturn, 0, 0}); }
  void count(uint32_t from, uint32_t cap, uint32_t to) { add_edge(from, {Grammar::EdgeKind::kCount, cap, to}); }
  void at_least(uint32_t from, uint32_t n, uint32_t to) { add_edge(from, {Grammar::EdgeKind::kAtLeast, n, to}); }
  void below(uint32_t from, uint32_t n, uint32_t to) { add_edge(from, {Grammar::EdgeKind::kBelow, n, to}); }

  /// First lexeme state of an automaton that is now part of the grammar.
  uint32_t add_dfa(const Dfa& dfa);
  uint32_t add_literal(std::string_view text);
  /// The usual ones, added once.
  uint32_t white_space();
  uint32_t optional_space();
  uint32_t number();

  /// The grammar with rule `root`. Throws kInvalidArgument if a rule needs more than kMaxGrammarDepth levels (or has no finite document), refers
  /// to itself before reading anything, or offers too many ways to go on at one place.
  std::shared_ptr<const Grammar> finish(uint32_t root, std::string source);

 private:
  void add_edge(uint32_t from, Grammar::Edge edge);
  uint32_t shared(const char* name, Dfa (*make)());
  void flatten(Grammar& grammar) const;
  static void set_heights(Grammar& grammar);
  static void check_beginnings(const Grammar& grammar);

  Grammar grammar_;  // lexemes, strings and rules; nodes are below until finish
  std::vector<Grammar::Rule> rules_;
  std::vector<std::vector<Grammar::Edge>> edges_;  // by node
  size_t num_edges_ = 0;
  std::map<std::string, uint32_t, std::less<>> literals_;
  std::map<std::string, uint32_t, std::less<>> shared_;
};

}  // namespace attune::text
