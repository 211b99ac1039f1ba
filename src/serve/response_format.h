// The field `response_format`: text, any JSON object, or a JSON schema (docs/methods/constrained_decoding.md).
#pragma once

#include <memory>
#include <string_view>

#include "serve/json.h"
#include "text/grammar.h"

namespace attune::serve {

/// What the answer must fit; null if anything may come. `body` is the parsed request, `text` what it was parsed from: properties keep the order
/// in which the text declares them. Throws ApiError 400 naming the field, with the place in the schema.
std::shared_ptr<const text::Grammar> read_response_format(const Json& body, std::string_view text);

}  // namespace attune::serve
