// Counter-based random streams: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// A stream is named by (seed, stream); its n-th block is a pure function of (seed, stream, n), so a stream is resumed by its
// position alone and different streams never overlap. Results are the same on every machine. Not thread-safe: one stream, one user.
// Verified: the known-answer vectors of the paper's reference code (tests/core/rng_test.cpp).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace attune {

/// Philox 4x32-10: 128-bit counter, 64-bit key, 128 random bits.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) noexcept;

class Rng {
 public:
  explicit Rng(uint64_t seed = 0, uint64_t stream = 0) noexcept : seed_(seed), stream_(stream) {}
  /// Stream named by text (a stable 64-bit FNV-1a hash of it).
  Rng(uint64_t seed, std::string_view stream) noexcept;

  uint64_t next_u64() noexcept;
  uint32_t next_u32() noexcept { return static_cast<uint32_t>(next_u64() >> 32); }
  /// Uniform in [0, 1), 53 bits.
  double uniform() noexcept { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }
  /// Uniform in [0, n), unbiased (rejection). n > 0.
  uint64_t below(uint64_t n) noexcept;
  /// Standard normal (Box-Muller, two uniforms a call, nothing cached: position stays a plain count).
  double normal() noexcept;

  uint64_t seed() const noexcept { return seed_; }
  uint64_t stream() const noexcept { return stream_; }
  /// Number of 64-bit values drawn so far; `seek` continues from there.
  uint64_t position() const noexcept { return position_; }
  void seek(uint64_t position) noexcept { position_ = position; }

  /// UniformRandomBitGenerator, for std::shuffle and the like. (Standard distributions differ between libraries: avoid them.)
  using result_type = uint64_t;
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~uint64_t{0}; }
  uint64_t operator()() noexcept { return next_u64(); }

 private:
  uint64_t seed_;
  uint64_t stream_;
  uint64_t position_ = 0;
};

/// FNV-1a, 64 bits: stable names for streams and hash chains. Not for hostile input.
uint64_t fnv1a(std::string_view text, uint64_t basis = 0xcbf29ce484222325ull) noexcept;

/// Fisher-Yates with `rng`; the same permutation on every machine.
template <class Range>
void shuffle(Range& range, Rng& rng) {
  for (uint64_t i = range.size(); i > 1; --i) {
    const uint64_t j = rng.below(i);
    using std::swap;
    swap(range[i - 1], range[j]);
  }
}

}  // namespace attune
