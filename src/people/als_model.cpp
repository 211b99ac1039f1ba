#include "people/als_model.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "core/error.h"
#include "people/als_kernels_internal.h"
#include "people/als_row_internal.h"

namespace attune::people {
namespace {

void check_array(const std::vector<float>& values, size_t expected, std::string_view name) {
  check(values.size() == expected, ErrorCode::kCorruptData, "[als model] ", name, ": expected ", expected, " values, found ",
        values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    check(std::isfinite(values[i]), ErrorCode::kCorruptData, "[als model] ", name, ": value ", i, " is not finite");
  }
}

}  // namespace

struct AlsModel::State {
  AlsParameters parameters;
  AlsGram gram;  ///< of the item factors
  int32_t num_users = 0;
  int32_t num_items = 0;

  struct Encoded {
    std::vector<AlsEntry> entries;  ///< rising columns
    std::vector<size_t> place;      ///< entries[n] is ratings[place[n]]
    double ridge = 0;
    float bias = 0;
  };
  Encoded encode(std::span<const RatedItem> ratings) const;
};

/// The same numbers as the trainer's: columns rising, bias in double from the rounded item biases.
AlsModel::State::Encoded AlsModel::State::encode(std::span<const RatedItem> ratings) const {
  const AlsOptions& o = parameters.options;
  Encoded out;
  out.place.resize(ratings.size());
  for (size_t n = 0; n < ratings.size(); ++n) out.place[n] = n;
  std::sort(out.place.begin(), out.place.end(), [&](size_t a, size_t b) { return ratings[a].item < ratings[b].item; });
  double total = 0;
  for (size_t n = 0; n < out.place.size(); ++n) {
    const RatedItem& r = ratings[out.place[n]];
    check(r.item.value >= 0 && r.item.value < num_items, ErrorCode::kInvalidArgument, "[fold in] item row ", r.item.value,
          ", the model has ", num_items, " items");
    check(n == 0 || ratings[out.place[n - 1]].item != r.item, ErrorCode::kInvalidArgument, "[fold in] item row ", r.item.value,
          " is rated twice");
    check(std::isfinite(r.rating), ErrorCode::kInvalidArgument, "[fold in] rating of item row ", r.item.value, " is not finite");
    total += r.rating - parameters.mean - parameters.item_bias[r.item.value];
  }
  if (als_has_biases(o)) out.bias = static_cast<float>(damped_mean(total, static_cast<double>(ratings.size()), o.user_damping));
  const AlsEncoder encode_rating(o, parameters.mean);
  for (const size_t n : out.place) {
    const RatedItem& r = ratings[n];
    out.entries.push_back(encode_rating(out.bias, parameters.item_bias[r.item.value], r.item.value, r.rating));
  }
  out.ridge = als_ridge(o, static_cast<int64_t>(ratings.size()), num_items);
  return out;
}

AlsModel::AlsModel(AlsParameters parameters) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.parameters = std::move(parameters);
  AlsParameters& p = s.parameters;
  p.options.check_ranges();
  const auto d = static_cast<size_t>(p.options.rank);
  check(!p.user_bias.empty() && !p.item_bias.empty(), ErrorCode::kCorruptData, "[als model] ", p.user_bias.size(), " users and ",
        p.item_bias.size(), " items, expected at least one of each");
  check(std::isfinite(p.mean), ErrorCode::kCorruptData, "[als model] the mean is not finite");
  check_array(p.user_bias, p.user_bias.size(), "user_bias");
  check_array(p.item_bias, p.item_bias.size(), "item_bias");
  check_array(p.user_factors, p.user_bias.size() * d, "user_factors");
  check_array(p.item_factors, p.item_bias.size() * d, "item_factors");
  s.num_users = static_cast<int32_t>(p.user_bias.size());
  s.num_items = static_cast<int32_t>(p.item_bias.size());
  s.gram = als_gram(p.item_factors, s.num_items, p.options.rank, p.options.double_precision, nullptr);
}

AlsModel::~AlsModel() = default;
AlsModel::AlsModel(AlsModel&&) noexcept = default;
AlsModel& AlsModel::operator=(AlsModel&&) noexcept = default;

int AlsModel::rank() const noexcept { return state_->parameters.options.rank; }
int32_t AlsModel::num_users() const noexcept { return state_->num_users; }
int32_t AlsModel::num_items() const noexcept { return state_->num_items; }
const AlsParameters& AlsModel::parameters() const noexcept { return state_->parameters; }

std::span<const float> AlsModel::user_row(UserIndex user) const {
  check(user.value >= 0 && user.value < num_users(), ErrorCode::kInvalidArgument, "[als model] user row ", user.value, " of ", num_users());
  return std::span(state_->parameters.user_factors).subspan(static_cast<size_t>(user.value) * rank(), static_cast<size_t>(rank()));
}

std::span<const float> AlsModel::item_row(ItemIndex item) const {
  check(item.value >= 0 && item.value < num_items(), ErrorCode::kInvalidArgument, "[als model] item row ", item.value, " of ", num_items());
  return std::span(state_->parameters.item_factors).subspan(static_cast<size_t>(item.value) * rank(), static_cast<size_t>(rank()));
}

UserVector AlsModel::known_user(UserIndex user) const {
  const auto row = user_row(user);
  return {{row.begin(), row.end()}, state_->parameters.user_bias[user.value], 1, 1};
}

UserVector AlsModel::fold_in(std::span<const RatedItem> ratings) const {
  const auto encoded = state_->encode(ratings);
  UserVector out{std::vector<float>(static_cast<size_t>(rank())), encoded.bias, static_cast<int>(ratings.size()), 0};
  for (const AlsEntry& entry : encoded.entries) out.num_liked += entry.target > 0 ? 1 : 0;
  AlsRowSolver solver(state_->parameters.options, state_->parameters.item_factors, state_->gram);
  solver.solve(encoded.entries, encoded.ridge, out.p);
  return out;
}

std::vector<double> AlsModel::precision(std::span<const RatedItem> ratings) const {
  const auto encoded = state_->encode(ratings);
  const auto d = static_cast<size_t>(rank());
  const auto ld = static_cast<size_t>(als_padded(rank()));
  const double w0 = state_->parameters.options.w0;
  std::vector<double> out(d * d);
  for (size_t a = 0; a < d; ++a) {
    for (size_t b = 0; b < d; ++b) out[a * d + b] = w0 * state_->gram.padded[a * ld + b] + (a == b ? encoded.ridge : 0);
  }
  for (const AlsEntry& entry : encoded.entries) {
    const auto q = item_row(ItemIndex(entry.column));
    for (size_t a = 0; a < d; ++a) {
      for (size_t b = 0; b < d; ++b) out[a * d + b] += (entry.weight - w0) * q[a] * q[b];
    }
  }
  return out;
}

void AlsModel::scores(const UserVector& user, std::span<float> out) const {
  const AlsParameters& p = state_->parameters;
  check(user.p.size() == static_cast<size_t>(rank()) && out.size() == static_cast<size_t>(num_items()), ErrorCode::kInvalidArgument,
        "[als scores] user vector [", user.p.size(), "], out [", out.size(), "], expected [", rank(), "] and [", num_items(), "]");
  als_scores(p.item_factors.data(), num_items(), rank(), user.p.data(), out.data());
  if (!p.options.rank_with_bias) return;
  for (size_t i = 0; i < out.size(); ++i) out[i] += p.item_bias[i];
}

float AlsModel::score(const UserVector& user, ItemIndex item) const {
  const auto row = item_row(item);
  check(user.p.size() == row.size(), ErrorCode::kInvalidArgument, "[als score] user vector [", user.p.size(), "], expected [", row.size(),
        "]");
  float out = 0;
  als_scores(row.data(), 1, rank(), user.p.data(), &out);
  return state_->parameters.options.rank_with_bias ? out + state_->parameters.item_bias[item.value] : out;
}

float AlsModel::predict(const UserVector& user, ItemIndex item) const {
  const AlsParameters& p = state_->parameters;
  const auto row = item_row(item);
  check(user.p.size() == row.size(), ErrorCode::kInvalidArgument, "[als predict] user vector [", user.p.size(), "], expected [", row.size(),
        "]");
  float dot = 0;
  als_scores(row.data(), 1, rank(), user.p.data(), &dot);
  if (als_has_biases(p.options)) return dot + static_cast<float>(p.mean) + user.bias + p.item_bias[item.value];
  return p.options.target == "centred" ? dot + static_cast<float>(p.mean) : dot;
}

std::vector<float> AlsModel::contributions(std::span<const RatedItem> ratings, ItemIndex item) const {
  const auto target = item_row(item);
  const auto encoded = state_->encode(ratings);
  std::vector<float> z(target.size());
  AlsRowSolver solver(state_->parameters.options, state_->parameters.item_factors, state_->gram);
  solver.solve_for(encoded.entries, encoded.ridge, target, z);
  std::vector<float> out(ratings.size(), 0.0f);
  for (size_t n = 0; n < encoded.entries.size(); ++n) {
    const AlsEntry& entry = encoded.entries[n];
    float dot = 0;
    als_scores(item_row(ItemIndex(entry.column)).data(), 1, rank(), z.data(), &dot);
    out[encoded.place[n]] = dot * entry.weight * entry.target;
  }
  return out;
}

}  // namespace attune::people
