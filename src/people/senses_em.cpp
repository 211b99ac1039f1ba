// EM for senses on one table of pairs; splits and permutations.
#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "people/als_kernels_internal.h"
#include "people/senses_internal.h"
#include "people/vector_internal.h"

namespace attune::people {
namespace {

constexpr double kRidge = 0.05;  // of the mean variance, added before the covariance is inverted

std::vector<float> random_direction(int d, Rng& rng) {
  std::vector<float> out(static_cast<size_t>(d));
  for (auto& value : out) value = static_cast<float>(rng.normal());
  return out;
}

/// Rows `values` in two halves after a shuffle.
std::pair<std::vector<ItemIndex>, std::vector<ItemIndex>> halves_of(std::vector<ItemIndex> values, bool larger_first, Rng& rng) {
  shuffle(values, rng);
  const size_t middle = (values.size() + (larger_first ? 1 : 0)) / 2;
  return {{values.begin(), values.begin() + static_cast<int64_t>(middle)}, {values.begin() + static_cast<int64_t>(middle), values.end()}};
}

std::vector<PairExample> product(std::vector<ItemIndex> tagged, std::vector<ItemIndex> others, UserIndex user, const SenseOptions& options,
                                 Rng& rng) {
  std::sort(tagged.begin(), tagged.end());
  std::sort(others.begin(), others.end());
  return user_pairs({user, std::move(tagged), std::move(others), {}}, {options.cav.max_per_side, false, options.max_test_pairs}, rng);
}

/// Graded pairs inside each of two random halves of the items they name.
void split_graded(const UserTags& user, const SenseOptions& options, Rng& rng, std::vector<PairExample>& first,
                  std::vector<PairExample>& second) {
  std::set<ItemIndex> items;
  for (const auto& pair : user.pairs) {
    items.insert(pair.better);
    items.insert(pair.worse);
  }
  auto [left, right] = halves_of({items.begin(), items.end()}, true, rng);
  const std::set<ItemIndex> in_left(left.begin(), left.end());
  for (const auto& pair : user.pairs) {
    if (in_left.contains(pair.better) != in_left.contains(pair.worse)) continue;
    (in_left.contains(pair.better) ? first : second).push_back(pair);
  }
  for (auto* pairs : {&first, &second}) {
    shuffle(*pairs, rng);
    if (options.max_test_pairs > 0) pairs->resize(std::min(pairs->size(), static_cast<size_t>(options.max_test_pairs)));
  }
}

/// log(1 + exp(x)) from a table with linear interpolation, error below 1e-5.
float softplus(float x) {
  static constexpr int kSteps = 128;  // a unit of x
  static constexpr int kEnd = 16;
  static const std::vector<float> table = [] {
    std::vector<float> out;
    for (int i = 0; i <= kSteps * kEnd + 1; ++i) out.push_back(std::log1p(std::exp(-static_cast<float>(i) / kSteps)));
    return out;
  }();
  const float place = std::min(std::abs(x), static_cast<float>(kEnd)) * kSteps;
  const auto i = static_cast<size_t>(place);
  const float rest = table[i] + (place - static_cast<float>(i)) * (table[i + 1] - table[i]);
  return std::max(x, 0.0F) + rest;
}

}  // namespace

PairTable::PairTable(const ItemSpace& space, UserPairs pairs) : d_(space.d()), pairs_(std::move(pairs)) {
  const auto d = static_cast<size_t>(d_);
  std::unordered_map<int32_t, int32_t> local;
  const auto add = [&](ItemIndex item) {
    const auto [place, added] = local.try_emplace(item.value, static_cast<int32_t>(local.size()));
    if (added) {
      const auto row = space.row(item);
      double squares = 0;
      for (const float x : row) squares += static_cast<double>(x) * x;
      const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
      for (const float x : row) unit_rows_.push_back(static_cast<float>(x * scale));
      norms_.push_back(static_cast<float>(std::sqrt(squares)));
    }
    return place->second;
  };
  sums_.assign(pairs_.size() * d, 0);
  std::map<ItemIndex, double> coefficient;
  for (size_t u = 0; u < pairs_.size(); ++u) {
    begin_.push_back(better_.size());
    coefficient.clear();
    for (const auto& pair : pairs_[u]) {
      better_.push_back(add(pair.better));
      worse_.push_back(add(pair.worse));
      coefficient[pair.better] += pair.strength;
      coefficient[pair.worse] -= pair.strength;
    }
    for (const auto& [item, c] : coefficient) {
      const auto row = space.row(item);
      for (size_t k = 0; k < d; ++k) sums_[u * d + k] += c * row[k];
    }
  }
  begin_.push_back(better_.size());
  whiten_sums(space);
}

void PairTable::whiten_sums(const ItemSpace& space) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Matrix spread = Eigen::Map<const Matrix>(space.covariance().data(), d_, d_);
  spread.diagonal().array() += kRidge * spread.trace() / d_ + 1e-30;
  Eigen::Map<Matrix> sums(sums_.data(), static_cast<Eigen::Index>(num_users()), d_);
  const Eigen::LLT<Matrix> factor(spread);
  if (factor.info() == Eigen::Success) sums = factor.solve(sums.transpose()).transpose().eval();
}

std::vector<float> PairTable::cosines(std::span<const float> direction) const {
  std::vector<float> out(norms_.size());
  als_scores(unit_rows_.data(), static_cast<int64_t>(out.size()), d_, direction.data(), out.data());
  return out;
}

std::vector<double> PairTable::correct(std::span<const std::vector<float>> directions) const {
  const size_t senses = directions.size();
  std::vector<double> out(num_users() * senses, 0);
  for (size_t s = 0; s < senses; ++s) {
    const auto degree = cosines(directions[s]);
    for (size_t u = 0; u < num_users(); ++u) {
      double hits = 0;
      for (size_t n = begin_[u]; n < begin_[u + 1]; ++n) {
        const float difference = degree[static_cast<size_t>(better_[n])] - degree[static_cast<size_t>(worse_[n])];
        hits += difference > 0 ? 1 : difference == 0 ? 0.5 : 0;
      }
      out[u * senses + s] = hits;
    }
  }
  return out;
}

std::vector<float> PairTable::margins(std::span<const float> direction) const {
  auto degree = cosines(direction);
  for (size_t i = 0; i < degree.size(); ++i) degree[i] *= norms_[i];
  std::vector<float> out(num_pairs());
  for (size_t n = 0; n < out.size(); ++n) out[n] = degree[static_cast<size_t>(better_[n])] - degree[static_cast<size_t>(worse_[n])];
  return out;
}

std::vector<float> PairTable::slopes(std::span<const std::vector<float>> directions, std::span<const int32_t> sense) const {
  std::vector<float> out;
  for (size_t s = 0; s < directions.size(); ++s) {
    const auto margin = margins(directions[s]);
    double sum = 0, squares = 0, count = 0;
    for (size_t u = 0; u < num_users(); ++u) {
      if (sense[u] != static_cast<int32_t>(s)) continue;
      for (size_t n = begin_[u]; n < begin_[u + 1]; ++n) {
        sum += margin[n];
        squares += static_cast<double>(margin[n]) * margin[n];
        count += 1;
      }
    }
    const double mean = count > 0 ? sum / count : 0;
    const double variance = count > 0 ? squares / count - mean * mean : 0;
    out.push_back(variance > 0 ? static_cast<float>(std::max(2 * mean / variance, 0.0)) : 0.0F);
  }
  return out;
}

std::vector<double> PairTable::log_likelihood(std::span<const std::vector<float>> directions, std::span<const float> slopes) const {
  const size_t senses = directions.size();
  std::vector<double> out(num_users() * senses, 0);
  for (size_t s = 0; s < senses; ++s) {
    const auto margin = margins(directions[s]);
    for (size_t u = 0; u < num_users(); ++u) {
      float loss = 0;
      for (size_t n = begin_[u]; n < begin_[u + 1]; ++n) loss += softplus(-slopes[s] * margin[n]);
      out[u * senses + s] = -static_cast<double>(loss);
    }
  }
  return out;
}

std::vector<float> fit_discriminant(const PairTable& table, std::span<const double> user_weight) {
  std::vector<double> sum(static_cast<size_t>(table.d()), 0);
  for (size_t u = 0; u < table.num_users(); ++u) {
    if (user_weight[u] == 0) continue;
    const auto own = table.sum(u);
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += own[k];
  }
  const double norm = std::sqrt(dot(sum, sum));
  if (!(norm > 1e-30)) return {};
  std::vector<float> out;
  for (const double value : sum) out.push_back(static_cast<float>(value / norm));
  return out;
}

std::vector<double> user_scores(const PairTable& table, const EmState& state) {
  return state.slope.empty() ? table.correct(state.direction) : table.log_likelihood(state.direction, state.slope);
}

EmState run_em(const PairTable& table, std::vector<int32_t> start, int32_t senses, int32_t rounds, Assign assign, const SenseFit& fit,
               Rng& rng) {
  const auto count = static_cast<size_t>(senses);
  EmState best;
  std::vector<int32_t> now = std::move(start);
  for (int32_t round = 1; round <= rounds; ++round) {
    EmState state;
    for (int32_t s = 0; s < senses; ++s) {
      std::vector<double> weight(now.size());
      bool any = false;
      for (size_t u = 0; u < now.size(); ++u) {
        weight[u] = now[u] == s ? 1 : 0;
        any = any || (now[u] == s && table.has_pairs(u));
      }
      auto direction = any ? fit(table, weight) : std::vector<float>{};
      state.direction.push_back(direction.empty() ? random_direction(table.d(), rng) : std::move(direction));
    }
    if (assign == Assign::kLikelihood) state.slope = table.slopes(state.direction, now);
    const auto score = user_scores(table, state);
    state.sense = now;
    double total = 0;
    for (size_t u = 0; u < now.size(); ++u) {
      auto& own = state.sense[u];
      for (int32_t s = 0; s < senses; ++s) {  // a user moves only to a better sense
        if (score[u * count + static_cast<size_t>(s)] > score[u * count + static_cast<size_t>(own)]) own = s;
      }
      total += score[u * count + static_cast<size_t>(own)];
    }
    state.objective = table.num_pairs() > 0 ? total / static_cast<double>(table.num_pairs()) : 0;
    const bool moved = state.sense != now;
    now = state.sense;
    if (state.objective <= best.objective) break;
    best = std::move(state);
    if (round >= 2 && !moved) break;
  }
  return best;
}

std::vector<int32_t> dealt_start(size_t num_users, int32_t senses, Rng& rng) {
  std::vector<size_t> order(num_users);
  for (size_t u = 0; u < num_users; ++u) order[u] = u;
  shuffle(order, rng);
  std::vector<int32_t> out(num_users);
  for (size_t k = 0; k < num_users; ++k) out[order[k]] = static_cast<int32_t>(k % static_cast<size_t>(senses));
  return out;
}

std::vector<int32_t> spread_start(const PairTable& table, int32_t senses, Rng& rng) {
  std::vector<size_t> users;
  std::vector<double> norm(table.num_users());
  for (size_t u = 0; u < table.num_users(); ++u) {
    norm[u] = std::sqrt(dot(table.sum(u), table.sum(u)));
    if (norm[u] > 0) users.push_back(u);
  }
  if (users.size() < static_cast<size_t>(senses)) return dealt_start(table.num_users(), senses, rng);
  std::vector<int32_t> out(table.num_users(), 0);
  std::vector<double> nearest(table.num_users(), 4);  // squared distance 2 - 2 cos, at most 4
  size_t centre = users[rng.below(users.size())];
  for (int32_t s = 0; s < senses; ++s) {
    double total = 0;
    for (const size_t u : users) {
      const double distance = std::max(0.0, 2 - 2 * dot(table.sum(u), table.sum(centre)) / (norm[u] * norm[centre]));
      if (distance < nearest[u]) {
        nearest[u] = distance;
        out[u] = s;
      }
      total += nearest[u];
    }
    double mark = rng.uniform() * total;
    for (const size_t u : users) {
      centre = u;
      if ((mark -= nearest[u]) < 0) break;
    }
  }
  return out;
}

EmState best_start(const PairTable& table, int32_t senses, int32_t restarts, int32_t rounds, Assign assign, uint64_t seed,
                   const std::function<double(const EmState&)>& score) {
  EmState best;
  double best_score = 0;
  for (int32_t r = 0; r < restarts; ++r) {
    Rng rng(seed, cat("restart ", r, " of ", senses));
    auto state = run_em(table, spread_start(table, senses, rng), senses, rounds, assign, fit_discriminant, rng);
    const double value = score ? score(state) : state.objective;
    if (r == 0 || value > best_score) {
      best_score = value;
      best = std::move(state);
    }
    if (senses == 1) break;
  }
  return best;
}

Halves split_items(const AttributeData& attribute, const SenseOptions& options, uint64_t seed) {
  Halves out;
  for (size_t k = 0; k < attribute.users.size(); ++k) {
    const auto& user = attribute.users[k];
    Rng rng(seed, cat("halves ", user.user.value));
    std::vector<PairExample> first, second;
    if (!user.pairs.empty()) {
      split_graded(user, options, rng, first, second);
    } else if (user.tagged.size() >= 2 && user.others.size() >= 2) {
      const auto [tagged_a, tagged_b] = halves_of(user.tagged, rng.below(2) == 1, rng);
      const auto [others_a, others_b] = halves_of(user.others, rng.below(2) == 1, rng);
      first = product(tagged_a, others_a, user.user, options, rng);
      second = product(tagged_b, others_b, user.user, options, rng);
    }
    if (first.empty() || second.empty()) {
      first.clear();
      second.clear();
    }
    out.num_users += first.empty() ? 0 : 1;
    out.first.push_back(std::move(first));
    out.second.push_back(std::move(second));
  }
  return out;
}

std::vector<CrossFold> cross_folds(const ItemSpace& space, const AttributeData& attribute, const SenseOptions& options, int32_t num_folds,
                                   uint64_t seed) {
  Halves halves = split_items(attribute, options, seed);
  std::vector<size_t> tested;
  for (size_t u = 0; u < halves.first.size(); ++u) {
    if (!halves.first[u].empty()) tested.push_back(u);
  }
  if (tested.size() < static_cast<size_t>(std::max(options.min_users, 2))) return {};
  UserPairs all = attribute_pairs(attribute, {options.cav.max_per_side, false, options.max_test_pairs}, seed);
  Rng rng(seed, "user folds");
  shuffle(tested, rng);
  const size_t folds = std::min(tested.size(), static_cast<size_t>(num_folds));
  std::vector<CrossFold> out;
  for (size_t f = 0; f < folds; ++f) {
    UserPairs train = all;
    UserPairs first(all.size()), second(all.size());
    for (size_t k = f; k < tested.size(); k += folds) {
      train[tested[k]].clear();
      first[tested[k]] = halves.first[tested[k]];
      second[tested[k]] = halves.second[tested[k]];
    }
    out.push_back({PairTable(space, std::move(train)), PairTable(space, std::move(first)), PairTable(space, std::move(second))});
  }
  return out;
}

AttributeData permuted_within(const AttributeData& attribute, std::span<const int32_t> group, uint64_t seed) {
  std::map<int32_t, std::vector<size_t>> members;
  for (size_t u = 0; u < attribute.users.size(); ++u) members[group[u]].push_back(u);
  AttributeData out{attribute.name, attribute.users};
  for (const auto& [label, users] : members) {
    Rng rng(seed, cat("permutation ", label));
    std::vector<ItemIndex> tagged, others;
    std::vector<PairExample> pairs;
    for (const size_t u : users) {
      const auto& user = attribute.users[u];
      tagged.insert(tagged.end(), user.tagged.begin(), user.tagged.end());
      others.insert(others.end(), user.others.begin(), user.others.end());
      pairs.insert(pairs.end(), user.pairs.begin(), user.pairs.end());
    }
    shuffle(tagged, rng);
    shuffle(others, rng);
    shuffle(pairs, rng);
    for (const size_t u : users) {
      auto& user = out.users[u];
      const auto deal = [](auto& from, auto& to) {
        for (auto& value : to) {
          value = from.back();
          from.pop_back();
        }
      };
      deal(tagged, user.tagged);
      deal(others, user.others);
      deal(pairs, user.pairs);
      for (auto* items : {&user.tagged, &user.others}) {
        std::sort(items->begin(), items->end());
        items->erase(std::unique(items->begin(), items->end()), items->end());
      }
      std::erase_if(user.others, [&](ItemIndex item) { return std::binary_search(user.tagged.begin(), user.tagged.end(), item); });
    }
  }
  return out;
}

}  // namespace attune::people
