// Titles as catalogues write them.
#include "data/title.h"

#include <gtest/gtest.h>

namespace attune::data {
namespace {

struct Case {
  const char* text;
  const char* title;
  const char* display;
  int year;  // 0 = none
  std::vector<std::string> alternates;
};

TEST(Title, Table) {
  const Case cases[] = {
      {"Toy Story (1995)", "Toy Story", "Toy Story", 1995, {}},
      {"Third Man, The (1949)", "Third Man, The", "The Third Man", 1949, {}},
      {"Beautiful Mind, A (2001)", "Beautiful Mind, A", "A Beautiful Mind", 2001, {}},
      {"Affair to Remember, An (1957)", "Affair to Remember, An", "An Affair to Remember", 1957, {}},
      {"Misérables, Les (1995)", "Misérables, Les", "Les Misérables", 1995, {}},
      {"Avventura, L' (1960)", "Avventura, L'", "L'Avventura", 1960, {}},
      {"Nosferatu (Nosferatu, eine Symphonie des Grauens) (1922)",
       "Nosferatu (Nosferatu, eine Symphonie des Grauens)",
       "Nosferatu",
       1922,
       {"Nosferatu, eine Symphonie des Grauens"}},
      {"City of Lost Children, The (Cité des enfants perdus, La) (1995)",
       "City of Lost Children, The (Cité des enfants perdus, La)",
       "The City of Lost Children",
       1995,
       {"La Cité des enfants perdus"}},
      {"Seven (a.k.a. Se7en) (1995)", "Seven (a.k.a. Se7en)", "Seven", 1995, {"Se7en"}},
      {"Godzilla 1985 (Gojira) (Godzilla) (Return of Godzilla, The) (1984)",
       "Godzilla 1985 (Gojira) (Godzilla) (Return of Godzilla, The)",
       "Godzilla 1985",
       1984,
       {"Gojira", "Godzilla", "The Return of Godzilla"}},
      {"Dead Snow 2: Red vs. Dead (2014) ", "Dead Snow 2: Red vs. Dead", "Dead Snow 2: Red vs. Dead", 2014, {}},
      {"Death Note: Desu nôto (2006–2007)", "Death Note: Desu nôto", "Death Note: Desu nôto", 2006, {}},
      {"Fawlty Towers (1975-1979)", "Fawlty Towers", "Fawlty Towers", 1975, {}},
      {"Evangelion: 2.0 You Can (Not) Advance (Evangerion shin gekijôban: Ha) (2009)",
       "Evangelion: 2.0 You Can (Not) Advance (Evangerion shin gekijôban: Ha)",
       "Evangelion: 2.0 You Can (Not) Advance",
       2009,
       {"Evangerion shin gekijôban: Ha"}},
      {"(500) Days of Summer (2009)", "(500) Days of Summer", "(500) Days of Summer", 2009, {}},
      {"\"Great Performances\" Cats (1998)", "\"Great Performances\" Cats", "\"Great Performances\" Cats", 1998, {}},
      {"Babylon 5", "Babylon 5", "Babylon 5", 0, {}},
      {"1984", "1984", "1984", 0, {}},
      {"(1995)", "(1995)", "(1995)", 0, {}},  // a lone group is the title
      {"Movie (99999)", "Movie (99999)", "Movie", 0, {"99999"}},
      {"Movie (0042)", "Movie (0042)", "Movie", 0, {"0042"}},
      {"Eat Drink Man Woman, Love (1994)", "Eat Drink Man Woman, Love", "Eat Drink Man Woman, Love", 1994, {}},
      {"", "", "", 0, {}},
      {"  \t ", "", "", 0, {}},
      {"Two\nlines\r\n(1990)", "Two lines", "Two lines", 1990, {}},
      {")(", ")(", ")(", 0, {}},
      {"Open ((x) (1990)", "Open ((x)", "Open (", 1990, {"x"}},
      {", The (1990)", ", The", ", The", 1990, {}},
      {"Film ()", "Film ()", "Film", 0, {}},
  };
  for (const auto& c : cases) {
    const auto parsed = parse_title(c.text);
    EXPECT_EQ(parsed.title, c.title) << c.text;
    EXPECT_EQ(parsed.display_title, c.display) << c.text;
    EXPECT_EQ(parsed.year.value_or(0), c.year) << c.text;
    EXPECT_EQ(parsed.alternates, c.alternates) << c.text;
  }
}

TEST(Title, ArticleOnlyWhenKnown) {
  EXPECT_EQ(move_article_to_front("Good, the Bad and the Ugly, The"), "The Good, the Bad and the Ugly");
  EXPECT_EQ(move_article_to_front("Crouching Tiger, Hidden Dragon"), "Crouching Tiger, Hidden Dragon");
  EXPECT_EQ(move_article_to_front("I, Robot"), "I, Robot");
  EXPECT_EQ(move_article_to_front("Postino, Il"), "Il Postino");
}

}  // namespace
}  // namespace attune::data
