#include <ctime>

#include "core/error.h"
#include "net/exchange_internal.h"
#include "net/server.h"

namespace attune::net {

std::string http_date() {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  const auto two = [](int value) { return cat(value < 10 ? "0" : "", value); };
  return cat(kDays[utc.tm_wday], ", ", two(utc.tm_mday), " ", kMonths[utc.tm_mon], " ", utc.tm_year + 1900, " ", two(utc.tm_hour), ":",
             two(utc.tm_min), ":", two(utc.tm_sec), " GMT");
}

std::string Exchange::make_head(int status, const Headers& headers, const std::string& framing) const {
  std::string head = cat("HTTP/1.1 ", status, " ", reason_phrase(status), "\r\nDate: ", http_date(), "\r\n");
  for (const auto& [name, value] : headers.fields()) {
    for (const char c : name + value) {
      check(c != '\r' && c != '\n' && c != '\0', ErrorCode::kInternal, "[respond] header ", name, " holds a control character");
    }
    head += cat(name, ": ", value, "\r\n");
  }
  head += framing;
  if (!keep_alive) {
    head += "Connection: close\r\n";
  } else if (version_minor == 0) {
    head += "Connection: keep-alive\r\n";
  }
  head += "\r\n";
  return head;
}

bool Exchange::put(std::string_view bytes, bool stop_when_gone) {
  std::unique_lock lock(mutex);
  drained.wait(lock, [&] { return broken || (gone && stop_when_gone) || out.size() + in_flight < kHighWaterBytes; });
  if (broken || (gone && stop_when_gone)) return false;
  out.append(bytes);
  lock.unlock();
  wake();
  return true;
}

// The token fires first: a handler whose write just failed must find it fired.
void Exchange::mark_gone() {
  stop.request_stop();
  {
    std::lock_guard lock(mutex);
    gone = true;
  }
  drained.notify_all();
}

void Exchange::mark_broken() {
  stop.request_stop();
  {
    std::lock_guard lock(mutex);
    broken = gone = true;
    out.clear();
  }
  drained.notify_all();
}

void Exchange::finish(bool failed) {
  {
    std::lock_guard lock(mutex);
    if (streaming && (failed || !chunked)) keep_alive = false;
    if (streaming && chunked && !failed && !broken && !is_head_request) out.append("0\r\n\r\n");
    finished = true;
  }
  wake();
}

bool Responder::send(const Response& response) {
  Exchange& exchange = *exchange_;
  check(!exchange.head_sent, ErrorCode::kInternal, "[respond] a response was begun already");
  const bool bodyless = response.status == 204 || response.status == 304;
  std::string message =
      exchange.make_head(response.status, response.headers, bodyless ? "" : cat("Content-Length: ", response.body.size(), "\r\n"));
  exchange.head_sent = true;
  if (!bodyless && !exchange.is_head_request) message += response.body;
  return exchange.put(message, false);
}

bool Responder::start_stream(int status, const Headers& headers) {
  Exchange& exchange = *exchange_;
  check(!exchange.head_sent, ErrorCode::kInternal, "[respond] a response was begun already");
  {
    std::lock_guard lock(exchange.mutex);
    exchange.streaming = true;
    exchange.chunked = exchange.version_minor >= 1;
    if (!exchange.chunked) exchange.keep_alive = false;
  }
  const std::string head = exchange.make_head(status, headers, exchange.chunked ? "Transfer-Encoding: chunked\r\n" : "");
  exchange.head_sent = true;
  return exchange.put(head, true);
}

bool Responder::write_chunk(std::string_view bytes) {
  Exchange& exchange = *exchange_;
  check(exchange.streaming, ErrorCode::kInternal, "[respond] write_chunk before start_stream");
  if (bytes.empty() || exchange.is_head_request) return !gone();  // an empty chunk would end the stream
  if (!exchange.chunked) return exchange.put(bytes, true);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string size;
  for (size_t n = bytes.size(); n > 0; n /= 16) size.insert(size.begin(), kHex[n % 16]);
  return exchange.put(cat(size, "\r\n", bytes, "\r\n"), true);
}

bool Responder::gone() const {
  std::lock_guard lock(exchange_->mutex);
  return exchange_->gone;
}

bool Responder::started() const { return exchange_->head_sent; }

}  // namespace attune::net
