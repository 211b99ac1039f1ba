// Regular expressions of JSON Schema's "pattern": a subset of ECMA-262 that is regular, over code points, into automata over the bytes of a
// JSON string. Not here, and refused by name: look-around, back references, word boundaries, named groups, \p{...}.
#include <algorithm>
#include <optional>

#include "core/error.h"
#include "text/lexeme_internal.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

constexpr size_t kMaxPatternBytes = 4096;
constexpr int kMaxGroups = 32;  // inside each other
constexpr uint32_t kMaxRepeat = 1000;
constexpr char32_t kLastCode = 0x10FFFF;

std::vector<CodeRange> complement(std::vector<CodeRange> set) {
  std::sort(set.begin(), set.end(), [](const CodeRange& a, const CodeRange& b) { return a.low < b.low; });
  std::vector<CodeRange> out;
  char32_t from = 0;
  for (const CodeRange& range : set) {
    if (range.low > from) out.push_back({from, range.low - 1});
    from = std::max<char32_t>(from, range.high + 1);
  }
  if (from <= kLastCode) out.push_back({from, kLastCode});
  return out;
}

const std::vector<CodeRange> kDigits = {{'0', '9'}};
const std::vector<CodeRange> kWords = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const std::vector<CodeRange> kSpaces = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                                        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const std::vector<CodeRange> kLineBreaks = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class PatternParser {
 public:
  PatternParser(std::string_view pattern, Nfa& nfa) : pattern_(pattern), nfa_(nfa) {}

  Fragment parse() {
    check(pattern_.size() <= kMaxPatternBytes, ErrorCode::kInvalidArgument, "[json_schema] a pattern has ", pattern_.size(),
          " bytes, expected at most ", kMaxPatternBytes);
    check(is_valid_utf8(pattern_), ErrorCode::kInvalidArgument, "[json_schema] a pattern is no UTF-8");
    std::vector<Fragment> parts;
    do {
      parts.push_back(top_alternative());
    } while (take('|'));
    if (at_ < pattern_.size()) refuse("unexpected ')'");
    return nfa_.choice(parts);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::kUnsupported, "[json_schema] pattern '", excerpt(pattern_, 64), "' at byte ", at_, ": ", what);
  }
  bool at_end() const { return at_ >= pattern_.size(); }
  char peek() const { return at_end() ? '\0' : pattern_[at_]; }
  bool take(char c) {
    if (at_end() || pattern_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view text) {
    if (pattern_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }
  char32_t take_code() {
    const Utf8Char c = decode_utf8(pattern_, at_);
    at_ += c.size;
    return c.code;
  }

  /// Anchors stand at the ends of an alternative of the whole pattern; without them anything may surround the match.
  Fragment top_alternative() {
    const bool anchored_begin = take('^');
    Fragment out = anchored_begin ? nfa_.empty() : anything();
    bool anchored_end = false;
    while (!at_end() && peek() != '|' && peek() != ')') {
      if (take('$')) {
        anchored_end = true;
        if (!at_end() && peek() != '|') refuse("'$' is supported at the end of the pattern only");
        break;
      }
      out = nfa_.sequence(out, repeated());
    }
    return anchored_end ? out : nfa_.sequence(out, anything());
  }
  Fragment anything() { return nfa_.star(nfa_.character({{0, kLastCode}})); }

  Fragment alternatives() {
    std::vector<Fragment> parts;
    do {
      Fragment part = nfa_.empty();
      while (!at_end() && peek() != '|' && peek() != ')') part = nfa_.sequence(part, repeated());
      parts.push_back(part);
    } while (take('|'));
    return nfa_.choice(parts);
  }

  struct Bounds {
    uint32_t min = 1;
    uint32_t max = 1;  // kUnbounded: no limit
  };
  static constexpr uint32_t kUnbounded = 0xFFFFFFFF;

  uint32_t number() {
    uint32_t value = 0;
    if (at_end() || peek() < '0' || peek() > '9') refuse("expected a number in {...}; write \\{ for the character");
    while (!at_end() && peek() >= '0' && peek() <= '9') {
      value = value * 10 + static_cast<uint32_t>(peek() - '0');
      if (value > kMaxRepeat) refuse(cat("repetitions are supported up to ", kMaxRepeat));
      ++at_;
    }
    return value;
  }
  std::optional<Bounds> quantifier() {
    std::optional<Bounds> out;
    if (take('*')) {
      out = Bounds{0, kUnbounded};
    } else if (take('+')) {
      out = Bounds{1, kUnbounded};
    } else if (take('?')) {
      out = Bounds{0, 1};
    } else if (take('{')) {
      Bounds bounds;
      bounds.min = bounds.max = number();
      if (take(',')) bounds.max = peek() == '}' ? kUnbounded : number();
      if (!take('}')) refuse("expected '}'");
      if (bounds.max < bounds.min) refuse("the limits of {...} are in the wrong order");
      out = bounds;
    }
    if (out) take('?');  // lazy: the same texts
    return out;
  }

  /// An atom with its quantifier. A copy of the atom for each repetition is made by reading its text again.
  Fragment repeated() {
    const size_t begin = at_;
    const Fragment first = atom();
    const size_t end = at_;
    const auto bounds = quantifier();
    if (!bounds) return first;
    if (!at_end() && std::string_view("*+?{").find(peek()) != std::string_view::npos) refuse("a quantifier follows a quantifier");
    const size_t after = at_;
    bool used = false;
    const auto copy = [&] {
      if (!used) {
        used = true;
        return first;
      }
      at_ = begin;
      const Fragment out = atom();
      check(at_ == end, ErrorCode::kInternal, "[json_schema] a pattern was read differently twice");
      return out;
    };
    Fragment out = nfa_.empty();
    for (uint32_t i = 0; i < bounds->min; ++i) out = nfa_.sequence(out, copy());
    if (bounds->max == kUnbounded) {
      out = nfa_.sequence(out, nfa_.star(copy()));
    } else {
      Fragment tail = nfa_.empty();
      for (uint32_t i = bounds->min; i < bounds->max; ++i) tail = nfa_.optional(nfa_.sequence(copy(), tail));
      out = nfa_.sequence(out, tail);
    }
    at_ = after;
    return out;
  }

  Fragment atom() {
    if (take('(')) {
      if (take("?:")) {
      } else if (peek() == '?') {
        refuse("look-around and named groups are not supported");
      }
      if (++depth_ > kMaxGroups) refuse(cat("more than ", kMaxGroups, " groups inside each other"));
      const Fragment out = alternatives();
      --depth_;
      if (!take(')')) refuse("expected ')'");
      return out;
    }
    if (take('[')) return nfa_.character(char_class());
    if (take('.')) return nfa_.character(complement(kLineBreaks));
    if (peek() == '^' || peek() == '$') refuse("anchors are supported at the ends of the pattern only");
    if (std::string_view("*+?{}]").find(peek()) != std::string_view::npos) refuse("expected an expression; write \\ before the character");
    if (take('\\')) return nfa_.character(escape_set(false));
    const char32_t code = take_code();
    return nfa_.character({{code, code}});
  }

  char32_t hex(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
      if (digit < 0) refuse(cat("expected ", digits, " hexadecimal digits"));
      value = value * 16 + static_cast<char32_t>(digit);
    }
    return value;
  }

  /// What follows a backslash.
  std::vector<CodeRange> escape_set(bool in_class) {
    if (at_end()) refuse("a pattern ends with a backslash");
    const char c = pattern_[at_++];
    switch (c) {
      case 'd': return kDigits;
      case 'D': return complement(kDigits);
      case 'w': return kWords;
      case 'W': return complement(kWords);
      case 's': return kSpaces;
      case 'S': return complement(kSpaces);
      case 'n': return {{'\n', '\n'}};
      case 'r': return {{'\r', '\r'}};
      case 't': return {{'\t', '\t'}};
      case 'f': return {{'\f', '\f'}};
      case 'v': return {{'\v', '\v'}};
      case '0': return {{0, 0}};
      case 'x': {
        const char32_t code = hex(2);
        return {{code, code}};
      }
      case 'u': {
        const char32_t code = hex(4);
        if (code >= 0xD800 && code <= 0xDFFF) refuse("surrogates are not supported; write the character itself");
        return {{code, code}};
      }
      default: break;
    }
    if (c == 'b' && in_class) return {{'\b', '\b'}};
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      --at_;
      refuse(cat("'\\", c, "' is not supported"));
    }
    --at_;
    const char32_t code = take_code();
    return {{code, code}};
  }

  std::vector<CodeRange> char_class() {
    const bool negated = take('^');
    std::vector<CodeRange> set;
    while (!take(']')) {
      if (at_end()) refuse("expected ']'");
      const auto first = class_member();
      if (peek() == '-' && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
        ++at_;
        const auto last = class_member();
        const bool single = first.size() == 1 && first[0].low == first[0].high && last.size() == 1 && last[0].low == last[0].high;
        if (!single || first[0].low > last[0].low) refuse("a range of a class needs two characters in ascending order");
        set.push_back({first[0].low, last[0].low});
      } else {
        set.insert(set.end(), first.begin(), first.end());
      }
    }
    return negated ? complement(std::move(set)) : set;
  }
  std::vector<CodeRange> class_member() {
    if (take('\\')) return escape_set(true);
    if (at_end()) refuse("expected ']'");
    const char32_t code = take_code();
    return {{code, code}};
  }

  std::string_view pattern_;
  Nfa& nfa_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Dfa pattern_content(std::string_view pattern) {
  Nfa nfa;
  return nfa.determinise(PatternParser(pattern, nfa).parse());
}

}  // namespace attune::text
