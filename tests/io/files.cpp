#include "tests/io/files.h"

#include <unistd.h>

#include <atomic>

namespace attune::io::test {

ScratchFolder::ScratchFolder() {
  static std::atomic<int> counter{0};
  path_ = std::filesystem::temp_directory_path() / ("attune-io-" + std::to_string(::getpid()) + "-" + std::to_string(counter++));
  std::filesystem::create_directories(path_);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string raw_text(std::string_view text) { return raw<uint64_t>(text.size()) + std::string(text); }

std::string string_array(const std::vector<std::string>& values) {
  std::string out = raw<uint32_t>(8) + raw<uint64_t>(values.size());
  for (const std::string& value : values) out += raw_text(value);
  return out;
}

std::string GgufSpec::build() const {
  std::string out = magic + raw(version) + raw(num_tensors.value_or(tensors.size())) + raw(num_pairs.value_or(pairs.size()));
  for (const Pair& pair : pairs) out += raw(pair.key_length.value_or(pair.key.size())) + pair.key + raw(pair.type) + pair.payload;
  for (const Tensor& tensor : tensors) {
    out += raw(tensor.name_length.value_or(tensor.name.size())) + tensor.name;
    out += raw(tensor.num_dims.value_or(static_cast<uint32_t>(tensor.dims.size())));
    for (const uint64_t dim : tensor.dims) out += raw(dim);
    out += raw(tensor.type) + raw(tensor.offset);
  }
  while (out.size() % alignment != 0) out.push_back('\0');
  return out + data;
}

GgufSpec sound_gguf() {
  GgufSpec spec;
  const auto pair = [&](std::string key, uint32_t type, std::string payload) {
    spec.pairs.push_back({std::move(key), type, std::move(payload), {}});
  };
  pair("general.architecture", 8, raw_text("gemma3"));
  pair("general.alignment", 4, raw<uint32_t>(32));
  pair("gemma3.block_count", 4, raw<uint32_t>(2));
  pair("tokenizer.ggml.tokens", 9, string_array({"<pad>", "<eos>", "the"}));
  pair("tokenizer.ggml.scores", 9, number_array<float>(6, {0.0f, -1.0f, -2.5f}));
  pair("tokenizer.ggml.token_type", 9, number_array<int32_t>(5, {3, 3, 1}));
  pair("pattern", 9, raw<uint32_t>(7) + raw<uint64_t>(2) + std::string("\x01\x00", 2));
  pair("eps", 6, raw(1e-6f));
  spec.tensors = {{"a.weight", {8, 4}, 0, 0, {}, {}}, {"b.weight", {32, 2}, 8, 128, {}, {}}, {"c.weight", {8}, 0, 224, {}, {}}};
  for (int i = 0; i < 256; ++i) spec.data.push_back(static_cast<char>(i));
  return spec;
}

std::string safetensors_bytes(std::string_view json, std::string_view data, std::optional<uint64_t> length) {
  return raw(length.value_or(json.size())) + std::string(json) + std::string(data);
}

}  // namespace attune::io::test
