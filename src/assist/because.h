// Who wrote a reason.
#pragma once

#include <cstdint>
#include <string_view>

namespace attune::assist {

enum class BecauseSource { kNone, kModel, kTemplate };

/// "model", "template", or "" for kNone (null in JSON).
constexpr std::string_view because_source_name(BecauseSource source) noexcept {
  return source == BecauseSource::kModel ? "model" : source == BecauseSource::kTemplate ? "template" : "";
}

/// How many reasons came from where.
struct BecauseShare {
  int64_t model = 0;
  int64_t from_template = 0;
};

}  // namespace attune::assist
