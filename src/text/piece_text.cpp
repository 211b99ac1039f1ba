#include "text/piece_text_internal.h"

namespace attune::text {
namespace {

/// -1 unless `c` is a hexadecimal digit. By hand: strtol would accept "-1" and " f".
int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

int byte_of_piece(std::string_view piece) noexcept {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return -1;
  const int high = hex_digit(piece[3]);
  const int low = hex_digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (size_t at = 0; at < text.size();) {
    const size_t hit = text.find(from, at);
    if (hit == std::string_view::npos) {
      out.append(text.substr(at));
      break;
    }
    out.append(text.substr(at, hit - at)).append(to);
    at = hit + from.size();
  }
  return out;
}

}  // namespace attune::text
