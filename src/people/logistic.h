// L2-regularised logistic regression on rows of a matrix and on differences of rows, by Newton's method.
//
// Loss (docs/methods/soft_attributes.md, eq. 1), x_n a row or a difference of two rows, m_n its margin (signed by the label):
//   sum_n omega_n log(1 + exp(-m_n)) + |w - prior|^2 / (2 C),   m_n = +-(w . x_n + b)
// The intercept b is not penalised. Newton step H^-1 grad with H = sum omega sigma (1 - sigma) x x' + I / C, halved until the loss falls
// enough (Armijo), until the largest gradient component is at most `tolerance`. Differences are never formed one by one: with the scores
// s = Q w a pair's margin is s_a - s_b, the gradient is Q' (sums per row), and the Hessian Q' (L Q) with the weighted Laplacian L of the
// pairs, so a pair costs O(d) and a row O(d^2). Margins and gradients in double, the Hessian in float, again in double if it is not positive
// definite. Deterministic. Thread-safe: a LogisticProblem is read only after construction.
// Verified: against gradient descent in long double, and finite differences (tests/people/logistic_test.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/options.h"

namespace attune::people {

/// Examples of one problem, all arrays of one length N. With `other` empty example n is row `row[n]`; else it is row[n] - other[n], said to be
/// positive. Label 0 of a pair means that the example enters as (-x, 0): the same loss, but classes are counted by it.
struct LogisticExamples {
  std::vector<int32_t> row;
  std::vector<int32_t> other;
  std::vector<uint8_t> label;
  std::vector<float> weight;  ///< above 0; empty = 1
  std::vector<int32_t> group;  ///< examples of a group share a fold; empty = each its own
};

struct LogisticOptions {
  double c = 1;  ///< inverse of the regularisation, above 0
  bool intercept = false;  ///< rows only
  bool balanced = true;  ///< weights N / (2 N_class) on top of `weight`
  double tolerance = 1e-4;  ///< largest gradient component at the end
  int32_t max_iterations = 100;
};

struct LogisticPathOptions {
  int32_t num_c = 10;  ///< values of C, log-spaced
  double c_min = 1e-4;
  double c_max = 1e4;
  int32_t folds = 5;  ///< stratified by label, or whole groups
  uint64_t seed = 0;  ///< of the folds
};

struct LogisticFit {
  std::vector<double> w;  ///< [d]
  double intercept = 0;
  double c = 1;
  double loss = 0;  ///< the penalised loss above
  double accuracy = 0;  ///< share of examples with a margin above 0, half for 0
  double gradient = 0;  ///< largest component at the end
  int iterations = 0;
  bool converged = false;
};

struct LogisticPath {
  LogisticFit fit;  ///< on all examples with the best C
  std::vector<double> c;  ///< the values tried
  std::vector<double> cv_accuracy;  ///< mean over folds, by value of C
};

class LogisticProblem {
 public:
  /// `rows` [n, d]. Copies the rows used, padded. Throws kInvalidArgument naming what is wrong: no example, unequal lengths, a row outside, a
  /// pair of one row, a weight that is not finite and above 0, labelled rows of one class only.
  LogisticProblem(std::span<const float> rows, int d, LogisticExamples examples);

  int64_t num_examples() const noexcept { return static_cast<int64_t>(examples_.row.size()); }
  int64_t num_positive() const noexcept { return num_positive_; }
  int64_t num_rows() const noexcept { return num_rows_; }
  bool is_pairs() const noexcept { return !examples_.other.empty(); }
  int d() const noexcept { return d_; }

  /// `start` (its w and intercept) may be null = 0. `prior` [d] may be empty = 0. `active` [N] (or empty): examples with 0 are left out.
  LogisticFit fit(const LogisticOptions& options, const LogisticFit* start = nullptr, std::span<const double> prior = {},
                  std::span<const uint8_t> active = {}) const;
  /// C by cross-validated accuracy (the smallest of equals), each fold along rising C from its last solution; refitted on all examples.
  /// Throws kInvalidArgument if a class (or the number of groups) is smaller than `folds`.
  LogisticPath fit_path(const LogisticOptions& options, const LogisticPathOptions& path) const;
  /// Replaces the examples' weights, N values above 0, in a copy of nothing but the weights. For list-wise reweighting.
  void set_weights(std::vector<float> weight);
  /// Loss and gradient [d (+ 1 with intercept)] at (w, b): for tests.
  double loss(const LogisticOptions& options, std::span<const double> w, double b, std::vector<double>* gradient) const;

 private:
  struct Solver;
  void check_weights() const;
  std::vector<double> weights(const LogisticOptions& options, std::span<const uint8_t> active) const;
  double accuracy(const LogisticFit& fit, std::span<const uint8_t> counted) const;
  std::vector<std::vector<uint8_t>> fold_masks(const LogisticPathOptions& path) const;

  LogisticExamples examples_;  ///< rows renumbered to 0..num_rows-1
  std::vector<float> rows_;  ///< [num_rows, ld]
  int d_ = 0;
  int ld_ = 0;
  int64_t num_rows_ = 0;
  int64_t num_positive_ = 0;
};

/// num_c log-spaced values from c_min to c_max (one value: c_min).
std::vector<double> c_values(const LogisticPathOptions& path);

}  // namespace attune::people
