// The probe loops of every level (kernels/probe.h says what they do). Included by files compiled for an instruction set.
#pragma once

#include <cstdint>

namespace attune::kernels {

/// The loop's operands are the same every round: without this the compiler would compute the round once.
#define ATTUNE_PROBE_NEXT_ROUND(pointer) __asm__ volatile("" : "+r"(pointer))

#define ATTUNE_PROBE_DECLARE_LEVEL(level)                                         \
  namespace level {                                                               \
  uint64_t probe_read(const void* data, int64_t bytes) noexcept;                  \
  uint32_t probe_dot(const uint8_t* a, const int8_t* b, int64_t rounds) noexcept; \
  }
ATTUNE_PROBE_DECLARE_LEVEL(scalar)
ATTUNE_PROBE_DECLARE_LEVEL(avx2)
ATTUNE_PROBE_DECLARE_LEVEL(avx512)
#undef ATTUNE_PROBE_DECLARE_LEVEL

}  // namespace attune::kernels
