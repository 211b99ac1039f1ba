// Superusers: halves and clusters of users, candidates by genre, rewards by hand, the model's noise, seeds, bad input.
#include "envs/superuser_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "data/generated.h"
#include "envs/bandit_experiment.h"
#include "stats/agreement.h"
#include "tests/expect_error.h"

namespace attune::envs {
namespace {

/// 200 users in 3 clusters, who rate much, so that factors are good.
data::Generated small() {
  data::GeneratedOptions options;
  options.num_users = 200;
  options.num_items = 150;
  options.num_ratings = 10000;
  options.rank = 4;
  options.num_clusters = 3;
  options.cluster_spread = 0.2;
  options.seed = 1;  // centres that lie apart: where two of the three are near each other nothing can tell them apart
  return data::generate_dataset(options);
}

SuperuserOptions three() {
  SuperuserOptions out;
  out.num_states = 3;
  out.rank = 4;
  out.lambda = 1;
  out.horizon = 200;
  return out;
}

TEST(SuperuserWorld, HalvesClustersAndModels) {
  ThreadPool pool(2);
  const data::Generated data = small();
  const SuperuserWorld world = make_superuser_world(data.dataset, three(), pool);
  std::set<int32_t> users(world.training_users.begin(), world.training_users.end());
  EXPECT_EQ(users.size(), 100u);
  std::vector<int32_t> found, truth;
  for (size_t z = 0; z < 3; ++z) {
    for (const int32_t user : world.test_users[z]) {
      EXPECT_TRUE(users.insert(user).second) << "in both halves: " << user;
      found.push_back(static_cast<int32_t>(z));
      truth.push_back(data.cluster[static_cast<size_t>(user)]);
    }
  }
  EXPECT_EQ(users.size(), 200u);
  EXPECT_GT(stats::adjusted_rand_index(found, truth), 0.7);  // planted clusters come back, on users that were not clustered
  EXPECT_GT(world.between, 0.4);
  for (size_t i = 0; i < 12; ++i) EXPECT_DOUBLE_EQ(world.model->theta[i], world.clusters.mean[i] / 4);
  EXPECT_NEAR(world.prior.covariance[0],
              people::within_covariances(world.clusters,
                                         [&] {
                                           std::vector<double> points;
                                           for (const int32_t user : world.training_users) {
                                             points.insert(points.end(), world.users.begin() + user * 4,
                                                           world.users.begin() + (user + 1) * 4);
                                           }
                                           return points;
                                         }())[0] /
                  16,
              1e-12);
  EXPECT_GE(world.certain->noise_sd, 0.125);
  EXPECT_GT(world.model->noise_sd, world.certain->noise_sd);
}

TEST(SuperuserWorld, RoundsOfASuperuser) {
  ThreadPool pool(1);
  const data::Generated data = small();
  const SuperuserWorld world = make_superuser_world(data.dataset, three(), pool);
  const BanditProblem problem = make_superuser(world, 5);
  const Episode& episode = problem.episode;
  ASSERT_EQ(episode.num_rounds, 200);
  ASSERT_EQ(episode.num_actions, 20);
  // Who answers in each state: the one test user of that cluster whose rewards fit.
  std::vector<int32_t> who(3, -1);
  for (size_t z = 0; z < 3; ++z) {
    const auto t =
        static_cast<int64_t>(std::find(episode.states.begin(), episode.states.end(), static_cast<int32_t>(z)) - episode.states.begin());
    if (t == 200) continue;
    for (const int32_t user : world.test_users[z]) {
      bool fits = true;
      for (int32_t a = 0; a < 20; ++a)
        fits = fits && episode.means_of(t)[static_cast<size_t>(a)] == world.mean_reward(user, episode.round(t).arm(a));
      if (fits) who[z] = user;
    }
    EXPECT_GE(who[z], 0) << z;
  }
  size_t genres = 0;
  for (int64_t t = 0; t < 200; ++t) {
    const people::Round round = episode.round(t);
    const int32_t user = who[static_cast<size_t>(episode.states[static_cast<size_t>(t)])];
    std::set<int32_t> items;
    std::set<std::string> seen;
    for (int32_t a = 0; a < 20; ++a) {
      const int32_t item = round.arm(a);
      items.insert(item);
      for (const auto& genre : data.dataset.item_info[static_cast<size_t>(item)].genres) seen.insert(genre);
      double rating = world.mean;
      for (int32_t i = 0; i < 4; ++i) {
        ASSERT_EQ(round.features_of(a)[static_cast<size_t>(i)], world.items[static_cast<size_t>(item * 4 + i)]);
        rating += round.features_of(a)[static_cast<size_t>(i)] * world.users[static_cast<size_t>(user * 4 + i)];
      }
      ASSERT_NEAR(episode.means_of(t)[static_cast<size_t>(a)], (std::clamp(rating, 1.0, 5.0) - world.mean) / 4, 1e-12);
    }
    ASSERT_EQ(items.size(), 20u);  // none twice
    genres += seen.size();
  }
  EXPECT_EQ(genres, 200u * data.dataset.genres().size());  // fewer genres than candidates: all of them every round
}

TEST(SuperuserWorld, SeedsAndThreads) {
  ThreadPool one(1), three_threads(3);
  const data::Generated data = small();
  const SuperuserWorld a = make_superuser_world(data.dataset, three(), one), b = make_superuser_world(data.dataset, three(), three_threads);
  EXPECT_EQ(a.model->theta, b.model->theta);
  EXPECT_EQ(make_superuser(a, 1).episode.means, make_superuser(b, 1).episode.means);
  EXPECT_NE(make_superuser(a, 1).episode.means, make_superuser(a, 2).episode.means);
  SuperuserOptions other = three();
  other.seed = 1;
  EXPECT_NE(make_superuser_world(data.dataset, other, one).training_users, a.training_users);
}

TEST(SuperuserWorld, ThePriorHelpsThoseWhoKnowIt) {
  ThreadPool pool(1);
  const data::Generated data = small();
  const SuperuserWorld world = make_superuser_world(data.dataset, three(), pool);
  people::BaselineOptions told;
  told.horizon = 200;
  const std::vector<Contender> contenders = {latent("mts"), latent("greedy"), baseline("random", told), baseline("oracle", told)};
  const auto out = run_experiment([&](uint64_t seed) { return make_superuser(world, seed); }, contenders, 1, 10, {}, pool);
  const auto mean = [&](std::string_view name) {
    double sum = 0;
    for (const double x : out.of(name)) sum += x / 10;
    return sum;
  };
  EXPECT_LT(mean("mts"), 0.5 * mean("random"));
  EXPECT_LT(mean("greedy"), 0.5 * mean("random"));
  EXPECT_EQ(mean("oracle"), 0);
}

TEST(SuperuserWorld, BadInput) {
  ThreadPool pool(1);
  const data::Generated data = small();
  const auto bad = [&](std::string_view part, auto change) {
    SuperuserOptions options = three();
    change(options);
    test::expect_error(ErrorCode::kInvalidArgument, part, [&] { make_superuser_world(data.dataset, options, pool); });
  };
  bad("num-states", [](auto& o) { o.num_states = 0; });
  bad("num-candidates", [](auto& o) { o.num_candidates = 1; });
  bad("items to offer", [](auto& o) { o.num_candidates = 151; });
  bad("items to offer", [](auto& o) { o.least_ratings = 100000; });
}

TEST(GeneratedClusters, AreWhatTheyAreSaidToBe) {
  const data::Generated data = small();
  ASSERT_EQ(data.cluster.size(), 200u);
  // Spread 0.2 of sd 1 / sqrt(4) around the centres: pooled variance 0.04 / 4.
  std::vector<double> mean(12, 0.0), size(3, 0.0);
  for (size_t u = 0; u < 200; ++u) {
    const auto k = static_cast<size_t>(data.cluster[u]);
    size[k] += 1;
    for (size_t i = 0; i < 4; ++i) mean[k * 4 + i] += data.user_factors[u * 4 + i];
  }
  double square = 0;
  for (size_t u = 0; u < 200; ++u) {
    const auto k = static_cast<size_t>(data.cluster[u]);
    for (size_t i = 0; i < 4; ++i) square += std::pow(data.user_factors[u * 4 + i] - mean[k * 4 + i] / size[k], 2);
  }
  EXPECT_NEAR(square / (197 * 4), 0.01, 0.0015);
  data::GeneratedOptions bad;
  bad.cluster_spread = 1.5;
  test::expect_error(ErrorCode::kInvalidArgument, "spread 1.5", [&] { data::generate_dataset(bad); });
  data::GeneratedOptions plain;  // without clusters nothing changed: the stream of items is not touched
  plain.num_users = 30;
  plain.num_items = 40;
  plain.num_ratings = 400;
  plain.least_per_user = 5;
  auto clustered = plain;
  clustered.num_clusters = 2;
  EXPECT_EQ(data::generate_dataset(plain).item_factors, data::generate_dataset(clustered).item_factors);
  EXPECT_TRUE(data::generate_dataset(plain).cluster.empty());
}

}  // namespace
}  // namespace attune::envs
