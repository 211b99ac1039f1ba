#include "envs/superuser_world.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/error.h"
#include "people/als.h"

namespace attune::envs {
namespace {

constexpr int kItemsForNoise = 50;  // a training user, to measure how far a model's means are off

std::span<const double> row(const std::vector<double>& matrix, int32_t n, int32_t d) {
  return std::span(matrix).subspan(static_cast<size_t>(n) * static_cast<size_t>(d), static_cast<size_t>(d));
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void learn_factors(const data::Dataset& dataset, SuperuserWorld& out, ThreadPool& pool) {
  auto options = people::als_preset("latent_bandits");
  options.rank = out.options.rank;
  options.lambda = out.options.lambda;
  options.seed = out.options.seed;
  const auto model = people::fit_als(dataset.interactions, static_cast<int32_t>(dataset.users.size()),
                                     static_cast<int32_t>(dataset.items.size()), options, pool);
  const auto& parameters = model.parameters();
  out.mean = parameters.mean;
  out.users.assign(parameters.user_factors.begin(), parameters.user_factors.end());
  out.items.assign(parameters.item_factors.begin(), parameters.item_factors.end());
}

void sort_items(const data::Dataset& dataset, SuperuserWorld& out) {
  std::vector<int32_t> ratings(dataset.items.size(), 0);
  for (const auto& interaction : dataset.interactions) ++ratings[static_cast<size_t>(interaction.item.value)];
  std::map<std::string, std::vector<int32_t>> genres;
  std::vector<int32_t> all;
  for (size_t i = 0; i < ratings.size(); ++i) {
    if (ratings[i] < out.options.least_ratings) continue;
    all.push_back(static_cast<int32_t>(i));
    for (const auto& genre : dataset.item_info[i].genres) genres[genre].push_back(static_cast<int32_t>(i));
  }
  check(static_cast<int32_t>(all.size()) >= out.options.num_candidates, ErrorCode::kInvalidArgument, "[superusers] expected at least ",
        out.options.num_candidates, " items to offer, found ", all.size());
  for (auto& entry : genres) out.by_genre.push_back(std::move(entry.second));
  out.by_genre.push_back(std::move(all));
}

/// Clusters of half of the users, and the other half by cluster.
void learn_clusters(SuperuserWorld& out) {
  const int32_t d = out.options.rank;
  std::vector<int32_t> users(out.users.size() / static_cast<size_t>(d));
  std::iota(users.begin(), users.end(), 0);
  Rng rng(out.options.seed, "superuser halves");
  shuffle(users, rng);
  const auto half = users.begin() + static_cast<ptrdiff_t>((users.size() + 1) / 2);
  out.training_users.assign(users.begin(), half);
  std::sort(out.training_users.begin(), out.training_users.end());
  std::vector<double> points;
  for (const int32_t user : out.training_users) {
    const auto u = row(out.users, user, d);
    points.insert(points.end(), u.begin(), u.end());
  }
  people::ClusterOptions options;
  options.num_clusters = out.options.num_states;
  options.seed = out.options.seed;
  out.clusters = people::fit_clusters(points, d, options);
  const auto covariances = people::within_covariances(out.clusters, points);
  out.prior.theta = out.clusters.mean;
  for (double& x : out.prior.theta) x /= 4;
  out.prior.covariance = covariances;
  for (double& x : out.prior.covariance) x /= 16;
  out.test_users.resize(static_cast<size_t>(out.options.num_states));
  std::vector<int32_t> others(half, users.end());
  std::sort(others.begin(), others.end());
  for (const int32_t user : others) out.test_users[static_cast<size_t>(out.clusters.nearest(row(out.users, user, d)))].push_back(user);
  check(!others.empty(), ErrorCode::kInvalidArgument, "[superusers] expected users to test on, found none");
  std::vector<double> weight(out.test_users.size());
  for (size_t z = 0; z < out.test_users.size(); ++z) {
    if (!out.test_users[z].empty()) continue;
    std::pair<double, int32_t> likeliest = {-1, others[0]};
    for (const int32_t user : others) {
      out.clusters.responsibilities(row(out.users, user, d), weight);
      likeliest = std::max(likeliest, {weight[z], user});
    }
    out.test_users[z] = {likeliest.second};
  }
}

/// Squared distance to the own cluster's mean against that to the mean of all.
double between_share(const SuperuserWorld& world) {
  const int32_t d = world.options.rank;
  std::vector<double> mean(static_cast<size_t>(d), 0.0);
  for (const int32_t user : world.training_users) {
    const auto u = row(world.users, user, d);
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += u[i] / static_cast<double>(world.training_users.size());
  }
  double within = 0, total = 0;
  for (const int32_t user : world.training_users) {
    const auto u = row(world.users, user, d), centre = row(world.clusters.mean, world.clusters.nearest(u), d);
    for (size_t i = 0; i < mean.size(); ++i) {
      within += (u[i] - centre[i]) * (u[i] - centre[i]);
      total += (u[i] - mean[i]) * (u[i] - mean[i]);
    }
  }
  return 1 - within / total;
}

void make_models(SuperuserWorld& out) {
  const auto& o = out.options;
  Rng rng(o.seed, "superuser noise");
  double around_cluster = 0, around_user = 0;
  const auto& all = out.by_genre.back();
  for (const int32_t user : out.training_users) {
    const auto u = row(out.users, user, o.rank), centre = row(out.clusters.mean, out.clusters.nearest(u), o.rank);
    for (int n = 0; n < kItemsForNoise; ++n) {
      const int32_t item = all[rng.below(all.size())];
      const auto x = row(out.items, item, o.rank);
      const double mean = out.mean_reward(user, item);
      around_cluster += std::pow(mean - dot(x, centre) / 4, 2);
      around_user += std::pow(mean - dot(x, u) / 4, 2);
    }
  }
  const double count = static_cast<double>(out.training_users.size()) * kItemsForNoise, noise = o.noise_sd * o.noise_sd;
  people::LatentModel model;
  model.num_states = o.num_states;
  model.d = o.rank;
  const std::vector<double> uniform(static_cast<size_t>(o.num_states), 1.0 / o.num_states);
  model.initial = uniform;
  model.transition = people::Transition::sticky(sticky_rho(o.changes, o.horizon, o.num_states), uniform);
  model.theta = out.prior.theta;
  model.noise_sd = std::sqrt(noise + around_user / count);
  model.check();
  out.prior.check(model);
  out.certain = std::make_shared<const people::LatentModel>(model);
  model.noise_sd = std::sqrt(noise + around_cluster / count);
  out.model = std::make_shared<const people::LatentModel>(std::move(model));
}

/// Items of one round: one of each genre in random order, then any, none twice.
void draw_candidates(const SuperuserWorld& world, Rng& rng, std::span<int32_t> out) {
  std::vector<size_t> genres(world.by_genre.size() - 1);
  std::iota(genres.begin(), genres.end(), size_t{0});
  shuffle(genres, rng);
  size_t filled = 0;
  const auto fresh = [&](int32_t item) {
    return std::find(out.begin(), out.begin() + static_cast<ptrdiff_t>(filled), item) == out.begin() + static_cast<ptrdiff_t>(filled);
  };
  for (size_t g = 0; g < genres.size() && filled < out.size(); ++g) {
    const auto& items = world.by_genre[genres[g]];
    for (int tries = 0; tries < 20; ++tries) {  // a genre of few items may be used up
      const int32_t item = items[rng.below(items.size())];
      if (!fresh(item)) continue;
      out[filled++] = item;
      break;
    }
  }
  const auto& all = world.by_genre.back();
  while (filled < out.size()) {
    const int32_t item = all[rng.below(all.size())];
    if (fresh(item)) out[filled++] = item;
  }
}

}  // namespace

void SuperuserOptions::describe(OptionList& list) {
  list.add("num-states", num_states, "Clusters Z, and latent states.").range(1, 100);
  list.add("horizon", horizon, "Rounds n.").range(1, 1e7);
  list.add("changes", changes, "Expected changes of the state in n rounds.").range(0, 1e7);
  list.add("num-candidates", num_candidates, "Items offered in a round.").range(2, 10000);
  list.add("rank", rank, "Dimension d of the factors.").range(1, 256);
  list.add("lambda", lambda, "Regularisation of the factorisation.").range(1e-9, 1e9);
  list.add("noise-sd", noise_sd, "Standard deviation of the rewards' noise, on ratings over [0, 1].").range(1e-9, 1e6);
  list.add("least-ratings", least_ratings, "Ratings that an item needs to be offered.").range(1, 1e9);
  list.add("seed", seed, "Seed of factors, halves and clusters.");
}

void SuperuserOptions::check_ranges() const { check_option_ranges(*this); }

double SuperuserWorld::mean_reward(int32_t user, int32_t item) const noexcept {
  const double rating = mean + dot(row(users, user, options.rank), row(items, item, options.rank));
  return (std::clamp(rating, 1.0, 5.0) - mean) / 4;
}

SuperuserWorld make_superuser_world(const data::Dataset& dataset, const SuperuserOptions& options, ThreadPool& pool) {
  options.check_ranges();
  SuperuserWorld out;
  out.options = options;
  learn_factors(dataset, out, pool);
  sort_items(dataset, out);
  learn_clusters(out);
  out.between = between_share(out);
  make_models(out);
  return out;
}

BanditProblem make_superuser(const SuperuserWorld& world, uint64_t seed) {
  const auto& o = world.options;
  const auto d = static_cast<size_t>(o.rank), actions = static_cast<size_t>(o.num_candidates);
  Rng users(seed, "superuser users"), chain(seed, "superuser states"), offers(seed, "superuser candidates"),
      noise(seed, "superuser rewards");
  std::vector<int32_t> who;
  for (const auto& cluster : world.test_users) who.push_back(cluster[users.below(cluster.size())]);
  BanditProblem out;
  out.model = world.model;
  out.certain = world.certain;
  out.prior = world.prior;
  Episode& episode = out.episode;
  episode.num_rounds = o.horizon;
  episode.num_actions = o.num_candidates;
  episode.d = o.rank;
  episode.noise_sd = o.noise_sd;
  episode.states = draw_states(world.model->initial, world.model->transition, o.horizon, chain);
  const size_t cells = static_cast<size_t>(o.horizon) * actions;
  episode.arms.resize(cells);
  episode.features.resize(cells * d);
  episode.means.resize(cells);
  episode.noise.resize(cells);
  for (size_t t = 0; t < static_cast<size_t>(o.horizon); ++t) {
    draw_candidates(world, offers, std::span(episode.arms).subspan(t * actions, actions));
    const int32_t user = who[static_cast<size_t>(episode.states[t])];
    for (size_t c = t * actions; c < (t + 1) * actions; ++c) {
      const auto x = row(world.items, episode.arms[c], o.rank);
      std::copy(x.begin(), x.end(), episode.features.begin() + static_cast<ptrdiff_t>(c * d));
      episode.means[c] = world.mean_reward(user, episode.arms[c]);
      episode.noise[c] = o.noise_sd * noise.normal();
    }
  }
  return out;
}

}  // namespace attune::envs
