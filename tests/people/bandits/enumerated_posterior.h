// The exact posterior of a short history of a latent bandit with unknown parameters, by enumeration of all Z^t state paths. Each path's
// probability comes from closed joint forms, never from sequential predictives: Dirichlet-multinomial and Beta-binomial by lgamma, Gaussian
// rewards of a cell as one multivariate normal N(X m, X Sigma X' + noise I) by Eigen. So nothing is shared with the code under test.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <cmath>
#include <map>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "people/bandits/latent_model.h"
#include "people/bandits/uncertain_belief.h"

namespace attune::people {

struct Step {
  int32_t arm = -1;
  std::vector<double> x;
  double reward = 0;
};

struct EnumeratedPosterior {
  std::vector<std::vector<double>> smoothed;  ///< [t][Z] P(z_i | all)
  std::vector<double> next;  ///< [Z] P(z_{t+1} | all)
  std::vector<double> next_mean;  ///< [K, Z] sum over paths of P(path, z_{t+1}) E[mu(a, z_{t+1})]; tables of Gaussian and Bernoulli
  double log_evidence = 0;
};

namespace enumerated {

inline double log_normal(const Eigen::VectorXd& r, const Eigen::VectorXd& mean, const Eigen::MatrixXd& covariance) {
  const Eigen::LLT<Eigen::MatrixXd> factor(covariance);
  const Eigen::VectorXd white = factor.matrixL().solve(r - mean);
  return -0.5 * white.squaredNorm() - factor.matrixLLT().diagonal().array().log().sum() -
         0.5 * static_cast<double>(r.size()) * std::log(2 * std::numbers::pi);
}

/// log P(sequence with these counts) under a Dirichlet.
inline double log_polya(const double* alpha, const std::vector<double>& counts) {
  double a = 0, n = 0, out = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    a += alpha[i];
    n += counts[i];
    out += std::lgamma(alpha[i] + counts[i]) - std::lgamma(alpha[i]);
  }
  return out + std::lgamma(a) - std::lgamma(a + n);
}

inline double log_rewards(const LatentModel& m, const LatentPrior& prior, const std::vector<Step>& steps, const std::vector<size_t>& path) {
  const auto z = static_cast<size_t>(m.num_states);
  double out = 0;
  const bool known = prior.mean.empty() && prior.beta.empty() && prior.level_alpha.empty() && prior.theta.empty();
  std::vector<double> l(z);
  for (size_t i = 0; i < steps.size() && known; ++i) {
    m.log_likelihood(steps[i].arm, steps[i].x, steps[i].reward, l);
    out += l[path[i]];
  }
  if (known) return out;
  std::map<size_t, std::vector<const Step*>> cells;  // by (arm, state), by features by state
  for (size_t i = 0; i < steps.size(); ++i) {
    cells[m.by_features() ? path[i] : static_cast<size_t>(steps[i].arm) * z + path[i]].push_back(&steps[i]);
  }
  const double noise = m.noise_sd * m.noise_sd;
  for (const auto& [cell, seen] : cells) {
    const auto n = static_cast<Eigen::Index>(seen.size());
    if (m.reward == RewardKind::kGaussian) {
      Eigen::VectorXd r(n), mean(n);
      Eigen::MatrixXd covariance(n, n);
      for (Eigen::Index i = 0; i < n; ++i) {
        const Step& a = *seen[static_cast<size_t>(i)];
        r[i] = a.reward;
        if (!m.by_features()) {
          mean[i] = prior.mean[cell];
          for (Eigen::Index j = 0; j < n; ++j) covariance(i, j) = prior.variance[cell] + (i == j ? noise : 0);
          continue;
        }
        const auto d = static_cast<Eigen::Index>(m.d);
        const Eigen::Map<const Eigen::VectorXd> m0(prior.theta.data() + static_cast<Eigen::Index>(cell) * d, d);
        const Eigen::Map<const Eigen::MatrixXd> sigma(prior.covariance.data() + static_cast<Eigen::Index>(cell) * d * d, d, d);
        const Eigen::Map<const Eigen::VectorXd> x(a.x.data(), d);
        mean[i] = x.dot(m0);
        for (Eigen::Index j = 0; j < n; ++j) {
          const Eigen::Map<const Eigen::VectorXd> y(seen[static_cast<size_t>(j)]->x.data(), d);
          covariance(i, j) = x.dot(sigma * y) + (i == j ? noise : 0);
        }
      }
      out += log_normal(r, mean, covariance);
    } else if (m.reward == RewardKind::kBernoulli) {
      std::vector<double> counts(2);
      for (const Step* s : seen) ++counts[s->reward == 1 ? 0 : 1];
      out += log_polya(prior.beta.data() + 2 * cell, counts);
    } else {
      std::vector<double> counts(m.levels.size());
      for (const Step* s : seen) ++counts[static_cast<size_t>(m.level_of(s->reward))];
      out += log_polya(prior.level_alpha.data() + cell * m.levels.size(), counts);
    }
  }
  return out;
}

/// Posterior mean of a table cell after the path's rewards, by the textbook form of precisions.
inline double cell_mean(const LatentModel& m, const LatentPrior& prior, const std::vector<Step>& steps, const std::vector<size_t>& path,
                        size_t arm, size_t state) {
  const size_t cell = arm * static_cast<size_t>(m.num_states) + state;
  double n = 0, sum = 0;
  for (size_t i = 0; i < steps.size(); ++i) {
    if (path[i] != state || static_cast<size_t>(steps[i].arm) != arm) continue;
    ++n;
    sum += steps[i].reward;
  }
  if (m.reward == RewardKind::kBernoulli) return (prior.beta[2 * cell] + sum) / (prior.beta[2 * cell] + prior.beta[2 * cell + 1] + n);
  const double noise = m.noise_sd * m.noise_sd;
  return (prior.mean[cell] / prior.variance[cell] + sum / noise) / (1 / prior.variance[cell] + n / noise);
}

}  // namespace enumerated

inline EnumeratedPosterior enumerate(const LatentModel& m, const LatentPrior& prior, const std::vector<Step>& steps) {
  using namespace enumerated;
  const auto z = static_cast<size_t>(m.num_states);
  const auto k = static_cast<size_t>(m.num_arms);
  const size_t t = steps.size();
  const bool with_means = !prior.mean.empty() || !prior.beta.empty();
  EnumeratedPosterior out;
  out.smoothed.assign(t, std::vector<double>(z));
  out.next.assign(z, 0);
  out.next_mean.assign(k * z, 0);
  std::vector<double> initial = m.initial;
  if (!prior.initial_alpha.empty()) {
    double sum = 0;
    for (const double a : prior.initial_alpha) sum += a;
    for (size_t s = 0; s < z; ++s) initial[s] = prior.initial_alpha[s] / sum;
  }
  size_t num_paths = 1;
  for (size_t i = 0; i <= t; ++i) num_paths *= z;  // the last state is z_{t+1}
  std::vector<double> log_p(num_paths);
  const auto path_of = [&](size_t index) {
    std::vector<size_t> path(t + 1);
    for (size_t i = 0; i <= t; ++i, index /= z) path[i] = index % z;
    return path;
  };
  double top = -1e300;
  for (size_t index = 0; index < num_paths; ++index) {
    const std::vector<size_t> path = path_of(index);
    double p = std::log(initial[path[0]]) + log_rewards(m, prior, steps, path);
    std::vector<std::vector<double>> moves(z, std::vector<double>(z));
    for (size_t i = 0; i < t; ++i) {
      if (prior.transition_alpha.empty()) p += std::log(m.transition.at(static_cast<int32_t>(path[i]), static_cast<int32_t>(path[i + 1])));
      ++moves[path[i]][path[i + 1]];
    }
    for (size_t s = 0; s < z && !prior.transition_alpha.empty(); ++s) p += log_polya(prior.transition_alpha.data() + s * z, moves[s]);
    log_p[index] = p;
    top = std::max(top, p);
  }
  double sum = 0;
  for (double& p : log_p) sum += p = std::exp(p - top);
  out.log_evidence = top + std::log(sum);
  for (size_t index = 0; index < num_paths; ++index) {
    const std::vector<size_t> path = path_of(index);
    const double p = log_p[index] / sum;
    for (size_t i = 0; i < t; ++i) out.smoothed[i][path[i]] += p;
    out.next[path[t]] += p;
    for (size_t a = 0; a < k && with_means; ++a) out.next_mean[a * z + path[t]] += p * cell_mean(m, prior, steps, path, a, path[t]);
  }
  return out;
}

inline double total_variation(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]) / 2;
  return sum;
}

/// Runs a belief over the steps, one round of time after each; the log evidence of all.
inline double run_belief(Belief& belief, const std::vector<Step>& steps) {
  double out = 0;
  for (const Step& s : steps) {
    Observation seen;
    seen.action = s.arm;
    seen.features = s.x;
    seen.reward = s.reward;
    out += belief.update(seen);
    belief.predict(1);
  }
  return out;
}

// ---- small problems, one for every form of prior ---------------------------------------------------------------------------------------

struct Problem {
  std::string name;
  LatentModel model;
  LatentPrior prior;
  std::vector<Step> steps;
};

inline LatentModel two_state_model(RewardKind reward, int32_t arms, int32_t d) {
  LatentModel m;
  m.version = "test";
  m.reward = reward;
  m.num_states = 2;
  m.num_arms = arms;
  m.d = d;
  m.initial = {0.6, 0.4};
  m.transition = Transition::dense(2, {0.8, 0.2, 0.35, 0.65});
  m.noise_sd = 0.6;
  if (d > 0) m.theta.assign(static_cast<size_t>(2 * d), 0.3);
  if (reward == RewardKind::kCategorical) {
    m.levels = {1, 2, 3};
    m.level_probability.assign(static_cast<size_t>(arms) * 6, 1.0 / 3);
  } else if (d == 0) {
    m.mean.assign(static_cast<size_t>(arms) * 2, 0.5);
  }
  return m;
}

inline Problem gaussian_problem() {
  Problem p{"gaussian", two_state_model(RewardKind::kGaussian, 2, 0), {}, {}};
  p.prior.mean = {0.2, 0.9, 1.0, 0.1};
  p.prior.variance = {0.3, 0.2, 0.25, 0.5};
  p.prior.transition_alpha = {4, 1, 1.5, 2.5};
  p.prior.initial_alpha = {3, 2};
  p.steps = {{0, {}, 0.9}, {1, {}, -0.2}, {0, {}, 1.4}, {1, {}, 1.3}, {0, {}, 0.1}, {1, {}, 0.6}};
  return p;
}

inline Problem beta_problem() {
  Problem p{"beta", two_state_model(RewardKind::kBernoulli, 2, 0), {}, {}};
  p.prior.beta = {2, 1, 0.7, 3, 1, 1, 4, 0.5};
  p.prior.transition_alpha = {3, 1, 0.5, 2};
  p.steps = {{0, {}, 1}, {1, {}, 0}, {1, {}, 1}, {0, {}, 0}, {0, {}, 0}, {1, {}, 1}};
  return p;
}

inline Problem dirichlet_problem() {
  Problem p{"dirichlet", two_state_model(RewardKind::kCategorical, 2, 0), {}, {}};
  p.prior.level_alpha = {2, 1, 0.5, 0.5, 1, 3, 1, 1, 1, 3, 0.4, 0.4};
  p.prior.transition_alpha = {3, 1, 0.5, 2};
  p.steps = {{0, {}, 3}, {1, {}, 1}, {1, {}, 2}, {0, {}, 1}, {0, {}, 3}, {1, {}, 1}};
  return p;
}

inline Problem linear_problem() {
  Problem p{"linear", two_state_model(RewardKind::kGaussian, 0, 2), {}, {}};
  p.prior.theta = {1, -0.5, -0.2, 0.8};
  p.prior.covariance = {0.5, 0.2, 0.2, 0.4, 0.3, -0.1, -0.1, 0.6};
  p.prior.transition_alpha = {3, 1, 0.5, 2};
  p.steps = {{-1, {1, 0.2}, 0.7}, {-1, {-0.4, 1}, 0.9},  {-1, {0.5, 0.5}, -0.3},
             {-1, {1, -1}, 1.1},  {-1, {0.1, 1.2}, 0.2}, {-1, {0.9, 0.3}, 0.5}};
  return p;
}

inline std::vector<Problem> all_problems() { return {gaussian_problem(), beta_problem(), dirichlet_problem(), linear_problem()}; }

inline std::shared_ptr<const UncertainModel> uncertain(const Problem& p) { return std::make_shared<UncertainModel>(p.model, p.prior); }

/// The textbook filter, written out.
inline std::vector<double> plain_filter(const LatentModel& model, const std::vector<Step>& steps, double& log_evidence) {
  std::vector<double> p = model.initial, l(p.size());
  log_evidence = 0;
  for (const Step& s : steps) {
    model.log_likelihood(s.arm, s.x, s.reward, l);
    double sum = 0;
    for (size_t z = 0; z < p.size(); ++z) sum += p[z] *= std::exp(l[z]);
    for (double& x : p) x /= sum;
    log_evidence += std::log(sum);
    model.transition.apply(p);
  }
  return p;
}

/// The problem with its parameters fixed at the prior means, and a prior that says so with next to no variance.
inline Problem certain(Problem p) {
  const auto z = static_cast<size_t>(p.model.num_states);
  if (!p.prior.mean.empty()) p.model.mean = p.prior.mean;
  for (double& v : p.prior.variance) v = 1e-14;
  for (size_t i = 0; i < p.prior.beta.size(); i += 2) {
    const double mean = p.prior.beta[i] / (p.prior.beta[i] + p.prior.beta[i + 1]);
    p.model.mean[i / 2] = mean;
    p.prior.beta[i] = 1e14 * mean;
    p.prior.beta[i + 1] = 1e14 * (1 - mean);
  }
  const size_t c = p.model.levels.size();
  for (size_t i = 0; i < p.prior.level_alpha.size(); i += c) {
    double sum = 0;
    for (size_t k = 0; k < c; ++k) sum += p.prior.level_alpha[i + k];
    for (size_t k = 0; k < c; ++k) {
      p.model.level_probability[i + k] = p.prior.level_alpha[i + k] / sum;
      p.prior.level_alpha[i + k] *= 1e14 / sum;
    }
  }
  if (!p.prior.theta.empty()) p.model.theta = p.prior.theta;
  for (double& v : p.prior.covariance) v *= 1e-14;
  std::vector<double> phi(z * z);
  for (size_t i = 0; i < z * z; ++i) {
    double sum = 0;
    for (size_t j = 0; j < z; ++j) sum += p.prior.transition_alpha[i / z * z + j];
    phi[i] = p.prior.transition_alpha[i] / sum;
  }
  for (double& a : p.prior.transition_alpha) a *= 1e14;
  p.model.transition = Transition::dense(p.model.num_states, phi);
  p.prior.initial_alpha.clear();
  return p;
}

}  // namespace attune::people
