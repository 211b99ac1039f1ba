// Where EM begins: k-means++ over windows of rounds (users move between states, so whole users would blend them), then a sticky transition.
// Windows have 50, 25, 100 rounds or a whole user, one length a start. Distances are differences of what two estimates say about the rounds
// of the window, which is free of the rewards' noise; the assignment after that is by squared error of the rewards themselves.
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/rng.h"
#include "people/bandits/baum_welch_internal.h"
#include "people/bandits/draws.h"

namespace attune::people::em {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

constexpr int64_t kWindows[] = {50, 25, 100, std::numeric_limits<int64_t>::max()};
constexpr double kStay[] = {0.95, 0.9, 0.98, 0.8, 0.99};
constexpr int kLloyd = 6;
constexpr double kWindowRidge = 1;  // rounds' worth of the overall estimate in a window's own

struct Window {
  int64_t begin, end;
};

std::vector<Window> make_windows(const BanditSequences& data, int64_t length) {
  std::vector<Window> out;
  for (int64_t u = 0; u < data.num_users(); ++u) {
    const int64_t last = data.offsets[static_cast<size_t>(u) + 1];
    for (int64_t begin = data.offsets[static_cast<size_t>(u)]; begin < last;) {
      const int64_t end = last - begin > length ? begin + length : last;
      const auto known = [&](int64_t t) { return !std::isnan(data.rewards[static_cast<size_t>(t)]); };
      bool any = false;
      for (int64_t t = begin; t < end && !any; ++t) any = known(t);
      if (any) out.push_back({begin, end});
      begin = end;
    }
  }
  return out;
}

/// Estimates of mean rewards: [K] of a table or theta [d]; what they say about round t.
class Estimates {
 public:
  explicit Estimates(const Problem& problem) : problem_(problem), data_(*problem.data), d_(static_cast<size_t>(data_.d)) {
    overall_ = problem.arm_mean;
    if (problem.by_features()) overall_ = features({0, data_.num_rounds()}, std::vector<double>(d_, 0.0));
  }
  size_t size() const noexcept { return overall_.size(); }
  bool known(int64_t t) const noexcept { return !std::isnan(reward(t)); }
  double reward(int64_t t) const noexcept { return data_.rewards[static_cast<size_t>(t)]; }

  double says(std::span<const double> estimate, int64_t t) const noexcept {
    const auto i = static_cast<size_t>(t);
    if (d_ == 0) return estimate[static_cast<size_t>(data_.arms[i])];
    double sum = 0;
    for (size_t k = 0; k < d_; ++k) sum += estimate[k] * data_.features[i * d_ + k];
    return sum;
  }
  /// The window's own estimate, shrunk to the overall one.
  std::vector<double> of(const Window& window) const {
    if (d_ > 0) return features(window, overall_);
    std::vector<double> out = overall_;
    std::vector<double> n(out.size(), kWindowRidge);
    for (int64_t t = window.begin; t < window.end; ++t) {
      if (!known(t)) continue;
      const auto arm = static_cast<size_t>(data_.arms[static_cast<size_t>(t)]);
      n[arm] += 1;
      out[arm] += (reward(t) - out[arm]) / n[arm];
    }
    return out;
  }

 private:
  std::vector<double> features(const Window& window, const std::vector<double>& prior) const {
    const auto d = static_cast<Eigen::Index>(d_);
    Matrix a = kWindowRidge * Matrix::Identity(d, d);
    Vector b = kWindowRidge * Eigen::Map<const Vector>(prior.data(), d);
    for (int64_t t = window.begin; t < window.end; ++t) {
      if (!known(t)) continue;
      const Eigen::Map<const Vector> x(data_.features.data() + static_cast<size_t>(t) * d_, d);
      a.selfadjointView<Eigen::Lower>().rankUpdate(x);
      b += reward(t) * x;
    }
    const Vector theta = Eigen::LLT<Matrix, Eigen::Lower>(a).solve(b);
    return {theta.data(), theta.data() + d};
  }

  const Problem& problem_;
  const BanditSequences& data_;
  size_t d_;
  std::vector<double> overall_;
};

/// k-means++: windows far from the centres so far are likelier.
std::vector<std::vector<double>> seed_centres(const Problem& problem, const Estimates& estimates, const std::vector<Window>& windows,
                                              Rng& rng) {
  std::vector<double> fitted(static_cast<size_t>(problem.data->num_rounds()), 0.0);
  for (const Window& window : windows) {
    const auto own = estimates.of(window);
    for (int64_t t = window.begin; t < window.end; ++t) fitted[static_cast<size_t>(t)] = estimates.says(own, t);
  }
  std::vector<double> distance(windows.size(), std::numeric_limits<double>::infinity());
  std::vector<std::vector<double>> centres;
  size_t next = rng.below(windows.size());
  while (true) {
    centres.push_back(estimates.of(windows[next]));
    if (centres.size() == problem.num_states) return centres;
    double sum = 0;
    for (size_t w = 0; w < windows.size(); ++w) {
      double squares = 0;
      for (int64_t t = windows[w].begin; t < windows[w].end; ++t) {
        const double off = fitted[static_cast<size_t>(t)] - estimates.says(centres.back(), t);
        squares += off * off;
      }
      sum += distance[w] = std::min(distance[w], squares);
    }
    next = sum > 0 ? static_cast<size_t>(draw_categorical(distance, rng)) : rng.below(windows.size());
  }
}

/// The model's means as centres.
void read_centres(const Problem& problem, const LatentModel& model, std::vector<std::vector<double>>& centres) {
  const size_t z = problem.num_states;
  for (size_t s = 0; s < z; ++s) {
    for (size_t i = 0; i < centres[s].size(); ++i) {
      if (problem.by_features()) {
        centres[s][i] = model.theta[s * centres[s].size() + i];
      } else if (problem.reward == RewardKind::kCategorical) {
        const size_t c = problem.levels.size();
        centres[s][i] = 0;
        for (size_t l = 0; l < c; ++l) centres[s][i] += problem.levels[l] * model.level_probability[(i * z + s) * c + l];
      } else {
        centres[s][i] = model.mean[i * z + s];
      }
    }
  }
}

void cluster_windows(const Problem& problem, const BaumWelchOptions& options, int64_t length, Rng& rng, LatentModel& model) {
  const auto windows = make_windows(*problem.data, length);
  if (windows.empty()) return;
  const Estimates estimates(problem);
  auto centres = seed_centres(problem, estimates, windows, rng);
  std::vector<double> w(problem.num_states);
  for (int step = 0; step < kLloyd; ++step) {
    Counts counts(problem);
    for (const Window& window : windows) {
      size_t best = 0;
      double least = std::numeric_limits<double>::infinity();
      for (size_t s = 0; s < centres.size(); ++s) {
        double squares = 0;
        for (int64_t t = window.begin; t < window.end; ++t) {
          if (!estimates.known(t)) continue;
          const double off = estimates.reward(t) - estimates.says(centres[s], t);
          squares += off * off;
        }
        if (squares < least) {
          least = squares;
          best = s;
        }
      }
      std::fill(w.begin(), w.end(), 0.0);
      w[best] = 1;
      for (int64_t t = window.begin; t < window.end; ++t) counts.add_round(problem, t, w.data());
    }
    maximise_emissions(problem, counts, options, model);
    read_centres(problem, model, centres);
  }
}

LatentModel blank(const Problem& problem) {
  const BanditSequences& data = *problem.data;
  const size_t z = problem.num_states;
  const size_t cells = static_cast<size_t>(data.num_arms) * z;
  LatentModel out;
  out.reward = problem.reward;
  out.num_states = static_cast<int32_t>(z);
  out.num_arms = data.num_arms;
  out.d = data.d;
  if (problem.by_features()) {
    out.theta.assign(z * static_cast<size_t>(data.d), 0.0);
  } else if (problem.reward == RewardKind::kCategorical) {
    out.levels = problem.levels;
    out.level_probability.assign(cells * problem.levels.size(), 1.0 / static_cast<double>(problem.levels.size()));
  } else {
    for (size_t cell = 0; cell < cells; ++cell) out.mean.push_back(problem.arm_mean[cell / z]);
  }
  double squares = 0;
  double n = 0;
  for (const double r : data.rewards) {
    if (std::isnan(r)) continue;
    squares += (r - problem.centre) * (r - problem.centre);
    n += 1;
  }
  if (n > 0 && squares > 0) out.noise_sd = std::sqrt(squares / n);
  return out;
}

Transition staying(const Problem& problem, double stay) {
  const size_t z = problem.num_states;
  const auto share = 1.0 / static_cast<double>(z);
  if (problem.sticky) return Transition::sticky(1 - stay, std::vector<double>(z, share));
  std::vector<double> phi(z * z, (1 - stay) * share);
  for (size_t s = 0; s < z; ++s) phi[s * z + s] += stay;
  return Transition::dense(static_cast<int32_t>(z), std::move(phi));
}

}  // namespace

LatentModel make_start(const Problem& problem, const BaumWelchOptions& options, const LatentModel* given, int32_t index) {
  LatentModel model = given != nullptr ? *given : blank(problem);
  const double stay = kStay[static_cast<size_t>(index) % std::size(kStay)];
  if (given != nullptr && index == 0) {
    if (given->transition.is_sticky() && !problem.sticky) {
      model.transition = Transition::dense(given->num_states, given->transition.matrix());
    } else if (!given->transition.is_sticky() && problem.sticky) {
      model.transition = staying(problem, stay);
    }
    return model;
  }
  Rng rng(options.seed, cat("baum_welch.start ", index));
  if (options.learn_means) cluster_windows(problem, options, kWindows[static_cast<size_t>(index) % std::size(kWindows)], rng, model);
  if (options.learn_initial) model.initial.assign(problem.num_states, 1.0 / static_cast<double>(problem.num_states));
  if (options.learn_transition) model.transition = staying(problem, stay);
  return model;
}

}  // namespace attune::people::em
