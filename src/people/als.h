// Weighted alternating least squares on explicit ratings, exact row updates by Cholesky.
//
// Loss (docs/methods/factorisation.md, eq. 1):
//   sum_{(u,i) in R} w_ui (t_ui - p_u . q_i)^2 + w0 sum_{(u,i) not in R} (p_u . q_i)^2
//     + lambda (sum_u kappa_u |p_u|^2 + sum_i kappa_i |q_i|^2)
// Row update (eq. 2): A_u = w0 Q'Q + sum_{i in R_u} (w_ui - w0) q_i q_i' + lambda kappa_u I,  b_u = sum w_ui t_ui q_i,  p_u = A_u^-1 b_u.
// solver "cg" takes a few conjugate gradient steps towards it from the last value instead (Takacs, Pilaszy, Tikk, "Applications of the
// conjugate gradient method for implicit feedback collaborative filtering", RecSys 2011), at O(nnz d + (n + m) d^2) a step.
// A half step minimises the loss over its side, or goes down towards the minimum, so the loss never rises (verified). Rows are independent:
// results do not depend on the number of threads, bit for bit. Arithmetic: float rows and Gram matrices, loss in double; `double_precision`
// solves in double. A row whose float Cholesky meets a pivot that is not positive is solved again in double.
// Cost of a sweep: about 2 nnz d (d + 1) + (n + m) d^3 / 3 multiplications and additions. Memory: 16 bytes a rating (by user and by item),
// the factors, and less than a megabyte a thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "core/progress.h"
#include "core/thread_pool.h"
#include "data/dataset.h"
#include "people/als_model.h"
#include "people/rating_matrix.h"

namespace attune::people {

class Als {
 public:
  /// Pairs must be distinct and ratings finite: kInvalidArgument (data::deduplicate first). `pool` must outlive the trainer.
  Als(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, const AlsOptions& options, ThreadPool& pool);
  /// The same from a matrix, which is kept: nothing is copied. What make_rating_matrix checks is checked again.
  Als(RatingMatrix matrix, const AlsOptions& options, ThreadPool& pool);
  ~Als();

  /// By Cholesky or conjugate gradients, as options.solver says.
  void user_step();
  void item_step();
  /// By Cholesky whatever the solver.
  void exact_user_step();
  /// user_step, then item_step.
  void sweep();
  /// The loss above, in double. O(nnz d + (n + m) d^2).
  double loss() const;

  /// Parameters as they are now.
  AlsParameters parameters() const;
  /// Puts factors in place of the random start: [n, d] and [m, d].
  void set_factors(std::span<const float> user_factors, std::span<const float> item_factors);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// options.sweeps sweeps and one closing exact user step, so that stored users equal `AlsModel::fold_in` of their ratings.
/// `after_sweep(sweep, als)`, if given, is called after each (1 based) and may stop early by returning false.
AlsModel fit_als(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, const AlsOptions& options,
                 ThreadPool& pool, const std::function<bool(int sweep, const Als& als)>& after_sweep = nullptr);

/// The row update in double on dense input, for tests and as a readable statement of eq. 2: `items` [count, d] are the rated items' rows,
/// `gram` [d, d] = Q'Q. Returns p [d]. Throws kFailedPrecondition if A is not positive definite.
std::vector<double> als_row_update(std::span<const double> items, std::span<const double> targets, std::span<const double> weights,
                                   std::span<const double> gram, int rank, double w0, double ridge);

}  // namespace attune::people
