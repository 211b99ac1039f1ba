#include "people/bandits/cluster.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"

namespace attune::people {
namespace {

/// Points [n, d] read row by row.
struct Rows {
  std::span<const double> values;
  size_t d;

  size_t size() const { return values.size() / d; }
  std::span<const double> operator[](size_t n) const { return values.subspan(n * d, d); }
};

double squared_distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

void check_points(std::span<const double> points, int32_t d, const char* operation) {
  check(d >= 1 && points.size() % static_cast<size_t>(d) == 0, ErrorCode::kInvalidArgument, "[", operation, "] expected rows of ", d,
        " numbers (at least 1), found ", points.size(), " numbers");
  for (const double x : points) {
    check(std::isfinite(x), ErrorCode::kInvalidArgument, "[", operation, "] expected finite numbers, found ", x);
  }
}

/// k-means++: each further centre is a point drawn by its squared distance to the nearest centre so far.
std::vector<double> first_centres(const Rows& points, size_t count, Rng& rng) {
  std::vector<double> out;
  std::vector<double> distance(points.size(), std::numeric_limits<double>::infinity());
  size_t next = rng.below(points.size());
  for (size_t k = 0;; ++k) {
    out.insert(out.end(), points[next].begin(), points[next].end());
    if (k + 1 == count) return out;
    double total = 0;
    for (size_t n = 0; n < points.size(); ++n) {
      distance[n] = std::min(distance[n], squared_distance(points[n], points[next]));
      total += distance[n];
    }
    check(total > 0, ErrorCode::kInvalidArgument, "[k means] expected at least ", count, " distinct points, found ", k + 1);
    double left = rng.uniform() * total;
    for (size_t n = 0; n < points.size(); ++n) {
      if (distance[n] == 0) continue;
      next = n;  // the last one with a distance, if rounding leaves something
      if ((left -= distance[n]) < 0) break;
    }
  }
}

/// Assigns every point to its nearest centre; returns the distances [n].
std::vector<double> assign(const Rows& points, KMeans& out) {
  const size_t count = out.centre.size() / points.d;
  std::vector<double> distance(points.size());
  out.cost = 0;
  for (size_t n = 0; n < points.size(); ++n) {
    double best = std::numeric_limits<double>::infinity();
    for (size_t k = 0; k < count; ++k) {
      const double here = squared_distance(points[n], std::span(out.centre).subspan(k * points.d, points.d));
      if (here >= best) continue;
      best = here;
      out.cluster[n] = static_cast<int32_t>(k);
    }
    distance[n] = best;
    out.cost += best;
  }
  return distance;
}

void move_centres(const Rows& points, std::span<const double> distance, KMeans& out) {
  const size_t count = out.centre.size() / points.d;
  std::vector<double> size(count, 0.0);
  std::fill(out.centre.begin(), out.centre.end(), 0.0);
  for (size_t n = 0; n < points.size(); ++n) {
    const auto k = static_cast<size_t>(out.cluster[n]);
    size[k] += 1;
    for (size_t i = 0; i < points.d; ++i) out.centre[k * points.d + i] += points[n][i];
  }
  std::vector<double> left(distance.begin(), distance.end());
  for (size_t k = 0; k < count; ++k) {
    if (size[k] > 0) {
      for (size_t i = 0; i < points.d; ++i) out.centre[k * points.d + i] /= size[k];
      continue;
    }
    const auto farthest = static_cast<size_t>(std::max_element(left.begin(), left.end()) - left.begin());
    left[farthest] = 0;
    std::copy(points[farthest].begin(), points[farthest].end(), out.centre.begin() + static_cast<ptrdiff_t>(k * points.d));
  }
}

KMeans lloyd(const Rows& points, size_t count, const ClusterOptions& options, Rng& rng) {
  KMeans out{first_centres(points, count, rng), std::vector<int32_t>(points.size(), 0), 0};
  std::vector<double> distance = assign(points, out);
  for (int32_t i = 0; i < options.max_iterations; ++i) {
    const double before = out.cost;
    move_centres(points, distance, out);
    distance = assign(points, out);
    if (before - out.cost <= options.tolerance * before) break;
  }
  return out;
}

/// Variance of all points by dimension, times the smallest share that a cluster may have; above 0.
std::vector<double> variance_floor(const Rows& points, double share) {
  std::vector<double> mean(points.d, 0.0), out(points.d, 0.0);
  const double count = static_cast<double>(points.size());
  for (size_t n = 0; n < points.size(); ++n) {
    for (size_t i = 0; i < points.d; ++i) mean[i] += points[n][i] / count;
  }
  for (size_t n = 0; n < points.size(); ++n) {
    for (size_t i = 0; i < points.d; ++i) out[i] += (points[n][i] - mean[i]) * (points[n][i] - mean[i]) / count;
  }
  for (double& v : out) v = std::max(v * share, 1e-12);
  return out;
}

/// Shares, means and variances from responsibilities [n, Z]. A cluster without weight keeps its mean and variance.
void maximise(const Rows& points, std::span<const double> weight, std::span<const double> least, Clusters& out) {
  const auto count = static_cast<size_t>(out.num_clusters);
  for (size_t k = 0; k < count; ++k) {
    double total = 0;
    for (size_t n = 0; n < points.size(); ++n) total += weight[n * count + k];
    out.share[k] = total / static_cast<double>(points.size());
    if (total < 1e-9) continue;
    const auto mean = std::span(out.mean).subspan(k * points.d, points.d),
               variance = std::span(out.variance).subspan(k * points.d, points.d);
    std::fill(mean.begin(), mean.end(), 0.0);
    std::fill(variance.begin(), variance.end(), 0.0);
    for (size_t n = 0; n < points.size(); ++n) {
      for (size_t i = 0; i < points.d; ++i) mean[i] += weight[n * count + k] / total * points[n][i];
    }
    for (size_t n = 0; n < points.size(); ++n) {
      for (size_t i = 0; i < points.d; ++i) {
        variance[i] += weight[n * count + k] / total * (points[n][i] - mean[i]) * (points[n][i] - mean[i]);
      }
    }
    for (size_t i = 0; i < points.d; ++i) variance[i] = std::max(variance[i], least[i]);
  }
}

double expect(const Rows& points, const Clusters& clusters, std::span<double> weight) {
  const auto count = static_cast<size_t>(clusters.num_clusters);
  double sum = 0;
  for (size_t n = 0; n < points.size(); ++n) sum += clusters.responsibilities(points[n], weight.subspan(n * count, count));
  return sum;
}

/// Largest share first.
void sort_by_share(Clusters& out) {
  const auto d = static_cast<size_t>(out.d);
  std::vector<size_t> order(out.share.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return out.share[a] > out.share[b]; });
  const Clusters from = out;
  for (size_t k = 0; k < order.size(); ++k) {
    out.share[k] = from.share[order[k]];
    std::copy_n(from.mean.begin() + static_cast<ptrdiff_t>(order[k] * d), d, out.mean.begin() + static_cast<ptrdiff_t>(k * d));
    std::copy_n(from.variance.begin() + static_cast<ptrdiff_t>(order[k] * d), d, out.variance.begin() + static_cast<ptrdiff_t>(k * d));
  }
}

}  // namespace

void ClusterOptions::describe(OptionList& list) {
  list.add("num-clusters", num_clusters, "Clusters Z.").range(1, 10000);
  list.add("restarts", restarts, "Starts of k-means++; the cheapest result counts.").range(1, 1000);
  list.add("max-iterations", max_iterations, "Most iterations of k-means, and of EM.").range(1, 100000);
  list.add("tolerance", tolerance, "Relative gain below which iterations end.").range(0, 1);
  list.add("least-variance", least_variance, "Smallest variance of a cluster, as a share of the variance of all points.").range(1e-9, 1);
  list.add("seed", seed, "Seed of the starts.");
}

double Clusters::responsibilities(std::span<const double> point, std::span<double> out) const {
  const auto count = static_cast<size_t>(num_clusters), n = static_cast<size_t>(d);
  check_points(point, d, "responsibilities");
  check(point.size() == n && out.size() == count, ErrorCode::kInvalidArgument, "[responsibilities] expected a point of ", d,
        " and room for ", count, " clusters, found ", point.size(), " and ", out.size());
  double most = -std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < count; ++k) {
    double log = std::log(share[k]);  // -infinity for a share of 0
    for (size_t i = 0; i < n; ++i) {
      const double v = variance[k * n + i], error = point[i] - mean[k * n + i];
      log -= 0.5 * (std::log(2 * std::numbers::pi * v) + error * error / v);
    }
    out[k] = log;
    most = std::max(most, log);
  }
  double sum = 0;
  for (double& x : out) sum += x = std::exp(x - most);
  for (double& x : out) x /= sum;
  return most + std::log(sum);
}

int32_t Clusters::nearest(std::span<const double> point) const {
  std::vector<double> weight(share.size());
  responsibilities(point, weight);
  return static_cast<int32_t>(std::max_element(weight.begin(), weight.end()) - weight.begin());
}

double Clusters::log_likelihood(std::span<const double> points) const {
  check_points(points, d, "log likelihood of clusters");
  const Rows rows{points, static_cast<size_t>(d)};
  std::vector<double> weight(share.size());
  double sum = 0;
  for (size_t n = 0; n < rows.size(); ++n) sum += responsibilities(rows[n], weight);
  return sum;
}

KMeans k_means(std::span<const double> points, int32_t d, const ClusterOptions& options) {
  check_points(points, d, "k means");
  const Rows rows{points, static_cast<size_t>(d)};
  check(options.num_clusters >= 1 && options.restarts >= 1, ErrorCode::kInvalidArgument,
        "[k means] expected at least 1 cluster and 1 start, found ", options.num_clusters, " and ", options.restarts);
  const auto count = static_cast<size_t>(options.num_clusters);
  check(rows.size() >= count, ErrorCode::kInvalidArgument, "[k means] expected at least ", count, " points, found ", rows.size());
  KMeans best;
  for (int32_t r = 0; r < options.restarts; ++r) {
    Rng rng(options.seed, fnv1a("k means", static_cast<uint64_t>(r)));
    KMeans here = lloyd(rows, count, options, rng);
    if (r == 0 || here.cost < best.cost) best = std::move(here);
  }
  return best;
}

Clusters fit_clusters(std::span<const double> points, int32_t d, const ClusterOptions& options) {
  const KMeans start = k_means(points, d, options);
  check(options.least_variance > 0, ErrorCode::kInvalidArgument, "[fit clusters] expected a smallest variance above 0, found ",
        options.least_variance);
  const Rows rows{points, static_cast<size_t>(d)};
  const auto count = static_cast<size_t>(options.num_clusters);
  const auto least = variance_floor(rows, options.least_variance);
  std::vector<double> weight(rows.size() * count, 0.0);
  for (size_t n = 0; n < rows.size(); ++n) weight[n * count + static_cast<size_t>(start.cluster[n])] = 1;
  Clusters out{options.num_clusters, d, std::vector<double>(count), start.centre, std::vector<double>(start.centre.size(), 1.0), {}};
  maximise(rows, weight, least, out);
  out.log_likelihoods.push_back(expect(rows, out, weight));
  for (int32_t i = 0; i < options.max_iterations; ++i) {
    maximise(rows, weight, least, out);
    const double before = out.log_likelihoods.back(), now = expect(rows, out, weight);
    out.log_likelihoods.push_back(now);
    if (now - before <= options.tolerance * std::abs(before)) break;
  }
  sort_by_share(out);
  return out;
}

std::vector<double> within_covariances(const Clusters& clusters, std::span<const double> points, double prior_points, double ridge) {
  check_points(points, clusters.d, "within covariances");
  check(!points.empty() && prior_points >= 0 && ridge > 0, ErrorCode::kInvalidArgument, "[within covariances] expected points, ",
        "a prior weight of at least 0 and a ridge above 0, found ", points.size(), " numbers, ", prior_points, " and ", ridge);
  const auto d = static_cast<size_t>(clusters.d), count = clusters.share.size(), square = d * d;
  const Rows rows{points, d};
  std::vector<double> out(count * square, 0.0), pooled(square, 0.0), total(count, 0.0), weight(count), error(d);
  for (size_t n = 0; n < rows.size(); ++n) {
    clusters.responsibilities(rows[n], weight);
    for (size_t k = 0; k < count; ++k) {
      total[k] += weight[k];
      for (size_t i = 0; i < d; ++i) error[i] = rows[n][i] - clusters.mean[k * d + i];
      for (size_t i = 0; i < d; ++i) {
        for (size_t j = 0; j < d; ++j) out[k * square + i * d + j] += weight[k] * (error[i] * error[j]);
      }
    }
  }
  for (size_t i = 0; i < count * square; ++i) pooled[i % square] += out[i] / static_cast<double>(rows.size());
  double mean_variance = 0;
  for (size_t i = 0; i < d; ++i) mean_variance += pooled[i * d + i] / static_cast<double>(d);
  for (size_t k = 0; k < count; ++k) {
    const double points_here = total[k] + prior_points;
    for (size_t i = 0; i < square; ++i) {
      const double sum = out[k * square + i] + prior_points * pooled[i];
      out[k * square + i] = points_here > 0 ? sum / points_here : pooled[i];
    }
    for (size_t i = 0; i < d; ++i) out[k * square + i * d + i] += std::max(ridge * mean_variance, 1e-12);
  }
  return out;
}

}  // namespace attune::people
