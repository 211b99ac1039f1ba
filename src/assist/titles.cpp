#include <algorithm>
#include <unordered_map>

#include "assist/grounding_internal.h"
#include "core/error.h"
#include "data/title.h"

namespace attune::assist {
namespace {

using Words = TitleWords;

/// Articles that a sentence could put in front of a title that has none.
bool is_article(std::string_view word) { return word == "the" || word == "a" || word == "an"; }

/// Small words may be written either way in a title.
bool needs_capital(const std::string& word) {
  static constexpr std::string_view kSmall[] = {
      "the", "a",   "an",  "of", "and", "or", "in",  "on",  "at",  "to",  "for", "by", "with", "from", "over", "under", "into", "de", "la",
      "le",  "du",  "des", "un", "une", "et", "der", "die", "das", "my",  "is",  "it", "me",   "as",   "'s",   "your",  "that", "be", "are",
      "up",  "out", "off", "do", "you", "we", "he",  "she", "i",   "not", "no",  "so", "but",  "if",   "than", "vs",    "via",  "per"};
  return std::find(std::begin(kSmall), std::end(kSmall), word) == std::end(kSmall) && !(word[0] >= '0' && word[0] <= '9') &&
         (static_cast<unsigned char>(word[0]) < 0x80);
}

constexpr std::string_view kTitleSymbols = "*$%#@+=[]{}<>_~^|\\`";

Words words_of(std::string_view text) {
  Words out;
  const auto tokens = read_tokens(text, kTitleSymbols);
  if (!tokens) return out;
  bool last_capital = false;
  for (const Token& token : *tokens) {
    if (token.kind != WordKind::kPunct) out.push_back({token.text, token.capital && needs_capital(token.text)});
    last_capital = token.kind != WordKind::kPunct ? token.capital : last_capital;
  }
  if (out.size() == 1) out.front().capital = last_capital;  // "It" is no "it"
  return out;
}

/// A form and the form without its leading article.
void add_forms(std::vector<Words>& forms, std::string_view title) {
  Words words = words_of(title);
  if (words.empty()) return;
  if (words.size() > 1 && is_article(words.front().text)) {
    Words bare(words.begin() + 1, words.end());
    // "A" or "The" alone says nothing; a one-letter rest neither.
    if (bare.size() > 1 || bare.front().text.size() > 2) forms.push_back(std::move(bare));
  }
  forms.push_back(std::move(words));
}

/// Tokens that `words` cover from `at` on, marks between them included; 0 if they do not stand there with the capitals of a title.
size_t match_title(const Tokens& tokens, size_t at, const Words& words) {
  size_t next = 0;
  size_t i = at;
  while (next < words.size()) {
    if (i >= tokens.size()) return 0;
    const Token& token = tokens[i];
    if (token.kind == WordKind::kPunct) {
      if (i == at || token.text == ";" || token.text == "(" || token.text == ")" || token.text == "\"") return 0;
      ++i;
      continue;
    }
    if (token.kind != WordKind::kUnknown || token.text != words[next].text) return 0;
    if (!token.capital && words[next].capital) return 0;
    ++next;
    ++i;
  }
  return i - at;
}

/// Longest of `forms` at `at`.
size_t match_any(const Tokens& tokens, size_t at, const std::vector<Words>& forms) {
  size_t best = 0;
  for (const Words& words : forms) best = std::max(best, match_title(tokens, at, words));
  return best;
}

void mark_range(Tokens& tokens, size_t at, size_t length, WordKind kind) {
  for (size_t i = at; i < at + length; ++i) tokens[i].kind = kind;
}

}  // namespace

struct TitleIndex::State {
  bool complete = false;
  std::vector<Words> forms;
  std::unordered_map<std::string, std::vector<size_t>> by_first;  ///< first word -> forms
};

TitleIndex::TitleIndex(const std::vector<std::string>& titles, bool complete) {
  auto state = std::make_unique<State>();
  state->complete = complete;
  for (const std::string& title : titles) {
    const data::ParsedTitle parsed = data::parse_title(title);
    add_forms(state->forms, parsed.display_title);
    for (const std::string& other : parsed.alternates) add_forms(state->forms, other);
  }
  for (size_t i = 0; i < state->forms.size(); ++i) state->by_first[state->forms[i].front().text].push_back(i);
  state_ = std::move(state);
}

TitleIndex::~TitleIndex() = default;
TitleIndex::TitleIndex(TitleIndex&&) noexcept = default;
TitleIndex& TitleIndex::operator=(TitleIndex&&) noexcept = default;

TitleForms title_forms(std::string_view catalogue_title) {
  TitleForms out;
  const data::ParsedTitle parsed = data::parse_title(catalogue_title);
  const std::string_view shown = parsed.display_title;
  add_forms(out.forms, shown);
  for (const std::string& other : parsed.alternates) add_forms(out.forms, other);
  for (const std::string_view cut : {" or: ", ", or ", " or, "}) {
    const size_t at = shown.find(cut);
    if (at != std::string_view::npos && at > 0) add_forms(out.forms, shown.substr(0, at));
  }
  const size_t colon = shown.find(": ");
  if (colon != std::string_view::npos && colon > 0) add_forms(out.short_forms, shown.substr(0, colon));
  return out;
}

namespace {

/// Whether some other title of the index begins with `words` (so that the short form could mean it).
bool is_ambiguous(const Words& words, const std::vector<Words>& own, const TitleIndex* index) {
  if (index == nullptr || !index->state().complete) return true;
  const auto found = index->state().by_first.find(words.front().text);
  if (found == index->state().by_first.end()) return false;
  for (const size_t i : found->second) {
    const Words& other = index->state().forms[i];
    const bool begins = other.size() >= words.size() && std::equal(words.begin(), words.end(), other.begin());
    if (begins && std::find(own.begin(), own.end(), other) == own.end()) return true;
  }
  return false;
}

/// Another title at `at`: its length, or 0. One plain word only counts away from the start of a sentence.
size_t match_other(const Tokens& tokens, size_t at, const TitleIndex& index) {
  const auto found = index.state().by_first.find(tokens[at].text);
  if (found == index.state().by_first.end()) return 0;
  size_t best = 0;
  for (const size_t i : found->second) {
    const Words& words = index.state().forms[i];
    const size_t length = match_title(tokens, at, words);
    if (length == 0) continue;
    const char initial = words[0].text[0];
    const bool number = initial >= '0' && initial <= '9';  // a year rather: mark_years looks at it
    if (words.size() == 1 && (number || tokens[at].sentence_start || match_genre_word(tokens, at).length > 0 || words[0].text == "i"))
      continue;
    best = std::max(best, length);
  }
  return best;
}

/// "the Sabrina of 1954", "The Sabrina I mean": the article tells remakes apart and is no part of the name.
bool singles_out(const Tokens& tokens, size_t at, size_t length) {
  const std::string_view next = at + length < tokens.size() ? std::string_view(tokens[at + length].text) : std::string_view();
  return next == "i" || (!tokens[at - 1].capital && (next == "of" || next == "from"));
}

Verdict mark_own(Tokens& tokens, const ReasonFacts& facts, const TitleIndex* index) {
  TitleForms own = title_forms(facts.title);
  std::vector<Words> forms = own.forms;
  for (const Words& words : own.short_forms) {
    if (!is_ambiguous(words, own.forms, index)) forms.push_back(words);
  }
  bool named = false;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const size_t length = match_any(tokens, i, forms);
    if (length == 0) continue;
    if (index != nullptr && match_other(tokens, i, *index) > length)
      return {ReasonFault::kOtherItem, "a longer title that begins like the item's"};
    const bool article_before =
        i > 0 && tokens[i - 1].kind == WordKind::kUnknown && is_article(tokens[i - 1].text) && !singles_out(tokens, i, length);
    const bool number_after = i + length < tokens.size() && tokens[i + length].kind == WordKind::kUnknown &&
                              tokens[i + length].text.size() < 3 && tokens[i + length].text[0] >= '0' && tokens[i + length].text[0] <= '9';
    if (article_before || number_after) {
      return {ReasonFault::kWrongTitle, cat("the title with \"", tokens[article_before ? i - 1 : i + length].text, "\"")};
    }
    mark_range(tokens, i, length, WordKind::kTitle);
    named = true;
    i += length - 1;
    // A mark that belongs to the title ("Shall We Dance?") ends no sentence.
    const size_t after = i + 1;
    if (after < tokens.size() && (is_punct(tokens[after], "?") || is_punct(tokens[after], "!")) &&
        facts.title.find(tokens[after].text) != std::string::npos) {
      tokens[after].kind = WordKind::kTitle;
    }
  }
  if (!named) return {ReasonFault::kWrongTitle, "the item is not named"};
  return {};
}

}  // namespace

Verdict mark_titles(Tokens& tokens, const ReasonFacts& facts, const TitleIndex* other_titles) {
  if (Verdict own = mark_own(tokens, facts, other_titles); !own.accepted()) return own;
  for (const std::string& favourite : facts.user_favourites) {
    const std::vector<Words> forms = title_forms(favourite).forms;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const size_t length = match_any(tokens, i, forms);
      if (length == 0) continue;
      mark_range(tokens, i, length, WordKind::kFavourite);
      i += length - 1;
    }
  }
  if (other_titles == nullptr) return {};
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].kind != WordKind::kUnknown) continue;
    if (const size_t length = match_other(tokens, i, *other_titles); length > 0) {
      std::string name;
      for (size_t j = i; j < i + length; ++j) name += (name.empty() ? "" : " ") + tokens[j].text;
      return {ReasonFault::kOtherItem, cat("names \"", name, "\"")};
    }
  }
  return {};
}

}  // namespace attune::assist
