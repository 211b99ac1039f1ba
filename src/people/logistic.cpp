#include "people/logistic.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "core/error.h"
#include "core/rng.h"
#include "people/als_kernels_internal.h"
#include "people/logistic_kernels_internal.h"
#include "people/vector_internal.h"

namespace attune::people {
namespace {

/// log(1 + exp(-m)) and sigma(-m).
struct Logistic {
  double loss;
  double miss;
};
Logistic logistic(double m) noexcept {
  const double e = std::exp(-std::abs(m));
  return {std::log1p(e) + (m < 0 ? -m : 0), m < 0 ? 1 / (1 + e) : e / (1 + e)};
}

/// Solves (upper triangle of) a x = b for each of two right sides in double. False if `a` is not positive definite.
bool solve_double(std::vector<double>& a, int d, std::vector<double>& x, std::vector<double>& y) {
  const auto at = [&](int i, int j) -> double& { return a[static_cast<size_t>(i) * static_cast<size_t>(d) + static_cast<size_t>(j)]; };
  for (int k = 0; k < d; ++k) {
    if (!(at(k, k) > 0) || !std::isfinite(at(k, k))) return false;
    const double root = std::sqrt(at(k, k));
    for (int j = k; j < d; ++j) at(k, j) /= root;
    for (int i = k + 1; i < d; ++i) {
      for (int j = i; j < d; ++j) at(i, j) -= at(k, i) * at(k, j);
    }
  }
  for (auto* v : {&x, &y}) {
    for (int k = 0; k < d; ++k) {
      for (int i = 0; i < k; ++i) (*v)[k] -= at(i, k) * (*v)[i];
      (*v)[k] /= at(k, k);
    }
    for (int k = d - 1; k >= 0; --k) {
      for (int j = k + 1; j < d; ++j) (*v)[k] -= at(k, j) * (*v)[j];
      (*v)[k] /= at(k, k);
    }
  }
  return true;
}

}  // namespace

std::vector<double> c_values(const LogisticPathOptions& path) {
  check(path.num_c >= 1 && path.c_min > 0 && path.c_max >= path.c_min && std::isfinite(path.c_max), ErrorCode::kInvalidArgument,
        "[logistic path] ", path.num_c, " values of C from ", path.c_min, " to ", path.c_max, ", expected at least 1, 0 < c_min <= c_max");
  std::vector<double> out;
  const double low = std::log10(path.c_min);
  const double step = path.num_c > 1 ? (std::log10(path.c_max) - low) / (path.num_c - 1) : 0;
  for (int k = 0; k < path.num_c; ++k) out.push_back(std::pow(10.0, low + step * k));
  return out;
}

/// One fit: the state of Newton's method at (w, b). Vectors of row space are padded to ld.
struct LogisticProblem::Solver {
  const LogisticProblem& p;
  const LogisticOptions& options;
  std::vector<double> omega;    ///< [N]; 0 = left out
  std::vector<double> prior;    ///< [ld]
  std::vector<double> w;        ///< [ld]
  double b = 0;
  std::vector<double> margin;   ///< [N]
  std::vector<double> miss;     ///< [N] sigma(-margin)
  double loss = 0;
  std::vector<double> gradient; ///< [ld]
  double gradient_b = 0;
  std::vector<double> step;     ///< [ld]: minus the Newton direction
  double step_b = 0;
  std::vector<double> slope;    ///< [N] change of the margins by a full step
  // Scratch.
  std::vector<double> scores, coefficients, border;
  std::vector<float> laplacian, hessian, x, y, panel, scaled;

  Solver(const LogisticProblem& problem, const LogisticOptions& o, std::vector<double> weights, std::span<const double> prior_mean)
      : p(problem), options(o), omega(std::move(weights)) {
    const auto ld = static_cast<size_t>(p.ld_);
    prior.assign(ld, 0);
    std::copy(prior_mean.begin(), prior_mean.end(), prior.begin());
    for (auto* v : {&w, &gradient, &step, &border}) v->assign(ld, 0);
    for (auto* v : {&margin, &miss, &slope}) v->assign(omega.size(), 0);
    scores.assign(static_cast<size_t>(p.num_rows_), 0);
    coefficients.assign(static_cast<size_t>(p.num_rows_), 0);
  }

  /// out[n] = change of margin n for the change (v, v_b) of (w, b).
  void margins(std::span<const double> v, double v_b, std::vector<double>& out) {
    logistic_scores(p.rows_.data(), p.num_rows_, p.ld_, v.data(), scores.data());
    const auto& e = p.examples_;
    if (p.is_pairs()) {
      for (size_t n = 0; n < out.size(); ++n) out[n] = scores[e.row[n]] - scores[e.other[n]];
    } else {
      for (size_t n = 0; n < out.size(); ++n) out[n] = e.label[n] ? scores[e.row[n]] + v_b : -(scores[e.row[n]] + v_b);
    }
  }

  double penalty(double t) const {
    double sum = 0;
    for (size_t k = 0; k < w.size(); ++k) {
      const double difference = w[k] - t * step[k] - prior[k];
      sum += difference * difference;
    }
    return sum / (2 * options.c);
  }

  /// Loss after t steps; keeps sigma(-margin).
  double loss_at(double t) {
    double sum = 0;
    for (size_t n = 0; n < omega.size(); ++n) {
      if (omega[n] == 0) continue;
      const auto value = logistic(margin[n] - t * slope[n]);
      sum += omega[n] * value.loss;
      miss[n] = value.miss;
    }
    return sum + penalty(t);
  }

  double find_gradient() {
    const auto& e = p.examples_;
    std::fill(coefficients.begin(), coefficients.end(), 0);
    gradient_b = 0;
    for (size_t n = 0; n < omega.size(); ++n) {
      const double g = -omega[n] * miss[n];
      if (p.is_pairs()) {
        coefficients[e.row[n]] += g;
        coefficients[e.other[n]] -= g;
      } else {
        coefficients[e.row[n]] += e.label[n] ? g : -g;
        gradient_b += e.label[n] ? g : -g;
      }
    }
    for (size_t k = 0; k < w.size(); ++k) gradient[k] = (w[k] - prior[k]) / options.c;
    logistic_combine(p.rows_.data(), p.num_rows_, p.ld_, coefficients.data(), gradient.data());
    if (!options.intercept) gradient_b = 0;
    double largest = std::abs(gradient_b);
    for (const double value : gradient) largest = std::max(largest, std::abs(value));
    return largest;
  }

  double curvature(size_t n) const { return omega[n] * miss[n] * (1 - miss[n]); }

  /// Upper triangle of X' diag(curvature) X in `hessian` [ld, ld].
  void find_hessian() {
    const auto ld = static_cast<size_t>(p.ld_);
    const auto& e = p.examples_;
    hessian.assign(ld * ld, 0);
    laplacian.assign(static_cast<size_t>(p.num_rows_) * ld, 0);
    if (p.is_pairs()) {
      for (size_t n = 0; n < omega.size(); ++n) {
        if (omega[n] == 0) continue;
        const size_t a = static_cast<size_t>(e.row[n]) * ld;
        const size_t o = static_cast<size_t>(e.other[n]) * ld;
        logistic_add_difference(&p.rows_[a], &p.rows_[o], static_cast<float>(curvature(n)), p.ld_, &laplacian[a], &laplacian[o]);
      }
    } else {
      std::fill(coefficients.begin(), coefficients.end(), 0);
      for (size_t n = 0; n < omega.size(); ++n) coefficients[e.row[n]] += curvature(n);
      for (int64_t r = 0; r < p.num_rows_; ++r) {
        const size_t a = static_cast<size_t>(r) * ld;
        if (coefficients[r] != 0) als_scale(static_cast<float>(coefficients[r]), &p.rows_[a], &laplacian[a], p.ld_);
      }
      std::fill(border.begin(), border.end(), 0);
      if (options.intercept) logistic_combine(p.rows_.data(), p.num_rows_, p.ld_, coefficients.data(), border.data());
    }
    for (int64_t r = 0; r < p.num_rows_; r += kAlsPanelRows) {
      const int count = static_cast<int>(std::min<int64_t>(kAlsPanelRows, p.num_rows_ - r));
      const size_t a = static_cast<size_t>(r) * ld;
      als_add_gram(&p.rows_[a], &laplacian[a], count, p.ld_, 1.0f, hessian.data());
    }
  }

  /// x = H^-1 gradient, y = H^-1 border in float; false if H is not positive definite in float.
  bool solve_float(std::vector<double>& out, std::vector<double>& out_border) {
    const auto ld = static_cast<size_t>(p.ld_);
    std::vector<float> a = hessian;
    for (size_t k = 0; k < ld; ++k) a[k * ld + k] = k < static_cast<size_t>(p.d_) ? a[k * ld + k] + static_cast<float>(1 / options.c) : 1;
    if (!als_cholesky(a.data(), p.ld_)) return false;
    const auto solve = [&](const std::vector<double>& from, std::vector<double>& to) {
      x.assign(from.begin(), from.end());
      als_solve(a.data(), p.ld_, x.data());
      to.assign(x.begin(), x.end());
      return std::all_of(to.begin(), to.end(), [](double value) { return std::isfinite(value); });
    };
    return solve(gradient, out) && (!options.intercept || solve(border, out_border));
  }

  void solve_in_double(std::vector<double>& out, std::vector<double>& out_border) {
    const int d = p.d_;
    const auto ld = static_cast<size_t>(p.ld_);
    std::vector<double> a(static_cast<size_t>(d) * static_cast<size_t>(d), 0);
    for (int64_t r = 0; r < p.num_rows_; ++r) {
      const float* left = &p.rows_[static_cast<size_t>(r) * ld];
      const float* right = &laplacian[static_cast<size_t>(r) * ld];
      for (int i = 0; i < d; ++i) {
        for (int j = i; j < d; ++j) {
          a[static_cast<size_t>(i * d + j)] += 0.5 * (static_cast<double>(left[i]) * right[j] + static_cast<double>(left[j]) * right[i]);
        }
      }
    }
    double ridge = 1 / options.c;
    for (int tries = 0;; ++tries) {
      std::vector<double> copy = a;
      for (int k = 0; k < d; ++k) copy[static_cast<size_t>(k * d + k)] += ridge;
      out.assign(gradient.begin(), gradient.begin() + d);
      out_border.assign(border.begin(), border.begin() + d);
      if (solve_double(copy, d, out, out_border)) break;
      check(tries < 40, ErrorCode::kInternal, "[logistic] no positive definite system at C = ", options.c);
      ridge *= 10;
    }
    out.resize(ld, 0);
    out_border.resize(ld, 0);
  }

  /// Sets step, step_b and slope; returns gradient . step (above 0 for a direction of descent).
  double find_step(bool in_double) {
    std::vector<double> of_border;
    if (in_double || !solve_float(step, of_border)) solve_in_double(step, of_border);
    step_b = 0;
    if (options.intercept) {
      double total = 0;
      for (size_t n = 0; n < omega.size(); ++n) total += curvature(n);
      const double schur = std::max(total - dot(border, of_border), 1e-9 * total + 1e-12);
      step_b = (gradient_b - dot(border, step)) / schur;
      for (size_t k = 0; k < step.size(); ++k) step[k] -= of_border[k] * step_b;
    }
    margins(step, step_b, slope);
    return dot(gradient, step) + gradient_b * step_b;
  }

  /// Takes the longest of the steps 1, 1/2, 1/4, ... that lowers the loss enough. False if none does.
  bool take_step(double descent) {
    if (!(descent > 0)) return false;
    double t = 1;
    for (int halvings = 0; halvings < 40; ++halvings, t *= 0.5) {
      const double next = loss_at(t);
      if (!(next <= loss - 1e-4 * t * descent + 1e-13 * std::abs(loss))) continue;
      for (size_t k = 0; k < w.size(); ++k) w[k] -= t * step[k];
      for (size_t n = 0; n < margin.size(); ++n) margin[n] -= t * slope[n];
      b -= t * step_b;
      loss = next;
      return true;
    }
    return false;
  }

  LogisticFit run() {
    margins(w, b, margin);
    std::fill(step.begin(), step.end(), 0);
    loss = loss_at(0);
    LogisticFit out;
    out.gradient = find_gradient();
    while (out.gradient > options.tolerance && out.iterations < options.max_iterations) {
      find_hessian();
      bool moved = take_step(find_step(false)) || take_step(find_step(true));
      if (!moved) loss = loss_at(0);  // sigma(-margin) again
      out.gradient = find_gradient();
      if (!moved) break;
      ++out.iterations;
    }
    out.converged = out.gradient <= options.tolerance;
    out.w.assign(w.begin(), w.begin() + p.d_);
    out.intercept = b;
    out.c = options.c;
    out.loss = loss;
    return out;
  }
};

LogisticProblem::LogisticProblem(std::span<const float> rows, int d, LogisticExamples examples)
    : examples_(std::move(examples)), d_(d), ld_(als_padded(d)) {
  (void)kernels::ops();  // a wrong ATTUNE_ISA is said here: the loops cannot
  auto& e = examples_;
  const size_t n = e.row.size();
  check(d >= 1 && rows.size() % static_cast<size_t>(d) == 0, ErrorCode::kInvalidArgument, "[logistic] ", rows.size(),
        " values are no rows of ", d);
  check(n > 0, ErrorCode::kInvalidArgument, "[logistic] no example");
  check(e.label.size() == n && (e.other.empty() || e.other.size() == n) && (e.group.empty() || e.group.size() == n),
        ErrorCode::kInvalidArgument, "[logistic] ", n, " examples with ", e.other.size(), " other rows, ", e.label.size(), " labels, ",
        e.group.size(), " groups");
  check_weights();
  const auto num_rows = static_cast<int64_t>(rows.size() / static_cast<size_t>(d));
  std::unordered_map<int32_t, int32_t> local;
  const auto renumber = [&](int32_t& row) {
    check(row >= 0 && row < num_rows, ErrorCode::kInvalidArgument, "[logistic] example of row ", row, ", there are ", num_rows);
    const auto [place, added] = local.try_emplace(row, static_cast<int32_t>(local.size()));
    if (added) {
      const auto from = rows.subspan(static_cast<size_t>(row) * static_cast<size_t>(d), static_cast<size_t>(d));
      check(std::all_of(from.begin(), from.end(), [](float x) { return std::isfinite(x); }), ErrorCode::kInvalidArgument, "[logistic] row ",
            row, " is not finite");
      rows_.insert(rows_.end(), from.begin(), from.end());
      rows_.resize(rows_.size() + static_cast<size_t>(ld_ - d), 0.0f);
    }
    row = place->second;
  };
  for (size_t k = 0; k < n; ++k) {
    check(e.other.empty() || e.row[k] != e.other[k], ErrorCode::kInvalidArgument, "[logistic] pair ", k, " compares row ", e.row[k],
          " with itself");
    renumber(e.row[k]);
    if (!e.other.empty()) renumber(e.other[k]);
    num_positive_ += e.label[k] != 0 ? 1 : 0;
  }
  num_rows_ = static_cast<int64_t>(local.size());
  check(is_pairs() || (num_positive_ > 0 && num_positive_ < num_examples()), ErrorCode::kInvalidArgument, "[logistic] ", num_positive_,
        " positive of ", n, " examples, expected both classes");
}

void LogisticProblem::check_weights() const {
  const auto& weight = examples_.weight;
  check(weight.empty() || weight.size() == examples_.row.size(), ErrorCode::kInvalidArgument, "[logistic] ", weight.size(), " weights for ",
        examples_.row.size(), " examples");
  for (const float value : weight) {
    check(std::isfinite(value) && value > 0, ErrorCode::kInvalidArgument, "[logistic] weight ", value, ", expected above 0");
  }
}

void LogisticProblem::set_weights(std::vector<float> weight) {
  examples_.weight = std::move(weight);
  check_weights();
}

std::vector<double> LogisticProblem::weights(const LogisticOptions& options, std::span<const uint8_t> active) const {
  const auto& e = examples_;
  const auto used = [&](size_t n) { return active.empty() || active[n] != 0; };
  check(active.empty() || active.size() == e.row.size(), ErrorCode::kInvalidArgument, "[logistic] ", active.size(), " marks for ",
        e.row.size(), " examples");
  double count[2] = {0, 0};
  for (size_t n = 0; n < e.row.size(); ++n) count[e.label[n] != 0 ? 1 : 0] += used(n) ? 1 : 0;
  check(count[0] + count[1] > 0 && (is_pairs() || (count[0] > 0 && count[1] > 0)), ErrorCode::kInvalidArgument, "[logistic] ", count[1],
        " positive and ", count[0], " negative examples are used, expected some of each class");
  std::vector<double> out(e.row.size(), 0);
  for (size_t n = 0; n < out.size(); ++n) {
    if (!used(n)) continue;
    out[n] = e.weight.empty() ? 1.0 : e.weight[n];
    if (options.balanced) out[n] *= (count[0] + count[1]) / (2 * count[e.label[n] != 0 ? 1 : 0]);
  }
  return out;
}

LogisticFit LogisticProblem::fit(const LogisticOptions& options, const LogisticFit* start, std::span<const double> prior,
                                 std::span<const uint8_t> active) const {
  check(options.c > 0 && std::isfinite(options.c) && options.tolerance > 0 && options.max_iterations >= 1, ErrorCode::kInvalidArgument,
        "[logistic] C ", options.c, ", tolerance ", options.tolerance, ", max_iterations ", options.max_iterations, ", expected above 0");
  check(!(options.intercept && is_pairs()), ErrorCode::kInvalidArgument, "[logistic] pairs have no intercept");
  check(prior.empty() || prior.size() == static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[logistic] prior [", prior.size(),
        "], expected [", d_, "]");
  Solver solver(*this, options, weights(options, active), prior);
  if (start != nullptr) {
    check(start->w.size() == static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[logistic] start [", start->w.size(), "], expected [",
          d_, "]");
    std::copy(start->w.begin(), start->w.end(), solver.w.begin());
    solver.b = options.intercept ? start->intercept : 0;
  }
  LogisticFit out = solver.run();
  double hits = 0;
  double count = 0;
  for (size_t n = 0; n < solver.margin.size(); ++n) {
    if (solver.omega[n] == 0) continue;
    hits += solver.margin[n] > 0 ? 1 : solver.margin[n] == 0 ? 0.5 : 0;
    count += 1;
  }
  out.accuracy = hits / count;
  return out;
}

double LogisticProblem::accuracy(const LogisticFit& fit, std::span<const uint8_t> counted) const {
  LogisticOptions options;
  options.intercept = !is_pairs();
  std::vector<double> ones(examples_.row.size(), 1);
  Solver solver(*this, options, std::move(ones), {});
  std::copy(fit.w.begin(), fit.w.end(), solver.w.begin());
  solver.margins(solver.w, fit.intercept, solver.margin);
  double hits = 0;
  double count = 0;
  for (size_t n = 0; n < counted.size(); ++n) {
    if (counted[n] == 0) continue;
    hits += solver.margin[n] > 0 ? 1 : solver.margin[n] == 0 ? 0.5 : 0;
    count += 1;
  }
  return count > 0 ? hits / count : 0;
}

std::vector<std::vector<uint8_t>> LogisticProblem::fold_masks(const LogisticPathOptions& path) const {
  const auto& e = examples_;
  const auto folds = static_cast<size_t>(path.folds);
  check(path.folds >= 2, ErrorCode::kInvalidArgument, "[logistic path] ", path.folds, " folds, expected at least 2");
  Rng rng(path.seed, "logistic folds");
  std::vector<std::vector<uint8_t>> out(folds, std::vector<uint8_t>(e.row.size(), 0));
  if (!e.group.empty()) {
    std::vector<int32_t> groups = e.group;
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    check(groups.size() >= folds, ErrorCode::kInvalidArgument, "[logistic path] ", groups.size(), " groups for ", folds, " folds");
    shuffle(groups, rng);
    std::unordered_map<int32_t, size_t> fold_of;
    for (size_t k = 0; k < groups.size(); ++k) fold_of[groups[k]] = k % folds;
    for (size_t n = 0; n < e.group.size(); ++n) out[fold_of[e.group[n]]][n] = 1;
    return out;
  }
  for (const bool positive : {true, false}) {
    std::vector<size_t> members;
    for (size_t n = 0; n < e.row.size(); ++n) {
      if ((e.label[n] != 0) == positive) members.push_back(n);
    }
    check(members.size() >= folds || (members.empty() && is_pairs()), ErrorCode::kInvalidArgument, "[logistic path] ", members.size(),
          positive ? " positive" : " negative", " examples for ", folds, " folds");
    shuffle(members, rng);
    for (size_t k = 0; k < members.size(); ++k) out[k % folds][members[k]] = 1;
  }
  return out;
}

LogisticPath LogisticProblem::fit_path(const LogisticOptions& options, const LogisticPathOptions& path) const {
  LogisticPath out;
  out.c = c_values(path);
  out.cv_accuracy.assign(out.c.size(), 0);
  const auto masks = fold_masks(path);
  std::vector<LogisticFit> means(out.c.size());
  for (auto& mean : means) mean.w.assign(static_cast<size_t>(d_), 0);
  for (const auto& held_out : masks) {
    std::vector<uint8_t> active(held_out.size());
    for (size_t n = 0; n < active.size(); ++n) active[n] = held_out[n] ? 0 : 1;
    LogisticFit last;
    for (size_t k = 0; k < out.c.size(); ++k) {
      LogisticOptions now = options;
      now.c = out.c[k];
      last = fit(now, k > 0 ? &last : nullptr, {}, active);
      out.cv_accuracy[k] += accuracy(last, held_out) / static_cast<double>(masks.size());
      for (size_t j = 0; j < last.w.size(); ++j) means[k].w[j] += last.w[j] / static_cast<double>(masks.size());
      means[k].intercept += last.intercept / static_cast<double>(masks.size());
    }
  }
  const auto best = static_cast<size_t>(std::max_element(out.cv_accuracy.begin(), out.cv_accuracy.end()) - out.cv_accuracy.begin());
  LogisticOptions now = options;
  now.c = out.c[best];
  out.fit = fit(now, &means[best]);
  return out;
}

double LogisticProblem::loss(const LogisticOptions& options, std::span<const double> w, double b, std::vector<double>* gradient) const {
  check(w.size() == static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[logistic] w [", w.size(), "], expected [", d_, "]");
  Solver solver(*this, options, weights(options, {}), {});
  std::copy(w.begin(), w.end(), solver.w.begin());
  solver.b = b;
  solver.margins(solver.w, b, solver.margin);
  const double out = solver.loss_at(0);
  if (gradient != nullptr) {
    solver.find_gradient();
    gradient->assign(solver.gradient.begin(), solver.gradient.begin() + d_);
    if (options.intercept) gradient->push_back(solver.gradient_b);
  }
  return out;
}

}  // namespace attune::people
