#include "store/codec_internal.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/csv/csv.h"

namespace attune::store {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kMaxYear = 9999;

void check_text(std::string_view text, size_t max_bytes, std::string_view what) {
  check(text.size() <= max_bytes, ErrorCode::kInvalidArgument, "[store] ", what, " has ", text.size(), " bytes, expected at most ",
        max_bytes);
  check(io::is_valid_utf8(text), ErrorCode::kInvalidArgument, "[store] ", what, " is no valid UTF-8");
}

/// Ids and kinds: not empty unless allowed, no control characters.
void check_id(std::string_view text, size_t max_bytes, std::string_view what, bool may_be_empty) {
  check(may_be_empty || !text.empty(), ErrorCode::kInvalidArgument, "[store] ", what, " is empty");
  check_text(text, max_bytes, what);
  for (const char c : text) {
    check(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, ErrorCode::kInvalidArgument, "[store] ", what, " holds a control character");
  }
}

Json parse(std::string_view json, std::string_view what) {
  Json out = Json::parse(json, nullptr, false);
  check(!out.is_discarded(), ErrorCode::kCorruptData, "[store] ", what, " is no valid JSON");
  return out;
}

}  // namespace

void validate(const Event& event) {
  check_id(event.event_id, kMaxIdBytes, "event_id", true);
  check_id(event.user, kMaxIdBytes, "user", false);
  check_id(event.kind, kMaxKindBytes, "kind", false);
  check_id(event.item, kMaxIdBytes, "item", true);
  check(!event.value || std::isfinite(*event.value), ErrorCode::kInvalidArgument, "[store] value is not finite");
  check(event.time_ms >= 0, ErrorCode::kInvalidArgument, "[store] time_ms is ", event.time_ms, ", expected at least 0");
  check_text(event.payload, kMaxPayloadBytes, "payload");
  if (event.payload.empty()) return;
  check(event.payload.front() == '{' && Json::accept(event.payload), ErrorCode::kInvalidArgument,
        "[store] payload, expected one JSON object or nothing");
}

void validate(const CatalogueItem& item) {
  check_id(item.id, kMaxIdBytes, "item id", false);
  check(!item.title.empty(), ErrorCode::kInvalidArgument, "[store] title of item ", item.id, " is empty");
  check_text(item.title, kMaxTitleBytes, "title");
  check(!item.year || (*item.year >= 0 && *item.year <= kMaxYear), ErrorCode::kInvalidArgument, "[store] year of item ", item.id, " is ",
        item.year.value_or(0), ", expected 0 to ", kMaxYear);
  check(item.genres.size() <= kMaxGenres, ErrorCode::kInvalidArgument, "[store] item ", item.id, " has ", item.genres.size(),
        " genres, expected at most ", kMaxGenres);
  for (const auto& genre : item.genres) check_id(genre, kMaxIdBytes, "genre", false);
  size_t total = 0;
  for (const auto& [key, value] : item.extra) {
    check_id(key, kMaxIdBytes, "name of an extra field", false);
    check_text(value, kMaxPayloadBytes, "extra field");
    total += key.size() + value.size();
  }
  check(total <= kMaxPayloadBytes, ErrorCode::kInvalidArgument, "[store] extra fields of item ", item.id, " have ", total,
        " bytes, expected at most ", kMaxPayloadBytes);
}

std::string encode_list(const std::vector<std::string>& values) { return Json(values).dump(); }
std::string encode_map(const std::map<std::string, std::string>& values) { return nlohmann::json(values).dump(); }

std::vector<std::string> decode_list(std::string_view json, std::string_view what) {
  std::vector<std::string> out;
  const Json value = parse(json, what);
  check(value.is_array(), ErrorCode::kCorruptData, "[store] ", what, " is no JSON array");
  for (const auto& element : value) {
    check(element.is_string(), ErrorCode::kCorruptData, "[store] ", what, " holds something that is no text");
    out.push_back(element.get<std::string>());
  }
  return out;
}

std::map<std::string, std::string> decode_map(std::string_view json, std::string_view what) {
  std::map<std::string, std::string> out;
  const Json value = parse(json, what);
  check(value.is_object(), ErrorCode::kCorruptData, "[store] ", what, " is no JSON object");
  for (const auto& [key, element] : value.items()) {
    check(element.is_string(), ErrorCode::kCorruptData, "[store] ", what, " holds something that is no text");
    out.emplace(key, element.get<std::string>());
  }
  return out;
}

std::string encode_event(const Event& event) {
  Json out = {{"event_id", event.event_id}, {"user", event.user}, {"kind", event.kind}};
  out["item"] = event.item.empty() ? Json() : Json(event.item);
  out["value"] = event.value ? Json(*event.value) : Json();
  out["time_ms"] = event.time_ms;
  out["payload"] = event.payload.empty() ? Json() : parse(event.payload, "payload");
  out["sequence"] = event.sequence;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace attune::store
