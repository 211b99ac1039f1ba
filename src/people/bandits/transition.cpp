#include "people/bandits/transition.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "core/error.h"

namespace attune::people {
namespace {

constexpr double kSumTolerance = 1e-6;
constexpr double kRounding = 1e-12;  // a row this near to 1 stays as it is, so that checking twice changes no bit
constexpr double kMostRounds = 1e9;

/// Checks that `row` is a distribution and divides it by its sum.
void check_distribution(std::span<double> row, const char* what, int32_t index) {
  double sum = 0;
  for (const double x : row) {
    check(std::isfinite(x) && x >= 0, ErrorCode::kInvalidArgument, "[transition] ", what, " ", index,
          ": expected probabilities of at least 0, found ", x);
    sum += x;
  }
  check(std::abs(sum - 1) <= kSumTolerance, ErrorCode::kInvalidArgument, "[transition] ", what, " ", index, ": expected a sum of 1, found ",
        sum);
  if (std::abs(sum - 1) <= kRounding) return;
  for (double& x : row) x /= sum;
}

std::vector<double> product(std::span<const double> a, std::span<const double> b, size_t n) {
  std::vector<double> out(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t k = 0; k < n; ++k) {
      for (size_t j = 0; j < n; ++j) out[i * n + j] += a[i * n + k] * b[k * n + j];
    }
  }
  return out;
}

void apply_matrix(std::span<double> p, std::span<const double> phi) {
  const size_t n = p.size();
  std::vector<double> next(n, 0.0);
  for (size_t z = 0; z < n; ++z) {
    for (size_t j = 0; j < n; ++j) next[j] += p[z] * phi[z * n + j];
  }
  std::copy(next.begin(), next.end(), p.begin());
}

void check_rounds(double dt) {
  check(std::isfinite(dt) && dt >= 0, ErrorCode::kInvalidArgument, "[transition] expected a time of at least 0 rounds, found ", dt);
}

}  // namespace

struct Transition::Powers {
  std::mutex mutex;
  std::map<int64_t, std::vector<double>> known;  // by number of rounds; bounded by kMostKnown
  static constexpr size_t kMostKnown = 256;
};

Transition Transition::dense(int32_t num_states, std::vector<double> phi) {
  check(num_states >= 1, ErrorCode::kInvalidArgument, "[transition] expected at least 1 state, found ", num_states);
  const auto n = static_cast<size_t>(num_states);
  check(phi.size() == n * n, ErrorCode::kInvalidArgument, "[transition] expected a matrix [", num_states, ", ", num_states, "], found ",
        phi.size(), " numbers");
  for (int32_t z = 0; z < num_states; ++z) check_distribution(std::span(phi).subspan(static_cast<size_t>(z) * n, n), "row", z);
  Transition out;
  out.num_states_ = num_states;
  out.phi_ = std::move(phi);
  out.powers_ = std::make_shared<Powers>();
  return out;
}

Transition Transition::sticky(double rho, std::vector<double> pi) {
  check(!pi.empty(), ErrorCode::kInvalidArgument, "[transition] expected at least 1 state, found 0");
  check(rho >= 0 && rho <= 1, ErrorCode::kInvalidArgument, "[transition] expected rho in [0, 1], found ", rho);
  check_distribution(pi, "pi", 0);
  Transition out;
  out.num_states_ = static_cast<int32_t>(pi.size());
  out.rho_ = rho;
  out.pi_ = std::move(pi);
  return out;
}

Transition Transition::identity(int32_t num_states) {
  check(num_states >= 1, ErrorCode::kInvalidArgument, "[transition] expected at least 1 state, found ", num_states);
  return sticky(0, std::vector<double>(static_cast<size_t>(num_states), 1.0 / num_states));
}

Transition Transition::scaled(double factor) const {
  check(std::isfinite(factor) && factor >= 0, ErrorCode::kInvalidArgument, "[transition] expected a factor of at least 0, found ", factor);
  if (is_sticky()) return sticky(std::min(1.0, factor * rho_), pi_);
  std::vector<double> phi = phi_;
  const auto n = static_cast<size_t>(num_states_);
  for (size_t z = 0; z < n; ++z) {
    const std::span<double> row = std::span(phi).subspan(z * n, n);
    row[z] = 0;
    double leave = 0;
    for (double& x : row) leave += x *= factor;
    for (double& x : row) x /= std::max(1.0, leave);
    row[z] = std::max(0.0, 1 - leave);
  }
  return dense(num_states_, std::move(phi));
}

double Transition::at(int32_t from, int32_t to) const noexcept {
  if (!is_sticky()) return phi_[static_cast<size_t>(from) * static_cast<size_t>(num_states_) + static_cast<size_t>(to)];
  return rho_ * pi_[static_cast<size_t>(to)] + (from == to ? 1 - rho_ : 0);
}

std::vector<double> Transition::matrix() const { return power(1); }

void Transition::apply(std::span<double> p) const {
  if (!is_sticky()) return apply_matrix(p, phi_);
  for (size_t z = 0; z < p.size(); ++z) p[z] = (1 - rho_) * p[z] + rho_ * pi_[z];
}

void Transition::apply(std::span<double> p, double dt) const {
  if (dt == 1) return apply(p);
  check_rounds(dt);
  if (dt == 0) return;
  if (is_sticky()) {
    const double stay = std::pow(1 - rho_, dt);
    for (size_t z = 0; z < p.size(); ++z) p[z] = stay * p[z] + (1 - stay) * pi_[z];
    return;
  }
  apply_matrix(p, power(dt));
}

std::vector<double> Transition::power(double dt) const {
  check_rounds(dt);
  const auto n = static_cast<size_t>(num_states_);
  std::vector<double> out(n * n, 0.0);
  if (is_sticky()) {
    const double stay = std::pow(1 - rho_, dt);
    for (size_t z = 0; z < n; ++z) {
      for (size_t j = 0; j < n; ++j) out[z * n + j] = (1 - stay) * pi_[j] + (z == j ? stay : 0);
    }
    return out;
  }
  check(dt == std::floor(dt) && dt <= kMostRounds, ErrorCode::kInvalidArgument, "[transition] a dense matrix moves by whole rounds up to ",
        kMostRounds, ", found ", dt, "; the sticky form takes fractions");
  const auto rounds = static_cast<int64_t>(dt);
  if (rounds == 1) return phi_;
  const std::lock_guard lock(powers_->mutex);
  if (const auto found = powers_->known.find(rounds); found != powers_->known.end()) return found->second;
  for (size_t z = 0; z < n; ++z) out[z * n + z] = 1;
  std::vector<double> square = phi_;
  for (int64_t rest = rounds; rest > 0; rest /= 2) {
    if (rest % 2 == 1) out = product(out, square, n);
    if (rest > 1) square = product(square, square, n);
  }
  if (powers_->known.size() < Powers::kMostKnown) powers_->known.emplace(rounds, out);
  return out;
}

}  // namespace attune::people
