// How a latent state moves between rounds: phi [Z, Z], rows from, columns to, or the sticky form of it (docs/methods/latent_bandits.md).
//
//   dense    p'[j] = sum_z p[z] phi[z][j]                                       O(Z^2)
//   sticky   phi = (1 - rho) I + rho 1 pi',  p' = (1 - rho) p + rho pi          O(Z)
// dt rounds: dense phi^dt (whole dt, powers kept), sticky rho(dt) = 1 - (1 - rho)^dt (any dt >= 0).
// Immutable after check(); copying is cheap (powers are shared). Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace attune::people {

class Transition {
 public:
  Transition() = default;
  /// `phi` [Z, Z] row by row. Throws kInvalidArgument naming the row: negative, not finite, or a sum off 1 by more than 1e-6 (rows are then
  /// divided by their sum).
  static Transition dense(int32_t num_states, std::vector<double> phi);
  /// rho in [0, 1]; `pi` [Z] as a row above.
  static Transition sticky(double rho, std::vector<double> pi);
  /// States never move.
  static Transition identity(int32_t num_states);

  /// Moves `factor` >= 0 times as often: sticky rho' = min(1, factor rho); dense: off-diagonal entries times factor, a row whose entries then
  /// exceed 1 scaled back to 1 in sum. Throws kInvalidArgument.
  Transition scaled(double factor) const;

  int32_t num_states() const noexcept { return num_states_; }
  bool is_sticky() const noexcept { return phi_.empty(); }
  double rho() const noexcept { return rho_; }
  std::span<const double> pi() const noexcept { return pi_; }  ///< [Z]; sticky only
  /// phi[from][to], in either form.
  double at(int32_t from, int32_t to) const noexcept;
  /// [Z, Z], written out.
  std::vector<double> matrix() const;

  /// p [Z] in place, one round.
  void apply(std::span<double> p) const;
  /// p [Z] in place, dt rounds. Dense: whole dt up to 10^9, O(Z^3 log dt) the first time for a dt, O(Z^2) after. Throws kInvalidArgument.
  void apply(std::span<double> p, double dt) const;
  /// phi^dt as above, [Z, Z].
  std::vector<double> power(double dt) const;

 private:
  struct Powers;
  int32_t num_states_ = 0;
  double rho_ = 0;
  std::vector<double> pi_;
  std::vector<double> phi_;  ///< empty: sticky
  std::shared_ptr<Powers> powers_;
};

}  // namespace attune::people
