// The machine's limits, measured: how fast memory is read and how many int8 multiply-adds are done by the threads of a pool.
//
// Loops: kernels/probe.h. A step of decoding can be no faster than its bytes over the one and its multiply-adds over the other.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"
#include "lm/arena.h"

namespace attune::bench {

/// Reads one block of memory that no cache holds, on huge pages where the system grants them (as the weights are). One caller at a time.
class BandwidthProbe {
 public:
  /// Takes and touches `bytes` (rounded to whole chunks). Throws kOutOfMemory.
  BandwidthProbe(ThreadPool& pool, int64_t bytes);
  /// Median over `repeats` passes, bytes a second. The pool's threads share the passes by chunks of 1 MiB.
  double bytes_per_second(int repeats);

 private:
  ThreadPool& pool_;
  lm::Arena arena_;
  const std::byte* data_ = nullptr;
  int num_chunks_ = 0;
};

/// Median over `repeats` of int8 multiply-adds a second, all threads of the pool busy. About 20 ms a repeat.
double int8_macs_per_second(ThreadPool& pool, int repeats);

/// Middle value (of an even number of values the lower one); the values are reordered. At least one value.
double median_of(double* values, int count);

}  // namespace attune::bench
