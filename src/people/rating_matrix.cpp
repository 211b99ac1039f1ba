#include "people/rating_matrix.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "core/error.h"

namespace attune::people {
namespace {

void check_shape(int32_t num_users, int32_t num_items, size_t num_ratings) {
  check(num_users > 0 && num_items > 0 && num_ratings > 0, ErrorCode::kInvalidArgument, "[als] ", num_users, " users, ", num_items,
        " items, ", num_ratings, " ratings, expected at least one of each");
}

void check_finite(float rating, int32_t user, int32_t item) {
  check(std::isfinite(rating), ErrorCode::kInvalidArgument, "[als] rating of user row ", user, " and item row ", item, " is not finite");
}

/// Sorts one user's ratings by item.
void sort_row(RatingMatrix& m, int64_t begin, int64_t end, std::vector<std::pair<int32_t, float>>& scratch) {
  if (std::is_sorted(m.items.begin() + begin, m.items.begin() + end)) return;
  scratch.clear();
  for (int64_t n = begin; n < end; ++n) scratch.emplace_back(m.items[n], m.ratings[n]);
  std::sort(scratch.begin(), scratch.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (int64_t n = begin; n < end; ++n) std::tie(m.items[n], m.ratings[n]) = scratch[static_cast<size_t>(n - begin)];
}

void check_distinct(const RatingMatrix& m) {
  for (int32_t u = 0; u < m.num_users; ++u) {
    for (int64_t n = m.offsets[u] + 1; n < m.offsets[u + 1]; ++n) {
      check(m.items[n - 1] != m.items[n], ErrorCode::kInvalidArgument, "[als] user row ", u, " rates item row ", m.items[n],
            " twice: remove duplicates first");
    }
  }
}

}  // namespace

RatingMatrix make_rating_matrix(std::span<const data::Interaction> ratings, int32_t num_users, int32_t num_items) {
  check_shape(num_users, num_items, ratings.size());
  RatingMatrix out{num_users, num_items, std::vector<int64_t>(static_cast<size_t>(num_users) + 1, 0), {}, {}};
  for (const auto& r : ratings) {
    check(r.user.value >= 0 && r.user.value < num_users && r.item.value >= 0 && r.item.value < num_items, ErrorCode::kInvalidArgument,
          "[als] rating of user row ", r.user.value, " and item row ", r.item.value, ", the matrix is ", num_users, " users x ", num_items,
          " items");
    check_finite(r.rating, r.user.value, r.item.value);
    ++out.offsets[static_cast<size_t>(r.user.value) + 1];
  }
  for (int32_t u = 0; u < num_users; ++u) out.offsets[u + 1] += out.offsets[u];
  out.items.resize(ratings.size());
  out.ratings.resize(ratings.size());
  std::vector<int64_t> next(out.offsets.begin(), out.offsets.end() - 1);
  for (const auto& r : ratings) {
    const int64_t place = next[r.user.value]++;
    out.items[place] = r.item.value;
    out.ratings[place] = r.rating;
  }
  std::vector<std::pair<int32_t, float>> scratch;
  for (int32_t u = 0; u < num_users; ++u) sort_row(out, out.offsets[u], out.offsets[u + 1], scratch);
  check_distinct(out);
  return out;
}

void check_rating_matrix(const RatingMatrix& m) {
  check_shape(m.num_users, m.num_items, m.items.size());
  check(m.offsets.size() == static_cast<size_t>(m.num_users) + 1 && m.offsets.front() == 0 &&
            m.offsets.back() == static_cast<int64_t>(m.items.size()) && m.ratings.size() == m.items.size() &&
            std::is_sorted(m.offsets.begin(), m.offsets.end()),
        ErrorCode::kInvalidArgument, "[als] the rating matrix has ", m.offsets.size(), " offsets, ", m.items.size(), " items and ",
        m.ratings.size(), " ratings, expected rising offsets of ", m.num_users, " users from 0 to the number of ratings");
  for (int32_t u = 0; u < m.num_users; ++u) {
    for (int64_t n = m.offsets[u]; n < m.offsets[u + 1]; ++n) {
      check(m.items[n] >= 0 && m.items[n] < m.num_items, ErrorCode::kInvalidArgument, "[als] rating of user row ", u, " and item row ",
            m.items[n], ", the matrix has ", m.num_items, " items");
      check(n == m.offsets[u] || m.items[n - 1] <= m.items[n], ErrorCode::kInvalidArgument, "[als] the items of user row ", u,
            " do not rise: ", n == 0 ? 0 : m.items[n - 1], " before ", m.items[n]);
      check_finite(m.ratings[n], u, m.items[n]);
    }
  }
  check_distinct(m);
}

}  // namespace attune::people
