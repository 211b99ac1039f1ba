#include "serve/page.h"

#include "serve/api_error.h"
#include "serve/route.h"

namespace attune::serve {
namespace {

constexpr std::string_view kPlaceholder =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Attune</title><p>Attune is running. The page was not built into this "
    "binary; the API is at /v1.</p></html>\n";

// Everything from this server, nothing inline: a script smuggled into a title or an answer cannot run.
constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

net::Headers page_headers(std::string_view path, std::string_view hash) {
  net::Headers headers{{"Content-Type", std::string(mime_type(path))}, {"Content-Security-Policy", kContentSecurityPolicy},
                       {"X-Content-Type-Options", "nosniff"},          {"Referrer-Policy", "no-referrer"},
                       {"Cross-Origin-Opener-Policy", "same-origin"},  {"Cross-Origin-Resource-Policy", "same-origin"}};
  headers.add("Cache-Control", path.starts_with("/assets/") ? "private, max-age=31536000, immutable" : "no-cache");
  if (!hash.empty()) headers.add("ETag", cat("\"", hash, "\""));
  return headers;
}

}  // namespace

std::string_view mime_type(std::string_view path) noexcept {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {{".html", "text/html; charset=utf-8"},
                                                                             {".js", "text/javascript; charset=utf-8"},
                                                                             {".css", "text/css; charset=utf-8"},
                                                                             {".svg", "image/svg+xml"},
                                                                             {".png", "image/png"},
                                                                             {".ico", "image/x-icon"},
                                                                             {".json", "application/json"},
                                                                             {".webmanifest", "application/manifest+json"},
                                                                             {".woff2", "font/woff2"},
                                                                             {".txt", "text/plain; charset=utf-8"},
                                                                             {".webp", "image/webp"},
                                                                             {".jpg", "image/jpeg"},
                                                                             {".map", "application/json"}};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

net::Response page_response(std::span<const EmbeddedFile> files, std::string_view path, const std::string* if_none_match) {
  if (path == "/") path = "/index.html";
  for (const EmbeddedFile& file : files) {
    if (file.path != path) continue;
    const net::Headers headers = page_headers(path, file.hash);
    if (if_none_match != nullptr && if_none_match->find(file.hash) != std::string::npos) return {304, headers, ""};
    return {200, headers, std::string(file.bytes)};
  }
  if (path == "/index.html") return {200, page_headers(path, ""), std::string(kPlaceholder)};
  throw ApiError(404, cat("no page ", path.substr(0, 128)), "", "unknown_route");
}

void handle_page(Call& call) { call.send(page_response(page_files(), call.request.path, call.request.headers.find("If-None-Match"))); }

}  // namespace attune::serve
