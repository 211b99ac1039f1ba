// Integer arithmetic that reports a wrap instead of wrapping. Every size read from a file goes through it.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

#include "core/error.h"

namespace attune {

/// a * b, or kCorruptData naming `what`.
inline uint64_t checked_mul(uint64_t a, uint64_t b, std::string_view what) {
  uint64_t out = 0;
  check(!__builtin_mul_overflow(a, b, &out), ErrorCode::kCorruptData, what, ": ", a, " * ", b, " does not fit in 64 bits");
  return out;
}

/// a + b, or kCorruptData naming `what`.
inline uint64_t checked_add(uint64_t a, uint64_t b, std::string_view what) {
  uint64_t out = 0;
  check(!__builtin_add_overflow(a, b, &out), ErrorCode::kCorruptData, what, ": ", a, " + ", b, " does not fit in 64 bits");
  return out;
}

/// `value` as To, or kCorruptData naming `what`.
template <class To, class From>
To checked_cast(From value, std::string_view what) {
  const To out = static_cast<To>(value);
  check(static_cast<From>(out) == value && ((out < To{}) == (value < From{})), ErrorCode::kCorruptData, what, ": ", value,
        " is out of range");
  return out;
}

}  // namespace attune
