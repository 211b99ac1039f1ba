// Parts of the search for senses: pairs of all users in one table, EM on it, and splits and permutations of users' items.
#pragma once

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
  /// Sum of strength (q_better - q_worse) of a user, [d].
  std::span<const double> sum(size_t user) const {
    return std::span(sums_).subspan(user * static_cast<size_t>(d_), static_cast<size_t>(d_));
  }
  /// Pairs of each user that each direction orders correctly, ties half: [users, senses].
  std::vector<double> correct(std::span<const std::vector<float>> directions) const;

 private:
  int d_;
  UserPairs pairs_;
  std::vector<size_t> begin_;           ///< [users + 1]
  std::vector<int32_t> better_, worse_;  ///< local items
  std::vector<float> unit_rows_;        ///< [items, d], length 1
  std::vector<double> sums_;            ///< [users, d]
};

struct EmState {
  std::vector<int32_t> sense;                 ///< [users]
  std::vector<std::vector<float>> direction;  ///< [senses][d]
  double objective = -1;                      ///< correct pairs / pairs
};
/// Direction of the users with weight 1; empty if they give none.
using SenseFit = std::function<std::vector<float>(const PairTable& table, std::span<const double> user_weight)>;
std::vector<float> fit_mean_difference(const PairTable& table, std::span<const double> user_weight);

/// From an assignment: M and E steps until the objective stops rising or (from round 2) no user moves; returns the best state.
EmState run_em(const PairTable& table, std::vector<int32_t> start, int32_t senses, int32_t rounds, const SenseFit& fit, Rng& rng);
/// Users dealt round robin in random order (published).
std::vector<int32_t> dealt_start(size_t num_users, int32_t senses, Rng& rng);
/// Users by the nearest of `senses` users' sums, chosen as in k-means++ by 1 - cosine.
std::vector<int32_t> spread_start(const PairTable& table, int32_t senses, Rng& rng);
/// The best of `restarts` runs by mean differences. `score` (or null = objective) judges a state.
EmState best_start(const PairTable& table, int32_t senses, int32_t restarts, int32_t rounds, uint64_t seed,
                   const std::function<double(const EmState&)>& score = nullptr);

/// Pairs of two halves of each user's items; users whose items cannot be split (a half without pairs) have none in both.
struct Halves {
  UserPairs first;
  UserPairs second;
  int64_t num_users = 0;  ///< that could be split
};
Halves split_items(const AttributeData& attribute, const SenseOptions& options, uint64_t seed);

/// Items (tagged and others apart; or graded pairs) dealt anew among the users of one group, counts kept.
AttributeData permuted_within(const AttributeData& attribute, std::span<const int32_t> group, uint64_t seed);

}  // namespace attune::people
