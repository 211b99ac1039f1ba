// The tag genome: values, gaps and films outside the ratings; bad rows; missing files.
#include "data/genome.h"

#include <cmath>

#include "tests/data/temp_folder.h"

namespace attune::data {
namespace {

class GenomeTest : public TempFolderTest {
 protected:
  static Dataset films() {
    Dataset out;
    for (const char* key : {"10", "20", "30"}) {
      out.items.add(key);
      out.item_info.emplace_back();
    }
    return out;
  }
  void put_good() const {
    put("genome-tags.csv", "tagId,tag\n1,007\n2,\"Dark, Gory\"\n");
    put("genome-scores.csv", "movieId,tagId,relevance\n20,1,0.25\n20,2,1\n99,1,0.5\n10,2,0\n");
  }
};

TEST_F(GenomeTest, ValuesByHand) {
  put_good();
  const auto genome = read_genome(folder_, films());
  EXPECT_EQ(genome.tags(), (std::vector<std::string>{"007", "dark, gory"}));
  EXPECT_EQ(genome.items(), (std::vector<ItemIndex>{ItemIndex(1), ItemIndex(0)}));
  EXPECT_EQ(genome.find_tag("DARK, gory"), 1u);
  EXPECT_FALSE(genome.find_tag("x").has_value());
  EXPECT_EQ(genome.relevance(1), (std::vector<float>{1, 0}));
  EXPECT_EQ(genome.relevance(0)[0], 0.25f);
  EXPECT_TRUE(std::isnan(genome.relevance(0)[1]));
  EXPECT_EQ(genome.row(0)[1], 1.0f);
  EXPECT_EQ(genome.num_unknown_items, 1);
  EXPECT_EQ(genome.report.num_bad_rows, 0);
  expect_error(ErrorCode::kInvalidArgument, "tag 2", [&] { genome.relevance(2); });
  expect_error(ErrorCode::kInvalidArgument, "place 2", [&] { genome.row(2); });
}

TEST_F(GenomeTest, BadRows) {
  put_good();
  put("genome-scores.csv",
      "movieId,tagId,relevance\n20,1,0.25\n20,1,0.5\n20,3,0.5\n10,1,1.5\n10,1,-0.1\n10,1,nan\n10,1,x\n,1,0.5\n10,1\n10,1,0.75\n");
  expect_error(ErrorCode::kCorruptData, "8 of 10 rows are bad", [&] { read_genome(folder_, films()); });
  const auto genome = read_genome(folder_, films(), 1.0);
  EXPECT_EQ(genome.report.num_bad_rows, 8);
  EXPECT_EQ(genome.relevance(0), (std::vector<float>{0.25f, 0.75f}));
  put("genome-tags.csv", "tagId,name\n1,x\n");
  expect_error(ErrorCode::kCorruptData, "expected tag", [&] { read_genome(folder_, films()); });
  put("genome-tags.csv", "tagId,tag\n");
  expect_error(ErrorCode::kCorruptData, "no tags", [&] { read_genome(folder_, films()); });
  std::filesystem::remove(folder_ / "genome-scores.csv");
  expect_error(ErrorCode::kNotFound, "genome-scores.csv", [&] { read_genome(folder_, films()); });
}

}  // namespace
}  // namespace attune::data
