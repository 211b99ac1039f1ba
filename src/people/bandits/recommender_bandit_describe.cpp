// What states are called: typical items and genres, names.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "core/error.h"
#include "people/bandits/recommender_bandit_internal.h"

namespace attune::people {
namespace {

constexpr size_t kTypicalItems = 8;
constexpr size_t kTypicalGenres = 3;
constexpr size_t kGenreItems = 50;  // of a state, that its genres are counted on; at most a fifth of the items
constexpr double kGenrePseudo = 8;
constexpr double kLeastGenreLift = 1.15;
constexpr double kLeastGenreShare = 0.12;  // of the items that it is counted on
constexpr int64_t kTypicalRatings = 20;  // an item needs as many to be typical (fewer where that leaves fewer than half of the items)

/// Scores that say how typical an item is for a state: its affinity to the state beyond what the mean state's affinity foretells (states of
/// people who like much would otherwise claim all items), in standard deviations over the items.
class Describer {
 public:
  Describer(const Recommender& recommender, const std::vector<double>& affinity, const std::vector<double>& share, double slope,
            double offset)
      : recommender_(recommender), affinity_(affinity), share_(share), slope_(slope), offset_(offset) {
    find_eligible();
    double total = 0;
    for (const size_t i : eligible_) {
      mean_.push_back(0);
      for (size_t z = 0; z < share_.size(); ++z) mean_.back() += share_[z] * affinity_[i * share_.size() + z];
      for (const auto& genre : genres_of(i)) {
        base_[genre] += 1;
        total += 1;
      }
    }
    for (auto& [genre, count] : base_) count /= total;
    for (size_t z = 0; z < share_.size(); ++z) score_.push_back(scores(z));
  }

  /// States choose in turn, each its most typical item that is not taken.
  std::vector<std::vector<TypicalItem>> items() const {
    std::vector<std::vector<TypicalItem>> out(share_.size());
    std::vector<std::vector<size_t>> order;
    for (size_t z = 0; z < share_.size(); ++z) order.push_back(ranked(z, eligible_.size()));
    std::vector<uint8_t> taken(eligible_.size(), 0);
    std::vector<size_t> next(share_.size(), 0);
    for (size_t turn = 0; turn < kTypicalItems; ++turn) {
      for (size_t z = 0; z < share_.size(); ++z) {
        while (next[z] < order[z].size() && taken[order[z][next[z]]] != 0) ++next[z];
        if (next[z] == order[z].size()) continue;
        const size_t e = order[z][next[z]];
        taken[e] = 1;
        const double s = affinity_[eligible_[e] * share_.size() + z];
        out[z].push_back({ItemIndex(static_cast<int32_t>(eligible_[e])), offset_ + slope_ * s, slope_ * (s - mean_[e])});
      }
    }
    return out;
  }

  /// Genres that are more frequent among the state's most typical items than among all, the most surprising first.
  std::vector<TypicalGenre> genres(size_t state) const {
    std::map<std::string, double> count;
    double total = 0;
    const auto items = ranked(state, std::min(kGenreItems, std::max(kTypicalItems, eligible_.size() / 5)));
    for (const size_t e : items) {
      for (const auto& genre : genres_of(eligible_[e])) {
        count[genre] += 1;
        total += 1;
      }
    }
    std::vector<std::pair<double, TypicalGenre>> found;
    for (const auto& [genre, n] : count) {
      const double base = base_.at(genre);
      const double lift = (n + kGenrePseudo * base) / ((total + kGenrePseudo) * base);
      if (lift >= kLeastGenreLift && n >= kLeastGenreShare * static_cast<double>(items.size()))
        found.push_back({(n - total * base) / std::sqrt(total * base), {genre, lift}});
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    std::vector<TypicalGenre> out;
    for (size_t k = 0; k < std::min(kTypicalGenres, found.size()); ++k) out.push_back(found[k].second);
    return out;
  }

 private:
  /// Items with enough ratings; with few such, the bar is lowered.
  void find_eligible() {
    const auto num_items = static_cast<size_t>(recommender_.items().size());
    for (int64_t least = kTypicalRatings;; least /= 2) {
      eligible_.clear();
      for (size_t i = 0; i < num_items; ++i) {
        if (recommender_.popularity(ItemIndex(static_cast<int32_t>(i))) >= std::max<int64_t>(1, least)) eligible_.push_back(i);
      }
      if (least <= 1 || eligible_.size() >= std::min(num_items / 2, 4 * kGenreItems)) return;
    }
  }
  const std::vector<std::string>& genres_of(size_t item) const { return recommender_.item(ItemIndex(static_cast<int32_t>(item))).genres; }

  std::vector<double> scores(size_t state) const {
    double sum_s = 0, sum_m = 0, sum_sm = 0, sum_mm = 0;
    const auto n = static_cast<double>(eligible_.size());
    std::vector<double> out;
    for (size_t e = 0; e < eligible_.size(); ++e) {
      const double s = affinity_[eligible_[e] * share_.size() + state], m = mean_[e];
      out.push_back(s);
      sum_s += s;
      sum_m += m;
      sum_sm += s * m;
      sum_mm += m * m;
    }
    const double spread = sum_mm - sum_m * sum_m / n;
    const double slope = spread > 0 ? (sum_sm - sum_s * sum_m / n) / spread : 0;
    double squares = 0;
    for (size_t e = 0; e < out.size(); ++e) {
      out[e] -= sum_s / n + slope * (mean_[e] - sum_m / n);
      squares += out[e] * out[e];
    }
    const double sd = std::sqrt(squares / n);
    for (double& x : out) x = sd > 0 ? x / sd : 0;
    return out;
  }
  /// Places in eligible_ by score, the `count` highest.
  std::vector<size_t> ranked(size_t state, size_t count) const {
    std::vector<size_t> order(eligible_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto& score = score_[state];
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
    order.resize(std::min(count, order.size()));
    return order;
  }

  const Recommender& recommender_;
  const std::vector<double>& affinity_;
  const std::vector<double>& share_;
  double slope_;
  double offset_;
  std::vector<size_t> eligible_;  ///< item rows
  std::vector<double> mean_;  ///< of each eligible item over the states
  std::map<std::string, double> base_;  ///< share of each genre among the eligible items' genres
  std::vector<std::vector<double>> score_;  ///< [Z] of eligible items
};

/// "Drama, War", made unique by the first typical item that helps, else by number.
void name_states(std::vector<LatentStateInfo>& states, const Recommender& recommender) {
  std::set<std::string> used;
  for (size_t z = 0; z < states.size(); ++z) {
    LatentStateInfo& state = states[z];
    for (size_t g = 0; g < std::min<size_t>(2, state.genres.size()); ++g) state.name += (g > 0 ? ", " : "") + state.genres[g].genre;
    if (state.name.empty()) state.name = cat("Mood ", z + 1);
    if (!used.contains(state.name) || state.items.empty()) {
      if (!used.insert(state.name).second) used.insert(state.name = cat(state.name, " ", z + 1));
      continue;
    }
    const std::string longer = cat(state.name, ", like ", recommender.item(state.items.front().item).display_title);
    state.name = used.contains(longer) ? cat(longer, " ", z + 1) : longer;
    used.insert(state.name);
  }
}

}  // namespace

std::vector<LatentStateInfo> describe_states(const Recommender& recommender, const std::vector<double>& affinity,
                                             const std::vector<double>& share, double slope, double offset) {
  const Describer describer(recommender, affinity, share, slope, offset);
  std::vector<LatentStateInfo> out;
  auto items = describer.items();
  for (size_t z = 0; z < share.size(); ++z) out.push_back({{}, share[z], 0, std::move(items[z]), describer.genres(z)});
  name_states(out, recommender);
  return out;
}

}  // namespace attune::people
