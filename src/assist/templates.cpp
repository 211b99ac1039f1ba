// Sentences that follow from the facts by construction: what is shown when no model wrote an acceptable one.
#include "assist/explain.h"
#include "assist/explain_internal.h"
#include "assist/grounding_internal.h"
#include "core/error.h"
#include "data/title.h"

namespace attune::assist {
namespace {

std::string capitalised(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z') text.front() = static_cast<char>(text.front() - 32);
  return text;
}

std::string with_liked(const std::string& title, const std::string& year, const std::string& kind, const std::string& liked,
                       uint64_t variant) {
  const std::string dated = year.empty() ? title : cat(title, " (", year, ")");
  const std::string from = year.empty() ? title : cat(title, " from ", year);
  switch (variant % 6) {
    case 0: return cat("Since you like ", liked, ", ", from, " may be one to see.");
    case 1: return cat("Your liking for ", liked, " points to ", dated, ", ", kind, ".");
    case 2: return cat("For the ", liked, " that you enjoy, try ", from, ".");
    case 3: return cat("You enjoy ", liked, ", so my suggestion is ", from, ", ", kind, ".");
    case 4: return cat(dated, " is ", kind, ", and you like ", liked, ".");
    default: return cat("Because you favour ", liked, ", take a look at ", dated, ".");
  }
}

std::string without_liked(const std::string& title, const std::string& year, const std::string& kind, uint64_t variant) {
  const std::string dated = year.empty() ? title : cat(title, " (", year, ")");
  if (kind.empty()) return year.empty() ? cat("My suggestion is ", title, ".") : cat(title, " came out in ", year, ".");
  switch (variant % 3) {
    case 0: return year.empty() ? cat(title, " is ", kind, ".") : cat(title, " is ", kind, " from ", year, ".");
    case 1: return cat("If you feel like ", kind, ", there is ", dated, ".");
    default: return cat(capitalised(kind), ": ", dated, ".");
  }
}

}  // namespace

std::string template_reason(const ReasonFacts& facts, uint64_t variant) {
  const std::string title = plain_line(data::parse_title(facts.title).display_title, 120);
  const std::string year = facts.year ? std::to_string(*facts.year) : "";
  const std::vector<std::string> shared = shared_genres(facts.genres, facts.user_likes);
  const std::string kind = genre_phrase(facts.genres, shared);
  const std::vector<std::string> liked = genre_plurals(shared);
  const std::string first =
      liked.empty() ? without_liked(title, year, kind, variant) : with_liked(title, year, kind, join_words(liked), variant);
  if (check_reason(facts, first).accepted()) return first;
  // A title whose letters the check cannot read, or genres with words it lacks: the plainest sentence there is.
  return year.empty() ? cat(title, " is the suggestion.") : cat(title, " came out in ", year, ".");
}

}  // namespace attune::assist
