#include "text/fold.h"

#include <utf8proc.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

/// Letters that Unicode does not decompose, and typographic signs; sorted by code point. Case is folded before.
constexpr std::pair<char32_t, std::string_view> kReplacements[] = {
    {0x00E6, "ae"}, {0x00F0, "d"},  {0x00F8, "o"}, {0x00FE, "th"}, {0x0111, "d"}, {0x0127, "h"}, {0x0131, "i"},  {0x0142, "l"},
    {0x014B, "n"},  {0x0153, "oe"}, {0x0167, "t"}, {0x0180, "b"},  {0x2010, "-"}, {0x2011, "-"}, {0x2012, "-"},  {0x2013, "-"},
    {0x2014, "-"},  {0x2015, "-"},  {0x2018, "'"}, {0x2019, "'"},  {0x201A, "'"}, {0x201B, "'"}, {0x201C, "\""}, {0x201D, "\""},
    {0x201E, "\""}, {0x201F, "\""}, {0x2032, "'"}, {0x2033, "\""}, {0x2044, "/"}, {0x2212, "-"},
};

std::string_view replacement(char32_t code) noexcept {
  const auto* end = std::end(kReplacements);
  const auto* it = std::lower_bound(std::begin(kReplacements), end, code, [](const auto& entry, char32_t c) { return entry.first < c; });
  return it != end && it->first == code ? it->second : std::string_view();
}

/// Accents: the combining-diacritics blocks. Marks of other scripts (vowel signs, voicing) carry meaning and stay.
bool is_accent(char32_t c) noexcept {
  return (c >= 0x0300 && c <= 0x036F) || (c >= 0x1AB0 && c <= 0x1AFF) || (c >= 0x1DC0 && c <= 0x1DFF) || (c >= 0x20D0 && c <= 0x20FF);
}

bool is_letter_or_digit(char32_t c) noexcept {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:  // what is left of marks belongs to its letter
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return true;
    default: return false;
  }
}

using Codes = std::vector<utf8proc_int32_t>;

/// Case-folded, compatibility-decomposed code points.
Codes decompose(std::string_view text) {
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  const utf8proc_ssize_t count = utf8proc_decompose(bytes, size, nullptr, 0, kOptions);
  check(count >= 0, ErrorCode::kInternal, "[fold] utf8proc_decompose failed with ", static_cast<int64_t>(count));
  Codes codes(static_cast<size_t>(count));
  const utf8proc_ssize_t written = utf8proc_decompose(bytes, size, codes.data(), count, kOptions);
  check(written == count, ErrorCode::kInternal, "[fold] utf8proc_decompose failed with ", static_cast<int64_t>(written));
  return codes;
}

Codes strip(const Codes& codes) {
  Codes out;
  out.reserve(codes.size() + 16);
  for (const utf8proc_int32_t signed_code : codes) {
    const auto code = static_cast<char32_t>(signed_code);
    if (is_accent(code)) continue;
    if (code < 0x20 && !is_white_space(code)) continue;
    const std::string_view other = replacement(code);
    if (other.empty()) {
      out.push_back(signed_code);
    } else {
      out.insert(out.end(), other.begin(), other.end());
    }
  }
  return out;
}

std::string encode_collapsed(const Codes& codes) {
  std::string out;
  out.reserve(codes.size() + codes.size() / 4);
  bool space = false;
  for (const utf8proc_int32_t signed_code : codes) {
    const auto code = static_cast<char32_t>(signed_code);
    if (is_white_space(code)) {
      space = !out.empty();
      continue;
    }
    if (space) out.push_back(' ');
    space = false;
    append_utf8(out, code);
  }
  return out;
}

}  // namespace

std::string fold(std::string_view text) {
  Codes codes = strip(decompose(sanitize_utf8(text)));
  if (!codes.empty()) {
    const utf8proc_ssize_t count = utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()),
                                                            static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    check(count >= 0, ErrorCode::kInternal, "[fold] utf8proc_normalize_utf32 failed with ", static_cast<int64_t>(count));
    codes.resize(static_cast<size_t>(count));
  }
  return encode_collapsed(codes);
}

std::string fold_alphanumeric(std::string_view text) {
  const std::string folded = fold(text);
  std::string out;
  bool space = false;
  for (size_t at = 0; at < folded.size();) {
    const Utf8Char c = decode_utf8(folded, at);
    if (c.code == ' ') {
      space = !out.empty();
    } else if (c.valid && is_letter_or_digit(c.code)) {
      if (space) out.push_back(' ');
      space = false;
      out.append(folded, at, c.size);
    }
    at += c.size;
  }
  return out;
}

}  // namespace attune::text
