// Conjugate pieces of a latent bandit: posterior, predictive density and draws (docs/methods/latent_bandits.md, "Unknown parameters").
//
//   Gaussian mean       theta ~ N(m0, v0), n rewards with sum s, noise s2:  1/v = 1/v0 + n/s2,  m = m0 + (s - n m0) v / s2
//                       predictive N(m, v + s2)
//   Beta, Dirichlet     counts added to the parameters; predictive = their share of the sum
//   linear-Gaussian     theta ~ N(m, Sigma) [d], r ~ N(x . theta, s2):  Lambda += x x' / s2,  b += x r / s2,  m = Lambda^-1 b
//                       predictive N(x . m, x' Lambda^-1 x + s2)
// A linear posterior is kept as its square-root information form: Lambda = L L' with L lower triangular, and u = L^-1 b. Both change together
// under one sweep of plane rotations of (L | u) against (x | r) / s (Golub and Van Loan, Matrix Computations, section 6.5.4), so an update is
// O(d^2) and loses no digits to a covariance; a downdate turns hyperbolic. Layout of a block of linear_size(d) numbers: the columns of L one
// after another, d(d+1)/2 numbers, then u [d].
// Pure functions; none allocates. Verified: quadrature to 1e-8, direct solves (tests/people/bandits/conjugate_test.cpp).
#pragma once

#include <cstddef>
#include <span>

#include "core/rng.h"

namespace attune::people {

/// Densities of rewards are at least this, as in LatentModel::log_likelihood.
inline constexpr double kDensityFloor = 1e-300;

struct MeanVariance {
  double mean = 0;
  double variance = 0;
};

/// Posterior of a Gaussian mean; `n` may be a sum of weights (then `sum` is weighted). v0, noise_variance > 0, n >= 0.
MeanVariance gaussian_posterior(double m0, double v0, double noise_variance, double n, double sum) noexcept;
/// Density of N(mean, variance) at x, at least kDensityFloor. variance > 0.
double gaussian_density(double x, double mean, double variance) noexcept;

/// Numbers of a linear block: d(d+1)/2 + d.
constexpr size_t linear_size(size_t d) noexcept { return d * (d + 1) / 2 + d; }
/// Block of N(mean [d], covariance [d, d]). Throws kInvalidArgument: sizes, a covariance without a Cholesky factor. O(d^3).
void linear_prior(std::span<const double> mean, std::span<const double> covariance, std::span<double> block);
/// Adds `weight` >= 0 observations of `reward` at `x` [d]. scratch [d]. O(d^2).
void linear_update(std::span<double> block, std::span<const double> x, double reward, double noise_variance, double weight,
                   std::span<double> scratch) noexcept;
/// Takes one observation out that went in before. False if rounding leaves no positive definite matrix: the block is then spoiled.
/// scratch [d]. O(d^2).
bool linear_downdate(std::span<double> block, std::span<const double> x, double reward, double noise_variance,
                     std::span<double> scratch) noexcept;
/// Mean and variance of x . theta, without the noise. scratch [d]. O(d^2).
MeanVariance linear_predict(std::span<const double> block, std::span<const double> x, std::span<double> scratch) noexcept;
/// Posterior mean of theta: out [d]. O(d^2).
void linear_mean(std::span<const double> block, std::span<double> out) noexcept;
/// Draw of theta: out [d]. O(d^2).
void linear_draw(std::span<const double> block, Rng& rng, std::span<double> out) noexcept;

}  // namespace attune::people
