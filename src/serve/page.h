// The page: files built into the binary (cmake/AttuneEmbed.cmake), with their types and cache rules.
#pragma once

#include <span>
#include <string_view>

#include "net/http.h"

namespace attune::serve {

struct EmbeddedFile {
  std::string_view path;   ///< "/index.html"
  std::string_view bytes;
  std::string_view hash;   ///< 32 hex digits of its SHA-256
};

/// All files of web/dist; empty if the page was not built.
std::span<const EmbeddedFile> page_files();

/// "text/html; charset=utf-8" by the path's ending; "application/octet-stream" for unknown ones.
std::string_view mime_type(std::string_view path) noexcept;

/// The answer for a path ("/" is /index.html): 200, or 304 if `if_none_match` names the file's hash. Throws ApiError 404.
/// Files below /assets/ carry their hash in their name and are cached for good; others are asked for again each time.
net::Response page_response(std::span<const EmbeddedFile> files, std::string_view path, const std::string* if_none_match);

}  // namespace attune::serve
