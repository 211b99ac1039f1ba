// How a sentence reads, apart from whether it is true: what ranks candidates and keeps a list from sounding like one sentence.
#include <algorithm>
#include <map>

#include "assist/explain_internal.h"
#include "assist/grounding_internal.h"

namespace attune::assist {
namespace {

/// Genre words that need a noun behind them: "a war" is no film.
bool needs_noun(std::string_view word) {
  static constexpr std::string_view kWords[] = {"war",       "action",   "crime",    "horror",      "sci fi", "science fiction",
                                                "animation", "animated", "romantic", "children 's", "kids",   "dramatic",
                                                "scary",     "funny",    "comic",    "family"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

size_t count_of(std::string_view text, std::string_view part) {
  size_t n = 0;
  for (size_t at = text.find(part); !part.empty() && at != std::string_view::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

std::string joined(const Tokens& tokens, size_t at, size_t length) {
  std::string out;
  for (size_t i = at; i < at + length; ++i) out += (i > at ? " " : "") + tokens[i].text;
  return out;
}

bool is_year(std::string_view word) {
  return word.size() == 4 && std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// "a comedy", "an adventure".
bool article_fits(std::string_view article, std::string_view word) {
  if (word.empty()) return true;
  const bool vowel = std::string_view("aeio").find(word.front()) != std::string_view::npos && word != "one" && word != "once";
  return !(article == "a" && vowel) &&
         !(article == "an" && !vowel && word.front() >= 'a' && word.front() <= 'z' && word.front() != 'u' && word.front() != 'h');
}

/// Genres: none more than twice, and twice only as film and taste; "a war" only before a noun. Years: one. No word twice in a row.
bool words_read_well(const Tokens& tokens) {
  std::map<std::string_view, int> genres;
  int years = 0;
  for (size_t at = 0; at < tokens.size();) {
    const Token& token = tokens[at];
    if (at > 0 && token.kind != WordKind::kPunct && token.text == tokens[at - 1].text) return false;
    years += is_year(token.text) ? 1 : 0;
    if (at > 0 && !article_fits(tokens[at - 1].text, token.text)) return false;
    const PhraseMatch match = match_genre_word(tokens, at);
    if (match.length == 0) {
      ++at;
      continue;
    }
    if (++genres[match.entry.genre] > 2) return false;
    const size_t next = at + match.length;
    const bool article = at > 0 && (tokens[at - 1].text == "a" || tokens[at - 1].text == "an");
    if (article && needs_noun(joined(tokens, at, match.length))) {
      const bool ends = next >= tokens.size() || (tokens[next].kind == WordKind::kPunct && tokens[next].text != ",") ||
                        tokens[next].text == "from" || tokens[next].text == "for" || tokens[next].text == "that" ||
                        tokens[next].text == "with" || tokens[next].text == "made";
      if (ends) return false;
    }
    at = next;
  }
  const bool repeats = std::any_of(genres.begin(), genres.end(), [](const auto& entry) { return entry.second > 1; });
  const bool taste =
      std::any_of(tokens.begin(), tokens.end(), [](const Token& token) { return token.text == "you" || token.text == "your"; });
  return years <= 1 && (taste || !repeats);
}

}  // namespace

bool reads_well(std::string_view sentence, std::string_view title) {
  if (sentence.size() < 20 || std::string_view(".!?").find(sentence.back()) == std::string_view::npos) return false;
  std::string_view name = title;  // "When Harry Met Sally..." may lose its marks
  while (name.size() > 1 && std::string_view(".!?").find(name.back()) != std::string_view::npos) name.remove_suffix(1);
  if (count_of(sentence, name) != 1 || count_of(sentence, "(") != count_of(sentence, ")")) return false;
  for (const std::string_view bad :
       {" ,", " .", ",,", ", and a film", "Here, is", "film film", "comes from a", "movie movie", "is is", "the the"}) {
    if (sentence.find(bad) != std::string_view::npos) return false;
  }
  std::string rest(sentence);
  if (const size_t at = rest.find(name); at != std::string::npos) rest.replace(at, name.size(), "It");
  const auto tokens = read_tokens(rest);
  return tokens && words_read_well(*tokens);
}

std::string sentence_shape(std::string_view sentence, std::string_view title, const std::vector<std::string>& genres) {
  std::string out;
  for (size_t at = 0; at < sentence.size();) {
    if (!title.empty() && sentence.substr(at, title.size()) == title) {
      out += '#';
      at += title.size();
    } else if (sentence[at] >= '0' && sentence[at] <= '9') {
      if (out.empty() || out.back() != '0') out += '0';
      ++at;
    } else {
      out += sentence[at++];
    }
  }
  for (const std::string& genre : genres) {
    std::string name = genre;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    for (size_t at = out.find(name); !name.empty() && at != std::string::npos; at = out.find(name, at)) out.replace(at, name.size(), "@");
  }
  return out;
}

}  // namespace attune::assist
