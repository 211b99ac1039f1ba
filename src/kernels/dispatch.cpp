// Which levels this machine runs, and the table of functions of each.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "kernels/levels_internal.h"

namespace attune::kernels {
namespace {

#define ATTUNE_KERNELS_OPS(isa_value, level)                                                                                         \
  Ops {                                                                                                                              \
    isa_value, level::dequantize_row, level::quantize_q8, level::gemm_q8, level::gemm_q8_high, level::gemm_f32, level::rms_norm,     \
        level::add, level::gelu_mul, level::rope, level::store_kv, level::attention_scores, level::softmax, level::attention_values, \
        level::attention_scores_group, level::attention_values_group                                                                 \
  }
constexpr Ops kScalarOps = ATTUNE_KERNELS_OPS(Isa::kScalar, scalar);
#ifdef ATTUNE_KERNELS_X86
constexpr Ops kAvx2Ops = ATTUNE_KERNELS_OPS(Isa::kAvx2, avx2);
constexpr Ops kAvx512Ops = ATTUNE_KERNELS_OPS(Isa::kAvx512, avx512);
#endif

/// __builtin_cpu_supports also asks the operating system whether it saves the wide registers.
bool machine_runs(Isa isa) noexcept {
  if (isa == Isa::kScalar) return true;
#ifdef ATTUNE_KERNELS_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (isa == Isa::kAvx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

}  // namespace

std::string_view isa_name(Isa isa) noexcept {
  switch (isa) {
    case Isa::kScalar: return "scalar";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
  }
  return "unknown";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> out;
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (machine_runs(isa)) out.push_back(isa);
  }
  return out;
}

const Ops& ops_for(Isa isa) {
  check(machine_runs(isa), ErrorCode::kUnsupported, "[kernels] instruction set ", isa_name(isa), " is not available on this machine");
#ifdef ATTUNE_KERNELS_X86
  if (isa == Isa::kAvx512) return kAvx512Ops;
  if (isa == Isa::kAvx2) return kAvx2Ops;
#endif
  return kScalarOps;
}

Isa select_isa(std::optional<std::string_view> name) {
  if (!name) return available_isas().back();
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (isa_name(isa) == *name) return ops_for(isa).isa;
  }
  fail(ErrorCode::kInvalidArgument, "[kernels] ATTUNE_ISA: expected scalar, avx2 or avx512, found '", *name, "'");
}

const Ops& ops() {
  static const Ops& selected = [&]() -> const Ops& {
    const char* name = std::getenv("ATTUNE_ISA");
    return ops_for(select_isa(name != nullptr ? std::optional<std::string_view>(name) : std::nullopt));
  }();
  return selected;
}

Isa isa_in_use() noexcept {
  try {
    return ops().isa;
  } catch (const Error&) {
    return Isa::kScalar;
  }
}

int64_t kv_bytes(KvType type, int64_t n) noexcept {
  switch (type) {
    case KvType::kF32: return 4 * n;
    case KvType::kF16: return 2 * n;
    case KvType::kQ8_0: break;
  }
  return n / 32 * 34;
}

int64_t q8_row_bytes(int64_t n) noexcept { return q8_refinements_at(n) + n / 32 * static_cast<int64_t>(sizeof(Q8Refinement)); }

Q8Refinement q8_refinement(const void* q8_row, int64_t n, int64_t group) noexcept {
  const auto* row = static_cast<const char*>(q8_row);
  uint64_t word;
  std::memcpy(&word, row + q8_refined_bits_at(n) + group / 64 * 8, sizeof word);
  Q8Refinement out = {};
  if ((word >> (group % 64) & 1) != 0) std::memcpy(&out, row + q8_refinements_at(n) + group * static_cast<int64_t>(sizeof out), sizeof out);
  return out;
}

double q8_norm(const void* q8_row, int64_t n) noexcept {
  const auto* row = static_cast<const char*>(q8_row);
  double sum = 0;
  for (int64_t group = 0; group < n / 32; ++group) {
    float scale;
    std::memcpy(&scale, row + n + group * static_cast<int64_t>(sizeof(Q8Block)), sizeof scale);
    const Q8Refinement fine = q8_refinement(row, n, group);
    for (int64_t i = 0; i < 32; ++i) {
      const double rest = static_cast<double>(fine.block.scale) * fine.q[i];
      const double value = static_cast<double>(scale) * static_cast<int8_t>(row[32 * group + i]) + rest;
      sum += value * value;
    }
  }
  return std::sqrt(sum);
}

double q8_refinement_norm(const void* q8_row, int64_t n) noexcept {
  double sum = 0;
  for (int64_t group = 0; group < n / 32; ++group) {
    const Q8Refinement fine = q8_refinement(q8_row, n, group);
    int32_t squares = 0;
    for (const int8_t q : fine.q) squares += q * q;
    sum += static_cast<double>(fine.block.scale) * fine.block.scale * squares;
  }
  return std::sqrt(sum);
}

}  // namespace attune::kernels
