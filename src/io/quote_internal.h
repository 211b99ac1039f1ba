// Names from files as they may stand in a message: a hostile name must not move the cursor, forge a line or flood the log.
#pragma once

#include <string>
#include <string_view>

namespace attune::io {

/// `text` with everything outside printable ASCII as \xNN, cut after `max_bytes` bytes with "..." behind.
inline std::string printable(std::string_view text, size_t max_bytes = 120) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : text.substr(0, max_bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out.push_back(c);
    } else {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  if (text.size() > max_bytes) out += "...";
  return out;
}

}  // namespace attune::io
