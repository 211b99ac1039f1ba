#include "people/critique.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "people/als_kernels_internal.h"
#include "people/als_row_internal.h"
#include "people/vector_internal.h"
#include "stats/ranking.h"

namespace attune::people {
namespace {

constexpr double kMaxStrength = 4;
constexpr double kLeastLength = 1e-6;  // of a direction, relative to unit senses

void check_finite(std::span<const double> values, std::string_view what) {
  for (size_t n = 0; n < values.size(); ++n) {
    check(std::isfinite(values[n]), ErrorCode::kInvalidArgument, "[critique] ", what, ": value ", n, " is not finite");
  }
}

/// Mean-free second moment of rows [m, d], full.
std::vector<double> row_covariance(std::span<const float> rows, int32_t m, int32_t d) {
  const auto width = static_cast<size_t>(d);
  std::vector<double> mean(width, 0), out(width * width, 0), centred(width);
  for (size_t n = 0; n < rows.size(); ++n) mean[n % width] += rows[n];
  for (double& value : mean) value /= m;
  for (size_t r = 0; r < static_cast<size_t>(m); ++r) {
    for (size_t a = 0; a < width; ++a) centred[a] = rows[r * width + a] - mean[a];
    for (size_t a = 0; a < width; ++a) {
      for (size_t b = 0; b <= a; ++b) out[a * width + b] += centred[a] * centred[b];
    }
  }
  for (size_t a = 0; a < width; ++a) {
    for (size_t b = 0; b <= a; ++b) out[b * width + a] = out[a * width + b] /= m;
  }
  return out;
}

/// v / |v| times sd.
std::vector<double> scaled_direction(const CritiqueDirection& direction) {
  std::vector<double> out(direction.v.begin(), direction.v.end());
  const double length = norm(out);
  for (double& value : out) value *= direction.sd / length;
  return out;
}

}  // namespace

void CritiqueOptions::describe(OptionList& list) {
  list.add("update", update, "How a critique moves the user: Bayesian step, tuned step, or pairs of items.")
      .choices({"heuristic", "bayes", "pairwise"});
  list.add("alpha", alpha, "Heuristic: first step as a share of the length of the user's vector.").range(0, 100);
  list.add("rho", rho, "Heuristic: decay of the step with the number of critiques.").range(0, 4);
  list.add("least_length", least_length, "Heuristic: length that a user's vector counts as at least.").range(0, 1e6);
  list.add("beta", beta, "Sharpness of an answer (bayes, pairwise).").range(1e-6, 1e6);
  list.add("shift", shift, "Pairwise: standard deviations from the list to the wished items.").range(0, 100);
  list.add("neighbours", neighbours, "Pairwise: items nearest to the wish whose mean is compared with the list.").range(1, 1000);
  list.add("slate", slate, "Items of a list.").range(1, 1000);
  list.add("max_steps", max_steps, "Critiques of a session.").range(0, 1000);
  list.add("repeat_shown", repeat_shown, "Show items again that were shown before.");
}

void CritiqueOptions::check_ranges() const {
  const auto need = [](bool ok, std::string_view name, double value) {
    check(ok, ErrorCode::kInvalidArgument, "[critique] option ", name, " is ", value, ", out of range");
  };
  check(update == "heuristic" || update == "bayes" || update == "pairwise", ErrorCode::kInvalidArgument, "[critique] update ", update,
        ", expected heuristic, bayes or pairwise");
  need(alpha >= 0 && alpha <= 100, "alpha", alpha);
  need(rho >= 0 && rho <= 4, "rho", rho);
  need(least_length >= 0 && least_length <= 1e6, "least_length", least_length);
  need(beta >= 1e-6 && beta <= 1e6, "beta", beta);
  need(shift >= 0 && shift <= 100, "shift", shift);
  need(neighbours >= 1 && neighbours <= 1000, "neighbours", neighbours);
  need(slate >= 1 && slate <= 1000, "slate", slate);
  need(max_steps >= 0 && max_steps <= 1000, "max_steps", max_steps);
}

Critiquer::Critiquer(std::span<const float> items, int32_t d, std::span<const float> offset, const CritiqueOptions& options)
    : items_(items), d_(d), num_items_(0), offset_(offset), options_(options) {
  options_.check_ranges();
  check(d >= 1 && d <= 4096 && !items.empty() && items.size() % static_cast<size_t>(d) == 0 &&
            items.size() / static_cast<size_t>(d) < size_t{INT32_MAX},
        ErrorCode::kInvalidArgument, "[critique] ", items.size(), " numbers do not make item rows of ", d);
  num_items_ = static_cast<int32_t>(items.size() / static_cast<size_t>(d));
  check(offset.empty() || offset.size() == static_cast<size_t>(num_items_), ErrorCode::kInvalidArgument, "[critique] offset [",
        offset.size(), "], expected [", num_items_, "]");
  for (const auto array : {items, offset}) {
    for (const float value : array) check(std::isfinite(value), ErrorCode::kCorruptData, "[critique] item rows or offset: not finite");
  }
  item_covariance_ = row_covariance(items, num_items_, d);
  squared_norm_.assign(static_cast<size_t>(num_items_), 0);
  for (size_t n = 0; n < items.size(); ++n) squared_norm_[n / static_cast<size_t>(d)] += items[n] * items[n];
}

std::span<const float> Critiquer::row(ItemIndex item) const {
  check(item.value >= 0 && item.value < num_items_, ErrorCode::kInvalidArgument, "[critique] item row ", item.value, " of ", num_items_);
  return items_.subspan(static_cast<size_t>(item.value) * static_cast<size_t>(d_), static_cast<size_t>(d_));
}

CritiqueDirection Critiquer::direction(std::string name, std::span<const float> senses, std::span<const double> weights) const {
  const auto width = static_cast<size_t>(d_);
  check(!weights.empty() && senses.size() == weights.size() * width, ErrorCode::kInvalidArgument, "[critique] ", weights.size(),
        " sense weights, ", senses.size(), " numbers in senses, expected ", weights.size() * width);
  double sum = 0;
  for (const double w : weights) {
    check(w >= 0 && std::isfinite(w), ErrorCode::kInvalidArgument, "[critique] sense weight ", w, ", expected at least 0");
    sum += w;
  }
  check(std::abs(sum - 1) < 1e-6, ErrorCode::kInvalidArgument, "[critique] sense weights sum to ", sum, ", expected 1");
  std::vector<double> v(width, 0);
  for (size_t n = 0; n < senses.size(); ++n) v[n % width] += weights[n / width] * senses[n];
  check_finite(v, cat("direction ", name));
  check(norm(v) > kLeastLength, ErrorCode::kInvalidArgument, "[critique] direction ", name, " is zero",
        weights.size() > 1 ? ": its senses cancel" : "");
  double variance = 0;
  for (size_t a = 0; a < width; ++a) {
    for (size_t b = 0; b < width; ++b) variance += v[a] * item_covariance_[a * width + b] * v[b];
  }
  return {std::move(name), {v.begin(), v.end()}, std::sqrt(std::max(0.0, variance))};
}

CritiqueState Critiquer::start(const CritiquePrior& prior) const {
  const auto width = static_cast<size_t>(d_);
  check(prior.mean.size() == width, ErrorCode::kInvalidArgument, "[critique] prior mean [", prior.mean.size(), "], expected [", d_, "]");
  check(prior.covariance.size() == width * width || (prior.covariance.empty() && options_.update == "heuristic"),
        ErrorCode::kInvalidArgument, "[critique] prior covariance of ", prior.covariance.size(), " numbers, expected ", width * width);
  check_finite(prior.mean, "prior mean");
  check_finite(prior.covariance, "prior covariance");
  for (size_t a = 0; a < width && !prior.covariance.empty(); ++a) {
    check(prior.covariance[a * width + a] > 0, ErrorCode::kInvalidArgument, "[critique] prior variance ", a, " is not above 0");
    for (size_t b = 0; b < a; ++b) {
      const double x = prior.covariance[a * width + b], y = prior.covariance[b * width + a];
      check(std::abs(x - y) <= 1e-9 * (1 + std::abs(x) + std::abs(y)), ErrorCode::kInvalidArgument, "[critique] prior covariance (", a,
            ", ", b, ") is not symmetric");
    }
  }
  CritiqueState out;
  out.start = out.mean = prior.mean;
  if (options_.update == "heuristic") return out;
  out.covariance = prior.covariance;
  for (size_t a = 0; a < width; ++a) {  // exactly symmetric, so that half of it says all
    for (size_t b = 0; b < a; ++b) out.covariance[b * width + a] = out.covariance[a * width + b];
  }
  return out;
}

std::vector<ScoredItem> Critiquer::slate(const CritiqueState& state, std::span<const uint8_t> excluded) const {
  check(state.mean.size() == static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[critique] user [", state.mean.size(), "], expected [",
        d_, "]");
  check(excluded.empty() || excluded.size() == static_cast<size_t>(num_items_), ErrorCode::kInvalidArgument, "[critique] excluded [",
        excluded.size(), "], expected [", num_items_, "]");
  const std::vector<float> u(state.mean.begin(), state.mean.end());
  std::vector<float> scores(static_cast<size_t>(num_items_));
  als_scores(items_.data(), num_items_, d_, u.data(), scores.data());
  for (size_t i = 0; i < offset_.size(); ++i) scores[i] += offset_[i];
  if (!options_.repeat_shown) {
    for (const ItemIndex item : state.shown) {
      row(item);  // inside
      scores[static_cast<size_t>(item.value)] = -std::numeric_limits<float>::infinity();
    }
  }
  std::vector<ScoredItem> out;
  for (const int32_t i : stats::top_k(scores, options_.slate, excluded)) out.push_back({ItemIndex(i), scores[static_cast<size_t>(i)]});
  return out;
}

void Critiquer::show(CritiqueState& state, std::span<const ItemIndex> items) const {
  for (const ItemIndex item : items) row(item);  // inside
  state.shown.insert(state.shown.end(), items.begin(), items.end());
  std::sort(state.shown.begin(), state.shown.end());
  state.shown.erase(std::unique(state.shown.begin(), state.shown.end()), state.shown.end());
}

std::string_view Critiquer::stop_reason(const CritiqueState& state, size_t slate_size) const noexcept {
  if (state.steps >= options_.max_steps) return "steps";
  if (slate_size < static_cast<size_t>(options_.slate)) return "items";
  return {};
}

std::vector<double> Critiquer::slate_mean(std::span<const ItemIndex> slate) const {
  check(!slate.empty(), ErrorCode::kInvalidArgument, "[critique] the pairwise update needs the list that was criticised, it is empty");
  std::vector<double> out(static_cast<size_t>(d_), 0);
  for (const ItemIndex item : slate) {
    const auto q = row(item);
    for (size_t a = 0; a < out.size(); ++a) out[a] += q[a] / static_cast<double>(slate.size());
  }
  return out;
}

/// Mean of the items nearest to the shifted mean of the list, minus that mean; the shift itself if this points to the wrong side.
std::vector<double> Critiquer::wished_pair(const CritiqueDirection& direction, int32_t sign, std::span<const ItemIndex> slate) const {
  const auto mean = slate_mean(slate);
  const auto scaled = scaled_direction(direction);
  const size_t width = mean.size();
  std::vector<float> wish(width);
  for (size_t a = 0; a < width; ++a) wish[a] = static_cast<float>(mean[a] + sign * options_.shift * scaled[a]);
  std::vector<uint8_t> listed(static_cast<size_t>(num_items_), 0);
  for (const ItemIndex item : slate) listed[static_cast<size_t>(item.value)] = 1;
  std::vector<float> nearness(static_cast<size_t>(num_items_));
  als_scores(items_.data(), num_items_, d_, wish.data(), nearness.data());
  for (size_t i = 0; i < nearness.size(); ++i) nearness[i] = 2 * nearness[i] - squared_norm_[i];  // |wish|^2 - |q - wish|^2
  const auto nearest = stats::top_k(nearness, options_.neighbours, listed);
  std::vector<double> out(width, 0);
  for (const int32_t i : nearest) {
    for (size_t a = 0; a < width; ++a) out[a] += row(ItemIndex(i))[a] / static_cast<double>(nearest.size());
  }
  double along = 0;
  for (size_t a = 0; a < width && !nearest.empty(); ++a) {
    out[a] -= mean[a];
    along += sign * out[a] * direction.v[a];
  }
  if (along > 0) return out;
  for (size_t a = 0; a < width; ++a) out[a] = sign * std::max(options_.shift, 1.0) * scaled[a];
  return out;
}

void Critiquer::apply(CritiqueState& state, const CritiqueDirection& direction, int32_t sign, double strength,
                      std::span<const ItemIndex> slate) const {
  const auto width = static_cast<size_t>(d_);
  check(state.mean.size() == width && state.start.size() == width && direction.v.size() == width, ErrorCode::kInvalidArgument,
        "[critique] user [", state.mean.size(), "], direction [", direction.v.size(), "], expected [", d_, "]");
  check(sign == 1 || sign == -1, ErrorCode::kInvalidArgument, "[critique] sign ", sign, ", expected 1 (more) or -1 (less)");
  check(strength > 0 && strength <= kMaxStrength, ErrorCode::kInvalidArgument, "[critique] strength ", strength,
        ", expected above 0, at most ", kMaxStrength);
  std::vector<double> v(direction.v.begin(), direction.v.end());
  check_finite(v, cat("direction ", direction.name));
  check(norm(v) > kLeastLength, ErrorCode::kInvalidArgument, "[critique] direction ", direction.name, " is zero");
  if (options_.update == "heuristic") {
    const double step =
        strength * sign * options_.alpha * std::max(norm(state.start), options_.least_length) / std::pow(1.0 + state.steps, options_.rho);
    for (size_t a = 0; a < width; ++a) state.mean[a] += step * v[a];
    ++state.steps;
    return;
  }
  check(direction.sd > 0 && std::isfinite(direction.sd), ErrorCode::kInvalidArgument, "[critique] direction ", direction.name,
        " has standard deviation ", direction.sd, " over the items, expected above 0");
  check(state.covariance.size() == width * width, ErrorCode::kFailedPrecondition, "[critique] the state has no covariance, update ",
        options_.update, " needs one");
  if (options_.update == "bayes") {
    bayes_critique(state.mean, state.covariance, scaled_direction(direction), sign, strength, options_.beta);
  } else {
    const auto pair = wished_pair(direction, sign, slate);
    state.pairs.insert(state.pairs.end(), pair.begin(), pair.end());
    state.pair_weights.push_back(strength);
    state.mean = pairwise_critique(state.start, state.covariance, state.pairs, state.pair_weights, options_.beta);
  }
  ++state.steps;
}

Critiquer::Replay Critiquer::replay(const CritiquePrior& prior, std::span<const CritiqueEvent> events,
                                    const std::function<std::optional<CritiqueDirection>(const std::string& attribute)>& find_direction,
                                    const std::function<std::optional<ItemIndex>(const std::string& key)>& find_item) const {
  Replay out{start(prior), 0};
  for (const CritiqueEvent& event : events) {
    std::vector<ItemIndex> slate;
    for (const auto& key : event.slate) {
      if (const auto item = find_item(key)) slate.push_back(*item);
    }
    show(out.state, slate);
    const auto direction = find_direction(event.attribute);
    if (!direction || (options_.update == "pairwise" && slate.empty())) {
      ++out.num_skipped;
      continue;
    }
    apply(out.state, *direction, event.sign, event.strength, slate);
  }
  return out;
}

double residual_variance(const AlsModel& model, std::span<const data::Interaction> ratings) {
  check(!ratings.empty(), ErrorCode::kInvalidArgument, "[residual variance] no ratings");
  const AlsParameters& p = model.parameters();
  const AlsEncoder encode(p.options, p.mean);
  double sum = 0, weight = 0;
  for (const auto& r : ratings) {
    const auto user = model.user_row(r.user);
    const auto item = model.item_row(r.item);
    const AlsEntry entry =
        encode(p.user_bias[static_cast<size_t>(r.user.value)], p.item_bias[static_cast<size_t>(r.item.value)], r.item.value, r.rating);
    double dot = 0;
    for (size_t a = 0; a < user.size(); ++a) dot += static_cast<double>(user[a]) * item[a];
    sum += entry.weight * (entry.target - dot) * (entry.target - dot);
    weight += entry.weight;
  }
  return weight > 0 ? sum / weight : 0;
}

CritiquePrior critique_prior(const AlsModel& model, std::span<const RatedItem> ratings, double variance) {
  check(variance > 0 && std::isfinite(variance), ErrorCode::kInvalidArgument, "[critique prior] variance ", variance, ", expected above 0");
  const auto d = static_cast<size_t>(model.rank());
  const UserVector user = model.fold_in(ratings);
  auto factor = model.precision(ratings);
  check(cholesky_double(factor, static_cast<int>(d)), ErrorCode::kFailedPrecondition,
        "[critique prior] A is not positive definite: raise lambda");
  CritiquePrior out{{user.p.begin(), user.p.end()}, std::vector<double>(d * d)};
  std::vector<double> column(d);
  for (size_t a = 0; a < d; ++a) {
    std::fill(column.begin(), column.end(), 0.0);
    column[a] = variance;
    cholesky_solve_double(factor, static_cast<int>(d), column);
    for (size_t b = 0; b <= a; ++b) out.covariance[a * d + b] = out.covariance[b * d + a] = column[b];
  }
  return out;
}

}  // namespace attune::people
