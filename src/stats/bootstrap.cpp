#include "stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/rng.h"

namespace attune::stats {
namespace {

double mean_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

void check_values(std::span<const double> values, std::string_view operation, size_t least) {
  check(values.size() >= least, ErrorCode::kInvalidArgument, "[", operation, "] expected at least ", least, " values, found ",
        values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    check(std::isfinite(values[i]), ErrorCode::kInvalidArgument, "[", operation, "] value ", i, " is ", values[i],
          ", expected a finite number");
  }
}

void check_level(double level, std::string_view operation) {
  check(level > 0 && level < 1, ErrorCode::kInvalidArgument, "[", operation, "] level is ", level, ", expected above 0 and below 1");
}

/// Continued fraction of the incomplete beta function (DLMF 8.17.22), modified Lentz evaluation.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1;
  double d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double out = d;
  for (int m = 1; m <= 1000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d;
    c = 1 + even / c;
    d = 1 / (std::abs(d) < kTiny ? kTiny : d);
    c = std::abs(c) < kTiny ? kTiny : c;
    out *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d;
    c = 1 + odd / c;
    d = 1 / (std::abs(d) < kTiny ? kTiny : d);
    c = std::abs(c) < kTiny ? kTiny : c;
    out *= d * c;
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return out;
}

/// Regularised incomplete beta I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/// P(T > x) for x >= 0.
double student_t_tail(double x, double df) { return 0.5 * incomplete_beta(df / 2, 0.5, df / (df + x * x)); }

/// Means of the columns in every resample: [resamples, columns].
std::vector<double> resampled_means(std::span<const std::vector<double>> columns, const BootstrapOptions& options) {
  const size_t count = columns.size();
  check(count >= 1, ErrorCode::kInvalidArgument, "[bootstrap] no column");
  const size_t n = columns[0].size();
  std::vector<double> rows(n * count);  // [n, count]: a drawn row is read at once
  for (size_t c = 0; c < count; ++c) {
    check_values(columns[c], "bootstrap", 1);
    check(columns[c].size() == n, ErrorCode::kInvalidArgument, "[bootstrap] expected columns of one length, found ", n, " and ",
          columns[c].size());
    for (size_t i = 0; i < n; ++i) rows[i * count + c] = columns[c][i];
  }
  check_level(options.level, "bootstrap");
  check(options.resamples >= 100 && options.resamples <= 1000000, ErrorCode::kInvalidArgument, "[bootstrap] resamples is ",
        options.resamples, ", expected 100 to 1000000");
  Rng rng(options.seed, "bootstrap");
  const auto resamples = static_cast<size_t>(options.resamples);
  std::vector<double> means(resamples * count);
  std::vector<double> sum(count);
  for (size_t r = 0; r < resamples; ++r) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (size_t i = 0; i < n; ++i) {
      const double* row = rows.data() + rng.below(n) * count;
      for (size_t c = 0; c < count; ++c) sum[c] += row[c];
    }
    for (size_t c = 0; c < count; ++c) means[r * count + c] = sum[c] / static_cast<double>(n);
  }
  return means;
}

/// Percentile interval of `values`, which are sorted here.
Interval percentile_interval(std::vector<double>& values, double mean, double level, size_t n) {
  std::sort(values.begin(), values.end());
  const double tail = (1 - level) / 2;
  return {mean, quantile(values, tail), quantile(values, 1 - tail), level, static_cast<int64_t>(n)};
}

}  // namespace

std::vector<Interval> bootstrap_means(std::span<const std::vector<double>> columns, const BootstrapOptions& options) {
  const auto means = resampled_means(columns, options);
  const size_t count = columns.size();
  std::vector<Interval> out;
  std::vector<double> mine(means.size() / count);
  for (size_t c = 0; c < count; ++c) {
    for (size_t r = 0; r < mine.size(); ++r) mine[r] = means[r * count + c];
    out.push_back(percentile_interval(mine, mean_of(columns[c]), options.level, columns[c].size()));
  }
  return out;
}

Interval bootstrap_statistic(std::span<const std::vector<double>> columns, const std::function<double(std::span<const double>)>& value,
                             const BootstrapOptions& options) {
  const auto means = resampled_means(columns, options);
  const size_t count = columns.size();
  std::vector<double> values(means.size() / count), all;
  for (size_t r = 0; r < values.size(); ++r) values[r] = value(std::span(means).subspan(r * count, count));
  for (const auto& column : columns) all.push_back(mean_of(column));
  const double mean = value(all);
  check_values(values, "bootstrap statistic", 1);
  check_values({&mean, 1}, "bootstrap statistic", 1);
  return percentile_interval(values, mean, options.level, columns[0].size());
}

Interval bootstrap_mean(std::span<const double> values, const BootstrapOptions& options) {
  const std::vector<double> column(values.begin(), values.end());
  return bootstrap_means(std::span(&column, 1), options)[0];
}

Interval paired_bootstrap(std::span<const double> a, std::span<const double> b, const BootstrapOptions& options) {
  check(a.size() == b.size(), ErrorCode::kInvalidArgument, "[paired bootstrap] expected arrays of one length, found ", a.size(), " and ",
        b.size());
  std::vector<double> difference(a.size());
  for (size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return bootstrap_mean(difference, options);
}

Interval t_interval(std::span<const double> values, double level) {
  check_values(values, "t interval", 2);
  check_level(level, "t interval");
  const double mean = mean_of(values);
  const double n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  const double half = student_t_quantile(0.5 + level / 2, n - 1) * std::sqrt(sum / (n - 1) / n);
  return {mean, mean - half, mean + half, level, static_cast<int64_t>(values.size())};
}

double quantile(std::span<const double> sorted, double p) {
  check(!sorted.empty() && p >= 0 && p <= 1, ErrorCode::kInvalidArgument, "[quantile] ", sorted.size(), " values, p = ", p,
        ", expected at least 1 value and 0 <= p <= 1");
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = place - static_cast<double>(below);
  return sorted[below] + share * (sorted[above] - sorted[below]);
}

double student_t_quantile(double p, double df) {
  check(p > 0 && p < 1 && df > 0, ErrorCode::kInvalidArgument, "[student t quantile] p = ", p, ", df = ", df,
        ", expected 0 < p < 1 and df > 0");
  if (p < 0.5) return -student_t_quantile(1 - p, df);
  double low = 0;
  double high = 1;
  while (student_t_tail(high, df) > 1 - p && high < 1e300) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (student_t_tail(middle, df) > 1 - p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace attune::stats
