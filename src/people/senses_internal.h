// Parts of the search for senses: pairs of all users in one table, EM on it, and splits and permutations of users' items.
#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "people/senses.h"

namespace attune::people {

using UserPairs = std::vector<std::vector<PairExample>>;  ///< by user

/// Pairs of all users on the distinct items among them.
class PairTable {
 public:
  PairTable(const ItemSpace& space, UserPairs pairs);
  int d() const noexcept { return d_; }
  size_t num_users() const noexcept { return pairs_.size(); }
  size_t num_pairs() const noexcept { return better_.size(); }
  bool has_pairs(size_t user) const noexcept { return begin_[user] < begin_[user + 1]; }
  const UserPairs& pairs() const noexcept { return pairs_; }
  /// Cov(q)^-1 times the sum of strength (q_better - q_worse) of a user, [d]: a share of the linear discriminant.
  std::span<const double> sum(size_t user) const {
    return std::span(sums_).subspan(user * static_cast<size_t>(d_), static_cast<size_t>(d_));
  }
  /// Pairs of each user that each direction orders correctly, ties half: [users, senses].
  std::vector<double> correct(std::span<const std::vector<float>> directions) const;
  /// Slopes kappa [senses] of the log odds along each direction: 2 mean / variance of the margins c_s . (q_better - q_worse), raw rows, of the
  /// users of sense s (`sense` [users]); exact where margins are normal. 0 where they do not lean to the right side.
  std::vector<float> slopes(std::span<const std::vector<float>> directions, std::span<const int32_t> sense) const;
  /// sum over a user's pairs of log sigma(kappa_s margin): [users, senses], to 1e-5 a pair.
  std::vector<double> log_likelihood(std::span<const std::vector<float>> directions, std::span<const float> slopes) const;

 private:
  /// sums_ times the inverse covariance of the space's items, slightly ridged. O(d^3 + users d^2).
  void whiten_sums(const ItemSpace& space);
  /// c . q / |q| of every local item.
  std::vector<float> cosines(std::span<const float> direction) const;
  /// c . (q_better - q_worse) of every pair.
  std::vector<float> margins(std::span<const float> direction) const;

  int d_;
  UserPairs pairs_;
  std::vector<size_t> begin_;  ///< [users + 1]
  std::vector<int32_t> better_, worse_;  ///< local items
  std::vector<float> unit_rows_;  ///< [items, d], length 1
  std::vector<float> norms_;  ///< [items]
  std::vector<double> sums_;  ///< [users, d]
};

struct EmState {
  std::vector<int32_t> sense;  ///< [users]
  std::vector<std::vector<float>> direction;  ///< [senses][d]
  std::vector<float> slope;  ///< [senses]; Assign::kLikelihood
  double objective = -HUGE_VAL;  ///< correct pairs / pairs, or log likelihood / pairs
};
/// What the E step maximises by user.
enum class Assign { kCorrect, kLikelihood };
/// Direction of the users with weight 1; empty if they give none.
using SenseFit = std::function<std::vector<float>(const PairTable& table, std::span<const double> user_weight)>;
std::vector<float> fit_discriminant(const PairTable& table, std::span<const double> user_weight);

/// What the E step maximises: [users, senses].
std::vector<double> user_scores(const PairTable& table, const EmState& state);

/// From an assignment: M and E steps until the objective stops rising or (from round 2) no user moves; returns the best state.
EmState run_em(const PairTable& table, std::vector<int32_t> start, int32_t senses, int32_t rounds, Assign assign, const SenseFit& fit,
               Rng& rng);
/// Users dealt round robin in random order (published).
std::vector<int32_t> dealt_start(size_t num_users, int32_t senses, Rng& rng);
/// Users by the nearest of `senses` users' sums, chosen as in k-means++ by 1 - cosine.
std::vector<int32_t> spread_start(const PairTable& table, int32_t senses, Rng& rng);
/// The best of `restarts` runs by discriminants. `score` (or null = objective) judges a state.
EmState best_start(const PairTable& table, int32_t senses, int32_t restarts, int32_t rounds, Assign assign, uint64_t seed,
                   const std::function<double(const EmState&)>& score = nullptr);

/// Pairs of two halves of each user's items; users whose items cannot be split (a half without pairs) have none in both.
struct Halves {
  UserPairs first;
  UserPairs second;
  int64_t num_users = 0;  ///< that could be split
};
Halves split_items(const AttributeData& attribute, const SenseOptions& options, uint64_t seed);

/// A fold of users: directions come from all pairs of the other users, a user's sense from one half of the user's items, the score from the other.
struct CrossFold {
  PairTable train;
  PairTable first;
  PairTable second;
};
/// Every user who can be split is in one fold, the others are always trained on. Empty with fewer than options.min_users such users.
std::vector<CrossFold> cross_folds(const ItemSpace& space, const AttributeData& attribute, const SenseOptions& options, int32_t folds,
                                   uint64_t seed);

/// Items (tagged and others apart; or graded pairs) dealt anew among the users of one group, counts kept.
AttributeData permuted_within(const AttributeData& attribute, std::span<const int32_t> group, uint64_t seed);

}  // namespace attune::people
