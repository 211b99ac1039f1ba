// The lexemes of JSON as finite automata.
#include <algorithm>
#include <array>
#include <map>

#include "core/error.h"
#include "text/byte_automaton.h"
#include "text/lexeme_internal.h"

namespace attune::text {
namespace {

constexpr int kMaxDigits = 15;           // before and after the point of a number: what a double holds
constexpr int kMaxIntegerDigits = 18;    // any of them fits 64 bits

Fragment digits(Nfa& nfa, int at_most) {
  Fragment out = nfa.empty();
  for (int i = 0; i < at_most; ++i) out = nfa.optional(nfa.sequence(nfa.range('0', '9'), out));
  return out;
}

/// Decimal numbers low to high with exactly `length` digits, low and high having as many. Tight: the digits so far equal those of the bound.
Fragment same_length(Nfa& nfa, const std::string& low, const std::string& high) {
  const uint32_t exit = nfa.add_state();
  std::map<std::array<size_t, 3>, uint32_t> states;  // position, tight below, tight above
  const auto state = [&](size_t at, bool tight_low, bool tight_high) {
    if (at == low.size()) return exit;
    const auto [found, is_new] = states.try_emplace({at, tight_low, tight_high}, 0);
    if (is_new) found->second = nfa.add_state();
    return found->second;
  };
  const uint32_t entry = state(0, true, true);
  for (size_t at = 0; at < low.size(); ++at) {
    for (const int tight : {0, 1, 2, 3}) {
      const bool tight_low = (tight & 1) != 0;
      const bool tight_high = (tight & 2) != 0;
      const auto found = states.find({at, tight_low, tight_high});
      if (found == states.end()) continue;
      const char from = tight_low ? low[at] : '0';
      const char to = tight_high ? high[at] : '9';
      for (char digit = from; digit <= to; ++digit) {
        nfa.add_range(found->second, static_cast<uint8_t>(digit), static_cast<uint8_t>(digit),
                      state(at + 1, tight_low && digit == low[at], tight_high && digit == high[at]));
      }
    }
  }
  return {entry, exit};
}

/// low to high, both at least 0.
Fragment natural_range(Nfa& nfa, uint64_t low, uint64_t high) {
  std::vector<Fragment> parts;
  uint64_t begin = low;
  while (begin <= high) {
    const std::string first = std::to_string(begin);
    const uint64_t last_of_length = first.size() >= 19 ? UINT64_C(9'999'999'999'999'999'999) : std::stoull(std::string(first.size(), '9'));
    const uint64_t last = std::min(high, last_of_length);
    parts.push_back(same_length(nfa, first, std::to_string(last)));
    if (last == high) break;
    begin = last + 1;
  }
  return nfa.choice(parts);
}

Fragment any_fraction(Nfa& nfa) {
  return nfa.optional(nfa.sequence(nfa.bytes("."), nfa.sequence(nfa.range('0', '9'), digits(nfa, kMaxDigits - 1))));
}

Fragment zero_fraction(Nfa& nfa) {
  return nfa.optional(nfa.sequence(nfa.bytes("."), nfa.sequence(nfa.range('0', '0'), nfa.star(nfa.range('0', '0')))));
}

/// A point and digits, one of them not 0.
Fragment positive_fraction(Nfa& nfa) {
  Fragment out = nfa.range('1', '9');
  for (int rest = 1; rest < kMaxDigits; ++rest) {
    const Fragment parts[] = {nfa.sequence(nfa.range('1', '9'), digits(nfa, rest)), nfa.sequence(nfa.range('0', '0'), out)};
    out = nfa.choice(parts);
  }
  return nfa.sequence(nfa.bytes("."), out);
}

/// Numbers without sign from low to high. Adds to `parts`, nothing if there are none.
void magnitudes(Nfa& nfa, DecimalBound low, DecimalBound high, std::string_view sign, std::vector<Fragment>& parts) {
  const auto add = [&](Fragment whole, Fragment fraction) {
    parts.push_back(nfa.sequence(nfa.bytes(sign), nfa.sequence(whole, fraction)));
  };
  const auto one = [&](int64_t value) { return nfa.bytes(std::to_string(value)); };
  if (low.value < high.value) {
    add(one(low.value), low.open ? positive_fraction(nfa) : any_fraction(nfa));
    if (low.value + 1 < high.value) {
      add(natural_range(nfa, static_cast<uint64_t>(low.value + 1), static_cast<uint64_t>(high.value - 1)), any_fraction(nfa));
    }
  }
  if (low.value < high.value ? !high.open : low.value == high.value && !low.open && !high.open) add(one(high.value), zero_fraction(nfa));
}

}  // namespace

Dfa white_space() {
  Nfa nfa;
  const auto repeated = [&](char byte, int at_most) {
    Fragment out = nfa.empty();
    const auto code = static_cast<uint8_t>(byte);
    for (int i = 0; i < at_most; ++i) out = nfa.optional(nfa.sequence(nfa.range(code, code), out));
    return out;
  };
  const Fragment indents[] = {repeated(' ', 16), repeated('\t', 8)};
  const Fragment parts[] = {nfa.empty(), nfa.bytes(" "), nfa.sequence(nfa.bytes("\n"), nfa.choice(indents))};
  return nfa.determinise(nfa.choice(parts));
}

Dfa any_number() {
  Nfa nfa;
  const Fragment positive = nfa.sequence(nfa.range('1', '9'), digits(nfa, kMaxDigits - 1));
  const Fragment whole_parts[] = {nfa.bytes("0"), positive};
  const Fragment letters[] = {nfa.bytes("e"), nfa.bytes("E")};
  const Fragment signs[] = {nfa.bytes("+"), nfa.bytes("-"), nfa.empty()};
  const Fragment exponent =
      nfa.sequence(nfa.choice(letters), nfa.sequence(nfa.choice(signs), nfa.sequence(nfa.range('0', '9'), digits(nfa, 1))));
  Fragment whole = nfa.sequence(nfa.optional(nfa.bytes("-")), nfa.choice(whole_parts));
  whole = nfa.sequence(whole, nfa.sequence(any_fraction(nfa), nfa.optional(exponent)));
  return nfa.determinise(whole);
}

Dfa integer_range(int64_t low, int64_t high) {
  constexpr int64_t kLimit = 999'999'999'999'999'999;
  static_assert(kMaxIntegerDigits == 18);
  if (low == INT64_MIN) low = std::min(-kLimit, high);
  if (high == INT64_MAX) high = std::max(kLimit, low);
  check(low <= high && low != INT64_MIN, ErrorCode::kInvalidArgument, "[json_schema] no whole number lies between minimum and maximum");
  Nfa nfa;
  std::vector<Fragment> parts;
  if (high >= 0) parts.push_back(natural_range(nfa, static_cast<uint64_t>(std::max<int64_t>(low, 0)), static_cast<uint64_t>(high)));
  if (low < 0) {
    const uint64_t smallest = high < 0 ? static_cast<uint64_t>(-high) : 1;
    parts.push_back(nfa.sequence(nfa.bytes("-"), natural_range(nfa, smallest, static_cast<uint64_t>(-low))));
  }
  return nfa.determinise(nfa.choice(parts));
}

Dfa decimal_range(const DecimalBound* low, const DecimalBound* high) {
  const DecimalBound least = low != nullptr ? *low : DecimalBound{-kMaxDecimalBound};
  const DecimalBound most = high != nullptr ? *high : DecimalBound{kMaxDecimalBound};
  Nfa nfa;
  std::vector<Fragment> parts;
  if (most.value >= 0) magnitudes(nfa, least.value >= 0 ? least : DecimalBound{}, most, "", parts);
  if (least.value < 0) {
    const DecimalBound nearest = most.value <= 0 ? DecimalBound{-most.value, most.open} : DecimalBound{};
    magnitudes(nfa, nearest, {-least.value, least.open}, "-", parts);
  }
  check(!parts.empty(), ErrorCode::kInvalidArgument, "[json_schema] no number lies between minimum and maximum");
  return nfa.determinise(nfa.choice(parts));
}

Dfa any_of(std::span<const std::string> texts) {
  Nfa nfa;
  std::vector<Fragment> parts;
  for (const std::string& text : texts) parts.push_back(nfa.bytes(text));
  return nfa.determinise(nfa.choice(parts));
}

// A trie of the names; leaving it is allowed anywhere, and a name may end where no given one ends.
Dfa other_name(std::span<const std::string> names) {
  struct Place {
    std::map<uint8_t, uint32_t> children;
    uint8_t inside = json_string::kClean;  // place in the UTF-8 of the character
    bool is_name = false;
  };
  std::vector<Place> trie(1);
  for (const std::string& name : names) {
    uint32_t at = 0;
    bool plain = true;
    for (const char c : name) {
      const auto byte = static_cast<uint8_t>(c);
      const uint8_t inside = json_string::next(trie[at].inside, byte);
      plain = plain && byte != '\\' && inside < json_string::kClosed;
      if (!plain) break;  // written with an escape, which other names never have
      const auto [found, is_new] = trie[at].children.try_emplace(byte, static_cast<uint32_t>(trie.size()));
      const uint32_t child = found->second;
      if (is_new) {
        check(trie.size() < kMaxDfaStates, ErrorCode::kInvalidArgument, "[json_schema] an object has too many names");
        trie.push_back({{}, inside, false});
      }
      at = child;
    }
    if (plain) trie[at].is_name = true;
  }
  // States: the trie, then one for each place outside of it, then the end.
  const auto first_outside = static_cast<uint32_t>(trie.size());
  constexpr uint8_t kPlaces = 32;
  const uint32_t end = first_outside + kPlaces;
  Dfa out;
  out.states.resize(end + 1);
  out.states[end].accepts = true;
  for (uint32_t i = 0; i < end; ++i) {
    const bool in_trie = i < first_outside;
    const uint8_t inside = in_trie ? trie[i].inside : static_cast<uint8_t>(i - first_outside);
    auto& ranges = out.states[i].ranges;
    for (int value = 0; value < 256; ++value) {
      const auto byte = static_cast<uint8_t>(value);
      const uint8_t next = byte == '\\' ? json_string::kDead : json_string::next(inside, byte);
      if (next == json_string::kDead || (next == json_string::kClosed && in_trie && trie[i].is_name)) continue;
      uint32_t target = next == json_string::kClosed ? end : first_outside + next;
      if (in_trie) {
        const auto child = trie[i].children.find(byte);
        if (child != trie[i].children.end()) target = child->second;
      }
      if (!ranges.empty() && ranges.back().target == target && ranges.back().high + 1 == value) {
        ranges.back().high = byte;
      } else {
        ranges.push_back({byte, byte, target});
      }
    }
  }
  return trim(std::move(out));
}

namespace {

struct Format {
  const char* name;
  const char* pattern;
};
// The day fits the month; 29 February is left out, so that a year need not be checked. Leap seconds are left out.
#define ATTUNE_DATE \
  "[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
#define ATTUNE_TIME "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
constexpr Format kFormats[] = {
    {"date", "^" ATTUNE_DATE "$"},
    {"time", "^" ATTUNE_TIME "$"},
    {"date-time", "^" ATTUNE_DATE "T" ATTUNE_TIME "$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    {"ipv4", "^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$"},
    {"email",
     "^[A-Za-z0-9_+-]{1,32}(?:\\.[A-Za-z0-9_+-]{1,32}){0,3}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?\\.){1,3}[A-Za-z]{2,24}$"},
};
#undef ATTUNE_DATE
#undef ATTUNE_TIME

}  // namespace

std::string_view format_pattern(std::string_view format) noexcept {
  for (const Format& known : kFormats) {
    if (format == known.name) return known.pattern;
  }
  return {};
}

std::string known_formats() {
  std::string out;
  for (const Format& known : kFormats) out += (out.empty() ? "" : ", ") + std::string(known.name);
  return out;
}

}  // namespace attune::text
