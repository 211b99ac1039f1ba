// Bodies of /v1/chat/completions (first byte even) and /v1/completions (odd): a checked request or ApiError 400, and what passed is in range.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "serve/api_error.h"
#include "serve/completion_request.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace attune::serve;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool is_chat = data[0] % 2 == 0;
  RequestLimits limits;
  try {
    const CompletionRequest request = is_chat ? parse_chat_request(body, limits) : parse_completion_request(body, limits);
    require(request.fields.n >= 1 && request.fields.n <= 16 && request.num_prompts() >= 1 && request.num_prompts() <= limits.max_prompts);
    require(request.fields.sampler.temperature >= 0 && request.fields.sampler.temperature <= 100);
    require(request.num_top >= 0 && request.num_top <= 20 && request.stops.size() <= 4 && request.max_new(limits) >= 1);
    for (const auto& [id, bias] : request.fields.sampler.logit_bias) require(id >= 0 && bias >= -100 && bias <= 100);
  } catch (const ApiError& error) {
    require(error.status() == 400 && !error.message().empty());
    (void)error_body(error);
  }
  return 0;
}
