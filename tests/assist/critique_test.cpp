// Critiques without HTTP: durable, seen by every process, gone with the user; lists of others stay as they were.
#include "assist/critique.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "assist/recommend.h"
#include "core/thread_pool.h"
#include "data/generated.h"
#include "people/als.h"
#include "people/recommender.h"
#include "people/soft_attributes_learn.h"
#include "store/sqlite_store.h"
#include "tests/expect_error.h"
#include "tests/temp_folder.h"

namespace attune::assist {
namespace {

using attune::test::expect_error;

std::shared_ptr<const people::Recommender> recommender() {
  static const auto out = [] {
    const auto dataset = data::generate_dataset({.num_users = 120, .num_items = 200, .num_ratings = 6000, .seed = 3}).dataset;
    people::AlsOptions als = people::als_preset("ranking");
    als.rank = 8;
    als.sweeps = 4;
    ThreadPool pool(1);
    auto model = people::fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), als, pool);
    return std::make_shared<const people::Recommender>(dataset, std::move(model), people::TrainRecord{});
  }();
  return out;
}
std::shared_ptr<const people::LearnedAttributes> attributes() {
  static const auto out = [] {
    ThreadPool pool(2);
    return std::make_shared<const people::LearnedAttributes>(people::learn_attributes(*recommender(), {}, {}, "now", pool, no_progress()));
  }();
  return out;
}

class CritiqueService : public ::testing::Test {
 protected:
  void SetUp() override { service_ = open(); }
  std::unique_ptr<RecommendService> open(bool with_attributes = true) {
    return std::make_unique<RecommendService>(recommender(), store::open_sqlite_store(folder_ / "events.db"), nullptr,
                                              with_attributes ? attributes() : nullptr);
  }
  static std::vector<std::pair<std::string, double>> list(RecommendService& service, const std::string& user) {
    RecommendCall call;
    call.user = user;
    std::vector<std::pair<std::string, double>> out;
    for (const auto& item : service.recommend(call).items) out.emplace_back(item.item, item.score);
    return out;
  }
  CritiqueReply say(const std::string& user, const std::string& word, bool more) {
    CritiqueCall call;
    call.user = user;
    call.attribute = word;
    call.more = more;
    return service_->critique(call);
  }
  static std::string known(size_t n = 0) { return recommender()->users().keys()[n]; }

  const test::TempFolder temp_{"critiques"};
  const Path folder_ = temp_.path();
  std::unique_ptr<RecommendService> service_;
};

TEST_F(CritiqueService, UsersWithoutCritiquesGetTheListsOfBefore) {
  const auto plain = open(false);
  say(known(0), "horror", true);
  for (size_t n = 1; n < 40; ++n) EXPECT_EQ(list(*service_, known(n)), list(*plain, known(n)));  // scores bit for bit
  EXPECT_NE(list(*service_, known(0)), list(*plain, known(0)));
}

TEST_F(CritiqueService, AnotherProcessSeesIt) {
  const auto other = open();
  const auto before = list(*other, known());  // cached there
  const auto reply = say(known(), "horror", true);
  EXPECT_EQ(list(*other, known()), list(*service_, known()));
  EXPECT_NE(list(*other, known()), before);
  other->undo_critique(known(), reply.event_id);
  EXPECT_EQ(list(*service_, known()), before);
}

TEST_F(CritiqueService, ListsSayWhatACritiqueWouldShowBefore) {
  const auto shown = service_->critique_list(known(), "horror", 10);
  const auto reply = say(known(), "horror", false);
  ASSERT_EQ(shown.items.size(), reply.before.items.size());
  for (size_t k = 0; k < shown.items.size(); ++k) {
    EXPECT_EQ(shown.items[k].item.item, reply.before.items[k].item.item);
    EXPECT_EQ(shown.items[k].degree, reply.before.items[k].degree);
  }
  EXPECT_EQ(shown.mean_degree, reply.before.mean_degree);
  EXPECT_EQ(service_->critique_list(known(), "horror", 10).mean_degree, reply.after.mean_degree);
}

TEST_F(CritiqueService, RatingsAndCritiquesGoTogether) {
  say("guest", "horror", true);
  const auto before = list(*service_, "guest");
  service_->feedback({"guest", before[0].first, "rating", 5, "", 0});
  service_->feedback({"guest", before[1].first, "dismiss", std::nullopt, "", 0});
  for (const auto& [item, score] : list(*service_, "guest")) {
    EXPECT_NE(item, before[0].first);
    EXPECT_NE(item, before[1].first);
  }
  EXPECT_EQ(service_->profile("guest").num_ratings, 1);
  EXPECT_EQ(service_->user_attributes("guest").critiques.size(), 1u);
}

TEST_F(CritiqueService, AddedAndDeletedItemsKeepTheirPlace) {
  CatalogueEntry added;
  added.id = "added";
  added.title = added.catalogue_title = "Added Film";
  added.genres = {"Horror"};
  service_->put_item(added);
  const auto reply = say(known(), "horror", true);
  for (const auto* side : {&reply.before, &reply.after}) {
    for (const auto& entry : side->items) EXPECT_EQ(entry.degree.has_value(), entry.item.item != "added");
  }
  const std::string top = service_->attribute("horror").senses[0].high[0].item;
  service_->delete_item(top);
  for (const auto& entry : service_->attribute("horror").senses[0].high) EXPECT_NE(entry.item, top);
  EXPECT_THROW(service_->item_attributes(top), Error);
}

TEST_F(CritiqueService, TrajectoriesFollowOneWordAndUndoneOnesAreOut) {
  say(known(), "horror", true);
  const auto other = say(known(), "comedy", true);
  EXPECT_EQ(other.trajectory.size(), 2u);
  const auto third = say(known(), "horror", true);
  ASSERT_EQ(third.trajectory.size(), 3u);
  EXPECT_EQ(third.trajectory[2].mean_degree, third.after.mean_degree);
  EXPECT_EQ(third.trajectory[1].more, true);
  service_->undo_critique(known(), third.event_id);
  const auto fourth = say(known(), "horror", false);
  ASSERT_EQ(fourth.trajectory.size(), 3u);
  EXPECT_EQ(fourth.trajectory[2].more, false);
  for (int n = 0; n < 60; ++n) say("guest", n % 2 == 0 ? "horror" : "war", n % 4 == 0);
  for (int n = 0; n < 30; ++n) say("guest", "horror", false);
  const auto last = say("guest", "horror", true);
  EXPECT_EQ(last.trajectory.size(), 51u);
  EXPECT_EQ(last.trajectory.front().step, 0);
  EXPECT_EQ(last.trajectory.back().step, 61);
}

TEST_F(CritiqueService, BadCallsStoreNothing) {
  CritiqueCall call;
  call.user = "nobody";
  call.attribute = "horror";
  const auto refuse = [&](ErrorCode code, std::string_view part, const std::function<void(CritiqueCall&)>& change) {
    CritiqueCall bad = call;
    change(bad);
    expect_error(code, part, [&] { service_->critique(bad); });
    EXPECT_FALSE(service_->has_user("nobody"));
  };
  refuse(ErrorCode::kInvalidArgument, "limit is 0", [](CritiqueCall& c) { c.k = 0; });
  refuse(ErrorCode::kInvalidArgument, "limit is 51", [](CritiqueCall& c) { c.k = 51, c.because = true; });
  refuse(ErrorCode::kInvalidArgument, "update is \"newton\"", [](CritiqueCall& c) { c.update = "newton"; });
  refuse(ErrorCode::kInvalidArgument, "attribute has 0", [](CritiqueCall& c) { c.attribute = ""; });
  refuse(ErrorCode::kInvalidArgument, "attribute has 300", [](CritiqueCall& c) { c.attribute = std::string(300, 'x'); });
  refuse(ErrorCode::kNotFound, "close to it: horror", [](CritiqueCall& c) { c.attribute = "horrer"; });
  refuse(ErrorCode::kNotFound, "unknown item", [](CritiqueCall& c) { c.item = "nothing"; });
  refuse(ErrorCode::kInvalidArgument, "user", [](CritiqueCall& c) { c.user = ""; });
  expect_error(ErrorCode::kNotFound, "has no critique", [&] { service_->undo_critique("nobody", "x"); });
  const auto rating = service_->feedback({"guest", recommender()->items().keys()[0], "rating", 4, "", 0});
  expect_error(ErrorCode::kNotFound, "has no critique", [&] { service_->undo_critique("guest", rating.event_id); });
}

TEST_F(CritiqueService, WithoutAttributesOrStoreItSaysSo) {
  const auto none = open(false);
  EXPECT_NE(none->attributes_problem().find("attune learn attributes"), std::string::npos);
  expect_error(ErrorCode::kFailedPrecondition, "attune learn attributes", [&] { none->attributes(); });
  EXPECT_EQ(service_->attributes_problem(), "");
  RecommendService no_store(recommender(), nullptr, nullptr, attributes());
  CritiqueCall call;
  call.user = known();
  call.attribute = "horror";
  expect_error(ErrorCode::kFailedPrecondition, "no store", [&] { no_store.critique(call); });
}

TEST_F(CritiqueService, AFolderWithoutOrWithBrokenAttributesStillServesLists) {
  const Path saved = folder_ / "model";
  recommender()->save(saved);
  const auto reopen = [&] { return RecommendService::open(saved, store::open_sqlite_store(folder_ / "events.db")); };
  EXPECT_NE(reopen()->attributes_problem().find("none were learned"), std::string::npos);
  attributes()->save(saved);
  EXPECT_EQ(reopen()->attributes_problem(), "");
  write_file_atomic(saved / "attributes.json", "{");
  const auto service = reopen();
  EXPECT_NE(service->attributes_problem().find("run `attune learn attributes` again"), std::string::npos) << service->attributes_problem();
  EXPECT_EQ(list(*service, known()).size(), 10u);
}

}  // namespace
}  // namespace attune::assist
