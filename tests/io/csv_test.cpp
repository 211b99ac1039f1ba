// Delimited text: RFC 4180, the MovieLens files, malformed rows, recovery, limits.
#include "io/csv/csv.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>

#include "core/error.h"
#include "core/rng.h"
#include "tests/io/files.h"

namespace attune::io {
namespace {

using Fields = std::vector<std::string>;

struct Got {
  int64_t line;
  Fields fields;
  std::string error;
  bool invalid_utf8;
};

std::vector<Got> read_all(std::string_view text, CsvOptions options = {}) {
  DelimitedReader reader(text, "t.csv", std::move(options));
  std::vector<Got> out;
  Row row;
  while (reader.next(row)) out.push_back({row.line, Fields(row.fields.begin(), row.fields.end()), row.error, row.invalid_utf8});
  return out;
}

/// Fields of every row; rows must be well-formed.
std::vector<Fields> fields(std::string_view text, CsvOptions options = {}) {
  std::vector<Fields> out;
  for (Got& row : read_all(text, std::move(options))) {
    EXPECT_EQ(row.error, "");
    out.push_back(std::move(row.fields));
  }
  return out;
}

CsvOptions plain(std::string delimiter) {
  CsvOptions options;
  options.delimiter = std::move(delimiter);
  options.quoting = false;
  return options;
}

TEST(Csv, SplitsFields) {
  EXPECT_EQ(fields("a,b,c\n1,2,3\n"), (std::vector<Fields>{{"a", "b", "c"}, {"1", "2", "3"}}));
  EXPECT_EQ(fields("a\tb\n", plain("\t")), (std::vector<Fields>{{"a", "b"}}));
  EXPECT_EQ(fields("a|b||\n", plain("|")), (std::vector<Fields>{{"a", "b", "", ""}}));
  EXPECT_EQ(fields("1::F::1::10::48067\n", plain("::")), (std::vector<Fields>{{"1", "F", "1", "10", "48067"}}));
  EXPECT_EQ(fields("a:b::c:::d\n", plain("::")), (std::vector<Fields>{{"a:b", "c", ":d"}}));
  EXPECT_EQ(fields(""), std::vector<Fields>{});
  EXPECT_EQ(fields(","), (std::vector<Fields>{{"", ""}}));
}

TEST(Csv, LineEndsAndByteOrderMark) {
  EXPECT_EQ(fields("a,b\r\nc,d\r\n"), (std::vector<Fields>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(fields("a,b\nc,d"), (std::vector<Fields>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(fields("a,b\nc,d\r"), (std::vector<Fields>{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(fields("\xef\xbb\xbfuserId,x\n"), (std::vector<Fields>{{"userId", "x"}}));
  EXPECT_EQ(fields("\xef\xbb\xbf\"userId\",x\n"), (std::vector<Fields>{{"userId", "x"}}));
  EXPECT_EQ(fields("a\rb\n"), (std::vector<Fields>{{"a\rb"}}));
  EXPECT_EQ(fields("a\n\n\r\nb\n"), (std::vector<Fields>{{"a"}, {"b"}}));
  CsvOptions keep;
  keep.skip_empty_lines = false;
  EXPECT_EQ(fields("a\n\nb\n", keep), (std::vector<Fields>{{"a"}, {""}, {"b"}}));
}

TEST(Csv, Quotes) {
  EXPECT_EQ(fields("11,\"American President, The (1995)\",Comedy\n"),
            (std::vector<Fields>{{"11", "American President, The (1995)", "Comedy"}}));
  EXPECT_EQ(fields("\"a \"\"b\"\" c\",\"\",\"\"\"\"\r\n"), (std::vector<Fields>{{"a \"b\" c", "", "\""}}));
  EXPECT_EQ(fields("\"two\r\nlines\",x\ny,z"), (std::vector<Fields>{{"two\r\nlines", "x"}, {"y", "z"}}));
  EXPECT_EQ(fields("a\"b\",c\n"), (std::vector<Fields>{{"a\"b\"", "c"}}));  // a quote inside a field is an ordinary character
  EXPECT_EQ(fields("x,\"y\""), (std::vector<Fields>{{"x", "y"}}));
  EXPECT_EQ(fields("x,\"y\","), (std::vector<Fields>{{"x", "y", ""}}));
  EXPECT_EQ(fields("\"a\"\t\"b\tc\"\n",
                   [] {
                     CsvOptions o;
                     o.delimiter = "\t";
                     return o;
                   }()),
            (std::vector<Fields>{{"a", "b\tc"}}));
}

/// Titles of ml-10m begin with a quote; a reader that takes it for quoting swallows the following lines.
TEST(Csv, FilesWithoutQuoting) {
  const std::string text = "8360::\"Great Performances\" Cats (1998)::Musical\n11::\"American President::Comedy\n12::x::y\n";
  EXPECT_EQ(fields(text, plain("::")),
            (std::vector<Fields>{
                {"8360", "\"Great Performances\" Cats (1998)", "Musical"}, {"11", "\"American President", "Comedy"}, {"12", "x", "y"}}));
}

TEST(Csv, LineNumbersCountLinesInsideQuotes) {
  const auto rows = read_all("h\n\"a\nb\nc\"\n\nlast");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].line, 1);
  EXPECT_EQ(rows[1].line, 2);
  EXPECT_EQ(rows[2].line, 6);
}

TEST(Csv, FieldCountIsChecked) {
  CsvOptions options = plain("::");
  options.num_fields = 4;
  const auto rows = read_all("1::2::3::4\n1::2::tag::with::4\n1::2\n5::6::7::8\n", options);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].error, "");
  EXPECT_EQ(rows[1].error, "[t.csv:2] expected 4 fields, found 5");
  EXPECT_TRUE(rows[1].fields.empty());
  EXPECT_EQ(rows[2].error, "[t.csv:3] expected 4 fields, found 2");
  EXPECT_EQ(rows[3].fields, (Fields{"5", "6", "7", "8"}));
}

TEST(Csv, BrokenQuotesSpoilOneLine) {
  const auto unclosed = read_all("a,\"b\nc,d\ne,f\n");
  ASSERT_EQ(unclosed.size(), 3u);
  EXPECT_EQ(unclosed[0].error, "[t.csv:1] expected a closing quote, found the end of the file");
  EXPECT_EQ(unclosed[1].fields, (Fields{"c", "d"}));
  EXPECT_EQ(unclosed[1].line, 2);
  EXPECT_EQ(unclosed[2].fields, (Fields{"e", "f"}));
  EXPECT_EQ(unclosed[2].line, 3);
  const auto behind = read_all("\"\"Escaped\"\",x\ny,z\n");
  ASSERT_EQ(behind.size(), 2u);
  EXPECT_EQ(behind[0].error, "[t.csv:1] expected a delimiter or line break after a closing quote, found \"E\"");
  EXPECT_EQ(behind[1].fields, (Fields{"y", "z"}));
}

TEST(Csv, AStrayQuoteThatClosesFarBelowIsRecovered) {
  CsvOptions options;
  options.num_fields = 2;
  const auto rows = read_all("1,\"a\n2,b\n3,c\",x\n4,d\n", options);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[0].error, "[t.csv:1] expected 2 fields, found 3");
  EXPECT_EQ(rows[1].fields, (Fields{"2", "b"}));
  EXPECT_EQ(rows[2].error, "[t.csv:3] expected 2 fields, found 3");
  EXPECT_EQ(rows[3].fields, (Fields{"4", "d"}));
  EXPECT_EQ(rows[3].line, 4);
}

TEST(Csv, LimitsMakeARowMalformed) {
  CsvOptions options;
  options.max_field_bytes = 4;
  options.max_line_bytes = 12;
  options.max_fields = 3;
  const auto error_of = [&](std::string_view text) {
    const auto rows = read_all(std::string(text) + "\nok,ok\n", options);
    EXPECT_EQ(rows.size(), 2u) << text;
    EXPECT_EQ(rows.back().fields, (Fields{"ok", "ok"})) << text;
    return rows.front().error;
  };
  EXPECT_EQ(error_of("abcd,x"), "");
  EXPECT_EQ(error_of("abcde,x"), "[t.csv:1] expected fields of at most 4 bytes, found one of 5");
  EXPECT_EQ(error_of("\"abcde\",x"), "[t.csv:1] expected fields of at most 4 bytes, found one of 5");
  EXPECT_EQ(error_of("\"a\"\"\"\"b\""), "");
  EXPECT_EQ(error_of("a,b,c,d"), "[t.csv:1] expected at most 3 fields, found more");
  EXPECT_EQ(error_of("\"a\",b,c,d"), "[t.csv:1] expected at most 3 fields, found more");
  EXPECT_EQ(error_of("abcd,abcd,ab"), "");
  EXPECT_EQ(error_of("abcd,abcd,abc"), "[t.csv:1] expected lines of at most 12 bytes, found one of 13");
}

TEST(Csv, DefaultLimits) {
  const std::string field(1 << 20, 'x');
  EXPECT_EQ(read_all(field + ",y\n")[0].error, "");
  EXPECT_NE(read_all(field + "x,y\n")[0].error, "");
  EXPECT_EQ(read_all("\"" + field + "\",y\n")[0].error, "");
  EXPECT_NE(read_all("\"" + field + "x\",y\n")[0].error, "");
  const std::string line = field + "," + field + "," + field + "," + field.substr(3);
  EXPECT_EQ(read_all(line + "\n")[0].error, "");
  EXPECT_NE(read_all(line + "x\n")[0].error, "");
}

/// Lines that each open a quote which never closes: without a bound on what is read again, time would be quadratic (hours here).
TEST(Csv, BrokenQuotesCostLinearTime) {
  std::string text;
  while (text.size() < (8 << 20)) text += "a\",\"b\n";
  const std::clock_t begin = std::clock();
  size_t bad = 0;
  DelimitedReader reader(text, "t.csv");
  Row row;
  while (reader.next(row)) bad += row.ok() ? 0 : 1;
  EXPECT_GE(bad, 1u);
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 20.0);
}

TEST(Csv, ManyFieldsOnALineWithQuotesCostLinearTime) {
  CsvOptions options;
  options.max_fields = 1u << 30;
  std::string text = "\"q\"";
  for (int i = 0; i < 2000000; ++i) text += ",x";
  const std::clock_t begin = std::clock();
  EXPECT_EQ(fields(text, options)[0].size(), 2000001u);
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 20.0);
}

TEST(Csv, InvalidUtf8IsFlaggedAndLatin1Converts) {
  const auto rows = read_all("1,Mis\xe9rables\n2,Mis\xc3\xa9rables\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].invalid_utf8);
  EXPECT_EQ(rows[0].error, "");
  EXPECT_EQ(latin1_to_utf8(rows[0].fields[1]), "Mis\xc3\xa9rables");
  EXPECT_FALSE(rows[1].invalid_utf8);
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  EXPECT_TRUE(is_valid_utf8(latin1_to_utf8(all)));
  EXPECT_EQ(latin1_to_utf8(all).size(), 384u);
}

TEST(Csv, Utf8Check) {
  for (const char* good : {"", "plain ascii text", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf",
                           "\xee\x80\x80", "12345678\xc2\x80"}) {
    EXPECT_TRUE(is_valid_utf8(good)) << good;
  }
  for (const char* bad :
       {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xfe", "\xf0\x9f\x98", "1234567\xe9", "12345678\xc3(", "\xe2(\xa1"}) {
    EXPECT_FALSE(is_valid_utf8(bad)) << bad;
  }
}

TEST(Csv, DelimitersAreChecked) {
  for (const char* bad : {"", "\"", "\n", "a\rb", "123456789"}) {
    CsvOptions options;
    options.delimiter = bad;
    EXPECT_THROW(DelimitedReader("", "t", options), Error) << bad;
  }
}

/// Rows of random texts written by the rules of RFC 4180 come back as they were.
TEST(Csv, RandomRowsRoundTrip) {
  Rng rng(11);
  const std::string alphabet = "ab,\"\r\n\xc3\xa9 ";
  for (int round = 0; round < 2000; ++round) {
    std::vector<Fields> rows(1 + rng.below(4));
    std::string text;
    for (Fields& row : rows) {
      row.resize(1 + rng.below(4));
      for (size_t i = 0; i < row.size(); ++i) {
        for (uint64_t n = rng.below(6); n > 0; --n) row[i].push_back(alphabet[rng.below(alphabet.size())]);
        std::string quoted = "\"";
        for (const char c : row[i]) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
        text += (i == 0 ? "" : ",") + quoted + "\"";
      }
      text += rng.below(2) == 0 ? "\n" : "\r\n";
    }
    ASSERT_EQ(fields(text), rows) << text;
  }
}

TEST(Csv, RealMovieLens) {
  const char* shared = std::getenv("ATTUNE_SHARED_DATA");
  const Path folder = (shared != nullptr ? Path(shared) : test::source_path("../shared/data")) / "ml-latest-small";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const std::pair<const char*, std::pair<uint64_t, size_t>> files[] = {
      {"ratings.csv", {4, 100837}}, {"movies.csv", {3, 9743}}, {"tags.csv", {4, 3684}}, {"links.csv", {3, 9743}}};  // lines of each file
  for (const auto& [name, expected] : files) {
    const MappedFile file(folder / name);
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    CsvOptions options;
    options.num_fields = expected.first;
    const auto rows = read_all(text, options);
    EXPECT_EQ(rows.size(), expected.second) << name;
    for (const Got& row : rows) {
      ASSERT_EQ(row.error, "");
      ASSERT_FALSE(row.invalid_utf8);
    }
  }
}

}  // namespace
}  // namespace attune::io
