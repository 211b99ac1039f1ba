// First byte: strict or not. Then a JSON schema, and behind a byte 1 a document. The schema compiles or is refused with an Error; whatever
// part of the document a grammar takes can be continued to a complete one.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "text/byte_automaton.h"
#include "text/json_schema.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace attune::text;
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t split = input.rfind('\1');
  std::shared_ptr<const Grammar> grammar;
  try {
    grammar = compile_json_schema(input.substr(0, split), {.strict = data[0] % 2 == 1});
  } catch (const attune::Error& error) {
    require(!error.message().empty());
    return 0;
  }
  ByteAutomaton automaton(grammar);
  if (split == std::string_view::npos) return 0;
  for (const char c : input.substr(split + 1)) {
    ByteAutomaton next = automaton;
    if (!next.advance(static_cast<uint8_t>(c))) continue;  // a byte that does not fit is left out
    automaton = std::move(next);
  }
  bool goes_on = automaton.complete();
  for (int byte = 0; byte < 256 && !goes_on; ++byte) goes_on = ByteAutomaton(automaton).advance(static_cast<uint8_t>(byte));
  require(goes_on);
  return 0;
}
