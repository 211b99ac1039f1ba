#include "people/evaluate.h"

#include <algorithm>

#include "core/error.h"

namespace attune::people {

std::vector<double> Evaluation::values(double stats::RankingMetrics::* metric) const {
  std::vector<double> out;
  for (const auto& m : metrics) out.push_back(m.*metric);
  return out;
}

double Evaluation::mean(double stats::RankingMetrics::* metric) const {
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
    if (!relevant[u].empty()) out.users.push_back(u);
    if (relevant[u].empty() && has_held_out[u] != 0) ++out.num_skipped;
  }
  check(!out.users.empty(), ErrorCode::kInvalidArgument, "[evaluate] no user has a held-out rating of at least ", options.relevant_rating);
  out.metrics.resize(out.users.size());
  pool.for_ranges(static_cast<int64_t>(out.users.size()), 8, [&](int64_t begin, int64_t end) {
    std::vector<float> scores(static_cast<size_t>(num_items));
    std::vector<uint8_t> seen(static_cast<size_t>(num_items));
    for (int64_t n = begin; n < end; ++n) {
      const auto& mine = history[out.users[n]];
      ranker.score_user(UserIndex(out.users[n]), mine, scores);
      std::fill(seen.begin(), seen.end(), uint8_t{0});
      for (const auto& r : mine) seen[r.item.value] = 1;
      out.metrics[n] = stats::ranking_metrics(stats::top_k(scores, options.k, seen), relevant[out.users[n]], options.k);
    }
  });
  return out;
}

}  // namespace attune::people
