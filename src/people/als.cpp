#include "people/als.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/rng.h"
#include "people/als_kernels_internal.h"
#include "people/als_row_internal.h"

namespace attune::people {
namespace {

constexpr int64_t kRowGrain = 32;

/// Ratings of one side, row by row in rising column order.
struct Side {
  int64_t num_rows = 0;
  std::vector<int64_t> offsets;  ///< [num_rows + 1]
  std::vector<int32_t> columns;  ///< [nnz]
  std::vector<float> ratings;    ///< [nnz]
  std::vector<float> factors;    ///< [num_rows, d]
  int64_t count(int64_t r) const { return offsets[static_cast<size_t>(r) + 1] - offsets[static_cast<size_t>(r)]; }
};

/// The transpose, by counting: rows of `from` are met in order, so columns rise here too.
Side transpose(const Side& from, int64_t num_rows) {
  Side out;
  out.num_rows = num_rows;
  out.offsets.assign(static_cast<size_t>(num_rows) + 1, 0);
  for (const int32_t column : from.columns) ++out.offsets[static_cast<size_t>(column) + 1];
  for (int64_t r = 0; r < num_rows; ++r) out.offsets[r + 1] += out.offsets[r];
  out.columns.resize(from.columns.size());
  out.ratings.resize(from.columns.size());
  std::vector<int64_t> next(out.offsets.begin(), out.offsets.end() - 1);
  for (int64_t r = 0; r < from.num_rows; ++r) {
    for (int64_t n = from.offsets[r]; n < from.offsets[r + 1]; ++n) {
      const int64_t place = next[from.columns[n]]++;
      out.columns[place] = static_cast<int32_t>(r);
      out.ratings[place] = from.ratings[n];
    }
  }
  return out;
}

}  // namespace

struct Als::State {
  AlsOptions options;
  ThreadPool& pool;
  Side users;
  Side items;
  double mean = 0;
  std::vector<float> user_bias;
  std::vector<float> item_bias;

  State(const AlsOptions& o, ThreadPool& p) : options(o), pool(p) {}

  void set_biases();
  /// Targets and weights of a row. `out` is overwritten.
  void encode(const Side& side, int64_t row, std::vector<AlsEntry>& out) const;
  void start(Rng& rng, Side& side) const;
  void step(Side& side, const Side& fixed, bool exact);
  double observed_loss() const;
};

/// Item bias first, then user bias of what is left: damped means (docs/methods/factorisation.md, eq. 3).
void Als::State::set_biases() {
  double sum = 0;
  for (const float rating : users.ratings) sum += rating;
  mean = sum / static_cast<double>(users.ratings.size());
  user_bias.assign(static_cast<size_t>(users.num_rows), 0.0f);
  item_bias.assign(static_cast<size_t>(items.num_rows), 0.0f);
  if (!als_has_biases(options)) return;
  for (int64_t i = 0; i < items.num_rows; ++i) {
    double total = 0;
    for (int64_t n = items.offsets[i]; n < items.offsets[i + 1]; ++n) total += items.ratings[n] - mean;
    item_bias[i] = static_cast<float>(damped_mean(total, static_cast<double>(items.count(i)), options.item_damping));
  }
  for (int64_t u = 0; u < users.num_rows; ++u) {
    double total = 0;
    for (int64_t n = users.offsets[u]; n < users.offsets[u + 1]; ++n) total += users.ratings[n] - mean - item_bias[users.columns[n]];
    user_bias[u] = static_cast<float>(damped_mean(total, static_cast<double>(users.count(u)), options.user_damping));
  }
}

void Als::State::encode(const Side& side, int64_t row, std::vector<AlsEntry>& out) const {
  const AlsEncoder encode_rating(options, mean);
  const bool by_user = &side == &users;
  const double own = by_user ? user_bias[row] : item_bias[row];
  const std::vector<float>& other_bias = by_user ? item_bias : user_bias;
  out.resize(static_cast<size_t>(side.count(row)));
  int64_t n = side.offsets[row];
  for (AlsEntry& entry : out) {
    const int32_t column = side.columns[n];
    const double other = other_bias[column];
    entry = encode_rating(by_user ? own : other, by_user ? other : own, column, side.ratings[n]);
    ++n;
  }
}

void Als::State::start(Rng& rng, Side& side) const {
  const double sd = options.init_sd > 0 ? options.init_sd : 0.1 / std::sqrt(static_cast<double>(options.rank));
  side.factors.resize(static_cast<size_t>(side.num_rows) * static_cast<size_t>(options.rank));
  for (auto& value : side.factors) value = static_cast<float>(sd * rng.normal());
}

void Als::State::step(Side& side, const Side& fixed, bool exact) {
  const int d = options.rank;
  AlsGram gram;
  if (options.w0 != 0) gram = als_gram(fixed.factors, fixed.num_rows, d, options.double_precision, &pool);
  if (gram.padded.empty()) gram.padded.assign(static_cast<size_t>(als_padded(d)) * static_cast<size_t>(als_padded(d)), 0.0f);
  pool.for_ranges(side.num_rows, kRowGrain, [&](int64_t begin, int64_t end) {
    AlsRowSolver solver(options, fixed.factors, gram);
    std::vector<AlsEntry> entries;
    for (int64_t r = begin; r < end; ++r) {
      encode(side, r, entries);
      const double ridge = als_ridge(options, static_cast<int64_t>(entries.size()), fixed.num_rows);
      const auto row = std::span(side.factors).subspan(static_cast<size_t>(r * d), static_cast<size_t>(d));
      if (exact) {
        solver.solve(entries, ridge, row);
      } else {
        solver.improve(entries, ridge, options.cg_steps, row);
      }
    }
  });
}

Als::Als(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, const AlsOptions& options, ThreadPool& pool)
    : Als(make_rating_matrix(ratings, num_users, num_items), options, pool) {}

Als::Als(RatingMatrix matrix, const AlsOptions& options, ThreadPool& pool) {
  options.check_ranges();
  check_rating_matrix(matrix);
  state_ = std::make_unique<State>(options, pool);
  State& s = *state_;
  s.users = {matrix.num_users, std::move(matrix.offsets), std::move(matrix.items), std::move(matrix.ratings), {}};
  s.items = transpose(s.users, matrix.num_items);
  s.set_biases();
  Rng user_rng(options.seed, "als users");
  Rng item_rng(options.seed, "als items");
  s.start(user_rng, s.users);
  s.start(item_rng, s.items);
}

Als::~Als() = default;

void Als::user_step() { state_->step(state_->users, state_->items, state_->options.solver == "cholesky"); }
void Als::item_step() { state_->step(state_->items, state_->users, state_->options.solver == "cholesky"); }
void Als::exact_user_step() { state_->step(state_->users, state_->items, true); }
void Als::sweep() {
  user_step();
  item_step();
}

/// sum over R of w (t - s)^2 - w0 s^2 with s = p . q.
double Als::State::observed_loss() const {
  const int d = options.rank;
  const int64_t num_chunks = (users.num_rows + kRowGrain - 1) / kRowGrain;
  std::vector<double> parts(static_cast<size_t>(num_chunks), 0.0);
  pool.for_ranges(users.num_rows, kRowGrain, [&](int64_t begin, int64_t end) {
    double sum = 0;
    std::vector<AlsEntry> entries;
    for (int64_t u = begin; u < end; ++u) {
      const float* p = users.factors.data() + u * d;
      encode(users, u, entries);
      for (const AlsEntry& entry : entries) {
        const float* q = items.factors.data() + static_cast<int64_t>(entry.column) * d;
        double score = 0;
        for (int k = 0; k < d; ++k) score += static_cast<double>(p[k]) * q[k];
        sum += entry.weight * (entry.target - score) * (entry.target - score) - options.w0 * score * score;
      }
    }
    parts[static_cast<size_t>(begin / kRowGrain)] = sum;
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

double Als::loss() const {
  const State& s = *state_;
  const int d = s.options.rank;
  double out = s.observed_loss();
  if (s.options.w0 != 0) {  // sum over all pairs of (p . q)^2 = <P'P, Q'Q>
    const AlsGram p = als_gram(s.users.factors, s.users.num_rows, d, true, &s.pool);
    const AlsGram q = als_gram(s.items.factors, s.items.num_rows, d, true, &s.pool);
    double all = 0;
    for (size_t k = 0; k < p.exact.size(); ++k) all += p.exact[k] * q.exact[k];
    out += s.options.w0 * all;
  }
  const auto penalty = [&](const Side& side, int64_t others) {
    double sum = 0;
    for (int64_t r = 0; r < side.num_rows; ++r) {
      double norm = 0;
      for (int k = 0; k < d; ++k) norm += std::pow(static_cast<double>(side.factors[static_cast<size_t>(r * d + k)]), 2);
      sum += als_ridge(s.options, side.count(r), others) * norm;
    }
    return sum;
  };
  return out + penalty(s.users, s.items.num_rows) + penalty(s.items, s.users.num_rows);
}

AlsParameters Als::parameters() const {
  const State& s = *state_;
  return {s.options, s.mean, s.user_bias, s.item_bias, s.users.factors, s.items.factors};
}

void Als::set_factors(std::span<const float> user_factors, std::span<const float> item_factors) {
  State& s = *state_;
  check(user_factors.size() == s.users.factors.size() && item_factors.size() == s.items.factors.size(), ErrorCode::kInvalidArgument,
        "[als] expected ", s.users.factors.size(), " and ", s.items.factors.size(), " factor values, found ", user_factors.size(), " and ",
        item_factors.size());
  s.users.factors.assign(user_factors.begin(), user_factors.end());
  s.items.factors.assign(item_factors.begin(), item_factors.end());
}

AlsModel fit_als(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items, const AlsOptions& options,
                 ThreadPool& pool, const std::function<bool(int sweep, const Als& als)>& after_sweep) {
  Als als(ratings, num_users, num_items, options, pool);
  for (int sweep = 1; sweep <= options.sweeps; ++sweep) {
    als.sweep();
    if (after_sweep && !after_sweep(sweep, als)) break;
  }
  als.exact_user_step();
  return AlsModel(als.parameters());
}

std::vector<double> als_row_update(std::span<const double> items, std::span<const double> targets, std::span<const double> weights,
                                   std::span<const double> gram, int rank, double w0, double ridge) {
  const auto d = static_cast<size_t>(rank);
  check(rank >= 1 && items.size() == targets.size() * d && weights.size() == targets.size() && gram.size() == d * d,
        ErrorCode::kInvalidArgument, "[als row update] rank ", rank, ", ", items.size(), " item values, ", targets.size(), " targets, ",
        weights.size(), " weights, ", gram.size(), " Gram values do not fit together");
  std::vector<double> a(gram.begin(), gram.end());
  std::vector<double> x(d, 0.0);
  for (auto& value : a) value *= w0;
  for (size_t i = 0; i < d; ++i) a[i * d + i] += ridge;
  for (size_t n = 0; n < targets.size(); ++n) {
    const auto q = items.subspan(n * d, d);
    for (size_t i = 0; i < d; ++i) {
      x[i] += weights[n] * targets[n] * q[i];
      for (size_t j = 0; j < d; ++j) a[i * d + j] += (weights[n] - w0) * q[i] * q[j];
    }
  }
  check(cholesky_double(a, rank), ErrorCode::kFailedPrecondition,
        "[als row update] the system is not positive definite: raise the regularisation");
  cholesky_solve_double(a, rank, x);
  return x;
}

}  // namespace attune::people
