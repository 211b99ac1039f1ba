#include "assist/recommend.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "assist/explain.h"
#include "assist/grounding_internal.h"
#include "assist/recommend_internal.h"
#include "core/error.h"
#include "core/rng.h"
#include "people/recommender.h"

namespace attune::assist {
namespace {

constexpr size_t kMaxCachedUsers = 4096;
constexpr size_t kMaxListedRatings = 50;
constexpr int kMaxK = 1000;
constexpr int kMaxExplained = 50;

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Numbers by value, before all other ids.
bool id_less(const std::string& a, const std::string& b) {
  const bool a_number = is_number(a);
  const bool b_number = is_number(b);
  if (a_number != b_number) return a_number;
  if (a_number && a.size() != b.size()) return a.size() < b.size();
  return a < b;
}

std::vector<std::string> genre_names(const std::vector<people::GenreTaste>& list) {
  std::vector<std::string> out;
  for (const auto& entry : list) out.push_back(entry.genre);
  return out;
}

int shared_count(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  int shared = 0;
  for (const std::string& genre : a) shared += std::find(b.begin(), b.end(), genre) != b.end() ? 1 : 0;
  return shared;
}

}  // namespace

RecommendService::State::State(std::shared_ptr<const people::Recommender> r, std::shared_ptr<store::EventStore> s,
                               std::shared_ptr<Explainer> e, std::shared_ptr<const people::LearnedAttributes> attributes,
                               std::shared_ptr<const people::RecommenderBandit> moods)
    : recommender(std::move(r)),
      store(std::move(s)),
      explainer(std::move(e)),
      no_attributes(cat("[attributes] none were learned: run `", people::kLearnAttributesCommand, "`")),
      bandit(std::move(moods)),
      no_moods(cat("[moods] none were learned: run `", people::kLearnBanditCommand, "`")),
      catalogue(recommender, store) {
  if (attributes != nullptr) profile = std::make_unique<const people::CritiqueProfile>(recommender, std::move(attributes));
  if (bandit != nullptr) uncertain = std::make_shared<const people::UncertainModel>(bandit->model(), bandit->prior());
}

std::optional<people::UserIndex> RecommendService::State::learned_user(std::string_view user) const {
  const auto index = recommender->users().find(user);
  if (!index || (store != nullptr && store->is_erased(user))) return std::nullopt;
  return index;
}

std::shared_ptr<const UserState> RecommendService::State::user(const std::string& user, bool may_be_new) {
  uint64_t read_at = 0;
  std::shared_ptr<const UserState> cached;
  {
    const std::lock_guard lock(cache_mutex);
    if (const auto found = cache.find(user); found != cache.end()) cached = found->second;
    read_at = generation;
  }
  if (cached != nullptr && cached->last_event == newest_event(user)) return cached;
  auto made = make_user(user, may_be_new);
  if (!made->learned && made->last_event == 0) return made;  // nobody yet
  const std::lock_guard lock(cache_mutex);
  if (read_at == generation) {
    if (cache.size() >= kMaxCachedUsers) cache.clear();
    cache[user] = made;
  }
  return made;
}

std::vector<store::Event> RecommendService::State::events_of(std::string_view user, const store::EventQuery& query) const {
  return store != nullptr ? store->user_events(user, query) : std::vector<store::Event>();
}

int64_t RecommendService::State::newest_event(std::string_view user) const {
  store::EventQuery query;
  query.limit = 1;
  query.newest_first = true;
  const auto events = events_of(user, query);
  return events.empty() ? 0 : events.front().sequence;
}

store::EventStore& RecommendService::State::writable() const {
  check(store != nullptr, ErrorCode::kFailedPrecondition, "[recommend service] there is no store to write to");
  return *store;
}

void RecommendService::State::forget(const std::string& user) {
  const std::lock_guard lock(cache_mutex);
  ++generation;
  cache.erase(user);
}

std::shared_ptr<const UserState> RecommendService::State::make_user(const std::string& user, bool may_be_new) const {
  auto out = std::make_shared<UserState>();
  out->learned = learned_user(user);
  const std::vector<store::Event> events = events_of(user);
  check(out->learned || !events.empty() || may_be_new, ErrorCode::kNotFound, "[user] unknown user \"",
        std::string_view(user).substr(0, 100), "\"");
  if (!events.empty()) out->last_event = events.back().sequence;
  out->ratings = recommender->history(out->learned, events);
  out->dismissed = recommender->dismissed(events);
  for (const store::Event& event : events) {
    if (event.item.empty() || recommender->items().find(event.item)) continue;
    if (event.kind == store::kRating) {
      out->rated_added.insert(event.item);
      out->dismissed_added.erase(event.item);
    }
    if (event.kind == store::kDismiss) out->dismissed_added.insert(event.item);
  }
  out->folded = recommender->fold_in(out->ratings);
  out->vector = out->folded;
  out->taste = people::taste_of(*recommender, out->ratings);
  out->critiques = people::critiques_in_force(events).critiques;
  if (profile != nullptr && !out->critiques.empty()) {
    out->vector = profile->replay(out->learned, out->ratings, out->folded, out->critiques).vector;
  }
  if (bandit != nullptr) out->mood = people::mood_belief(*recommender, *bandit, out->learned, events);
  return out;
}

const people::CritiqueProfile& RecommendService::State::critic() const {
  check(profile != nullptr, ErrorCode::kFailedPrecondition, no_attributes);
  return *profile;
}

std::vector<RecommendedItem> RecommendService::State::described(const std::vector<Ranked>& ranked) const {
  std::vector<RecommendedItem> out;
  for (const auto& [id, score] : ranked) {
    const auto entry = catalogue.find(id);
    if (!entry) continue;  // deleted this moment
    RecommendedItem item;
    item.item = entry->id;
    item.title = entry->title;
    item.catalogue_title = entry->catalogue_title;
    item.year = entry->year;
    item.genres = entry->genres;
    item.score = score;
    out.push_back(std::move(item));
  }
  return out;
}

std::vector<RecommendService::State::Ranked> RecommendService::State::rank(const UserState& user, const people::UserVector& vector, int k,
                                                                           bool exclude_seen) const {
  people::RecommendOptions options;
  options.k = k;
  options.exclude_rated = exclude_seen;
  options.exclude = user.dismissed;
  options.accept = [this](people::ItemIndex index) { return !catalogue.is_deleted(recommender->items().key(index)); };
  std::vector<Ranked> out;
  for (const people::ScoredItem& hit : recommender->recommend(vector, user.ratings, options))
    out.push_back({recommender->items().key(hit.item), hit.score});
  const std::vector<Ranked> added = rank_added(user, vector, exclude_seen);
  if (added.empty()) return out;
  out.insert(out.end(), added.begin(), added.end());
  std::stable_sort(out.begin(), out.end(), [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  if (out.size() > static_cast<size_t>(k)) out.resize(static_cast<size_t>(k));
  return out;
}

/// Cold start: mean score of the learned items, each weighted by the genres it shares (docs/methods/reasons.md, "Added items").
std::vector<RecommendService::State::Ranked> RecommendService::State::rank_added(const UserState& user, const people::UserVector& vector,
                                                                                 bool exclude_seen) const {
  const std::vector<CatalogueEntry> added = catalogue.added();
  std::vector<Ranked> out;
  if (added.empty()) return out;
  people::RecommendOptions all;
  all.k = std::min<int>(100000, recommender->items().size());
  all.exclude_rated = false;
  const std::vector<people::ScoredItem> scores = recommender->recommend(vector, {}, all);
  for (const CatalogueEntry& entry : added) {
    if (user.dismissed_added.contains(entry.id) || (exclude_seen && user.rated_added.contains(entry.id))) continue;
    double sum = 0;
    double weight = 0;
    double plain = 0;
    for (const people::ScoredItem& hit : scores) {
      const int shared = shared_count(entry.genres, recommender->item(hit.item).genres);
      sum += shared * static_cast<double>(hit.score);
      weight += shared;
      plain += hit.score;
    }
    out.push_back({entry.id, weight > 0 ? sum / weight : plain / std::max<double>(1, static_cast<double>(scores.size()))});
  }
  return out;
}

void RecommendService::State::explain(RecommendReply& reply, const RecommendCall& call, const UserState& user,
                                      const RecommendCallbacks& callbacks, std::stop_token stop) {
  std::vector<ReasonRequest> requests;
  for (const RecommendedItem& item : reply.items) {
    ReasonFacts facts;
    facts.title = item.catalogue_title;
    facts.year = item.year;
    facts.genres = item.genres;
    facts.user_likes = genre_names(user.taste.likes);
    facts.user_dislikes = genre_names(user.taste.dislikes);
    requests.push_back({item.item, std::move(facts)});
  }
  size_t next = 0;
  const auto take = [&](const Reason& reason) {
    RecommendedItem& item = reply.items[next++];
    item.because = reason.text;
    item.because_source = reason.source;
    const bool model = reason.source == BecauseSource::kModel;
    ++(model ? reply.because_share.model : reply.because_share.from_template);
    ++(model ? from_model : from_template);
    if (callbacks.on_because) callbacks.on_because(reason.item, reason.text, reason.source);
  };
  const uint64_t seed = fnv1a(call.user) ^ call.seed;
  if (explainer != nullptr) {
    ExplainCallbacks explain_callbacks;
    explain_callbacks.on_delta = callbacks.on_delta;
    explain_callbacks.on_final = take;
    const auto titles = catalogue.titles();
    explainer->explain(requests, seed, titles.get(), explain_callbacks, stop);
    return;
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    take({requests[i].item, template_reason(requests[i].facts, seed + i), BecauseSource::kTemplate, 0, 0, 0});
  }
}

RecommendService::RecommendService(std::shared_ptr<const people::Recommender> recommender, std::shared_ptr<store::EventStore> store,
                                   std::shared_ptr<Explainer> explainer, std::shared_ptr<const people::LearnedAttributes> attributes,
                                   std::shared_ptr<const people::RecommenderBandit> bandit) {
  check(recommender != nullptr, ErrorCode::kInvalidArgument, "[recommend service] no recommender");
  state_ =
      std::make_unique<State>(std::move(recommender), std::move(store), std::move(explainer), std::move(attributes), std::move(bandit));
}

std::unique_ptr<RecommendService> RecommendService::open(const Path& recommender_folder, std::shared_ptr<store::EventStore> store,
                                                         std::shared_ptr<Explainer> explainer) {
  auto recommender = people::Recommender::load(recommender_folder);
  std::shared_ptr<const people::LearnedAttributes> attributes;
  std::string why_none;
  try {
    attributes = people::LearnedAttributes::load(recommender_folder, *recommender);
  } catch (const Error& error) {  // lists are served without them
    why_none = error.what();
    if (why_none.find(people::kLearnAttributesCommand) == std::string::npos) {
      why_none += cat("; run `", people::kLearnAttributesCommand, "` again");
    }
  }
  std::shared_ptr<const people::RecommenderBandit> bandit;
  std::string no_moods;
  try {
    bandit = people::RecommenderBandit::load(recommender_folder, *recommender);
  } catch (const Error& error) {  // lists are served without them
    no_moods = error.what();
  }
  auto out = std::make_unique<RecommendService>(std::move(recommender), std::move(store), std::move(explainer), std::move(attributes),
                                                std::move(bandit));
  if (!no_moods.empty()) out->state_->no_moods = std::move(no_moods);
  if (!why_none.empty()) out->state_->no_attributes = std::move(why_none);
  return out;
}

RecommendService::~RecommendService() = default;

RecommendReply RecommendService::recommend(const RecommendCall& call, const RecommendCallbacks& callbacks, std::stop_token stop) {
  const int most = call.because ? kMaxExplained : kMaxK;
  check(call.k >= 1 && call.k <= most, ErrorCode::kInvalidArgument, "[recommend] k is ", call.k, ", expected 1 to ", most,
        call.because ? " with reasons" : "");
  const auto user = state_->user(call.user);
  RecommendReply reply;
  reply.user = call.user;
  reply.model = state_->recommender->version();
  reply.policy = call.policy;
  if (call.policy == "vector") {
    reply.items = state_->described(state_->rank(*user, call.k, call.exclude_seen));
  } else {
    reply.items = state_->described(state_->decide(call, *user, reply.decision.emplace()));
  }
  if (callbacks.on_items) callbacks.on_items(reply);
  if (call.because) state_->explain(reply, call, *user, callbacks, std::move(stop));
  return reply;
}

FeedbackReply RecommendService::feedback(const Feedback& feedback) {
  const bool rating = feedback.kind == store::kRating;
  check(rating || feedback.kind == store::kDismiss, ErrorCode::kInvalidArgument, "[feedback] kind is \"",
        std::string_view(feedback.kind).substr(0, 40), "\", expected rating or dismiss");
  check(!rating || (feedback.value && std::isfinite(*feedback.value) && *feedback.value >= 1 && *feedback.value <= 5),
        ErrorCode::kInvalidArgument, "[feedback] value of a rating is ", feedback.value ? cat(*feedback.value) : "missing",
        ", expected 1 to 5");
  check(rating || !feedback.value, ErrorCode::kInvalidArgument, "[feedback] a dismissal has a value, expected none");
  check(state_->catalogue.find(feedback.item).has_value(), ErrorCode::kNotFound, "[feedback] unknown item \"",
        std::string_view(feedback.item).substr(0, 100), "\"");
  store::Event event;
  event.event_id = feedback.event_id;
  event.user = feedback.user;
  event.kind = feedback.kind;
  event.item = feedback.item;
  event.value = feedback.value;
  event.time_ms = feedback.time_ms;
  const store::AppendResult stored = state_->writable().append(event);
  state_->forget(feedback.user);
  return {stored.event_id, stored.duplicate};
}

std::optional<CatalogueEntry> RecommendService::item(std::string_view id) const { return state_->catalogue.find(id); }
bool RecommendService::put_item(const CatalogueEntry& item) { return state_->catalogue.put(item); }
bool RecommendService::delete_item(std::string_view id) { return state_->catalogue.remove(id); }
std::vector<CatalogueEntry> RecommendService::search_items(std::string_view query, int limit) const {
  return state_->catalogue.search(query, limit);
}
int64_t RecommendService::num_items() const { return state_->catalogue.size(); }

bool RecommendService::has_user(std::string_view user) const {
  return state_->learned_user(user).has_value() || (state_->store != nullptr && state_->store->has_user(user));
}

std::vector<std::string> RecommendService::users(std::string_view query, int limit) const {
  check(limit >= 1 && limit <= 1000, ErrorCode::kInvalidArgument, "[users] limit is ", limit, ", expected 1 to 1000");
  std::vector<std::string> out;
  if (state_->store != nullptr) out = state_->store->users({std::string(query), 10000});
  for (const std::string& user : state_->recommender->users().keys()) {
    if (user.find(query) != std::string::npos) out.push_back(user);
  }
  std::sort(out.begin(), out.end(), id_less);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  std::vector<std::string> kept;
  for (std::string& user : out) {
    if (kept.size() == static_cast<size_t>(limit)) break;
    if (has_user(user)) kept.push_back(std::move(user));
  }
  return kept;
}

UserProfile RecommendService::profile(std::string_view user) const {
  const std::string id(user);
  const auto state = state_->user(id);
  UserProfile out;
  out.user = id;
  out.num_ratings = static_cast<int64_t>(state->ratings.size() + state->rated_added.size());
  std::set<std::string, std::less<>> listed;
  const auto list = [&](const std::string& item, double value, int64_t time_ms) {
    if (out.ratings.size() >= kMaxListedRatings || !listed.insert(item).second) return;
    const auto entry = state_->catalogue.find(item);
    out.ratings.push_back({item, entry ? entry->title : item, value, time_ms});
  };
  store::EventQuery newest;
  newest.kind = store::kRating;
  newest.newest_first = true;
  for (const store::Event& event : state_->events_of(id, newest)) {
    if (event.value) list(event.item, *event.value, event.time_ms);
  }
  for (const people::RatedItem& rated : state->ratings) list(state_->recommender->items().key(rated.item), rated.rating, 0);
  out.likes = genre_names(state->taste.likes);
  out.dislikes = genre_names(state->taste.dislikes);
  for (const people::Favourite& favourite : state->taste.favourites) {
    const auto entry = state_->catalogue.find(state_->recommender->items().key(favourite.item));
    if (entry) out.favourites.push_back(entry->title);
  }
  return out;
}

bool RecommendService::erase_user(std::string_view user) {
  if (!has_user(user)) return false;
  state_->writable().erase_user(user);
  state_->forget(std::string(user));
  return true;
}

std::string RecommendService::export_user(std::string_view user) const {
  check(has_user(user), ErrorCode::kNotFound, "[user] unknown user \"", user.substr(0, 100), "\"");
  return state_->store != nullptr ? state_->store->export_user(user) : std::string();
}

const std::string& RecommendService::model_version() const noexcept { return state_->recommender->version(); }

BecauseShare RecommendService::because_totals() const noexcept { return {state_->from_model.load(), state_->from_template.load()}; }

}  // namespace attune::assist
