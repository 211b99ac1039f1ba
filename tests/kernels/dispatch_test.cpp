// Choice of the level and the processor probe.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "kernels/levels_internal.h"
#include "kernels/probe.h"

namespace attune::kernels {
namespace {

ErrorCode code_of(std::string_view name) {
  try {
    select_isa(name);
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("[kernels]"), std::string::npos) << error.what();
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(Dispatch, ScalarIsAlwaysThereAndFirst) {
  const auto isas = available_isas();
  ASSERT_FALSE(isas.empty());
  EXPECT_EQ(isas.front(), Isa::kScalar);
  EXPECT_TRUE(std::is_sorted(isas.begin(), isas.end()));
  for (const Isa isa : isas) EXPECT_EQ(ops_for(isa).isa, isa);
}

TEST(Dispatch, EveryLevelHasEveryOperator) {
  for (const Isa isa : available_isas()) {
    const Ops& ops = ops_for(isa);
    EXPECT_TRUE(ops.dequantize_row && ops.quantize_q8 && ops.gemm_q8 && ops.gemm_f32 && ops.rms_norm && ops.add && ops.gelu_mul &&
                ops.rope && ops.store_kv && ops.attention_scores && ops.softmax && ops.attention_values && ops.attention_scores_group &&
                ops.attention_values_group);
  }
}

TEST(Dispatch, NamesSelectLevels) {
  for (const Isa isa : available_isas()) EXPECT_EQ(select_isa(isa_name(isa)), isa);
  EXPECT_EQ(select_isa(std::nullopt), available_isas().back());
}

TEST(Dispatch, UnknownNamesAreRefused) {
  for (const std::string_view name : {"", "sse", "AVX2", "avx2 ", "avx512f"}) {
    EXPECT_EQ(code_of(name), ErrorCode::kInvalidArgument) << "'" << name << "'";
  }
}

TEST(Dispatch, UnavailableLevelsAreRefused) {
  const auto isas = available_isas();
  for (const Isa isa : {Isa::kAvx2, Isa::kAvx512}) {
    if (std::find(isas.begin(), isas.end(), isa) != isas.end()) continue;
    EXPECT_EQ(code_of(isa_name(isa)), ErrorCode::kUnsupported);
    EXPECT_THROW(ops_for(isa), Error);
  }
}

// ops() reads the variable once; each case below runs in a process of its own.
TEST(DispatchDeathTest, EnvironmentVariableDecides) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        ::setenv("ATTUNE_ISA", "scalar", 1);
        std::exit(ops().isa == Isa::kScalar ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        ::setenv("ATTUNE_ISA", "neon", 1);
        try {
          ops();
        } catch (const Error& error) {
          std::fprintf(stderr, "%s", error.what());
          std::exit(error.code() == ErrorCode::kInvalidArgument ? 3 : 1);
        }
        std::exit(0);
      },
      ::testing::ExitedWithCode(3), "expected scalar, avx2 or avx512, found 'neon'");
}

TEST(Dispatch, RowBytesAreWholeCacheLines) {
  for (int64_t n = 32; n < 3000; n += 32) {
    EXPECT_EQ(q8_row_bytes(n) % 64, 0);
    EXPECT_GE(q8_row_bytes(n), n + n / 2 + 4 + 2 * n);
  }
}

TEST(Probe, NamesFeaturesOfTheLevels) {
  const auto features = cpu_features();
  const auto has = [&](const char* name) { return std::find(features.begin(), features.end(), name) != features.end(); };
  const auto isas = available_isas();
  for (const Isa isa : isas) {
    EXPECT_TRUE(isa != Isa::kAvx2 || (has("avx2") && has("fma") && has("f16c")));
    EXPECT_TRUE(isa != Isa::kAvx512 || (has("avx512f") && has("avx512bw") && has("avx512vl") && has("avx512dq") && has("avx512vnni")));
  }
  EXPECT_FALSE(cpu_model().empty());
}

}  // namespace
}  // namespace attune::kernels
