// How many latent states: by held-out users or by the Bayesian information criterion (Schwarz 1978).
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "core/error.h"
#include "core/rng.h"
#include "people/bandits/baum_welch.h"

namespace attune::people {
namespace {

constexpr int64_t kLeastUsers = 5;

int64_t num_parameters(const LatentModel& model) {
  const int64_t z = model.num_states;
  int64_t out = z - 1 + (model.transition.is_sticky() ? z : z * (z - 1));
  if (model.by_features()) {
    out += z * model.d;
  } else if (model.reward == RewardKind::kCategorical) {
    out += model.num_arms * z * static_cast<int64_t>(model.levels.size() - 1);
  } else {
    out += model.num_arms * z;
  }
  return out + (model.reward == RewardKind::kGaussian ? 1 : 0);
}

/// Users to learn from, users held out: four fifths and one, drawn by the seed.
std::pair<BanditSequences, BanditSequences> split(const BanditSequences& data, uint64_t seed) {
  check(data.num_users() >= kLeastUsers, ErrorCode::kInvalidArgument, "[choose_num_states] expected at least ", kLeastUsers,
        " users to hold some out, found ", data.num_users(), "; bic needs none");
  std::vector<int32_t> users(static_cast<size_t>(data.num_users()));
  std::iota(users.begin(), users.end(), 0);
  Rng rng(seed, "choose_num_states");
  shuffle(users, rng);
  const size_t held = users.size() / kLeastUsers;
  const auto span = std::span<const int32_t>(users);
  return {data.subset(span.subspan(held)), data.subset(span.first(held))};
}

/// The fewest states at most one standard error (of the paired difference over users) behind the greatest held-out score.
int32_t best_held_out(std::vector<StateChoice>& table, const std::vector<std::vector<double>>& scores, double num_rewards) {
  const auto top = static_cast<size_t>(
      std::max_element(table.begin(), table.end(), [](const auto& a, const auto& b) { return a.held_out < b.held_out; }) - table.begin());
  const auto users = static_cast<double>(scores[top].size());
  int32_t best = table[top].num_states;
  for (size_t row = 0; row < table.size(); ++row) {
    double sum = 0;
    double squares = 0;
    for (size_t u = 0; u < scores[row].size(); ++u) {
      const double behind = scores[top][u] - scores[row][u];
      sum += behind;
      squares += behind * behind;
    }
    table[row].held_out_behind = sum / num_rewards;
    table[row].held_out_error = users > 1 ? std::sqrt((squares - sum * sum / users) * users / (users - 1)) / num_rewards : 0;
    if (table[row].held_out_behind <= table[row].held_out_error) best = std::min(best, table[row].num_states);
  }
  return best;
}

}  // namespace

StateChoices choose_num_states(const BanditSequences& data, const BaumWelchOptions& options, std::span<const int32_t> num_states,
                               std::string_view criterion, ThreadPool& pool, ProgressSink& progress) {
  check(criterion == "held_out" || criterion == "bic", ErrorCode::kInvalidArgument,
        "[choose_num_states] criterion: expected held_out or bic, found ", criterion);
  check(!num_states.empty(), ErrorCode::kInvalidArgument, "[choose_num_states] expected at least one number of states");
  data.check();
  const bool held_out = criterion == "held_out";
  BanditSequences learned, held;
  if (held_out) {
    std::tie(learned, held) = split(data, options.seed);
    check(learned.num_rewards() > 0 && held.num_rewards() > 0, ErrorCode::kInvalidArgument,
          "[choose_num_states] expected rewards of users on both sides of the split");
  }
  const BanditSequences& source = held_out ? learned : data;
  StateChoices out;
  std::vector<std::vector<double>> scores;
  for (const int32_t z : num_states) {
    BaumWelchOptions here = options;
    here.num_states = z;
    if (options.reward == "categorical" && options.levels.empty()) here.levels = data.levels();
    const auto result = baum_welch(source, here, nullptr, pool, progress);
    StateChoice row{.num_states = z, .num_parameters = num_parameters(result.model), .log_likelihood = result.log_likelihood};
    row.held_out = std::numeric_limits<double>::quiet_NaN();
    if (held_out) {
      scores.push_back(sequence_log_likelihood(result.model, held, pool));
      row.held_out = std::accumulate(scores.back().begin(), scores.back().end(), 0.0) / static_cast<double>(held.num_rewards());
    }
    row.bic = static_cast<double>(row.num_parameters) * std::log(static_cast<double>(source.num_rewards())) - 2 * row.log_likelihood;
    out.table.push_back(row);
  }
  if (held_out) {
    out.best = best_held_out(out.table, scores, static_cast<double>(held.num_rewards()));
  } else {
    out.best = std::min_element(out.table.begin(), out.table.end(), [](const auto& a, const auto& b) { return a.bic < b.bic; })->num_states;
  }
  return out;
}

}  // namespace attune::people
