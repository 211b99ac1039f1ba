// The event log laid over a data set.
#include "people/event_ratings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/error.h"
#include "store/sqlite_store.h"

namespace attune::people {
namespace {

using data::ItemIndex;
using data::UserIndex;

store::Event rating(std::string user, std::string item, double value) {
  store::Event out;
  out.user = std::move(user);
  out.kind = store::kRating;
  out.item = std::move(item);
  out.value = value;
  return out;
}

TEST(EventRatings, Merge) {
  const Path folder = std::filesystem::temp_directory_path() / cat("attune-merge-", ::getpid());
  std::filesystem::remove_all(folder);
  {
    auto store = store::open_sqlite_store(folder / "attune.db");
    data::Dataset dataset;
    for (const char* user : {"ann", "bob", "eve"}) dataset.users.add(user);
    dataset.user_info = {{{"age", "1"}}, {{"age", "2"}}, {{"age", "3"}}};
    for (const char* item : {"1", "2"}) {
      dataset.items.add(item);
      dataset.item_info.emplace_back();
      dataset.item_info.back().title = item;
    }
    dataset.interactions = {{UserIndex(0), ItemIndex(0), 3, 10}, {UserIndex(1), ItemIndex(0), 4, 10}, {UserIndex(2), ItemIndex(1), 5, 10}};
    dataset.tags = {{UserIndex(1), ItemIndex(0), "secret", 10}, {UserIndex(2), ItemIndex(1), "kept", 10}};

    store->erase_user("bob");
    store::CatalogueItem item;
    item.id = "new";
    item.title = "Third Man, The (1949)";
    item.genres = {"Film-Noir"};
    store->put_item(item);
    item.id = "2";
    item.title = "Second";
    item.year = 1999;
    store->put_item(item);
    store->delete_item("1");
    store->append_all({rating("ann", "1", 5), rating("guest", "new", 4), rating("guest", "none", 4), rating("ann", "1", 1)});
    store::Event dismiss = rating("ann", "2", 1);
    dismiss.kind = store::kDismiss;
    store->append(dismiss);

    const auto merge = merge_events(dataset, *store);
    EXPECT_EQ(merge.num_erased_users, 1);
    EXPECT_EQ(merge.num_new_items, 1);
    EXPECT_EQ(merge.num_new_users, 1);
    EXPECT_EQ(merge.num_ratings, 3);
    EXPECT_EQ(merge.num_passed_over, 1);
    EXPECT_EQ(dataset.users.keys(), (std::vector<std::string>{"ann", "eve", "guest"}));
    ASSERT_EQ(dataset.user_info.size(), 3u);
    EXPECT_EQ(dataset.user_info[1].at("age"), "3");
    EXPECT_EQ(dataset.items.keys(), (std::vector<std::string>{"1", "2", "new"}));
    EXPECT_EQ(dataset.item_info[2].display_title, "The Third Man");
    EXPECT_EQ(dataset.item_info[2].year, 1949);
    EXPECT_EQ(dataset.item_info[1].title, "Second");
    EXPECT_EQ(dataset.item_info[1].year, 1999);
    ASSERT_EQ(dataset.tags.size(), 1u);
    EXPECT_EQ(dataset.tags[0].text, "kept");
    EXPECT_EQ(dataset.tags[0].user.value, 1);
    ASSERT_EQ(dataset.interactions.size(), 3u);
    std::map<std::pair<std::string, std::string>, float> found;
    for (const auto& r : dataset.interactions) found[{dataset.users.key(r.user), dataset.items.key(r.item)}] = r.rating;
    EXPECT_EQ((found.at({"ann", "1"})), 1);  // the later event, not the data, not the earlier event
    EXPECT_EQ((found.at({"eve", "2"})), 5);
    EXPECT_EQ((found.at({"guest", "new"})), 4);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace attune::people
