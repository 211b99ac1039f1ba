// One row of ALS: from ratings to targets and weights, and the exact solve. Shared by the trainer and by fold-in, so that both give the
// same bits for the same ratings (entries in rising column order).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "people/als_kernels_internal.h"
#include "people/als_options.h"

namespace attune::people {

/// Targets and weights of ratings (docs/methods/factorisation.md, table of targets). Cheap to copy.
class AlsEncoder {
 public:
  /// `mean` as far as the target subtracts it.
  AlsEncoder(const AlsOptions& options, double mean);
  AlsEntry operator()(double user_bias, double item_bias, int32_t column, double rating) const {
    switch (target_) {
      case Target::kResidual: return {column, static_cast<float>(rating - mean_ - user_bias - item_bias), weight_};
      case Target::kCentred: return {column, static_cast<float>(rating - mean_), weight_};
      case Target::kRating: return {column, static_cast<float>(rating), weight_};
      case Target::kConfidence:
        return {column, rating > 0 ? 1.0f : 0.0f, static_cast<float>(static_cast<double>(weight_) * (rating > 0 ? rating : -rating))};
      case Target::kLiked: break;
    }
    return liked(column, rating);
  }

 private:
  enum class Target { kResidual, kCentred, kRating, kLiked, kConfidence };
  AlsEntry liked(int32_t column, double rating) const;

  Target target_ = Target::kResidual;
  double mean_ = 0;
  float weight_ = 1;
  float low_weight_ = 1;
  double low_target_ = 0;
  double low_slope_ = 0;
  double liked_threshold_ = 0;
};
/// Whether the target subtracts user and item biases.
bool als_has_biases(const AlsOptions& options);
/// sum / (count + damping), 0 if there is nothing to divide by.
double damped_mean(double sum, double count, double damping);
/// lambda * kappa of a row with `count` ratings; `others` rows on the other side.
double als_ridge(const AlsOptions& options, int64_t count, int64_t others);

/// Sum of q q' over rows [count, d]: float in the padded layout [ld, ld] (full), and double [d, d] (full) where asked for.
/// Chunks of a fixed size are added in order, so the bits do not depend on `pool` (null = calling thread).
struct AlsGram {
  std::vector<float> padded;
  std::vector<double> exact;
};
AlsGram als_gram(std::span<const float> rows, int64_t count, int d, bool exact, ThreadPool* pool);

/// Work space of one thread. Not thread-safe.
class AlsRowSolver {
 public:
  /// `factors` [others, d] and `gram` of the fixed side must outlive the solver.
  AlsRowSolver(const AlsOptions& options, std::span<const float> factors, const AlsGram& gram);

  /// out [d] = A^-1 b. No entries: zeros. Throws kFailedPrecondition if A is not positive definite.
  void solve(std::span<const AlsEntry> entries, double ridge, std::span<float> out);
  /// out [d]: some steps of conjugate gradients from the values it holds. No entries: zeros.
  void improve(std::span<const AlsEntry> entries, double ridge, int steps, std::span<float> out);
  /// out [d] = A^-1 x for the same A.
  void solve_for(std::span<const AlsEntry> entries, double ridge, std::span<const float> x, std::span<float> out);

 private:
  void run(std::span<const AlsEntry> entries, double ridge, std::span<const float> rhs, std::span<float> out);
  bool run_float(std::span<const AlsEntry> entries, double ridge, std::span<const float> rhs, std::span<float> out);
  void run_double(std::span<const AlsEntry> entries, double ridge, std::span<const float> rhs, std::span<float> out);
  void build_float(std::span<const AlsEntry> entries, double ridge);
  const float* row(int32_t column) const { return factors_.data() + static_cast<int64_t>(column) * d_; }

  const AlsOptions& options_;
  std::span<const float> factors_;
  const AlsGram& gram_;
  int d_;
  int ld_;
  std::vector<float> a_;
  std::vector<float> x_;
  std::vector<float> panel_;
  std::vector<float> scaled_;
};

/// In place a [d, d] = L L' (lower triangle) in double; false if not positive definite.
bool cholesky_double(std::span<double> a, int d);
/// x = (L L')^-1 x.
void cholesky_solve_double(std::span<const double> l, int d, std::span<double> x);

}  // namespace attune::people
