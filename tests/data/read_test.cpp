// Readers of ratings: every format, MovieLens's oddities, bad rows, and the real small MovieLens where it is present.
#include "data/read.h"

#include "tests/data/temp_folder.h"

namespace attune::data {
namespace {

class ReadTest : public TempFolderTest {
 protected:
  Dataset read(ReadOptions options = {}) const { return read_dataset(folder_, options); }
};

/// `count` good rows user::item::rating::time (or another delimiter), so that one bad row stays below 1%.
std::string good_rows(int count, const std::string& delimiter, int first_user = 1000) {
  std::string out;
  for (int n = 0; n < count; ++n) {
    out += cat(first_user + n / 3, delimiter, 1 + n % 3, delimiter, 1 + n % 5, delimiter, 1000 + n, "\n");
  }
  return out;
}

std::string movies_dat(const std::string& extra = {}) {
  return "1::Toy Story (1995)::Animation|Children's|Comedy\n2::Jumanji (1995)::Adventure\n3::Third Man, The (1949)::Mystery\n" + extra;
}

TEST_F(ReadTest, Ml1mIsLatin1WithOneNotice) {
  put("movies.dat", movies_dat("73::Mis\xE9rables, Les (1995)::Drama\n74::Am\xE9lie (2001)::\n"));
  put("ratings.dat", good_rows(30, "::") + "1::73::5::978300760");  // no last line break
  const auto dataset = read();
  ASSERT_EQ(dataset.report.notices.size(), 1u);
  EXPECT_NE(dataset.report.notices[0].find("movies.dat"), std::string::npos);
  EXPECT_NE(dataset.report.notices[0].find("Latin-1"), std::string::npos);
  const auto& info = dataset.item_info[dataset.items.at("73").value];
  EXPECT_EQ(info.title, "Misérables, Les");
  EXPECT_EQ(info.display_title, "Les Misérables");
  EXPECT_EQ(info.year, 1995);
  EXPECT_EQ(info.genres, (std::vector<std::string>{"Drama"}));
  EXPECT_TRUE(dataset.item_info[dataset.items.at("74").value].genres.empty());
  EXPECT_EQ(dataset.interactions.back().timestamp, 978300760);
  EXPECT_EQ(dataset.report.num_bad_rows, 0);
  EXPECT_EQ(dataset.shape_line(), "11 users x 5 items, 31 ratings");
  EXPECT_EQ(dataset.genres().size(), 6u);
}

TEST_F(ReadTest, Ml10mQuotesMeanNothing) {
  put("movies.dat", movies_dat("5::\"Great Performances\" Cats (1998)::Musical\n6::\"Unclosed (1990)::Drama\n7::Last (1991)::Drama\r\n"));
  put("ratings.dat", good_rows(10, "::") + "1::5::0.5::1\n1::6::5::2\r\n");
  put("tags.dat", "15::5::musical::1215184630\n15::6::a::b::1215184631\n15::6::\"::1215184632\n");
  const auto dataset = read();
  EXPECT_EQ(dataset.items.size(), 6);
  EXPECT_EQ(dataset.item_info[dataset.items.at("5").value].title, "\"Great Performances\" Cats");
  EXPECT_EQ(dataset.item_info[dataset.items.at("6").value].title, "\"Unclosed");
  EXPECT_EQ(dataset.item_info[dataset.items.at("7").value].genres, (std::vector<std::string>{"Drama"}));
  ASSERT_EQ(dataset.tags.size(), 3u);
  EXPECT_EQ(dataset.tags[1].text, "a::b");  // the delimiter inside a tag
  EXPECT_EQ(dataset.tags[1].timestamp, 1215184631);
  EXPECT_EQ(dataset.tags[2].text, "\"");
}

TEST_F(ReadTest, CsvQuotesEscapesAndLineEnds) {
  put("movies.csv",
      "\xEF\xBB\xBFmovieId,title,genres\r\n"
      "11,\"American President, The (1995)\",Comedy|Drama|Romance\r\n"
      "12,\"\"\"Great Performances\"\" Cats (1998)\",Musical\r\n"
      "13,\"\"\"Escaped\"\"\",(no genres listed)\r\n"
      "14,\"Two\nlines (1990)\",\r\n"
      "1,Toy Story (1995),Comedy\r\n2,B (1990),Drama\r\n3,C (1991),Drama");
  put("ratings.csv", "userId,movieId,rating,timestamp\n" + good_rows(20, ",") + "1,11,4.5,964982703");
  put("tags.csv", "userId,movieId,tag,timestamp\n2,11,\"funny, \"\"very\"\"\",1445714994\n2,12,x::y,1\n");
  const auto dataset = read();
  EXPECT_TRUE(dataset.report.notices.empty());
  EXPECT_EQ(dataset.report.num_bad_rows, 0);
  const auto title = [&](const char* key) { return dataset.item_info[dataset.items.at(key).value].title; };
  EXPECT_EQ(title("11"), "American President, The");
  EXPECT_EQ(dataset.item_info[dataset.items.at("11").value].display_title, "The American President");
  EXPECT_EQ(title("12"), "\"Great Performances\" Cats");
  EXPECT_EQ(title("13"), "\"Escaped\"");
  EXPECT_TRUE(dataset.item_info[dataset.items.at("13").value].genres.empty());
  EXPECT_EQ(title("14"), "Two lines");
  EXPECT_EQ(dataset.tags[0].text, "funny, \"very\"");
  EXPECT_EQ(dataset.tags[1].text, "x::y");
  EXPECT_EQ(dataset.interactions.back().rating, 4.5f);
}

TEST_F(ReadTest, BadRowsAreCountedAndListed) {
  put("movies.dat", movies_dat());
  put("ratings.dat", good_rows(1000, "::") +
                         "1::1::3,5::9\n"      // a decimal comma
                         "1::2::4\n"           // too few fields
                         "::2::4::9\n"         // no user
                         "1::::4::9\n"         // no item
                         "1::2::nan::9\n"      // not finite
                         "1::2::6::9\n"        // outside the scale
                         "1::2::4::noon\n"     // no time
                         "1::" +
                         std::string(257, '7') + "::4::9\n" + "1::3::5::9\n");
  const auto dataset = read();
  EXPECT_EQ(dataset.report.num_bad_rows, 8);
  EXPECT_EQ(dataset.report.num_rows, 3 + 1009);
  ASSERT_EQ(dataset.report.bad_rows.size(), 8u);
  EXPECT_EQ(dataset.report.bad_rows[0].file, "ratings.dat");
  EXPECT_EQ(dataset.report.bad_rows[0].line, 1001);
  EXPECT_NE(dataset.report.bad_rows[0].reason.find("\"3,5\""), std::string::npos);
  const char* reasons[] = {"3,5", "found 3", "empty user id", "empty item id", "nan", "0 to 5", "noon", "257 bytes"};
  for (size_t n = 0; n < 8; ++n) {
    EXPECT_NE(dataset.report.bad_rows[n].reason.find(reasons[n]), std::string::npos) << dataset.report.bad_rows[n].reason;
    EXPECT_EQ(dataset.report.bad_rows[n].line, static_cast<int64_t>(1001 + n));
  }
  EXPECT_EQ(dataset.interactions.back().rating, 5);
}

TEST_F(ReadTest, MoreThanOnePercentBadIsAnError) {
  put("movies.dat", movies_dat());
  const std::string bad = "1::1::3,5::9\n";
  put("ratings.dat", good_rows(198, "::") + bad + bad);  // exactly 1%
  EXPECT_EQ(read().report.num_bad_rows, 2);
  put("ratings.dat", good_rows(197, "::") + bad + bad);
  expect_error(ErrorCode::kCorruptData, "ratings.dat:198: rating \"3,5\"", [&] { read(); });
  ReadOptions lenient;
  lenient.max_bad_share = 0.02;
  EXPECT_EQ(read(lenient).report.num_bad_rows, 2);
  // Only the first 20 are listed.
  lenient.max_bad_share = 1;
  std::string many = good_rows(10, "::");
  for (int n = 0; n < 50; ++n) many += bad;
  put("ratings.dat", many);
  EXPECT_EQ(read(lenient).report.num_bad_rows, 50);
  EXPECT_EQ(read(lenient).report.bad_rows.size(), kMaxListedBadRows);
}

TEST_F(ReadTest, BadItemsAndTags) {
  std::string movies;
  for (int n = 0; n < 400; ++n) movies += cat(n + 100, "::Film ", n, " (1990)::Drama\n");
  put("movies.dat", movies + "100::Again (1990)::Drama\n::No key::Drama\n900::" + std::string(1025, 't') + "::Drama\n");
  put("ratings.dat", good_rows(10, "::"));
  std::string tags;
  for (int n = 0; n < 300; ++n) tags += "1::100::fine::1\n";
  put("tags.dat", tags + "1::100::  ::1\n1::100::late::noon\n");
  const auto dataset = read();
  ASSERT_EQ(dataset.report.bad_rows.size(), 5u);
  EXPECT_NE(dataset.report.bad_rows[0].reason.find("listed twice"), std::string::npos);
  EXPECT_NE(dataset.report.bad_rows[1].reason.find("empty item id"), std::string::npos);
  EXPECT_NE(dataset.report.bad_rows[2].reason.find("1025 bytes"), std::string::npos);
  EXPECT_NE(dataset.report.bad_rows[3].reason.find("empty tag"), std::string::npos);
  EXPECT_EQ(dataset.tags.size(), 300u);
  EXPECT_EQ(dataset.item_info[dataset.items.at("100").value].title, "Film 0");
  EXPECT_EQ(dataset.item_info[dataset.items.at("1").value].title, "1");  // rated, without a row in movies.dat
}

std::string u_item(const std::string& extra = {}) {
  std::string flags;
  for (int g = 0; g < 19; ++g) flags += g == 5 || g == 8 ? "|1" : "|0";
  return "1|Toy Story (1995)|01-Jan-1995||http://x" + flags + "\n2|Caf\xE9 au Lait (1993)|||" + flags + "\n3|Third Man, The (1949)|||" +
         flags + "\n" + extra;
}

TEST_F(ReadTest, Ml100kAsPublished) {
  put("u.item", u_item());
  put("u.data", good_rows(50, "\t"));
  put("u.user", "1000|24|M|technician|85711\n");
  const auto dataset = read();
  EXPECT_EQ(dataset.shape_line(), "17 users x 3 items, 50 ratings");
  const auto& info = dataset.item_info[dataset.items.at("2").value];
  EXPECT_EQ(info.title, "Café au Lait");
  EXPECT_EQ(info.genres, (std::vector<std::string>{"Comedy", "Drama"}));
  EXPECT_EQ(dataset.item_info[0].other.at("release_date"), "01-Jan-1995");
  EXPECT_EQ(dataset.item_info[2].display_title, "The Third Man");
  ASSERT_EQ(dataset.user_info.size(), 17u);
  EXPECT_EQ(dataset.user_info[dataset.users.at("1000").value].at("occupation"), "technician");
  ASSERT_EQ(dataset.report.notices.size(), 1u);
  EXPECT_NE(dataset.report.notices[0].find("u.item"), std::string::npos);
}

TEST_F(ReadTest, Ml100kGenreFlags) {
  std::string rows = u_item();
  rows[rows.find("|1|")] = '|';
  put("u.item", rows.substr(0, rows.find("|1|") + 1) + "2" + rows.substr(rows.find("|1|") + 2));
  put("u.data", good_rows(50, "\t"));
  expect_error(ErrorCode::kCorruptData, "genre flag \"2\"", [&] { read(); });
  put("u.item", u_item());
  put("u.genre", "unknown|0\nFirst|1\n\n");
  expect_error(ErrorCode::kNotFound, "nowhere", [&] { read_dataset(folder_ / "nowhere"); });
  EXPECT_EQ(read().genres().size(), 0u);  // two genres only: the flags of both are 0
}

TEST_F(ReadTest, RecboleAtomicFiles) {
  put("x.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n186\t302\t3.5\t8.91717742E8\n");
  put("x.item",
      "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tx:float\n242\tThird Man, The\t1949\tFilm-Noir Children's\t1.5\n9\tunknown\t\tunknown\t\n");
  put("x.user", "user_id:token\tage:token\n186\t39\n");
  const auto dataset = read();
  EXPECT_EQ(dataset.shape_line(), "2 users x 3 items, 2 ratings");
  const auto& info = dataset.item_info[dataset.items.at("242").value];
  EXPECT_EQ(info.title, "Third Man, The");
  EXPECT_EQ(info.display_title, "The Third Man");
  EXPECT_EQ(info.year, 1949);
  EXPECT_EQ(info.genres, (std::vector<std::string>{"Film-Noir", "Children's"}));
  EXPECT_EQ(info.other.at("x"), "1.5");
  EXPECT_TRUE(dataset.item_info[dataset.items.at("9").value].genres.empty());
  EXPECT_EQ(dataset.item_info[dataset.items.at("9").value].year, std::nullopt);
  EXPECT_EQ(dataset.interactions[1].timestamp, 891717742);
  EXPECT_EQ(dataset.user_info[dataset.users.at("186").value].at("age"), "39");
  EXPECT_EQ(read_dataset(folder_ / "x.inter").interactions.size(), 2u);

  put("x.inter", "user_id\titem_id:token\n1\t2\n");
  expect_error(ErrorCode::kCorruptData, "header field \"user_id\"", [&] { read(); });
  put("x.inter", "user_id:token\titem_id:int\n1\t2\n");
  expect_error(ErrorCode::kCorruptData, "item_id:int", [&] { read(); });
  put("x.inter", "u:token\titem_id:token\n1\t2\n");
  expect_error(ErrorCode::kInvalidArgument, "no column for the user", [&] { read(); });
  put("x.inter", "user_id:token\titem_id:token\n1\t2\n");
  EXPECT_EQ(read().interactions[0].rating, 1);
  put("y.inter", "");
  expect_error(ErrorCode::kInvalidArgument, "2 .inter files", [&] { read(); });
}

TEST_F(ReadTest, TablesByColumnName) {
  put("shop.csv", "customer,when,product,stars\n\"a, b\",5,7,4\nc,6,131262,2.5\n");
  put("names.csv", "product,name,kinds,price\n7,\"Lamp, The\",light|home,9\n8,Chair (1990),,\n");
  ReadOptions o;
  o.user_column = "customer";
  o.item_column = "product";
  o.rating_column = "stars";
  o.timestamp_column = "when";
  o.items_file = (folder_ / "names.csv").string();
  o.title_column = "name";
  o.genres_column = "kinds";
  const auto dataset = read_dataset(folder_ / "shop.csv", o);
  EXPECT_EQ(dataset.users.keys(), (std::vector<std::string>{"a, b", "c"}));
  EXPECT_EQ(dataset.items.keys(), (std::vector<std::string>{"7", "8", "131262"}));
  EXPECT_EQ(dataset.interactions[1].rating, 2.5f);
  EXPECT_EQ(dataset.interactions[1].timestamp, 6);
  EXPECT_EQ(dataset.item_info[0].display_title, "The Lamp");
  EXPECT_EQ(dataset.item_info[0].genres, (std::vector<std::string>{"light", "home"}));
  EXPECT_EQ(dataset.item_info[0].other.at("price"), "9");
  EXPECT_EQ(dataset.item_info[1].year, 1990);

  o.rating_column = "points";
  expect_error(ErrorCode::kInvalidArgument, "points, found columns customer, when, product, stars",
               [&] { read_dataset(folder_ / "shop.csv", o); });
  o.rating_column = "none";
  o.timestamp_column = "none";
  EXPECT_EQ(read_dataset(folder_ / "shop.csv", o).interactions[0].rating, 1);
  o.user_column = "client";
  expect_error(ErrorCode::kInvalidArgument, "expected client, found columns", [&] { read_dataset(folder_ / "shop.csv", o); });

  put("plain.tsv", "user\titem\trating\n1\t2\t3\n\"\t4\t5\n");  // a quote is a character in a tab-separated file
  const auto plain = read_dataset(folder_ / "plain.tsv");
  EXPECT_EQ(plain.users.keys(), (std::vector<std::string>{"1", "\""}));
  put("raw.csv", "user,item,rating\n1,2,3,5\n");  // "3,5" without quotes: one field too many is still readable; with too few it is not
  EXPECT_EQ(read_dataset(folder_ / "raw.csv").interactions.size(), 1u);
}

// Opaque keys: non-contiguous, larger than any row number, 3 users x 5 items.
TEST_F(ReadTest, KeysAreOpaqueAndTheMatrixIsUsersByItems) {
  put("r.csv", "user,item,rating\n7,1,1\n7,131262,2\n100000,3,3\n11964631,4,4\n11964631,0005,5\n");
  const auto dataset = read_dataset(folder_ / "r.csv");
  EXPECT_EQ(dataset.shape_line(), "3 users x 5 items, 5 ratings");
  EXPECT_EQ(dataset.users.at("11964631").value, 2);
  EXPECT_EQ(dataset.items.at("131262").value, 1);
  EXPECT_EQ(dataset.items.key(ItemIndex(4)), "0005");
  EXPECT_EQ(dataset.users.find("8"), std::nullopt);
  expect_error(ErrorCode::kNotFound, "unknown user \"8\"", [&] { dataset.users.at("8"); });
  expect_error(ErrorCode::kNotFound, "unknown item \"7\"", [&] { dataset.items.at("7"); });
  expect_error(ErrorCode::kInvalidArgument, "user row 3", [&] { dataset.users.key(UserIndex(3)); });
  static_assert(!std::is_convertible_v<UserIndex, ItemIndex> && !std::is_convertible_v<int, ItemIndex>);
}

TEST_F(ReadTest, RepeatedPairsKeepTheLastRating) {
  put("r.csv", "user,item,rating,timestamp\n1,1,1,50\n1,1,2,70\n1,1,3,60\n2,1,4,5\n2,1,5,5\n");
  const auto dataset = read_dataset(folder_ / "r.csv");
  ASSERT_EQ(dataset.interactions.size(), 2u);
  EXPECT_EQ(dataset.interactions[0].rating, 2);  // the latest time
  EXPECT_EQ(dataset.interactions[1].rating, 5);  // equal times: the later row
  EXPECT_NE(dataset.report.notices.back().find("3 ratings"), std::string::npos);
}

TEST_F(ReadTest, UnknownAndEmptyInput) {
  expect_error(ErrorCode::kNotFound, "holds no known data set", [&] { read(); });
  expect_error(ErrorCode::kNotFound, "does not exist", [&] { read_dataset(folder_ / "none"); });
  put("a.xyz", "");
  expect_error(ErrorCode::kInvalidArgument, "cannot tell the format", [&] { read_dataset(folder_ / "a.xyz"); });
  put("a.csv", "");
  expect_error(ErrorCode::kCorruptData, "empty file", [&] { read_dataset(folder_ / "a.csv"); });
  put("a.csv", "user,item,rating\n");
  expect_error(ErrorCode::kCorruptData, "no usable rating", [&] { read_dataset(folder_ / "a.csv"); });
  ReadOptions o;
  o.format = "ml-dat";
  expect_error(ErrorCode::kInvalidArgument, "expects a folder", [&] { read_dataset(folder_ / "a.csv", o); });
  expect_error(ErrorCode::kNotFound, "movies.dat", [&] { read(o); });
  o.format = "table";
  expect_error(ErrorCode::kInvalidArgument, "expects a file", [&] { read(o); });
  put("ratings.csv", "userId,movieId,stars,timestamp\n1,1,1,1\n");
  put("movies.csv", "movieId,title,genres\n1,A,B\n");
  expect_error(ErrorCode::kCorruptData, "column 3 is stars, expected rating", [&] { read(); });
}

TEST(ReadReal, MovieLensLatestSmall) {
  const Path folder = real_data("ml-latest-small");
  if (folder.empty()) GTEST_SKIP() << "not run: data absent";
  const auto dataset = read_dataset(folder);
  EXPECT_EQ(dataset.shape_line(), "610 users x 9742 items, 100836 ratings");
  EXPECT_EQ(dataset.tags.size(), 3683u);
  EXPECT_EQ(dataset.report.num_bad_rows, 0);
  EXPECT_TRUE(dataset.report.notices.empty());
  const auto info = [&](const char* key) { return dataset.item_info[dataset.items.at(key).value]; };
  EXPECT_EQ(info("11").display_title, "The American President");
  EXPECT_EQ(info("73").display_title, "Les Misérables");
  EXPECT_EQ(info("40697").title, "Babylon 5");
  EXPECT_EQ(info("171749").year, 2006);
  double sum = 0;
  for (const auto& r : dataset.interactions) sum += r.rating;
  EXPECT_NEAR(sum / 100836, 3.501557, 1e-6);
  int with_year = 0;
  for (const auto& item : dataset.item_info) with_year += item.year.has_value();
  EXPECT_EQ(with_year, 9742 - 12);  // 12 titles have none
}

TEST(ReadReal, MovieLens100kFromRecbole) {
  const Path folder = Path(ATTUNE_SOURCE_DIR) / "datasets" / "ml-100k";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "not run: data absent";
  const auto dataset = read_dataset(folder);
  EXPECT_EQ(dataset.shape_line(), "943 users x 1682 items, 100000 ratings");
  EXPECT_EQ(dataset.report.num_bad_rows, 0);
  EXPECT_EQ(dataset.genres().size(), 18u);
  EXPECT_EQ(dataset.user_info.size(), 943u);
  double sum = 0;
  for (const auto& r : dataset.interactions) sum += r.rating;
  EXPECT_NEAR(sum / 100000, 3.52986, 1e-9);
}

}  // namespace
}  // namespace attune::data
