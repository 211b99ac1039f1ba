// Any bytes as a GGUF file: loaded and then readable in every part, or refused with Error.
#include <cstdlib>

#include "core/error.h"
#include "io/gguf.h"

namespace {

void use(const attune::io::GgufFile& file) {
  uint64_t sum = 0;
  for (const auto& tensor : file.tensors()) {
    if (file.find(tensor.name) != &tensor) std::abort();
    if (tensor.data.size() != attune::io::tensor_bytes("", tensor.name, tensor.dtype, tensor.shape)) std::abort();
    for (const std::byte byte : tensor.data) sum += static_cast<uint64_t>(byte);
  }
  for (const auto& [key, value] : file.metadata()) {
    if (file.find_metadata(key) != &value) std::abort();
    const auto attempt = [&](const auto& get) {
      try {
        get();
      } catch (const attune::Error&) {  // another type
      }
    };
    attempt([&, k = key] { sum += static_cast<uint64_t>(file.get_int(k).value_or(0)); });
    attempt([&, k = key] { sum += file.get_float(k).has_value() ? 1 : 0; });
    attempt([&, k = key] { sum += file.get_bool(k).value_or(false) ? 1 : 0; });
    attempt([&, k = key] { sum += file.get_string(k).value_or("").size(); });
    attempt([&, k = key] { sum += file.get_strings(k)->size(); });
    attempt([&, k = key] { sum += file.get_floats(k)->size(); });
    attempt([&, k = key] { sum += file.get_ints(k)->size(); });
    attempt([&, k = key] { sum += file.get_bools(k)->size(); });
  }
  [[maybe_unused]] static volatile uint64_t sink;
  sink = sum;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    use(*attune::io::GgufFile::parse({reinterpret_cast<const std::byte*>(data), size}, "fuzz.gguf"));
  } catch (const attune::Error& error) {
    if (error.code() != attune::ErrorCode::kCorruptData && error.code() != attune::ErrorCode::kUnsupported) std::abort();
  }
  return 0;
}
