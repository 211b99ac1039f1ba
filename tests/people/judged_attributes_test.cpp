// Judgements as training data: strengths kept, equal pairs left out, and words of the generated world as attributes.
#include "people/judged_attributes.h"

#include <gtest/gtest.h>

namespace attune::people {
namespace {

TEST(JudgedAttributes, KeepsOrderedPairs) {
  data::SoftAttributes judged;
  judged.raters.add("7");
  judged.raters.add("9");
  judged.raters.add("11");
  judged.attributes.push_back(
      {"funny",
       {{data::UserIndex(0), {{ItemIndex(3), ItemIndex(1), 2}, {ItemIndex(3), ItemIndex(2), 0}, {ItemIndex(1), ItemIndex(2), 1}}},
        {data::UserIndex(1), {{ItemIndex(0), ItemIndex(2), 0}}},
        {data::UserIndex(2), {{ItemIndex(0), ItemIndex(2), 1}}}}});
  judged.attributes.push_back({"long", {{data::UserIndex(1), {{ItemIndex(0), ItemIndex(2), 0}}}}});
  const auto attributes = judged_attributes(judged);
  ASSERT_EQ(attributes.size(), 1u);
  EXPECT_EQ(attributes[0].name, "funny");
  ASSERT_EQ(attributes[0].users.size(), 2u);
  EXPECT_EQ(attributes[0].users[0].pairs, (std::vector<PairExample>{{ItemIndex(3), ItemIndex(1), 2}, {ItemIndex(1), ItemIndex(2), 1}}));
  EXPECT_EQ(attributes[0].users[1].user, UserIndex(2));
  EXPECT_NO_THROW(check_attribute(attributes[0], 4));
}

}  // namespace
}  // namespace attune::people
