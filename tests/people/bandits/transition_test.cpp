#include "people/bandits/transition.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/people/bandits/bandit_fixtures.h"

namespace attune::people {
namespace {

using testing::falling_distribution;
using testing::lopsided_matrix;

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.message();
  }
  return "nothing thrown";
}

TEST(TransitionTest, MovesFromRowsToColumns) {
  const Transition phi = Transition::dense(2, {0.9, 0.1, 0.4, 0.6});
  std::vector<double> p = {0.25, 0.75};
  phi.apply(p);
  EXPECT_DOUBLE_EQ(p[0], 0.25 * 0.9 + 0.75 * 0.4);
  EXPECT_DOUBLE_EQ(p[1], 0.25 * 0.1 + 0.75 * 0.6);
  EXPECT_EQ(phi.at(0, 1), 0.1);
  EXPECT_FALSE(phi.is_sticky());
}

TEST(TransitionTest, StickyIsItsMatrix) {
  const Transition sticky = Transition::sticky(0.3, {0.2, 0.3, 0.5});
  const Transition dense = Transition::dense(3, sticky.matrix());
  std::vector<double> a = {0.7, 0.1, 0.2};
  std::vector<double> b = a;
  sticky.apply(a);
  dense.apply(b);
  for (size_t z = 0; z < 3; ++z) EXPECT_NEAR(a[z], b[z], 1e-15);
  for (int32_t i = 0; i < 3; ++i) {
    for (int32_t j = 0; j < 3; ++j) EXPECT_NEAR(sticky.at(i, j), dense.at(i, j), 1e-15);
  }
}

TEST(TransitionTest, PowersAreRepeatedSteps) {
  for (const int32_t n : {1, 2, 3, 5}) {
    const Transition phi = Transition::dense(n, lopsided_matrix(n));
    std::vector<double> step = falling_distribution(n);
    const std::vector<double> start = step;
    for (int dt = 1; dt <= 40; ++dt) {
      phi.apply(step);
      std::vector<double> jump = start;
      phi.apply(jump, dt);
      std::vector<double> again = start;  // from the cache
      phi.apply(again, dt);
      for (size_t z = 0; z < step.size(); ++z) EXPECT_NEAR(jump[z], step[z], 1e-13) << n << " states, " << dt;
      EXPECT_EQ(jump, again);
    }
  }
}

TEST(TransitionTest, StickyGapsInClosedForm) {
  const Transition sticky = Transition::sticky(0.1, {0.2, 0.3, 0.5});
  const std::vector<double> start = {0.7, 0.1, 0.2};
  std::vector<double> step = start;
  for (int dt = 1; dt <= 30; ++dt) {
    sticky.apply(step);
    std::vector<double> jump = start;
    sticky.apply(jump, dt);
    for (size_t z = 0; z < 3; ++z) EXPECT_NEAR(jump[z], step[z], 1e-14);
  }
  std::vector<double> halves = start;
  sticky.apply(halves, 0.25);
  sticky.apply(halves, 0.5);
  sticky.apply(halves, 0.25);
  std::vector<double> whole = start;
  sticky.apply(whole, 1.0);
  for (size_t z = 0; z < 3; ++z) EXPECT_NEAR(halves[z], whole[z], 1e-15);
  EXPECT_NEAR(sticky.power(2.5)[1], (1 - std::pow(0.9, 2.5)) * 0.3, 1e-15);
}

TEST(TransitionTest, NoTimeChangesNothingAndMuchTimeMixes) {
  const Transition phi = Transition::dense(3, lopsided_matrix(3));
  std::vector<double> p = {1, 0, 0};
  phi.apply(p, 0);
  EXPECT_EQ(p, (std::vector<double>{1, 0, 0}));
  phi.apply(p, 1e9);
  std::vector<double> next = p;
  phi.apply(next);
  for (size_t z = 0; z < 3; ++z) EXPECT_NEAR(p[z], next[z], 1e-6);  // stationary
  std::vector<double> q = {0.25, 0.75};
  Transition::identity(2).apply(q, 1000.5);
  EXPECT_EQ(q, (std::vector<double>{0.25, 0.75}));
}

TEST(TransitionTest, ManyDifferentGapsFillTheCacheAndStayRight) {
  const Transition phi = Transition::dense(2, {0.999, 0.001, 0.002, 0.998});
  for (int dt = 2; dt < 400; ++dt) {
    const double stay = std::pow(0.997, dt);  // second eigenvalue 1 - 0.001 - 0.002
    EXPECT_NEAR(phi.power(dt)[1], (1 - stay) / 3, 1e-12) << dt;
  }
}

TEST(TransitionTest, ScaledMovesMoreOrLessOften) {
  EXPECT_DOUBLE_EQ(Transition::sticky(0.2, {0.5, 0.5}).scaled(3).rho(), 0.6000000000000001);
  EXPECT_EQ(Transition::sticky(0.2, {0.5, 0.5}).scaled(10).rho(), 1);
  const Transition dense = Transition::dense(3, {0.8, 0.15, 0.05, 0.1, 0.9, 0, 0.3, 0.3, 0.4}).scaled(2);
  const std::vector<double> expected = {0.6, 0.3, 0.1, 0.2, 0.8, 0, 0.5, 0.5, 0};
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(dense.matrix()[i], expected[i], 1e-15) << i;
  EXPECT_EQ(dense.scaled(0).matrix(), Transition::identity(3).matrix());
  EXPECT_THROW(dense.scaled(-1), Error);
  EXPECT_THROW(dense.scaled(std::numeric_limits<double>::quiet_NaN()), Error);
}

TEST(TransitionTest, RefusesWhatIsNoDistribution) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(message_of([] { Transition::dense(2, {0.9, 0.1, 0.4, 0.5}); }), "[transition] row 1: expected a sum of 1, found 0.9");
  EXPECT_EQ(message_of([] { Transition::dense(2, {1.1, -0.1, 0.4, 0.6}); }),
            "[transition] row 0: expected probabilities of at least 0, found -0.1");
  EXPECT_NE(message_of([&] { Transition::dense(1, {nan}); }).find("row 0"), std::string::npos);
  EXPECT_EQ(message_of([] { Transition::dense(2, {1, 0, 1}); }), "[transition] expected a matrix [2, 2], found 3 numbers");
  EXPECT_NE(message_of([] { Transition::dense(0, {}); }).find("at least 1 state"), std::string::npos);
  EXPECT_NE(message_of([] { Transition::dense(-3, {}); }).find("at least 1 state"), std::string::npos);
  EXPECT_NE(message_of([] { Transition::sticky(0.1, {}); }).find("at least 1 state"), std::string::npos);
  EXPECT_NE(message_of([] { Transition::sticky(0.1, {0.5, 0.4}); }).find("pi 0"), std::string::npos);
  EXPECT_NE(message_of([] { Transition::sticky(1.5, {1}); }).find("rho in [0, 1], found 1.5"), std::string::npos);
  EXPECT_NE(message_of([&] { Transition::sticky(nan, {1}); }).find("rho"), std::string::npos);
  EXPECT_NE(message_of([] { Transition::identity(0); }).find("at least 1 state"), std::string::npos);
}

TEST(TransitionTest, RefusesBadGaps) {
  const Transition dense = Transition::dense(2, {0.9, 0.1, 0.4, 0.6});
  const Transition sticky = Transition::sticky(0.1, {0.5, 0.5});
  const double inf = std::numeric_limits<double>::infinity();
  for (const double dt : {-1.0, inf, std::numeric_limits<double>::quiet_NaN()}) {
    std::vector<double> p = {0.5, 0.5};
    EXPECT_THROW(dense.apply(p, dt), Error);
    EXPECT_THROW(sticky.apply(p, dt), Error);
    EXPECT_EQ(p, (std::vector<double>{0.5, 0.5}));
  }
  std::vector<double> p = {0.5, 0.5};
  EXPECT_NE(message_of([&] { dense.apply(p, 1.5); }).find("whole rounds"), std::string::npos);
  EXPECT_NE(message_of([&] { dense.apply(p, 2e9); }).find("whole rounds"), std::string::npos);
}

}  // namespace
}  // namespace attune::people
