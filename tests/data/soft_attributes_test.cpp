// SoftAttributes: both spellings of lists, pairs of a sheet by hand, the join by titles, bad rows, and the real file where it is present.
#include "data/soft_attributes.h"

#include <map>

#include "data/read.h"
#include "tests/data/temp_folder.h"

namespace attune::data {
namespace {

using Strings = std::vector<std::string>;
const std::string kHeader = "rater_id,reference_title,soft_attribute,less_than,about_as,more_than\n";

class SoftAttributesTest : public TempFolderTest {
 protected:
  SoftSheets read(const std::string& rows, double max_bad_share = 0.01) const {
    put("soft.csv", kHeader + rows);
    return read_soft_attributes(folder_ / "soft.csv", max_bad_share);
  }
  static Dataset catalogue() {
    Dataset out;
    const auto add = [&](const char* key, const char* title, int year) {
      out.items.add(key);
      ItemInfo info;
      info.title = info.display_title = title;
      info.year = year;
      out.item_info.push_back(info);
    };
    add("1", "Matrix, The", 1999);
    add("2", "Up", 2009);
    add("3", "Crouching Tiger, Hidden Dragon", 2000);
    add("4", "Alien", 1979);
    add("5", "Heat", 1995);
    out.users.add("u");
    return out;
  }
};

TEST_F(SoftAttributesTest, ListsInBothSpellings) {
  EXPECT_EQ(parse_title_list(""), Strings{});
  EXPECT_EQ(parse_title_list("Up (2009)"), (Strings{"Up (2009)"}));
  EXPECT_EQ(parse_title_list("Up (2009), Heat (1995)"), (Strings{"Up (2009)", "Heat (1995)"}));
  EXPECT_EQ(parse_title_list(R"(["a, b","c"])"), (Strings{"a, b", "c"}));
  EXPECT_EQ(parse_title_list(R"( [ "say \"x\"", "é" ] )"), (Strings{"say \"x\"", "é"}));
  EXPECT_EQ(parse_title_list("[]"), Strings{});
  for (const char* bad : {"[", "[1]", "[\"a\"", "[\"a\"] b", "a,,b", "[\"\"]", "[[\"a\"]]"}) {
    expect_error(ErrorCode::kCorruptData, "[title list]", [&] { parse_title_list(bad); });
  }
  expect_error(ErrorCode::kCorruptData, "bytes", [&] { parse_title_list(std::string(2000, 'x')); });
}

TEST_F(SoftAttributesTest, PairsOfASheetByHand) {
  const auto sheets = read(
      "7,The Matrix (1999),Action Filled,Up (2009),\"[\"\"Crouching Tiger, Hidden Dragon (2000)\"\"]\",\"Alien (1979),Heat (1995)\"\n");
  ASSERT_EQ(sheets.sheets.size(), 1u);
  EXPECT_EQ(sheets.sheets[0].attribute, "action filled");
  const auto joined = join_soft_attributes(sheets, catalogue());
  ASSERT_EQ(joined.attributes.size(), 1u);
  ASSERT_EQ(joined.attributes[0].raters.size(), 1u);
  std::map<std::pair<int, int>, int> found;
  for (const auto& pair : joined.attributes[0].raters[0].pairs) found[{pair.better.value, pair.worse.value}] = pair.strength;
  // rows: Matrix 0 (reference), Up 1 (less), Tiger 2 (same), Alien 3 and Heat 4 (more)
  const std::map<std::pair<int, int>, int> expected = {{{0, 1}, 1}, {{3, 0}, 1}, {{4, 0}, 1}, {{2, 1}, 1}, {{3, 2}, 1},
                                                       {{4, 2}, 1}, {{3, 1}, 2}, {{4, 1}, 2}, {{0, 2}, 0}};
  EXPECT_EQ(found, expected);
  EXPECT_EQ(joined.num_pairs[0], 1);
  EXPECT_EQ(joined.num_pairs[1], 6);
  EXPECT_EQ(joined.num_pairs[2], 2);
  EXPECT_EQ(joined.report.num_joined, 5);
  EXPECT_TRUE(joined.report.unjoined.empty());
}

TEST_F(SoftAttributesTest, UnjoinedTitlesAreCountedAndListed) {
  const auto sheets = read("1,Nowhere (1901),funny,Up (2009),,Heat (1995)\n1,Up (2009),funny,Heat (1996),,Alien (1979)\n");
  const auto joined = join_soft_attributes(sheets, catalogue());
  EXPECT_EQ(joined.num_skipped_sheets, 1);
  EXPECT_EQ(joined.report.unjoined, (Strings{"Heat (1996)", "Nowhere (1901)"}));
  EXPECT_EQ(joined.num_pairs[2], 1);  // Up < Heat of the first sheet
  EXPECT_EQ(joined.num_pairs[1], 1);  // Up < Alien
  EXPECT_EQ(joined.num_dropped_pairs, 4);
  EXPECT_EQ(join_soft_attributes(sheets, catalogue(), 1).report.unjoined, (Strings{"Nowhere (1901)"}));
}

TEST_F(SoftAttributesTest, BadRowsAreCountedAndTooManyRefused) {
  const std::string good = "1,Up (2009),funny,Heat (1995),,Alien (1979)\n";
  const std::string bad =
      "1,Up (2009),funny\n"                                    // fields missing
      ",Up (2009),funny,,,Heat (1995)\n"                       // no rater
      "1,Up (2009),,,,Heat (1995)\n"                           // no attribute
      "1,Up (2009),funny,Heat (1995),,Heat (1995)\n"           // twice
      "1,Up (2009),funny,[\"x,,Heat (1995)\n"                  // no list
      "1,Up (2009),funny,Up (2009),,\n";                       // the reference itself
  const auto sheets = read(good + bad, 1.0);
  EXPECT_EQ(sheets.sheets.size(), 1u);
  EXPECT_EQ(sheets.report.num_rows, 7);
  EXPECT_EQ(sheets.report.num_bad_rows, 6);
  ASSERT_EQ(sheets.report.bad_rows.size(), 6u);
  EXPECT_NE(sheets.report.bad_rows[3].reason.find("twice"), std::string::npos);
  expect_error(ErrorCode::kCorruptData, "rows are bad", [&] { read(good + bad); });
  put("soft.csv", "rater_id,reference_title\n");
  expect_error(ErrorCode::kCorruptData, "soft_attribute", [&] { read_soft_attributes(folder_ / "soft.csv"); });
  expect_error(ErrorCode::kNotFound, "none.csv", [&] { read_soft_attributes(folder_ / "none.csv"); });
}

TEST_F(SoftAttributesTest, RealFile) {
  const Path soft = real_data("soft-attributes");
  const Path films = real_data("ml-latest-small");
  if (soft.empty() || films.empty()) GTEST_SKIP() << "not run: data absent";
  const auto sheets = read_soft_attributes(soft / "soft-attributes.csv");
  const auto joined = join_soft_attributes(sheets, read_dataset(films));
  RecordProperty("bad_rows", static_cast<int>(sheets.report.num_bad_rows));
  EXPECT_EQ(static_cast<int64_t>(sheets.sheets.size()) + sheets.report.num_bad_rows, 5991);
  EXPECT_EQ(joined.attributes.size(), 60u);
  EXPECT_EQ(joined.raters.size(), 100);
  EXPECT_LE(joined.report.unjoined.size(), 5u);
  for (const auto& title : joined.report.unjoined) RecordProperty("unjoined", title);
  for (int strength = 0; strength < 3; ++strength) {
    RecordProperty(cat("pairs_", strength), static_cast<int>(joined.num_pairs[strength]));
  }
  RecordProperty("dropped", static_cast<int>(joined.num_dropped_pairs));
  RecordProperty("ambiguous", static_cast<int>(joined.report.num_ambiguous));
  EXPECT_GT(joined.num_pairs[0] + joined.num_pairs[1] + joined.num_pairs[2], 240000);
}

}  // namespace
}  // namespace attune::data
