// Genres as people say them: "an action and sci-fi adventure with romance", "westerns and war films".
#include <algorithm>

#include "assist/explain_internal.h"
#include "assist/grounding_internal.h"
#include "core/error.h"

namespace attune::assist {
namespace {

struct Form {
  std::string_view key;
  std::string_view modifier;  ///< before a noun: "war", "romantic"
  std::string_view head;      ///< a noun with "a": "drama"; empty: needs "film"
  std::string_view plural;    ///< "war films"
};

constexpr Form kForms[] = {
    {"action", "action", "", "action"},
    {"adventure", "adventure", "adventure", "adventures"},
    {"animation", "animated", "", "animation"},
    {"childrens", "children's", "", "children's films"},
    {"comedy", "comedy", "comedy", "comedies"},
    {"crime", "crime", "", "crime films"},
    {"documentary", "documentary", "documentary", "documentaries"},
    {"drama", "drama", "drama", "dramas"},
    {"fantasy", "fantasy", "", "fantasy"},
    {"filmnoir", "film noir", "film noir", "film noir"},
    {"horror", "horror", "", "horror"},
    {"musical", "musical", "musical", "musicals"},
    {"mystery", "mystery", "mystery", "mysteries"},
    {"romance", "romantic", "", "romance"},
    {"scifi", "sci-fi", "", "sci-fi"},
    {"thriller", "thriller", "thriller", "thrillers"},
    {"war", "war", "", "war films"},
    {"western", "western", "western", "westerns"},
};

/// Heads by how well they carry other genres in front of them: "a crime drama", "a war comedy".
constexpr std::string_view kHeads[] = {"documentary", "drama",   "comedy",  "thriller", "western",
                                       "adventure",   "musical", "mystery", "filmnoir"};
/// Genres that a phrase names at most; the liked ones come first.
constexpr size_t kMaxNamed = 3;

const Form* form_of(const std::string& key) {
  const auto found = std::find_if(std::begin(kForms), std::end(kForms), [&](const Form& form) { return form.key == key; });
  return found == std::end(kForms) ? nullptr : found;
}

std::string lower_line(std::string_view genre) {
  std::string out = plain_line(genre, 30);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

/// How much a genre says about a film, the most first: of five genres a phrase keeps the most telling three.
size_t telling(const std::string& genre) {
  static constexpr std::string_view kOrder[] = {"filmnoir", "western",   "documentary", "animation", "musical", "horror",
                                                "scifi",    "war",       "mystery",     "crime",     "fantasy", "childrens",
                                                "romance",  "adventure", "thriller",    "comedy",    "action",  "drama"};
  return static_cast<size_t>(std::find(std::begin(kOrder), std::end(kOrder), genre_key(genre)) - std::begin(kOrder));
}

/// A label that says nothing: "unknown", "(no genres listed)".
bool is_empty_label(const std::string& key) { return key.empty() || key == "unknown" || key.front() == '('; }

}  // namespace

std::string genre_phrase(const std::vector<std::string>& genres, const std::vector<std::string>& preferred) {
  std::vector<std::string> keys;
  std::vector<std::string> others;  // spelling of genres without a form
  const auto name = [&](const std::string& genre) {
    const std::string key = genre_key(genre);
    if (is_empty_label(key) || std::find(keys.begin(), keys.end(), key) != keys.end() || keys.size() >= kMaxNamed) return;
    keys.push_back(key);
    if (form_of(key) == nullptr) others.push_back(lower_line(genre));
  };
  std::for_each(preferred.begin(), preferred.end(), name);
  std::vector<std::string> rest = genres;
  std::stable_sort(rest.begin(), rest.end(), [](const std::string& a, const std::string& b) { return telling(a) < telling(b); });
  std::for_each(rest.begin(), rest.end(), name);
  if (keys.empty()) return "";
  const auto take = [&keys](std::string_view key) { return std::erase(keys, key) > 0; };
  const Form* head = nullptr;
  for (const std::string_view key : kHeads) {
    if (!take(key)) continue;
    head = form_of(std::string(key));
    break;
  }
  // "a crime drama and thriller": a drama takes no thriller in front.
  const bool two_heads = head != nullptr && head->key == "drama" && take("thriller");
  std::string out;
  for (const std::string_view key : {"animation", "childrens", "romance"}) {  // adjectives need no "and"
    if (take(key)) out += cat(form_of(std::string(key))->modifier, " ");
  }
  std::vector<std::string> modifiers = others;
  for (const std::string& key : keys) {
    if (const Form* form = form_of(key); form != nullptr) modifiers.emplace_back(form->modifier);
  }
  out += join_words(modifiers);
  if (!modifiers.empty()) out += " ";
  out += cat(head == nullptr ? "film" : head->head, two_heads ? " and thriller" : "");
  const bool vowel = std::string_view("aeiou").find(out.front()) != std::string_view::npos;
  return cat(vowel ? "an " : "a ", out);
}

std::vector<std::string> genre_plurals(const std::vector<std::string>& genres) {
  std::vector<std::string> out;
  for (const std::string& genre : genres) {
    const std::string key = genre_key(genre);
    if (is_empty_label(key)) continue;
    const Form* form = form_of(key);
    std::string word = form != nullptr ? std::string(form->plural) : lower_line(genre);
    if (!word.empty() && std::find(out.begin(), out.end(), word) == out.end() && out.size() < 8) out.push_back(std::move(word));
  }
  return out;
}

}  // namespace attune::assist
