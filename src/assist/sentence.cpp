#include <algorithm>
#include <cctype>

#include "assist/grounding_internal.h"
#include "text/fold.h"
#include "text/utf8.h"

namespace attune::assist {
namespace {

/// Plain spelling of the characters that a keyboard lacks; 0 for a letter; nothing for what no sentence needs.
std::optional<char> plain_mark(char32_t code) {
  switch (code) {
    case 0x2018:
    case 0x2019:
    case 0x02BC: return '\'';
    case 0x201C:
    case 0x201D:
    case 0x00AB:
    case 0x00BB: return '"';
    case 0x2010:
    case 0x2011: return '-';
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2015: return ';';  // a dash parts clauses
    case 0x2026: return '.';
    case 0x00A0: return ' ';
    default: break;
  }
  const bool letter = (code >= 0xC0 && code <= 0x24F && code != 0xD7 && code != 0xF7) || (code >= 0x300 && code <= 0x1FFF) ||
                      (code >= 0x3041 && code <= 0x9FFF) || (code >= 0xAC00 && code <= 0xD7A3);
  if (letter) return '\0';
  return std::nullopt;
}

bool is_word_byte(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || (static_cast<unsigned char>(c) & 0x80) != 0; }

/// ASCII marks only; letters beyond ASCII stay. Nothing if a character has no place in a sentence.
std::optional<std::string> plain_text(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c < 0x80) {
      if (c < 0x20 || c == 0x7F) return std::nullopt;
      out.push_back(static_cast<char>(c));
      ++at;
      continue;
    }
    const text::Utf8Char decoded = text::decode_utf8(text, at);
    const auto mark = decoded.valid ? plain_mark(decoded.code) : std::nullopt;
    if (!mark) return std::nullopt;
    if (*mark == '\0') {
      out.append(text.substr(at, decoded.size));
    } else {
      out.push_back(*mark);
    }
    at += decoded.size;
  }
  return out;
}

/// Words that keep their 's or s'.
bool keeps_apostrophe(std::string_view word) {
  static constexpr std::string_view kWhole[] = {"it's",  "that's", "there's", "here's", "what's", "let's",
                                                "one's", "who's",  "he's",    "she's",  "which's"};
  for (const auto whole : kWhole) {
    if (word == whole) return true;
  }
  return false;
}

/// Lower case; accents beyond ASCII folded away, so that a title matches with and without them.
std::string lower(std::string_view text) {
  if (std::any_of(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; })) return text::fold(text);
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool is_capital(std::string_view raw) {
  if (std::isupper(static_cast<unsigned char>(raw[0])) != 0) return true;
  return raw.size() > 1 && static_cast<unsigned char>(raw[0]) == 0xC3 && static_cast<unsigned char>(raw[1]) >= 0x80 &&
         static_cast<unsigned char>(raw[1]) <= 0x9E;
}

void push_word(Tokens& tokens, std::string_view raw, bool after_hyphen) {
  std::string word = lower(raw);
  std::string tail;
  if (word.size() > 2 && word.ends_with("'s") && !keeps_apostrophe(word)) {
    word.resize(word.size() - 2);
    tail = "'s";
  }
  Token token;
  token.text = std::move(word);
  token.capital = is_capital(raw);
  token.after_hyphen = after_hyphen;
  tokens.push_back(token);
  if (!tail.empty()) {
    Token possessive;
    possessive.text = tail;
    tokens.push_back(possessive);
  }
}

void push_punct(Tokens& tokens, char mark) {
  Token token;
  token.text = std::string(1, mark);
  token.kind = WordKind::kPunct;
  tokens.push_back(token);
}

void mark_starts(Tokens& tokens) {
  bool start = true;
  for (Token& token : tokens) {
    if (token.kind == WordKind::kPunct) {
      if (token.text == "." || token.text == "!" || token.text == "?" || token.text == ":" || token.text == ";") start = true;
      continue;
    }
    token.sentence_start = start;
    start = false;
  }
}

}  // namespace

std::optional<Tokens> read_tokens(std::string_view text, std::string_view tolerated) {
  const auto plain = plain_text(text);
  if (!plain) return std::nullopt;
  const std::string& s = *plain;
  Tokens tokens;
  for (size_t at = 0; at < s.size();) {
    const char c = s[at];
    const bool short_year = c == '\'' && at + 1 < s.size() && std::isdigit(static_cast<unsigned char>(s[at + 1])) != 0;
    if (is_word_byte(c) || short_year) {
      size_t end = at + 1;
      while (end < s.size() && (is_word_byte(s[end]) || (s[end] == '\'' && end + 1 < s.size() && is_word_byte(s[end + 1])))) ++end;
      const bool after_hyphen = at > 0 && s[at - 1] == '-';
      push_word(tokens, std::string_view(s).substr(at, end - at), after_hyphen);
      at = end;
      continue;
    }
    ++at;
    if (c == ' ') continue;
    const bool joins = c == '-' && at >= 2 && is_word_byte(s[at - 2]) && at < s.size() && is_word_byte(s[at]);
    if (joins) continue;
    if (c == '&' || c == '/') {
      push_word(tokens, "and", false);
      continue;
    }
    if (c == '\'') continue;  // a quotation mark, or the end of a plural possessive
    if (c == '-') {
      push_punct(tokens, ';');
      continue;
    }
    if (std::string_view(".,;:()?!\"").find(c) == std::string_view::npos) {
      if (tolerated.find(c) == std::string_view::npos) return std::nullopt;
      continue;
    }
    push_punct(tokens, c);
  }
  mark_starts(tokens);
  return tokens;
}

bool starts_with_words(const Tokens& tokens, size_t at, const std::vector<std::string>& words) {
  if (words.empty() || at + words.size() > tokens.size()) return false;
  for (size_t i = 0; i < words.size(); ++i) {
    if (tokens[at + i].kind != WordKind::kUnknown || tokens[at + i].text != words[i]) return false;
  }
  return true;
}

}  // namespace attune::assist
