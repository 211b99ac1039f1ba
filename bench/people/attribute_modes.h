// Attributes in people_bench: times of concept activation vectors and of critiques, on made-up items.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "core/file.h"

namespace attune::bench {

using Json = nlohmann::ordered_json;

/// Trains `count` CAVs (mode binary) over 59,047 items of dimension `d`: 150 tagged and 450 other items each, chosen by a planted direction and as
/// much noise. Writes into `folder`, for the peer: cav_items.f32 [59047, d], cav_rows.i32 [count, 600] (tagged items first), and what was learned,
/// cav_w.f32 [count, d].
Json run_cav(const Path& folder, int count, int d, bool cross_validate, int threads);

/// Steps of sessions over 60,000 items: a list of 10, a critique of it, the update and the next list. Milliseconds by kind of update.
Json run_critique(int d);

}  // namespace attune::bench
