// Errors, checked arithmetic, files, half floats, options: the small pieces of core/.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/checked.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/file.h"
#include "core/number.h"
#include "core/options.h"
#include "core/progress.h"
#include "core/registry.h"

namespace attune {
namespace {

TEST(Error, TrailStandsInFront) {
  try {
    with_context("loading model",
                 [] { with_context("tensor blk.0", [] { fail(ErrorCode::kCorruptData, "[gguf] size is ", 3, ", expected ", 4); }); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "loading model: tensor blk.0: [gguf] size is 3, expected 4");
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    EXPECT_EQ(error.trail().size(), 2u);
  }
}

TEST(Checked, WrapsAreErrors) {
  EXPECT_EQ(checked_mul(1ull << 32, 1ull << 31, "x"), 1ull << 63);
  EXPECT_THROW(checked_mul(1ull << 32, 1ull << 32, "x"), Error);
  EXPECT_THROW(checked_add(~0ull, 1, "x"), Error);
  EXPECT_THROW((checked_cast<int32_t>(int64_t{1} << 31, "x")), Error);
  EXPECT_THROW((checked_cast<uint32_t>(int64_t{-1}, "x")), Error);
}

TEST(Half, EveryHalfRoundTrips) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float value = f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(value)) continue;
    EXPECT_EQ(f32_to_f16(value), h);
  }
  EXPECT_EQ(f16_to_f32(0x3c00), 1.0f);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);             // first value that rounds to infinity
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), 0x3c00);      // tie to even
  EXPECT_EQ(f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(f32_to_bf16(25.298221f), 0x41ca);          // 25.25
}

TEST(DType, RowBytes) {
  EXPECT_EQ(row_bytes(DType::kQ8_0, 640), 680u);
  EXPECT_THROW(row_bytes(DType::kQ4_K, 640), Error);
  EXPECT_EQ(dtype_from_ggml(12), DType::kQ4_K);
  EXPECT_EQ(dtype_from_ggml(99), std::nullopt);
}

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("attune-core-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Path folder_;
};

TEST_F(FileTest, AtomicWriteAppearsWholeOrNotAtAll) {
  const Path path = folder_ / "a";
  write_file_atomic(path, "old");
  EXPECT_THROW(write_file_atomic(path,
                                 [](AtomicFile& file) {
                                   file.write("half");
                                   fail(ErrorCode::kInternal, "planted");
                                 }),
               Error);
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  write_file_atomic(path, std::string(3 << 20, 'x'));
  EXPECT_EQ(read_file(path).size(), 3u << 20);
  EXPECT_THROW(read_file(path, 100), Error);
}

TEST_F(FileTest, MappedFileNoticesShrinking) {
  const Path path = folder_ / "m";
  write_file_atomic(path, "12345");
  const MappedFile file(path);
  EXPECT_EQ(file.bytes().size(), 5u);
  EXPECT_FALSE(file.changed());
  std::filesystem::resize_file(path, 2);
  EXPECT_TRUE(file.changed());
  EXPECT_THROW(MappedFile(folder_ / "absent"), Error);
}

TEST_F(FileTest, MappedFileComesBackAfterRelease) {
  const Path path = folder_ / "m";
  std::string text(5 << 12, 'a');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  write_file_atomic(path, text);
  const MappedFile file(path);
  const auto same = [&] { return std::string_view(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()) == text; };
  EXPECT_TRUE(same());
  for (const size_t begin : {size_t{0}, size_t{1}, size_t{4096}, size_t{9000}}) file.release(file.bytes().subspan(begin));
  file.release(file.bytes().first(10));
  EXPECT_TRUE(same());
  std::string elsewhere = text;  // memory that is not the file's is left alone
  file.release(std::as_bytes(std::span(elsewhere)));
  EXPECT_EQ(elsewhere, text);
  MappedFile().release(file.bytes());
  EXPECT_TRUE(same());
}

struct Sample {
  int32_t top_k = 64;
  double temperature = 1;
  uint64_t seed = 0;
  bool greedy = false;
  std::string compute = "fast";
  void describe(OptionList& list) {
    list.add("top_k", top_k, "Keep the k likeliest tokens.").range(0, 1000);
    list.add("temperature", temperature, "Softmax temperature.").alias("--temp").range(0, 100);
    list.add("seed", seed, "Seed.");
    list.add("greedy", greedy, "Take the likeliest token.");
    list.add("compute", compute, "Arithmetic.").choices({"f32", "fast"});
  }
};

TEST(Options, ParseCheckAndDocument) {
  Sample sample;
  OptionList list;
  sample.describe(list);
  list.get("top_k").set_text("5");
  list.get("temperature").set_number(0.5, false);
  list.get("seed").set_text("18446744073709551615");
  list.get("greedy").set_bool(true);
  EXPECT_EQ(sample.top_k, 5);
  EXPECT_EQ(sample.temperature, 0.5);
  EXPECT_EQ(sample.seed, ~uint64_t{0});
  EXPECT_TRUE(sample.greedy);
  for (const char* bad : {"-1", "1001", "2.5", "nan", "x", "", "1e99"}) EXPECT_THROW(list.get("top_k").set_text(bad), Error) << bad;
  EXPECT_THROW(list.get("temperature").set_number(std::nan(""), false), Error);
  EXPECT_THROW(list.get("compute").set_text("f64"), Error);
  EXPECT_THROW(list.get("absent"), Error);
  EXPECT_EQ(sample.top_k, 5);
  EXPECT_NE(list.markdown().find("| `--temperature`, `--temp` | `0.5` | 0 to 100 |"), std::string::npos) << list.markdown();
}

struct RangedOptions {
  double share = 0.5;
  std::string kind = "a";
  std::vector<std::string> names = {"x", "y"};
  void describe(OptionList& list) {
    list.add("share", share, "").range(0, 1);
    list.add("kind", kind, "").choices({"a", "b"});
    list.add("names", names, "");
  }
};

TEST(Options, RangesOfAStructAreChecked) {
  EXPECT_NO_THROW(check_option_ranges(RangedOptions{}));
  for (const double share : {-0.1, 1.5, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    RangedOptions bad;
    bad.share = share;
    EXPECT_THROW(check_option_ranges(bad), Error) << share;
  }
  RangedOptions bad;
  bad.kind = "c";
  try {
    check_option_ranges(bad);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("kind"), std::string::npos);
  }
}

TEST(Registry, UnknownNameListsTheKnown) {
  Registry<int> registry("policy");
  registry.add("greedy", 1);
  try {
    registry.get("x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("greedy"), std::string::npos);
  }
}

TEST(Progress, Duration) {
  EXPECT_EQ(format_duration(3.2), "3 s");
  EXPECT_EQ(format_duration(185), "3 min 05 s");
  EXPECT_EQ(format_duration(3725), "1 h 02 min");
}

TEST(Number, FixedDigits) {
  EXPECT_EQ(fixed(2.0 / 3, 4), "0.6667");
  EXPECT_EQ(fixed(-0.5, 0), "-0");
  EXPECT_EQ(fixed(1e300, 2).size(), 304u);
}

TEST(Number, ShortestDoubleHasTheFloatsDigits) {
  EXPECT_EQ(shortest_double(1e-6f), 1e-6);
  EXPECT_NE(static_cast<double>(1e-6f), 1e-6);
  for (const float value : {0.1f, -3.3333333f, 1.17549435e-38f, 3.40282347e38f, 0.0f}) {
    EXPECT_EQ(static_cast<float>(shortest_double(value)), value);
  }
}

}  // namespace
}  // namespace attune
