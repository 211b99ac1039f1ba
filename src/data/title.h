// Film titles as catalogues write them: "Third Man, The (1949)", "Nosferatu (Nosferatu, eine Symphonie des Grauens) (1922)".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune::data {

struct ParsedTitle {
  std::string title;                    ///< as given without the year, outer blanks and line breaks: "Third Man, The"
  std::string display_title;            ///< without trailing parentheses, article in front: "The Third Man"
  std::vector<std::string> alternates;  ///< texts of trailing parentheses, "a.k.a." removed, article in front; no repeats of display_title
  std::optional<int> year;  ///< of a last "(1949)" or "(2006-2007)" (the first year), 1850 to 2100
};

/// Never throws; an empty text gives empty fields.
ParsedTitle parse_title(std::string_view text);

/// "Third Man, The" -> "The Third Man", "Avventura, L'" -> "L'Avventura". Only known articles move (English, French, Italian, Spanish,
/// Portuguese, German, Dutch, Scandinavian); anything else comes back unchanged.
std::string move_article_to_front(std::string_view title);

}  // namespace attune::data
