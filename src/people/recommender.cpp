#include "people/recommender.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "core/number.h"
#include "core/rng.h"
#include "io/npy/npy.h"
#include "people/evaluate.h"
#include "people/model_files_internal.h"
#include "people/recommender_state_internal.h"
#include "stats/ranking.h"

namespace attune::people {
namespace {

constexpr double kMeanDamping = 5;

std::string version_of(const AlsParameters& p) {
  const auto bytes = [](const std::vector<float>& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  };
  uint64_t hash = fnv1a(bytes(p.item_factors));
  hash = fnv1a(bytes(p.user_factors), hash);
  hash = fnv1a(bytes(p.item_bias), hash);
  return cat("als-", hex_digits(hash).substr(0, 12));
}

void check_sizes(const data::Dataset& dataset, const AlsModel& model) {
  check(dataset.users.size() == model.num_users() && dataset.items.size() == model.num_items() &&
            dataset.item_info.size() == static_cast<size_t>(dataset.items.size()),
        ErrorCode::kCorruptData, "[recommender] ", dataset.users.size(), " users and ", dataset.items.size(), " items with ",
        dataset.item_info.size(), " descriptions, the model has ", model.num_users(), " users and ", model.num_items(), " items");
}

}  // namespace

void RecommenderState::count_ratings() {
  const auto num_items = static_cast<size_t>(items.size());
  popularity.assign(num_items, 0);
  std::vector<double> sums(num_items, 0.0);
  double total = 0;
  for (const auto& list : ratings) {
    for (const auto& r : list) {
      ++popularity[r.item.value];
      sums[r.item.value] += r.rating;
      total += r.rating;
      ++num_ratings;
      least_rating = std::min(least_rating, r.rating);
      greatest_rating = std::max(greatest_rating, r.rating);
    }
  }
  const double mean = num_ratings > 0 ? total / static_cast<double>(num_ratings) : 0;
  for (size_t i = 0; i < num_items; ++i) {
    mean_rating.push_back(static_cast<float>((sums[i] + kMeanDamping * mean) / (static_cast<double>(popularity[i]) + kMeanDamping)));
  }
  std::map<std::string, double> share;
  for (size_t i = 0; i < num_items; ++i) {
    for (const auto& genre : item_info[i].genres) share[genre] += static_cast<double>(popularity[i]);
  }
  for (const auto& [genre, count] : share) {
    genres.push_back(genre);
    genre_share.push_back(num_ratings > 0 ? count / static_cast<double>(num_ratings) : 0);
  }
}

struct Recommender::State : RecommenderState {
  using RecommenderState::RecommenderState;
};

Recommender::Recommender(data::Dataset dataset, AlsModel model, TrainRecord record) {
  check_sizes(dataset, model);
  auto lists = histories(dataset.interactions, dataset.users.size());
  for (size_t u = 0; u < lists.size(); ++u) {
    for (size_t n = 0; n < lists[u].size(); ++n) {
      const RatedItem& r = lists[u][n];
      check(r.item.value >= 0 && r.item.value < model.num_items() && std::isfinite(r.rating), ErrorCode::kCorruptData,
            "[recommender] rating of user ", dataset.users.key(UserIndex(static_cast<int32_t>(u))), " on item row ", r.item.value,
            " is out of range");
      check(n == 0 || lists[u][n - 1].item != r.item, ErrorCode::kCorruptData, "[recommender] user ",
            dataset.users.key(UserIndex(static_cast<int32_t>(u))), " rates item row ", r.item.value, " twice");
    }
  }
  state_ = std::make_unique<State>(std::move(model));
  State& s = *state_;
  s.users = std::move(dataset.users);
  s.items = std::move(dataset.items);
  s.item_info = std::move(dataset.item_info);
  s.interactions = std::move(dataset.interactions);
  std::sort(s.interactions.begin(), s.interactions.end(),
            [](const auto& a, const auto& b) { return std::pair(a.user, a.item) < std::pair(b.user, b.item); });
  s.ratings = std::move(lists);
  s.first_interaction = {0};
  for (const auto& list : s.ratings) s.first_interaction.push_back(s.first_interaction.back() + list.size());
  s.record = std::move(record);
  s.version = version_of(s.model.parameters());
  s.count_ratings();
  s.item_space.emplace(item_space());
  s.user_space.emplace(user_space());
}

Recommender::~Recommender() = default;

std::shared_ptr<const Recommender> Recommender::load(const Path& folder) {
  return with_context([&] { return cat("loading recommender ", folder.string()); },
                      [&] {
                        ModelFiles files = read_model_files(folder);
                        return std::make_shared<const Recommender>(std::move(files.dataset), AlsModel(std::move(files.parameters)),
                                                                   std::move(files.record));
                      });
}

void Recommender::save(const Path& folder) const {
  with_context([&] { return cat("saving recommender ", folder.string()); }, [&] { write_model_files(folder, *state_); });
}

void Recommender::export_npy(const Path& folder) const {
  const AlsParameters& p = state_->model.parameters();
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check(std::filesystem::is_directory(folder), ErrorCode::kIo, "[export factors] cannot create folder ", folder.string(), ": ",
        error.message());
  const int64_t n = users().size();
  const int64_t m = items().size();
  io::write_npy(folder / "user_factors.npy", std::span<const float>(p.user_factors), {n, p.options.rank});
  io::write_npy(folder / "item_factors.npy", std::span<const float>(p.item_factors), {m, p.options.rank});
  io::write_npy(folder / "user_bias.npy", std::span<const float>(p.user_bias), {n});
  io::write_npy(folder / "item_bias.npy", std::span<const float>(p.item_bias), {m});
}

const data::UserIds& Recommender::users() const noexcept { return state_->users; }
const data::ItemIds& Recommender::items() const noexcept { return state_->items; }
const AlsModel& Recommender::model() const noexcept { return state_->model; }
const TrainRecord& Recommender::record() const noexcept { return state_->record; }
const std::string& Recommender::version() const noexcept { return state_->version; }
const std::vector<std::string>& Recommender::genres() const noexcept { return state_->genres; }
std::span<const double> Recommender::genre_share() const noexcept { return state_->genre_share; }

bool RecommenderState::needs_popularity(const UserVector& user) const {
  return user.num_ratings == 0 || (model.parameters().options.target == "liked" && user.num_liked == 0);
}

size_t RecommenderState::place(ItemIndex item) const {
  check(item.value >= 0 && item.value < items.size(), ErrorCode::kInvalidArgument, "[recommender] item row ", item.value, " of ",
        items.size());
  return static_cast<size_t>(item.value);
}

const data::ItemInfo& Recommender::item(ItemIndex item) const { return state_->item_info[state_->place(item)]; }
int64_t Recommender::popularity(ItemIndex item) const { return state_->popularity[state_->place(item)]; }
float Recommender::mean_rating(ItemIndex item) const { return state_->mean_rating[state_->place(item)]; }

std::span<const RatedItem> Recommender::training_ratings(UserIndex user) const {
  check(user.value >= 0 && user.value < users().size(), ErrorCode::kInvalidArgument, "[recommender] user row ", user.value, " of ",
        users().size());
  return state_->ratings[static_cast<size_t>(user.value)];
}

std::vector<TimedRating> Recommender::timed_ratings(UserIndex user) const {
  const size_t count = training_ratings(user).size();  // checks the row
  const size_t first = state_->first_interaction[static_cast<size_t>(user.value)];
  std::vector<TimedRating> out;
  for (size_t n = first; n < first + count; ++n) {
    const data::Interaction& r = state_->interactions[n];
    out.push_back({r.item, r.rating, r.timestamp});
  }
  std::stable_sort(out.begin(), out.end(), [](const TimedRating& a, const TimedRating& b) { return a.timestamp < b.timestamp; });
  return out;
}

std::vector<RatedItem> Recommender::history(std::optional<UserIndex> user, std::span<const store::Event> events) const {
  std::map<ItemIndex, float> last;
  if (user) {
    for (const auto& r : training_ratings(*user)) last[r.item] = r.rating;
  }
  for (const auto& event : events) {
    if (event.kind != store::kRating || !event.value) continue;
    const auto item = items().find(event.item);
    const auto rating = static_cast<float>(*event.value);
    if (!item || !on_scale(rating)) continue;
    last[*item] = rating;
  }
  std::vector<RatedItem> out;
  for (const auto& [item, rating] : last) out.push_back({item, rating});
  return out;
}

bool Recommender::on_scale(double rating) const noexcept {
  return rating >= state_->least_rating && rating <= state_->greatest_rating;
}

std::vector<ItemIndex> Recommender::dismissed(std::span<const store::Event> events) const {
  std::set<ItemIndex> out;
  for (const auto& event : events) {
    const auto item = items().find(event.item);
    if (!item) continue;
    if (event.kind == store::kDismiss) out.insert(*item);
    if (event.kind == store::kRating) out.erase(*item);
  }
  return {out.begin(), out.end()};
}

UserVector Recommender::fold_in(std::span<const RatedItem> ratings) const { return state_->model.fold_in(ratings); }

std::vector<ScoredItem> Recommender::recommend(const UserVector& user, std::span<const RatedItem> ratings,
                                               const RecommendOptions& options) const {
  check(options.k >= 1 && options.k <= 100000, ErrorCode::kInvalidArgument, "[recommend] k is ", options.k, ", expected 1 to 100000");
  const auto n = static_cast<size_t>(items().size());
  std::vector<float> scores(n);
  state_->model.scores(user, scores);
  if (state_->needs_popularity(user)) {
    const auto num_users = static_cast<float>(users().size());
    for (size_t i = 0; i < n; ++i) scores[i] += static_cast<float>(state_->popularity[i]) / num_users;
  }
  std::vector<uint8_t> excluded(n, 0);
  if (options.exclude_rated) {
    for (const auto& r : ratings) excluded[state_->place(r.item)] = 1;
  }
  for (const ItemIndex item : options.exclude) excluded[state_->place(item)] = 1;
  for (size_t i = 0; i < n; ++i) {
    if (state_->popularity[i] == 0) excluded[i] = 1;  // no vector: its score says nothing
  }
  if (options.accept) {
    for (size_t i = 0; i < n; ++i) {
      if (excluded[i] == 0 && !options.accept(ItemIndex(static_cast<int32_t>(i)))) excluded[i] = 1;
    }
  }
  std::vector<ScoredItem> out;
  for (const int32_t i : stats::top_k(scores, options.k, excluded)) out.push_back({ItemIndex(i), scores[static_cast<size_t>(i)]});
  return out;
}

std::vector<ScoredItem> Recommender::recommend(std::span<const RatedItem> ratings, const RecommendOptions& options) const {
  return recommend(fold_in(ratings), ratings, options);
}

std::vector<ScoredItem> Recommender::recommend(UserIndex user, const RecommendOptions& options) const {
  return recommend(training_ratings(user), options);
}

std::vector<ScoredItem> Recommender::similar_items(ItemIndex item, int k) const {
  const ItemSpace& space = *state_->item_space;
  check(popularity(item) > 0, ErrorCode::kFailedPrecondition, "[similar items] nobody has rated item ", items().key(item),
        ": it has no vector to compare");
  std::vector<ScoredItem> out;
  const auto accept = [&](ItemIndex other) { return other != item && popularity(other) > 0; };
  for (const auto& hit : space.neighbours(space.vec(item), {.k = k, .accept = accept})) {
    out.push_back({hit.row, hit.score});
  }
  return out;
}

std::vector<std::pair<UserIndex, float>> Recommender::similar_users(UserIndex user, int k) const {
  const UserSpace& space = *state_->user_space;
  check(!training_ratings(user).empty(), ErrorCode::kFailedPrecondition, "[similar users] user ", users().key(user),
        " has rated nothing that the model was learned from: there is no vector to compare");
  std::vector<std::pair<UserIndex, float>> out;
  const auto accept = [&](UserIndex other) { return other != user && !training_ratings(other).empty(); };
  for (const auto& hit : space.neighbours(space.vec(user), {.k = k, .accept = accept})) {
    out.emplace_back(hit.row, hit.score);
  }
  return out;
}

std::vector<Contribution> Recommender::explain(std::span<const RatedItem> ratings, ItemIndex item, int n) const {
  const auto amounts = state_->model.contributions(ratings, item);
  std::vector<Contribution> out;
  for (const int32_t place : stats::top_k(amounts, n)) {
    if (amounts[place] > 0) out.push_back({ratings[place].item, ratings[place].rating, amounts[place]});
  }
  return out;
}

namespace {

/// Rows [n, d] with `last` [n] as one more column, or a copy of the rows.
std::vector<float> with_column(const std::vector<float>& rows, int d, bool add, const std::function<float(size_t)>& last) {
  if (!add) return rows;
  const size_t n = rows.size() / static_cast<size_t>(d);
  std::vector<float> out;
  out.reserve(rows.size() + n);
  for (size_t r = 0; r < n; ++r) {
    out.insert(out.end(), rows.begin() + static_cast<std::ptrdiff_t>(r) * d, rows.begin() + static_cast<std::ptrdiff_t>(r + 1) * d);
    out.push_back(last(r));
  }
  return out;
}

}  // namespace

ItemSpace Recommender::item_space(bool with_bias) const {
  const AlsParameters& p = state_->model.parameters();
  return ItemSpace({cat("items of ", version()), 1}, items(),
                   with_column(p.item_factors, p.options.rank, with_bias, [&](size_t i) { return p.item_bias[i]; }),
                   p.options.rank + (with_bias ? 1 : 0));
}

UserSpace Recommender::user_space(bool with_bias) const {
  const AlsParameters& p = state_->model.parameters();
  return UserSpace({cat("users of ", version()), 1}, users(),
                   with_column(p.user_factors, p.options.rank, with_bias, [](size_t) { return 1.0f; }),
                   p.options.rank + (with_bias ? 1 : 0));
}

}  // namespace attune::people
