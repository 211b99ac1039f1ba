// Random item spaces and attributes planted in them, for the tests of directions, senses and their evaluation.
#pragma once

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "core/rng.h"
#include "people/attributes.h"
#include "people/space.h"

namespace attune::people {

inline constexpr int kD = 8;

inline ItemSpace random_space(int n, uint64_t seed, int d = kD) {
  Rng rng(seed, "cav space");
  data::ItemIds ids;
  std::vector<float> rows;
  for (int i = 0; i < n; ++i) ids.add(cat(i));
  for (int k = 0; k < n * d; ++k) rows.push_back(static_cast<float>(rng.normal()));
  return ItemSpace({"test", 1}, ids, rows, d);
}

/// Users tag items whose coordinate `axis` (of user u: axes[u % axes.size()]) lies above a threshold of their own.
inline AttributeData planted(const ItemSpace& space, int num_users, int items_each, uint64_t seed, double spread = 0.3,
                             std::vector<size_t> axes = {0}) {
  AttributeData out{"first", {}};
  for (int u = 0; u < num_users; ++u) {
    Rng rng(seed, cat("user ", u));
    UserTags user{UserIndex(u), {}, {}, {}};
    const double threshold = spread * rng.normal();
    std::vector<int32_t> rows(static_cast<size_t>(space.size()));
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
    shuffle(rows, rng);
    rows.resize(static_cast<size_t>(items_each));
    std::sort(rows.begin(), rows.end());
    for (const int32_t row : rows) {
      const double value = space.row(ItemIndex(row))[axes[static_cast<size_t>(u) % axes.size()]] + 0.1 * rng.normal();
      (value > threshold ? user.tagged : user.others).push_back(ItemIndex(row));
    }
    out.users.push_back(std::move(user));
  }
  return out;
}

}  // namespace attune::people
