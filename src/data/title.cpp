#include "data/title.h"

#include <algorithm>
#include <array>

namespace attune::data {
namespace {

constexpr std::array<std::string_view, 37> kArticles = {
    "The", "A",   "An",                                             // English
    "Le",  "La",  "Les", "L'",  "L’",  "Un",  "Une",  "Des",         // French
    "Il",  "Lo",  "I",   "Gli", "Uno", "Una",                       // Italian
    "El",  "Los", "Las",                                            // Spanish
    "O",   "Os",  "As",  "Um",  "Uma",                              // Portuguese
    "Der", "Die", "Das", "Dem", "Den", "Ein", "Eine",               // German
    "De",  "Het", "Een",                                            // Dutch
    "Det", "En",                                                    // Scandinavian
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// One line, single blanks: what a prompt or a page can show.
std::string single_line(std::string_view text) {
  std::string out;
  for (const char c : trim(text)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (is_blank(c) || control) {
      if (!out.empty() && out.back() != ' ') out.push_back(' ');
    } else {
      out.push_back(c);
    }
  }
  return std::string(trim(out));
}

/// Position of the "(" that the last ")" of `text` closes, or npos.
size_t last_group(std::string_view text) {
  if (text.empty() || text.back() != ')') return std::string_view::npos;
  int depth = 0;
  for (size_t i = text.size(); i-- > 0;) {
    if (text[i] == ')') ++depth;
    if (text[i] == '(' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "1949", "2006-2007", "2006–2007", "1989-": the first year.
std::optional<int> year_of(std::string_view text) {
  text = trim(text);
  if (text.size() < 4 || !std::all_of(text.begin(), text.begin() + 4, is_digit)) return std::nullopt;
  const int year = (text[0] - '0') * 1000 + (text[1] - '0') * 100 + (text[2] - '0') * 10 + (text[3] - '0');
  if (year < 1850 || year > 2100) return std::nullopt;
  std::string_view rest = trim(text.substr(4));
  if (rest.empty()) return year;
  if (rest.starts_with("-")) {
    rest.remove_prefix(1);
  } else if (rest.starts_with("–")) {
    rest.remove_prefix(std::string_view("–").size());
  } else {
    return std::nullopt;
  }
  rest = trim(rest);
  if (rest.empty() || (rest.size() == 4 && std::all_of(rest.begin(), rest.end(), is_digit))) return year;
  return std::nullopt;
}

std::string_view without_aka(std::string_view text) {
  text = trim(text);
  for (const std::string_view prefix : {"a.k.a. ", "a.k.a.", "aka "}) {
    if (text.starts_with(prefix)) return trim(text.substr(prefix.size()));
  }
  return text;
}

}  // namespace

std::string move_article_to_front(std::string_view title) {
  const size_t comma = title.rfind(", ");
  if (comma == std::string_view::npos || comma == 0) return std::string(title);
  const std::string_view article = trim(title.substr(comma + 2));
  if (std::find(kArticles.begin(), kArticles.end(), article) == kArticles.end()) return std::string(title);
  const bool joined = article.ends_with("'") || article.ends_with("’");
  std::string out(article);
  if (!joined) out.push_back(' ');
  return out.append(trim(title.substr(0, comma)));
}

ParsedTitle parse_title(std::string_view text) {
  ParsedTitle out;
  const std::string line = single_line(text);
  std::string_view rest = line;
  if (const size_t open = last_group(rest); open != std::string_view::npos && open > 0) {
    out.year = year_of(rest.substr(open + 1, rest.size() - open - 2));
    if (out.year) rest = trim(rest.substr(0, open));
  }
  out.title = rest;
  std::vector<std::string> groups;
  for (size_t open = last_group(rest); open != std::string_view::npos && open > 0; open = last_group(rest)) {
    const std::string_view group = without_aka(rest.substr(open + 1, rest.size() - open - 2));
    if (!group.empty()) groups.push_back(move_article_to_front(group));
    rest = trim(rest.substr(0, open));
  }
  out.display_title = move_article_to_front(rest);
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {  // in reading order
    if (*group != out.display_title && std::find(out.alternates.begin(), out.alternates.end(), *group) == out.alternates.end()) {
      out.alternates.push_back(*group);
    }
  }
  return out;
}

}  // namespace attune::data
