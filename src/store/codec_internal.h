// JSON forms of what the store keeps.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/event_store.h"

namespace attune::store {

std::string encode_list(const std::vector<std::string>& values);
std::string encode_map(const std::map<std::string, std::string>& values);
/// Throw kCorruptData naming `what`.
std::vector<std::string> decode_list(std::string_view json, std::string_view what);
std::map<std::string, std::string> decode_map(std::string_view json, std::string_view what);
/// One line of `export_user`, without the line break.
std::string encode_event(const Event& event);

}  // namespace attune::store
