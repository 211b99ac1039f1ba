// What the personal routes share.
#pragma once

#include <string>

#include "assist/recommend.h"
#include "serve/api_error.h"
#include "serve/json.h"
#include "serve/route.h"

namespace attune::serve {

inline constexpr size_t kMaxIdBytes = 256;

/// The service, or 404 no_recommender.
assist::RecommendService& people(Call& call);
/// The first name in the path; 400 if it is too long.
const std::string& path_id(Call& call);

OrderedJson item_json(const assist::RecommendedItem& item);
OrderedJson share_json(const assist::BecauseShare& share);

/// 409 moods_not_learned unless there are moods.
void need_moods(const assist::RecommendService& service);
OrderedJson decision_json(const assist::ListDecision& decision);

/// Runs `body`; a full or failing disk is 503, not the client's rate.
template <class Body>
decltype(auto) storing(Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kResource || error.code() == ErrorCode::kIo)
      throw ApiError(503, error.what(), "", "storage_unavailable");
    throw;
  }
}

/// Runs `body`; what it does not find is the `kind` ("user", "item") that the request names.
template <class Body>
decltype(auto) finding(const std::string& kind, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) throw ApiError(404, error.what(), kind, kind + "_not_found");
    throw;
  }
}

}  // namespace attune::serve
