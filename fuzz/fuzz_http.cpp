// Bytes of an HTTP connection, in pieces whose sizes the first byte picks. Whatever arrives, the parser's verdict must not depend on the cuts.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/request_parser.h"

namespace {

using namespace attune::net;

/// Everything that came out of a connection: requests, then the refusal if there is one.
struct Outcome {
  std::vector<std::string> requests;
  int status = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome parse(std::string_view bytes, size_t step) {
  HttpLimits limits;
  limits.max_header_bytes = 2048;
  limits.max_header_line_bytes = 512;
  limits.max_header_fields = 16;
  limits.max_body_bytes = 1000;
  RequestParser parser(limits);
  Outcome out;
  for (size_t at = 0; at < bytes.size(); at += step) {
    parser.feed(bytes.substr(at, step));
    while (parser.state() == ParseState::kDone) {
      const Request request = parser.take();
      if (request.body.size() > 1000 || request.path.empty()) std::abort();
      out.requests.push_back(request.method + " " + request.target + "\n" + request.body);
    }
  }
  if (parser.state() == ParseState::kError) {
    out.status = parser.status();
    if (out.status < 400 || out.status > 505 || parser.message().empty()) std::abort();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t step = 1 + data[0] % 64;
  if (!(parse(bytes, step) == parse(bytes, bytes.size() + 1))) std::abort();
  return 0;
}
