// Copy-on-write blocks: sharing, copying at the first write, reuse, memo values.
#include "people/bandits/block_pool.h"

#include <gtest/gtest.h>

#include <vector>

namespace attune::people {
namespace {

TEST(BlockPool, AWriteCopiesOnlyWhatIsShared) {
  BlockPool pool(3, 1);
  const int32_t a = pool.allocate();
  pool.at(a)[0] = 1;
  EXPECT_EQ(pool.own(a), a);
  pool.retain(a);
  const int32_t b = pool.own(a);
  EXPECT_NE(a, b);
  EXPECT_EQ(pool.at(b)[0], 1);
  pool.at(b)[0] = 2;
  EXPECT_EQ(pool.at(a)[0], 1);
  EXPECT_EQ(pool.references(a), 1);
  EXPECT_EQ(pool.references(b), 1);
  EXPECT_EQ(pool.num_used(), 2u);
  pool.release(a);
  EXPECT_EQ(pool.num_used(), 1u);
  EXPECT_EQ(pool.allocate(), a) << "free blocks are used again";
}

TEST(BlockPool, GrowsAndKeepsContents) {
  BlockPool pool(2, 1);
  std::vector<int32_t> ids;
  for (int i = 0; i < 1000; ++i) {
    ids.push_back(pool.allocate());
    pool.at(ids.back())[1] = i;
  }
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(pool.at(ids[static_cast<size_t>(i)])[1], i);
  for (const int32_t id : ids) pool.release(id);
  EXPECT_EQ(pool.num_used(), 0u);
  const size_t capacity = pool.capacity();
  for (int i = 0; i < 1000; ++i) pool.allocate();
  EXPECT_EQ(pool.capacity(), capacity);
}

TEST(BlockPool, MemoValuesAreVoidAfterAWriteAndAfterANewQuestion) {
  BlockPool pool(1, 2);
  const int32_t a = pool.allocate();
  EXPECT_FALSE(pool.has_memo(a, 0));
  pool.memo(a, 0)[1] = 5;
  EXPECT_TRUE(pool.has_memo(a, 0));
  EXPECT_FALSE(pool.has_memo(a, 1));
  EXPECT_EQ(pool.own(a), a);
  EXPECT_FALSE(pool.has_memo(a, 0));
  pool.new_memo();
  EXPECT_FALSE(pool.has_memo(a, 0));
  EXPECT_TRUE(pool.has_memo(a, 0));
  pool.retain(a);
  const int32_t b = pool.own(a);
  EXPECT_FALSE(pool.has_memo(b, 0)) << "a copy is about to be written";
  EXPECT_TRUE(pool.has_memo(a, 0)) << "the original was not";
}

}  // namespace
}  // namespace attune::people
