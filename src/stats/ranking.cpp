#include "stats/ranking.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace attune::stats {
namespace {

constexpr int kHeapRows = 256;  // above it, one selection over all rows

std::vector<int32_t> sorted_unique(std::span<const int32_t> rows, std::string_view what) {
  std::vector<int32_t> out(rows.begin(), rows.end());
  std::sort(out.begin(), out.end());
  const auto twice = std::adjacent_find(out.begin(), out.end());
  check(twice == out.end(), ErrorCode::kInvalidArgument, "[ranking metrics] ", what, " holds row ", twice == out.end() ? 0 : *twice,
        " twice");
  return out;
}

double check_pair(std::span<const double> a, std::span<const double> b, std::string_view operation) {
  check(!a.empty() && a.size() == b.size(), ErrorCode::kInvalidArgument, "[", operation,
        "] expected two arrays of one length above 0, found ", a.size(), " and ", b.size());
  return static_cast<double>(a.size());
}

}  // namespace

RankingMetrics ranking_metrics(std::span<const int32_t> ranked, std::span<const int32_t> relevant, int k) {
  check(k >= 1, ErrorCode::kInvalidArgument, "[ranking metrics] k is ", k, ", expected at least 1");
  check(!relevant.empty(), ErrorCode::kInvalidArgument, "[ranking metrics] no relevant item: the metrics are undefined");
  const auto truth = sorted_unique(relevant, "relevant");
  const auto head = ranked.first(std::min(ranked.size(), static_cast<size_t>(k)));
  sorted_unique(head, "ranked");

  RankingMetrics out;
  double dcg = 0;
  double sum_precision = 0;
  int hits = 0;
  for (size_t r = 0; r < head.size(); ++r) {
    if (!std::binary_search(truth.begin(), truth.end(), head[r])) continue;
    ++hits;
    const double rank = static_cast<double>(r + 1);
    dcg += 1.0 / std::log2(rank + 1.0);
    sum_precision += hits / rank;
    if (hits == 1) out.mrr = 1.0 / rank;
  }
  const int ideal_length = static_cast<int>(std::min(truth.size(), static_cast<size_t>(k)));
  double ideal = 0;
  for (int r = 1; r <= ideal_length; ++r) ideal += 1.0 / std::log2(r + 1.0);
  out.ndcg = dcg / ideal;
  out.recall = hits / static_cast<double>(truth.size());
  out.hit = hits > 0 ? 1 : 0;
  out.map = sum_precision / ideal_length;
  out.precision = hits / static_cast<double>(k);
  return out;
}

double auc(std::span<const float> scores, std::span<const int32_t> relevant, std::span<const int32_t> excluded) {
  const auto n = static_cast<int32_t>(scores.size());
  std::vector<uint8_t> kind(scores.size(), 0);  // 0 other, 1 relevant, 2 excluded
  const auto mark = [&](std::span<const int32_t> rows, uint8_t value) {
    for (const int32_t row : rows) {
      check(row >= 0 && row < n, ErrorCode::kInvalidArgument, "[auc] row ", row, " of ", n, " scores");
      kind[static_cast<size_t>(row)] = value;
    }
  };
  mark(relevant, 1);
  mark(excluded, 2);
  std::vector<float> good;
  for (int32_t row = 0; row < n; ++row) {
    check(!std::isnan(scores[row]), ErrorCode::kInvalidArgument, "[auc] score of row ", row, " is NaN");
    if (kind[row] == 1) good.push_back(scores[row]);
  }
  std::sort(good.begin(), good.end());
  double negatives = 0;
  double won = 0;
  for (int32_t row = 0; row < n; ++row) {
    if (kind[row] != 0) continue;
    const auto [below, above] = std::equal_range(good.begin(), good.end(), scores[row]);
    won += static_cast<double>(good.end() - above) + 0.5 * static_cast<double>(above - below);
    negatives += 1;
  }
  const auto positives = static_cast<double>(good.size());
  check(positives > 0 && negatives > 0, ErrorCode::kInvalidArgument, "[auc] expected both classes, found ", positives, " relevant and ",
        negatives, " other items");
  return won / (positives * negatives);
}

double gini(std::span<const int64_t> counts) {
  std::vector<int64_t> sorted(counts.begin(), counts.end());
  check(!sorted.empty(), ErrorCode::kInvalidArgument, "[gini] no counts");
  std::sort(sorted.begin(), sorted.end());
  check(sorted.front() >= 0, ErrorCode::kInvalidArgument, "[gini] count ", sorted.front(), ", expected at least 0");
  const auto n = static_cast<double>(sorted.size());
  double sum = 0;
  double weighted = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += static_cast<double>(sorted[i]);
    weighted += (2 * static_cast<double>(i + 1) - n - 1) * static_cast<double>(sorted[i]);
  }
  return sum > 0 ? weighted / (n * sum) : 0;
}

double rmse(std::span<const double> predicted, std::span<const double> actual) {
  const double n = check_pair(predicted, actual, "rmse");
  double sum = 0;
  for (size_t i = 0; i < predicted.size(); ++i) sum += (predicted[i] - actual[i]) * (predicted[i] - actual[i]);
  return std::sqrt(sum / n);
}

double mae(std::span<const double> predicted, std::span<const double> actual) {
  const double n = check_pair(predicted, actual, "mae");
  double sum = 0;
  for (size_t i = 0; i < predicted.size(); ++i) sum += std::abs(predicted[i] - actual[i]);
  return sum / n;
}

double catalogue_coverage(std::span<const std::vector<int32_t>> lists, int32_t catalogue_size) {
  check(catalogue_size > 0, ErrorCode::kInvalidArgument, "[catalogue coverage] the catalogue has ", catalogue_size, " items");
  std::vector<uint8_t> seen(static_cast<size_t>(catalogue_size), 0);
  for (const auto& list : lists) {
    for (const int32_t row : list) {
      check(row >= 0 && row < catalogue_size, ErrorCode::kInvalidArgument, "[catalogue coverage] row ", row, " of ", catalogue_size,
            " items");
      seen[static_cast<size_t>(row)] = 1;
    }
  }
  return std::accumulate(seen.begin(), seen.end(), 0.0) / catalogue_size;
}

std::vector<int32_t> top_k(std::span<const float> scores, int k, std::span<const uint8_t> excluded) {
  check(k >= 0, ErrorCode::kInvalidArgument, "[top k] k is ", k);
  check(excluded.empty() || excluded.size() == scores.size(), ErrorCode::kInvalidArgument, "[top k] ", scores.size(), " scores, ",
        excluded.size(), " exclusion marks");
  const auto usable = [&](size_t row) {
    return !std::isnan(scores[row]) && scores[row] > -INFINITY && (excluded.empty() || excluded[row] == 0);
  };
  const auto better = [&](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };
  std::vector<int32_t> rows;
  if (k >= 1 && k <= kHeapRows) {  // a heap with the worst row kept in front: few rows ever get past the comparison
    for (size_t n = 0; n < scores.size(); ++n) {
      const auto row = static_cast<int32_t>(n);
      const bool full = rows.size() == static_cast<size_t>(k);
      if ((full && !(scores[n] > scores[static_cast<size_t>(rows.front())])) || !usable(n)) continue;
      if (full) {
        std::pop_heap(rows.begin(), rows.end(), better);
        rows.back() = row;
      } else {
        rows.push_back(row);
      }
      std::push_heap(rows.begin(), rows.end(), better);
    }
    std::sort(rows.begin(), rows.end(), better);
    return rows;
  }
  rows.reserve(scores.size());
  for (size_t row = 0; row < scores.size(); ++row) {
    if (usable(row)) rows.push_back(static_cast<int32_t>(row));
  }
  const size_t count = std::min(rows.size(), static_cast<size_t>(k));
  if (count < rows.size()) std::nth_element(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count), rows.end(), better);
  rows.resize(count);
  std::sort(rows.begin(), rows.end(), better);
  return rows;
}

double pass_at_k(int n, int passed, int k) {
  check(n >= 1 && k >= 1 && k <= n && passed >= 0 && passed <= n, ErrorCode::kInvalidArgument, "[pass@k] n = ", n, ", passed = ", passed,
        ", k = ", k, ", expected 1 <= k <= n and 0 <= passed <= n");
  double none = 1;  // C(n - passed, k) / C(n, k) as a product
  for (int i = 0; i < k; ++i) none *= std::max(0.0, static_cast<double>(n - passed - i)) / (n - i);
  return 1 - none;
}

}  // namespace attune::stats
