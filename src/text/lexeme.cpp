#include <algorithm>
#include <map>

#include "core/error.h"
#include "text/byte_automaton.h"
#include "text/lexeme_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

constexpr size_t kMaxSubsetWork = 4'000'000;  // edges looked at in one subset construction, about 0.1 s

[[noreturn]] void too_large() { fail(ErrorCode::kInvalidArgument, "[json_schema] a pattern, list of values or length limit is too large"); }

/// Sorted, disjoint, merged.
std::vector<CodeRange> normalise(std::vector<CodeRange> set) {
  std::sort(set.begin(), set.end(), [](const CodeRange& a, const CodeRange& b) { return a.low < b.low; });
  std::vector<CodeRange> out;
  for (const CodeRange& range : set) {
    if (!out.empty() && range.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, range.high);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

/// Calls use(low, high) for the parts of `set` inside [low, high].
template <class Use>
void inside(const std::vector<CodeRange>& set, char32_t low, char32_t high, Use&& use) {
  for (const CodeRange& range : set) {
    const char32_t from = std::max(range.low, low);
    const char32_t to = std::min(range.high, high);
    if (from <= to) use(from, to);
  }
}

/// '"', '\' and control characters as they stand in JSON.
std::string escape(char32_t code) {
  switch (code) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  return std::string("\\u00") + kHex[code >> 4] + kHex[code & 15];
}

}  // namespace

int64_t Dfa::next(uint32_t state, uint8_t byte) const noexcept {
  for (const Range& range : states[state].ranges) {
    if (byte >= range.low && byte <= range.high) return range.target;
  }
  return -1;
}

bool Dfa::matches(std::string_view bytes) const noexcept {
  int64_t state = 0;
  for (const char byte : bytes) {
    state = next(static_cast<uint32_t>(state), static_cast<uint8_t>(byte));
    if (state < 0) return false;
  }
  return states[static_cast<size_t>(state)].accepts;
}

uint32_t Nfa::add_state() {
  if (states_.size() >= kMaxNfaStates) too_large();
  states_.emplace_back();
  return static_cast<uint32_t>(states_.size() - 1);
}

void Nfa::add_epsilon(uint32_t from, uint32_t to) { states_[from].epsilon.push_back(to); }
void Nfa::add_range(uint32_t from, uint8_t low, uint8_t high, uint32_t to) { states_[from].edges.push_back({low, high, to}); }

Fragment Nfa::empty() {
  const uint32_t entry = add_state();
  const uint32_t exit = add_state();
  add_epsilon(entry, exit);
  return {entry, exit};
}

Fragment Nfa::range(uint8_t low, uint8_t high) {
  const uint32_t entry = add_state();
  const uint32_t exit = add_state();
  add_range(entry, low, high, exit);
  return {entry, exit};
}

Fragment Nfa::bytes(std::string_view text) {
  const uint32_t entry = add_state();
  uint32_t at = entry;
  for (const char byte : text) {
    const uint32_t next = add_state();
    add_range(at, static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), next);
    at = next;
  }
  return {entry, at};
}

Fragment Nfa::sequence(Fragment a, Fragment b) {
  add_epsilon(a.exit, b.entry);
  return {a.entry, b.exit};
}

Fragment Nfa::choice(std::span<const Fragment> parts) {
  const uint32_t entry = add_state();
  const uint32_t exit = add_state();
  for (const Fragment& part : parts) {
    add_epsilon(entry, part.entry);
    add_epsilon(part.exit, exit);
  }
  return {entry, exit};
}

Fragment Nfa::optional(Fragment part) {
  const Fragment parts[] = {part, empty()};
  return choice(parts);
}

Fragment Nfa::star(Fragment part) {
  const uint32_t entry = add_state();
  const uint32_t exit = add_state();
  add_epsilon(entry, part.entry);
  add_epsilon(entry, exit);
  add_epsilon(part.exit, part.entry);
  add_epsilon(part.exit, exit);
  return {entry, exit};
}

/// Splits a range of code points of equal encoded length into ranges whose bytes vary independently: where the lower six bits do not cover
/// all values, the range is cut at the next multiple of 64, then of 4096, and so on.
void Nfa::add_utf8(uint32_t from, char32_t low, char32_t high, uint32_t to) {
  for (const char32_t shift : {6u, 12u, 18u}) {
    const char32_t mask = (char32_t{1} << shift) - 1;
    if ((low & ~mask) == (high & ~mask)) break;  // equal above: nothing to cut
    if ((low & mask) != 0) {
      add_utf8(from, low, low | mask, to);
      return add_utf8(from, (low | mask) + 1, high, to);
    }
    if ((high & mask) != mask) {
      add_utf8(from, low, (high & ~mask) - 1, to);
      return add_utf8(from, high & ~mask, high, to);
    }
  }
  std::string first;
  std::string last;
  append_utf8(first, low);
  append_utf8(last, high);
  uint32_t at = from;
  for (size_t i = 0; i < first.size(); ++i) {
    const uint32_t next = i + 1 == first.size() ? to : add_state();
    add_range(at, static_cast<uint8_t>(first[i]), static_cast<uint8_t>(last[i]), next);
    at = next;
  }
}

Fragment Nfa::character(std::vector<CodeRange> set) {
  set = normalise(std::move(set));
  const uint32_t entry = add_state();
  const uint32_t exit = add_state();
  for (char32_t code = 0; code < 0x60; ++code) {
    if (code >= 0x20 && code != '"' && code != '\\') continue;
    inside(set, code, code, [&](char32_t, char32_t) {
      const Fragment escaped = bytes(escape(code));
      add_epsilon(entry, escaped.entry);
      add_epsilon(escaped.exit, exit);
    });
  }
  // Raw characters by encoded length, without the surrogates.
  constexpr CodeRange kRaw[] = {{0x20, 0x21},    {0x23, 0x5B},     {0x5D, 0x7F},       {0x80, 0x7FF},
                                {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}};
  for (const CodeRange& raw : kRaw) inside(set, raw.low, raw.high, [&](char32_t low, char32_t high) { add_utf8(entry, low, high, exit); });
  return {entry, exit};
}

std::vector<uint32_t> Nfa::closure(std::vector<uint32_t> set) const {
  std::vector<bool> seen(states_.size(), false);
  for (const uint32_t state : set) seen[state] = true;
  for (size_t i = 0; i < set.size(); ++i) {
    for (const uint32_t next : states_[set[i]].epsilon) {
      if (seen[next]) continue;
      seen[next] = true;
      set.push_back(next);
    }
  }
  std::sort(set.begin(), set.end());
  return set;
}

Dfa Nfa::determinise(Fragment whole) const {
  std::map<std::vector<uint32_t>, uint32_t> numbers;
  std::vector<const std::vector<uint32_t>*> sets;
  Dfa dfa;
  size_t work = 0;
  const auto number = [&](std::vector<uint32_t> set) {
    work += set.size() + states_.size() / 64;
    const auto [found, is_new] = numbers.try_emplace(std::move(set), static_cast<uint32_t>(sets.size()));
    if (is_new) {
      if (sets.size() >= kMaxDfaStates) too_large();
      sets.push_back(&found->first);
      dfa.states.push_back({{}, std::binary_search(found->first.begin(), found->first.end(), whole.exit)});
    }
    return found->second;
  };
  number(closure({whole.entry}));
  for (uint32_t current = 0; current < sets.size(); ++current) {
    std::vector<Edge> edges;
    std::vector<int> cuts;
    for (const uint32_t state : *sets[current]) {
      for (const Edge& edge : states_[state].edges) {
        edges.push_back(edge);
        cuts.push_back(edge.low);
        cuts.push_back(edge.high + 1);
      }
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      std::vector<uint32_t> targets;
      for (const Edge& edge : edges) {
        if (edge.low <= cuts[i] && cuts[i] <= edge.high) targets.push_back(edge.target);
      }
      work += edges.size() + 16;
      if (work > kMaxSubsetWork) too_large();
      if (targets.empty()) continue;
      std::sort(targets.begin(), targets.end());
      targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
      const uint32_t target = number(closure(std::move(targets)));
      auto& ranges = dfa.states[current].ranges;
      const auto low = static_cast<uint8_t>(cuts[i]);
      const auto high = static_cast<uint8_t>(cuts[i + 1] - 1);
      if (!ranges.empty() && ranges.back().target == target && ranges.back().high + 1 == low) {
        ranges.back().high = high;
      } else {
        ranges.push_back({low, high, target});
      }
    }
  }
  dfa.work = work;
  return trim(std::move(dfa));
}

Dfa trim(Dfa dfa) {
  const size_t n = dfa.states.size();
  std::vector<std::vector<uint32_t>> sources(n);
  std::vector<uint32_t> live;
  std::vector<bool> is_live(n, false);
  for (uint32_t i = 0; i < n; ++i) {
    for (const auto& range : dfa.states[i].ranges) sources[range.target].push_back(i);
    if (dfa.states[i].accepts) {
      is_live[i] = true;
      live.push_back(i);
    }
  }
  for (size_t i = 0; i < live.size(); ++i) {
    for (const uint32_t source : sources[live[i]]) {
      if (is_live[source]) continue;
      is_live[source] = true;
      live.push_back(source);
    }
  }
  check(n > 0 && is_live[0], ErrorCode::kInvalidArgument, "[json_schema] no text fits a pattern or its limits");
  std::vector<uint32_t> moved(n, 0);
  uint32_t next = 0;
  for (uint32_t i = 0; i < n; ++i) {
    if (is_live[i]) moved[i] = next++;
  }
  Dfa out;
  out.work = dfa.work;
  for (uint32_t i = 0; i < n; ++i) {
    if (!is_live[i]) continue;
    out.states.push_back({{}, dfa.states[i].accepts});
    for (auto range : dfa.states[i].ranges) {
      if (!is_live[range.target]) continue;
      range.target = moved[range.target];
      out.states.back().ranges.push_back(range);
    }
  }
  return out;
}

// The product of the content's automaton, the places inside a JSON string, and the number of characters.
Dfa close_content(const Dfa& content, uint32_t min_length, uint32_t max_length) {
  struct Key {
    uint32_t state;
    uint8_t place;
    uint32_t chars;
    auto operator<=>(const Key&) const = default;
  };
  const bool counts = min_length > 0 || max_length != kNoLimit;
  std::map<Key, uint32_t> numbers;
  std::vector<Key> keys;
  const auto number = [&](const Key& key) {
    const auto [found, is_new] = numbers.try_emplace(key, static_cast<uint32_t>(keys.size()));
    if (is_new) keys.push_back(key);
    if (keys.size() > kMaxDfaStates) too_large();
    return found->second;
  };
  number({0, json_string::kClean, 0});
  Dfa out;
  out.work = content.work;
  for (size_t i = 0; i < keys.size(); ++i) {
    const Key key = keys[i];
    Dfa::State state;
    if (content.states[key.state].accepts && key.place == json_string::kClean && key.chars >= min_length) {
      state.ranges.push_back({'"', '"', kNoLimit});  // the last state, numbered below
    }
    for (const auto& range : content.states[key.state].ranges) {
      out.work += size_t{range.high} - range.low + 1;
      for (int byte = range.low; byte <= range.high; ++byte) {
        Key next{range.target, json_string::next(key.place, static_cast<uint8_t>(byte)), key.chars};
        if (next.place >= json_string::kClosed) continue;
        if (counts && key.place == json_string::kClean) {
          if (key.chars >= max_length) continue;
          next.chars = max_length == kNoLimit ? std::min(key.chars + 1, min_length) : key.chars + 1;
        }
        const uint32_t target = number(next);
        if (!state.ranges.empty() && state.ranges.back().target == target && state.ranges.back().high + 1 == byte) {
          state.ranges.back().high = static_cast<uint8_t>(byte);
        } else {
          state.ranges.push_back({static_cast<uint8_t>(byte), static_cast<uint8_t>(byte), target});
        }
      }
    }
    std::sort(state.ranges.begin(), state.ranges.end(), [](const auto& a, const auto& b) { return a.low < b.low; });
    out.states.push_back(std::move(state));
  }
  const auto last = static_cast<uint32_t>(out.states.size());
  for (auto& state : out.states) {
    for (auto& range : state.ranges) range.target = std::min(range.target, last);
  }
  out.states.push_back({{}, true});
  return trim(std::move(out));
}

}  // namespace attune::text
