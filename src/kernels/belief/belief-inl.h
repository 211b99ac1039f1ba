// Kernel text of batches of beliefs: plain loops over GNU vector types (no intrinsics), compiled once for each instruction set.
//
// The including file defines ATTUNE_BELIEF_LEVEL (a namespace) and ATTUNE_BELIEF_LANES (floats of a register: 4, 8 or 16); CMake gives it the
// flags. Nothing of the standard library with code of its own is used here, so that no function compiled for a newer processor can be
// linked in elsewhere.
#pragma once

#include "kernels/belief.h"

namespace attune::kernels::ATTUNE_BELIEF_LEVEL {
namespace {

#define ATTUNE_INLINE __attribute__((always_inline)) inline
constexpr int kWidth = ATTUNE_BELIEF_LANES;
using Lanes = float __attribute__((vector_size(kWidth * 4)));
using Unaligned = float __attribute__((vector_size(kWidth * 4), aligned(4), may_alias));
using Ints = int __attribute__((vector_size(kWidth * 4)));
constexpr int kStateWidth = kWidth < kBeliefPad ? kWidth : kBeliefPad;  // lanes that hold states when deciding
using States = float __attribute__((vector_size(kStateWidth * 4)));
using UnalignedStates = float __attribute__((vector_size(kStateWidth * 4), aligned(4), may_alias));
using StateInts = int __attribute__((vector_size(kStateWidth * 4)));
using UnalignedStateInts = int __attribute__((vector_size(kStateWidth * 4), aligned(4), may_alias));

constexpr float kLeast = 1e-37f;
constexpr float kUp = 0x1p60f;  // weights are held this much larger, so that products of small numbers stay normal
constexpr float kNone = -3e38f;

ATTUNE_INLINE Lanes load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
ATTUNE_INLINE void store(float* p, Lanes v) { *reinterpret_cast<Unaligned*>(p) = v; }
ATTUNE_INLINE Lanes all(float x) { return Lanes{} + x; }

/// exp(x) for x <= 0, relative error below 2e-7; exp(-87) for all below, 1 for all above. x = k ln 2 + r, |r| <= ln(2) / 2; Taylor to r^7.
ATTUNE_INLINE Lanes exp_of(Lanes x) {
  x = x < -87.0f ? all(-87.0f) : x;
  x = x > 0.0f ? Lanes{} : x;
  const Lanes shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the low bits of the float are the rounded integer
  const Lanes k = shifted - 12582912.0f;
  Lanes r = x - k * 0.693359375f;
  r = r + k * 2.12194440e-4f;
  Lanes y = all(1.9841270e-4f);
  y = y * r + 1.3888889e-3f;
  y = y * r + 8.3333333e-3f;
  y = y * r + 4.1666667e-2f;
  y = y * r + 1.6666667e-1f;
  y = y * r + 0.5f;
  y = y * r + 1.0f;
  y = y * r + 1.0f;
  const Ints power = (reinterpret_cast<Ints>(shifted) - 0x4B400000 + 127) << 23;
  return y * reinterpret_cast<Lanes>(power);
}

/// Products below the smallest normal number become 0 at once instead of trapping into slow arithmetic; the mode of the thread comes back.
class FlushToZero {
 public:
#if defined(__SSE__)
  FlushToZero() : saved_(__builtin_ia32_stmxcsr()) { __builtin_ia32_ldmxcsr(saved_ | 0x8040u); }
  ~FlushToZero() { __builtin_ia32_ldmxcsr(saved_); }

 private:
  unsigned int saved_;
#endif
};

/// One tile: at most kWidth users in lanes. Lanes above `count` repeat lane 0 and are not written.
struct Tile {
  int64_t row[kWidth];
  int64_t round[kWidth];
  int count;
};

ATTUNE_INLINE Tile tile_at(const BeliefRounds& rounds, int64_t begin) {
  Tile tile;
  const int64_t rest = rounds.n - begin;
  tile.count = rest < kWidth ? static_cast<int>(rest) : kWidth;
  for (int lane = 0; lane < kWidth; ++lane) {
    tile.round[lane] = begin + (lane < tile.count ? lane : 0);
    tile.row[lane] = rounds.rows != nullptr ? rounds.rows[tile.round[lane]] : rounds.first_row + tile.round[lane];
  }
  return tile;
}

ATTUNE_INLINE Lanes gather(const float* const* from, int64_t offset) {
  Lanes out;
  for (int lane = 0; lane < kWidth; ++lane) out[lane] = from[lane][offset];
  return out;
}

/// x . theta_z of each lane's user.
ATTUNE_INLINE Lanes mean_by_features(const BeliefStep& step, const float* const* x, int z) {
  Lanes mu{};
  for (int i = 0; i < step.d; ++i) mu += gather(x, i) * step.theta[z * step.d + i];
  return mu;
}

/// Fills w [Z, kWidth] with p likelihood (times kUp) and `possible` with 1 or 0; returns the exponent taken out.
ATTUNE_INLINE Lanes weigh(const BeliefStep& step, const BeliefRounds& rounds, const Tile& tile, const float* p, float* w, float* possible) {
  const bool by_features = step.kind == BeliefLikelihood::kGaussianFeatures || step.kind == BeliefLikelihood::kBernoulliFeatures;
  const float* from[kWidth];
  const float* beliefs[kWidth];
  Lanes reward;
  for (int lane = 0; lane < kWidth; ++lane) {
    const int64_t i = tile.round[lane];
    from[lane] = by_features ? rounds.x + i * step.d : step.table + static_cast<int64_t>(rounds.cells[i]) * step.num_states;
    beliefs[lane] = p + tile.row[lane] * step.num_states;
    reward[lane] = rounds.rewards[i];
  }
  Lanes top = all(kNone);
  for (int z = 0; z < step.num_states; ++z) {
    const Lanes belief = gather(beliefs, z);
    Lanes value = by_features ? mean_by_features(step, from, z) : gather(from, z);
    if (step.kind == BeliefLikelihood::kGaussianTable || step.kind == BeliefLikelihood::kGaussianFeatures) {
      const Lanes error = reward - value;
      value = -(error * error) * step.precision;
      value = value < step.floor ? all(step.floor) : value;
      const Lanes here = belief > 0.0f ? value : all(kNone);
      top = here > top ? here : top;
      store(w + z * kWidth, value);
      store(possible + z * kWidth, belief);
      continue;
    }
    if (step.kind == BeliefLikelihood::kBernoulliFeatures) {
      value = value < step.low ? all(step.low) : value;
      value = value > step.high ? all(step.high) : value;
      value = reward > 0.5f ? value : 1.0f - value;
    }
    store(w + z * kWidth, belief * kUp * value);
    store(possible + z * kWidth, (belief > 0.0f) & (value > 0.0f) ? all(1.0f) : all(0.0f));
  }
  if (step.kind == BeliefLikelihood::kTable || step.kind == BeliefLikelihood::kBernoulliFeatures) return Lanes{};
  for (int z = 0; z < step.num_states; ++z) {
    const Lanes belief = load(possible + z * kWidth);
    store(w + z * kWidth, belief * kUp * exp_of(load(w + z * kWidth) - top));
  }
  return top;
}

/// w [Z, kWidth] to normalised beliefs; where the sum is 0 the belief before. Returns the sums.
ATTUNE_INLINE Lanes normalise(const BeliefStep& step, const Tile& tile, const float* p, float* w, const float* possible) {
  Lanes sum{};
  for (int z = 0; z < step.num_states; ++z) sum += load(w + z * kWidth);
  const Lanes inverse = 1.0f / (sum > 0.0f ? sum : all(1.0f));
  const float* beliefs[kWidth];
  for (int lane = 0; lane < kWidth; ++lane) beliefs[lane] = p + tile.row[lane] * step.num_states;
  for (int z = 0; z < step.num_states; ++z) {
    Lanes value = load(w + z * kWidth) * inverse;
    value = (value < kLeast) & (load(possible + z * kWidth) > 0.0f) ? all(kLeast) : value;
    value = sum > 0.0f ? value : gather(beliefs, z);
    store(w + z * kWidth, value);
  }
  return sum;
}

/// w [Z, kWidth] through the transition into the rows.
ATTUNE_INLINE void move(const BeliefStep& step, const Tile& tile, const float* w, float* p) {
  for (int j = 0; j < step.num_states; ++j) {
    Lanes next;
    if (step.phi != nullptr) {
      next = load(w) * step.phi[j];
      for (int z = 1; z < step.num_states; ++z) next += load(w + z * kWidth) * step.phi[z * step.num_states + j];
    } else {
      next = load(w + j * kWidth);
      if (step.stay != 1.0f) next = next * step.stay + (1.0f - step.stay) * step.pi[j];
    }
    for (int lane = 0; lane < tile.count; ++lane) p[tile.row[lane] * step.num_states + j] = next[lane];
  }
}

int64_t update(const BeliefStep& step, const BeliefRounds& rounds, float* p, float* scratch) noexcept {
  const FlushToZero mode;
  float* w = scratch;
  float* possible = scratch + static_cast<int64_t>(step.num_states) * kWidth;
  int64_t impossible = 0;
  for (int64_t begin = 0; begin < rounds.n; begin += kWidth) {
    const Tile tile = tile_at(rounds, begin);
    const Lanes top = weigh(step, rounds, tile, p, w, possible);
    const Lanes sum = normalise(step, tile, p, w, possible);
    move(step, tile, w, p);
    for (int lane = 0; lane < tile.count; ++lane) {
      impossible += sum[lane] == 0.0f;
      if (rounds.top != nullptr) rounds.top[begin + lane] = top[lane];
      if (rounds.sum != nullptr) rounds.sum[begin + lane] = sum[lane] * (1.0f / kUp);
    }
  }
  return impossible;
}

ATTUNE_INLINE States clip(States x, float low, float high) {
  x = x < low ? States{} + low : x;
  return x > high ? States{} + high : x;
}

void means(const float* x, int64_t n, int d, const float* theta_t, int padded, float low, float high, float* mu) noexcept {
  for (int z = 0; z < padded; z += kStateWidth) {
    int64_t a = 0;
    for (; a + 4 <= n; a += 4) {  // four at a time: their sums do not wait for one another
      const float* row = x + a * d;
      States sum0{}, sum1{}, sum2{}, sum3{};
      for (int i = 0; i < d; ++i) {
        const States theta = *reinterpret_cast<const UnalignedStates*>(theta_t + static_cast<int64_t>(i) * padded + z);
        sum0 += theta * row[i];
        sum1 += theta * row[d + i];
        sum2 += theta * row[2 * d + i];
        sum3 += theta * row[3 * d + i];
      }
      *reinterpret_cast<UnalignedStates*>(mu + a * padded + z) = clip(sum0, low, high);
      *reinterpret_cast<UnalignedStates*>(mu + (a + 1) * padded + z) = clip(sum1, low, high);
      *reinterpret_cast<UnalignedStates*>(mu + (a + 2) * padded + z) = clip(sum2, low, high);
      *reinterpret_cast<UnalignedStates*>(mu + (a + 3) * padded + z) = clip(sum3, low, high);
    }
    for (; a < n; ++a) {
      States sum{};
      for (int i = 0; i < d; ++i) {
        sum += *reinterpret_cast<const UnalignedStates*>(theta_t + static_cast<int64_t>(i) * padded + z) * x[a * d + i];
      }
      *reinterpret_cast<UnalignedStates*>(mu + a * padded + z) = clip(sum, low, high);
    }
  }
}

void best(const float* mu, int64_t n, int padded, const uint8_t* available, int32_t* out) noexcept {
  for (int z = 0; z < padded; z += kStateWidth) {
    StateInts best_action = StateInts{} - 1;
    States top{};
    for (int64_t a = 0; a < n; ++a) {
      if (available != nullptr && available[a] == 0) continue;
      const States value = *reinterpret_cast<const UnalignedStates*>(mu + a * padded + z);
      const StateInts better = (value > top) | (best_action < 0);
      top = better ? value : top;
      best_action = better ? StateInts{} + static_cast<int>(a) : best_action;
    }
    *reinterpret_cast<UnalignedStateInts*>(out + z) = best_action;
  }
}

}  // namespace

extern const BeliefKernels kKernels;
const BeliefKernels kKernels = {update, means, best};

}  // namespace attune::kernels::ATTUNE_BELIEF_LEVEL
