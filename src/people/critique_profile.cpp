#include "people/critique_profile.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/error.h"
#include "text/fold.h"

namespace attune::people {
namespace {

constexpr double kUnknownLength = 0.5;  // of the mean user's vector: what a vector counts as at least in the heuristic step
constexpr std::string_view kUpdates[] = {"heuristic", "bayes", "pairwise"};

/// The sense that the user named last for each attribute.
std::optional<size_t> named_sense(const LearnedAttributes& attributes, size_t attribute, std::span<const StoredCritique> critiques) {
  for (auto it = critiques.rbegin(); it != critiques.rend(); ++it) {
    const std::string_view word = it->critique.attribute;
    const size_t hash = word.rfind('#');
    if (hash == std::string_view::npos || attributes.find(word.substr(0, hash)) != attribute) continue;
    try {
      return attributes.meaning(word).sense;
    } catch (const Error&) {  // a sense that is not there any more
    }
  }
  return std::nullopt;
}

}  // namespace

CritiqueOptions served_critique_options() {
  CritiqueOptions out;
  out.update = "heuristic";
  out.alpha = 0.2;
  out.rho = 0.5;
  out.beta = 64;
  out.max_steps = 1000;
  out.repeat_shown = true;
  return out;
}

std::string undo_json(std::string_view event_id) {
  return nlohmann::json{{"event", event_id}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::optional<std::string> undone_event(const store::Event& event) {
  const auto json = nlohmann::json::parse(event.payload, nullptr, false);
  if (!json.is_object() || !json.contains("event") || !json["event"].is_string()) return std::nullopt;
  return json["event"].get<std::string>();
}

CritiqueLog critiques_in_force(std::span<const store::Event> events) {
  std::unordered_set<std::string> undone;
  for (const auto& event : events) {
    if (event.kind != store::kUndo) continue;
    if (auto id = undone_event(event)) undone.insert(std::move(*id));
  }
  CritiqueLog out;
  for (const auto& event : events) {
    if (event.kind != store::kCritique) continue;
    if (undone.contains(event.event_id)) {
      ++out.num_undone;
      continue;
    }
    try {
      out.critiques.push_back({event.event_id, event.time_ms, parse_critique_event(event.payload)});
    } catch (const Error&) {
      ++out.num_malformed;
    }
  }
  return out;
}

CritiqueProfile::CritiqueProfile(std::shared_ptr<const Recommender> recommender, std::shared_ptr<const LearnedAttributes> attributes,
                                 CritiqueOptions options)
    : recommender_(std::move(recommender)), attributes_(std::move(attributes)), options_(std::move(options)) {
  check(recommender_ != nullptr && attributes_ != nullptr, ErrorCode::kInvalidArgument,
        "[critique profile] no recommender or no attributes");
  check(attributes_->record().recommender == recommender_->version(), ErrorCode::kFailedPrecondition,
        "[critique profile] attributes of another recommender");
  options_.least_length = std::max(options_.least_length, kUnknownLength * attributes_->user_length());
  const AlsParameters& p = recommender_->model().parameters();
  const std::span<const float> offset = p.options.rank_with_bias ? std::span<const float>(p.item_bias) : std::span<const float>();
  for (const auto update : kUpdates) {
    CritiqueOptions one = options_;
    one.update = update;
    critiquers_.emplace_back(p.item_factors, p.options.rank, offset, one);
  }
}

const Critiquer& CritiqueProfile::critiquer(std::string_view update) const {
  const auto found = std::find(std::begin(kUpdates), std::end(kUpdates), update);
  check(found != std::end(kUpdates), ErrorCode::kInvalidArgument, "[critique profile] update ", update.substr(0, 40),
        ", expected heuristic, bayes or pairwise");
  return critiquers_[static_cast<size_t>(found - std::begin(kUpdates))];
}

std::vector<double> CritiqueProfile::covariance(std::span<const RatedItem> ratings) const {
  const double variance = std::max(1e-9, attributes_->record().residual_variance);
  try {
    return critique_prior(recommender_->model(), ratings, variance).covariance;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kFailedPrecondition) throw;
  }
  const auto d = static_cast<size_t>(recommender_->model().rank());
  const double length = attributes_->user_length();
  std::vector<double> out(d * d, 0);
  for (size_t a = 0; a < d; ++a) out[a * d + a] = std::max(1e-9, length * length / static_cast<double>(d));
  return out;
}

WordMeaning CritiqueProfile::meaning(std::string_view word, std::optional<UserIndex> user,
                                     std::span<const StoredCritique> critiques) const {
  std::optional<size_t> preferred;
  if (const auto place = attributes_->find(word)) {
    if (attributes_->attributes()[*place].senses.size() > 1) preferred = named_sense(*attributes_, *place, critiques);
  }
  return attributes_->meaning(word, user, preferred);
}

CritiqueProfile::Result CritiqueProfile::replay(std::optional<UserIndex> user, std::span<const RatedItem> ratings, const UserVector& folded,
                                                std::span<const StoredCritique> critiques, const Visit& visit) const {
  Result out{folded, {}, 0, 0};
  CritiqueState state;
  state.start.assign(folded.p.begin(), folded.p.end());
  state.mean = state.start;
  std::string last;
  for (size_t k = 0; k < critiques.size(); ++k) {
    const CritiqueEvent& event = critiques[k].critique;
    const std::string& update = event.update.empty() ? options_.update : event.update;
    std::vector<ItemIndex> slate;
    for (const auto& key : event.slate) {
      if (const auto item = recommender_->items().find(key)) slate.push_back(*item);
    }
    std::optional<WordMeaning> word;
    try {
      word = meaning(event.attribute, user, critiques.first(k));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;
    }
    if (!word || !(word->sd > 0) || (update == "pairwise" && slate.empty())) {
      ++out.num_skipped;
      continue;
    }
    if (update != "heuristic" && state.covariance.empty()) state.covariance = covariance(ratings);
    if (update == "pairwise" && last != update) {
      state.start = state.mean;
      state.pairs.clear();
      state.pair_weights.clear();
    }
    last = update;
    critiquer(update).apply(state, {word->name, word->v, word->sd}, event.sign, event.strength, slate);
    for (size_t a = 0; a < state.mean.size(); ++a) out.vector.p[a] = static_cast<float>(state.mean[a]);
    ++out.num_applied;
    if (visit) visit(k, *word, out.vector);
  }
  out.covariance = std::move(state.covariance);
  return out;
}

}  // namespace attune::people
