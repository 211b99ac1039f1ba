// HTTP messages as plain data: what handlers get and give, without any header of the library underneath.
//
// Header names compare without case. Values and targets are kept as received (already checked: no control characters).
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace attune::net {

/// Header fields in order; a name may repeat.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  /// First value of `name`, or null. O(fields).
  const std::string* find(std::string_view name) const noexcept;
  /// Number of fields called `name`.
  int count(std::string_view name) const noexcept;
  const std::vector<std::pair<std::string, std::string>>& fields() const noexcept { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// A request that passed every check of RequestParser.
struct Request {
  std::string method;   ///< upper-case by convention, compared exactly
  std::string target;   ///< as received: path and query
  std::string path;     ///< before '?', still percent-encoded, so that an encoded slash stays inside its segment
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded
  Headers headers;
  std::string body;
  int version_minor = 1;     ///< HTTP/1.x
  bool keep_alive = true;
  std::string remote;        ///< address of the peer without its port
  std::stop_token stop;      ///< fires when the client is gone or the server must stop

  /// First decoded value of a query parameter.
  const std::string* query_value(std::string_view name) const noexcept;
};

/// A whole response: error pages of the server, and what the client returns.
struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

/// "Not Found"; "Unknown" for codes outside the table.
std::string_view reason_phrase(int status) noexcept;
/// ASCII comparison without case.
bool equals_ignore_case(std::string_view a, std::string_view b) noexcept;
/// Decodes %HH (and '+' to a space with `plus_is_space`). Nothing for a malformed escape or an encoded NUL.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
/// Encodes everything but unreserved characters (RFC 3986, section 2.3).
std::string percent_encode(std::string_view text);
/// "a=1&b" to pairs. Nothing if an escape is malformed.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text);

}  // namespace attune::net
