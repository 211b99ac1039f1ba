#include "bench/generation/limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "kernels/probe.h"

namespace attune::bench {
namespace {

constexpr int64_t kChunkBytes = 1 << 20;
static_assert(kChunkBytes % kernels::kProbeReadUnit == 0);

template <class Body>
double median_seconds(int repeats, const Body& body) {
  check(repeats >= 1, ErrorCode::kInvalidArgument, "[probe] ", repeats, " repeats, expected at least 1");
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return median_of(seconds.data(), repeats);
}

}  // namespace

double median_of(double* values, int count) {
  std::nth_element(values, values + (count - 1) / 2, values + count);
  return values[(count - 1) / 2];
}

BandwidthProbe::BandwidthProbe(ThreadPool& pool, int64_t bytes)
    : pool_(pool), arena_(static_cast<size_t>(bytes)), num_chunks_(static_cast<int>(bytes / kChunkBytes)) {
  check(num_chunks_ >= 1, ErrorCode::kInvalidArgument, "[probe] ", bytes, " bytes, expected at least ", kChunkBytes);
  std::byte* data = arena_.take(static_cast<size_t>(num_chunks_ * kChunkBytes));
  std::memset(data, 0x5a, static_cast<size_t>(num_chunks_ * kChunkBytes));
  data_ = data;
}

double BandwidthProbe::bytes_per_second(int repeats) {
  const auto& ops = kernels::probe_ops(kernels::ops().isa);
  std::atomic<uint64_t> seen{0};
  const double seconds = median_seconds(
      repeats, [&] { pool_.run(num_chunks_, [&](int chunk) { seen ^= ops.read(data_ + chunk * kChunkBytes, kChunkBytes); }); });
  check(seen == 0, ErrorCode::kInternal, "[probe] the memory read differs from what was written");
  return static_cast<double>(num_chunks_ * kChunkBytes) / seconds;
}

double int8_macs_per_second(ThreadPool& pool, int repeats) {
  const auto& ops = kernels::probe_ops(kernels::ops().isa);
  const std::vector<uint8_t> a(kernels::kProbeDotSize, 15);
  const std::vector<int8_t> b(kernels::kProbeDotSize, -127);
  std::atomic<uint32_t> sum{0};
  int64_t rounds = kernels::kProbeRoundUnit;
  const auto once = [&] { pool.run(pool.num_threads(), [&](int) { sum += ops.dot(a.data(), b.data(), rounds); }); };
  while (median_seconds(1, once) < 0.02) rounds *= 2;
  const double seconds = median_seconds(repeats, once);
  check(sum != 0, ErrorCode::kInternal, "[probe] the products sum to 0");
  return static_cast<double>(rounds * kernels::kProbeDotSize * pool.num_threads()) / seconds;
}

}  // namespace attune::bench
