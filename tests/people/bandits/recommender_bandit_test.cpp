// Moods learned from a recommender with planted groups; rewards by hand; files whole, damaged, foreign.
#include "people/bandits/recommender_bandit.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "planted_moods.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;

const Recommender& planted() {
  static const auto recommender = planted_recommender();
  return *recommender;
}
const RecommenderBandit& bandit() {
  static const auto learned = planted_bandit(planted());
  return *learned;
}

ErrorCode code_of(const std::function<void()>& body, std::string_view part = {}) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST(RecommenderBandit, FindsThePlantedGroups) {
  ASSERT_EQ(bandit().num_states(), kGroups);
  std::set<std::string> names, genres;
  for (const auto& state : bandit().states()) {
    EXPECT_EQ(state.num_users, kGroupUsers);
    EXPECT_NEAR(state.share, 0.25, 0.01);
    ASSERT_EQ(state.items.size(), 8u);
    const int32_t group = state.items[0].item.value / kGroupItems;
    for (const auto& typical : state.items) {
      EXPECT_EQ(typical.item.value / kGroupItems, group);
      EXPECT_GT(typical.lift, 0);
      EXPECT_NEAR(typical.mean, 1, 0.25);  // "liked" of the group's items
    }
    ASSERT_FALSE(state.genres.empty());
    EXPECT_EQ(state.genres[0].genre, cat("genre ", group));
    EXPECT_GT(state.genres[0].lift, 2);
    names.insert(state.name);
    genres.insert(state.genres[0].genre);
  }
  EXPECT_EQ(names.size(), 4u);
  EXPECT_EQ(genres.size(), 4u);
}

TEST(RecommenderBandit, MeansAreCalibratedOnTheRatings) {
  // The mean of (reward - mean in the user's own group) is 0 by least squares, and its spread is the noise.
  double sum = 0, squares = 0, n = 0;
  std::vector<double> mu(kGroups);
  for (int32_t u = 0; u < planted().users().size(); ++u) {
    size_t own = 0;
    for (size_t z = 0; z < kGroups; ++z) {
      if (bandit().states()[z].items[0].item.value / kGroupItems == u / kGroupUsers) own = z;
    }
    RatingReward reward(planted().model());
    for (const TimedRating& r : planted().timed_ratings(UserIndex(u))) {
      bandit().model().means(-1, bandit().features(r.item), mu);
      const double residual = reward(r.item, r.rating) - mu[own];
      sum += residual;
      squares += residual * residual;
      ++n;
    }
  }
  EXPECT_NEAR(sum / n, 0, 1e-6);
  EXPECT_NEAR(std::sqrt(squares / n), bandit().model().noise_sd, 1e-6);
}

TEST(RecommenderBandit, VectorsRankAsTheMeansDo) {
  const std::vector<double> p = {0.5, 0.25, 0.125, 0.125};
  std::vector<double> mu(kGroups);
  for (int32_t i = 0; i < 80; i += 7) {
    const auto x = bandit().features(ItemIndex(i));
    ASSERT_EQ(x.size(), 7u);
    EXPECT_EQ(x.back(), 1);
    bandit().model().means(-1, x, mu);
    const double offset = bandit().record().metrics.at("offset");
    double mean = 0;
    for (int32_t z = 0; z < kGroups; ++z) {
      EXPECT_NEAR(planted().model().score(bandit().state_vector(z), ItemIndex(i)), mu[static_cast<size_t>(z)] - offset, 1e-5);
      mean += p[static_cast<size_t>(z)] * mu[static_cast<size_t>(z)];
    }
    EXPECT_NEAR(planted().model().score(bandit().mean_vector(p), ItemIndex(i)), mean - offset, 1e-5);
  }
}

TEST(RecommenderBandit, TheSameWithAnyNumberOfThreadsAndAnotherWithAnotherSeed) {
  RecommenderBanditOptions o;
  o.num_states = 5;
  const auto version = [&](int threads) {
    ThreadPool pool(threads);
    return learn_recommender_bandit(planted(), o, "", pool, no_progress()).bandit->version();
  };
  const auto one = version(1);
  EXPECT_EQ(version(3), one);
  o.rho = 0.05;
  EXPECT_NE(version(1), one);
}

TEST(RecommenderBandit, ChoosesTheNumberOfStatesOnHeldOutUsers) {
  ThreadPool pool(1);
  const auto learned = learn_recommender_bandit(planted(), {}, "", pool, no_progress());
  ASSERT_GE(learned.tried.size(), 5u);
  double best = -1e9;
  for (const auto& one : learned.tried) best = std::max(best, one.held_out);
  for (const auto& one : learned.tried) {
    EXPECT_GE(one.behind, -1e-12);
    EXPECT_NEAR(one.behind, best - one.held_out, 1e-9);
  }
  // Four groups: a small number is enough, and it is the least that is.
  EXPECT_LE(learned.bandit->num_states(), 10);
  for (const auto& one : learned.tried) {
    if (one.num_states > learned.bandit->num_states()) continue;
    EXPECT_EQ(one.behind <= std::max(one.behind_error, 0.005), one.num_states == learned.bandit->num_states()) << one.num_states;
  }
  EXPECT_EQ(learned.bandit->record().recommender, planted().version());
}

TEST(RecommenderBandit, LearnedRhoIsNotBelowTheLeast) {
  ThreadPool pool(1);
  RecommenderBanditOptions o;
  o.num_states = kGroups;
  o.least_rho = 0;
  // Planted users never leave their group.
  EXPECT_LE(learn_recommender_bandit(planted(), o, "", pool, no_progress()).bandit->model().transition.rho(), 0.002);
  o.least_rho = 0.03;
  EXPECT_EQ(learn_recommender_bandit(planted(), o, "", pool, no_progress()).bandit->model().transition.rho(), 0.03);
  o.rho = 0.2;
  EXPECT_EQ(learn_recommender_bandit(planted(), o, "", pool, no_progress()).bandit->model().transition.rho(), 0.2);
}

TEST(RecommenderBandit, PriorsAreThoseOfTheClusters) {
  const LatentPrior& prior = bandit().prior();
  const auto d = static_cast<size_t>(bandit().model().d);
  ASSERT_EQ(prior.theta, bandit().model().theta);
  ASSERT_EQ(prior.covariance.size(), kGroups * d * d);
  for (size_t z = 0; z < kGroups; ++z) {
    EXPECT_GT(prior.covariance[(z * d + d - 1) * d + d - 1], 0);  // of the user's own offset
    EXPECT_EQ(prior.covariance[(z * d + d - 1) * d], 0);
  }
}

TEST(RecommenderBandit, RefusesTooFewUsersAndOptionsOutOfRange) {
  ThreadPool pool(1);
  const auto learn = [&](auto change) {
    RecommenderBanditOptions o;
    change(o);
    learn_recommender_bandit(planted(), o, "", pool, no_progress());
  };
  EXPECT_EQ(code_of([&] { learn([](auto& o) { o.least_ratings = 1000; }); }, "at least 1000 ratings"), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code_of([&] { learn([](auto& o) { o.num_states = 100; }); }, "100 states"), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code_of([&] { learn([](auto& o) { o.rho = 1.5; }); }, "rho"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { learn([](auto& o) { o.round_hours = 0; }); }, "round_hours"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { learn([](auto& o) { o.dismiss_rating = NAN; }); }, "dismiss_rating"), ErrorCode::kInvalidArgument);
}

TEST(RatingReward, IsTheTargetThatWasLearned) {
  RatingReward liked(planted().model());
  EXPECT_FLOAT_EQ(static_cast<float>(liked(ItemIndex(0), 5)), 1);
  EXPECT_FLOAT_EQ(static_cast<float>(liked(ItemIndex(0), 4)), 1);
  EXPECT_FLOAT_EQ(static_cast<float>(liked(ItemIndex(0), 3)), 0.8f);
  EXPECT_FLOAT_EQ(static_cast<float>(liked(ItemIndex(0), 1)), -0.1f);
  // Residuals take off the user's bias as far as earlier ratings show it: damped by 10 pseudo ratings.
  const auto residual = planted_recommender("soft_attributes");
  const AlsParameters& p = residual->model().parameters();
  RatingReward reward(residual->model());
  EXPECT_NEAR(reward(ItemIndex(3), 5), 5 - p.mean - p.item_bias[3], 1e-6);
  const double bias = (5 - p.mean - p.item_bias[3]) / (1 + 10);
  EXPECT_NEAR(reward(ItemIndex(40), 2), 2 - p.mean - p.item_bias[40] - bias, 1e-6);
}

TEST(RecommenderBandit, PausesAreCountedInWholeRounds) {
  EXPECT_EQ(bandit().round_ms(), 24 * 3600 * 1000);
  EXPECT_EQ(bandit().rounds_between(5000, 6000), 1);
  EXPECT_EQ(bandit().rounds_between(6000, 5000), 1);  // a clock that was set back
  EXPECT_EQ(bandit().rounds_between(0, bandit().round_ms() - 1), 1);
  EXPECT_EQ(bandit().rounds_between(0, 3 * bandit().round_ms()), 4);
}

class BanditFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / cat("attune-bandit-files-", ::getpid());
    std::filesystem::create_directories(folder_);
    bandit().save(folder_, planted());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// What loading throws after the document was changed.
  ErrorCode after(const std::function<void(Json&)>& change, std::string_view part) {
    Json json = Json::parse(read_file(folder_ / "bandit.json"));
    change(json);
    write_file_atomic(folder_ / "bandit.json", json.dump());
    const ErrorCode out = code_of([&] { RecommenderBandit::load(folder_, planted()); }, part);
    code_of([&] { RecommenderBandit::load(folder_, planted()); }, kLearnBanditCommand);
    bandit().save(folder_, planted());
    return out;
  }
  Path folder_;
};

TEST_F(BanditFiles, RoundTrip) {
  const auto read = RecommenderBandit::load(folder_, planted());
  EXPECT_EQ(read->version(), bandit().version());
  EXPECT_EQ(read->model().theta, bandit().model().theta);
  EXPECT_EQ(read->prior().covariance, bandit().prior().covariance);
  EXPECT_EQ(read->model().transition.rho(), bandit().model().transition.rho());
  EXPECT_EQ(read->round_ms(), bandit().round_ms());
  EXPECT_EQ(read->dismiss_rating(), 2);
  ASSERT_EQ(read->states().size(), 4u);
  for (size_t z = 0; z < 4; ++z) {
    EXPECT_EQ(read->states()[z].name, bandit().states()[z].name);
    EXPECT_EQ(read->states()[z].share, bandit().states()[z].share);
    ASSERT_EQ(read->states()[z].items.size(), 8u);
    EXPECT_EQ(read->states()[z].items[3].item, bandit().states()[z].items[3].item);
    EXPECT_EQ(read->states()[z].items[3].lift, bandit().states()[z].items[3].lift);
    EXPECT_EQ(read->states()[z].genres[0].genre, bandit().states()[z].genres[0].genre);
  }
}

TEST_F(BanditFiles, LearningAgainLeavesOneModelFile) {
  planted_bandit(planted(), 6)->save(folder_, planted());
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) files += entry.path().filename().string().starts_with("bandit-");
  EXPECT_EQ(files, 1);
  EXPECT_EQ(RecommenderBandit::load(folder_, planted())->num_states(), 6);
}

TEST_F(BanditFiles, NoneIsNotFoundAndSaysWhatToRun) {
  std::filesystem::remove(folder_ / "bandit.json");
  EXPECT_EQ(code_of([&] { RecommenderBandit::load(folder_, planted()); }, kLearnBanditCommand), ErrorCode::kNotFound);
}

TEST_F(BanditFiles, DamageIsNamed) {
  const auto corrupt = ErrorCode::kCorruptData;
  EXPECT_EQ(after([](Json& j) { j = Json::array(); }, "object"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["format"] = "other"; }, "format"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["format_version"] = 2; }, "format_version"), ErrorCode::kUnsupported);
  EXPECT_EQ(after([](Json& j) { j["recommender"] = "als-000000000000"; }, "recommender"), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(after([](Json& j) { j["model"] = "../../etc/passwd"; }, "model"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["model"] = "bandit-/x"; }, "model"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["model"] = "bandit-0000000000000000"; }, "bandit-0000000000000000"), ErrorCode::kNotFound);
  EXPECT_EQ(after([](Json& j) { j.erase("states"); }, "states is missing"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["states"].erase(0); }, "descriptions of states"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["states"][0] = 3; }, "name"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["states"][0]["share"] = 1.5; }, "share"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["states"][0]["users"] = -1; }, "users"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["states"][0]["items"][0]["item"] = "nothing"; }, "unknown item"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["states"][0]["items"][0]["lift"] = nullptr; }, "lift"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["states"][0]["name"] = std::string(2000, 'x'); }, "name"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["round_hours"] = 0; }, "round_hours"), corrupt);
  EXPECT_EQ(after([](Json& j) { j["dismiss_rating"] = "two"; }, "dismiss_rating"), corrupt);
}

TEST_F(BanditFiles, ADamagedModelIsNamed) {
  const Path model = folder_ / cat(bandit().version(), ".json");
  write_file_atomic(model, read_file(model).substr(0, 1000));
  EXPECT_EQ(code_of([&] { RecommenderBandit::load(folder_, planted()); }, kLearnBanditCommand), ErrorCode::kCorruptData);
}

TEST_F(BanditFiles, MoodsOfAnotherRecommenderAreRefused) {
  const auto other = planted_recommender("soft_attributes");
  EXPECT_EQ(code_of([&] { RecommenderBandit::load(folder_, *other); }, other->version()), ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace attune::people
