// A plain TCP connection for tests: sends any bytes, reads what comes, without a client library that would repair mistakes.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace attune::test {

class RawSocket {
 public:
  explicit RawSocket(uint16_t port, const char* from = nullptr, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (from != nullptr) {
      ::inet_pton(AF_INET, from, &address.sin_addr);
      if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) throw std::runtime_error("bind failed");
    }
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) throw std::runtime_error("connect failed");
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  ~RawSocket() { close(); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  /// Closes with a reset instead of a regular end.
  void abort() {
    const linger option{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &option, sizeof(option));
    close();
  }
  void shutdown_send() { ::shutdown(fd_, SHUT_WR); }
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  /// Reads until the peer closes or `timeout_ms` passed without a byte. `closed()` says which.
  std::string read_all(int timeout_ms = 5000) {
    std::string out;
    while (read_some(out, timeout_ms)) {
    }
    return out;
  }
  /// Reads until `needle` was received.
  std::string read_until(std::string_view needle, int timeout_ms = 5000) {
    std::string out;
    while (out.find(needle) == std::string::npos && read_some(out, timeout_ms)) {
    }
    return out;
  }
  bool closed() const { return closed_; }

 private:
  bool read_some(std::string& out, int timeout_ms) {
    pollfd poll_entry{fd_, POLLIN, 0};
    if (::poll(&poll_entry, 1, timeout_ms) <= 0) return false;
    char bytes[8192];
    const ssize_t size = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (size <= 0) {
      closed_ = true;
      return false;
    }
    out.append(bytes, static_cast<size_t>(size));
    return true;
  }

  int fd_;
  bool closed_ = false;
};

/// Waits until `condition` holds, at most `timeout_ms`.
template <class Condition>
bool eventually(Condition condition, int timeout_ms = 5000) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::usleep(1000);
  }
  return true;
}

}  // namespace attune::test
