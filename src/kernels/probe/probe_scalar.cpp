#include "kernels/probe.h"
#include "kernels/probe/probe_internal.h"

namespace attune::kernels::scalar {

uint64_t probe_read(const void* data, int64_t bytes) noexcept {
  const int64_t quarter = bytes / 32;  // words
  const uint64_t* words = static_cast<const uint64_t*>(data);
  uint64_t sums[4] = {};
  for (int64_t i = 0; i < quarter; ++i) {
    for (int s = 0; s < 4; ++s) sums[s] ^= words[s * quarter + i];
  }
  return sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
}

uint32_t probe_dot(const uint8_t* a, const int8_t* b, int64_t rounds) noexcept {
  uint32_t sum = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    int32_t part = 0;
    for (int64_t i = 0; i < kProbeDotSize; ++i) part += static_cast<int32_t>(a[i]) * b[i];
    sum += static_cast<uint32_t>(part);
    ATTUNE_PROBE_NEXT_ROUND(a);
  }
  return sum;
}

}  // namespace attune::kernels::scalar
