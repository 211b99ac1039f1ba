// Limits of the HTTP server: one options struct. Every default can be changed by a flag, and every one has a test.
#pragma once

#include <cstdint>

#include "core/options.h"

namespace attune::net {

struct HttpLimits {
  int32_t max_header_bytes = 32 * 1024;       ///< request line and fields together
  int32_t max_header_fields = 100;
  int32_t max_header_line_bytes = 8 * 1024;   ///< the request line, or one field
  int64_t max_body_bytes = 32 * 1024 * 1024;
  int32_t header_timeout_ms = 10'000;         ///< from the first byte (or from accepting) to the end of the head
  int32_t body_idle_timeout_ms = 10'000;      ///< between two pieces of a body
  int32_t body_total_timeout_ms = 120'000;
  int32_t keep_alive_timeout_ms = 60'000;     ///< idle between two requests
  int32_t write_stall_timeout_ms = 30'000;    ///< a client that takes nothing for so long is cancelled
  int32_t max_connections = 512;
  int32_t max_connections_per_address = 64;
  int32_t stop_grace_ms = 10'000;             ///< requests that still run at a stop get so long

  void describe(OptionList& list);
};

}  // namespace attune::net
