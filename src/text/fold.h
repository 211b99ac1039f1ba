// Folding of text for comparisons that should not depend on case, accents, spacing and typography: titles, names, speaker labels.
#pragma once

#include <string>
#include <string_view>

namespace attune::text {

/// Folded text: Unicode compatibility case folding (NFKC_Casefold: full-width forms, ligatures, sharp s to "ss"), accents of Latin, Greek
/// and Cyrillic letters stripped (U+0300 to U+036F and the other combining-diacritics blocks; marks that are vowels or voicing of other
/// scripts stay), letters without decomposition replaced (o with stroke to "o", ae, oe, thorn, eth, dotless i, l with stroke), typographic
/// quotes and dashes made ASCII, invisible characters dropped, runs of white space made one space, none at the ends. Ill-formed UTF-8
/// becomes U+FFFD. fold(fold(x)) == fold(x). The result is well-formed. O(size); throws kInternal if utf8proc fails, std::bad_alloc.
std::string fold(std::string_view text);

/// As fold, and everything but letters, digits and single spaces is dropped: "Se7en!" and "se7en" are equal. May be empty.
std::string fold_alphanumeric(std::string_view text);

}  // namespace attune::text
