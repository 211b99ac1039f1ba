// The whole way from ratings to a table: ALS must beat popularity on planted structure, and nothing may depend on threads.
#include "people/learn.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "data/generated.h"

namespace attune::people {
namespace {

const data::Dataset& dataset() {
  static const data::Dataset out = data::generate_dataset({.num_users = 300, .num_items = 250, .num_ratings = 15000, .rank = 4}).dataset;
  return out;
}

TEST(Learn, BeatsPopularityOnPlantedStructure) {
  ThreadPool pool(2);
  LearnOptions options;
  options.preset = "ranking";
  options.resamples = 500;
  EXPECT_EQ(options.relevant_rating, 0);  // 0.8 * 5
  const auto learned = learn_recommender(dataset(), options, true, "now", pool, no_progress());
  const auto& report = learned.report;
  ASSERT_EQ(report.rows.size(), 4u);
  EXPECT_DOUBLE_EQ(report.relevant_rating, 4);
  EXPECT_EQ(report.rows[0].model, "weighted ALS");
  EXPECT_EQ(report.rows[1].model, "BPR");
  EXPECT_EQ(report.rows[2].model, "item-kNN");
  EXPECT_EQ(report.rows[3].model, "popularity");
  EXPECT_GT(report.ndcg_over("popularity").low, 0);
  EXPECT_GT(report.rows[1].ndcg.mean, report.rows[3].ndcg.mean);
  EXPECT_THROW(report.ndcg_over("oracle"), Error);
  ASSERT_EQ(report.differences.size(), 3u);
  for (size_t n = 1; n < 4; ++n) {
    EXPECT_EQ(report.differences[n - 1].other, report.rows[n].model);
    ASSERT_EQ(report.differences[n - 1].metrics.size(), 9u);
    for (size_t m = 0; m < 9; ++m) {
      const auto& difference = report.differences[n - 1].metrics[m];
      EXPECT_EQ(difference.metric, report.rows[n].metrics[m].metric);
      EXPECT_NEAR(difference.interval.mean, report.rows[0].metrics[m].interval.mean - report.rows[n].metrics[m].interval.mean, 1e-12);
      EXPECT_LE(difference.interval.low, difference.interval.mean);
      EXPECT_GE(difference.interval.high, difference.interval.mean);
    }
  }
  EXPECT_EQ(report.candidates.size(), 1u);
  EXPECT_GT(report.num_users_tested, 200);
  for (const auto& row : report.rows) {
    EXPECT_LE(row.ndcg.low, row.ndcg.mean);
    EXPECT_GE(row.ndcg.high, row.ndcg.mean);
    EXPECT_EQ(row.metrics[6].metric, "auc");
    EXPECT_GT(row.metrics[6].interval.low, 0.5);
    ASSERT_EQ(row.groups.size(), 3u);
    double sum = 0;
    int64_t users = 0;
    for (size_t g = 0; g < 3; ++g) {
      EXPECT_LE(row.groups[g].least, row.groups[g].most);
      if (g > 0) {
        EXPECT_GE(row.groups[g].least, row.groups[g - 1].most);
      }
      sum += static_cast<double>(row.groups[g].ndcg.n) * row.groups[g].ndcg.mean;
      users += row.groups[g].ndcg.n;
    }
    EXPECT_EQ(users, report.num_users_tested);
    EXPECT_NEAR(sum / static_cast<double>(users), row.ndcg.mean, 1e-12);
  }
  EXPECT_LT(report.rows[3].coverage, report.rows[0].coverage);  // popular items fill all lists
  EXPECT_GT(report.rows[3].gini, report.rows[0].gini);
  EXPECT_LT(report.rows[3].metrics[7].interval.high, report.rows[0].metrics[7].interval.low);  // and surprise less
  ASSERT_NE(learned.recommender, nullptr);
  EXPECT_EQ(learned.recommender->record().num_ratings, 15000);
  EXPECT_EQ(learned.recommender->record().metrics.at("test ndcg@10 weighted ALS"), report.rows[0].ndcg.mean);
}

TEST(Learn, SameResultForAnyNumberOfThreads) {
  LearnOptions options;
  options.preset = "ranking";
  options.resamples = 200;
  ThreadPool one(1);
  ThreadPool three(3);
  const auto a = learn_recommender(dataset(), options, true, "now", one, no_progress());
  const auto b = learn_recommender(dataset(), options, true, "now", three, no_progress());
  for (size_t n = 0; n < 4; ++n) {
    EXPECT_EQ(a.report.rows[n].ndcg.mean, b.report.rows[n].ndcg.mean);
    EXPECT_EQ(a.report.rows[n].recall.low, b.report.rows[n].recall.low);
  }
  EXPECT_EQ(a.recommender->version(), b.recommender->version());
}

TEST(Learn, AutoTriesEveryPreset) {
  const auto small = data::generate_dataset({.num_users = 60, .num_items = 80, .num_ratings = 1800}).dataset;
  ThreadPool pool(2);
  LearnOptions options;
  options.resamples = 100;
  const auto learned = learn_recommender(small, options, false, "now", pool, no_progress());
  EXPECT_EQ(learned.recommender, nullptr);
  for (const auto& name : als_preset_names()) {
    const auto begins = [&](const std::string& line) { return line.starts_with(name); };
    EXPECT_EQ(std::any_of(learned.report.candidates.begin(), learned.report.candidates.end(), begins), name != "implicit") << name;
  }
}

// Rows without ratings count as 1: everything chosen is liked and relevant.
TEST(Learn, ChoicesWithoutRatings) {
  data::Dataset chosen = dataset();
  for (auto& r : chosen.interactions) r.rating = 1;
  ThreadPool pool(2);
  LearnOptions options;
  options.preset = "ranking";
  options.resamples = 200;
  const auto learned = learn_recommender(chosen, options, true, "now", pool, no_progress());
  EXPECT_DOUBLE_EQ(learned.report.relevant_rating, 0.8);
  EXPECT_GT(learned.report.ndcg_over("popularity").low, 0);
  EXPECT_EQ(learned.recommender->model().parameters().options.liked_threshold, 0.8);
}

TEST(Learn, SplitsByTime) {
  data::Dataset timed = dataset();
  for (size_t n = 0; n < timed.interactions.size(); ++n) timed.interactions[n].timestamp = static_cast<int64_t>(n * 7919 % 15000);
  ThreadPool pool(2);
  LearnOptions options;
  options.preset = "ranking";
  options.resamples = 100;
  options.models = {"popularity"};
  for (const char* kind : {"user_temporal", "temporal", "leave_one_out"}) {
    options.split = kind;
    const auto report = learn_recommender(timed, options, false, "now", pool, no_progress()).report;
    EXPECT_GT(report.ndcg_over("popularity").mean, 0) << kind;
    EXPECT_EQ(report.split.find("random"), std::string::npos);
  }
  options.split = "none";
  EXPECT_THROW(learn_recommender(timed, options, false, "now", pool, no_progress()), Error);
}

TEST(Learn, BadInput) {
  ThreadPool pool(1);
  LearnOptions options;
  options.preset = "none";
  EXPECT_THROW(learn_recommender(dataset(), options, false, "now", pool, no_progress()), Error);
  options.preset = "ranking";
  options.models = {"als", "oracle"};
  EXPECT_THROW(learn_recommender(dataset(), options, false, "now", pool, no_progress()), Error);
  options.models = {"popularity"};
  EXPECT_EQ(learn_recommender(dataset(), options, false, "now", pool, no_progress()).report.rows.size(), 2u);  // als and popularity
  data::Dataset tiny;
  tiny.users.add("a");
  tiny.items.add("x");
  tiny.item_info.resize(1);
  tiny.interactions.push_back({UserIndex(0), ItemIndex(0), 5, 0});
  EXPECT_THROW(learn_recommender(tiny, options, false, "now", pool, no_progress()), Error);
  options.compare = false;
  const auto fitted = learn_recommender(tiny, options, true, "now", pool, no_progress());
  EXPECT_TRUE(fitted.report.rows.empty());
  EXPECT_EQ(fitted.recommender->users().size(), 1);
}

}  // namespace
}  // namespace attune::people
