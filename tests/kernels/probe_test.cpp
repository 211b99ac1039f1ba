// The probe loops do the work that they claim: every byte read, every product summed, at every level.
#include "kernels/probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/error.h"

namespace attune::kernels {
namespace {

TEST(Probe, ReadSeesEveryWord) {
  constexpr int64_t kWords = 3 * kProbeReadUnit / 8;
  std::vector<uint64_t> words(kWords);
  uint64_t state = 88172645463325252u;
  for (auto& word : words) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    word = state;
  }
  uint64_t expected = 0;
  for (const uint64_t word : words) expected ^= word;
  for (const Isa isa : available_isas()) {
    const ProbeOps& ops = probe_ops(isa);
    EXPECT_EQ(ops.read(words.data(), kWords * 8), expected) << isa_name(isa);
    EXPECT_EQ(ops.read(words.data(), 0), 0u) << isa_name(isa);
    for (int64_t i = 0; i < kWords; ++i) {
      words[static_cast<size_t>(i)] ^= 1;
      EXPECT_EQ(ops.read(words.data(), kWords * 8), expected ^ 1) << isa_name(isa) << ", word " << i;
      words[static_cast<size_t>(i)] ^= 1;
    }
  }
}

TEST(Probe, DotIsExactAtTheBoundsAndInside) {
  for (const int pattern : {0, 1, 2}) {
    std::vector<uint8_t> a(kProbeDotSize);
    std::vector<int8_t> b(kProbeDotSize);
    uint64_t expected = 0;
    for (int i = 0; i < kProbeDotSize; ++i) {
      const auto at = static_cast<size_t>(i);
      a[at] = static_cast<uint8_t>(pattern == 2 ? (i * 7 + 3) % 16 : 15);
      b[at] = static_cast<int8_t>(pattern == 0 ? 127 : pattern == 1 ? -127 : (i * 29) % 255 - 127);
      expected += static_cast<uint64_t>(static_cast<int64_t>(a[at]) * b[at]);
    }
    for (const Isa isa : available_isas()) {
      for (const int64_t rounds : {int64_t{0}, kProbeRoundUnit, 3 * kProbeRoundUnit, 1000 * kProbeRoundUnit}) {
        EXPECT_EQ(probe_ops(isa).dot(a.data(), b.data(), rounds), static_cast<uint32_t>(expected * static_cast<uint64_t>(rounds)))
            << isa_name(isa) << ", pattern " << pattern << ", rounds " << rounds;
      }
    }
  }
}

TEST(Probe, UnavailableLevelsAreRefused) {
  const auto isas = available_isas();
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (std::find(isas.begin(), isas.end(), isa) != isas.end()) continue;
    EXPECT_THROW(probe_ops(isa), Error);
  }
}

}  // namespace
}  // namespace attune::kernels
