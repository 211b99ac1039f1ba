#include <array>
#include <charconv>

#include "assist/grounding_internal.h"
#include "core/error.h"

namespace attune::assist {
namespace {

/// A stretch of years that a phrase claims, both ends inside.
struct Span {
  int first = 0;
  int last = 0;
  size_t length = 0;  ///< tokens; 0: no claim here
};

constexpr std::array<std::string_view, 8> kTens = {"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
constexpr std::array<std::string_view, 8> kDecades = {"twenties", "thirties",  "forties",  "fifties",
                                                      "sixties",  "seventies", "eighties", "nineties"};
constexpr std::array<std::string_view, 20> kUnits = {"zero",     "one",     "two",     "three",     "four",     "five",    "six",
                                                     "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                                                     "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};

template <size_t N>
int index_in(const std::array<std::string_view, N>& list, std::string_view word) {
  for (size_t i = 0; i < N; ++i) {
    if (list[i] == word) return static_cast<int>(i);
  }
  return -1;
}

std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.size() > 6 || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view word_at(const Tokens& tokens, size_t at) {
  return at < tokens.size() && tokens[at].kind == WordKind::kUnknown ? std::string_view(tokens[at].text) : std::string_view();
}

/// Two digits name a year of the last hundred years before 2030.
int century_of(int two_digits) { return two_digits < 30 ? 2000 + two_digits : 1900 + two_digits; }

/// "1994", "'94", "1990s", "'90s", "90s".
Span read_digits(const Tokens& tokens, size_t at, int year) {
  std::string_view word = word_at(tokens, at);
  if (word.empty()) return {};
  const bool quoted = word.front() == '\'';
  if (quoted) word.remove_prefix(1);
  size_t length = 1;
  bool decade = false;
  if (word.size() > 1 && word.back() == 's') {
    decade = true;
    word.remove_suffix(1);
  } else if (word_at(tokens, at + 1) == "'s") {
    decade = true;
    length = 2;
  }
  const auto value = digits(word);
  if (!value) return {};
  if (word.size() == 4 && !quoted) {
    if (!decade) return {*value, *value, length};
    if (*value % 100 == 0 && *value != 2000) return {0, 0, length};  // "1900s": a decade or a century, nobody knows
    return *value % 10 == 0 ? Span{*value, *value + 9, length} : Span{0, 0, length};
  }
  if (word.size() != 2 || (!quoted && !decade)) return {};
  if (decade) {
    const int first = *value >= 20 ? 1900 + *value : 2000 + *value;
    return *value % 10 == 0 ? Span{first, first + 9, length} : Span{0, 0, length};
  }
  // '01 may mean 1901 or 2001: the facts decide.
  if (year % 100 == *value) return {year, year, length};
  return {century_of(*value), century_of(*value), length};
}

/// A number below 100 in words: ("ninety", "four") = 94; (value, tokens).
std::pair<int, size_t> read_small_number(const Tokens& tokens, size_t at) {
  if (const int tens = index_in(kTens, word_at(tokens, at)); tens >= 0) {
    const int unit = index_in(kUnits, word_at(tokens, at + 1));
    if (unit >= 1 && unit <= 9) return {20 + 10 * tens + unit, 2};
    return {20 + 10 * tens, 1};
  }
  const int unit = index_in(kUnits, word_at(tokens, at));
  return unit >= 0 ? std::pair<int, size_t>{unit, 1} : std::pair<int, size_t>{-1, 0};
}

/// "nineteen ninety-four", "nineteen oh eight", "nineteen nineties", "nineteen hundred and two", "two thousand and one".
Span read_words(const Tokens& tokens, size_t at) {
  const std::string_view first = word_at(tokens, at);
  if (first == "two" && word_at(tokens, at + 1) == "thousand") {
    size_t next = at + 2;
    if (word_at(tokens, next) == "and") ++next;
    const auto [value, length] = read_small_number(tokens, next);
    if (length == 0) return {2000, 2000, 2};
    return {2000 + value, 2000 + value, next + length - at};
  }
  const int century = first == "eighteen" ? 1800 : first == "nineteen" ? 1900 : first == "twenty" ? 2000 : 0;
  if (century == 0) return {};
  if (const int decade = index_in(kDecades, word_at(tokens, at + 1)); decade >= 0) {
    return {century + 20 + 10 * decade, century + 29 + 10 * decade, 2};
  }
  size_t next = at + 1;
  if (word_at(tokens, next) == "hundred") {
    ++next;
    if (word_at(tokens, next) == "and") ++next;
    const auto [value, length] = read_small_number(tokens, next);
    return length == 0 ? Span{century, century, 2} : Span{century + value, century + value, next + length - at};
  }
  const bool oh = word_at(tokens, next) == "oh" || word_at(tokens, next) == "o";
  if (oh) ++next;
  const auto [value, length] = read_small_number(tokens, next);
  if (length == 0 || (oh && value > 9) || (!oh && value < 10)) return {};
  return {century + value, century + value, next + length - at};
}

/// "nineties", "noughties", "twentieth century", "last century".
Span read_period(const Tokens& tokens, size_t at) {
  const std::string_view word = word_at(tokens, at);
  if (const int decade = index_in(kDecades, word); decade >= 0) return {1920 + 10 * decade, 1929 + 10 * decade, 1};
  if (word == "noughties") return {2000, 2009, 1};
  const bool century = word_at(tokens, at + 1) == "century";
  if (century && (word == "twentieth" || word == "20th" || word == "last")) return {1901, 2000, 2};
  if (century && (word == "nineteenth" || word == "19th")) return {1801, 1900, 2};
  if (century && (word == "21st" || (word == "this"))) return {2001, 2100, 2};
  return {};
}

Span read_span(const Tokens& tokens, size_t at, int year) {
  for (const Span span : {read_digits(tokens, at, year), read_words(tokens, at), read_period(tokens, at)}) {
    if (span.length > 0) return span;
  }
  return {};
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> list) {
  for (const auto entry : list) {
    if (word == entry) return true;
  }
  return false;
}

/// Steps left over "of the", "the", "very", "in the"; the token before, or npos.
size_t step_left(const Tokens& tokens, size_t at) {
  size_t i = at;
  while (i > 0 && is_one_of(word_at(tokens, i - 1), {"of", "the", "very", "in"})) --i;
  return i > 0 ? i - 1 : std::string_view::npos;
}

/// Applies what stands before a span: early, mid, late, before, after, as old as. Returns the first token that belongs to the claim.
size_t narrow(const Tokens& tokens, size_t at, Span& span) {
  const size_t before = step_left(tokens, at);
  if (before == std::string_view::npos) return at;
  const std::string_view word = word_at(tokens, before);
  const std::string_view previous = before > 0 ? word_at(tokens, before - 1) : std::string_view();
  const bool decade = span.last - span.first == 9;
  if (decade && is_one_of(word, {"early", "beginning", "start", "opening", "dawn"})) {
    span.last = span.first + 3;
    return before;
  }
  if (decade && is_one_of(word, {"mid", "middle", "midst", "heart"})) {
    span = {span.first + 4, span.first + 6, span.length};
    return before;
  }
  if (decade && is_one_of(word, {"late", "end", "close", "latter"})) {
    span.first += 7;
    return before;
  }
  if (decade && word == "half" && is_one_of(previous, {"first", "second", "latter"})) {
    span = previous == "first" ? Span{span.first, span.first + 4, span.length} : Span{span.first + 5, span.last, span.length};
    return before - 1;
  }
  if (is_one_of(word, {"before", "pre"}) || (word == "than" && is_one_of(previous, {"older", "earlier"})) ||
      (word == "to" && previous == "prior")) {
    span = {0, span.first - 1, span.length};
    return word == "than" || word == "to" ? before - 1 : before;
  }
  if (is_one_of(word, {"after", "post"}) || (word == "than" && is_one_of(previous, {"newer", "later", "younger"}))) {
    span = {span.last + 1, 9999, span.length};
    return word == "than" ? before - 1 : before;
  }
  if (word == "as" && previous == "old" && before > 1 && word_at(tokens, before - 2) == "as") return before - 2;
  return at;
}

/// "between 1990 and 1995", "from 1990 to 1995".
Span read_range(const Tokens& tokens, size_t at, int year) {
  const std::string_view word = word_at(tokens, at);
  if (word != "between" && word != "from") return {};
  size_t next = at + 1;
  if (word_at(tokens, next) == "the") ++next;
  const Span low = read_span(tokens, next, year);
  if (low.length == 0) return {};
  next += low.length;
  if (word_at(tokens, next) != (word == "between" ? "and" : "to")) return {};
  ++next;
  if (word_at(tokens, next) == "the") ++next;
  const Span high = read_span(tokens, next, year);
  if (high.length == 0) return {};
  return {low.first, high.last, next + high.length - at};
}

}  // namespace

Verdict mark_years(Tokens& tokens, std::optional<int> year) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    Span span = read_range(tokens, i, year.value_or(-1));
    size_t first = i;
    if (span.length == 0) {
      span = read_span(tokens, i, year.value_or(-1));
      if (span.length == 0) continue;
      first = narrow(tokens, i, span);
    }
    if (!year || *year < span.first || *year > span.last) {
      return {ReasonFault::kWrongYear, cat("\"", tokens[i].text, "\", the year is ", year ? std::to_string(*year) : "not known")};
    }
    for (size_t j = first; j < i + span.length; ++j) tokens[j].kind = WordKind::kYear;
    i += span.length - 1;
  }
  return {};
}

}  // namespace attune::assist
