#include "people/bandits/recommender_bandit.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "people/als_row_internal.h"

namespace attune::people {
namespace {

constexpr double kMsPerHour = 3600e3;

template <class... Parts>
void need(bool ok, const Parts&... parts) {
  check(ok, ErrorCode::kCorruptData, "[recommender bandit] ", parts...);
}

void check_states(const RecommenderBanditParts& parts, int32_t num_items) {
  need(parts.states.size() == static_cast<size_t>(parts.file.model.num_states), "expected ", parts.file.model.num_states,
       " descriptions of states, found ", parts.states.size());
  for (const LatentStateInfo& state : parts.states) {
    need(std::isfinite(state.share) && state.share >= 0 && state.share <= 1, "share of a state: expected 0 to 1, found ", state.share);
    for (const TypicalItem& typical : state.items) {
      need(typical.item.value >= 0 && typical.item.value < num_items, "typical item row ", typical.item.value, " of ", num_items);
    }
  }
}

}  // namespace

void RecommenderBanditOptions::describe(OptionList& list) {
  list.add("num_states", num_states, "Moods Z that users move between; 0 = the number from 5 to 20 that held-out users ask for.")
      .range(0, 200);
  list.add("rho", rho, "Chance that a mood ends in a round; 0 = the likeliest.").range(0, 1);
  list.add("least_rho", least_rho, "Least rho that is learned: where everybody rated in one sitting, the log shows no mood that ends.")
      .range(0, 1);
  list.add("round_hours", round_hours, "Each rating or dismissal is a round; a pause of this length counts as one more.")
      .range(1e-3, 1e6)
      .unit("hours");
  list.add("dismiss_rating", dismiss_rating, "The rating that a dismissal counts as.").range(-1e6, 1e6);
  list.add("least_ratings", least_ratings, "Users with fewer ratings are not clustered.").range(1, 1e6);
  list.add("restarts", restarts, "Random starts of the clustering.").range(1, 1000);
}

double RatingReward::operator()(ItemIndex item, double rating) {
  const AlsParameters& p = model_->parameters();
  const double item_bias = p.item_bias[static_cast<size_t>(item.value)];
  const double user_bias = als_has_biases(p.options) ? damped_mean(residuals_, count_, p.options.user_damping) : 0;
  residuals_ += rating - p.mean - item_bias;
  ++count_;
  return AlsEncoder(p.options, p.mean)(user_bias, item_bias, item.value, rating).target;
}

RecommenderBandit::RecommenderBandit(const Recommender& recommender, RecommenderBanditParts parts) : parts_(std::move(parts)) {
  const AlsParameters& p = recommender.model().parameters();
  LatentModel& model = parts_.file.model;
  check(parts_.file.record.recommender == recommender.version(), ErrorCode::kFailedPrecondition,
        "[recommender bandit] learned from recommender ", parts_.file.record.recommender, ", expected ", recommender.version());
  need(model.d == p.options.rank + 1 && model.reward == RewardKind::kGaussian, "expected a Gaussian model of ", p.options.rank + 1,
       " features, found ", reward_kind_name(model.reward), " of ", model.d);
  need(std::isfinite(parts_.round_hours) && parts_.round_hours >= 1e-3 && parts_.round_hours <= 1e6,
       "round_hours: expected 0.001 to 1000000, found ", parts_.round_hours);
  need(std::isfinite(parts_.dismiss_rating), "dismiss_rating: expected a finite number");
  round_ms_ = std::max<int64_t>(1, static_cast<int64_t>(parts_.round_hours * kMsPerHour));
  model.check();
  parts_.file.prior.check(model);
  const auto num_items = recommender.items().size();
  check_states(parts_, num_items);
  item_factors_ = p.item_factors;
  model_ = std::make_shared<const LatentModel>(std::move(model));
}

std::vector<double> RecommenderBandit::features(ItemIndex item) const {
  const auto rank = static_cast<size_t>(model_->d - 1);
  const auto first = item_factors_.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(item.value) * rank);
  std::vector<double> out(first, first + static_cast<std::ptrdiff_t>(rank));
  out.push_back(1);
  return out;
}

UserVector RecommenderBandit::vector_of(std::span<const double> theta) const {
  UserVector out;
  for (size_t a = 0; a + 1 < theta.size(); ++a) out.p.push_back(static_cast<float>(theta[a]));
  out.num_ratings = out.num_liked = 1;  // something is known: popularity is not added
  return out;
}

UserVector RecommenderBandit::state_vector(int32_t state) const {
  const auto d = static_cast<size_t>(model_->d);
  return vector_of(std::span(model_->theta).subspan(static_cast<size_t>(state) * d, d));
}

UserVector RecommenderBandit::mean_vector(std::span<const double> p) const {
  const auto d = static_cast<size_t>(model_->d);
  std::vector<double> theta(d, 0.0);
  for (size_t z = 0; z < p.size(); ++z) {
    for (size_t a = 0; a < d; ++a) theta[a] += p[z] * model_->theta[z * d + a];
  }
  return vector_of(theta);
}

double RecommenderBandit::rounds_between(int64_t earlier_ms, int64_t later_ms) const noexcept {
  const int64_t pause = std::max<int64_t>(0, later_ms - earlier_ms);
  return 1.0 + static_cast<double>(pause / round_ms_);
}

}  // namespace attune::people
