// Kernel text of batches of beliefs: loops over GNU vector types (gathers by intrinsics), compiled once for each instruction set.
//
// The including file defines ATTUNE_BELIEF_LEVEL (a namespace) and ATTUNE_BELIEF_LANES (floats of a register: 4, 8 or 16); CMake gives it the
// flags. Nothing of the standard library with code of its own is used here, so that no function compiled for a newer processor can be
// linked in elsewhere.
#pragma once

#if ATTUNE_BELIEF_LANES > 4
#include <immintrin.h>
#endif

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

/// Weights of the states, a user a lane: in registers where their number is known to the compiler, else in scratch memory.
template <int kStates>
struct Weights {
  Lanes value[kStates];
  explicit Weights(float*) {}
  ATTUNE_INLINE Lanes get(int z) const { return value[z]; }
  ATTUNE_INLINE void set(int z, Lanes x) { value[z] = x; }
};
template <>
struct Weights<0> {
  float* value;
  explicit Weights(float* scratch) : value(scratch) {}
  ATTUNE_INLINE Lanes get(int z) const { return load(value + z * kWidth); }
  ATTUNE_INLINE void set(int z, Lanes x) { store(value + z * kWidth, x); }
};

/// One tile: at most kWidth users in lanes. Lanes above `count` repeat lane 0 and are not written.
struct Tile {
  int64_t round[kWidth];
  float* row[kWidth];
  Ints offset;  ///< of the rows from the lowest, where they are near enough
  float* base;
  bool near;
  int count;
};

ATTUNE_INLINE Tile tile_at(const BeliefStep& step, const BeliefRounds& rounds, int64_t begin, float* p) {
  Tile tile;
  const int64_t rest = rounds.n - begin;
  tile.count = rest < kWidth ? static_cast<int>(rest) : kWidth;
  if (rounds.rows == nullptr && tile.count == kWidth) {  // whole tiles of neighbours
    tile.base = p + (rounds.first_row + begin) * step.num_states;
    for (int lane = 0; lane < kWidth; ++lane) {
      tile.round[lane] = begin + lane;
      tile.row[lane] = tile.base + lane * step.num_states;
      tile.offset[lane] = lane * step.num_states;
    }
    tile.near = true;
    return tile;
  }
  int64_t row[kWidth];
  int64_t low = INT64_MAX;
  int64_t high = 0;
  for (int lane = 0; lane < kWidth; ++lane) {
    tile.round[lane] = begin + (lane < tile.count ? lane : 0);
    row[lane] = (rounds.rows != nullptr ? rounds.rows[tile.round[lane]] : rounds.first_row + tile.round[lane]) * step.num_states;
    low = row[lane] < low ? row[lane] : low;
    high = row[lane] > high ? row[lane] : high;
  }
  tile.base = p + low;
  tile.near = high - low < INT32_MAX - step.num_states;
  for (int lane = 0; lane < kWidth; ++lane) {
    tile.row[lane] = p + row[lane];
    tile.offset[lane] = static_cast<int>(row[lane] - low);
  }
  return tile;
}

ATTUNE_INLINE Lanes gather(const float* const* from, int64_t offset) {
  Lanes out;
  for (int lane = 0; lane < kWidth; ++lane) out[lane] = from[lane][offset];
  return out;
}
ATTUNE_INLINE Lanes gather_near(const float* base, Ints offset) {
#if ATTUNE_BELIEF_LANES == 16
  return reinterpret_cast<Lanes>(_mm512_i32gather_ps(reinterpret_cast<__m512i>(offset), base, 4));
#elif ATTUNE_BELIEF_LANES == 8
  return reinterpret_cast<Lanes>(_mm256_i32gather_ps(base, reinterpret_cast<__m256i>(offset), 4));
#else
  Lanes out;
  for (int lane = 0; lane < kWidth; ++lane) out[lane] = base[offset[lane]];
  return out;
#endif
}
ATTUNE_INLINE Lanes belief_of(const Tile& tile, int z) { return tile.near ? gather_near(tile.base + z, tile.offset) : gather(tile.row, z); }
ATTUNE_INLINE void put_belief(const Tile& tile, int z, Lanes value) {
#if ATTUNE_BELIEF_LANES == 16
  if (tile.near && tile.count == kWidth) {
    _mm512_i32scatter_ps(tile.base + z, reinterpret_cast<__m512i>(tile.offset), reinterpret_cast<__m512>(value), 4);
    return;
  }
#endif
  for (int lane = 0; lane < tile.count; ++lane) tile.row[lane][z] = value[lane];
}

/// x . theta_z of each lane's user.
ATTUNE_INLINE Lanes mean_by_features(const BeliefStep& step, const float* const* x, int z) {
  Lanes mu{};
  for (int i = 0; i < step.d; ++i) mu += gather(x, i) * step.theta[z * step.d + i];
  return mu;
}

/// Fills w with p likelihood (times kUp) and `possible` with 1 or 0 (gaussian: with p); returns the exponent taken out.
template <BeliefLikelihood kKind, int kStates>
ATTUNE_INLINE Lanes weigh(const BeliefStep& step, const BeliefRounds& rounds, const Tile& tile, Weights<kStates>& w,
                          Weights<kStates>& possible) {
  constexpr bool kByFeatures = kKind == BeliefLikelihood::kGaussianFeatures || kKind == BeliefLikelihood::kBernoulliFeatures;
  constexpr bool kGaussian = kKind == BeliefLikelihood::kGaussianTable || kKind == BeliefLikelihood::kGaussianFeatures;
  const int num_states = kStates > 0 ? kStates : step.num_states;
  const float* x[kWidth];
  Ints cell{};
  Lanes reward;
  for (int lane = 0; lane < kWidth; ++lane) {
    const int64_t i = tile.round[lane];
    if constexpr (kByFeatures) {
      x[lane] = rounds.x + i * step.d;
    } else {
      cell[lane] = rounds.cells[i] * num_states;
    }
    reward[lane] = rounds.rewards[i];
  }
  Lanes top = all(kNone);
#pragma GCC unroll 8
  for (int z = 0; z < num_states; ++z) {
    const Lanes belief = belief_of(tile, z);
    Lanes value;
    if constexpr (kByFeatures) {
      value = mean_by_features(step, x, z);
    } else {
      value = gather_near(step.table + z, cell);
    }
    if constexpr (kGaussian) {
      const Lanes error = reward - value;
      value = -(error * error) * step.precision;
      value = value < step.floor ? all(step.floor) : value;
      const Lanes here = belief > 0.0f ? value : all(kNone);
      top = here > top ? here : top;
      w.set(z, value);
      possible.set(z, belief);
    } else {
      if constexpr (kKind == BeliefLikelihood::kBernoulliFeatures) {
        value = value < step.low ? all(step.low) : value;
        value = value > step.high ? all(step.high) : value;
        value = reward > 0.5f ? value : 1.0f - value;
      }
      w.set(z, belief * kUp * value);
      possible.set(z, (belief > 0.0f) & (value > 0.0f) ? all(1.0f) : all(0.0f));
    }
  }
  if constexpr (!kGaussian) return Lanes{};
#pragma GCC unroll 8
  for (int z = 0; z < num_states; ++z) w.set(z, possible.get(z) * kUp * exp_of(w.get(z) - top));
  return top;
}

/// w to normalised beliefs; where the sum is 0 the belief before. Returns the sums.
template <int kStates>
ATTUNE_INLINE Lanes normalise(const BeliefStep& step, const Tile& tile, Weights<kStates>& w, const Weights<kStates>& possible) {
  const int num_states = kStates > 0 ? kStates : step.num_states;
  Lanes sum{};
#pragma GCC unroll 8
  for (int z = 0; z < num_states; ++z) sum += w.get(z);
  const Lanes inverse = 1.0f / (sum > 0.0f ? sum : all(1.0f));
  bool impossible = false;
  for (int lane = 0; lane < kWidth; ++lane) impossible |= !(sum[lane] > 0.0f);
#pragma GCC unroll 8
  for (int z = 0; z < num_states; ++z) {
    Lanes value = w.get(z) * inverse;
    value = (value < kLeast) & (possible.get(z) > 0.0f) ? all(kLeast) : value;
    if (impossible) value = sum > 0.0f ? value : belief_of(tile, z);
    w.set(z, value);
  }
  return sum;
}

/// w through the transition into the rows.
template <int kStates>
ATTUNE_INLINE void move(const BeliefStep& step, const Tile& tile, const Weights<kStates>& w) {
  const int num_states = kStates > 0 ? kStates : step.num_states;
#pragma GCC unroll 8
  for (int j = 0; j < num_states; ++j) {
    Lanes next;
    if (step.phi != nullptr) {
      next = w.get(0) * step.phi[j];
#pragma GCC unroll 8
      for (int z = 1; z < num_states; ++z) next += w.get(z) * step.phi[z * num_states + j];
    } else {
      next = w.get(j);
      if (step.stay != 1.0f) next = next * step.stay + (1.0f - step.stay) * step.pi[j];
    }
    put_belief(tile, j, next);
  }
}

template <BeliefLikelihood kKind, int kStates>
int64_t update_all(const BeliefStep& step, const BeliefRounds& rounds, float* p, float* scratch) noexcept {
  const FlushToZero mode;
  Weights<kStates> w(scratch);
  Weights<kStates> possible(scratch + static_cast<int64_t>(step.num_states) * kWidth);
  int64_t impossible = 0;
  for (int64_t begin = 0; begin < rounds.n; begin += kWidth) {
    const Tile tile = tile_at(step, rounds, begin, p);
    const Lanes top = weigh<kKind, kStates>(step, rounds, tile, w, possible);
    const Lanes sum = normalise<kStates>(step, tile, w, possible);
    move<kStates>(step, tile, w);
    for (int lane = 0; lane < tile.count; ++lane) impossible += sum[lane] == 0.0f;
    if (rounds.top == nullptr) continue;
    for (int lane = 0; lane < tile.count; ++lane) {
      rounds.top[begin + lane] = top[lane];
      rounds.sum[begin + lane] = sum[lane] * (1.0f / kUp);
    }
  }
  return impossible;
}

/// The number of states as a constant where it is small.
template <BeliefLikelihood kKind>
int64_t update_table(const BeliefStep& step, const BeliefRounds& rounds, float* p, float* scratch) noexcept {
  switch (step.num_states) {
    case 2: return update_all<kKind, 2>(step, rounds, p, scratch);
    case 3: return update_all<kKind, 3>(step, rounds, p, scratch);
    case 4: return update_all<kKind, 4>(step, rounds, p, scratch);
    case 5: return update_all<kKind, 5>(step, rounds, p, scratch);
    case 6: return update_all<kKind, 6>(step, rounds, p, scratch);
    case 8: return update_all<kKind, 8>(step, rounds, p, scratch);
    default: return update_all<kKind, 0>(step, rounds, p, scratch);
  }
}

int64_t update(const BeliefStep& step, const BeliefRounds& rounds, float* p, float* scratch) noexcept {
  switch (step.kind) {
    case BeliefLikelihood::kGaussianTable: return update_table<BeliefLikelihood::kGaussianTable>(step, rounds, p, scratch);
    case BeliefLikelihood::kTable: return update_table<BeliefLikelihood::kTable>(step, rounds, p, scratch);
    case BeliefLikelihood::kGaussianFeatures: return update_all<BeliefLikelihood::kGaussianFeatures, 0>(step, rounds, p, scratch);
    case BeliefLikelihood::kBernoulliFeatures: return update_all<BeliefLikelihood::kBernoulliFeatures, 0>(step, rounds, p, scratch);
  }
  return 0;
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
