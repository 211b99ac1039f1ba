// Errors of the API: one place maps attune::Error to an HTTP status and OpenAI's error body.
//
// Rule: what a client did wrong is 4xx, a full machine or queue is 429 or 503, and 500 means a bug of Attune.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include "core/error.h"
#include "net/http.h"

namespace attune::serve {

/// Thrown by handlers; becomes {"error": {message, type, param, code}}.
class ApiError : public std::exception {
 public:
  /// `param` and `code` may be empty: null in the body.
  ApiError(int status, std::string message, std::string param = {}, std::string code = {});

  int status() const noexcept { return status_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& param() const noexcept { return param_; }
  const std::string& code() const noexcept { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int status_;
  std::string message_;
  std::string param_;
  std::string code_;
};

/// Status of an engine or store error. kInvalidArgument 400, kNotFound 404, kUnsupported 400, kResource 429, kOutOfMemory 503, kIo 503,
/// kCancelled 503, kFailedPrecondition 503, kCorruptData 500, kInternal 500. (A request's own bytes are parsed by serve/, so corrupt data
/// here is a file of ours.)
int status_of(ErrorCode code) noexcept;
/// The same with message and code for the client. Internal errors do not show their text.
ApiError api_error(const Error& error);
/// "invalid_request_error", "authentication_error", "rate_limit_error", "server_error", ...: OpenAI's type of a status.
std::string_view error_type(int status) noexcept;
/// The JSON body.
std::string error_body(const ApiError& error);
/// The whole response, with Retry-After for 429 and 503 and WWW-Authenticate for 401.
net::Response error_response(const ApiError& error);

}  // namespace attune::serve
