// What the processor is and can do, for bug reports and benchmark records. Measures nothing. Thread-safe.
#pragma once

#include <string>
#include <vector>

namespace attune::kernels {

/// Features that the kernels use or could use and that processor and operating system offer, in a fixed order:
/// "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni", ... Empty off x86-64.
std::vector<std::string> cpu_features();

/// "model name" of /proc/cpuinfo, or "unknown".
std::string cpu_model();

}  // namespace attune::kernels
