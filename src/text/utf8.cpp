#include "text/utf8.h"

#include <cstring>

namespace attune::text {
namespace {

/// Number of bytes and range of the second byte for a lead byte (Unicode 15, table 3-7). size 0: no lead byte.
struct Lead {
  uint8_t size;
  uint8_t low;
  uint8_t high;
};

Lead lead_of(uint8_t byte) noexcept {
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// Bytes of plain ASCII from `at` on, counted in steps of eight.
size_t skip_ascii(std::string_view text, size_t at) noexcept {
  constexpr uint64_t kHighBits = 0x8080808080808080u;
  while (at + 8 <= text.size()) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & kHighBits) != 0) break;
    at += 8;
  }
  return at;
}

}  // namespace

Utf8Char decode_utf8(std::string_view text, size_t at) noexcept {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(at);
  if (first < 0x80) return {first, 1, true, false};
  const Lead lead = lead_of(first);
  if (lead.size == 0) return {};
  char32_t code = first & (0x7Fu >> lead.size);
  for (uint8_t i = 1; i < lead.size; ++i) {
    if (at + i >= text.size()) return {0xFFFD, i, false, true};
    const uint8_t next = byte(at + i);
    const uint8_t low = i == 1 ? lead.low : 0x80;
    const uint8_t high = i == 1 ? lead.high : 0xBF;
    if (next < low || next > high) return {0xFFFD, i, false, false};
    code = code << 6 | (next & 0x3Fu);
  }
  return {code, lead.size, true, false};
}

void append_utf8(std::string& out, char32_t code) {
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) code = 0xFFFD;
  if (code < 0x80) {
    out.push_back(static_cast<char>(code));
    return;
  }
  if (code < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code >> 6));
  } else {
    if (code < 0x10000) {
      out.push_back(static_cast<char>(0xE0 | code >> 12));
    } else {
      out.push_back(static_cast<char>(0xF0 | code >> 18));
      out.push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
    }
    out.push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
  }
  out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
}

bool is_valid_utf8(std::string_view text) noexcept {
  for (size_t at = skip_ascii(text, 0); at < text.size(); at = skip_ascii(text, at)) {
    const Utf8Char c = decode_utf8(text, at);
    if (!c.valid) return false;
    at += c.size;
  }
  return true;
}

std::string sanitize_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    out.append(c.valid ? text.substr(at, c.size) : kReplacement);
    at += c.size;
  }
  return out;
}

std::string excerpt(std::string_view text, size_t max_bytes) {
  size_t end = 0;
  while (end < text.size()) {
    const size_t size = decode_utf8(text, end).size;
    if (end + size > max_bytes) break;
    end += size;
  }
  return sanitize_utf8(text.substr(0, end));
}

size_t count_code_points(std::string_view text) noexcept {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); at += decode_utf8(text, at).size) ++count;
  return count;
}

bool is_white_space(char32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty()) {
    const Utf8Char c = decode_utf8(text, 0);
    if (!c.valid || !is_white_space(c.code)) break;
    text.remove_prefix(c.size);
  }
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    const Utf8Char c = decode_utf8(text, start);
    if (!c.valid || start + c.size != text.size() || !is_white_space(c.code)) break;
    text.remove_suffix(c.size);
  }
  return text;
}

std::string Utf8Stream::feed(std::string_view bytes) {
  pending_.append(bytes);
  std::string out;
  out.reserve(pending_.size());
  const std::string_view text = pending_;
  size_t at = 0;
  while (at < text.size()) {
    const Utf8Char c = decode_utf8(text, at);
    if (c.truncated) break;
    out.append(c.valid ? text.substr(at, c.size) : kReplacement);
    at += c.size;
  }
  pending_.erase(0, at);
  return out;
}

std::string Utf8Stream::finish() {
  if (pending_.empty()) return {};
  pending_.clear();
  return std::string(kReplacement);
}

}  // namespace attune::text
