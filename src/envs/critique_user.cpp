#include "envs/critique_user.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace attune::envs {
namespace {

using data::ItemIndex;

void check_finite(std::span<const float> values, size_t expected, std::string_view what) {
  check(values.size() == expected, ErrorCode::kInvalidArgument, "[critique user] ", what, " has ", values.size(), " numbers, expected ",
        expected);
  for (const float value : values) check(std::isfinite(value), ErrorCode::kInvalidArgument, "[critique user] ", what, " is not finite");
}

double standard_deviation(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (const float value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const float value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

/// Rows that were not seen, best utility first; equal ones by lower row.
std::vector<int32_t> ranked_unseen(const CritiqueTruth& truth) {
  std::vector<int32_t> out;
  for (size_t i = 0; i < truth.utility.size(); ++i) {
    if (truth.seen.empty() || truth.seen[i] == 0) out.push_back(static_cast<int32_t>(i));
  }
  std::sort(out.begin(), out.end(), [&](int32_t a, int32_t b) {
    const float x = truth.utility[static_cast<size_t>(a)], y = truth.utility[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  });
  return out;
}

double mean_of(std::span<const float> values, std::span<const ItemIndex> items) {
  double sum = 0;
  for (const ItemIndex item : items) sum += values[static_cast<size_t>(item.value)];
  return sum / static_cast<double>(items.size());
}

std::vector<ItemIndex> items_of(const std::vector<people::ScoredItem>& list) {
  std::vector<ItemIndex> out;
  for (const auto& scored : list) out.push_back(scored.item);
  return out;
}

double normalised(double value, double start, double most) { return most > start ? (value - start) / (most - start) : 1; }

/// Measures lists of one session.
class Meter {
 public:
  Meter(const CritiqueTruth& truth, int32_t k)
      : truth_(truth), k_(static_cast<size_t>(k)), ranked_(ranked_unseen(truth)), gone_(truth.utility.size(), 0) {
    most_ = utility(ranked_.front());
    least_ = utility(ranked_.back());
    const size_t n = std::min(k_, ranked_.size());
    for (size_t r = 0; r < n; ++r) most_mean_ += utility(ranked_[r]) / static_cast<double>(n);
  }

  /// `profile`: what would be shown if nothing had been shown.
  CritiqueStep measure(std::span<const ItemIndex> slate, std::span<const ItemIndex> profile, bool repeat) {
    CritiqueStep out;
    out.profile_mean = mean_of(truth_.utility, profile);
    out.best = -std::numeric_limits<double>::infinity();
    for (const ItemIndex item : slate) out.best = std::max(out.best, utility(item.value));
    out.mean = mean_of(truth_.utility, slate);
    if (first_) {
      first_ = false;
      start_best_ = best_ = out.best;
      start_mean_ = out.mean;
      start_profile_ = out.profile_mean;
    }
    best_ = std::max(best_, out.best);
    out.best_so_far = best_;
    out.normalised_best = normalised(best_, start_best_, most_);
    out.normalised_mean = normalised(out.mean, start_mean_, most_mean_);
    out.normalised_profile = normalised(out.profile_mean, start_profile_, most_mean_);
    out.ndcg = ndcg(slate);
    for (const ItemIndex item : slate) gone_[static_cast<size_t>(item.value)] = repeat ? 0 : 1;
    return out;
  }

 private:
  double utility(int32_t row) const { return truth_.utility[static_cast<size_t>(row)]; }
  double gain(int32_t row) const { return most_ > least_ ? (utility(row) - least_) / (most_ - least_) : 1; }
  double ndcg(std::span<const ItemIndex> slate) const {
    double found = 0, ideal = 0;
    for (size_t r = 0; r < std::min(k_, slate.size()); ++r) found += gain(slate[r].value) / std::log2(static_cast<double>(r) + 2);
    size_t rank = 0;
    for (const int32_t row : ranked_) {
      if (rank == k_) break;
      if (!gone_[static_cast<size_t>(row)]) ideal += gain(row) / std::log2(static_cast<double>(++rank) + 1);
    }
    return ideal > 0 ? found / ideal : 1;
  }

  const CritiqueTruth& truth_;
  size_t k_;
  std::vector<int32_t> ranked_;
  std::vector<char> gone_;
  bool first_ = true;
  double most_ = 0, least_ = 0, most_mean_ = 0, start_best_ = 0, start_mean_ = 0, start_profile_ = 0, best_ = 0;
};

}  // namespace

void CritiqueUserOptions::describe(OptionList& list) {
  list.add("target_items", target_items, "Best unseen items whose mean is what the person wants.").at_least(1);
  list.add("greedy", greedy, "Probability of criticising the attribute that is most amiss.").range(0, 1);
  list.add("temperature", temperature, "Temperature of the draw otherwise, in standard deviations.").range(1e-3, 1e3);
  list.add("least_gap", least_gap, "Below this many standard deviations nothing is said.").at_least(0);
}

CritiqueUser::CritiqueUser(CritiqueTruth truth, const CritiqueUserOptions& options, uint64_t seed)
    : truth_(std::move(truth)), options_(options), rng_(seed, "critique user") {
  const size_t m = truth_.utility.size();
  check(options.target_items >= 1 && options.greedy >= 0 && options.greedy <= 1 && options.temperature > 0 && options.least_gap >= 0,
        ErrorCode::kInvalidArgument, "[critique user] target_items ", options.target_items, ", greedy ", options.greedy, ", temperature ",
        options.temperature, ", least_gap ", options.least_gap, ": one is out of range");
  check_finite(truth_.utility, m, "utility");
  check(truth_.seen.empty() || truth_.seen.size() == m, ErrorCode::kInvalidArgument, "[critique user] seen [", truth_.seen.size(),
        "], expected [", m, "]");
  const auto ranked = ranked_unseen(truth_);
  check(!ranked.empty(), ErrorCode::kInvalidArgument, "[critique user] no unseen item of ", m);
  std::vector<ItemIndex> wanted;
  for (size_t r = 0; r < std::min(ranked.size(), static_cast<size_t>(options.target_items)); ++r) wanted.emplace_back(ranked[r]);
  for (size_t g = 0; g < truth_.degrees.size(); ++g) {
    check_finite(truth_.degrees[g], m, cat("attribute ", g));
    sd_.push_back(standard_deviation(truth_.degrees[g]));
    target_.push_back(mean_of(truth_.degrees[g], wanted));
  }
}

std::optional<CritiqueUser::Response> CritiqueUser::respond(std::span<const ItemIndex> slate) {
  check(!slate.empty(), ErrorCode::kInvalidArgument, "[critique user] the list is empty");
  std::vector<Response> open;
  for (size_t g = 0; g < target_.size(); ++g) {
    if (last_ == g || !(sd_[g] > 0)) continue;
    const double gap = (target_[g] - mean_of(truth_.degrees[g], slate)) / sd_[g];
    open.push_back({g, gap < 0 ? -1 : 1, gap});
  }
  // Two uniforms a list whatever happens, so that what is said later does not depend on what could be said before.
  const bool greedy = rng_.uniform() < options_.greedy;
  double point = rng_.uniform();
  if (open.empty()) {
    last_.reset();
    return std::nullopt;
  }
  auto chosen =
      std::max_element(open.begin(), open.end(), [](const Response& a, const Response& b) { return std::abs(a.gap) < std::abs(b.gap); });
  if (!greedy) {
    const double most = std::abs(chosen->gap);
    double sum = 0;
    for (const auto& r : open) sum += std::exp((std::abs(r.gap) - most) / options_.temperature);
    point *= sum;
    for (chosen = open.begin(); chosen + 1 != open.end(); ++chosen) {
      point -= std::exp((std::abs(chosen->gap) - most) / options_.temperature);
      if (point < 0) break;
    }
  }
  if (std::abs(chosen->gap) < options_.least_gap) {
    last_.reset();
    return std::nullopt;
  }
  last_ = chosen->attribute;
  return *chosen;
}

CritiqueSession run_critique_session(const people::Critiquer& critiquer, people::CritiqueState start, CritiqueUser& user,
                                     const DirectionSource& directions) {
  const CritiqueTruth& truth = user.truth();
  check(truth.utility.size() == static_cast<size_t>(critiquer.num_items()), ErrorCode::kInvalidArgument,
        "[critique session] the user knows ", truth.utility.size(), " items, the critiquer ", critiquer.num_items());
  CritiqueSession out;
  out.state = std::move(start);
  Meter meter(truth, critiquer.options().slate);
  for (int32_t t = 0;; ++t) {
    const auto slate = items_of(critiquer.slate(out.state, truth.seen));
    if (slate.empty()) {
      out.stopped = "items";
      return out;
    }
    people::CritiqueState fresh;
    fresh.mean = out.state.mean;
    out.steps.push_back(meter.measure(slate, items_of(critiquer.slate(fresh, truth.seen)), critiquer.options().repeat_shown));
    critiquer.show(out.state, slate);
    if (!out.steps_to_90 && out.steps.back().normalised_best >= 0.9) out.steps_to_90 = t;
    if (t == critiquer.options().max_steps || !critiquer.stop_reason(out.state, slate.size()).empty()) {
      out.stopped = slate.size() < static_cast<size_t>(critiquer.options().slate) ? "items" : "steps";
      return out;
    }
    auto response = user.respond(slate);
    if (response && directions) {
      const auto direction = directions(response->attribute);
      if (direction) critiquer.apply(out.state, *direction, response->sign, 1, slate);
    }
    out.steps.back().critique = response;
  }
}

std::vector<float> random_directions(int32_t count, int32_t d, uint64_t seed) {
  check(count >= 0 && d >= 1, ErrorCode::kInvalidArgument, "[random directions] ", count, " of ", d, " coordinates");
  std::vector<float> out;
  for (int32_t r = 0; r < count; ++r) {
    Rng rng(seed, fnv1a(cat("random direction ", r)));
    std::vector<double> x(static_cast<size_t>(d));
    double sum = 0;
    for (double& value : x) value = rng.normal(), sum += value * value;
    for (const double value : x) out.push_back(static_cast<float>(value / std::sqrt(sum)));
  }
  return out;
}

}  // namespace attune::envs
