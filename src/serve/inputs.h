// Texts or token ids that a request gives under one name: `prompt` of completions, `input` of embeddings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "serve/json.h"

namespace attune::serve {

struct Inputs {
  std::vector<std::string> texts;         ///< these,
  std::vector<std::vector<int32_t>> ids;  ///< or these

  int64_t size() const noexcept { return static_cast<int64_t>(texts.size() + ids.size()); }
};

/// A text, a list of texts, a list of ids, or a list of lists of ids: 1 to `max_count` of at most `max_bytes` bytes of text together. Whether
/// the vocabulary has the ids is not checked. Throws ApiError 400 with the field's name.
Inputs read_inputs(const Json& body, const std::string& field, int64_t max_count, int64_t max_bytes);

}  // namespace attune::serve
