// RecommendService: moods, beliefs, lists by latent policies.
#include "assist/moods.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <random>

#include "assist/recommend_internal.h"
#include "core/error.h"
#include "core/rng.h"
#include "people/bandits/decision_event.h"
#include "people/bandits/decoupled_belief.h"
#include "people/bandits/information.h"
#include "people/bandits/list_policy.h"
#include "people/bandits/misfit.h"

namespace attune::assist {
namespace {

constexpr int kMaxSteps = 1000;
constexpr int kPropensityDraws = 100;  // of latent_mmts
constexpr uint64_t kMostSeed = 9007199254740991u;  // a JSON number holds it exactly
constexpr std::string_view kPersonal = "latent_mmts";

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

uint64_t fresh_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32 | device()) & kMostSeed;
}

}  // namespace

/// Lists that a policy can show, equal ones once.
struct RecommendService::State::Lists {
  std::vector<std::vector<Ranked>> lists;
  people::ListActions actions;
};

const people::RecommenderBandit& RecommendService::State::moods() const {
  check(bandit != nullptr, ErrorCode::kFailedPrecondition, no_moods);
  return *bandit;
}

/// mu of an item of the list in each state: at the mean features of its items with factors; added items pay what the catalogue's do.
std::vector<double> RecommendService::State::list_means(const std::vector<Ranked>& list) const {
  const people::LatentModel& model = moods().model();
  std::vector<double> mean(static_cast<size_t>(model.d), 0.0);
  double found = 0;
  for (const Ranked& entry : list) {
    const auto item = recommender->items().find(entry.item);
    if (!item) continue;
    const auto x = bandit->features(*item);
    for (size_t a = 0; a < x.size(); ++a) mean[a] += x[a];
    ++found;
  }
  for (double& x : mean) x /= std::max(1.0, found);
  mean.back() = 1;
  std::vector<double> out(static_cast<size_t>(model.num_states));
  model.means(-1, mean, out);
  return out;
}

RecommendService::State::Lists RecommendService::State::latent_lists(const UserState& user, std::span<const double> p, int k,
                                                                     bool exclude_seen) const {
  Lists out;
  std::map<std::vector<std::string>, int32_t> known;
  const auto add = [&](const people::UserVector& vector) {
    auto list = rank(user, vector, k, exclude_seen);
    std::vector<std::string> ids;
    for (const Ranked& entry : list) ids.push_back(entry.item);
    const auto [found, is_new] = known.try_emplace(std::move(ids), static_cast<int32_t>(out.lists.size()));
    if (is_new) {
      const auto means = list_means(list);
      out.actions.means.insert(out.actions.means.end(), means.begin(), means.end());
      out.lists.push_back(std::move(list));
    }
    return found->second;
  };
  for (int32_t z = 0; z < moods().num_states(); ++z) out.actions.of_state.push_back(add(bandit->state_vector(z)));
  out.actions.greedy = add(bandit->mean_vector(p));
  return out;
}

/// A list by the user's own posterior: draws of state and vector together; how often other draws give the same list is its propensity.
std::vector<RecommendService::State::Ranked> RecommendService::State::personal_list(const UserState& user, int k, bool exclude_seen,
                                                                                    double rounds, ListDecision& decision) const {
  people::DecoupledBelief belief(uncertain);
  people::replay_moods(*bandit, user.mood.rounds, belief);
  if (rounds > 0) belief.predict(rounds);
  decision.belief.assign(belief.p().begin(), belief.p().end());
  decision.exact = false;
  Rng rng(decision.seed, "latent_mmts");
  people::LatentDraw draw;
  people::Round round;
  round.num_actions = 1;
  const std::vector<double> x(static_cast<size_t>(bandit->model().d), 0.0);
  round.features = x;
  const auto drawn = [&] {
    belief.draw(round, rng, draw);
    return rank(user, bandit->vector_of(draw.theta), k, exclude_seen);
  };
  auto out = drawn();
  int same = 0;
  std::map<std::vector<std::string>, int> seen;
  for (int n = 0; n < kPropensityDraws; ++n) {
    const auto other = drawn();
    same += std::equal(out.begin(), out.end(), other.begin(), other.end(), [](const auto& a, const auto& b) { return a.item == b.item; });
    std::vector<std::string> ids;
    for (const Ranked& entry : other) ids.push_back(entry.item);
    ++seen[std::move(ids)];
  }
  decision.num_lists = static_cast<int64_t>(seen.size());
  if (same > 0) decision.propensity = static_cast<double>(same) / kPropensityDraws;
  return out;
}

std::vector<RecommendService::State::Ranked> RecommendService::State::decide(const RecommendCall& call, const UserState& user,
                                                                             ListDecision& decision) const {
  const auto names = people::list_policy_names();
  check(call.policy == kPersonal || std::find(names.begin(), names.end(), call.policy) != names.end(), ErrorCode::kInvalidArgument,
        "[recommend] policy is \"", std::string_view(call.policy).substr(0, 40),
        "\", expected vector, greedy, latent_ts, latent_ids, latent_ucb or latent_mmts");
  moods();
  const int64_t now = now_ms();
  decision.model = bandit->version();
  decision.seed = call.draw_seed ? *call.draw_seed & kMostSeed : fresh_seed();
  decision.belief = user.mood.at(*bandit, now);
  people::DecisionEvent logged;
  std::vector<Ranked> out;
  const auto ids = [](const std::vector<Ranked>& list) {
    std::vector<std::string> all;
    for (const Ranked& entry : list) all.push_back(entry.item);
    return all;
  };
  if (call.policy == kPersonal) {
    out = personal_list(user, call.k, call.exclude_seen, people::rounds_until(*bandit, user.mood.rounds, now), decision);
    logged.lists = {ids(out)};
    logged.probability = {decision.propensity.value_or(0)};
    logged.exact = false;
  } else {
    auto lists = latent_lists(user, decision.belief, call.k, call.exclude_seen);
    Rng rng(decision.seed, call.policy);
    const auto choice = people::choose_list(call.policy, bandit->model(), decision.belief, lists.actions, rng);
    for (size_t n = 0; n < lists.lists.size(); ++n) {
      const bool shown = static_cast<int32_t>(n) == choice.list;
      if (shown) logged.shown = static_cast<int32_t>(logged.lists.size());
      // Every list with a chance, and the mean's, so that other policies can be evaluated on the log.
      if (!shown && choice.probability[n] == 0 && static_cast<int32_t>(n) != lists.actions.greedy) continue;
      logged.lists.push_back(ids(lists.lists[n]));
      logged.probability.push_back(choice.probability[n]);
      decision.num_lists += choice.probability[n] > 0;
    }
    decision.propensity = choice.probability[static_cast<size_t>(choice.list)];
    out = std::move(lists.lists[static_cast<size_t>(choice.list)]);
  }
  if (store == nullptr) return out;
  logged.policy = call.policy;
  logged.model = decision.model;
  logged.recommender = recommender->version();
  logged.seed = decision.seed;
  logged.belief = decision.belief;
  logged.num_candidates = catalogue.size() - static_cast<int64_t>(user.dismissed.size() + user.dismissed_added.size()) -
                          (call.exclude_seen ? static_cast<int64_t>(user.ratings.size() + user.rated_added.size()) : 0);
  logged.num_candidates = std::max<int64_t>(logged.num_candidates, static_cast<int64_t>(out.size()));
  store::Event event;
  event.user = call.user;
  event.kind = store::kDecision;
  event.time_ms = now;
  event.payload = people::decision_event_json(logged);
  decision.event_id = store->append(event).event_id;
  return out;
}

std::string RecommendService::moods_problem() const { return state_->bandit == nullptr ? state_->no_moods : std::string(); }

MoodList RecommendService::moods() const {
  const auto& bandit = state_->moods();
  MoodList out;
  out.model = bandit.version();
  out.recommender = state_->recommender->version();
  out.rho = bandit.model().transition.rho();
  out.round_hours = bandit.round_hours();
  out.noise_sd = bandit.model().noise_sd;
  for (size_t z = 0; z < bandit.states().size(); ++z) {
    const auto& state = bandit.states()[z];
    Mood mood{static_cast<int32_t>(z), state.name, state.share, state.num_users, {}, {}};
    for (const auto& typical : state.items) {
      const auto entry = state_->catalogue.find(state_->recommender->items().key(typical.item));
      if (entry) mood.items.push_back({entry->id, entry->title, typical.mean, typical.lift});
    }
    for (const auto& genre : state.genres) mood.genres.emplace_back(genre.genre, genre.lift);
    out.moods.push_back(std::move(mood));
  }
  return out;
}

std::vector<double> RecommendService::belief(std::string_view user) const {
  const auto& bandit = state_->moods();
  return state_->user(std::string(user), true)->mood.at(bandit, now_ms());
}

UserMood RecommendService::user_mood(std::string_view user, int limit) const {
  check(limit >= 0 && limit <= kMaxSteps, ErrorCode::kInvalidArgument, "[belief] limit is ", limit, ", expected 0 to ", kMaxSteps);
  const auto& bandit = state_->moods();
  const auto known = state_->user(std::string(user));
  const int64_t now = now_ms();
  const auto& rounds = known->mood.rounds;
  UserMood out;
  out.user = std::string(user);
  out.model = bandit.version();
  out.belief = known->mood.at(bandit, now);
  out.entropy = people::entropy_of(out.belief);
  out.rounds_since = people::rounds_until(bandit, rounds, now);
  out.num_steps = static_cast<int64_t>(rounds.size());
  out.num_impossible = known->mood.num_impossible;
  const auto history = people::mood_history(bandit, rounds);
  if (history.last_change) {
    out.last_change = static_cast<int64_t>(history.last_change->round);
    out.changed_from = history.last_change->from;
    out.changed_to = history.last_change->to;
  }
  people::MisfitMonitor misfit;
  std::vector<double> before = bandit.model().initial;
  std::vector<double> means(before.size());
  const size_t first = rounds.size() - std::min(rounds.size(), static_cast<size_t>(limit));
  for (size_t n = 0; n < rounds.size(); ++n) {
    const auto& round = rounds[n];
    const auto x = bandit.features(round.item);
    bandit.model().transition.apply(before, round.dt);
    bandit.model().means(-1, x, means);
    misfit.observe(history.log_evidence[n], people::log_evidence_moments(bandit.model(), -1, means, before), history.p[n]);
    before = history.p[n];
    if (n < first) continue;
    MoodStep step;
    step.event_id = round.event_id;
    step.kind = round.kind;
    step.item = state_->recommender->items().key(round.item);
    const auto entry = state_->catalogue.find(step.item);
    step.title = entry ? entry->title : state_->recommender->item(round.item).display_title;
    if (round.kind == store::kRating) step.value = round.value;
    step.time_ms = round.time_ms;
    step.reward = round.reward;
    step.rounds = round.dt;
    step.log_evidence = history.log_evidence[n];
    step.belief = history.p[n];
    out.steps.push_back(std::move(step));
  }
  out.misfit = {misfit.num_rounds(), misfit.z(), misfit.num_alarms()};
  return out;
}

}  // namespace attune::assist
