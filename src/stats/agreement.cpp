#include "stats/agreement.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <vector>

#include "core/error.h"

namespace attune::stats {
namespace {

/// Ranks 1..n, equal values share their mean rank.
std::vector<double> mean_ranks(std::span<const float> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> out(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (size_t k = begin; k < end; ++k) out[order[k]] = 0.5 * static_cast<double>(begin + 1 + end);
    begin = end;
  }
  return out;
}

double pairs_of(double n) { return n * (n - 1) / 2; }

}  // namespace

double spearman(std::span<const float> a, std::span<const float> b) {
  check(a.size() == b.size() && a.size() >= 2, ErrorCode::kInvalidArgument, "[spearman] arrays of ", a.size(), " and ", b.size(),
        " values, expected one length of at least 2");
  for (const auto values : {a, b}) {
    check(std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); }), ErrorCode::kInvalidArgument,
          "[spearman] a value is not finite");
  }
  const auto x = mean_ranks(a);
  const auto y = mean_ranks(b);
  const double middle = 0.5 * static_cast<double>(a.size() + 1);
  double xy = 0, xx = 0, yy = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    xy += (x[k] - middle) * (y[k] - middle);
    xx += (x[k] - middle) * (x[k] - middle);
    yy += (y[k] - middle) * (y[k] - middle);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

double adjusted_rand_index(std::span<const int32_t> a, std::span<const int32_t> b) {
  check(a.size() == b.size() && !a.empty(), ErrorCode::kInvalidArgument, "[adjusted rand index] groupings of ", a.size(), " and ", b.size(),
        " things, expected the same number above 0");
  std::map<std::pair<int32_t, int32_t>, double> both;
  std::map<int32_t, double> of_a, of_b;
  for (size_t k = 0; k < a.size(); ++k) {
    both[{a[k], b[k]}] += 1;
    of_a[a[k]] += 1;
    of_b[b[k]] += 1;
  }
  double same = 0, same_a = 0, same_b = 0;
  for (const auto& [labels, count] : both) same += pairs_of(count);
  for (const auto& [label, count] : of_a) same_a += pairs_of(count);
  for (const auto& [label, count] : of_b) same_b += pairs_of(count);
  const double all = pairs_of(static_cast<double>(a.size()));
  const double expected = all > 0 ? same_a * same_b / all : 0;
  const double most = 0.5 * (same_a + same_b);
  return most - expected != 0 ? (same - expected) / (most - expected) : 1;
}

double graded_ndcg(std::span<const float> scores, std::span<const float> gains, int k) {
  check(scores.size() == gains.size() && k >= 1, ErrorCode::kInvalidArgument, "[graded ndcg] ", scores.size(), " scores, ", gains.size(),
        " gains, k = ", k, ", expected one length and k of at least 1");
  check(std::all_of(gains.begin(), gains.end(), [](float g) { return std::isfinite(g) && g >= 0; }), ErrorCode::kInvalidArgument,
        "[graded ndcg] a gain is negative or not finite");
  check(std::none_of(scores.begin(), scores.end(), [](float s) { return std::isnan(s); }), ErrorCode::kInvalidArgument,
        "[graded ndcg] a score is NaN");
  const auto sum = [&](std::span<const float> by) {
    std::vector<size_t> order(by.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return by[i] > by[j]; });
    double out = 0;
    for (size_t r = 0; r < std::min(order.size(), static_cast<size_t>(k)); ++r)
      out += gains[order[r]] / std::log2(static_cast<double>(r) + 2);
    return out;
  };
  const double best = sum(gains);
  check(best > 0, ErrorCode::kInvalidArgument, "[graded ndcg] no gain above 0: undefined");
  return sum(scores) / best;
}

double GradedAgreement::gamma() const noexcept {
  const auto up = static_cast<double>(agree - disagree + 2 * (agree_strongly - disagree_strongly));
  const auto all = static_cast<double>(agree + disagree + 2 * (agree_strongly + disagree_strongly));
  return all > 0 ? up / all : 0;
}

GradedAgreement& GradedAgreement::operator+=(const GradedAgreement& other) noexcept {
  agree += other.agree;
  disagree += other.disagree;
  agree_strongly += other.agree_strongly;
  disagree_strongly += other.disagree_strongly;
  return *this;
}

}  // namespace attune::stats
