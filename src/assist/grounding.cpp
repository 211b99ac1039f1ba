#include "assist/grounding.h"

#include "assist/grounding_internal.h"

namespace attune::assist {

std::string_view reason_fault_name(ReasonFault fault) noexcept {
  switch (fault) {
    case ReasonFault::kNone: return "none";
    case ReasonFault::kWrongYear: return "wrong_year";
    case ReasonFault::kWrongGenre: return "wrong_genre";
    case ReasonFault::kWrongTitle: return "wrong_title";
    case ReasonFault::kInventedPerson: return "invented_person";
    case ReasonFault::kInventedPlot: return "invented_plot";
    case ReasonFault::kInventedAward: return "invented_award";
    case ReasonFault::kContradictsTaste: return "contradicts_taste";
    case ReasonFault::kOtherItem: return "other_item";
    case ReasonFault::kForm: return "form";
  }
  return "none";
}

Verdict check_reason(const ReasonFacts& facts, std::string_view sentence, const TitleIndex* other_titles) {
  if (sentence.empty() || sentence.size() > kMaxReasonBytes) return {ReasonFault::kForm, "empty, or too long"};
  std::string symbols = facts.title;
  for (const std::string& favourite : facts.user_favourites) symbols += favourite;
  auto tokens = read_tokens(sentence, symbols);
  if (!tokens || tokens->empty()) return {ReasonFault::kForm, "a character that no sentence needs"};
  if (Verdict verdict = mark_titles(*tokens, facts, other_titles); !verdict.accepted()) return verdict;
  if (Verdict verdict = mark_years(*tokens, facts.year); !verdict.accepted()) return verdict;
  GenreTable genres(facts);
  if (Verdict verdict = mark_words(*tokens, genres); !verdict.accepted()) return verdict;
  return judge_claims(*tokens, genres);
}

}  // namespace attune::assist
