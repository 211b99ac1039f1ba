// dequantize_row: formulas of docs/methods/kernels.md in double, known values of the real model, and equal bits on every level.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "io/gguf.h"
#include "tests/kernels/test_data.h"

namespace attune::kernels::test {
namespace {

/// Written from the format's text, element by element, apart from the code under test.
double element(DType dtype, const std::byte* row, int64_t index) {
  const DTypeInfo& info = dtype_info(dtype);
  const uint8_t* b = reinterpret_cast<const uint8_t*>(row) + index / info.block_size * info.block_bytes;
  const int e = static_cast<int>(index % info.block_size);
  const auto u16 = [&](int at) { return static_cast<uint16_t>(b[at] | b[at + 1] << 8); };
  const auto half = [&](int at) {
    const uint16_t h = u16(at);
    const int exponent = h >> 10 & 31, mantissa = h & 1023;
    const double size = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return h & 0x8000 ? -size : size;
  };
  const auto scale_min = [&](int s, int& scale, int& min) {
    const uint8_t* p = b + 4;
    scale = s < 4 ? p[s] & 63 : (p[s + 4] & 15) | (p[s - 4] >> 6) << 4;
    min = s < 4 ? p[s + 4] & 63 : p[s + 4] >> 4 | (p[s] >> 6) << 4;
  };
  switch (dtype) {
    case DType::kF32: {
      float value;
      std::memcpy(&value, b, 4);
      return value;
    }
    case DType::kF16: return half(0);
    case DType::kBF16: {
      const uint32_t bits = static_cast<uint32_t>(u16(0)) << 16;
      float value;
      std::memcpy(&value, &bits, 4);
      return value;
    }
    case DType::kQ4_0: return half(0) * ((e < 16 ? b[2 + e] & 15 : b[2 + e - 16] >> 4) - 8);
    case DType::kQ5_0: {
      const int high = b[2 + e / 8] >> (e % 8) & 1;
      return half(0) * (((e < 16 ? b[6 + e] & 15 : b[6 + e - 16] >> 4) | high << 4) - 16);
    }
    case DType::kQ8_0: return half(0) * static_cast<int8_t>(b[2 + e]);
    case DType::kQ4_K:
    case DType::kQ5_K: {
      const int s = e / 32, l = e % 32;
      int scale, min;
      scale_min(s, scale, min);
      const uint8_t* q = b + (dtype == DType::kQ4_K ? 16 : 48);
      int n = s % 2 == 0 ? q[32 * (s / 2) + l] & 15 : q[32 * (s / 2) + l] >> 4;
      if (dtype == DType::kQ5_K && (b[16 + l] >> s & 1)) n += 16;
      return static_cast<float>(half(0) * scale * n) - half(2) * min;
    }
    case DType::kQ6_K: {
      const int t = e / 128, y = e % 128, l = y % 32;
      const uint8_t *low = b + 64 * t, *high = b + 128 + 32 * t;
      const int8_t* s = reinterpret_cast<const int8_t*>(b + 192) + 8 * t;
      int n = 0;
      if (y < 32)
        n = (low[l] & 15) | (high[l] & 3) << 4;
      else if (y < 64)
        n = (low[l + 32] & 15) | (high[l] >> 2 & 3) << 4;
      else if (y < 96)
        n = low[l] >> 4 | (high[l] >> 4 & 3) << 4;
      else
        n = low[l + 32] >> 4 | (high[l] >> 6) << 4;
      return half(208) * s[l / 16 + y / 32 * 2] * (n - 32);
    }
  }
  return 0;
}

class DequantizeTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Ops& ops_ = ops_for(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Levels, DequantizeTest, ::testing::ValuesIn(available_isas()),
                         [](const auto& level) { return std::string(isa_name(level.param)); });

// Products are exact in float, differences rounded once: the float of the double value, for scales from subnormal halves to the largest.
TEST_P(DequantizeTest, IsTheRoundedFormula) {
  Rng rng(1, "dequantize");
  for (const DType dtype : all_dtypes()) {
    for (const double scale : {1e-7, 3e-5, 0.01, 1.0, 20000.0}) {
      for (const int64_t n : {32, 256, 640, 2304}) {
        if (n % dtype_info(dtype).block_size != 0) continue;
        const auto row = random_rows(dtype, 1, n, rng, scale);
        std::vector<float> y(static_cast<size_t>(n) + 1, 77);
        ops_.dequantize_row(dtype, row.data(), y.data(), n);
        for (int64_t i = 0; i < n; ++i) {
          const float expected = static_cast<float>(element(dtype, row.data(), i));
          const float found = y[static_cast<size_t>(i)];
          if (!std::isfinite(expected)) continue;
          ASSERT_EQ(found, expected) << level_name(ops_) << " " << dtype_name(dtype) << " scale " << scale << " element " << i;
        }
        ASSERT_EQ(y.back(), 77) << "wrote past the row";
      }
    }
  }
}

// Halves of every bit pattern, infinities and NaN included.
TEST_P(DequantizeTest, AllHalfPatterns) {
  std::vector<uint16_t> bits(65536);
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<uint16_t>(i);
  std::vector<float> y(bits.size());
  for (const DType dtype : {DType::kF16, DType::kBF16}) {
    ops_.dequantize_row(dtype, bits.data(), y.data(), static_cast<int64_t>(y.size()));
    for (size_t i = 0; i < y.size(); ++i) {
      const float expected = dtype == DType::kF16 ? f16_to_f32(bits[i]) : bf16_to_f32(bits[i]);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(y[i])) << i;
      } else {
        ASSERT_EQ(y[i], expected) << i;
      }
    }
  }
}

TEST_P(DequantizeTest, OddLengthsOfPlainFormats) {
  Rng rng(2, "odd");
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t n : {1, 3, 7, 9, 15, 17, 31, 33}) {
      const auto row = random_rows(dtype, 1, n, rng);
      std::vector<float> y(static_cast<size_t>(n) + 1, 77);
      ops_.dequantize_row(dtype, row.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[static_cast<size_t>(i)], static_cast<float>(element(dtype, row.data(), i)));
      ASSERT_EQ(y.back(), 77);
    }
  }
}

struct Golden {
  const char* tensor;
  DType dtype;
  float first[4];
  double sum;
};

// Row 2 of tensors of the released file, values from the gguf reference package's dequantiser.
TEST_P(DequantizeTest, RealModelRows) {
  const std::filesystem::path path = std::filesystem::path(ATTUNE_SOURCE_DIR) / "models/gemma-3-270m-q4_k_m.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto file = io::GgufFile::open(path);
  const Golden goldens[] = {
      {"token_embd.weight", DType::kQ8_0, {-0.0142424f, 0.0105669f, 0.0133235f, 0.0124047f}, 1.4879},
      {"blk.0.attn_q.weight", DType::kQ5_0, {0.0260925f, 0.041748f, -0.0574036f, 0.0260925f}, -0.199631},
      {"blk.0.attn_output.weight", DType::kQ4_K, {0.00880623f, -0.0396552f, -0.055809f, -0.0154245f}, -2.36287},
      {"blk.0.ffn_down.weight", DType::kQ6_K, {-0.0380015f, -0.00172734f, -0.0172734f, 0.00345469f}, -1.60603},
      {"blk.0.attn_v.weight", DType::kQ8_0, {0.0461903f, 0.0371037f, -0.010601f, 0.0136299f}, 1.56887},
  };
  for (const Golden& golden : goldens) {
    const io::TensorView& tensor = file->get(golden.tensor);
    ASSERT_EQ(tensor.dtype, golden.dtype) << golden.tensor;
    const int64_t n = tensor.row_size();
    std::vector<float> y(static_cast<size_t>(n));
    ops_.dequantize_row(tensor.dtype, tensor.data.data() + 2 * bytes_of_row(tensor.dtype, n), y.data(), n);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i], golden.first[i], 6e-6 * std::fabs(golden.first[i])) << golden.tensor << " " << i;
    double sum = 0;
    for (const float v : y) sum += v;
    EXPECT_NEAR(sum, golden.sum, 1e-5 * std::fabs(golden.sum)) << golden.tensor;
  }
  const io::TensorView& norm = file->get("blk.0.attn_norm.weight");
  std::vector<float> gain(static_cast<size_t>(norm.row_size()));
  ops_.dequantize_row(norm.dtype, norm.data.data(), gain.data(), norm.row_size());
  EXPECT_EQ((std::vector<float>{gain[0], gain[1], gain[2], gain[3]}), (std::vector<float>{16, 16.875f, 10.8125f, 41.5f}));
}

}  // namespace
}  // namespace attune::kernels::test
