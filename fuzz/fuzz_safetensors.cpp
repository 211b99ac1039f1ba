// Any bytes as a safetensors file, as the JSON header of one with 64 bytes of data, and as a shard index.
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "io/safetensors.h"
#include "io/safetensors/safetensors_internal.h"

namespace {

using attune::io::SafetensorsFile;

void load(std::span<const std::byte> bytes) {
  try {
    const auto file = SafetensorsFile::parse(bytes, "fuzz.safetensors");
    uint64_t sum = 0;
    for (const auto& tensor : file->tensors()) {
      if (file->find(tensor.name) != &tensor) std::abort();
      if (reinterpret_cast<uintptr_t>(tensor.data.data()) % static_cast<size_t>(attune::dtype_info(tensor.dtype).block_bytes) != 0)
        std::abort();
      for (const std::byte byte : tensor.data) sum += static_cast<uint64_t>(byte);
    }
    for (const auto& raw : file->unsupported()) {
      if (file->find_raw(raw.name) != &raw) std::abort();
      for (const std::byte byte : raw.data) sum += static_cast<uint64_t>(byte);
    }
    [[maybe_unused]] static volatile uint64_t sink;
    sink = sum;
  } catch (const attune::Error& error) {
    if (error.code() != attune::ErrorCode::kCorruptData) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  load({reinterpret_cast<const std::byte*>(data), size});

  std::string whole(8, '\0');
  const uint64_t length = size;
  std::memcpy(whole.data(), &length, sizeof(length));
  whole.append(reinterpret_cast<const char*>(data), size).append(64, 'd');
  load(std::as_bytes(std::span(whole)));

  try {
    for (const auto& [tensor, shard] : attune::io::safetensors::parse_index({reinterpret_cast<const char*>(data), size}, "fuzz.index.json",
                                                                            attune::io::SafetensorsLimits{})) {
      if (shard.find('/') != std::string::npos || shard.front() == '.') std::abort();
    }
  } catch (const attune::Error&) {
  }
  return 0;
}
