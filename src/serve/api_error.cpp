#include "serve/api_error.h"

#include "serve/json.h"

namespace attune::serve {

ApiError::ApiError(int status, std::string message, std::string param, std::string code)
    : status_(status), message_(std::move(message)), param_(std::move(param)), code_(std::move(code)) {}

int status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kResource: return 429;
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kIo:
    case ErrorCode::kCancelled:
    case ErrorCode::kFailedPrecondition: return 503;
    case ErrorCode::kCorruptData:
    case ErrorCode::kInternal: return 500;
  }
  return 500;
}

ApiError api_error(const Error& error) {
  const int status = status_of(error.code());
  if (status == 500) return {500, "internal error", "", std::string(error_code_name(error.code()))};
  return {status, error.what(), "", std::string(error_code_name(error.code()))};
}

std::string_view error_type(int status) noexcept {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 503: return "service_unavailable_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string error_body(const ApiError& error) {
  const auto text_or_null = [](const std::string& text) { return text.empty() ? OrderedJson(nullptr) : OrderedJson(text); };
  const OrderedJson body = {{"error",
                             {{"message", error.message()},
                              {"type", error_type(error.status())},
                              {"param", text_or_null(error.param())},
                              {"code", text_or_null(error.code())}}}};
  return dump_json(body);
}

net::Response error_response(const ApiError& error) {
  net::Response out{error.status(), {{"Content-Type", "application/json"}}, error_body(error)};
  if (error.status() == 429 || error.status() == 503) out.headers.add("Retry-After", "1");
  if (error.status() == 401) {
    out.headers.add("WWW-Authenticate", "Bearer realm=\"attune\"");
    out.headers.add("WWW-Authenticate",
                    "Basic realm=\"attune\", charset=\"UTF-8\"");  // lets a browser open the page with the key as password
  }
  return out;
}

}  // namespace attune::serve
