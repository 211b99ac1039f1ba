// The E step: emissions, forward-backward, expected counts.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "people/bandits/baum_welch_internal.h"

namespace attune::people::em {
namespace {

void add_to(std::vector<double>& a, const std::vector<double>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
}

struct Shapes {
  explicit Shapes(const Problem& p)
      : z(p.num_states),
        k(static_cast<size_t>(p.data->num_arms)),
        d(static_cast<size_t>(p.data->d)),
        c(p.levels.size()),
        g(p.gaps.size()) {}
  size_t z, k, d, c, g;
};

}  // namespace

Counts::Counts(const Problem& problem) {
  const Shapes s(problem);
  initial.assign(s.z, 0);
  occupancy.assign(s.z, 0);
  if (problem.sticky) {
    stay.assign(s.g, 0);
    jump.assign(s.g, 0);
    jump_to.assign(s.z, 0);
  } else {
    pair.assign(s.g * s.z * s.z, 0);
  }
  if (problem.by_features()) {
    gram.assign(s.z * s.d * s.d, 0);
    cross.assign(s.z * s.d, 0);
  } else if (problem.reward == RewardKind::kCategorical) {
    outcome.assign(s.k * s.z * s.c, 0);
  } else {
    n.assign(s.k * s.z, 0);
    sum.assign(s.k * s.z, 0);
  }
}

uint64_t Counts::size_bytes(const Problem& problem) {
  const Shapes s(problem);
  return 8 * (2 * s.z + (problem.sticky ? 2 * s.g : s.g * s.z * s.z) + s.z * s.d * (s.d + 1) + s.k * s.z * std::max<size_t>(2, s.c));
}

void Counts::add(const Counts& other) {
  add_to(initial, other.initial);
  add_to(occupancy, other.occupancy);
  add_to(pair, other.pair);
  add_to(stay, other.stay);
  add_to(jump, other.jump);
  add_to(jump_to, other.jump_to);
  add_to(n, other.n);
  add_to(sum, other.sum);
  add_to(outcome, other.outcome);
  add_to(gram, other.gram);
  add_to(cross, other.cross);
  squares += other.squares;
  rewards += other.rewards;
  log_likelihood += other.log_likelihood;
  impossible += other.impossible;
}

void Counts::add_round(const Problem& problem, int64_t t, const double* w) {
  const auto i = static_cast<size_t>(t);
  const BanditSequences& data = *problem.data;
  if (std::isnan(data.rewards[i])) return;
  const size_t z = problem.num_states;
  rewards += 1;
  if (problem.by_features()) {
    const auto d = static_cast<size_t>(data.d);
    const double* x = data.features.data() + i * d;
    const double r = data.rewards[i];
    squares += r * r;
    for (size_t s = 0; s < z; ++s) {
      double* g = gram.data() + s * d * d;
      double* b = cross.data() + s * d;
      for (size_t row = 0; row < d; ++row) {
        const double scaled = w[s] * x[row];
        b[row] += scaled * r;
        for (size_t column = 0; column <= row; ++column) g[row * d + column] += scaled * x[column];
      }
    }
    return;
  }
  const size_t cell = static_cast<size_t>(data.arms[i]) * z;
  if (problem.reward == RewardKind::kCategorical) {
    const size_t c = problem.levels.size();
    for (size_t s = 0; s < z; ++s) outcome[(cell + s) * c + static_cast<size_t>(problem.level[i])] += w[s];
    return;
  }
  const double r = data.rewards[i] - problem.centre;
  squares += r * r;
  for (size_t s = 0; s < z; ++s) {
    n[cell + s] += w[s];
    sum[cell + s] += w[s] * r;
  }
}

Moves::Moves(const Problem& problem, const Transition& transition) : num_states(problem.num_states), sticky(transition.is_sticky()) {
  if (sticky) {
    pi.assign(transition.pi().begin(), transition.pi().end());
    for (const double dt : problem.gaps) stay.push_back(std::pow(1 - transition.rho(), dt));
    return;
  }
  matrix.reserve(problem.gaps.size() * num_states * num_states);
  for (const double dt : problem.gaps) {
    const auto power = transition.power(dt);
    matrix.insert(matrix.end(), power.begin(), power.end());
  }
}

void Moves::forward(int32_t gap, const double* p, double* out) const noexcept {
  const size_t z = num_states;
  if (sticky) {
    const double s = stay[static_cast<size_t>(gap)];
    for (size_t j = 0; j < z; ++j) out[j] = s * p[j] + (1 - s) * pi[j];
    return;
  }
  const double* phi = matrix.data() + static_cast<size_t>(gap) * z * z;
  std::fill_n(out, z, 0.0);
  for (size_t i = 0; i < z; ++i) {
    for (size_t j = 0; j < z; ++j) out[j] += p[i] * phi[i * z + j];
  }
}

void Moves::backward(int32_t gap, const double* v, double* out) const noexcept {
  const size_t z = num_states;
  if (sticky) {
    const double s = stay[static_cast<size_t>(gap)];
    double mixed = 0;
    for (size_t j = 0; j < z; ++j) mixed += pi[j] * v[j];
    for (size_t i = 0; i < z; ++i) out[i] = s * v[i] + (1 - s) * mixed;
    return;
  }
  const double* phi = matrix.data() + static_cast<size_t>(gap) * z * z;
  for (size_t i = 0; i < z; ++i) {
    double total = 0;
    for (size_t j = 0; j < z; ++j) total += phi[i * z + j] * v[j];
    out[i] = total;
  }
}

Emissions::Emissions(const Problem& problem, const LatentModel& model) : problem_(problem), model_(model) {
  if (model.reward != RewardKind::kGaussian) return;
  scale_ = 1 / model.noise_sd;
  offset_ = -std::log(model.noise_sd) - 0.5 * std::log(2 * std::numbers::pi);
}

double Emissions::row(int64_t t, double* out, int64_t& impossible) const {
  const auto i = static_cast<size_t>(t);
  const size_t z = problem_.num_states;
  const BanditSequences& data = *problem_.data;
  const double r = data.rewards[i];
  if (std::isnan(r)) {
    std::fill_n(out, z, 1.0);
    return 0;
  }
  double greatest = 0;
  if (model_.reward == RewardKind::kCategorical) {
    const size_t c = problem_.levels.size();
    const double* p = model_.level_probability.data() + static_cast<size_t>(data.arms[i]) * z * c + static_cast<size_t>(problem_.level[i]);
    for (size_t s = 0; s < z; ++s) greatest = std::max(greatest, out[s] = p[s * c]);
  } else {
    const auto d = static_cast<size_t>(data.d);
    model_.means(d > 0 ? -1 : data.arms[i], d > 0 ? std::span(data.features).subspan(i * d, d) : std::span<const double>{}, {out, z});
    if (model_.reward == RewardKind::kGaussian) {
      greatest = kLogFloor;
      for (size_t s = 0; s < z; ++s) {
        const double error = (r - out[s]) * scale_;
        out[s] = std::max(offset_ - 0.5 * error * error, kLogFloor);
        greatest = std::max(greatest, out[s]);
      }
      for (size_t s = 0; s < z; ++s) out[s] = std::exp(out[s] - greatest);
      return greatest;
    }
    for (size_t s = 0; s < z; ++s) greatest = std::max(greatest, out[s] = r == 1 ? out[s] : 1 - out[s]);
  }
  if (greatest > 0) return 0;
  ++impossible;
  std::fill_n(out, z, 1.0);
  return 0;
}

double Pass::forward(int64_t begin, int64_t end, int64_t& impossible) {
  const size_t z = problem_.num_states;
  const auto rounds = static_cast<size_t>(end - begin);
  alpha_.resize(rounds * z);
  likelihood_.resize(rounds * z);
  scale_.resize(rounds);
  double total = 0;
  for (size_t t = 0; t < rounds; ++t) {
    double* a = alpha_.data() + t * z;
    double* b = likelihood_.data() + t * z;
    if (t == 0) {
      std::copy(model_.initial.begin(), model_.initial.end(), a);
    } else {
      moves_.forward(problem_.gap[static_cast<size_t>(begin) + t], a - z, a);
    }
    double factor = emissions_.row(begin + static_cast<int64_t>(t), b, impossible);
    double c = 0;
    for (size_t s = 0; s < z; ++s) c += a[s] * b[s];
    if (!(c > 0)) {  // no state that can be reached allows the reward
      ++impossible;
      std::fill_n(b, z, 1.0);
      factor = 0;
      c = 0;
      for (size_t s = 0; s < z; ++s) c += a[s];
    }
    for (size_t s = 0; s < z; ++s) a[s] *= b[s] / c;
    scale_[t] = c;
    total += factor + std::log(c);
  }
  return total;
}

Counts expect(const Problem& problem, const LatentModel& model, ThreadPool& pool) {
  const Moves moves(problem, model.transition);
  const Emissions emissions(problem, model);
  const size_t z = problem.num_states;
  const auto& offsets = problem.data->offsets;
  std::vector<Counts> parts(problem.chunks.size() - 1, Counts(problem));
  const auto user = [&](Pass& pass, Counts& counts, int64_t begin, int64_t end) {
    if (begin == end) return;
    counts.log_likelihood += pass.forward(begin, end, counts.impossible);
    pass.backward(begin, end, [&](int64_t t, const double* gamma, const double* v) {
      counts.add_round(problem, t, gamma);
      if (t == begin) {
        for (size_t s = 0; s < z; ++s) counts.initial[s] += gamma[s];
      }
      if (v == nullptr) return;
      for (size_t s = 0; s < z; ++s) counts.occupancy[s] += gamma[s];
      const double* a = pass.alpha(t, begin);
      const auto g = static_cast<size_t>(problem.gap[static_cast<size_t>(t) + 1]);
      if (problem.sticky) {
        const double keep = moves.stay[g];
        for (size_t s = 0; s < z; ++s) {
          const double jumped = (1 - keep) * moves.pi[s] * v[s];
          counts.stay[g] += keep * a[s] * v[s];
          counts.jump[g] += jumped;
          counts.jump_to[s] += jumped;
        }
        return;
      }
      double* pair = counts.pair.data() + g * z * z;
      for (size_t i = 0; i < z; ++i) {
        for (size_t j = 0; j < z; ++j) pair[i * z + j] += a[i] * v[j];
      }
    });
  };
  pool.run(static_cast<int>(parts.size()), [&](int chunk) {
    Pass pass(problem, model, moves, emissions);
    const auto c = static_cast<size_t>(chunk);
    for (int64_t u = problem.chunks[c]; u < problem.chunks[c + 1]; ++u) {
      user(pass, parts[c], offsets[static_cast<size_t>(u)], offsets[static_cast<size_t>(u) + 1]);
    }
  });
  for (size_t c = 1; c < parts.size(); ++c) parts[0].add(parts[c]);
  return std::move(parts[0]);
}

}  // namespace attune::people::em
