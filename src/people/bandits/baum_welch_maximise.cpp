// The M step: maximum a posteriori of every part from expected counts, and the posteriors that go with it.
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "people/bandits/baum_welch_internal.h"

namespace attune::people::em {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

constexpr double kLeastVariance = 1e-8;  // of the rewards' mean square: a state cannot shrink onto few rewards

/// (counts + alpha - 1) / sum into out; nothing counted and alpha = 1: out stays.
void dirichlet_mode(std::span<const double> counts, double alpha, std::span<double> out) {
  double sum = 0;
  for (const double x : counts) sum += x + alpha - 1;
  if (!(sum > 0)) return;
  for (size_t i = 0; i < out.size(); ++i) out[i] = (counts[i] + alpha - 1) / sum;
}

double dirichlet_log(std::span<const double> p, double alpha) {
  if (alpha == 1) return 0;
  double sum = 0;
  for (const double x : p) sum += (alpha - 1) * std::log(x);
  return sum;
}

/// rho that maximises sum_g jump_g log(1 - (1 - rho)^dt_g) + stay_g dt_g log(1 - rho) + (alpha - 1) (log rho + log(1 - rho)): concave in
/// l = -log(1 - rho), by bisection of its derivative on log l.
double rho_mode(const Problem& problem, const Counts& counts, double alpha) {
  double jumps = alpha - 1;
  double stays = alpha - 1;
  bool single = true;
  for (size_t g = 0; g < problem.gaps.size(); ++g) {
    if (problem.gaps[g] == 0) continue;  // no time passed: nothing said about rho
    single &= problem.gaps[g] == 1;
    jumps += counts.jump[g];
    stays += counts.stay[g] * problem.gaps[g];
  }
  if (!(jumps > 0)) return 0;
  if (!(stays > 0)) return 1;
  if (single) return jumps / (jumps + stays);
  const auto slope = [&](double l) {
    const auto term = [l](double weight, double dt) { return weight * dt / std::expm1(l * dt); };
    double sum = term(alpha - 1, 1) - stays;
    for (size_t g = 0; g < problem.gaps.size(); ++g) {
      if (problem.gaps[g] > 0) sum += term(counts.jump[g], problem.gaps[g]);
    }
    return sum;
  };
  double low = std::log(1e-15);
  double high = std::log(700.0);
  for (int step = 0; step < 100; ++step) {
    const double middle = 0.5 * (low + high);
    (slope(std::exp(middle)) > 0 ? low : high) = middle;
  }
  return -std::expm1(-std::exp(0.5 * (low + high)));
}

void maximise_transition(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, LatentModel& model) {
  const size_t z = problem.num_states;
  if (problem.sticky) {
    std::vector<double> pi(model.transition.pi().begin(), model.transition.pi().end());
    dirichlet_mode(counts.jump_to, options.transition_alpha, pi);
    model.transition = Transition::sticky(rho_mode(problem, counts, options.transition_alpha), std::move(pi));
    return;
  }
  const auto pairs = expected_transitions(problem, counts, model.transition);
  std::vector<double> phi = model.transition.matrix();
  for (size_t i = 0; i < z; ++i) {
    dirichlet_mode(std::span(pairs).subspan(i * z, z), options.transition_alpha, std::span(phi).subspan(i * z, z));
  }
  model.transition = Transition::dense(static_cast<int32_t>(z), std::move(phi));
}

/// sum of w (r - mu)^2 + ridge (mu - m0)^2 over everything, at the model's means.
double penalised_squares(const Problem& problem, const Counts& counts, double ridge, const LatentModel& model) {
  const size_t z = problem.num_states;
  double sum = counts.squares;
  if (problem.by_features()) {
    const auto d = static_cast<size_t>(problem.data->d);
    for (size_t s = 0; s < z; ++s) {
      const Eigen::Map<const Matrix> gram(counts.gram.data() + s * d * d, static_cast<Eigen::Index>(d), static_cast<Eigen::Index>(d));
      const Eigen::Map<const Vector> theta(model.theta.data() + s * d, static_cast<Eigen::Index>(d));
      const Eigen::Map<const Vector> cross(counts.cross.data() + s * d, static_cast<Eigen::Index>(d));
      const Vector product = gram.selfadjointView<Eigen::Lower>() * theta;
      sum += theta.dot(product) - 2 * theta.dot(cross) + ridge * theta.squaredNorm();
    }
    return sum;
  }
  for (size_t cell = 0; cell < counts.n.size(); ++cell) {
    const double mu = model.mean[cell] - problem.centre;
    const double off = model.mean[cell] - problem.arm_mean[cell / z];
    sum += mu * (counts.n[cell] * mu - 2 * counts.sum[cell]) + ridge * off * off;
  }
  return sum;
}

void maximise_theta(const Problem& problem, const Counts& counts, double ridge, LatentModel& model) {
  const auto d = static_cast<Eigen::Index>(problem.data->d);
  for (size_t s = 0; s < problem.num_states; ++s) {
    const auto offset = s * static_cast<size_t>(d);
    Matrix a = Eigen::Map<const Matrix>(counts.gram.data() + offset * static_cast<size_t>(d), d, d);
    a.diagonal().array() += ridge;
    const Eigen::LLT<Matrix, Eigen::Lower> solver(a);
    if (solver.info() != Eigen::Success) continue;  // nothing seen in this state and no ridge: it stays
    Eigen::Map<Vector>(model.theta.data() + offset, d) = solver.solve(Eigen::Map<const Vector>(counts.cross.data() + offset, d));
  }
}

void maximise_table(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, LatentModel& model) {
  const size_t z = problem.num_states;
  const double extra = options.outcome_alpha - 1;
  if (problem.reward == RewardKind::kCategorical) {
    const size_t c = problem.levels.size();
    for (size_t cell = 0; cell * c < counts.outcome.size(); ++cell) {
      dirichlet_mode(std::span(counts.outcome).subspan(cell * c, c), options.outcome_alpha,
                     std::span(model.level_probability).subspan(cell * c, c));
    }
    return;
  }
  for (size_t cell = 0; cell < counts.n.size(); ++cell) {
    const double n = counts.n[cell];
    if (problem.reward == RewardKind::kBernoulli) {
      if (n + 2 * extra > 0) model.mean[cell] = std::clamp((counts.sum[cell] + extra) / (n + 2 * extra), 0.0, 1.0);
    } else if (n + options.ridge > 0) {
      const double prior = problem.arm_mean[cell / z];
      model.mean[cell] = (counts.sum[cell] + n * problem.centre + options.ridge * prior) / (n + options.ridge);
    }
  }
}

}  // namespace

std::vector<double> expected_transitions(const Problem& problem, const Counts& counts, const Transition& transition) {
  const auto z = static_cast<Eigen::Index>(problem.num_states);
  const auto flat = transition.matrix();
  const Matrix phi = Eigen::Map<const Matrix>(flat.data(), z, z);
  const Matrix p = phi.transpose();
  Matrix sum = Matrix::Zero(z, z);
  for (size_t g = 0; g < problem.gaps.size(); ++g) {
    const Matrix w = Eigen::Map<const Matrix>(counts.pair.data() + g * problem.num_states * problem.num_states, z, z);
    // A gap of k rounds: sum_m P^(m-1) W P^(k-m), P = phi': the upper right block of [[P, W], [0, P]]^k, by squaring.
    Matrix power = Matrix::Identity(z, z), upper = Matrix::Zero(z, z);
    Matrix base = p, base_upper = w;
    for (auto k = static_cast<int64_t>(problem.gaps[g]); k > 0; k /= 2) {
      if (k % 2 == 1) {
        upper = (power * base_upper + upper * base).eval();
        power = (power * base).eval();
      }
      if (k == 1) break;
      base_upper = (base * base_upper + base_upper * base).eval();
      base = (base * base).eval();
    }
    sum += upper;
  }
  const Matrix out = phi.cwiseProduct(sum);
  return {out.data(), out.data() + out.size()};
}

void maximise_emissions(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, LatentModel& model) {
  if (options.learn_means) {
    if (problem.by_features()) {
      maximise_theta(problem, counts, options.ridge, model);
    } else {
      maximise_table(problem, counts, options, model);
    }
  }
  if (!options.learn_noise || problem.reward != RewardKind::kGaussian || !(counts.rewards > 0)) return;
  const double ridge = options.learn_means ? options.ridge : 0;
  const double variance = penalised_squares(problem, counts, ridge, model) / counts.rewards;
  const double least = std::max(kLeastVariance * counts.squares / counts.rewards, 1e-200);
  model.noise_sd = std::sqrt(std::max(variance, least));
}

void maximise(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, LatentModel& model) {
  if (options.learn_initial) dirichlet_mode(counts.initial, options.initial_alpha, model.initial);
  if (options.learn_transition) maximise_transition(problem, counts, options, model);
  maximise_emissions(problem, counts, options, model);
}

double log_prior(const Problem& problem, const BaumWelchOptions& options, const LatentModel& model) {
  double sum = 0;
  if (options.learn_initial) sum += dirichlet_log(model.initial, options.initial_alpha);
  if (options.learn_transition) {
    const double alpha = options.transition_alpha;
    if (model.transition.is_sticky()) {
      const double rho = model.transition.rho();
      sum += dirichlet_log(model.transition.pi(), alpha);
      if (alpha != 1) sum += (alpha - 1) * (std::log(rho) + std::log1p(-rho));
    } else {
      sum += dirichlet_log(model.transition.matrix(), alpha);
    }
  }
  if (!options.learn_means) return sum;
  if (problem.reward == RewardKind::kCategorical) return sum + dirichlet_log(model.level_probability, options.outcome_alpha);
  if (problem.reward == RewardKind::kBernoulli) {
    for (const double p : model.mean) sum += dirichlet_log(std::vector{p, 1 - p}, options.outcome_alpha);
    return sum;
  }
  double squares = 0;
  for (const double x : model.theta) squares += x * x;
  for (size_t cell = 0; cell < model.mean.size(); ++cell) {
    const double off = model.mean[cell] - problem.arm_mean[cell / problem.num_states];
    squares += off * off;
  }
  return sum - options.ridge * squares / (2 * model.noise_sd * model.noise_sd);
}

LatentPrior posterior(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, const LatentModel& model) {
  const size_t z = problem.num_states;
  LatentPrior out;
  if (options.learn_initial) {
    for (const double x : counts.initial) out.initial_alpha.push_back(options.initial_alpha + x);
  }
  if (options.learn_transition) {
    std::vector<double> pairs = model.transition.matrix();
    if (problem.sticky) {
      for (size_t i = 0; i < z * z; ++i) pairs[i] *= counts.occupancy[i / z];
    } else {
      pairs = expected_transitions(problem, counts, model.transition);
    }
    for (const double x : pairs) out.transition_alpha.push_back(options.transition_alpha + x);
  }
  if (!options.learn_means) return out;
  const double variance = model.noise_sd * model.noise_sd;
  const double ridge = std::max(options.ridge, 1e-9);  // proper even where nothing was seen
  if (problem.by_features()) {
    const auto d = static_cast<Eigen::Index>(problem.data->d);
    out.theta = model.theta;
    for (size_t s = 0; s < z; ++s) {
      Matrix a = Eigen::Map<const Matrix>(counts.gram.data() + s * static_cast<size_t>(d * d), d, d);
      a.diagonal().array() += ridge;
      const Matrix inverse = variance * Eigen::LLT<Matrix, Eigen::Lower>(a).solve(Matrix::Identity(d, d));
      const Matrix symmetric = 0.5 * (inverse + inverse.transpose());
      out.covariance.insert(out.covariance.end(), symmetric.data(), symmetric.data() + symmetric.size());
    }
  } else if (problem.reward == RewardKind::kCategorical) {
    for (const double x : counts.outcome) out.level_alpha.push_back(options.outcome_alpha + x);
  } else if (problem.reward == RewardKind::kBernoulli) {
    for (size_t cell = 0; cell < counts.n.size(); ++cell) {
      out.beta.push_back(options.outcome_alpha + counts.sum[cell]);
      out.beta.push_back(options.outcome_alpha + std::max(0.0, counts.n[cell] - counts.sum[cell]));
    }
  } else {
    out.mean = model.mean;
    for (const double n : counts.n) out.variance.push_back(variance / (n + ridge));
  }
  return out;
}

}  // namespace attune::people::em
