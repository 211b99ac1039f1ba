// Tables of labelled sentences: "label|title|year|genres|likes|dislikes|sentence", lists by commas. Lines that begin with # are comments.
#pragma once

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "assist/grounding.h"

namespace attune::assist {

struct Labelled {
  std::string label;
  ReasonFacts facts;
  std::string sentence;
};

inline std::vector<std::string> split_list(const std::string& text, char mark) {
  std::vector<std::string> out;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, mark);) {
    if (!part.empty() || mark == '|') out.push_back(part);
  }
  return out;
}

/// `with_label` false: the first field is missing and the label is "grounded".
inline std::vector<Labelled> read_labelled(const std::string& name, bool with_label) {
  std::ifstream in(std::string(ATTUNE_SOURCE_DIR) + "/tests/assist/data/" + name);
  std::vector<Labelled> out;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> fields = split_list(line, '|');
    if (!with_label) fields.insert(fields.begin(), "grounded");
    Labelled row;
    row.label = fields.at(0);
    row.facts.title = fields.at(1);
    row.facts.year = std::stoi(fields.at(2));
    row.facts.genres = split_list(fields.at(3), ',');
    row.facts.user_likes = split_list(fields.at(4), ',');
    row.facts.user_dislikes = split_list(fields.at(5), ',');
    row.sentence = fields.at(6);
    out.push_back(std::move(row));
  }
  return out;
}

}  // namespace attune::assist
