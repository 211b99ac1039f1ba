// RecommendService: attributes, spectra, tastes, critiques.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "assist/recommend_internal.h"
#include "core/error.h"

namespace attune::assist {
namespace {

constexpr size_t kShownItems = 5;
constexpr size_t kLongList = 20;
constexpr size_t kMaxSteps = 50;
constexpr int kMaxK = 1000;
constexpr int kMaxExplained = 50;
constexpr double kBinWidth = 0.5;
constexpr double kLastEdge = 4;
constexpr double kNormal95 = 1.959964;
constexpr size_t kMaxWordBytes = 256;

/// As the HTTP API names an update, and back.
std::string public_update(std::string_view update) { return update == "bayes" ? "bayesian" : std::string(update); }
std::string stored_update(std::string_view update) {
  check(update == "heuristic" || update == "bayesian" || update == "bayes" || update == "pairwise", ErrorCode::kInvalidArgument,
        "[critique] update is \"", update.substr(0, 40), "\", expected heuristic, bayesian or pairwise");
  return update == "bayesian" ? "bayes" : std::string(update);
}

/// Counts in bins of half a standard deviation; the first and last bin hold what lies beyond.
DegreeHistogram histogram_of(const std::vector<float>& degree) {
  DegreeHistogram out;
  for (double edge = -kLastEdge; edge <= kLastEdge + 1e-9; edge += kBinWidth) out.edges.push_back(edge);
  out.counts.assign(out.edges.size() - 1, 0);
  for (const float x : degree) {
    const auto bin = static_cast<int64_t>(std::floor((static_cast<double>(x) + kLastEdge) / kBinWidth));
    ++out.counts[static_cast<size_t>(std::clamp<int64_t>(bin, 0, static_cast<int64_t>(out.counts.size()) - 1))];
  }
  return out;
}

/// What the descriptions of attributes need.
class Describer {
 public:
  Describer(const people::LearnedAttributes& attributes, const people::Recommender& recommender, const Catalogue& catalogue)
      : attributes_(attributes), recommender_(recommender), catalogue_(catalogue) {}

  AttributeInfo describe(size_t place, size_t list, bool histogram) const {
    const people::SoftAttribute& a = attributes_.attributes()[place];
    AttributeInfo out{a.name, a.kind, a.source, a.num_users, a.num_examples, a.accuracy, a.auc, {}, {}};
    for (const auto& sense : a.senses) {
      SenseInfo info{
          sense.direction.name, sense.share, sense.num_users, ends(sense.degree, list, true), ends(sense.degree, list, false), {}};
      if (histogram) info.histogram = histogram_of(sense.degree);
      out.senses.push_back(std::move(info));
    }
    return out;
  }

 private:
  /// The items at one end that were not deleted.
  std::vector<ItemDegree> ends(const std::vector<float>& degree, size_t list, bool high) const {
    std::vector<int32_t> order(degree.size());
    std::iota(order.begin(), order.end(), 0);
    const auto before = [&](int32_t a, int32_t b) {
      const float x = degree[static_cast<size_t>(a)], y = degree[static_cast<size_t>(b)];
      return x != y ? (high ? x > y : x < y) : a < b;
    };
    std::vector<ItemDegree> out;
    size_t sorted = 0;
    for (size_t k = 0; k < order.size() && out.size() < list; ++k) {
      if (k == sorted) {
        sorted = std::min(order.size(), sorted + 4 * list);
        std::partial_sort(order.begin() + static_cast<std::ptrdiff_t>(k), order.begin() + static_cast<std::ptrdiff_t>(sorted), order.end(),
                          before);
      }
      const std::string& id = recommender_.items().key(people::ItemIndex(order[k]));
      if (catalogue_.is_deleted(id)) continue;
      const auto entry = catalogue_.find(id);
      if (entry) out.push_back({id, entry->title, degree[static_cast<size_t>(order[k])]});
    }
    return out;
  }

  const people::LearnedAttributes& attributes_;
  const people::Recommender& recommender_;
  const Catalogue& catalogue_;
};

/// Items with the degrees of a word, and their mean.
CritiqueList with_degrees(std::vector<RecommendedItem> items, const people::LearnedAttributes& attributes, const people::WordMeaning& word,
                          const people::Recommender& recommender) {
  CritiqueList out;
  double sum = 0;
  int64_t n = 0;
  for (auto& item : items) {
    CritiquedItem entry{std::move(item), std::nullopt};
    if (const auto row = recommender.items().find(entry.item.item)) {
      entry.degree = attributes.degree(word, *row);
      sum += *entry.degree;
      ++n;
    }
    out.items.push_back(std::move(entry));
  }
  if (n > 0) out.mean_degree = sum / static_cast<double>(n);
  return out;
}

}  // namespace

std::string RecommendService::attributes_problem() const { return state_->profile == nullptr ? state_->no_attributes : std::string(); }

AttributeList RecommendService::attributes(std::string_view user) const {
  const auto& critic = state_->critic();
  const auto& learned = critic.attributes();
  const auto known = user.empty() ? nullptr : state_->user(std::string(user));
  const Describer describer(learned, *state_->recommender, state_->catalogue);
  AttributeList out;
  out.model = state_->recommender->version();
  out.space = cat("items of ", out.model);
  for (size_t k = 0; k < learned.attributes().size(); ++k) {
    AttributeInfo info = describer.describe(k, kShownItems, false);
    if (known != nullptr) {
      const auto word = critic.meaning(info.name, known->learned, known->critiques);
      if (word.sense) info.own_sense = word.name;
    }
    out.attributes.push_back(std::move(info));
  }
  for (const auto& word : learned.skipped()) out.skipped.emplace_back(word.name, word.reason);
  out.num_skipped = learned.record().num_skipped;
  return out;
}

AttributeInfo RecommendService::attribute(std::string_view name) const {
  const auto& learned = state_->critic().attributes();
  return Describer(learned, *state_->recommender, state_->catalogue).describe(learned.at(name), kLongList, true);
}

ItemAttributes RecommendService::item_attributes(std::string_view item, std::string_view user) const {
  const auto& critic = state_->critic();
  const auto& learned = critic.attributes();
  const auto known = user.empty() ? nullptr : state_->user(std::string(user));
  const auto entry = state_->catalogue.find(item);
  check(entry.has_value(), ErrorCode::kNotFound, "[item] unknown item \"", item.substr(0, 100), "\"");
  ItemAttributes out{entry->id, entry->title, {}};
  const auto row = state_->recommender->items().find(item);
  if (!row) return out;
  for (size_t k = 0; k < learned.attributes().size(); ++k) {
    const auto& a = learned.attributes()[k];
    size_t sense = 0;
    if (known != nullptr) sense = critic.meaning(a.name, known->learned, known->critiques).sense.value_or(0);
    const auto& s = a.senses[sense];
    out.attributes.push_back({a.name, s.direction.name, s.degree[static_cast<size_t>(row->value)], learned.percentile(k, sense, *row)});
  }
  std::stable_sort(out.attributes.begin(), out.attributes.end(),
                   [](const auto& a, const auto& b) { return std::abs(a.degree) > std::abs(b.degree); });
  return out;
}

UserAttributes RecommendService::user_attributes(std::string_view user) const {
  const auto& critic = state_->critic();
  const auto& learned = critic.attributes();
  const auto known = state_->user(std::string(user));
  UserAttributes out;
  out.user = std::string(user);
  auto covariance = critic.replay(known->learned, known->ratings, known->folded, known->critiques).covariance;
  if (covariance.empty() && !known->ratings.empty()) covariance = critic.covariance(known->ratings);
  for (const auto& a : learned.attributes()) {
    const auto word = critic.meaning(a.name, known->learned, known->critiques);
    UserAttribute entry{a.name, word.name, learned.taste(word, known->vector.p), std::nullopt, std::nullopt};
    if (!covariance.empty()) {
      const double half = kNormal95 * learned.taste_sd(word, covariance);
      entry.low = entry.taste - half;
      entry.high = entry.taste + half;
    }
    out.attributes.push_back(std::move(entry));
  }
  std::stable_sort(out.attributes.begin(), out.attributes.end(),
                   [](const auto& a, const auto& b) { return std::abs(a.taste) > std::abs(b.taste); });
  for (const auto& c : known->critiques) {
    const auto& said = c.critique;
    out.critiques.push_back(
        {c.event_id, said.attribute, said.sign > 0, public_update(said.update.empty() ? critic.default_update() : said.update), c.time_ms});
  }
  return out;
}

CritiqueList RecommendService::critique_list(std::string_view user, std::string_view attribute, int k) const {
  check(k >= 1 && k <= kMaxK, ErrorCode::kInvalidArgument, "[critique] limit is ", k, ", expected 1 to ", kMaxK);
  const auto& critic = state_->critic();
  const auto known = state_->user(std::string(user), true);
  const auto word = critic.meaning(attribute, known->learned, known->critiques);
  return with_degrees(state_->described(state_->rank(*known, k, true)), critic.attributes(), word, *state_->recommender);
}

std::vector<TrajectoryStep> RecommendService::State::trajectory(const UserState& user, const people::WordMeaning& word, int k) const {
  const auto& critic = this->critic();
  const auto mean = [&](const people::UserVector& vector) {
    return with_degrees(described(rank(user, vector, k, true)), critic.attributes(), word, *recommender).mean_degree;
  };
  // Vectors first: lists are ranked for the steps that are shown only.
  std::vector<std::pair<people::UserVector, std::optional<bool>>> vectors = {{user.folded, std::nullopt}};
  people::UserVector before = user.folded;
  critic.replay(user.learned, user.ratings, user.folded, user.critiques,
                [&](size_t place, const people::WordMeaning& meaning, const people::UserVector& vector) {
                  if (meaning.attribute == word.attribute) {
                    if (vectors.size() == 1) vectors[0].first = before;
                    vectors.emplace_back(vector, user.critiques[place].critique.sign > 0);
                  }
                  before = vector;
                });
  std::vector<TrajectoryStep> out;
  const size_t first = vectors.size() > kMaxSteps + 1 ? vectors.size() - kMaxSteps : 0;
  for (size_t n = 0; n < vectors.size(); ++n) {
    if (n != 0 && n < first) continue;
    out.push_back({static_cast<int64_t>(n), mean(vectors[n].first), vectors[n].second});
  }
  return out;
}

CritiqueReply RecommendService::critique(const CritiqueCall& call, std::stop_token stop) {
  const int most = call.because ? kMaxExplained : kMaxK;
  check(call.k >= 1 && call.k <= most, ErrorCode::kInvalidArgument, "[critique] limit is ", call.k, ", expected 1 to ", most,
        call.because ? " with reasons" : "");
  check(!call.attribute.empty() && call.attribute.size() <= kMaxWordBytes, ErrorCode::kInvalidArgument, "[critique] attribute has ",
        call.attribute.size(), " bytes, expected 1 to ", kMaxWordBytes);
  const auto& critic = state_->critic();
  const auto& learned = critic.attributes();
  people::CritiqueEvent said;
  said.update = stored_update(call.update.empty() ? critic.default_update() : call.update);
  const auto earlier = state_->user(call.user, true);
  const auto word = critic.meaning(call.attribute, earlier->learned, earlier->critiques);
  check(call.item.empty() || state_->catalogue.find(call.item), ErrorCode::kNotFound, "[item] unknown item \"",
        std::string_view(call.item).substr(0, 100), "\"");

  CritiqueReply out;
  out.before = with_degrees(state_->described(state_->rank(*earlier, call.k, true)), learned, word, *state_->recommender);
  const bool names_sense = call.attribute.find('#') != std::string::npos;
  out.attribute = learned.attributes()[word.attribute].name;
  said.attribute = names_sense ? word.name : out.attribute;
  said.sign = call.more ? 1 : -1;
  if (call.item.empty()) {
    for (const auto& entry : out.before.items) said.slate.push_back(entry.item.item);
  } else {
    said.slate.push_back(call.item);
  }
  store::Event event;
  event.event_id = call.event_id;
  event.user = call.user;
  event.kind = store::kCritique;
  event.item = call.item;
  event.payload = people::critique_event_json(said);
  const store::AppendResult stored = state_->writable().append(event);
  state_->forget(call.user);

  const auto now = state_->user(call.user);
  const auto understood = critic.meaning(call.attribute, now->learned, now->critiques);
  RecommendReply list;
  list.user = call.user;
  list.items = state_->described(state_->rank(*now, call.k, true));
  if (call.because) {
    RecommendCall reasons;
    reasons.user = call.user;
    reasons.seed = call.seed;
    state_->explain(list, reasons, *now, {}, std::move(stop));
  }
  out.user = call.user;
  out.sense = understood.name;
  out.more = call.more;
  out.update = public_update(said.update);
  out.event_id = stored.event_id;
  out.duplicate = stored.duplicate;
  out.because_share = list.because_share;
  out.after = with_degrees(std::move(list.items), learned, understood, *state_->recommender);
  out.trajectory = state_->trajectory(*now, understood, call.k);
  return out;
}

UndoReply RecommendService::undo_critique(std::string_view user, std::string_view event_id) {
  const std::string id(user);
  bool found = false;
  UndoReply out{std::string(event_id), false};
  for (const auto& event : state_->events_of(user)) {
    found = found || (event.kind == store::kCritique && event.event_id == event_id);
    out.duplicate = out.duplicate || (event.kind == store::kUndo && people::undone_event(event) == out.event_id);
  }
  check(found, ErrorCode::kNotFound, "[critique] user \"", user.substr(0, 100), "\" has no critique \"", event_id.substr(0, 100), "\"");
  if (out.duplicate) return out;
  store::Event event;
  event.user = id;
  event.kind = store::kUndo;
  event.payload = people::undo_json(event_id);
  state_->writable().append(event);
  state_->forget(id);
  return out;
}

}  // namespace attune::assist
