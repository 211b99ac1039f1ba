// .npy: bytes as numpy writes them, round trips, malformed headers.
#include "io/npy/npy.h"

#include <gtest/gtest.h>

#include "io/jsonl/jsonl.h"
#include "tests/io/files.h"

namespace attune::io {
namespace {

using test::ExactBytes;
using test::ScratchFolder;

std::string npy_bytes(std::string header, std::string_view data, char major = 1) {
  std::string out("\x93NUMPY", 6);
  out += {major, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  if (major == 2) out += std::string(2, '\0');
  return out + header + std::string(data);
}

template <class T>
void round_trip(const std::vector<T>& values, const std::vector<int64_t>& shape, std::span<const T> (NpyArray::*get)() const) {
  ScratchFolder folder;
  write_npy(folder / "a.npy", std::span<const T>(values), shape);
  const NpyArray array = read_npy(folder / "a.npy");
  EXPECT_EQ(array.shape, shape);
  const auto got = (array.*get)();
  EXPECT_TRUE(std::equal(got.begin(), got.end(), values.begin(), values.end()));
}

TEST(Npy, RoundTrips) {
  round_trip<float>({1, -2.5f, 3, 4, 5, 6}, {2, 3}, &NpyArray::floats);
  round_trip<double>({0.1, 1e300}, {2}, &NpyArray::doubles);
  round_trip<int64_t>({INT64_MIN, 0, INT64_MAX}, {1, 3, 1}, &NpyArray::integers);
  round_trip<float>({7}, {}, &NpyArray::floats);
  round_trip<float>({}, {0, 4}, &NpyArray::floats);
}

/// numpy.save of np.array([[1, 2, 3], [4, 5, 6]], dtype='<f4') (numpy 2.4.6).
TEST(Npy, WritesWhatNumpyWrites) {
  ScratchFolder folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  write_npy(folder / "a.npy", std::span<const float>(values), {2, 3});
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  header.resize(117, ' ');
  header += '\n';
  EXPECT_EQ(read_file(folder / "a.npy"), npy_bytes(header, std::string_view(reinterpret_cast<const char*>(values.data()), 24)));
}

TEST(Npy, ReadsOtherSpellings) {
  const std::string data(8, '\0');
  for (const std::string header :
       {"{'descr':'<f4','fortran_order':False,'shape':(2,)}", "{\"shape\": (2,), 'descr': '<f4', 'fortran_order': False}\n",
        " { 'fortran_order' : False , 'descr' : '<f4' , 'shape' : ( 1 , 2 , ) , } "}) {
    const ExactBytes bytes(npy_bytes(header, data));
    EXPECT_EQ(parse_npy(bytes.span(), "t.npy").floats().size(), 2u) << header;
  }
  const ExactBytes second(npy_bytes("{'descr':'<f4','fortran_order':False,'shape':(2,)}", data, 2));
  EXPECT_EQ(parse_npy(second.span(), "t.npy").floats().size(), 2u);
}

TEST(Npy, MalformedFilesAreNamedErrors) {
  const std::string data(8, '\0');
  const auto refused = [&](const std::string& text, ErrorCode code) {
    const ExactBytes bytes(text);
    try {
      parse_npy(bytes.span(), "bad.npy");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      for (const char* part : {"[bad.npy]", "expected", "found"})
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  const auto header = [&](const std::string& text, ErrorCode code = ErrorCode::kCorruptData) { refused(npy_bytes(text, data), code); };
  refused("", ErrorCode::kCorruptData);
  refused("\x93NUMPX....", ErrorCode::kCorruptData);
  refused(std::string("\x93NUMPY\x01\x00\x10", 9), ErrorCode::kCorruptData);
  refused(std::string("\x93NUMPY\x02\x00\x10\x00\x00", 11), ErrorCode::kCorruptData);
  refused(std::string("\x93NUMPY\x01\x00\xff\xff{}", 12), ErrorCode::kCorruptData);
  refused(npy_bytes("{}", data, 3), ErrorCode::kUnsupported);
  header("");
  header("{}");
  header("{'descr':'<f4','fortran_order':False}");
  header("{'descr':'<f4','descr':'<f4','fortran_order':False,'shape':(2,)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(2,),'more':(1,)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(2,)");
  header("{'descr':'<f4','fortran_order':False,'shape':(2,)} x");
  header("{'descr':'<f4' 'fortran_order':False,'shape':(2,)}");
  header("{'descr':<f4,'fortran_order':False,'shape':(2,)}");
  header("{'descr':'<f4,'fortran_order':False,'shape':(2,)}");
  header("{'descr':'<f4");
  header("{'descr':'<f4','fortran_order':0,'shape':(2,)}");
  header("{'descr':'<f4','fortran_order':False,'shape':2}");
  header("{'descr':'<f4','fortran_order':False,'shape':(-2,)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(2 1,)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(99999999999999999999,)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(4611686018427387904,4)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(4294967296,4294967296,2)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(3,)}");
  header("{'descr':'<f4','fortran_order':False,'shape':(1,)}");
  std::string ones = "{'descr':'<f4','fortran_order':False,'shape':(2,";
  for (int i = 0; i < 32; ++i) ones += "1,";
  header(ones + ")}");
  header("{'descr':'<f4','fortran_order':True,'shape':(2,)}", ErrorCode::kUnsupported);
  for (const char* descr : {">f4", "<f2", "<c8", "|O", "<i4", "|b1"}) {
    header(cat("{'descr':'", descr, "','fortran_order':False,'shape':(2,)}"), ErrorCode::kUnsupported);
  }
}

TEST(Npy, TypesAndSizesAreChecked) {
  ScratchFolder folder;
  const std::vector<float> values = {1, 2, 3};
  EXPECT_THROW(write_npy(folder / "a.npy", std::span<const float>(values), {2, 2}), Error);
  EXPECT_THROW(write_npy(folder / "a.npy", std::span<const float>(values), {-3, -1}), Error);
  write_npy(folder / "a.npy", std::span<const float>(values), {3});
  EXPECT_THROW(read_npy(folder / "a.npy").doubles(), Error);
  EXPECT_THROW(read_npy(folder / "none.npy"), Error);
}

TEST(LineReader, GivesLinesAndNumbers) {
  LineReader reader("\xef\xbb\xbf{\"a\":1}\r\n\n  \t\n{\"b\":2}\nlast");
  std::string_view line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "{\"a\":1}");
  EXPECT_EQ(reader.line_number(), 1);
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "{\"b\":2}");
  EXPECT_EQ(reader.line_number(), 4);
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "last");
  EXPECT_EQ(reader.line_number(), 5);
  EXPECT_FALSE(reader.next(line));
  EXPECT_FALSE(LineReader("").next(line));
  EXPECT_FALSE(LineReader("\n\r\n").next(line));
}

}  // namespace
}  // namespace attune::io
