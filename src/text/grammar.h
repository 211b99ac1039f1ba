// A compiled grammar over bytes: what ByteAutomaton follows (docs/methods/constrained_decoding.md, "Grammar").
//
// A recursive transition network. A rule is a graph of nodes; an edge reads a lexeme (a finite automaton over bytes, or the inside of a
// JSON string with a count of characters), calls a rule, changes or tests the rule's own counter, or returns. Every lexeme state and every
// rule can be completed (compilers trim what cannot), so a text that was accepted so far can always be continued to a complete document.
// Immutable and thread-safe once built. Memory: 8 bytes a range, 12 a lexeme state, 20 an edge; at most about 12 MiB by the limits below.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace attune::text {

inline constexpr int kMaxGrammarDepth = 64;             ///< objects and lists inside each other, in a schema and in a document
inline constexpr size_t kMaxGrammarRules = 10'000;
inline constexpr size_t kMaxGrammarNodes = 100'000;
inline constexpr size_t kMaxGrammarEdges = 250'000;
inline constexpr size_t kMaxLexemeStates = 100'000;     ///< of all lexemes
inline constexpr uint32_t kNoLimit = std::numeric_limits<uint32_t>::max();

struct Grammar {
  struct Range {
    uint8_t low;
    uint8_t high;
    uint32_t target;  ///< lexeme state
  };
  /// State of a deterministic automaton. Ranges are ascending and disjoint.
  struct LexemeState {
    uint32_t first_range;
    uint32_t num_ranges;
    bool accepts;
  };
  /// The inside of a JSON string and its closing quote: any characters, counted as code points.
  struct StringLexeme {
    uint32_t min_length;
    uint32_t max_length;  ///< kNoLimit: any
  };
  enum class EdgeKind : uint8_t {
    kEpsilon,  ///< go to target
    kLexeme,   ///< read the lexeme whose first state is `value`
    kString,   ///< read string lexeme `value`
    kCall,     ///< follow rule `value`, then go to target
    kReturn,   ///< the rule is complete
    kCount,    ///< counter = min(counter + 1, value)
    kAtLeast,  ///< go on if counter >= value
    kBelow,    ///< go on if counter < value
  };
  struct Edge {
    EdgeKind kind;
    uint32_t value;
    uint32_t target;  ///< node
  };
  struct Node {
    uint32_t first_edge;
    uint32_t num_edges;
    uint8_t need;  ///< levels that the shortest way from here to the end of the rule needs
  };
  struct Rule {
    uint32_t start;        ///< node
    uint8_t nests;         ///< 1: an object or a list, which counts for the depth
    uint8_t height;        ///< levels that the smallest document of this rule needs
  };

  std::vector<Range> ranges;
  std::vector<LexemeState> lexeme_states;
  std::vector<StringLexeme> strings;
  std::vector<Edge> edges;
  std::vector<Node> nodes;
  std::vector<Rule> rules;
  uint32_t root = 0;  ///< rule
  std::string source; ///< what it was compiled from: equal sources mean equal grammars

  size_t memory_bytes() const noexcept {
    return ranges.capacity() * sizeof(Range) + lexeme_states.capacity() * sizeof(LexemeState) + strings.capacity() * sizeof(StringLexeme) +
           edges.capacity() * sizeof(Edge) + nodes.capacity() * sizeof(Node) + rules.capacity() * sizeof(Rule) + source.capacity();
  }
};

}  // namespace attune::text
