#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "people/als_kernels_internal.h"
#include "people/als_row_internal.h"

namespace attune::people {
namespace {

constexpr int kAhead = 8;             ///< rows whose memory is asked for before they are gathered
constexpr int64_t kGramChunk = 1024;  ///< rows a chunk: fixed, so that sums do not depend on threads

/// Copies `count` rows of d floats into `panel` [count, ld] with zero padding.
void pad_row(const float* from, int d, int ld, float* to) {
  std::copy(from, from + d, to);
  std::fill(to + d, to + ld, 0.0f);
}

void gram_chunk(std::span<const float> rows, int64_t begin, int64_t end, int d, float* out) {
  const int ld = als_padded(d);
  std::vector<float> panel(static_cast<size_t>(kAlsPanelRows) * static_cast<size_t>(ld));
  for (int64_t first = begin; first < end; first += kAlsPanelRows) {
    const int count = static_cast<int>(std::min<int64_t>(kAlsPanelRows, end - first));
    for (int r = 0; r < count; ++r) pad_row(rows.data() + (first + r) * d, d, ld, panel.data() + static_cast<int64_t>(r) * ld);
    als_add_gram(panel.data(), panel.data(), count, ld, 1.0f, out);
  }
}

void gram_chunk_exact(std::span<const float> rows, int64_t begin, int64_t end, int d, double* out) {
  for (int64_t r = begin; r < end; ++r) {
    const float* q = rows.data() + r * d;
    for (int i = 0; i < d; ++i) {
      const double left = q[i];
      for (int j = i; j < d; ++j) out[static_cast<int64_t>(i) * d + j] += left * q[j];
    }
  }
}

}  // namespace

bool als_has_biases(const AlsOptions& options) { return options.target == "residual"; }

double damped_mean(double sum, double count, double damping) { return count + damping > 0 ? sum / (count + damping) : 0; }

AlsEncoder::AlsEncoder(const AlsOptions& options, double mean)
    : mean_(mean),
      weight_(static_cast<float>(options.weight)),
      low_weight_(static_cast<float>(options.low_weight)),
      low_target_(options.low_target),
      low_slope_(options.low_slope),
      liked_threshold_(options.liked_threshold) {
  if (options.target == "centred") target_ = Target::kCentred;
  if (options.target == "rating") target_ = Target::kRating;
  if (options.target == "liked") target_ = Target::kLiked;
  if (options.target == "confidence") target_ = Target::kConfidence;
}

AlsEntry AlsEncoder::liked(int32_t column, double rating) const {
  if (rating >= liked_threshold_) return {column, 1.0f, weight_};
  const double unit = liked_threshold_ > 0 ? liked_threshold_ / 4 : 1;
  const double low = low_target_ - low_slope_ * std::max(0.0, (liked_threshold_ - rating) / unit - 1);
  return {column, static_cast<float>(std::clamp(low, -1.0, 1.0)), low_weight_};
}

double als_ridge(const AlsOptions& options, int64_t count, int64_t others) {
  double kappa = 1;
  if (options.kappa == "count") kappa = static_cast<double>(count);
  if (options.kappa == "count_and_unobserved") kappa = static_cast<double>(count) + options.w0 * static_cast<double>(others);
  return options.lambda * kappa;
}

AlsGram als_gram(std::span<const float> rows, int64_t count, int d, bool exact, ThreadPool* pool) {
  const int ld = als_padded(d);
  const auto num_chunks = static_cast<int>((count + kGramChunk - 1) / kGramChunk);
  const size_t size = static_cast<size_t>(ld) * static_cast<size_t>(ld);
  const size_t exact_size = exact ? static_cast<size_t>(d) * static_cast<size_t>(d) : 0;
  std::vector<std::vector<float>> parts(static_cast<size_t>(num_chunks));
  std::vector<std::vector<double>> exact_parts(static_cast<size_t>(num_chunks));
  const auto work = [&](int chunk) {
    const int64_t begin = chunk * kGramChunk;
    const int64_t end = std::min(count, begin + kGramChunk);
    auto& part = parts[static_cast<size_t>(chunk)];
    part.assign(size, 0.0f);
    gram_chunk(rows, begin, end, d, part.data());
    if (!exact) return;
    auto& exact_part = exact_parts[static_cast<size_t>(chunk)];
    exact_part.assign(exact_size, 0.0);
    gram_chunk_exact(rows, begin, end, d, exact_part.data());
  };
  if (pool != nullptr) {
    pool->run(num_chunks, work);
  } else {
    for (int chunk = 0; chunk < num_chunks; ++chunk) work(chunk);
  }
  AlsGram out{std::vector<float>(size, 0.0f), std::vector<double>(exact_size, 0.0)};
  for (int chunk = 0; chunk < num_chunks; ++chunk) {
    for (size_t i = 0; i < size; ++i) out.padded[i] += parts[static_cast<size_t>(chunk)][i];
    for (size_t i = 0; i < exact_size; ++i) out.exact[i] += exact_parts[static_cast<size_t>(chunk)][i];
  }
  for (int i = 0; i < ld; ++i) {
    for (int j = 0; j < i; ++j) out.padded[static_cast<size_t>(i) * ld + j] = out.padded[static_cast<size_t>(j) * ld + i];
  }
  if (exact) {
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < i; ++j) out.exact[static_cast<size_t>(i) * d + j] = out.exact[static_cast<size_t>(j) * d + i];
    }
  }
  return out;
}

AlsRowSolver::AlsRowSolver(const AlsOptions& options, std::span<const float> factors, const AlsGram& gram)
    : options_(options), factors_(factors), gram_(gram), d_(options.rank), ld_(als_padded(options.rank)) {
  (void)kernels::ops();  // a wrong ATTUNE_ISA is said here: the loops cannot
  const size_t ld = static_cast<size_t>(ld_);
  a_.resize(ld * ld);
  x_.resize(ld);
  panel_.resize(kAlsPanelRows * ld);
  scaled_.resize(kAlsPanelRows * ld);
}

void AlsRowSolver::solve(std::span<const AlsEntry> entries, double ridge, std::span<float> out) { run(entries, ridge, {}, out); }

void AlsRowSolver::solve_for(std::span<const AlsEntry> entries, double ridge, std::span<const float> x, std::span<float> out) {
  run(entries, ridge, x, out);
}

void AlsRowSolver::run(std::span<const AlsEntry> entries, double ridge, std::span<const float> rhs, std::span<float> out) {
  if (entries.empty()) {
    std::fill(out.begin(), out.end(), 0.0f);
    return;
  }
  if (!options_.double_precision && run_float(entries, ridge, rhs, out)) return;
  run_double(entries, ridge, rhs, out);
}

void AlsRowSolver::improve(std::span<const AlsEntry> entries, double ridge, int steps, std::span<float> out) {
  if (entries.empty()) {
    std::fill(out.begin(), out.end(), 0.0f);
    return;
  }
  const AlsSystem system{gram_.padded.data(),
                         factors_.data(),
                         entries.data(),
                         static_cast<int64_t>(entries.size()),
                         d_,
                         ld_,
                         static_cast<float>(options_.w0),
                         static_cast<float>(ridge)};
  als_conjugate_gradient(system, steps, out.data(), panel_.data());
}

/// a_ = w0 Q'Q + sum (w - w0) q q' + ridge I (upper triangle); x_ = sum w t q.
void AlsRowSolver::build_float(std::span<const AlsEntry> entries, double ridge) {
  const auto w0 = static_cast<float>(options_.w0);
  als_scale(w0, gram_.padded.data(), a_.data(), ld_ * ld_);
  std::fill(x_.begin(), x_.end(), 0.0f);
  const float weight = entries.front().weight;  // equal weights, the usual case, need no scaled copy of the rows
  const bool equal = std::all_of(entries.begin(), entries.end(), [weight](const AlsEntry& e) { return e.weight == weight; });
  for (size_t first = 0; first < entries.size(); first += kAlsPanelRows) {
    const int count = static_cast<int>(std::min<size_t>(kAlsPanelRows, entries.size() - first));
    for (int r = 0; r < count; ++r) {
      const AlsEntry& entry = entries[first + static_cast<size_t>(r)];
      const int64_t place = static_cast<int64_t>(r) * ld_;
      if (r + kAhead < count) {
        const float* next = row(entries[first + static_cast<size_t>(r + kAhead)].column);
        for (int k = 0; k < d_; k += 16) __builtin_prefetch(next + k);
      }
      als_add_row(row(entry.column), d_, ld_, entry.weight * entry.target, panel_.data() + place, x_.data());
      if (!equal) als_scale(entry.weight - w0, panel_.data() + place, scaled_.data() + place, ld_);
    }
    als_add_gram(panel_.data(), equal ? panel_.data() : scaled_.data(), count, ld_, equal ? weight - w0 : 1.0f, a_.data());
  }
  for (int k = 0; k < ld_; ++k) a_[static_cast<size_t>(k) * ld_ + k] += k < d_ ? static_cast<float>(ridge) : 1.0f;
}

bool AlsRowSolver::run_float(std::span<const AlsEntry> entries, double ridge, std::span<const float> rhs, std::span<float> out) {
  build_float(entries, ridge);
  if (!rhs.empty()) pad_row(rhs.data(), d_, ld_, x_.data());
  if (!als_cholesky(a_.data(), ld_)) return false;
  als_solve(a_.data(), ld_, x_.data());
  for (int k = 0; k < d_; ++k) {
    if (!std::isfinite(x_[k])) return false;
  }
  std::copy(x_.begin(), x_.begin() + d_, out.begin());
  return true;
}

void AlsRowSolver::run_double(std::span<const AlsEntry> entries, double ridge, std::span<const float> rhs, std::span<float> out) {
  const auto d = static_cast<size_t>(d_);
  std::vector<double> a(d * d, 0.0);
  std::vector<double> x(d, 0.0);
  for (size_t i = 0; i < d; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      const double gram =
          gram_.exact.empty() ? static_cast<double>(gram_.padded[j * static_cast<size_t>(ld_) + i]) : gram_.exact[i * d + j];
      a[i * d + j] = options_.w0 * gram;
    }
    a[i * d + i] += ridge;
  }
  for (const AlsEntry& entry : entries) {
    const float* q = row(entry.column);
    const double scale = entry.weight - options_.w0;
    for (size_t i = 0; i < d; ++i) {
      x[i] += static_cast<double>(entry.weight) * entry.target * q[i];
      for (size_t j = 0; j <= i; ++j) a[i * d + j] += scale * q[i] * q[j];
    }
  }
  if (!rhs.empty()) std::copy(rhs.begin(), rhs.end(), x.begin());
  check(cholesky_double(a, d_), ErrorCode::kFailedPrecondition, "[als] a row with ", entries.size(),
        " ratings has no positive definite system, regularisation is ", ridge, ": raise lambda");
  cholesky_solve_double(a, d_, x);
  for (size_t i = 0; i < d; ++i) out[i] = static_cast<float>(x[i]);
}

bool cholesky_double(std::span<double> a, int d) {
  const auto n = static_cast<size_t>(d);
  for (size_t j = 0; j < n; ++j) {
    double pivot = a[j * n + j];
    for (size_t k = 0; k < j; ++k) pivot -= a[j * n + k] * a[j * n + k];
    if (!(pivot > 0) || !std::isfinite(pivot)) return false;
    const double root = std::sqrt(pivot);
    a[j * n + j] = root;
    for (size_t i = j + 1; i < n; ++i) {
      double sum = a[i * n + j];
      for (size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = sum / root;
    }
  }
  return true;
}

void cholesky_solve_double(std::span<const double> l, int d, std::span<double> x) {
  const auto n = static_cast<size_t>(d);
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < i; ++k) x[i] -= l[i * n + k] * x[k];
    x[i] /= l[i * n + i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) x[i] -= l[k * n + i] * x[k];
    x[i] /= l[i * n + i];
  }
}

}  // namespace attune::people
