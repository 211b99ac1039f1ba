// Runs code in a forked child with bounds on memory, processor time and wall time, and says how it ended: what the tables of malformed
// files are checked with.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"

namespace attune::io::test {

struct Outcome {
  enum class Kind { kLoaded, kError, kOtherException, kDied };
  Kind kind = Kind::kDied;
  ErrorCode code = ErrorCode::kInternal;  ///< of kError
  std::string message;                    ///< what(), or how the child died
  double cpu_ms = 0;
};

/// True if memory can be bounded: not under a sanitizer, whose shadow memory is larger than any bound.
bool memory_is_bounded();

/// Calls `load` in a child that may take 64 MiB more address space than this process has, and 10 s. Time is the child's processor time.
Outcome run_bounded(const std::function<void()>& load);

}  // namespace attune::io::test
