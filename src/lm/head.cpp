#include "lm/head.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/pack.h"
#include "lm/product.h"

namespace attune::lm {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();
constexpr int64_t kPanel = kernels::kPanelRows;

/// The k-th largest of the values; -inf if there are fewer. Changes their order.
template <class Value, class Greater>
Value kth_largest(std::vector<Value>& values, int64_t k, Value fallback, const Greater& greater) {
  if (static_cast<int64_t>(values.size()) < k) return fallback;
  std::nth_element(values.begin(), values.begin() + (k - 1), values.end(), greater);
  return values[static_cast<size_t>(k - 1)];
}

}  // namespace

/// One hidden state's search.
struct Head::Row {
  int64_t t;                        // index in the batch
  int64_t k;
  double margin;                    // z ||h||
  double slack;                     // for the refinements, and the rounding of both sums
  std::vector<int32_t> asked;       // panels to compute now
  std::vector<bool> done;           // [panels]
  std::vector<Candidate> found;     // exact
  std::vector<float> scratch;

  void ask(int64_t panel) {
    if (done[static_cast<size_t>(panel)]) return;
    done[static_cast<size_t>(panel)] = true;
    asked.push_back(static_cast<int32_t>(panel));
  }
};

void Head::logits(const Weights& weights, std::span<const float> hidden, int64_t num_rows, float* out) {
  const Product head[] = {{&weights.head(), out}};
  multiply(ops_, pool_, is_fast(weights), hidden.data(), num_rows, head, quantised_);
}

bool Head::can_screen(const Weights& weights, int64_t k) const noexcept {
  return is_fast(weights) && k > 0 && k <= static_cast<int64_t>(weights.head_spread().group.size()) / 4;
}

void Head::approximate(const Weights& weights, int64_t num_rows, std::span<const int32_t> excluded,
                       std::span<const std::span<const uint64_t>> allowed) {
  const Matrix& head = weights.head();
  const int64_t v = head.rows, groups = static_cast<int64_t>(weights.head_spread().group.size());
  if (static_cast<int64_t>(approx_.size()) < num_rows * v) approx_.resize(static_cast<size_t>(num_rows * v));
  if (static_cast<int64_t>(group_max_.size()) < num_rows * groups) group_max_.resize(static_cast<size_t>(num_rows * groups));
  const int64_t piece = rows_per_piece(v);
  static_assert(rows_per_piece(1) % kHeadGroup == 0);
  pool_.for_ranges(v, piece, [&](int64_t begin, int64_t end) {
    ops_.gemm_q8_high(head.panel(begin), end - begin, head.cols, quantised_.data(), num_rows, approx_.data() + begin, v);
    for (int64_t t = 0; t < num_rows; ++t) {
      float* row = approx_.data() + t * v;
      for (const int32_t id : excluded) {
        if (id >= begin && id < end) row[id] = kImpossible;
      }
      if (!allowed.empty() && !allowed[static_cast<size_t>(t)].empty()) {
        mask_logits(allowed[static_cast<size_t>(t)].subspan(static_cast<size_t>(begin) / 64),
                    {row + begin, static_cast<size_t>(end - begin)});
      }
      for (int64_t first = begin; first < end; first += kHeadGroup) {
        const int64_t last = std::min(end, first + kHeadGroup);
        float lanes[4] = {kImpossible, kImpossible, kImpossible, kImpossible};
        int64_t r = first;
        for (; r + 4 <= last; r += 4) {
          for (int i = 0; i < 4; ++i) lanes[i] = std::max(lanes[i], row[r + i]);
        }
        for (; r < last; ++r) lanes[0] = std::max(lanes[0], row[r]);
        group_max_[static_cast<size_t>(t * groups + first / kHeadGroup)] = std::max({lanes[0], lanes[1], lanes[2], lanes[3]});
      }
    }
  });
}

void Head::compute_exactly(const Matrix& head, std::span<Row> rows) {
  struct Task {
    Row* row;
    int32_t panel;
  };
  std::vector<Task> tasks;
  for (Row& row : rows) {
    for (const int32_t panel : row.asked) tasks.push_back({&row, panel});
  }
  exact_.resize(tasks.size() * kPanel);
  const int64_t row_size = kernels::q8_row_bytes(head.cols);
  pool_.for_ranges(static_cast<int64_t>(tasks.size()), 32, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Task& task = tasks[static_cast<size_t>(i)];
      const int64_t first = int64_t{task.panel} * kPanel;
      ops_.gemm_q8(head.dtype, head.panel(first), std::min(kPanel, head.rows - first), head.cols,
                   quantised_.data() + task.row->t * row_size, 1, exact_.data() + i * kPanel, kPanel);
    }
  });
  size_t at = 0;
  for (Row& row : rows) {
    counts_.exact_rows += static_cast<int64_t>(row.asked.size()) * kPanel;
    for (const int32_t panel : row.asked) {
      const int64_t first = int64_t{panel} * kPanel;
      for (int64_t r = first; r < std::min(first + kPanel, head.rows); ++r) {
        const bool excluded = approx_[static_cast<size_t>(row.t * head.rows + r)] == kImpossible;
        if (!excluded) row.found.push_back({exact_[at + static_cast<size_t>(r - first)], static_cast<int32_t>(r)});
      }
      at += kPanel;
    }
    row.asked.clear();
  }
}

void Head::best(const Weights& weights, std::span<const float> hidden, std::span<const int64_t> k, std::span<const int32_t> excluded,
                const HeadOptions& options, std::vector<std::vector<Candidate>>& out, std::span<const std::span<const uint64_t>> allowed) {
  const Matrix& head = weights.head();
  const HeadSpread& spread = weights.head_spread();
  const auto num_rows = static_cast<int64_t>(k.size());
  const int64_t v = head.rows, groups = static_cast<int64_t>(spread.group.size());
  const double sqrt_d = std::sqrt(static_cast<double>(head.cols));
  quantise_rows(ops_, pool_, hidden.data(), num_rows, head.cols, quantised_);
  approximate(weights, num_rows, excluded, allowed);

  std::vector<Row> rows(static_cast<size_t>(num_rows));
  const auto each = [&](auto&& body) { pool_.run(static_cast<int>(num_rows), [&](int t) { body(rows[static_cast<size_t>(t)]); }); };
  const auto group_max = [&](const Row& row, int64_t g) { return group_max_[static_cast<size_t>(row.t * groups + g)]; };
  const auto ask_rows = [&](Row& row, int64_t g, auto&& matters) {
    const float* approx = approx_.data() + row.t * v;
    for (int64_t r = g * kHeadGroup; r < std::min(v, (g + 1) * kHeadGroup); ++r) {
      if (approx[r] != kImpossible && matters(approx[r], r)) row.ask(r / kPanel);
    }
  };
  for (int64_t t = 0; t < num_rows; ++t) {
    Row& row = rows[static_cast<size_t>(t)];
    row.t = t;
    row.k = k[static_cast<size_t>(t)];
  }
  each([&](Row& row) {
    const std::byte* quantised = quantised_.data() + row.t * kernels::q8_row_bytes(head.cols);
    const double norm = kernels::q8_norm(quantised, head.cols);
    if (!std::isfinite(norm)) {  // whatever is drawn from it fails with its reason
      row.k = 1;
      row.found = {{std::numeric_limits<float>::quiet_NaN(), 0}};
      return;
    }
    const double z = options.proof ? sqrt_d : options.z;
    row.margin = norm * z;
    // Rounding: both sums err by less than 2e-7 of the sum of magnitudes, at most ||h|| ||w|| with |w| <= 128 d.
    row.slack =
        z * kernels::q8_refinement_norm(quantised, head.cols) * spread.largest_high + 4e-7 * norm * 128 * spread.largest_scale * sqrt_d;
    row.done.assign(static_cast<size_t>((v + kPanel - 1) / kPanel), false);
    row.scratch.assign(group_max_.begin() + row.t * groups, group_max_.begin() + (row.t + 1) * groups);
    const float t0 = kth_largest(row.scratch, row.k, kImpossible, std::greater<>());
    for (int64_t g = 0; g < groups; ++g) {
      if (group_max(row, g) >= t0) ask_rows(row, g, [&](float approx, int64_t) { return approx >= t0; });
    }
  });
  compute_exactly(head, rows);
  each([&](Row& row) {
    if (row.done.empty()) return;
    std::vector<Candidate> copy = row.found;
    const double threshold = kth_largest(copy, row.k, {kImpossible, 0}, better).logit;
    for (int64_t g = 0; g < groups; ++g) {
      if (group_max(row, g) + row.margin * spread.group[static_cast<size_t>(g)] + row.slack < threshold) continue;
      ask_rows(row, g,
               [&](float approx, int64_t r) { return approx + row.margin * spread.row[static_cast<size_t>(r)] + row.slack >= threshold; });
    }
  });
  compute_exactly(head, rows);
  out.resize(static_cast<size_t>(num_rows));
  each([&](Row& row) {
    const auto keep = std::min<std::ptrdiff_t>(row.k, static_cast<std::ptrdiff_t>(row.found.size()));
    std::partial_sort(row.found.begin(), row.found.begin() + keep, row.found.end(), better);
    row.found.resize(static_cast<size_t>(keep));
    out[static_cast<size_t>(row.t)] = std::move(row.found);
  });
  counts_.screened += num_rows;
}

}  // namespace attune::lm
