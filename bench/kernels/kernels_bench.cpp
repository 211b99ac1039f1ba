// Rates of the operators on matrices of the 270M model: every level, block format and number of activations, one and two threads.
//
//   kernels_bench --benchmark_filter='gemm_q8/avx2/.*/threads:2'
//
// GMAC/s counts multiply-adds by wall time; GB/s counts weight bytes read. Matrices of this size stay in the last-level cache: for the
// rate from memory, see the `head` case (178 MB).
#include <benchmark/benchmark.h>

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/probe.h"
#include "tests/kernels/test_data.h"

namespace attune::kernels {
namespace {

struct Shape {
  DType dtype;
  int64_t rows, n;
};

enum class Kind { kQ8, kHigh, kF32 };

/// 64-byte aligned memory on huge pages where the system grants them, as the engine's weights are.
class HugeBuffer {
 public:
  explicit HugeBuffer(size_t size)
      : size_(size), data_(static_cast<std::byte*>(std::aligned_alloc(kHuge, (size + kHuge - 1) / kHuge * kHuge))) {
    ::madvise(data_, size_, MADV_HUGEPAGE);
  }
  ~HugeBuffer() { std::free(data_); }
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;
  std::byte* data() { return data_; }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kHuge = size_t{2} << 20;
  size_t size_;
  std::byte* data_;
};

void run_gemm(benchmark::State& state, const Ops& ops, Shape shape, Kind kind, int64_t num_x, int threads) {
  Rng rng(1, "bench");
  const int64_t piece = shape.rows > 16384 ? 1024 : 64;
  const auto pattern = test::packed(shape.dtype, test::random_rows(shape.dtype, piece, shape.n, rng), piece, shape.n);
  HugeBuffer w(static_cast<size_t>(packed_bytes(shape.dtype, shape.rows, shape.n)));
  for (size_t at = 0; at < w.size(); at += pattern.size())
    std::memcpy(w.data() + at, pattern.data(), std::min(pattern.size(), w.size() - at));
  const auto x = test::random_floats(num_x * shape.n, rng);
  const auto q = test::quantize_rows(ops, x, shape.n);
  std::vector<float> y(static_cast<size_t>(num_x * shape.rows));
  ThreadPool pool(threads);
  for (auto _ : state) {
    pool.for_ranges(shape.rows, piece, [&](int64_t begin, int64_t end) {
      const std::byte* rows = w.data() + begin / kPanelRows * panel_bytes(shape.dtype, shape.n);
      if (kind == Kind::kHigh) {
        ops.gemm_q8_high(rows, end - begin, shape.n, q.data(), num_x, y.data() + begin, shape.rows);
      } else if (kind == Kind::kQ8) {
        ops.gemm_q8(shape.dtype, rows, end - begin, shape.n, q.data(), num_x, y.data() + begin, shape.rows);
      } else {
        ops.gemm_f32(shape.dtype, rows, end - begin, shape.n, x.data(), shape.n, num_x, y.data() + begin, shape.rows);
      }
    });
    benchmark::DoNotOptimize(y.data());
  }
  const double rounds = static_cast<double>(state.iterations()) * 1e-9;
  state.counters["GMAC/s"] = benchmark::Counter(rounds * static_cast<double>(num_x * shape.rows * shape.n), benchmark::Counter::kIsRate);
  state.counters["GB/s"] = benchmark::Counter(rounds * static_cast<double>(w.size()), benchmark::Counter::kIsRate);
}

void run_attention(benchmark::State& state, const Ops& ops, bool scores, int64_t num_q) {
  constexpr int64_t kHead = 256, kKeys = 512;
  Rng rng(2, "bench");
  const auto values = test::random_floats(kKeys * kHead, rng), q = test::random_floats(num_q * kHead, rng);
  std::vector<uint16_t> cache(values.size());
  ops.store_kv(KvType::kF16, values.data(), cache.data(), kKeys * kHead);
  std::vector<float> p(static_cast<size_t>(num_q * kKeys), 1e-3f), out(q.size());
  for (auto _ : state) {
    if (scores) {
      ops.attention_scores_group(KvType::kF16, num_q, q.data(), kHead, cache.data(), kHead, kKeys, kHead, 0.0625f, p.data(), kKeys);
    } else {
      std::fill(out.begin(), out.end(), 0.0f);
      ops.attention_values_group(KvType::kF16, num_q, p.data(), kKeys, cache.data(), kHead, kKeys, kHead, out.data(), kHead);
    }
    benchmark::ClobberMemory();
  }
  state.counters["GMAC/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * num_q * kKeys * kHead) * 1e-9, benchmark::Counter::kIsRate);
}

void register_level(const Ops& ops) {
  const std::string level(isa_name(ops.isa));
  const Shape shapes[] = {{DType::kQ5_0, 2048, 640}, {DType::kQ8_0, 2048, 640}, {DType::kQ4_0, 2048, 640}, {DType::kQ4_K, 640, 2048},
                          {DType::kQ5_K, 640, 2048}, {DType::kQ6_K, 640, 2048}, {DType::kF16, 2048, 640},  {DType::kF32, 2048, 640}};
  for (const bool fast : {true, false}) {
    for (const Shape& shape : shapes) {
      for (const int64_t num_x : {1, 2, 4, 8, 15, 32, 512}) {
        for (const int threads : {1, 2}) {
          const std::string name =
              cat(fast ? "gemm_q8/" : "gemm_f32/", level, "/", dtype_name(shape.dtype), "/", num_x, "/threads:", threads);
          benchmark::RegisterBenchmark(name.c_str(), [&ops, shape, fast, num_x, threads](benchmark::State& state) {
            run_gemm(state, ops, shape, fast ? Kind::kQ8 : Kind::kF32, num_x, threads);
          })->UseRealTime();
        }
      }
    }
  }
  for (const int threads : {1, 2}) {
    for (const int64_t num_x : {1, 4, 8, 32}) {
      for (const Kind kind : {Kind::kQ8, Kind::kHigh}) {
        const std::string name = cat("head/", level, kind == Kind::kHigh ? "/high/" : "/Q8_0/", num_x, "/threads:", threads);
        benchmark::RegisterBenchmark(name.c_str(), [&ops, kind, num_x, threads](benchmark::State& state) {
          run_gemm(state, ops, {DType::kQ8_0, 262144, 640}, kind, num_x, threads);
        })->UseRealTime();
      }
    }
  }
  for (const int64_t num_q : {1, 4}) {
    benchmark::RegisterBenchmark(cat("attention_scores/", level, "/F16/", num_q).c_str(),
                                 [&ops, num_q](benchmark::State& state) { run_attention(state, ops, true, num_q); });
    benchmark::RegisterBenchmark(cat("attention_values/", level, "/F16/", num_q).c_str(),
                                 [&ops, num_q](benchmark::State& state) { run_attention(state, ops, false, num_q); });
  }
}

}  // namespace
}  // namespace attune::kernels

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("cpu", attune::kernels::cpu_model());
  std::string features;
  for (const auto& feature : attune::kernels::cpu_features()) features += (features.empty() ? "" : " ") + feature;
  benchmark::AddCustomContext("features", features);
  for (const auto isa : attune::kernels::available_isas()) attune::kernels::register_level(attune::kernels::ops_for(isa));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
