// Draws from the distributions that Bayesian bandits need, all from one attune::Rng: the same numbers on every machine with the same libm.
//
//   gamma        Marsaglia and Tsang, "A simple method for generating gamma variables" (ACM TOMS 26, 2000), shape < 1 by their boost
//                G(a) = G(a + 1) U^(1/a), kept as a logarithm so that tiny shapes do not become 0 before they are compared
//   beta         G(a) / (G(a) + G(b));  Dirichlet: gammas divided by their sum
//   categorical  by inversion, weights of any sum
//   normal       mean + L e, L lower triangular with L L' = covariance
// Every function throws kInvalidArgument for parameters outside the stated range. None allocates. Scalars cost O(1), vectors O(n), the
// multivariate normal O(d^2).
// Verified: moments, distribution functions and support, shapes from 1e-8 to 1e12 (tests/people/bandits/draws_test.cpp).
#pragma once

#include <cstdint>
#include <span>

#include "core/rng.h"

namespace attune::people {

/// Gamma with density x^(shape - 1) e^-x / Gamma(shape). Finite shape > 0. May be 0 for shapes below 0.1 or so.
double draw_gamma(double shape, Rng& rng);
/// log of the same draw; finite for every shape of at least 1e-300.
double draw_log_gamma(double shape, Rng& rng);
/// Beta(a, b) in [0, 1], finite a, b > 0.
double draw_beta(double a, double b, Rng& rng);
/// Dirichlet(alpha [n]) into out [n]; sums to 1 within rounding. Finite alpha > 0, n >= 1.
void draw_dirichlet(std::span<const double> alpha, Rng& rng, std::span<double> out);
/// Index with probability weights[i] / sum; weights of at least 0 with a finite sum above 0. Never an index of weight 0. One uniform.
int32_t draw_categorical(std::span<const double> weights, Rng& rng);
/// The index that `uniform` in [0, 1) falls on; `sum` = sum of the weights, > 0, unchecked. For loops that have the sum already.
int32_t categorical_index(std::span<const double> weights, double sum, double uniform) noexcept;
/// Normal with mean [d] and covariance L L', `lower` = L [d, d] row by row (above the diagonal not looked at), into out [d].
void draw_normal(std::span<const double> mean, std::span<const double> lower, Rng& rng, std::span<double> out);

}  // namespace attune::people
