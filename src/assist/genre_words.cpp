#include <algorithm>
#include <map>
#include <unordered_map>

#include "assist/grounding_internal.h"

namespace attune::assist {
namespace {

using Words = std::vector<std::string>;

struct GenreWords {
  std::string_view genre;    ///< MovieLens spelling
  std::string_view phrases;  ///< '|' between phrases; hyphens are spaces
};

// Words that claim the genre and no more than the genre. What claims more (gangster, cowboy, whodunit, gripping) is left out, so it is refused.
constexpr GenreWords kGenreWords[] = {
    {"Action", "action"},
    {"Adventure", "adventure|adventures|adventurous"},
    {"Animation", "animation|animated|animations|cartoon|cartoons"},
    {"Children's", "children 's|children|childrens|kids|kids '|kid 's|family|the whole family|the little ones"},
    {"Comedy", "comedy|comedies|comic|comedic|funny|humour|humor|humorous|laughs|laughter|laugh"},
    {"Crime", "crime|crimes"},
    {"Documentary", "documentary|documentaries"},
    {"Drama", "drama|dramas|dramatic"},
    {"Fantasy", "fantasy|fantasies"},
    {"Film-Noir", "film noir|films noirs|film noirs|films noir|noir|noirs"},
    {"Horror", "horror|horrors|scary|scares|scare|frights|fright"},
    {"Musical", "musical|musicals|songs|song"},
    {"Mystery", "mystery|mysteries"},
    {"Romance", "romance|romances|romantic|love story|love stories"},
    {"Sci-Fi", "sci fi|scifi|sf|science fiction"},
    {"Thriller", "thriller|thrillers|suspense|thrills"},
    {"War", "war|wars"},
    {"Western", "western|westerns"},
};

Words split_words(std::string_view phrase) {
  Words out;
  for (size_t at = 0; at < phrase.size();) {
    const size_t end = std::min(phrase.find(' ', at), phrase.size());
    if (end > at) out.emplace_back(phrase.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

struct Entry {
  Words words;
  std::string_view genre;
};
using Table = std::unordered_map<std::string, std::vector<Entry>>;  // by first word

const Table& table() {
  static const Table built = [] {
    Table out;
    for (const GenreWords& row : kGenreWords) {
      for (size_t at = 0; at < row.phrases.size();) {
        const size_t end = std::min(row.phrases.find('|', at), row.phrases.size());
        Words words = split_words(row.phrases.substr(at, end - at));
        std::string first = words.front();
        out[std::move(first)].push_back({std::move(words), row.genre});
        at = end + 1;
      }
    }
    return out;
  }();
  return built;
}

}  // namespace

PhraseMatch match_genre_word(const Tokens& tokens, size_t at) {
  PhraseMatch best;
  const auto found = table().find(tokens[at].text);
  if (found == table().end()) return best;
  for (const Entry& entry : found->second) {
    if (entry.words.size() <= best.length || !starts_with_words(tokens, at, entry.words)) continue;
    best.length = entry.words.size();
    best.entry.kind = WordKind::kGenre;
    best.entry.genre = entry.genre;
  }
  return best;
}

std::string genre_key(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z') {
      key.push_back(static_cast<char>(c + 32));
    } else if (c != '\'' && c != '-' && c != ' ' && c != '_') {
      key.push_back(c);
    }
  }
  if (key == "children" || key == "childrens" || key == "kids" || key == "family") return "childrens";
  if (key == "sciencefiction" || key == "scifi") return "scifi";
  if (key == "noir") return "filmnoir";
  if (key == "music") return "music";
  return key;
}

// --- the genres of one check

GenreTable::GenreTable(const ReasonFacts& facts) {
  for (const GenreWords& row : kGenreWords) find(row.genre);
  const auto num_lexicon = static_cast<int>(names_.size());
  add(facts.genres, 1);
  add(facts.user_likes, 2);
  add(facts.user_dislikes, 4);
  for (int genre = num_lexicon; genre < static_cast<int>(names_.size()); ++genre) {
    const auto read = read_tokens(names_[static_cast<size_t>(genre)]);
    Words words;
    if (read) {
      for (const Token& token : *read) {
        if (token.kind != WordKind::kPunct) words.push_back(token.text);
      }
    }
    // A genre without letters, or called "unknown", cannot be talked about.
    if (!words.empty() && words.front() != "unknown" && words.front() != "no") own_names_.emplace_back(genre, std::move(words));
  }
}

int GenreTable::find(std::string_view name) {
  std::string key = genre_key(name);
  const auto found = std::find(keys_.begin(), keys_.end(), key);
  if (found != keys_.end()) return static_cast<int>(found - keys_.begin());
  names_.emplace_back(name);
  keys_.push_back(std::move(key));
  flags_.push_back(0);
  return static_cast<int>(names_.size()) - 1;
}

void GenreTable::add(const std::vector<std::string>& list, uint8_t bit) {
  for (const std::string& name : list) {
    const auto genre = static_cast<size_t>(find(name));
    flags_[genre] = static_cast<uint8_t>(flags_[genre] | bit);
  }
}

std::pair<int, size_t> GenreTable::match_own_name(const Tokens& tokens, size_t at) const {
  std::pair<int, size_t> best{-1, 0};
  for (const auto& [genre, words] : own_names_) {
    if (words.size() > best.second && starts_with_words(tokens, at, words)) best = {genre, words.size()};
    Words plural = words;
    plural.back() += "s";
    if (plural.size() > best.second && starts_with_words(tokens, at, plural)) best = {genre, plural.size()};
  }
  return best;
}

int GenreTable::count(uint8_t bits) const {
  int total = 0;
  for (const uint8_t flags : flags_) total += (flags & bits) == bits ? 1 : 0;
  return total;
}

int GenreTable::num_item() const { return count(1); }
int GenreTable::num_liked() const { return count(1 | 2); }
int GenreTable::num_disliked() const { return count(1 | 4); }
bool GenreTable::any_dislikes() const { return count(4) > 0; }

}  // namespace attune::assist
