#include "assist/grounding.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "tests/assist/labelled.h"

namespace attune::assist {
namespace {

ReasonFacts facts(std::string title, int year, std::vector<std::string> genres, std::vector<std::string> likes = {},
                  std::vector<std::string> dislikes = {}) {
  return {std::move(title), year, std::move(genres), std::move(likes), std::move(dislikes), {}};
}

std::string verdict_of(const ReasonFacts& f, std::string_view sentence, const TitleIndex* titles = nullptr) {
  const Verdict verdict = check_reason(f, sentence, titles);
  return std::string(reason_fault_name(verdict.fault)) + " " + verdict.detail;
}

#define EXPECT_ACCEPTED(f, ...) EXPECT_TRUE(check_reason(f, __VA_ARGS__).accepted()) << verdict_of(f, __VA_ARGS__)
#define EXPECT_FAULT(wanted, f, ...) EXPECT_EQ(check_reason(f, __VA_ARGS__).fault, ReasonFault::wanted) << verdict_of(f, __VA_ARGS__)

TEST(GroundingTable, NoUngroundedSentencePasses) {
  const auto rows = read_labelled("ungrounded.txt", true);
  ASSERT_GE(rows.size(), 200u);
  std::map<std::string, int> counts;
  for (const Labelled& row : rows) {
    ++counts[row.label];
    EXPECT_FALSE(check_reason(row.facts, row.sentence).accepted()) << row.label << ": " << row.sentence;
  }
  for (const char* fault : {"wrong_year", "wrong_genre", "wrong_title", "invented_person", "invented_plot", "invented_award",
                            "contradicts_taste", "other_item"}) {
    EXPECT_GE(counts[fault], 15) << fault;
  }
}

TEST(GroundingTable, FewGroundedSentencesFail) {
  const auto rows = read_labelled("grounded.txt", false);
  ASSERT_GE(rows.size(), 100u);
  size_t rejected = 0;
  for (const Labelled& row : rows) rejected += check_reason(row.facts, row.sentence).accepted() ? 0 : 1;
  EXPECT_LE(rejected * 10, rows.size()) << rejected;
}

/// An accepted sentence stops being true when a fact that it states is taken away.
TEST(GroundingTable, AcceptedSentencesDependOnTheirFacts) {
  size_t checked = 0;
  for (const Labelled& row : read_labelled("grounded.txt", false)) {
    if (!check_reason(row.facts, row.sentence).accepted()) continue;
    ReasonFacts changed = row.facts;
    changed.title = "Zorba";
    EXPECT_FALSE(check_reason(changed, row.sentence).accepted()) << "title: " << row.sentence;
    if (row.sentence.find(std::to_string(*row.facts.year)) != std::string::npos) {
      changed = row.facts;
      changed.year = *row.facts.year + 1;
      EXPECT_FALSE(check_reason(changed, row.sentence).accepted()) << "year: " << row.sentence;
      ++checked;
    }
    if (row.sentence.find("nties") != std::string::npos || row.sentence.find("rties") != std::string::npos ||
        row.sentence.find("fties") != std::string::npos) {
      changed = row.facts;
      changed.year = *row.facts.year + 10;
      EXPECT_FALSE(check_reason(changed, row.sentence).accepted()) << "decade: " << row.sentence;
      ++checked;
    }
  }
  EXPECT_GE(checked, 30u);
}

TEST(GroundingTable, NamedGenresMustBeTheItems) {
  const std::map<std::string, std::string> word = {{"Crime", "crime"},   {"Drama", "drama"},     {"Comedy", "comedy"},
                                                   {"War", "war "},      {"Western", "western"}, {"Sci-Fi", "sci-fi"},
                                                   {"Horror", "horror"}, {"Musical", "musical"}, {"Mystery", "mystery"}};
  size_t checked = 0;
  for (const Labelled& row : read_labelled("grounded.txt", false)) {
    if (!check_reason(row.facts, row.sentence).accepted()) continue;
    for (const auto& [genre, text] : word) {
      ReasonFacts changed = row.facts;
      if (std::erase(changed.genres, genre) == 0 || row.sentence.find(" " + text) == std::string::npos) continue;
      EXPECT_FALSE(check_reason(changed, row.sentence).accepted()) << genre << ": " << row.sentence;
      ++checked;
    }
  }
  EXPECT_GE(checked, 60u);
}

TEST(GroundingTable, EvaluationSet) {
  const char* shared = std::getenv("ATTUNE_SHARED_DATA");
  const std::string path =
      std::string(shared != nullptr ? shared : std::string(ATTUNE_SOURCE_DIR) + "/../shared/data") + "/../eval/reasons.jsonl";
  std::ifstream in(path);
  if (!in) GTEST_SKIP() << "no " << path;
  int grounded = 0;
  int rejected = 0;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    const ReasonFacts f = {json["title"], json["year"].get<int>(), json["genres"], json["user_likes"], json["user_dislikes"], {}};
    const bool accepted = check_reason(f, json["sentence"].get<std::string>()).accepted();
    if (json["grounded"].get<bool>()) {
      ++grounded;
      rejected += accepted ? 0 : 1;
    } else {
      EXPECT_FALSE(accepted) << json["sentence"];
    }
  }
  EXPECT_LE(5 * rejected, grounded);
}

TEST(Grounding, TitlesInTheirNaturalForms) {
  const auto third = facts("Third Man, The", 1949, {"Mystery"});
  EXPECT_ACCEPTED(third, "The Third Man is a mystery.");
  EXPECT_ACCEPTED(third, "Third Man is a mystery.");
  EXPECT_ACCEPTED(third, "A mystery: \"The Third Man\".");
  EXPECT_FAULT(kWrongTitle, third, "The third man is a mystery.");
  const auto kitchen = facts("M*A*S*H", 1970, {"Comedy", "War"});
  EXPECT_ACCEPTED(kitchen, "M*A*S*H is a war comedy.");
  EXPECT_ACCEPTED(facts("City of Lost Children, The (Cité des enfants perdus, La)", 1995, {"Sci-Fi"}),
                  "La Cité des enfants perdus is sci-fi from 1995.");
  EXPECT_ACCEPTED(facts("Amélie (2001)", 2001, {"Romance"}), "Amelie is a romance.");
  EXPECT_ACCEPTED(facts("Schindler's List", 1993, {"Drama"}), "Schindler’s List is a drama — from 1993.");
  EXPECT_ACCEPTED(facts("When Harry Met Sally...", 1989, {"Comedy"}), "When Harry Met Sally... is a comedy.");
  EXPECT_ACCEPTED(facts("Secrets & Lies", 1996, {"Drama"}), "Secrets and Lies is a drama from 1996.");
  EXPECT_ACCEPTED(facts("2001: A Space Odyssey", 1968, {"Sci-Fi"}), "2001: A Space Odyssey is sci-fi from 1968.");
  EXPECT_ACCEPTED(facts("8 1/2", 1963, {"Drama"}), "8 1/2 is a drama from 1963.");
  EXPECT_ACCEPTED(facts("E.T. the Extra-Terrestrial", 1982, {"Sci-Fi"}), "E.T. the Extra-Terrestrial is sci-fi.");
}

TEST(Grounding, OtherTitlesOfTheCatalogue) {
  const TitleIndex index({"Fargo", "Heat", "Only You", "Contact", "War, The", "Free Willy 2: The Adventure Home", "Free Willy", "Die Hard",
                          "Die Hard: With a Vengeance"},
                         true);
  const auto fargo = facts("Fargo", 1996, {"Crime", "War"}, {"Crime"});
  EXPECT_FAULT(kOtherItem, fargo, "Fargo is a crime film, and so is Only You.", &index);
  EXPECT_FAULT(kOtherItem, fargo, "Fargo is a crime film like Heat.", &index);
  EXPECT_FAULT(kOtherItem, fargo, "The War and Fargo are crime films.", &index);
  EXPECT_ACCEPTED(fargo, "Fargo is a war film with crime.", &index);
  // A short form counts only if the whole catalogue is known and nothing else begins like it.
  const auto willy = facts("Free Willy 2: The Adventure Home", 1995, {"Adventure"});
  EXPECT_ACCEPTED(willy, "Free Willy 2 is an adventure from 1995.", &index);
  EXPECT_FALSE(check_reason(willy, "Free Willy 2 is an adventure from 1995.").accepted());
  const auto hard = facts("Die Hard: With a Vengeance", 1995, {"Action"});
  EXPECT_FALSE(check_reason(hard, "Die Hard is an action film.", &index).accepted());
  EXPECT_FAULT(kOtherItem, facts("Die Hard", 1988, {"Action"}), "Die Hard: With a Vengeance is an action film.", &index);
}

TEST(Grounding, FavouritesMayBeNamedAsLiked) {
  ReasonFacts f = facts("Fargo", 1996, {"Crime"}, {"Crime"});
  f.user_favourites = {"Heat", "Usual Suspects, The"};
  const TitleIndex index({"Fargo", "Heat", "Usual Suspects, The", "Contact"});
  EXPECT_ACCEPTED(f, "Because you liked Heat, try Fargo, a crime film.", &index);
  EXPECT_ACCEPTED(f, "You liked Heat and The Usual Suspects, so here is Fargo.", &index);
  EXPECT_FAULT(kOtherItem, f, "Because you liked Contact, try Fargo, a crime film.", &index);
  EXPECT_FALSE(check_reason(f, "Fargo is a crime film like Heat.", &index).accepted());
  EXPECT_FALSE(check_reason(f, "You disliked Heat, so try Fargo.", &index).accepted());
}

TEST(Grounding, GenresOutsideTheUsualList) {
  const auto f = facts("Selma", 2014, {"Biography", "History"}, {"Biography"}, {"Sport"});
  EXPECT_ACCEPTED(f, "Selma is a biography, and you like that genre.");
  EXPECT_ACCEPTED(f, "Selma is biography and history from 2014, and biography is what you like.");
  EXPECT_FAULT(kWrongGenre, f, "Selma is a sport biography.");
  EXPECT_ACCEPTED(facts("Up", 2009, {"Animation", "Children"}, {"Children"}), "Up is animation for children, which you like.");
}

TEST(Grounding, NoYearMeansNoYearClaim) {
  ReasonFacts f = facts("Fargo", 0, {"Crime"});
  f.year = std::nullopt;
  EXPECT_FAULT(kWrongYear, f, "Fargo is a crime film from 1996.");
  EXPECT_ACCEPTED(f, "Fargo is a crime film.");
}

TEST(Grounding, YearsInEveryWording) {
  const auto f = facts("M", 1994, {"Drama"});
  for (const char* good : {"1994", "'94", "the nineties", "the 1990s", "the 90s", "the '90s", "the mid-nineties", "nineteen ninety-four",
                           "the twentieth century", "the first half of the nineties", "the middle of the 1990s", "the year 1994"}) {
    EXPECT_ACCEPTED(f, std::string("M is a drama from ") + good + ".");
  }
  for (const char* bad : {"1995", "'95", "94", "the eighties", "the 1890s", "the 80s", "the late nineties", "the end of the nineties",
                          "nineteen ninety-five", "the 1900s", "the second half of the nineties", "1994 or 1995", "199", "19940",
                          "the year 2000", "MCMXCIV", "the nineteenth century"}) {
    EXPECT_FALSE(check_reason(f, std::string("M is a drama from ") + bad + ".").accepted()) << bad;
  }
  EXPECT_ACCEPTED(f, "M is a drama made before 2000.");
  EXPECT_ACCEPTED(f, "M is a drama made after 1990.");
  EXPECT_FALSE(check_reason(f, "M is a drama made before 1994.").accepted());
  EXPECT_FALSE(check_reason(f, "M is a drama made after 1994.").accepted());
  EXPECT_ACCEPTED(facts("M", 2001, {"Drama"}), "M is a drama from two thousand and one.");
  EXPECT_ACCEPTED(facts("M", 1908, {"Drama"}), "M is a drama from nineteen oh eight.");
}

TEST(Grounding, FormIsRefused) {
  const auto f = facts("Fargo", 1996, {"Crime"});
  EXPECT_FAULT(kForm, f, "");
  EXPECT_FAULT(kForm, f, std::string(kMaxReasonBytes + 1, 'a'));
  EXPECT_FAULT(kForm, f, "Fargo is crime\nand more.");
  EXPECT_FAULT(kForm, f, std::string_view("Fargo is \0 crime.", 17));
  EXPECT_FAULT(kForm, f, "Fargo is crime \xff.");
  EXPECT_FAULT(kForm, f, "Fargo is crime \xf0\x9f\x98\x80.");
  EXPECT_FAULT(kForm, f, "<b>Fargo</b> is crime.");
}

/// Random bytes, random words: nothing breaks, and nothing that lacks the title passes.
TEST(Grounding, RandomTextIsHandled) {
  const std::vector<std::string> words = {"Fargo", "is",   "a", "crime",   "film", "from",   "1996",  "you",  "like",      "both", "not",
                                          "no",    "none", ",", ".",       "two",  "genres", "of",    "your", "favourite", "only", "the",
                                          "'s",    "(",    ")", "western", "and",  "but",    "avoid", "if",   "it"};
  const auto f = facts("Fargo", 1996, {"Crime"}, {"Crime"}, {"War"});
  const auto empty = facts("", 1996, {});
  Rng rng(7, "random sentences");
  for (int round = 0; round < 3000; ++round) {
    std::string sentence;
    const uint64_t length = 1 + rng.below(14);
    for (uint64_t i = 0; i < length; ++i) sentence += (i > 0 ? " " : "") + words[rng.below(words.size())];
    const Verdict verdict = check_reason(f, sentence);
    if (verdict.accepted()) {
      EXPECT_NE(sentence.find("Fargo"), std::string::npos);
    }
    EXPECT_FALSE(check_reason(empty, sentence).accepted());
    std::string bytes;
    for (uint64_t i = 0; i < length * 4; ++i) bytes.push_back(static_cast<char>(rng.below(256)));
    EXPECT_FALSE(check_reason(f, bytes).accepted());
  }
}

}  // namespace
}  // namespace attune::assist
