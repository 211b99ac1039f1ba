// BPR: one step against the gradient by hand (finite differences), order on planted structure, determinism, fold-in, bad input.
#include "people/bpr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "data/generated.h"
#include "data/split.h"
#include "people/evaluate.h"

namespace attune::people {
namespace {

using data::Interaction;

Interaction rate(int user, int item, float rating) { return {UserIndex(user), ItemIndex(item), rating, 0}; }

/// The loss of the header for one pair, from all parameters in double.
double pair_loss(const BprOptions& o, const std::vector<double>& p, const std::vector<double>& good, const std::vector<double>& other,
                 double b_good, double b_other) {
  double x = b_good - b_other;
  double users = 0;
  double items = b_good * b_good + b_other * b_other;
  for (size_t k = 0; k < p.size(); ++k) {
    x += p[k] * (good[k] - other[k]);
    users += p[k] * p[k];
    items += good[k] * good[k] + other[k] * other[k];
  }
  return std::log1p(std::exp(-x)) + 0.5 * (o.user_decay * users + o.item_decay * items);
}

// One user, two items, one of them chosen: each step is the same pair, so one epoch of a small step is minus the gradient.
TEST(Bpr, AStepIsTheGradient) {
  BprOptions o;
  o.rank = 3;
  o.epochs = 1;
  o.init_sd = 0.5;
  o.user_decay = 0.3;
  o.item_decay = 0.2;
  const std::vector<Interaction> ratings{rate(0, 1, 5)};
  o.learning_rate = 1e-6;  // as good as the start
  const BprRanker before(ratings, 1, 2, o);
  o.learning_rate = 0.01;
  const BprRanker after(ratings, 1, 2, o);
  const auto at = [](std::span<const float> values, int row) {
    return std::vector<double>{values[row * 3], values[row * 3 + 1], values[row * 3 + 2]};
  };
  const auto p = at(before.user_factors(), 0), good = at(before.item_factors(), 1), other = at(before.item_factors(), 0);
  const double h = 1e-5;
  const auto slope = [&](const auto& loss) { return (loss(h) - loss(-h)) / (2 * h); };
  for (int k = 0; k < 3; ++k) {
    const auto moved = [&](std::vector<double> v, double by) {
      v[k] += by;
      return v;
    };
    const double du = slope([&](double e) { return pair_loss(o, moved(p, e), good, other, 0, 0); });
    const double di = slope([&](double e) { return pair_loss(o, p, moved(good, e), other, 0, 0); });
    const double dj = slope([&](double e) { return pair_loss(o, p, good, moved(other, e), 0, 0); });
    EXPECT_NEAR(after.user_factors()[k] - p[k], -0.01 * du, 2e-6);
    EXPECT_NEAR(after.item_factors()[3 + k] - good[k], -0.01 * di, 2e-6);
    EXPECT_NEAR(after.item_factors()[k] - other[k], -0.01 * dj, 2e-6);
  }
  const double db = slope([&](double e) { return pair_loss(o, p, good, other, e, 0); });
  EXPECT_NEAR(after.item_bias()[1], -0.01 * db, 2e-6);
  EXPECT_NEAR(after.item_bias()[0], 0.01 * db, 2e-6);
}

TEST(Bpr, RanksPlantedStructureAboveTheBiasesAlone) {
  const auto dataset = data::generate_dataset({.num_users = 300, .num_items = 250, .num_ratings = 15000, .rank = 4}).dataset;
  const auto split = data::split_ratings(dataset, {});
  const auto history = histories(split.train, 300);
  ThreadPool pool(2);
  BprOptions o;
  o.rank = 16;
  const BprRanker ranker(split.train, 300, 250, o);
  const auto ndcg = [&](const Ranker& r) { return evaluate_ranking(r, history, split.test, 250, pool).mean(&stats::RankingMetrics::ndcg); };
  EXPECT_GT(ndcg(ranker), 1.2 * ndcg(PopularityRanker(split.train, 250)));
  // A user given by ratings alone is ranked nearly as well as one of the training run.
  class FoldedIn final : public Ranker {
   public:
    explicit FoldedIn(const BprRanker& r) : ranker_(r) {}
    void score(std::span<const RatedItem> ratings, std::span<float> out) const override { ranker_.score(ratings, out); }

   private:
    const BprRanker& ranker_;
  };
  EXPECT_GT(ndcg(FoldedIn(ranker)), 0.85 * ndcg(ranker));
}

TEST(Bpr, SameBitsForTheSameSeedAndOtherBitsForAnother) {
  const std::vector<Interaction> ratings{rate(0, 1, 5), rate(0, 2, 5), rate(1, 0, 4), rate(2, 3, 1)};
  BprOptions o;
  o.rank = 4;
  const BprRanker a(ratings, 3, 5, o), b(ratings, 3, 5, o);
  EXPECT_TRUE(std::equal(a.item_factors().begin(), a.item_factors().end(), b.item_factors().begin()));
  std::vector<float> x(5), y(5);
  const std::vector<RatedItem> mine{{ItemIndex(3), 5}, {ItemIndex(0), 5}}, reversed{{ItemIndex(0), 5}, {ItemIndex(3), 5}};
  a.score(mine, x);
  a.score(reversed, y);
  EXPECT_EQ(x, y);
  o.seed = 1;
  const BprRanker c(ratings, 3, 5, o);
  EXPECT_FALSE(std::equal(a.item_factors().begin(), a.item_factors().end(), c.item_factors().begin()));
}

// Who chose everything teaches nothing; low ratings are not chosen; nobody is left without a list.
TEST(Bpr, EdgesOfTheData) {
  BprOptions o;
  o.rank = 2;
  o.threshold = 4;
  const BprRanker all(std::vector<Interaction>{rate(0, 0, 5), rate(0, 1, 5), rate(0, 0, 4)}, 1, 2, o);
  EXPECT_EQ(all.item_bias()[0], 0);
  const BprRanker low(std::vector<Interaction>{rate(0, 0, 5), rate(0, 1, 1), rate(1, 2, 3)}, 2, 3, o);
  EXPECT_GT(low.item_bias()[0], 0);
  EXPECT_LT(low.item_bias()[1], 0);  // drawn as one that was not chosen
  std::vector<float> out(3);
  low.score({}, out);
  EXPECT_EQ(out, std::vector<float>(low.item_bias().begin(), low.item_bias().end()));
  low.score(std::vector<RatedItem>{{ItemIndex(1), 2}}, out);
  EXPECT_EQ(out, std::vector<float>(low.item_bias().begin(), low.item_bias().end()));
}

TEST(Bpr, BadInput) {
  const std::vector<Interaction> good{rate(0, 0, 5)};
  const auto refuse = [&](const std::vector<Interaction>& ratings, int users, int items, const BprOptions& o) {
    try {
      BprRanker(ratings, users, items, o);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  };
  BprOptions o;
  refuse({}, 1, 2, o);
  refuse(good, 1, 1, o);
  refuse(good, 0, 2, o);
  refuse({rate(1, 0, 5)}, 1, 2, o);
  refuse({rate(0, -1, 5)}, 1, 2, o);
  refuse({rate(0, 0, std::numeric_limits<float>::quiet_NaN())}, 1, 2, o);  // reaches no threshold: nothing is chosen
  o.threshold = 6;
  refuse(good, 1, 2, o);
  o = {};
  o.rank = 0;
  refuse(good, 1, 2, o);
  o = {};
  o.learning_rate = 10;
  o.item_decay = o.user_decay = 10;
  o.epochs = 1000;
  refuse(good, 1, 2, o);  // diverges
  const BprRanker ranker(good, 1, 2, {});
  std::vector<float> out(2), wrong(3);
  EXPECT_THROW(ranker.score({}, wrong), Error);
  EXPECT_THROW(ranker.score(std::vector<RatedItem>{{ItemIndex(2), 5}}, out), Error);
  EXPECT_THROW(ranker.score_user(UserIndex(1), {}, out), Error);
}

}  // namespace
}  // namespace attune::people
