// Malformed GGUF files, one fault each: every one is a named error, found within bounds of time and memory.
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/gguf.h"
#include "tests/io/bounded.h"
#include "tests/io/files.h"

namespace attune::io {
namespace {

using test::ExactBytes;
using test::GgufSpec;
using test::number_array;
using test::raw;
using test::raw_text;

struct Case {
  std::string name;
  std::string bytes;
  ErrorCode code;
  std::string place;  ///< the message names it: key, tensor, part of the header
  std::string found;  ///< and says this was found
};

class Table {
 public:
  template <class Mutate>
  void add(std::string name, std::string place, std::string found, const Mutate& mutate, ErrorCode code = ErrorCode::kCorruptData) {
    GgufSpec spec = test::sound_gguf();
    mutate(spec);
    cases.push_back({std::move(name), spec.build(), code, std::move(place), std::move(found)});
  }
  void add_bytes(std::string name, std::string bytes, std::string place, std::string found, ErrorCode code = ErrorCode::kCorruptData) {
    cases.push_back({std::move(name), std::move(bytes), code, std::move(place), std::move(found)});
  }
  std::vector<Case> cases;
};

constexpr uint64_t kHuge = uint64_t{1} << 63;

void add_preamble_cases(Table& table) {
  const std::string sound = test::sound_gguf().build();
  for (const size_t size : {0, 1, 3, 4, 7, 8, 15, 16, 23}) {
    table.add_bytes(cat("cut in the preamble at ", size), sound.substr(0, size), "header", "before the end of the file");
  }
  for (const char* magic : {"GGUX", "FUGG", "ggjt", "\x93NUM", "PK\x03\x04"}) {
    table.add(cat("magic ", magic), "header", "found \"", [&](GgufSpec& spec) { spec.magic = std::string(magic, 4); });
  }
  for (const uint32_t version : {0u, 1u, 2u, 4u, 0x03000000u, 0xffffffffu}) {
    table.add(
        cat("version ", version), "header", cat("found version ", version), [&](GgufSpec& spec) { spec.version = version; },
        ErrorCode::kUnsupported);
  }
  for (const uint64_t count : {uint64_t{65537}, uint64_t{1} << 32, kHuge, ~uint64_t{0}}) {
    table.add(cat("tensor count ", count), "header", cat("found ", count), [&](GgufSpec& spec) { spec.num_tensors = count; });
    table.add(cat("pair count ", count), "header", cat("found ", count), [&](GgufSpec& spec) { spec.num_pairs = count; });
  }
  table.add("65536 tensors in a small file", "header", "found ", [](GgufSpec& spec) { spec.num_tensors = 65536; });
  table.add("65536 pairs in a small file", "header", "found ", [](GgufSpec& spec) { spec.num_pairs = 65536; });
  table.add("one tensor more than there is", "tensor", "found", [](GgufSpec& spec) { spec.num_tensors = 4; });
  table.add("one pair more than there is", "", "found", [](GgufSpec& spec) { spec.num_pairs = 9; });
  table.add("one pair fewer than there is", "tensor", "found", [](GgufSpec& spec) { spec.num_pairs = 7; });
}

/// A file whose last pair is the given one and that ends with it: what the value declares is not there.
std::string ends_with_value(uint32_t type, const std::string& payload) {
  GgufSpec spec;
  spec.pairs.push_back({"general.name", 8, raw_text(std::string(40, 'n')), {}});
  spec.pairs.push_back({"the.key", type, payload, {}});
  spec.alignment = 1;
  return spec.build();
}

void add_value_cases(Table& table) {
  const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 4, 8, 8, 8};
  for (uint32_t type = 0; type < 13; ++type) {
    table.add_bytes(cat("value of type ", type, " cut off"), ends_with_value(type, std::string(sizes[type] - 1, '\0')), "key the.key",
                    "before the end of the file");
  }
  for (const uint32_t type : {13u, 14u, 255u, 0x80000000u, 0xffffffffu}) {
    table.add_bytes(cat("value type ", type), ends_with_value(type, std::string(16, '\0')), "key the.key", cat("found ", type));
    table.add_bytes(cat("element type ", type), ends_with_value(9, raw(type) + std::string(16, '\0')), "key the.key", cat("found ", type));
  }
  table.add_bytes("array of arrays", ends_with_value(9, raw<uint32_t>(9) + raw<uint64_t>(1) + number_array<uint8_t>(0, {1})), "key the.key",
                  "found an array of arrays");
  for (uint32_t type = 0; type < 13; ++type) {
    if (type == 9) continue;
    const uint64_t fits = type == 8 ? 2 : 16 / sizes[type];  // 16 bytes follow
    table.add_bytes(cat("array of type ", type, " one longer than the file"),
                    ends_with_value(9, raw(type) + raw(fits + 1) + std::string(16, '\0')), "key the.key", cat(" elements of "));
    table.add_bytes(cat("array of type ", type, ", 2^24 elements"),
                    ends_with_value(9, raw(type) + raw(uint64_t{1} << 24) + std::string(16, '\0')), "key the.key", "found 16 before");
  }
  for (const uint64_t count : {(uint64_t{1} << 24) + 1, uint64_t{1} << 61, kHuge, ~uint64_t{0}}) {
    table.add_bytes(cat("array of ", count), ends_with_value(9, raw<uint32_t>(6) + raw(count) + std::string(16, '\0')), "key the.key",
                    cat("found ", count));
    table.add_bytes(cat("string of ", count), ends_with_value(8, raw(count) + std::string(16, '\0')), "key the.key", "found");
    table.add_bytes(cat("array with a string of ", count),
                    ends_with_value(9, raw<uint32_t>(8) + raw<uint64_t>(1) + raw(count) + std::string(8, '\0')), "key the.key", "found");
  }
  table.add_bytes("string of 64 MiB + 1", ends_with_value(8, raw((uint64_t{64} << 20) + 1)), "key the.key", "found length 67108865");
  table.add_bytes("string one longer than the file", ends_with_value(8, raw<uint64_t>(5) + "four"), "key the.key", "found 4 before");
  table.add_bytes("bool 2", ends_with_value(7, "\x02"), "key the.key", "found 2");
  table.add_bytes("bool 255", ends_with_value(7, "\xff"), "key the.key", "found 255");
  table.add_bytes("array with bool 3", ends_with_value(9, raw<uint32_t>(7) + raw<uint64_t>(3) + std::string("\x01\x00\x03", 3)),
                  "key the.key", "found 3");
}

void add_key_cases(Table& table) {
  for (const uint64_t length : {uint64_t{0}, uint64_t{65536}, kHuge, ~uint64_t{0}}) {
    table.add(cat("key length ", length), "metadata pair 2", cat("found length ", length),
              [&](GgufSpec& spec) { spec.pairs[2].key_length = length; });
  }
  table.add("key longer than the file", "metadata pair 7", "found", [&](GgufSpec& spec) { spec.pairs[7].key_length = 60000; });
  table.add("key twice", "key general.architecture", "twice", [](GgufSpec& spec) { spec.pairs.push_back(spec.pairs[0]); });
  table.add("key twice, other type", "key eps", "twice", [](GgufSpec& spec) { spec.pairs.push_back({"eps", 4, raw<uint32_t>(1), {}}); });
  for (const uint32_t alignment : {0u, 1u, 2u, 3u, 4u, 31u, 33u, 48u, 8192u, 0x80000000u, 0xffffffffu}) {
    table.add(cat("alignment ", alignment), "key general.alignment", cat("found ", alignment),
              [&](GgufSpec& spec) { spec.pairs[1].payload = raw(alignment); });
  }
  const auto retype = [&](std::string type_name, uint32_t type, std::string payload) {
    table.add("alignment as " + type_name, "key general.alignment", "found " + type_name, [&](GgufSpec& spec) {
      spec.pairs[1].type = type;
      spec.pairs[1].payload = payload;
    });
  };
  retype("int32", 5, raw<int32_t>(32));
  retype("uint64", 10, raw<uint64_t>(32));
  retype("uint8", 0, raw<uint8_t>(32));
  retype("float32", 6, raw(32.0f));
  retype("bool", 7, raw<uint8_t>(1));
  retype("string", 8, raw_text("32"));
  retype("array", 9, number_array<uint32_t>(4, {32}));
}

void add_shape_cases(Table& table) {
  for (const uint64_t dim : {uint64_t{0}, ~uint64_t{0}, (uint64_t{1} << 42) + 1, kHuge, (uint64_t{1} << 40) + 1, uint64_t(-8), kHuge - 1}) {
    table.add(cat("outer dim ", dim), "tensor a.weight", cat("found ", dim), [&](GgufSpec& spec) { spec.tensors[0].dims[1] = dim; });
    table.add(cat("inner dim ", dim), "tensor b.weight", cat("found ", dim), [&](GgufSpec& spec) { spec.tensors[1].dims[0] = dim; });
  }
  for (const uint32_t num_dims : {0u, 5u, 255u, 0xffffffffu}) {
    table.add(cat(num_dims, " dims"), "tensor a.weight", cat("found ", num_dims),
              [&](GgufSpec& spec) { spec.tensors[0].num_dims = num_dims; });
  }
  const auto product = [&](std::vector<uint64_t> dims, std::string found) {
    table.add(cat("product of ", dims.size(), " dims"), "tensor a.weight", std::move(found),
              [&](GgufSpec& spec) { spec.tensors[0].dims = dims; });
  };
  const uint64_t p = uint64_t{1} << 32;
  product({p, p}, "whose product is larger");                                       // 2^64: wraps to 0
  product({p, p, 1, 1}, "whose product is larger");
  product({uint64_t{1} << 40, uint64_t{1} << 40, uint64_t{1} << 40, uint64_t{1} << 40}, "whose product is larger");
  product({uint64_t{1} << 31, uint64_t{1} << 31}, "whose product is larger");       // times 4 bytes: wraps to 0
  product({(uint64_t{1} << 32) + 1, uint64_t{1} << 32}, "whose product is larger");  // wraps to 2^32
  product({uint64_t{1} << 40, uint64_t{1} << 20}, "found a file of");  // 2^60 elements are counted, 2^62 bytes are not there
  product({uint64_t{1} << 30}, "found a file of");
  product({97, 4}, "found a file of");
  const std::pair<uint32_t, uint64_t> blocks[] = {{2, 32}, {6, 32}, {8, 32}, {12, 256}, {13, 256}, {14, 256}};
  for (const auto& [type, block] : blocks) {
    for (const uint64_t row : {block - 1, block + 1, block / 2}) {
      table.add(cat("rows of ", row, " in type ", type), "tensor b.weight", cat("found rows of ", row), [&, t = type](GgufSpec& spec) {
        spec.tensors[1].type = t;
        spec.tensors[1].dims = {row, 2};
      });
    }
  }
}

void add_tensor_cases(Table& table) {
  for (const uint32_t type :
       {3u, 4u, 5u, 7u, 9u, 10u, 11u, 15u, 16u, 19u, 24u, 26u, 28u, 29u, 31u, 36u, 39u, 40u, 99u, 0x80000000u, 0xffffffffu}) {
    table.add(
        cat("ggml type ", type), "tensor c.weight", cat("found ggml type ", type), [&](GgufSpec& spec) { spec.tensors[2].type = type; },
        ErrorCode::kUnsupported);
  }
  for (const uint64_t offset : {uint64_t{1}, uint64_t{31}, uint64_t{16}, uint64_t{225}, ~uint64_t{0}}) {
    table.add(cat("offset ", offset), "tensor c.weight", cat("found ", offset), [&](GgufSpec& spec) { spec.tensors[2].offset = offset; });
  }
  for (const uint64_t offset : {uint64_t{256}, uint64_t{4096}, kHuge, ~uint64_t{0} - 31, uint64_t{0} - 512}) {
    table.add(cat("offset beyond the file ", offset), "tensor c.weight", "found a file of",
              [&](GgufSpec& spec) { spec.tensors[2].offset = offset; });
  }
  const auto overlap = [&](std::string name, size_t tensor, uint64_t offset) {
    table.add(std::move(name), "tensor", "before the end of tensor", [&](GgufSpec& spec) { spec.tensors[tensor].offset = offset; });
  };
  overlap("same offset", 1, 0);
  overlap("overlap by a part", 1, 96);
  overlap("inside another", 2, 32);
  overlap("last overlaps second", 2, 192);
  table.add("one tensor twice", "tensor a.weight", "twice", [](GgufSpec& spec) { spec.tensors.push_back(spec.tensors[0]); });
  table.add("one name, other place", "tensor a.weight", "twice", [](GgufSpec& spec) { spec.tensors[2].name = "a.weight"; });
  for (const uint64_t length : {uint64_t{0}, uint64_t{257}, uint64_t{1} << 32, kHuge, ~uint64_t{0}}) {
    table.add(cat("tensor name length ", length), "tensor 1", cat("found length ", length),
              [&](GgufSpec& spec) { spec.tensors[1].name_length = length; });
  }
  table.add("tensor name of 257 bytes", "tensor 1", "found length 257",
            [](GgufSpec& spec) { spec.tensors[1].name = std::string(257, 'n'); });
  table.add("no data", "tensor a.weight", "found a file of", [](GgufSpec& spec) { spec.data.clear(); });
  table.add("half of the data", "tensor b.weight", "found a file of", [](GgufSpec& spec) { spec.data.resize(128); });
  table.add("last byte missing", "tensor c.weight", "found a file of", [](GgufSpec& spec) { spec.data.pop_back(); });
}

std::vector<Case> malformed_files() {
  Table table;
  add_preamble_cases(table);
  add_value_cases(table);
  add_key_cases(table);
  add_shape_cases(table);
  add_tensor_cases(table);
  return std::move(table.cases);
}

TEST(GgufMalformed, TheSoundFileLoads) {
  const ExactBytes bytes(test::sound_gguf().build());
  EXPECT_EQ(test::run_bounded([&] { GgufFile::parse(bytes.span(), "bad.gguf"); }).kind, test::Outcome::Kind::kLoaded);
}

TEST(GgufMalformed, EveryFaultIsANamedErrorWithinBounds) {
  const std::vector<Case> cases = malformed_files();
  EXPECT_GE(cases.size(), 180u);
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const ExactBytes bytes(one.bytes);
    const test::Outcome outcome = test::run_bounded([&] { GgufFile::parse(bytes.span(), "bad.gguf"); });
    ASSERT_EQ(outcome.kind, test::Outcome::Kind::kError) << outcome.message;
    EXPECT_EQ(error_code_name(outcome.code), error_code_name(one.code)) << outcome.message;
    for (const std::string& part : {std::string("[bad.gguf]"), one.place, std::string("expected"), one.found}) {
      EXPECT_NE(outcome.message.find(part), std::string::npos) << "no \"" << part << "\" in: " << outcome.message;
    }
    if (test::memory_is_bounded()) {
      EXPECT_LT(outcome.cpu_ms, 100);
    }
  }
}

/// The same faults on disk: `open` names the path.
TEST(GgufMalformed, OpenNamesThePath) {
  test::ScratchFolder folder;
  for (const size_t cut : {25, 50, 99}) {
    const std::string sound = test::sound_gguf().build();
    const Path path = folder / cat("cut", cut, ".gguf");
    write_file_atomic(path, std::string_view(sound).substr(0, sound.size() * cut / 100));
    try {
      GgufFile::open(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    }
  }
}

/// A half-downloaded model: cut at a quarter, half, 99.9% and one byte.
TEST(GgufMalformed, CutReleasedModel) {
  const Path path = test::source_path("models/gemma-3-270m-q4_k_m.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const MappedFile file(path);
  const size_t size = file.bytes().size();
  for (const size_t cut : {size / 100, size / 4, size / 2, size / 1000 * 999, size - 1}) {
    SCOPED_TRACE(cut);
    const test::Outcome outcome = test::run_bounded([&] { GgufFile::parse(file.bytes().first(cut), "half.gguf"); });
    ASSERT_EQ(outcome.kind, test::Outcome::Kind::kError) << outcome.message;
    EXPECT_EQ(outcome.code, ErrorCode::kCorruptData);
    EXPECT_NE(outcome.message.find("[half.gguf]"), std::string::npos);
    if (cut > size / 10) {  // the header is whole: the first tensor that does not fit is named
      EXPECT_NE(outcome.message.find("tensor "), std::string::npos) << outcome.message;
      EXPECT_NE(outcome.message.find(cat("found a file of ", cut)), std::string::npos) << outcome.message;
    }
    if (test::memory_is_bounded()) {
      EXPECT_LT(outcome.cpu_ms, 100);
    }
  }
}

TEST(GgufMalformed, LimitsAreHonoured) {
  const ExactBytes bytes(test::sound_gguf().build());
  const auto refused = [&](std::string_view fragment, const auto& set) {
    GgufLimits limits;
    set(limits);
    try {
      GgufFile::parse(bytes.span(), "bad.gguf", limits);
      ADD_FAILURE() << fragment;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
    }
  };
  refused("at most 7 metadata pairs, found 8", [](GgufLimits& limits) { limits.max_pairs = 7; });
  refused("at most 2 tensors, found 3", [](GgufLimits& limits) { limits.max_tensors = 2; });
  refused("a string of 0 to 5 bytes, found length 6", [](GgufLimits& limits) { limits.max_string_bytes = 5; });
  refused("at most 2 elements, found 3", [](GgufLimits& limits) { limits.max_array_elements = 2; });
  refused("a tensor name of 1 to 7 bytes, found length 8", [](GgufLimits& limits) { limits.max_name_bytes = 7; });
  refused("a key of 1 to 16 bytes, found length 20", [](GgufLimits& limits) { limits.max_key_bytes = 16; });
  refused("from 8 to 16, found 32", [](GgufLimits& limits) { limits.max_alignment = 16; });
  refused("decodes to at most 64 bytes", [](GgufLimits& limits) { limits.max_metadata_bytes = 64; });
}

}  // namespace
}  // namespace attune::io
