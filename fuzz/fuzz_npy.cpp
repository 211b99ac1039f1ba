// Any bytes as a .npy file.
#include <cstdlib>

#include "io/npy/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto array = attune::io::parse_npy({reinterpret_cast<const std::byte*>(data), size}, "fuzz.npy");
    if (array.bytes.size() > size) std::abort();
  } catch (const attune::Error& error) {
    if (error.code() != attune::ErrorCode::kCorruptData && error.code() != attune::ErrorCode::kUnsupported) std::abort();
  }
  return 0;
}
