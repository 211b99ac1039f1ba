// What the processor is and can do, for bug reports and benchmark records, and two loops whose speed is the machine's limit.
//
// Nothing here looks at a clock: who wants a figure times the loops (bench/generation/limits.h). Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace attune::kernels {

/// Features that the kernels use or could use and that processor and operating system offer, in a fixed order:
/// "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni", ... Empty off x86-64.
std::vector<std::string> cpu_features();

/// "model name" of /proc/cpuinfo, or "unknown".
std::string cpu_model();

/// Loops at the limit of one core, in the instructions of a level.
struct ProbeOps {
  /// XOR of all 64-bit words of data [bytes], each byte read once, as four streams that begin a quarter apart (what a matrix product reads
  /// looks alike). bytes is a multiple of kProbeReadUnit; data is 8-byte aligned.
  uint64_t (*read)(const void* data, int64_t bytes) noexcept;
  /// Unsigned by signed bytes, summed exactly, with the instructions of an int8 matrix product and operands in registers and first-level
  /// cache: the low 32 bits of rounds * sum_i a[i] b[i] over kProbeDotSize pairs, a[i] in [0, 15], b[i] in [-127, 127].
  /// rounds is a multiple of kProbeRoundUnit; kProbeDotSize multiply-adds a round.
  uint32_t (*dot)(const uint8_t* a, const int8_t* b, int64_t rounds) noexcept;
};
constexpr int64_t kProbeReadUnit = 1024;
constexpr int64_t kProbeDotSize = 128;
constexpr int64_t kProbeRoundUnit = 16;

/// The loops of a level. kUnsupported if the machine lacks it.
const ProbeOps& probe_ops(Isa isa);

}  // namespace attune::kernels
