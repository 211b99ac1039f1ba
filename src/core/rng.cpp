#include "core/rng.h"

#include <cmath>
#include <numbers>

namespace attune {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

uint64_t fnv1a(std::string_view text, uint64_t basis) noexcept {
  uint64_t hash = basis;
  for (const unsigned char byte : text) {
    hash = (hash ^ byte) * 0x100000001b3ull;
  }
  return hash;
}

Rng::Rng(uint64_t seed, std::string_view stream) noexcept : Rng(seed, fnv1a(stream)) {}

uint64_t Rng::next_u64() noexcept {
  const uint64_t block = position_ >> 1;
  const auto words = philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(stream_),
                                 static_cast<uint32_t>(stream_ >> 32)},
                                {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
  const int half = static_cast<int>(position_ & 1) * 2;
  ++position_;
  return uint64_t{words[half]} | (uint64_t{words[half + 1]} << 32);
}

uint64_t Rng::below(uint64_t n) noexcept {
  const uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % n + 1) % n;
  uint64_t value = next_u64();
  while (value > limit) {
    value = next_u64();
  }
  return value % n;
}

double Rng::normal() noexcept {
  const double radius = 1.0 - uniform();  // in (0, 1]
  const double angle = uniform();
  return std::sqrt(-2.0 * std::log(radius)) * std::cos(2.0 * std::numbers::pi * angle);
}

}  // namespace attune
