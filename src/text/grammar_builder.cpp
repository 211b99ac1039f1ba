#include "text/grammar_builder_internal.h"

#include <algorithm>

#include "core/error.h"
#include "text/byte_automaton.h"

namespace attune::text {
namespace {

constexpr uint8_t kImpossible = kMaxGrammarDepth + 1;

bool reads_nothing(Grammar::EdgeKind kind) {
  using enum Grammar::EdgeKind;
  return kind == kEpsilon || kind == kCount || kind == kAtLeast || kind == kBelow;
}

}  // namespace

uint32_t GrammarBuilder::add_node() {
  check(edges_.size() < kMaxGrammarNodes, ErrorCode::kInvalidArgument, "[json_schema] the schema needs more than ", kMaxGrammarNodes,
        " grammar nodes");
  edges_.emplace_back();
  return static_cast<uint32_t>(edges_.size() - 1);
}

uint32_t GrammarBuilder::add_rule(bool nests) {
  check(rules_.size() < kMaxGrammarRules, ErrorCode::kInvalidArgument, "[json_schema] the schema needs more than ", kMaxGrammarRules,
        " rules");
  rules_.push_back({add_node(), static_cast<uint8_t>(nests ? 1 : 0), 0});
  return static_cast<uint32_t>(rules_.size() - 1);
}

void GrammarBuilder::add_edge(uint32_t from, Grammar::Edge edge) {
  check(++num_edges_ <= kMaxGrammarEdges, ErrorCode::kInvalidArgument, "[json_schema] the schema needs more than ", kMaxGrammarEdges,
        " grammar edges");
  edges_[from].push_back(edge);
}

void GrammarBuilder::string(uint32_t from, uint32_t min_length, uint32_t max_length, uint32_t to) {
  const auto same = [&](const Grammar::StringLexeme& s) { return s.min_length == min_length && s.max_length == max_length; };
  auto& strings = grammar_.strings;
  const auto found = std::find_if(strings.begin(), strings.end(), same);
  const auto index = static_cast<uint32_t>(found - strings.begin());
  if (found == strings.end()) strings.push_back({min_length, max_length});
  add_edge(from, {Grammar::EdgeKind::kString, index, to});
}

uint32_t GrammarBuilder::add_dfa(const Dfa& dfa) {
  const auto base = static_cast<uint32_t>(grammar_.lexeme_states.size());
  check(base + dfa.states.size() <= kMaxLexemeStates, ErrorCode::kInvalidArgument,
        "[json_schema] names, values and patterns need more than ", kMaxLexemeStates, " states");
  for (const Dfa::State& state : dfa.states) {
    grammar_.lexeme_states.push_back(
        {static_cast<uint32_t>(grammar_.ranges.size()), static_cast<uint32_t>(state.ranges.size()), state.accepts});
    for (const auto& range : state.ranges) grammar_.ranges.push_back({range.low, range.high, base + range.target});
  }
  return base;
}

uint32_t GrammarBuilder::add_literal(std::string_view text) {
  const auto found = literals_.find(text);
  if (found != literals_.end()) return found->second;
  Dfa dfa;
  for (uint32_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    dfa.states.push_back({{{byte, byte, i + 1}}, false});
  }
  dfa.states.push_back({{}, true});
  return literals_.emplace(std::string(text), add_dfa(dfa)).first->second;
}

uint32_t GrammarBuilder::shared(const char* name, Dfa (*make)()) {
  const auto found = shared_.find(name);
  if (found != shared_.end()) return found->second;
  return shared_.emplace(name, add_dfa(make())).first->second;
}

uint32_t GrammarBuilder::white_space() { return shared("white space", text::white_space); }
uint32_t GrammarBuilder::number() { return shared("number", any_number); }
uint32_t GrammarBuilder::optional_space() {
  return shared(
      "optional space", +[] {
        Dfa dfa;
        dfa.states.push_back({{{' ', ' ', 1}}, true});
        dfa.states.push_back({{}, true});
        return dfa;
      });
}

std::shared_ptr<const Grammar> GrammarBuilder::finish(uint32_t root, std::string source) {
  Grammar grammar = std::move(grammar_);
  grammar.rules = std::move(rules_);
  grammar.root = root;
  grammar.source = std::move(source);
  flatten(grammar);
  set_heights(grammar);
  check(grammar.rules[root].height <= kMaxGrammarDepth, ErrorCode::kInvalidArgument, "[json_schema] no document of at most ",
        kMaxGrammarDepth, " levels fits the schema");
  check_beginnings(grammar);
  return std::make_shared<const Grammar>(std::move(grammar));
}

void GrammarBuilder::flatten(Grammar& grammar) const {
  grammar.edges.reserve(num_edges_);
  for (const auto& edges : edges_) {
    grammar.nodes.push_back({static_cast<uint32_t>(grammar.edges.size()), static_cast<uint32_t>(edges.size()), 0});
    grammar.edges.insert(grammar.edges.end(), edges.begin(), edges.end());
  }
}

// Levels that are needed from a node to the end of its rule: the least over its edges of the larger of what the edge's call needs and what its
// target needs. Values fall from "impossible" (Knuth 1977, a generalisation of Dijkstra's algorithm); each at most 65 times.
// Edges into a rule that stays impossible are removed, so that nothing begins what cannot be completed.
void GrammarBuilder::set_heights(Grammar& grammar) {
  const size_t n = grammar.nodes.size();
  std::vector<uint8_t> need(n, kImpossible);
  std::vector<std::vector<uint32_t>> before(n);  // nodes with an edge to this one
  std::vector<std::vector<uint32_t>> callers(grammar.rules.size());
  std::vector<uint32_t> rule_of(n, kNone);
  for (uint32_t r = 0; r < grammar.rules.size(); ++r) {
    grammar.rules[r].height = kImpossible;
    rule_of[grammar.rules[r].start] = r;
  }
  std::vector<uint32_t> pending;
  for (uint32_t node = 0; node < n; ++node) {
    pending.push_back(node);
    for (uint32_t i = 0; i < grammar.nodes[node].num_edges; ++i) {
      const auto& edge = grammar.edges[grammar.nodes[node].first_edge + i];
      if (edge.kind != Grammar::EdgeKind::kReturn) before[edge.target].push_back(node);
      if (edge.kind == Grammar::EdgeKind::kCall) callers[edge.value].push_back(node);
    }
  }
  const auto edge_need = [&](const Grammar::Edge& edge) -> uint8_t {
    if (edge.kind == Grammar::EdgeKind::kReturn) return 0;
    const uint8_t inner = edge.kind == Grammar::EdgeKind::kCall ? grammar.rules[edge.value].height : uint8_t{0};
    return std::max(inner, need[edge.target]);
  };
  while (!pending.empty()) {
    const uint32_t node = pending.back();
    pending.pop_back();
    uint8_t least = kImpossible;
    for (uint32_t i = 0; i < grammar.nodes[node].num_edges; ++i)
      least = std::min(least, edge_need(grammar.edges[grammar.nodes[node].first_edge + i]));
    if (least >= need[node]) continue;
    need[node] = least;
    pending.insert(pending.end(), before[node].begin(), before[node].end());
    if (rule_of[node] == kNone) continue;
    auto& rule = grammar.rules[rule_of[node]];
    rule.height = std::min<uint8_t>(kImpossible, static_cast<uint8_t>(least + rule.nests));
    pending.insert(pending.end(), callers[rule_of[node]].begin(), callers[rule_of[node]].end());
  }
  for (uint32_t i = 0; i < n; ++i) {
    auto& node = grammar.nodes[i];
    node.need = need[i];
    const auto first = grammar.edges.begin() + node.first_edge;
    const auto kept = std::remove_if(first, first + node.num_edges, [&](const auto& edge) { return edge_need(edge) >= kImpossible; });
    node.num_edges = static_cast<uint32_t>(kept - first);
  }
}

// Ways(node): how many lexemes can be read next, through calls and edges that read nothing. Infinite for left recursion.
void GrammarBuilder::check_beginnings(const Grammar& grammar) {
  constexpr uint32_t kUnknown = kNone;
  constexpr uint32_t kOpen = kNone - 1;  // on the path: a cycle if met again
  std::vector<uint32_t> ways(grammar.nodes.size(), kUnknown);
  struct Frame {
    uint32_t node;
    uint32_t edge;
    uint32_t sum;
  };
  std::vector<Frame> path;
  for (uint32_t first = 0; first < grammar.nodes.size(); ++first) {
    if (ways[first] == kUnknown) path.push_back({first, 0, 0});
    while (!path.empty()) {
      Frame& top = path.back();
      const auto& node = grammar.nodes[top.node];
      ways[top.node] = kOpen;
      if (top.edge == node.num_edges) {
        ways[top.node] = top.sum;
        path.pop_back();
        continue;
      }
      const auto& edge = grammar.edges[node.first_edge + top.edge];
      const bool calls = edge.kind == Grammar::EdgeKind::kCall;
      const bool skips = reads_nothing(edge.kind) || (edge.kind == Grammar::EdgeKind::kLexeme && grammar.lexeme_states[edge.value].accepts);
      if (calls || skips) {
        const uint32_t next = calls ? grammar.rules[edge.value].start : edge.target;
        check(ways[next] != kOpen, ErrorCode::kInvalidArgument,
              "[json_schema] the schema refers to itself without an object or a list between");
        if (ways[next] == kUnknown) {
          path.push_back({next, 0, 0});
          continue;  // this edge again, when the other node is known
        }
        top.sum += ways[next];
      }
      if (!calls) ++top.sum;
      check(top.sum <= kMaxParses, ErrorCode::kInvalidArgument, "[json_schema] the schema offers more than ", kMaxParses,
            " ways to go on at one place");
      ++top.edge;
    }
  }
}

}  // namespace attune::text
