// Graded judgements (data/soft_attributes.h) in the shape that training and evaluation use.
#pragma once

#include <vector>

#include "data/soft_attributes.h"
#include "people/attributes.h"

namespace attune::people {

/// One AttributeData a word, by name; its users are the raters (rows of SoftAttributes::raters), with pairs of strength 1 and 2. Pairs judged
/// equal are left out, and so are raters and words that have no others. A pair that a rater judged more than once stays as often. O(pairs).
std::vector<AttributeData> judged_attributes(const data::SoftAttributes& judgements);

}  // namespace attune::people
