// Means with intervals. Users (or seeds) are the sampling unit: pass one value a user.
//
// Bootstrap: percentile intervals of the mean over resamples with replacement (Efron and Tibshirani, An Introduction to the Bootstrap,
// chapter 13). Same seed, same interval, on every machine.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace attune::stats {

struct Interval {
  double mean = 0;
  double low = 0;
  double high = 0;
  double level = 0.95;
  int64_t n = 0;
  /// True if 0 lies outside [low, high].
  bool excludes_zero() const noexcept { return low > 0 || high < 0; }
};

struct BootstrapOptions {
  int resamples = 2000;  ///< 100 to 1,000,000
  double level = 0.95;   ///< in (0, 1)
  uint64_t seed = 0;
};

/// Interval of the mean of `values` (finite, at least 1). O(resamples * n).
Interval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options = {});

/// bootstrap_mean of each column, bit for bit, for the price of one set of draws: every resample takes the same rows of all columns, which
/// have one length. O(resamples * n * columns), mostly cheap additions.
std::vector<Interval> bootstrap_means(std::span<const std::vector<double>> columns, const BootstrapOptions& options = {});

/// Interval of a function of the columns' means, such as a ratio or a slope: rows are resampled whole, `value` is computed from the means of each
/// resample. `mean` of the result is value(means). Throws kInvalidArgument also if a value is not finite (a denominator of 0).
Interval bootstrap_statistic(std::span<const std::vector<double>> columns,
                             const std::function<double(std::span<const double> means)>& value, const BootstrapOptions& options = {});

/// Interval of mean(a - b) where a[i] and b[i] belong to one user: whole users are resampled, so what the two share cancels.
Interval paired_bootstrap(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options = {});

/// Mean with Student-t interval, mean +- t(level, n - 1) * s / sqrt(n): for a few seeds. n >= 2.
Interval t_interval(std::span<const double> values, double level = 0.95);

/// p-quantile, 0 <= p <= 1, by linear interpolation of order statistics (type 7 of Hyndman and Fan). `sorted` is ascending, not empty.
double quantile(std::span<const double> sorted, double p);

/// x with P(T <= x) = p for Student's t with `df` > 0 degrees of freedom, 0 < p < 1. Relative error below 1e-8.
double student_t_quantile(double p, double df);

}  // namespace attune::stats
