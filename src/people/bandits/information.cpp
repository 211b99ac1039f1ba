#include "people/bandits/information.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace attune::people {
namespace {

constexpr int kNodes = 32;

/// Nodes x and weights w with sum_i w_i f(x_i) = E f(X), X standard normal (exact for polynomials below degree 2 kNodes).
struct GaussHermite {
  std::array<double, kNodes> x{};
  std::array<double, kNodes> w{};

  GaussHermite() {
    // Newton's iteration on the orthonormal Hermite polynomials of weight exp(-x^2 / 2), starting from rough zeros of large n (Abramowitz and
    // Stegun 22.16); each zero is divided out by the start of the next.
    double guess = 0;
    for (int i = 0; i < kNodes / 2; ++i) {
      const double n = kNodes;
      if (i == 0) guess = std::sqrt(2.0) * (std::sqrt(2 * n + 1) - 1.85575 * std::pow(2 * n + 1, -1.0 / 6));
      if (i == 1) guess -= std::sqrt(2.0) * 1.14 * std::pow(n, 0.426) / (guess / std::sqrt(2.0));
      if (i == 2) guess = 1.86 * guess - 0.86 * x[0];
      if (i == 3) guess = 1.91 * guess - 0.91 * x[1];
      if (i > 3) guess = 2 * guess - x[static_cast<size_t>(i - 2)];
      double slope = 0;
      for (int step = 0; step < 100; ++step) {
        double value = 1;
        double before = 0;
        for (int j = 0; j < kNodes; ++j) {
          const double next = (guess * value - std::sqrt(static_cast<double>(j)) * before) / std::sqrt(j + 1.0);
          before = value;
          value = next;
        }
        slope = std::sqrt(n) * before;
        const double move = value / slope;
        guess -= move;
        if (std::abs(move) < 1e-14) break;
      }
      const auto k = static_cast<size_t>(i);
      x[k] = guess;
      x[kNodes - 1 - k] = -guess;
      w[k] = w[kNodes - 1 - k] = 1 / (slope * slope);
    }
  }
};

const GaussHermite& gauss_hermite() {
  static const GaussHermite rule;
  return rule;
}

/// Sum of p over each group [Z], and which groups have any.
std::vector<double> group_weights(std::span<const double> p, std::span<const int32_t> group) {
  std::vector<double> out(p.size(), 0.0);
  for (size_t z = 0; z < p.size(); ++z) out[static_cast<size_t>(group[z])] += p[z];
  return out;
}

/// p log(p / q), 0 for p = 0.
double divergence_term(double p, double q) { return p > 0 ? p * std::log(p / q) : 0; }

/// For a reward of C values with probability(z, c): sum_g P_g KL(mixture of g || mixture).
template <class Probability>
double discrete_information(size_t num_values, std::span<const double> p, std::span<const int32_t> group, Probability&& probability) {
  const std::vector<double> weight = group_weights(p, group);
  std::vector<double> inside(p.size());
  double sum = 0;
  for (size_t c = 0; c < num_values; ++c) {
    std::fill(inside.begin(), inside.end(), 0.0);
    double all = 0;
    for (size_t z = 0; z < p.size(); ++z) {
      const double joint = p[z] * probability(z, c);
      inside[static_cast<size_t>(group[z])] += joint;
      all += joint;
    }
    for (size_t g = 0; g < p.size(); ++g) sum += divergence_term(inside[g], weight[g] * all);
  }
  return std::max(sum, 0.0);
}

/// Calls body(z, x, ratio): reward means[z] + sd x has the weight p[z] w of a quadrature of the mixture, and density of k there is ratio(k) times
/// that of z, which is at least p[z] of the mixture: nothing under- or overflows.
template <class Body>
void each_gaussian_node(std::span<const double> means, double sd, std::span<const double> p, const Body& body) {
  const GaussHermite& rule = gauss_hermite();
  for (size_t z = 0; z < p.size(); ++z) {
    if (p[z] <= 0) continue;
    for (size_t i = 0; i < kNodes; ++i) {
      body(z, rule.x[i], p[z] * rule.w[i], [&, z, i](size_t k) {
        const double apart = (means[z] - means[k]) / sd;
        return p[k] * std::exp(-0.5 * apart * apart - apart * rule.x[i]);
      });
    }
  }
}

/// E over the mixture of log(density of z's group given the group / density of all).
double gaussian_information(std::span<const double> means, double sd, std::span<const double> p, std::span<const int32_t> group) {
  const std::vector<double> group_weight = group_weights(p, group);
  double sum = 0;
  each_gaussian_node(means, sd, p, [&](size_t z, double, double weight, const auto& ratio) {
    double all = 0;
    double inside = 0;
    for (size_t k = 0; k < p.size(); ++k) {
      const double part = ratio(k);
      all += part;
      if (group[k] == group[z]) inside += part;
    }
    sum += weight * std::log(inside / (group_weight[static_cast<size_t>(group[z])] * all));
  });
  return sum;
}

EvidenceMoments gaussian_evidence(std::span<const double> means, double sd, std::span<const double> p) {
  double mean = 0;
  double square = 0;
  each_gaussian_node(means, sd, p, [&](size_t, double x, double weight, const auto& ratio) {
    double all = 0;
    for (size_t k = 0; k < p.size(); ++k) all += ratio(k);
    const double value = std::log(all) - 0.5 * x * x;
    mean += weight * value;
    square += weight * value * value;
  });
  return {mean - std::log(sd) - 0.5 * std::log(2 * std::numbers::pi), std::max(0.0, square - mean * mean)};
}

template <class Probability>
EvidenceMoments discrete_evidence(size_t num_values, std::span<const double> p, const Probability& probability) {
  double mean = 0;
  double square = 0;
  for (size_t c = 0; c < num_values; ++c) {
    double q = 0;
    for (size_t z = 0; z < p.size(); ++z) q += p[z] * probability(z, c);
    if (q <= 0) continue;
    mean += q * std::log(q);
    square += q * std::log(q) * std::log(q);
  }
  return {mean, std::max(0.0, square - mean * mean)};
}

}  // namespace

double mutual_information(const LatentModel& model, int32_t arm, std::span<const double> means, std::span<const double> p,
                          std::span<const int32_t> group) {
  if (model.reward == RewardKind::kGaussian) return std::max(0.0, gaussian_information(means, model.noise_sd, p, group));
  if (model.reward == RewardKind::kBernoulli) {
    return discrete_information(2, p, group, [&](size_t z, size_t c) { return c == 1 ? means[z] : 1 - means[z]; });
  }
  const size_t num_levels = model.levels.size();
  const std::span<const double> probability =
      std::span(model.level_probability).subspan(static_cast<size_t>(arm) * p.size() * num_levels, p.size() * num_levels);
  return discrete_information(num_levels, p, group, [&](size_t z, size_t c) { return probability[z * num_levels + c]; });
}

double mean_variance(std::span<const double> means, std::span<const double> p, std::span<const int32_t> group) {
  const std::vector<double> weight = group_weights(p, group);
  std::vector<double> sum(p.size(), 0.0);
  double mean = 0;
  for (size_t z = 0; z < p.size(); ++z) {
    sum[static_cast<size_t>(group[z])] += p[z] * means[z];
    mean += p[z] * means[z];
  }
  double out = 0;
  for (size_t g = 0; g < p.size(); ++g) {
    if (weight[g] > 0) out += weight[g] * (sum[g] / weight[g] - mean) * (sum[g] / weight[g] - mean);
  }
  return out;
}

double expected_log_evidence(const LatentModel& model, int32_t arm, std::span<const double> means, std::span<const double> p) {
  return log_evidence_moments(model, arm, means, p).mean;
}

EvidenceMoments log_evidence_moments(const LatentModel& model, int32_t arm, std::span<const double> means, std::span<const double> p) {
  if (model.reward == RewardKind::kGaussian) return gaussian_evidence(means, model.noise_sd, p);
  if (model.reward == RewardKind::kBernoulli) {
    return discrete_evidence(2, p, [&](size_t z, size_t c) { return c == 1 ? means[z] : 1 - means[z]; });
  }
  const size_t num_levels = model.levels.size();
  const std::span<const double> probability =
      std::span(model.level_probability).subspan(static_cast<size_t>(arm) * p.size() * num_levels, p.size() * num_levels);
  return discrete_evidence(num_levels, p, [&](size_t z, size_t c) { return probability[z * num_levels + c]; });
}

}  // namespace attune::people
