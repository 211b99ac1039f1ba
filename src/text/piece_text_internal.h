// Small facts about piece texts that the tokenizer and the readers of tokenizer files share.
#pragma once

#include <string>
#include <string_view>

namespace attune::text {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  ///< U+2581, stands for a space inside pieces

/// The byte of a piece "<0xHH>", or -1 if the text is not exactly of this form ("<0x-1>", "<0xG0>", "<0x041>" are not).
int byte_of_piece(std::string_view piece) noexcept;

/// `text` with every `from` (not empty) replaced by `to`. O(size).
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

}  // namespace attune::text
