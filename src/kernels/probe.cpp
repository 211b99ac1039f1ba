#include "kernels/probe.h"

#include <fstream>

#include "kernels/probe/probe_internal.h"

namespace attune::kernels {

std::vector<std::string> cpu_features() {
  std::vector<std::string> out;
#if defined(__x86_64__)
  __builtin_cpu_init();
#define ATTUNE_PROBE(feature) \
  if (__builtin_cpu_supports(feature)) out.emplace_back(feature)
  ATTUNE_PROBE("avx2");
  ATTUNE_PROBE("fma");
  ATTUNE_PROBE("f16c");
  ATTUNE_PROBE("avx512f");
  ATTUNE_PROBE("avx512bw");
  ATTUNE_PROBE("avx512vl");
  ATTUNE_PROBE("avx512dq");
  ATTUNE_PROBE("avx512vbmi");
  ATTUNE_PROBE("avx512vnni");
  ATTUNE_PROBE("avx512bf16");
#undef ATTUNE_PROBE
#endif
  return out;
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

const ProbeOps& probe_ops(Isa isa) {
  static constexpr ProbeOps kScalar = {scalar::probe_read, scalar::probe_dot};
  ops_for(isa);  // throws for a level that this machine lacks
#ifdef ATTUNE_KERNELS_X86
  static constexpr ProbeOps kAvx2 = {avx2::probe_read, avx2::probe_dot};
  static constexpr ProbeOps kAvx512 = {avx512::probe_read, avx512::probe_dot};
  if (isa == Isa::kAvx512) return kAvx512;
  if (isa == Isa::kAvx2) return kAvx2;
#endif
  return kScalar;
}

}  // namespace attune::kernels
