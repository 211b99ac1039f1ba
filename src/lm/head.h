// The output head: logits of all tokens, or only the best ones without reading the whole head (docs/methods/gemma3.md, "Head screening").
//
// A Q8_0 weight is q + 128 = 16 high + low, and the quantised hidden state h = c + f of values and refinements (kernels/kernels.h). The high planes
// and c alone give every logit up to
//   |error| <= z * (||h|| * spread[row] + ||f|| * largest_high),   spread = ||d (low - 7.5)|| / sqrt(D).
// With z = sqrt(D) this is the Cauchy-Schwarz inequality: a proof (`proof`). With the default z = 8 it is a statistical bound: the largest error seen
// was 5.6; the engine audits one step in 1,000 against the full head and counts misses.
// Two thresholds: t0, a K-th largest approximation, gives K rows and more whose exact logits are computed; the K-th largest of those, T, decides
// which other rows can matter. What can matter is computed exactly, by the kernel that computes the full head, so that ids and bits are those
// of the full head.
// One caller at a time. Memory: num_rows * V floats.
#pragma once

#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/kernels.h"
#include "lm/sampler.h"
#include "lm/token_constraint.h"
#include "lm/weights.h"

namespace attune::lm {

struct HeadOptions {
  double z = 8;  ///< standard deviations of the statistical bound
  bool proof = false;  ///< the Cauchy-Schwarz factor instead of z
};

struct HeadCounts {
  int64_t screened = 0;  ///< hidden states whose best tokens were found by screening
  int64_t exact_rows = 0;  ///< rows of the head computed exactly for them
};

class Head {
 public:
  Head(bool fast, ThreadPool& pool) : fast_(fast), pool_(pool), ops_(kernels::ops()) {}

  /// logits [num_rows, V] = hidden [num_rows, D] times the head. Reads all of it.
  void logits(const Weights& weights, std::span<const float> hidden, int64_t num_rows, float* out);

  /// True if `best` can find k tokens a row: fast arithmetic, a Q8_0 head, k up to a quarter of its groups of 64 rows.
  bool can_screen(const Weights& weights, int64_t k) const noexcept;
  /// Hidden states of which more than one token is wanted: for a larger batch the whole head costs less than the many parts of it that
  /// screening leaves. Measured on two cores; the dot products of AVX-512 VNNI are cheap against reading memory here and there.
  int64_t max_screened_rows() const noexcept { return ops_.isa == kernels::Isa::kAvx512 ? 4 : 12; }
  /// The k[t] best tokens of each hidden state without those of `excluded`, in the order of `better`. Reads half of the head.
  /// allowed[t]: bits of the tokens that count for that row (lm/token_constraint.h); empty: all. Fewer than k[t] come out if fewer are allowed.
  void best(const Weights& weights, std::span<const float> hidden, std::span<const int64_t> k, std::span<const int32_t> excluded,
            const HeadOptions& options, std::vector<std::vector<Candidate>>& out, std::span<const std::span<const uint64_t>> allowed = {});

  const HeadCounts& counts() const noexcept { return counts_; }

 private:
  struct Row;
  bool is_fast(const Weights& weights) const noexcept { return fast_ && !weights.f32_activations(); }
  void approximate(const Weights& weights, int64_t num_rows, std::span<const int32_t> excluded,
                   std::span<const std::span<const uint64_t>> allowed);
  void compute_exactly(const Matrix& head, std::span<Row> rows);

  bool fast_;
  ThreadPool& pool_;
  const kernels::Ops& ops_;
  HeadCounts counts_;
  std::vector<std::byte> quantised_;
  std::vector<float> approx_;  // [num_rows, V]; -inf where a token is excluded
  std::vector<float> group_max_;  // [num_rows, groups]
  std::vector<float> exact_;  // [panels asked for, 16]
};

}  // namespace attune::lm
