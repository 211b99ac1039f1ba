// Users of real (or generated) ratings who change: problems of latent bandits from MovieLens (docs/methods/latent_bandits.md, "Simulation and data").
//
//   factors     ALS on all ratings (preset latent_bandits: rating - mean, rank 10, lambda 0.1): users u [d], items v [d]
//   states      half of the users, drawn by the seed, are clustered: k-means++, then diagonal EM, Z = 5; theta_z = cluster mean, its prior covariance =
//               covariance inside the cluster. They are all that a model is learned from
//   superuser   one user of the other half from each cluster; the state, a sticky chain, picks who answers
//   round       20 items, from distinct genres as far as there are, x = v; mean reward = (clip(mean + u.v, 1, 5) - mean) / 4, noise N(0, 0.125^2)
// Rewards are thus ratings on [0, 1], measured from the global mean, which everyone knows. A superuser's answers come from real users, not from cluster
// means: the model is wrong by the spread inside clusters and by clipping. Deterministic in the seeds; immutable after making, thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/options.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "envs/latent_bandit_world.h"
#include "people/bandits/cluster.h"

namespace attune::envs {

struct SuperuserOptions {
  int32_t num_states = 5;  ///< Z
  int64_t horizon = 1000;  ///< n
  double changes = 10;  ///< L
  int32_t num_candidates = 20;
  int32_t rank = 10;  ///< d
  double lambda = 0.1;
  double noise_sd = 0.125;
  int32_t least_ratings = 1;  ///< of an item that may be offered
  uint64_t seed = 0;  ///< of factors, halves and clusters

  void describe(OptionList& list);
  /// Throws kInvalidArgument naming the field.
  void check_ranges() const;
};

struct SuperuserWorld {
  SuperuserOptions options;
  double mean = 0;  ///< of all ratings
  std::vector<double> users;  ///< [users, d]
  std::vector<double> items;  ///< [items, d]
  std::vector<std::vector<int32_t>> by_genre;  ///< items that may be offered; the last entry holds all of them
  std::vector<int32_t> training_users;
  std::vector<std::vector<int32_t>> test_users;  ///< [Z]; a cluster that no test user is in gets the one likeliest to be
  people::Clusters clusters;
  double between = 0;  ///< share of the training users' variance that lies between clusters
  /// theta = cluster means / 4. Noise: in `model` that of rewards around the cluster means, in `certain` around the users' own vectors.
  std::shared_ptr<const people::LatentModel> model;
  std::shared_ptr<const people::LatentModel> certain;
  people::LatentPrior prior;

  /// True mean reward.
  double mean_reward(int32_t user, int32_t item) const noexcept;
};

/// Throws kInvalidArgument: options, fewer users than clusters in the training half, nobody in the other one, too few items.
SuperuserWorld make_superuser_world(const data::Dataset& dataset, const SuperuserOptions& options, ThreadPool& pool);

/// One superuser; `seed` picks users, states, candidates and noise.
BanditProblem make_superuser(const SuperuserWorld& world, uint64_t seed);

}  // namespace attune::envs
