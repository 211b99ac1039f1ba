#include "people/bandits/uncertain_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "people/bandits/draws.h"

namespace attune::people {
namespace {

void only_for(const std::vector<double>& field, const char* name, bool fits) {
  check(field.empty() || fits, ErrorCode::kInvalidArgument, "[latent prior] ", name, ": expected none for this kind of model, found ",
        field.size(), " numbers");
}

}  // namespace

UncertainModel::UncertainModel(LatentModel model, LatentPrior prior) : model_(std::move(model)), prior_(std::move(prior)) {
  model_.check();
  choose_form();
  prior_.check(model_);
  prepare();
}

void UncertainModel::choose_form() {
  const bool table = !model_.by_features();
  const bool gaussian = model_.reward == RewardKind::kGaussian;
  check(!model_.by_features() || gaussian || (prior_.theta.empty() && prior_.covariance.empty()), ErrorCode::kUnsupported,
        "[latent prior] Bernoulli rewards by features have no conjugate prior; use a table of arms or Gaussian rewards");
  only_for(prior_.mean, "mean", table && gaussian);
  only_for(prior_.variance, "variance", table && gaussian);
  only_for(prior_.beta, "beta", table && model_.reward == RewardKind::kBernoulli);
  only_for(prior_.level_alpha, "level_alpha", model_.reward == RewardKind::kCategorical);
  only_for(prior_.theta, "theta", model_.by_features());
  only_for(prior_.covariance, "covariance", model_.by_features());
  if (!prior_.mean.empty() || !prior_.variance.empty()) form_ = RewardForm::kGaussian;
  if (!prior_.beta.empty()) form_ = RewardForm::kBeta;
  if (!prior_.level_alpha.empty()) form_ = RewardForm::kDirichlet;
  if (!prior_.theta.empty() || !prior_.covariance.empty()) form_ = RewardForm::kLinear;
}

void UncertainModel::prepare() {
  const auto z = static_cast<size_t>(model_.num_states);
  const auto d = static_cast<size_t>(model_.d);
  initial_ = model_.initial;
  if (!prior_.initial_alpha.empty()) {
    const double sum = std::accumulate(prior_.initial_alpha.begin(), prior_.initial_alpha.end(), 0.0);
    for (size_t s = 0; s < z; ++s) initial_[s] = prior_.initial_alpha[s] / sum;
  }
  alpha_ = prior_.transition_alpha;
  for (size_t s = 0; s < z && !alpha_.empty(); ++s) {
    const auto row = alpha_.begin() + static_cast<ptrdiff_t>(s * z);
    alpha_sum_.push_back(std::accumulate(row, row + static_cast<ptrdiff_t>(z), 0.0));
  }
  if (form_ == RewardForm::kKnown) return;
  num_blocks_ = form_ == RewardForm::kLinear ? z : static_cast<size_t>(model_.num_arms);
  cells_ = form_ == RewardForm::kLinear ? 1 : z;
  cell_size_ = form_ == RewardForm::kLinear ? linear_size(d) : form_ == RewardForm::kDirichlet ? model_.levels.size() : 2;
  if (form_ == RewardForm::kDirichlet) {
    const size_t c = model_.levels.size();
    for (auto row = prior_.level_alpha.begin(); row != prior_.level_alpha.end(); row += static_cast<ptrdiff_t>(c)) {
      level_alpha_sum_.push_back(std::accumulate(row, row + static_cast<ptrdiff_t>(c), 0.0));
    }
  }
  if (form_ == RewardForm::kLinear) {
    linear_.resize(z * cell_size_);
    for (size_t s = 0; s < z; ++s) {
      linear_prior(std::span(prior_.theta).subspan(s * d, d), std::span(prior_.covariance).subspan(s * d * d, d * d),
                   std::span(linear_).subspan(s * cell_size_, cell_size_));
    }
  }
}

void UncertainModel::prior_block(size_t index, std::span<double> out) const noexcept {
  if (form_ == RewardForm::kLinear) {
    std::copy_n(linear_.begin() + static_cast<ptrdiff_t>(index * cell_size_), cell_size_, out.begin());
  } else {
    std::fill(out.begin(), out.end(), 0.0);
  }
}

/// Which number of a table cell counts the reward.
size_t UncertainModel::counter(const SeenReward& seen) const noexcept {
  if (form_ == RewardForm::kGaussian) return 0;
  return form_ == RewardForm::kBeta ? (seen.reward == 1 ? 0 : 1) : static_cast<size_t>(seen.level);
}

/// Predictive density of one table cell, with `taken` (0 or 1) times the reward removed from it.
double UncertainModel::cell_density(const double* cell, size_t table, const SeenReward& seen, double taken) const noexcept {
  if (form_ == RewardForm::kGaussian) {
    const double noise = model_.noise_sd * model_.noise_sd;
    const MeanVariance posterior =
        gaussian_posterior(prior_.mean[table], prior_.variance[table], noise, cell[0] - taken, cell[1] - taken * seen.reward);
    return gaussian_density(seen.reward, posterior.mean, posterior.variance + noise);
  }
  if (form_ == RewardForm::kBeta) {
    const double a = prior_.beta[2 * table];
    const double b = prior_.beta[2 * table + 1];
    const double hits = seen.reward == 1 ? a + cell[0] : b + cell[1];
    return (hits - taken) / (a + b + cell[0] + cell[1] - taken);
  }
  const size_t c = model_.levels.size();
  const double total = std::accumulate(cell, cell + c, level_alpha_sum_[table]);
  const auto level = static_cast<size_t>(seen.level);
  return (prior_.level_alpha[table * c + level] + cell[level] - taken) / (total - taken);
}

void UncertainModel::densities(std::span<const double> block, size_t index, const SeenReward& seen, std::span<double> scratch,
                               std::span<double> out) const noexcept {
  if (form_ == RewardForm::kLinear) {
    const MeanVariance at = linear_predict(block, seen.features, scratch);
    out[0] = gaussian_density(seen.reward, at.mean, at.variance + model_.noise_sd * model_.noise_sd);
    return;
  }
  for (size_t s = 0; s < cells_; ++s) out[s] = cell_density(block.data() + s * cell_size_, table_cell(index, s), seen, 0);
}

void UncertainModel::densities_without(std::span<const double> block, size_t index, const SeenReward& seen, std::span<double> scratch,
                                       std::span<double> out) const noexcept {
  if (form_ == RewardForm::kLinear) {
    // Leave-one-out in closed form: with leverage h = x' Lambda^-1 x / noise, mean (m - h r) / (1 - h) and variance v / (1 - h).
    const double noise = model_.noise_sd * model_.noise_sd;
    const MeanVariance at = linear_predict(block, seen.features, scratch);
    const double rest = std::max(1 - at.variance / noise, 1e-12);
    out[0] = gaussian_density(seen.reward, (at.mean - (1 - rest) * seen.reward) / rest, at.variance / rest + noise);
    return;
  }
  for (size_t s = 0; s < cells_; ++s) {
    const double* cell = block.data() + s * cell_size_;
    const double seen_here = cell[counter(seen)];
    out[s] = seen_here >= 1 ? cell_density(cell, table_cell(index, s), seen, 1) : 0;  // 0: the reward is not in this cell
  }
}

void UncertainModel::add(std::span<double> block, int32_t z, const SeenReward& seen, double weight,
                         std::span<double> scratch) const noexcept {
  double* cell = block.data() + cell_of(z) * cell_size_;
  switch (form_) {
    case RewardForm::kKnown: return;
    case RewardForm::kGaussian:
      cell[0] += weight;
      cell[1] += weight * seen.reward;
      return;
    case RewardForm::kBeta: cell[seen.reward == 1 ? 0 : 1] += weight; return;
    case RewardForm::kDirichlet: cell[seen.level] += weight; return;
    case RewardForm::kLinear: linear_update(block, seen.features, seen.reward, model_.noise_sd * model_.noise_sd, weight, scratch); return;
  }
}

bool UncertainModel::remove(std::span<double> block, int32_t z, const SeenReward& seen, std::span<double> scratch) const noexcept {
  if (form_ == RewardForm::kLinear) {
    return linear_downdate(block, seen.features, seen.reward, model_.noise_sd * model_.noise_sd, scratch);
  }
  const double* cell = block.data() + cell_of(z) * cell_size_;
  if (!(cell[counter(seen)] >= 1)) return false;
  add(block, z, seen, -1, scratch);
  return true;
}

MeanVariance UncertainModel::gaussian(std::span<const double> block, int32_t arm, int32_t z) const noexcept {
  const size_t table = table_cell(static_cast<size_t>(arm), static_cast<size_t>(z));
  const double* cell = block.data() + cell_of(z) * cell_size_;
  return gaussian_posterior(prior_.mean[table], prior_.variance[table], model_.noise_sd * model_.noise_sd, cell[0], cell[1]);
}

double UncertainModel::mean(std::span<const double> block, int32_t arm, int32_t z) const noexcept {
  const size_t table = table_cell(static_cast<size_t>(arm), static_cast<size_t>(z));
  if (form_ == RewardForm::kKnown) return model_.mean[table];
  if (form_ == RewardForm::kGaussian) return gaussian(block, arm, z).mean;
  const double* cell = block.data() + cell_of(z) * cell_size_;
  if (form_ == RewardForm::kBeta) {
    const double a = prior_.beta[2 * table] + cell[0];
    return a / (a + prior_.beta[2 * table + 1] + cell[1]);
  }
  const size_t c = model_.levels.size();
  double sum = 0;
  double total = 0;
  for (size_t i = 0; i < c; ++i) {
    const double weight = prior_.level_alpha[table * c + i] + cell[i];
    sum += weight * model_.levels[i];
    total += weight;
  }
  return sum / total;
}

double UncertainModel::draw_mean(std::span<const double> block, int32_t arm, int32_t z, Rng& rng, std::span<double> scratch) const {
  const size_t table = table_cell(static_cast<size_t>(arm), static_cast<size_t>(z));
  if (form_ == RewardForm::kKnown) return model_.mean[table];
  if (form_ == RewardForm::kGaussian) {
    const MeanVariance posterior = gaussian(block, arm, z);
    return posterior.mean + std::sqrt(posterior.variance) * rng.normal();
  }
  const double* cell = block.data() + cell_of(z) * cell_size_;
  if (form_ == RewardForm::kBeta) return draw_beta(prior_.beta[2 * table] + cell[0], prior_.beta[2 * table + 1] + cell[1], rng);
  const size_t c = model_.levels.size();
  const std::span<double> share = scratch.first(c);
  for (size_t i = 0; i < c; ++i) share[i] = prior_.level_alpha[table * c + i] + cell[i];
  draw_dirichlet(share, rng, share);
  return std::inner_product(share.begin(), share.end(), model_.levels.begin(), 0.0);
}

void UncertainModel::check_block(std::span<const double> block, std::string_view what) const {
  for (const double x : block) {
    check(std::isfinite(x), ErrorCode::kCorruptData, "[", what, "] blocks: expected finite numbers, found ", x);
  }
  if (form_ == RewardForm::kLinear) {
    size_t diagonal = 0;
    for (auto d = static_cast<size_t>(model_.d); d > 0; diagonal += d--) {
      check(block[diagonal] > 0, ErrorCode::kCorruptData, "[", what, "] blocks: expected a diagonal above 0, found ", block[diagonal]);
    }
    return;
  }
  const size_t step = form_ == RewardForm::kGaussian ? 2 : 1;  // the sum of rewards may be negative
  for (size_t i = 0; i < block.size(); i += step) {
    check(block[i] >= 0, ErrorCode::kCorruptData, "[", what, "] blocks: expected counts of at least 0, found ", block[i]);
  }
}

}  // namespace attune::people
