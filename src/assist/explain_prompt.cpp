#include <algorithm>

#include "assist/explain.h"
#include "assist/explain_internal.h"
#include "assist/grounding_internal.h"
#include "core/error.h"
#include "data/title.h"
#include "text/utf8.h"

namespace attune::assist {
namespace {

constexpr size_t kMaxTitleBytes = 120;

}  // namespace

// The examples use only what stands above them, in words that the check knows, and each is built differently: a base model copies both.
std::string_view prompt_prefix(bool with_taste) {
  constexpr std::string_view kWithTaste =
      "Notes for film nights. Under each film stands one sentence that says why it was picked. It names the film, and says nothing but what the "
      "lines above it say: the year, the kind of film, and what the reader likes.\n"
      "\n"
      "Film: The Third Man\nYear: 1949\nKind: a mystery thriller\nYou like: thrillers\n"
      "Sentence: The Third Man is a mystery thriller from 1949, and thrillers are what you like.\n"
      "\n"
      "Film: Shall We Dance?\nYear: 1937\nKind: a romantic musical comedy\nYou like: comedies and musicals\n"
      "Sentence: Because you enjoy comedies and musicals, my pick is Shall We Dance? from 1937, a romantic musical comedy.\n"
      "\n"
      "Film: Akira\nYear: 1988\nKind: an animated sci-fi adventure\nYou like: animation and sci-fi\n"
      "Sentence: Your taste for animation and sci-fi is met by Akira, an animated sci-fi adventure from 1988.\n"
      "\n"
      "Film: The Wild Bunch\nYear: 1969\nKind: a western\nYou like: westerns\n"
      "Sentence: For a fan of westerns like you, here is The Wild Bunch from 1969.\n"
      "\n"
      "Film: Platoon\nYear: 1986\nKind: a war drama\nYou like: war films\n"
      "Sentence: You like war films, so Platoon, a war drama from 1986, should suit you.\n"
      "\n"
      "Film: Lone Star\nYear: 1996\nKind: a mystery drama\nYou like: mysteries and dramas\n"
      "Sentence: If you feel like a mystery drama, Lone Star from 1996 is one for you.\n"
      "\n";
  constexpr std::string_view kPlain =
      "Notes for film nights. Under each film stands one sentence that presents it. It names the film, and says nothing but what the lines above "
      "it say: the year and the kind of film.\n"
      "\n"
      "Film: Everest\nYear: 1998\nKind: a documentary\n"
      "Sentence: Everest, made in 1998, is a documentary.\n"
      "\n"
      "Film: Platoon\nYear: 1986\nKind: a war drama\n"
      "Sentence: If you feel like a war drama, there is Platoon from 1986.\n"
      "\n"
      "Film: The Third Man\nYear: 1949\nKind: a mystery thriller\n"
      "Sentence: From 1949 comes The Third Man, a mystery thriller.\n"
      "\n"
      "Film: Shall We Dance?\nYear: 1937\nKind: a romantic musical comedy\n"
      "Sentence: How about a romantic musical comedy from 1937, Shall We Dance?\n"
      "\n"
      "Film: The Wild Bunch\nYear: 1969\nKind: a western\n"
      "Sentence: The Wild Bunch is a western, and it dates from 1969.\n"
      "\n"
      "Film: Akira\nYear: 1988\nKind: an animated sci-fi adventure\n"
      "Sentence: My suggestion is Akira, an animated sci-fi adventure from 1988.\n"
      "\n";
  return with_taste ? kWithTaste : kPlain;
}

bool has_liked_genre(const ReasonFacts& facts) { return !shared_genres(facts.genres, facts.user_likes).empty(); }

std::string prompt_block(const ReasonFacts& facts) {
  std::string out = cat("Film: ", plain_line(data::parse_title(facts.title).display_title, kMaxTitleBytes), "\n");
  out += cat("Year: ", facts.year ? std::to_string(*facts.year) : "unknown", "\n");
  const std::vector<std::string> liked = shared_genres(facts.genres, facts.user_likes);
  const std::string kind = genre_phrase(facts.genres, liked);
  out += cat("Kind: ", kind.empty() ? "a film" : kind, "\n");
  if (!liked.empty()) out += cat("You like: ", join_words(genre_plurals(liked)), "\n");
  return out + "Sentence:";
}

std::string Explainer::prompt(const ReasonFacts& facts) { return cat(prompt_prefix(has_liked_genre(facts)), prompt_block(facts)); }

std::string plain_line(std::string_view text, size_t max_bytes) {
  const std::string clean = text::sanitize_utf8(text);
  std::string out;
  for (size_t at = 0; at < clean.size();) {
    const text::Utf8Char c = text::decode_utf8(clean, at);
    const bool control = c.code < 0x20 || (c.code >= 0x7F && c.code < 0xA0) || c.code == 0x2028 || c.code == 0x2029 || c.code == ' ';
    if (control) {
      if (!out.empty() && out.back() != ' ') out.push_back(' ');
    } else {
      if (out.size() + c.size > max_bytes) break;
      out.append(clean, at, c.size);
    }
    at += c.size;
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::vector<std::string> shared_genres(const std::vector<std::string>& genres, const std::vector<std::string>& taste) {
  std::vector<std::string> out;
  for (const std::string& genre : genres) {
    const std::string key = genre_key(genre);
    if (std::any_of(taste.begin(), taste.end(), [&](const std::string& other) { return genre_key(other) == key; })) out.push_back(genre);
  }
  return out;
}

std::string join_words(const std::vector<std::string>& words) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i) out += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  return out;
}

FirstSentence first_sentence(std::string_view generated, std::string_view title) {
  const size_t line = generated.find('\n');
  const std::string_view text = generated.substr(0, line);
  FirstSentence out;
  out.complete = line != std::string_view::npos;
  size_t end = text.size();
  for (size_t at = 0; at < text.size(); ++at) {
    if (!title.empty() && text.substr(at, title.size()) == title) {
      at += title.size() - 1;
      continue;
    }
    if (!out.complete && title.starts_with(text.substr(at))) break;  // the title is being written: "Mr. "
    const char c = text[at];
    if ((c == '.' || c == '!' || c == '?') && at + 1 < text.size() && text[at + 1] == ' ') {
      end = at + 1;
      out.complete = true;
      break;
    }
  }
  out.text = std::string(text::trim(text.substr(0, end)));
  return out;
}

}  // namespace attune::assist
