// Clusters of vectors: k-means++, then a Gaussian mixture with diagonal covariances by EM. From them come the states of a latent bandit
// (docs/methods/latent_bandits.md, "Simulation and data").
//
// Letters: n points, d dimensions, Z clusters. k-means: Lloyd's algorithm from the start of Arthur and Vassilvitskii ("k-means++: the advantages of
// careful seeding", SODA 2007), the best of several; a cluster that runs empty takes the point that is farthest from its centre.
// EM starts from the k-means clusters; its objective is the log likelihood (it never falls while no variance is at its floor). Variances are at
// least `least_variance` times the variance of all points in that dimension, so that a cluster cannot shrink onto one point.
// Clusters come in falling order of their share. Deterministic in the seed; one thread. O(restarts n Z d) an iteration.
// Verified: tests/people/bandits/cluster_test.cpp (planted mixtures, best partition by enumeration, responsibilities by hand, EM never falls).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/options.h"

namespace attune::people {

struct ClusterOptions {
  int32_t num_clusters = 5;  ///< Z
  int32_t restarts = 10;
  int32_t max_iterations = 200;
  double tolerance = 1e-8;
  double least_variance = 1e-3;
  uint64_t seed = 0;

  void describe(OptionList& list);
};

struct KMeans {
  std::vector<double> centre;  ///< [Z, d]
  std::vector<int32_t> cluster;  ///< [n]
  double cost = 0;  ///< sum of squared distances
};

struct Clusters {
  int32_t num_clusters = 0;
  int32_t d = 0;
  std::vector<double> share;  ///< [Z], sums to 1
  std::vector<double> mean;  ///< [Z, d]
  std::vector<double> variance;  ///< [Z, d]
  std::vector<double> log_likelihoods;  ///< of all points, before each M step and at the end

  /// P(cluster | point) into out [Z]; returns log p(point). O(Z d). Throws kInvalidArgument: sizes, numbers that are not finite.
  double responsibilities(std::span<const double> point, std::span<double> out) const;
  /// The likeliest cluster; the lowest of equals.
  int32_t nearest(std::span<const double> point) const;
  /// Sum of log p over points [n, d].
  double log_likelihood(std::span<const double> points) const;
};

/// `points` [n, d]. Throws kInvalidArgument: no dimension, fewer distinct points than clusters, numbers that are not finite.
KMeans k_means(std::span<const double> points, int32_t d, const ClusterOptions& options);

/// k_means and then EM. Throws likewise.
Clusters fit_clusters(std::span<const double> points, int32_t d, const ClusterOptions& options);

/// Full covariances of points around the cluster means, weighted by responsibility: [Z, d, d]. Each is pulled towards the average covariance inside
/// clusters as if `prior_points` points had shown it, and has `ridge` times that one's mean variance added to its diagonal, so that it is positive
/// definite. Throws kInvalidArgument: sizes, prior_points below 0, ridge not above 0.
std::vector<double> within_covariances(const Clusters& clusters, std::span<const double> points, double prior_points = 10,
                                       double ridge = 1e-6);

}  // namespace attune::people
