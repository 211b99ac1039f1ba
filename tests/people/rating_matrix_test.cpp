// The rating matrix: rows in order whatever the input's order, and every kind of bad input by name; the trainer on it.
#include "people/rating_matrix.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string_view>

#include "core/error.h"
#include "core/rng.h"
#include "people/als.h"
#include "people/als_row_internal.h"

namespace attune::people {
namespace {

using data::Interaction;

Interaction rate(int user, int item, float rating) { return {UserIndex(user), ItemIndex(item), rating, 0}; }

void expect_error(std::string_view part, const std::function<void()>& body) {
  try {
    body();
    FAIL() << "expected an error with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what();
  }
}

TEST(RatingMatrix, RowsInOrder) {
  const auto m =
      make_rating_matrix(std::vector<Interaction>{rate(2, 3, 1), rate(0, 1, 2), rate(2, 0, 3), rate(0, 0, 4), rate(2, 1, 5)}, 4, 4);
  EXPECT_EQ(m.offsets, (std::vector<int64_t>{0, 2, 2, 5, 5}));
  EXPECT_EQ(m.items, (std::vector<int32_t>{0, 1, 0, 1, 3}));
  EXPECT_EQ(m.ratings, (std::vector<float>{4, 2, 3, 5, 1}));
  check_rating_matrix(m);
}

TEST(RatingMatrix, BadRatings) {
  const auto make = [](std::vector<Interaction> ratings) { make_rating_matrix(ratings, 2, 2); };
  expect_error("at least one", [&] { make({}); });
  expect_error("user row 2", [&] { make({rate(2, 0, 1)}); });
  expect_error("user row -1", [&] { make({rate(-1, 0, 1)}); });
  expect_error("item row 2", [&] { make({rate(0, 2, 1)}); });
  expect_error("not finite", [&] { make({rate(0, 1, std::nanf(""))}); });
  expect_error("twice", [&] { make({rate(1, 1, 1), rate(0, 0, 1), rate(1, 1, 2)}); });
}

TEST(RatingMatrix, BadMatrices) {
  const RatingMatrix good{2, 3, {0, 2, 3}, {0, 2, 1}, {1, 2, 3}};
  check_rating_matrix(good);
  const auto spoil = [&](std::string_view part, const std::function<void(RatingMatrix&)>& change) {
    RatingMatrix m = good;
    change(m);
    expect_error(part, [&] { check_rating_matrix(m); });
    ThreadPool pool(1);
    expect_error(part, [&] { Als(m, als_preset("implicit"), pool); });
  };
  spoil("at least one", [](RatingMatrix& m) { m.num_users = 0; });
  spoil("at least one", [](RatingMatrix& m) { m.items.clear(); });
  spoil("offsets", [](RatingMatrix& m) { m.offsets.pop_back(); });
  spoil("offsets", [](RatingMatrix& m) { m.offsets = {0, 4, 3}; });
  spoil("offsets", [](RatingMatrix& m) { m.offsets = {1, 2, 3}; });
  spoil("offsets", [](RatingMatrix& m) { m.ratings.pop_back(); });
  spoil("item row 3", [](RatingMatrix& m) { m.items[1] = 3; });
  spoil("item row -1", [](RatingMatrix& m) { m.items[2] = -1; });
  spoil("do not rise", [](RatingMatrix& m) { std::swap(m.items[0], m.items[1]); });
  spoil("twice", [](RatingMatrix& m) { m.items[1] = 0; });
  spoil("not finite", [](RatingMatrix& m) { m.ratings[2] = std::numeric_limits<float>::infinity(); });
}

TEST(RatingMatrix, TheTrainerGivesTheSameBitsForBothInputs) {
  Rng rng(3, "rating matrix");
  std::vector<Interaction> ratings;
  for (int u = 0; u < 20; ++u) {
    for (int i = 0; i < 15; ++i) {
      if (rng.uniform() < 0.4) ratings.push_back(rate(u, i, static_cast<float>(1 + rng.below(5))));
    }
  }
  shuffle(ratings, rng);
  ThreadPool pool(2);
  const AlsOptions o = als_preset("eagle");
  Als a(ratings, 20, 15, o, pool);
  Als b(make_rating_matrix(ratings, 20, 15), o, pool);
  a.sweep();
  b.sweep();
  EXPECT_EQ(a.parameters().user_factors, b.parameters().user_factors);
  EXPECT_EQ(a.parameters().item_bias, b.parameters().item_bias);
}

// Below 0 the confidence is in a dislike: target 0 with the weight |rating|; 0 says nothing at all about the pair.
TEST(Confidence, SignAndSize) {
  AlsOptions o = als_preset("implicit");
  o.weight = 2;
  const AlsEncoder encode(o, 0);
  EXPECT_EQ(encode(0, 0, 7, 3).target, 1);
  EXPECT_EQ(encode(0, 0, 7, 3).weight, 6);
  EXPECT_EQ(encode(0, 0, 7, -3).target, 0);
  EXPECT_EQ(encode(0, 0, 7, -3).weight, 6);
  EXPECT_EQ(encode(0, 0, 7, 0).weight, 0);
  EXPECT_EQ(encode(0, 0, 7, 3).column, 7);
}

// Solved by hand: one user chose item 0 of two with confidence 3; Q = I, w0 = 1, lambda = 0.5: A = diag(3.5, 1.5), b = (3, 0).
TEST(Confidence, WorkedExample) {
  AlsOptions o = als_preset("implicit");
  o.rank = 2;
  o.lambda = 0.5;
  o.solver = "cholesky";
  ThreadPool pool(1);
  Als als(std::vector<Interaction>{rate(0, 0, 3)}, 1, 2, o, pool);
  als.set_factors(std::vector<float>{1, 1}, std::vector<float>{1, 0, 0, 1});
  als.user_step();
  EXPECT_NEAR(als.parameters().user_factors[0], 3 / 3.5, 1e-6);
  EXPECT_NEAR(als.parameters().user_factors[1], 0, 1e-7);
  // loss: 3 (1 - 6/7)^2 + 0.5 ((6/7)^2 + 2)
  EXPECT_NEAR(als.loss(), 3.0 / 49 + 0.5 * (36.0 / 49 + 2), 1e-6);
}

}  // namespace
}  // namespace attune::people
