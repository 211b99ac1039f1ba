#include "people/evaluate.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <string>

#include "core/error.h"

namespace attune::people {

std::vector<double> Evaluation::values(double UserMetrics::* metric) const {
  std::vector<double> out;
  for (const auto& m : metrics) out.push_back(m.*metric);
  return out;
}

double Evaluation::mean(double UserMetrics::* metric) const {
  double sum = 0;
  for (const auto& m : metrics) sum += m.*metric;
  return metrics.empty() ? 0 : sum / static_cast<double>(metrics.size());
}

std::vector<std::vector<RatedItem>> histories(std::span<const data::Interaction> ratings, int32_t num_users) {
  std::vector<std::vector<RatedItem>> out(static_cast<size_t>(num_users));
  for (const auto& r : ratings) out.at(static_cast<size_t>(r.user.value)).push_back({r.item, r.rating});
  for (auto& list : out) std::sort(list.begin(), list.end(), [](const RatedItem& a, const RatedItem& b) { return a.item < b.item; });
  return out;
}

namespace {

/// Genres of every item as rising numbers.
std::vector<std::vector<int32_t>> genre_numbers(std::span<const data::ItemInfo> items) {
  std::map<std::string, int32_t> numbers;
  std::vector<std::vector<int32_t>> out;
  for (const auto& item : items) {
    auto& mine = out.emplace_back();
    for (const auto& genre : item.genres) mine.push_back(numbers.try_emplace(genre, static_cast<int32_t>(numbers.size())).first->second);
    std::sort(mine.begin(), mine.end());
    mine.erase(std::unique(mine.begin(), mine.end()), mine.end());
  }
  return out;
}

double difference(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  std::vector<int32_t> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  const size_t either = a.size() + b.size() - both.size();
  return either == 0 ? 0 : 1 - static_cast<double>(both.size()) / static_cast<double>(either);
}

double diversity_of(const std::vector<int32_t>& list, const std::vector<std::vector<int32_t>>& genres) {
  double sum = 0;
  double pairs = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    for (size_t j = i + 1; j < list.size(); ++j) {
      sum += difference(genres[static_cast<size_t>(list[i])], genres[static_cast<size_t>(list[j])]);
      pairs += 1;
    }
  }
  return pairs > 0 ? sum / pairs : 0;
}

/// -log2 of the share of users who rated the item, by item.
std::vector<double> surprises(const std::vector<std::vector<RatedItem>>& history, int32_t num_items) {
  std::vector<double> out(static_cast<size_t>(num_items), 0);
  for (const auto& list : history) {
    for (const auto& r : list) out.at(static_cast<size_t>(r.item.value)) += 1;
  }
  for (auto& value : out) value = -std::log2(std::max(1.0, value) / static_cast<double>(history.size()));
  return out;
}

double novelty_of(const std::vector<int32_t>& list, const std::vector<double>& surprise) {
  double sum = 0;
  for (const int32_t item : list) sum += surprise[static_cast<size_t>(item)];
  return list.empty() ? 0 : sum / static_cast<double>(list.size());
}

double auc_of(std::span<const float> scores, const std::vector<int32_t>& relevant, std::span<const RatedItem> mine) {
  std::vector<int32_t> seen;
  for (const auto& r : mine) seen.push_back(r.item.value);
  return seen.size() + relevant.size() < scores.size() ? stats::auc(scores, relevant, seen) : 0.5;
}

void add_catalogue_metrics(Evaluation& out, int32_t num_items) {
  out.coverage = stats::catalogue_coverage(out.lists, num_items);
  std::vector<int64_t> shown(static_cast<size_t>(num_items), 0);
  for (const auto& list : out.lists) {
    for (const int32_t item : list) ++shown[static_cast<size_t>(item)];
  }
  out.gini = stats::gini(shown);
}

}  // namespace

Evaluation evaluate_ranking(const Ranker& ranker, const std::vector<std::vector<RatedItem>>& history,
                            std::span<const data::Interaction> held_out, int32_t num_items, ThreadPool& pool,
                            const EvaluationOptions& options) {
  const auto num_users = static_cast<int32_t>(history.size());
  std::vector<std::vector<int32_t>> relevant(history.size());
  std::vector<uint8_t> has_held_out(history.size(), 0);
  for (const auto& r : held_out) {
    has_held_out.at(static_cast<size_t>(r.user.value)) = 1;
    if (r.rating >= options.relevant_rating) relevant[r.user.value].push_back(r.item.value);
  }
  Evaluation out;
  for (int32_t u = 0; u < num_users; ++u) {
    if (has_held_out[u] == 0) continue;
    if (relevant[u].empty()) {
      ++out.num_skipped;
    } else if (history[u].empty()) {
      ++out.num_without_history;
    } else {
      out.users.push_back(u);
      out.history_size.push_back(static_cast<int64_t>(history[u].size()));
    }
  }
  check(!out.users.empty(), ErrorCode::kInvalidArgument, "[evaluate] no user has a held-out rating of at least ", options.relevant_rating,
        " and a rating to go by (", out.num_skipped, " have none that is relevant, ", out.num_without_history, " none to go by)");
  check(options.items.empty() || options.items.size() == static_cast<size_t>(num_items), ErrorCode::kInvalidArgument, "[evaluate] data of ",
        options.items.size(), " items, expected ", num_items);
  out.metrics.resize(out.users.size());
  out.lists.resize(out.users.size());
  const auto genres = genre_numbers(options.items);
  const auto surprise = surprises(history, num_items);
  pool.for_ranges(static_cast<int64_t>(out.users.size()), 8, [&](int64_t begin, int64_t end) {
    std::vector<float> scores(static_cast<size_t>(num_items));
    std::vector<uint8_t> seen(static_cast<size_t>(num_items));
    for (int64_t n = begin; n < end; ++n) {
      const auto& mine = history[out.users[n]];
      ranker.score_user(UserIndex(out.users[n]), mine, scores);
      std::fill(seen.begin(), seen.end(), uint8_t{0});
      for (const auto& r : mine) seen[r.item.value] = 1;
      auto& list = out.lists[n];
      list = stats::top_k(scores, options.k, seen);
      UserMetrics& m = out.metrics[n];
      static_cast<stats::RankingMetrics&>(m) = stats::ranking_metrics(list, relevant[out.users[n]], options.k);
      m.auc = auc_of(scores, relevant[out.users[n]], mine);
      m.novelty = novelty_of(list, surprise);
      if (!genres.empty()) m.diversity = diversity_of(list, genres);
    }
  });
  add_catalogue_metrics(out, num_items);
  return out;
}

}  // namespace attune::people
