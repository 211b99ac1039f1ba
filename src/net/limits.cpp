#include "net/limits.h"

namespace attune::net {

void HttpLimits::describe(OptionList& list) {
  constexpr double kHourMs = 3'600'000;
  list.add("max_header_bytes", max_header_bytes, "Bytes of a request's head; beyond it 431.").range(256, 1 << 20).unit("bytes");
  list.add("max_header_fields", max_header_fields, "Header fields of a request; beyond it 431.").range(1, 10'000);
  list.add("max_header_line_bytes", max_header_line_bytes, "Bytes of one line of a head; beyond it 431.").range(64, 1 << 20).unit("bytes");
  list.add("max_body_bytes", max_body_bytes, "Bytes of a request's body; beyond it 413.").range(0, 1e12).unit("bytes");
  list.add("header_timeout_ms", header_timeout_ms, "A head must be whole after this time.").range(10, kHourMs).unit("ms");
  list.add("body_idle_timeout_ms", body_idle_timeout_ms, "Longest pause inside a body.").range(10, kHourMs).unit("ms");
  list.add("body_total_timeout_ms", body_total_timeout_ms, "A body must be whole after this time.").range(10, kHourMs).unit("ms");
  list.add("keep_alive_timeout_ms", keep_alive_timeout_ms, "An idle connection is closed after this time.").range(10, kHourMs).unit("ms");
  list.add("write_stall_timeout_ms", write_stall_timeout_ms, "A client that reads nothing for this long is cancelled.")
      .range(10, kHourMs)
      .unit("ms");
  list.add("max_connections", max_connections, "Open connections; beyond it 503.").range(1, 100'000);
  list.add("max_connections_per_address", max_connections_per_address, "Open connections of one address; beyond it 503.").range(1, 100'000);
  list.add("stop_grace_ms", stop_grace_ms, "At a stop, running requests get this long to finish.").range(0, kHourMs).unit("ms");
}

}  // namespace attune::net
