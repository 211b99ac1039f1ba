// Parts of Baum-Welch: what does not change during learning, expected counts, the two steps, the starts.
#pragma once

#include "people/bandits/baum_welch.h"

namespace attune::people::em {

/// The data as the steps see it.
struct Problem {
  const BanditSequences* data = nullptr;
  RewardKind reward = RewardKind::kGaussian;
  size_t num_states = 0;
  bool sticky = false;
  double centre = 0;  ///< taken off the rewards of gaussian tables in sums, so that sums of squares keep their digits
  std::vector<double> arm_mean;  ///< [K] mean reward of each arm (the overall mean where it has none): what tables are shrunk to
  std::vector<int32_t> level;  ///< [N] categorical: index of the reward's level, -1 without feedback
  std::vector<double> levels;
  std::vector<double> gaps;  ///< [G] the different dt
  std::vector<int32_t> gap;  ///< [N] index into gaps; a user's first round: not used
  std::vector<int64_t> chunks;  ///< users of chunk c: chunks[c] to chunks[c + 1]; by the data alone

  bool by_features() const noexcept { return data->d > 0; }
};
Problem make_problem(const BanditSequences& data, RewardKind reward, std::vector<double> levels, int32_t num_states, bool sticky);

/// Expected counts under the current model.
struct Counts {
  std::vector<double> initial;  ///< [Z]
  std::vector<double> occupancy;  ///< [Z] rounds that are followed by another one of the user
  std::vector<double> pair;  ///< dense: [G, Z, Z], expected pairs divided by phi^dt
  std::vector<double> stay, jump;  ///< sticky: [G]
  std::vector<double> jump_to;  ///< sticky: [Z]
  std::vector<double> n, sum;  ///< tables: [K, Z] rounds and rewards (gaussian: minus the centre)
  std::vector<double> outcome;  ///< categorical: [K, Z, C]
  std::vector<double> gram, cross;  ///< by features: [Z, d, d] (lower half) and [Z, d]
  double squares = 0;  ///< sum of rewards^2 (minus the centre)
  double rewards = 0;  ///< number of rewards
  double log_likelihood = 0;
  int64_t impossible = 0;

  explicit Counts(const Problem& problem);
  void add(const Counts& other);
  /// Round t of the data with weights w [Z] of the states.
  void add_round(const Problem& problem, int64_t t, const double* w);
  /// Bytes of one.
  static uint64_t size_bytes(const Problem& problem);
};

/// phi^dt of every gap.
struct Moves {
  Moves(const Problem& problem, const Transition& transition);
  size_t num_states;
  bool sticky;
  std::vector<double> pi;  ///< sticky
  std::vector<double> stay;  ///< sticky: [G] (1 - rho)^dt
  std::vector<double> matrix;  ///< dense: [G, Z, Z]

  void forward(int32_t gap, const double* p, double* out) const noexcept;   ///< out[j] = sum_i p[i] phi[i][j]; sum p = 1
  void backward(int32_t gap, const double* v, double* out) const noexcept;  ///< out[i] = sum_j phi[i][j] v[j]
};

/// Likelihoods of one round up to a factor: out [Z], greatest about 1; returns the log of the factor. No feedback: ones. No state allows the
/// reward: ones, and `impossible` rises.
class Emissions {
 public:
  Emissions(const Problem& problem, const LatentModel& model);
  double row(int64_t t, double* out, int64_t& impossible) const;

 private:
  const Problem& problem_;
  const LatentModel& model_;
  double scale_ = 0;  // 1 / noise_sd
  double offset_ = 0;
};

/// One user's forward-backward pass; the vectors are kept between users.
class Pass {
 public:
  Pass(const Problem& problem, const LatentModel& model, const Moves& moves, const Emissions& emissions)
      : problem_(problem), model_(model), moves_(moves), emissions_(emissions) {}
  /// alpha, likelihoods and scales of rounds [begin, end); returns the log likelihood.
  double forward(int64_t begin, int64_t end, int64_t& impossible);
  /// After forward: calls visit(t, gamma [Z], v [Z]) from the last round to the first, where v[j] = b(j) beta(j) / c of round t + 1 (null for
  /// the last round): P(z_t = i, z_{t+1} = j | all) = alpha_t(i) phi[i][j] v[j].
  template <class Visit>
  void backward(int64_t begin, int64_t end, const Visit& visit);
  const double* alpha(int64_t t, int64_t begin) const noexcept {
    return alpha_.data() + static_cast<size_t>(t - begin) * problem_.num_states;
  }

 private:
  const Problem& problem_;
  const LatentModel& model_;
  const Moves& moves_;
  const Emissions& emissions_;
  std::vector<double> alpha_, likelihood_, scale_;
};

/// E step over all users.
Counts expect(const Problem& problem, const LatentModel& model, ThreadPool& pool);

/// M step, in place: the parts that `options` says are learned.
void maximise(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, LatentModel& model);
/// Means and noise only.
void maximise_emissions(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, LatentModel& model);
/// Log prior of the learned parts, up to a constant: what maximise() adds to the log likelihood.
double log_prior(const Problem& problem, const BaumWelchOptions& options, const LatentModel& model);
/// Posterior of the learned parts given the expected counts of `model`.
LatentPrior posterior(const Problem& problem, const Counts& counts, const BaumWelchOptions& options, const LatentModel& model);
/// Expected transitions [Z, Z] of the dense form, the states inside gaps included.
std::vector<double> expected_transitions(const Problem& problem, const Counts& counts, const Transition& transition);

/// Start number `index`: `given` for the first if there is one, otherwise k-means++ over windows of rounds and a sticky transition.
LatentModel make_start(const Problem& problem, const BaumWelchOptions& options, const LatentModel* given, int32_t index);

template <class Visit>
void Pass::backward(int64_t begin, int64_t end, const Visit& visit) {
  const size_t z = problem_.num_states;
  std::vector<double> beta(z, 1.0), v(z), gamma(z);
  for (int64_t t = end - 1; t >= begin; --t) {
    const bool last = t + 1 == end;
    if (!last) {
      const double* b = likelihood_.data() + static_cast<size_t>(t + 1 - begin) * z;
      const double inverse = 1 / scale_[static_cast<size_t>(t + 1 - begin)];
      for (size_t j = 0; j < z; ++j) v[j] = b[j] * beta[j] * inverse;
      moves_.backward(problem_.gap[static_cast<size_t>(t + 1)], v.data(), beta.data());
    }
    const double* a = alpha(t, begin);
    for (size_t s = 0; s < z; ++s) gamma[s] = a[s] * beta[s];
    visit(t, static_cast<const double*>(gamma.data()), last ? nullptr : static_cast<const double*>(v.data()));
  }
}

}  // namespace attune::people::em
