// Malformed safetensors files and indices, one fault each: every one is a named error, found within bounds of time and memory.
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/safetensors.h"
#include "tests/io/bounded.h"
#include "tests/io/files.h"

namespace attune::io {
namespace {

using test::ExactBytes;
using test::safetensors_bytes;

struct Case {
  std::string name;
  std::string bytes;
  std::string place;
  std::string found;
};

const std::string kData = "0123456789abcdef";  // 16 bytes

/// One tensor "t" with the given fields.
std::string tensor(std::string_view dtype, std::string_view shape, std::string_view offsets) {
  return cat("{\"t\":{\"dtype\":", dtype, ",\"shape\":", shape, ",\"data_offsets\":", offsets, "}}");
}

/// Two U8 tensors a and b with the given spans.
std::string two(std::string_view a_shape, std::string_view a, std::string_view b_shape, std::string_view b) {
  return cat(R"({"a":{"dtype":"U8","shape":)", a_shape, ",\"data_offsets\":", a, R"(},"b":{"dtype":"U8","shape":)", b_shape,
             ",\"data_offsets\":", b, "}}");
}

class Table {
 public:
  void json(std::string name, std::string_view text, std::string place, std::string found) {
    cases.push_back({std::move(name), safetensors_bytes(text, kData), std::move(place), std::move(found)});
  }
  void bytes(std::string name, std::string text, std::string place, std::string found) {
    cases.push_back({std::move(name), std::move(text), std::move(place), std::move(found)});
  }
  std::vector<Case> cases;
};

const std::string kSound = tensor("\"F32\"", "[4]", "[0,16]");

void add_length_cases(Table& table) {
  const std::string sound = safetensors_bytes(kSound, kData);
  for (const size_t size : {0, 1, 7}) table.bytes(cat("file of ", size, " bytes"), sound.substr(0, size), "header", cat("found ", size));
  for (const size_t size : {8, 9, 40}) table.bytes(cat("file of ", size, " bytes"), sound.substr(0, size), "header", "found");
  const uint64_t rest = sound.size() - 8;
  for (const uint64_t length : {uint64_t{0}, uint64_t{1}, rest + 1, uint64_t{1} << 20, (uint64_t{100} << 20) + 1, uint64_t{1} << 32,
                                uint64_t{1} << 63, ~uint64_t{0} - 7, ~uint64_t{0} - 4, ~uint64_t{0}}) {
    table.bytes(cat("header length ", length), safetensors_bytes(kSound, kData, length), "header", cat("found ", length));
  }
  table.bytes("header length one short", safetensors_bytes(kSound, kData, kSound.size() - 1), "JSON", "error at byte");
  table.bytes("header length one long", safetensors_bytes(kSound, kData, kSound.size() + 1), "JSON", "error at byte");
  table.bytes("header is the whole file", safetensors_bytes(kSound, kData, rest), "JSON", "error at byte");
  table.bytes("a GGUF file", test::sound_gguf().build(), "header", "found");
  table.bytes("data missing", safetensors_bytes(kSound, ""), "tensor t", "[0, 16]");
  table.bytes("data cut", safetensors_bytes(kSound, kData.substr(1)), "tensor t", "[0, 16]");
  table.bytes("one byte after the last tensor", safetensors_bytes(kSound, kData + "x"), "data after tensor t", "found 1 more");
  table.bytes("data without a tensor", safetensors_bytes("{}", kData), "data", "found 16 more");
}

void add_json_cases(Table& table) {
  for (const char* text : {"[]", "null", "12", "\"text\"", "true", "  {}", "\xef\xbb\xbf{}", "// x\n{}"}) {
    table.json(cat("no object: ", text), std::string(text) + "   ", "header", "found");
  }
  const char* broken[] = {"{ ",
                          "{}}",
                          "{} {}",
                          "{\"t\"",
                          "{\"t\":",
                          "{\"t\":}",
                          "{'t':{}}",
                          "{\"t\":{\"dtype\":\"F32\",}}",
                          "{\"\xff\":{}}",
                          "{\"t\x01\":{}}",
                          "{\"t\\ud800\":{}}",
                          "{\"t\\q\":{}}",
                          "{} x",
                          "{\"t\":nul}",
                          "{\"t\":{\"shape\":[01]}}",
                          "{\"t\":{\"shape\":[1 2]}}",
                          "{/**/}",
                          "{\"t\":{\"shape\":[+1]}}",
                          "{\"t\":{\"shape\":[NaN]}}"};
  for (const char* text : broken) table.json(cat("broken JSON: ", text), text, "JSON", "error at byte");
  table.json("zero bytes behind the object", std::string("{}\0\0\0\0", 6), "JSON", "error at byte");
  table.json("zero bytes in front", std::string("\0\0{}", 4), "header", "found \"\\x00");
  table.json("zero byte in a name", std::string("{\"t\0\":{}}", 9), "JSON", "a zero byte");
  table.json("10000 deep arrays", "{\"t\":" + std::string(10000, '['), "tensor t", "found an array");
  table.json("10000 deep arrays in shape", "{\"t\":{\"shape\":" + std::string(10000, '['), "tensor t", "found an array");
  std::string deep = "{\"t\":";
  for (int i = 0; i < 10000; ++i) deep += "{\"dtype\":";
  table.json("10000 deep objects", deep, "tensor t", "found an object");
  table.json("10000 deep metadata", "{\"__metadata__\":" + std::string(10000, '['), "__metadata__", "found an array");
  table.json("a long word", "{\"t\":" + std::string(1 << 20, 'n'), "JSON", "error at byte");
}

void add_key_cases(Table& table) {
  const std::string entry = R"({"dtype":"U8","shape":[16],"data_offsets":[0,16]})";
  table.json("tensor twice", cat("{\"t\":", entry, ",\"t\":", entry, "}"), "tensor t", "twice");
  table.json("tensor twice, one escaped", cat("{\"t\":", entry, ",\"\\u0074\":", entry, "}"), "tensor t", "twice");
  table.json("dtype twice", R"({"t":{"dtype":"U8","dtype":"F32","shape":[16],"data_offsets":[0,16]}})", "tensor t", "dtype twice");
  table.json("shape twice", R"({"t":{"dtype":"U8","shape":[16],"shape":[16],"data_offsets":[0,16]}})", "tensor t", "shape twice");
  table.json("data_offsets twice", R"({"t":{"dtype":"U8","shape":[16],"data_offsets":[0,16],"data_offsets":[0,16]}})", "tensor t",
             "data_offsets twice");
  table.json("__metadata__ twice", cat(R"({"__metadata__":{},"__metadata__":{},"t":)", entry, "}"), "key __metadata__", "twice");
  table.json("metadata key twice", cat(R"({"__metadata__":{"a":"1","a":"2"},"t":)", entry, "}"), "key __metadata__.a", "twice");
  for (const char* value : {"1", "-1", "1.5", "null", "true", "[]", "{}", "[\"x\"]"}) {
    table.json(cat("metadata value ", value), cat("{\"__metadata__\":{\"a\":", value, "},\"t\":", entry, "}"), "key __metadata__.a",
               "found");
  }
  for (const char* value : {"1", "null", "\"text\"", "[]"}) {
    table.json(cat("metadata ", value), cat("{\"__metadata__\":", value, ",\"t\":", entry, "}"), "key __metadata__", "found");
    table.json(cat("entry ", value), cat("{\"t\":", value, "}"), "tensor t", "found");
  }
  table.json("no dtype", R"({"t":{"shape":[16],"data_offsets":[0,16]}})", "tensor t", "no dtype");
  table.json("no shape", R"({"t":{"dtype":"U8","data_offsets":[0,16]}})", "tensor t", "no shape");
  table.json("no data_offsets", R"({"t":{"dtype":"U8","shape":[16]}})", "tensor t", "no data_offsets");
  table.json("empty entry", R"({"t":{}})", "tensor t", "no dtype");
  table.json("unknown field", R"({"t":{"dtype":"U8","shape":[16],"data_offsets":[0,16],"extra":1}})", "tensor t", "found extra");
  table.json("empty name", cat("{\"\":", entry, "}"), "tensor", "found an empty one");
}

void add_field_cases(Table& table) {
  for (const char* value : {"1", "null", "[]", "{}", "true"}) {
    table.json(cat("dtype ", value), tensor(value, "[16]", "[0,16]"), "tensor t", "found");
  }
  for (const char* value : {"1", "null", "\"4\"", "{}", "[-1]", "[1.5]", "[\"4\"]", "[null]", "[[4]]", "[{}]", "[true]",
                            "[18446744073709551616]", "[1e2]", "[9223372036854775808]", "[4611686018427387905]"}) {
    table.json(cat("shape ", value), tensor("\"F32\"", value, "[0,16]"), "tensor t", "found");
  }
  table.json("shape of 65 dims",
             tensor(
                 "\"U8\"",
                 "[16" +
                     [] {
                       std::string ones;
                       for (int i = 0; i < 64; ++i) ones += ",1";
                       return ones;
                     }() +
                     "]",
                 "[0,16]"),
             "tensor t", "found more");
  for (const char* value : {"1", "null", "\"0\"", "{}", "[]", "[0]", "[0,16,16]", "[-1,16]", "[0,-16]", "[0.0,16]", "[0,\"16\"]",
                            "[0,[16]]", "[null,16]", "[0,18446744073709551616]", "[0,1e1]"}) {
    table.json(cat("data_offsets ", value), tensor("\"F32\"", "[4]", value), "tensor t", "found");
  }
}

void add_layout_cases(Table& table) {
  table.json("offsets reversed", tensor("\"U8\"", "[8]", "[10,2]"), "tensor t", "found [10, 2]");
  table.json("offsets reversed, wrapping shape", tensor("\"U8\"", "[18446744073709551608]", "[10,2]"), "tensor t", "found");
  table.json("offsets beyond the file", tensor("\"U8\"", "[17]", "[0,17]"), "tensor t", "[0, 17]");
  table.json("offsets far beyond", tensor("\"U8\"", "[16]", "[18446744073709551599,18446744073709551615]"), "tensor t", "found [1844");
  table.json("shape too small", tensor("\"F32\"", "[3]", "[0,16]"), "tensor t", "16 bytes");
  table.json("shape too large", tensor("\"F32\"", "[5]", "[0,16]"), "tensor t", "16 bytes");
  table.json("type too small", tensor("\"F16\"", "[4]", "[0,16]"), "tensor t", "16 bytes");
  table.json("scalar with 16 bytes", tensor("\"F32\"", "[]", "[0,16]"), "tensor t", "16 bytes");
  table.json("zero elements with 16 bytes", tensor("\"F32\"", "[0]", "[0,16]"), "tensor t", "16 bytes");
  table.json("product wraps to 4", tensor("\"F32\"", "[4294967296,4294967296,4]", "[0,16]"), "tensor t", "found F32");
  table.json("bytes wrap to 16", tensor("\"F32\"", "[4611686018427387904,4]", "[0,16]"), "tensor t", "found F32");
  table.json("product of large dims", tensor("\"F64\"", "[2305843009213693954]", "[0,16]"), "tensor t", "found F64");
  table.json("half a byte", tensor("\"F4\"", "[31]", "[0,16]"), "tensor t", "found F4");
  table.json("six-bit elements", tensor("\"F6_E2M3\"", "[21]", "[0,16]"), "tensor t", "found F6_E2M3");
  table.json("hole in front", tensor("\"U8\"", "[15]", "[1,16]"), "tensor t", "found data_offsets [1, 16]");
  table.json("hole between", two("[4]", "[0,4]", "[11]", "[5,16]"), "tensor b", "found data_offsets [5, 16]");
  table.json("overlap", two("[9]", "[0,9]", "[8]", "[8,16]"), "tensor b", "found data_offsets [8, 16]");
  table.json("same bytes", two("[16]", "[0,16]", "[16]", "[0,16]"), "tensor b", "found data_offsets [0, 16]");
  table.json("inside another", two("[16]", "[0,16]", "[4]", "[4,8]"), "tensor b", "found data_offsets [4, 8]");
  table.json("tail", two("[4]", "[0,4]", "[11]", "[4,15]"), "data after tensor b", "found 1 more");
  table.json("empty tensor in a hole", two("[16]", "[0,16]", "[0]", "[3,3]"), "tensor b", "found data_offsets [3, 3]");
  table.json("unknown type with a hole", tensor("\"Q9\"", "[4]", "[4,16]"), "tensor t", "found data_offsets [4, 16]");
}

void expect_named_error(const test::Outcome& outcome, std::string_view file, const std::string& place, const std::string& found) {
  ASSERT_EQ(outcome.kind, test::Outcome::Kind::kError) << outcome.message;
  EXPECT_EQ(error_code_name(outcome.code), error_code_name(ErrorCode::kCorruptData)) << outcome.message;
  for (const std::string& part : {cat("[", file, "]"), place, std::string("expected"), found}) {
    EXPECT_NE(outcome.message.find(part), std::string::npos) << "no \"" << part << "\" in: " << outcome.message;
  }
  EXPECT_LT(outcome.message.size(), 1000u);
  if (test::memory_is_bounded()) {
    EXPECT_LT(outcome.cpu_ms, 100);
  }
}

TEST(SafetensorsMalformed, TheSoundFileLoads) {
  const ExactBytes bytes(safetensors_bytes(kSound, kData));
  EXPECT_EQ(test::run_bounded([&] { SafetensorsFile::parse(bytes.span(), "bad"); }).kind, test::Outcome::Kind::kLoaded);
}

TEST(SafetensorsMalformed, EveryFaultIsANamedErrorWithinBounds) {
  Table table;
  add_length_cases(table);
  add_json_cases(table);
  add_key_cases(table);
  add_field_cases(table);
  add_layout_cases(table);
  EXPECT_GE(table.cases.size(), 140u);
  for (const Case& one : table.cases) {
    SCOPED_TRACE(one.name);
    const ExactBytes bytes(one.bytes);
    const auto outcome = test::run_bounded([&] { SafetensorsFile::parse(bytes.span(), "bad.safetensors"); });
    expect_named_error(outcome, "bad.safetensors", one.place, one.found);
  }
}

TEST(SafetensorsMalformed, LimitsAreHonoured) {
  const ExactBytes bytes(safetensors_bytes(two("[8]", "[0,8]", "[8]", "[8,16]"), kData));
  SafetensorsLimits limits;
  limits.max_tensors = 1;
  expect_named_error(test::run_bounded([&] { SafetensorsFile::parse(bytes.span(), "bad", limits); }), "bad", "tensor b", "found more");
  limits = {};
  limits.max_header_bytes = 20;
  expect_named_error(test::run_bounded([&] { SafetensorsFile::parse(bytes.span(), "bad", limits); }), "bad", "at most 20 bytes", "found");
}

class BadIndex : public testing::Test {
 protected:
  BadIndex() {
    write_file_atomic(folder_ / "s1.safetensors", safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a"));
    write_file_atomic(folder_ / "s2.safetensors", safetensors_bytes(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "bbbb"));
    write_file_atomic(folder_ / "s3.safetensors", safetensors_bytes(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "a"));
  }
  test::Outcome open(std::string_view index) {
    write_file_atomic(folder_ / "model.safetensors.index.json", index);
    return test::run_bounded([&] { SafetensorsFile::open(folder_.path()); });
  }
  void refused(std::string_view index, const std::string& place, const std::string& found,
               std::string_view file = "model.safetensors.index.json") {
    SCOPED_TRACE(std::string(index.substr(0, 200)));
    expect_named_error(open(index), file, place, found);
  }
  test::ScratchFolder folder_;
};

TEST_F(BadIndex, TheSoundOneLoads) {
  EXPECT_EQ(open(R"({"metadata":{"x":[1,{"y":null}]},"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"},"more":1.5})").kind,
            test::Outcome::Kind::kLoaded);
}

TEST_F(BadIndex, ShardNamesMayNotLeaveTheFolder) {
  for (const char* name :
       {"../../etc/passwd", "../s1.safetensors", "/etc/passwd", "/tmp/x.safetensors", "sub/s1.safetensors", "..", ".", "", ".safetensors",
        "s1.bin", "s1.safetensors ", "s1\\\\x.safetensors", "s1\\u0000.safetensors", "s1\\n.safetensors", "http://h/s.safetensors"}) {
    refused(cat("{\"weight_map\":{\"a\":\"", name, "\"}}"), "weight_map key a", "found");
  }
  refused(cat("{\"weight_map\":{\"a\":\"", std::string(200, 's'), ".safetensors\"}}"), "weight_map key a", "found");
}

TEST_F(BadIndex, StructureIsChecked) {
  refused("", "JSON", "error at byte");
  refused(std::string("{\"weight_map\":{}}\0", 18), "JSON", "a zero byte");
  refused("[]", "index", "found an array");
  refused("3", "index", "found a number");
  refused("null", "index", "found null");
  refused("{}", "index", "found none");
  refused("{\"weight_map\":{}", "JSON", "error at byte");
  refused("{\"weight_map\":[]}", "weight_map", "found an array");
  refused("{\"weight_map\":1}", "weight_map", "found a number");
  refused("{\"weight_map\":\"s1.safetensors\"}", "weight_map", "found a string");
  refused("{\"weight_map\":{\"a\":1}}", "weight_map key a", "found a number");
  refused("{\"weight_map\":{\"a\":[\"s1.safetensors\"]}}", "weight_map key a", "found an array");
  refused("{\"weight_map\":{\"a\":{}}}", "weight_map key a", "found an object");
  refused("{\"weight_map\":{},\"weight_map\":{}}", "weight_map", "twice");
  refused(R"({"weight_map":{"a":"s1.safetensors","a":"s1.safetensors"}})", "weight_map key a", "twice");
  refused("{\"metadata\":" + std::string(10000, '['), "index key metadata", "found more");
  std::string deep = "{\"metadata\":";
  for (int i = 0; i < 10000; ++i) deep += "{\"x\":";
  refused(deep, "index key metadata", "found more");
}

TEST_F(BadIndex, TensorsMustLieWhereTheIndexSays) {
  refused(R"({"weight_map":{"a":"s1.safetensors","c":"s2.safetensors","b":"s2.safetensors"}})", "tensor c", "found no such tensor");
  refused(R"({"weight_map":{"a":"s2.safetensors","b":"s2.safetensors"}})", "tensor a", "found no such tensor");
  refused(R"({"weight_map":{"a":"s1.safetensors","b":"s1.safetensors"}})", "tensor b", "found no such tensor");
  refused(R"({"weight_map":{"a":"s2.safetensors","b":"s1.safetensors"}})", "tensor b", "found it in s2.safetensors");
  refused(R"({"weight_map":{"x":"s1.safetensors"}})", "tensor a", "does not name", "s1.safetensors");
  refused(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors","c":"s3.safetensors"}})", "tensor a", "two shards hold",
          "s3.safetensors");
  const auto missing = open(R"({"weight_map":{"a":"s9.safetensors"}})");
  EXPECT_EQ(missing.code, ErrorCode::kNotFound) << missing.message;
  EXPECT_NE(missing.message.find("s9.safetensors"), std::string::npos);
  write_file_atomic(folder_ / "s2.safetensors", safetensors_bytes(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "bbb"));
  refused(R"({"weight_map":{"a":"s1.safetensors","b":"s2.safetensors"}})", "tensor b", "[0, 4]", "s2.safetensors");
}

}  // namespace
}  // namespace attune::io
