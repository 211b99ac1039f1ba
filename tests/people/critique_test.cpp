// Critiques: the scalar equation, both Gaussian updates against integration and finite differences, lists, replay, JSON, bad input.
#include "people/critique.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "core/thread_pool.h"
#include "data/generated.h"
#include "people/als.h"
#include "tests/expect_error.h"

namespace attune::people {
namespace {

using attune::test::expect_error;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// 4 items on the axes of the plane, 1 far out.
const std::vector<float> kItems = {1, 0, 0, 1, -1, 0, 0, -1, 3, 0.5f};

CritiquePrior flat_prior(int d, double variance = 1) {
  CritiquePrior out{std::vector<double>(static_cast<size_t>(d), 0), std::vector<double>(static_cast<size_t>(d * d), 0)};
  for (int a = 0; a < d; ++a) out.covariance[static_cast<size_t>(a * d + a)] = variance;
  return out;
}

TEST(Critique, ScalarEquation) {
  EXPECT_NEAR(critique_mode(0, 1, 1, 1, 1), 0.401058, 1e-6);
  EXPECT_NEAR(critique_mode(0, 1, 1, -1, 1), -0.401058, 1e-6);
  for (const double x0 : {-30.0, -2.0, 0.0, 0.7, 25.0}) {
    for (const double v : {0.0, 1e-6, 1.0, 400.0}) {
      for (const double beta : {0.1, 1.0, 20.0}) {
        for (const double strength : {0.5, 1.0, 4.0}) {
          for (const int sign : {1, -1}) {
            const double x = critique_mode(x0, v, beta, sign, strength);
            const double right = x0 + v * strength * beta * sign * sigmoid(-beta * sign * x);
            EXPECT_NEAR(x, right, 1e-9 * (1 + std::abs(x) + v * strength * beta)) << x0 << " " << v << " " << beta;
          }
        }
      }
    }
  }
  EXPECT_EQ(critique_mode(2, 0, 1, 1, 1), 2);
  EXPECT_THROW(critique_mode(0, 1, 1, 0, 1), Error);
  EXPECT_THROW(critique_mode(0, -1, 1, 1, 1), Error);
  EXPECT_THROW(critique_mode(0, 1, 0, 1, 1), Error);
  EXPECT_THROW(critique_mode(NAN, 1, 1, 1, 1), Error);
}

/// log of N(u; m, S) sigmoid(beta sign d.u)^strength up to a constant, in the plane.
double log_posterior(double x, double y, const std::vector<double>& m, const std::vector<double>& s, const std::vector<double>& d, int sign,
                     double strength, double beta) {
  const double det = s[0] * s[3] - s[1] * s[2];
  const double a = x - m[0], b = y - m[1];
  const double quad = (s[3] * a * a - (s[1] + s[2]) * a * b + s[0] * b * b) / det;
  return -0.5 * quad + strength * std::log(sigmoid(beta * sign * (d[0] * x + d[1] * y)));
}

TEST(Critique, BayesStepIsTheModeAndCurvatureOfThePosterior) {
  const std::vector<double> m0 = {0.3, -0.4}, s0 = {1.2, 0.5, 0.5, 0.8}, d = {0.7, -1.1};
  const double beta = 1.7, strength = 1.5;
  for (const int sign : {1, -1}) {
    auto m = m0;
    auto s = s0;
    bayes_critique(m, s, d, sign, strength, beta);
    const auto f = [&](double x, double y) { return log_posterior(x, y, m0, s0, d, sign, strength, beta); };
    const double e = 1e-4;
    EXPECT_NEAR((f(m[0] + e, m[1]) - f(m[0] - e, m[1])) / (2 * e), 0, 1e-6);
    EXPECT_NEAR((f(m[0], m[1] + e) - f(m[0], m[1] - e)) / (2 * e), 0, 1e-6);
    // -Hessian, inverted, is the covariance.
    const double xx = -(f(m[0] + e, m[1]) - 2 * f(m[0], m[1]) + f(m[0] - e, m[1])) / (e * e);
    const double yy = -(f(m[0], m[1] + e) - 2 * f(m[0], m[1]) + f(m[0], m[1] - e)) / (e * e);
    const double xy = -(f(m[0] + e, m[1] + e) - f(m[0] + e, m[1] - e) - f(m[0] - e, m[1] + e) + f(m[0] - e, m[1] - e)) / (4 * e * e);
    const double det = xx * yy - xy * xy;
    EXPECT_NEAR(s[0], yy / det, 1e-4);
    EXPECT_NEAR(s[3], xx / det, 1e-4);
    EXPECT_NEAR(s[1], -xy / det, 1e-4);
    EXPECT_EQ(s[1], s[2]);
  }
}

/// Mean and covariance of the exact posterior by the midpoint rule.
struct Moments {
  double mass = 0, x = 0, y = 0, xx = 0, yy = 0;
};
Moments integrate(const std::vector<double>& m, const std::vector<double>& s, const std::vector<double>& d, int sign, double beta) {
  Moments out;
  const double step = 0.02;
  for (double x = -8; x < 8; x += step) {
    for (double y = -8; y < 8; y += step) {
      const double p = std::exp(log_posterior(x, y, m, s, d, sign, 1, beta));
      out.mass += p, out.x += p * x, out.y += p * y, out.xx += p * x * x, out.yy += p * y * y;
    }
  }
  out.x /= out.mass, out.y /= out.mass;
  out.xx = out.xx / out.mass - out.x * out.x;
  out.yy = out.yy / out.mass - out.y * out.y;
  return out;
}

TEST(Critique, BayesStepAgainstIntegrationInThePlane) {
  const std::vector<double> m0 = {0.2, -0.1}, s0 = {0.9, -0.3, -0.3, 0.6}, d = {1, 0.4};
  const auto exact = integrate(m0, s0, d, 1, 1);
  auto m = m0;
  auto s = s0;
  bayes_critique(m, s, d, 1, 1, 1);
  // Laplace: the mode stands for the mean. At this width it is within a few hundredths.
  EXPECT_NEAR(m[0], exact.x, 0.05);
  EXPECT_NEAR(m[1], exact.y, 0.05);
  EXPECT_NEAR(s[0], exact.xx, 0.05);
  EXPECT_NEAR(s[3], exact.yy, 0.03);
  EXPECT_LT(s[0], s0[0]);
}

TEST(Critique, BayesStepInOneDimensionAgainstIntegration) {
  for (const double v : {0.05, 0.5}) {
    double mass = 0, first = 0, second = 0;
    for (double x = -10; x < 10; x += 1e-3) {
      const double p = std::exp(-0.5 * x * x / v) * sigmoid(x);
      mass += p, first += p * x, second += p * x * x;
    }
    first /= mass;
    std::vector<double> m = {0}, s = {v}, d = {1};
    bayes_critique(m, s, d, 1, 1, 1);
    EXPECT_NEAR(m[0], first, 0.02 * std::sqrt(v));
    EXPECT_NEAR(s[0], second / mass - first * first, 0.02 * v);
  }
}

TEST(Critique, PairwiseStepIsTheMode) {
  const std::vector<double> u0 = {0.4, -0.2, 0.1}, cov = {1, 0.2, 0, 0.2, 0.5, -0.1, 0, -0.1, 2};
  const std::vector<double> pairs = {1, 0, 0.5, -0.3, 2, 1, -4, 0.2, 3}, weights = {1, 2, 0.5};
  const double beta = 1.3;
  const auto u = pairwise_critique(u0, cov, pairs, weights, beta);
  // Gradient of the loss times the covariance: u - u0 - cov sum w beta sigmoid(-beta z.u) z = 0.
  std::vector<double> pull(3, 0);
  for (size_t t = 0; t < 3; ++t) {
    double dot = 0;
    for (size_t a = 0; a < 3; ++a) dot += pairs[t * 3 + a] * u[a];
    for (size_t a = 0; a < 3; ++a) pull[a] += weights[t] * beta * sigmoid(-beta * dot) * pairs[t * 3 + a];
  }
  for (size_t a = 0; a < 3; ++a) {
    double moved = 0;
    for (size_t b = 0; b < 3; ++b) moved += cov[a * 3 + b] * pull[b];
    EXPECT_NEAR(u[a] - u0[a], moved, 1e-9);
  }
  // One pair is the Bayesian step along it.
  auto m = u0;
  auto s = cov;
  bayes_critique(m, s, std::vector<double>{1, 0, 0.5}, 1, 2, beta);
  const auto one = pairwise_critique(u0, cov, std::vector<double>{1, 0, 0.5}, std::vector<double>{2}, beta);
  for (size_t a = 0; a < 3; ++a) EXPECT_NEAR(one[a], m[a], 1e-10);
  EXPECT_EQ(pairwise_critique(u0, cov, {}, {}, 1), u0);
  const auto far = pairwise_critique(u0, cov, std::vector<double>{300, -500, 100}, std::vector<double>{4}, 50);  // steep: must not diverge
  for (const double value : far) EXPECT_TRUE(std::isfinite(value));
}

TEST(Critique, HeuristicSteps) {
  CritiqueOptions o{.update = "heuristic", .alpha = 0.5, .rho = 0.5};
  const Critiquer critiquer(kItems, 2, {}, o);
  const auto up = critiquer.direction("up", std::vector<float>{0, 1}, std::vector<double>{1});
  auto state = critiquer.start({{3, 4}, {}});
  critiquer.apply(state, up, -1, 1, {});
  EXPECT_NEAR(state.mean[1], 4 - 2.5, 1e-12);
  critiquer.apply(state, up, 1, 2, {});
  EXPECT_NEAR(state.mean[1], 4 - 2.5 + 2 * 2.5 / std::sqrt(2.0), 1e-12);
  EXPECT_EQ(state.mean[0], 3);
  EXPECT_EQ(state.steps, 2);
}

TEST(Critique, HeuristicStepsOfSomebodyUnknownHaveALeastLength) {
  CritiqueOptions options;
  options.update = "heuristic";
  options.alpha = 0.5;
  options.least_length = 2;
  const Critiquer critiquer(kItems, 2, {}, options);
  const auto direction = critiquer.direction("x", std::vector<float>{1, 0}, std::vector<double>{1});
  auto state = critiquer.start({{0, 0}, {}});
  critiquer.apply(state, direction, 1, 1, {});
  EXPECT_NEAR(state.mean[0], 1, 1e-12);
  auto longer = critiquer.start({{0, 4}, {}});
  critiquer.apply(longer, direction, 1, 1, {});
  EXPECT_NEAR(longer.mean[0], 2, 1e-12);
}

TEST(Critique, DirectionsAndMixtures) {
  const Critiquer critiquer(kItems, 2, {}, {});
  const std::vector<float> senses = {1, 0, 0, 1};
  const auto right = critiquer.direction("x", std::span(senses).first(2), std::vector<double>{1});
  const std::vector<double> xs = {1, 0, -1, 0, 3};
  double variance = 0;
  for (const double x : xs) variance += (x - 0.6) * (x - 0.6) / 5;
  EXPECT_NEAR(right.sd, std::sqrt(variance), 1e-9);
  const auto mixed = critiquer.direction("x", senses, std::vector<double>{0.75, 0.25});
  EXPECT_EQ(mixed.v, (std::vector<float>{0.75f, 0.25f}));
  expect_error(ErrorCode::kInvalidArgument, "cancel",
               [&] { critiquer.direction("x", std::vector<float>{1, 0, -1, 0}, std::vector<double>{0.5, 0.5}); });
  expect_error(ErrorCode::kInvalidArgument, "sum to", [&] { critiquer.direction("x", senses, std::vector<double>{1, 1}); });
  expect_error(ErrorCode::kInvalidArgument, "weight", [&] { critiquer.direction("x", senses, std::vector<double>{-0.5, 1.5}); });
  expect_error(ErrorCode::kInvalidArgument, "numbers", [&] { critiquer.direction("x", senses, std::vector<double>{1}); });
  expect_error(ErrorCode::kInvalidArgument, "not finite",
               [&] { critiquer.direction("x", std::vector<float>{NAN, 0}, std::vector<double>{1}); });
}

TEST(Critique, ListsLeaveOutWhatWasShown) {
  const std::vector<float> offset = {0, 0, 0, 10, 0};
  const Critiquer critiquer(kItems, 2, offset, {.slate = 2, .max_steps = 3});
  CritiquePrior prior = flat_prior(2);
  prior.mean = {1, 0};
  auto state = critiquer.start(prior);
  auto slate = critiquer.slate(state);
  ASSERT_EQ(slate.size(), 2u);
  EXPECT_EQ(slate[0].item, ItemIndex(3));  // offset
  EXPECT_EQ(slate[1].item, ItemIndex(4));
  critiquer.show(state, std::vector<ItemIndex>{ItemIndex(3), ItemIndex(4), ItemIndex(3)});
  EXPECT_EQ(state.shown.size(), 2u);
  const std::vector<uint8_t> excluded = {1, 0, 0, 0, 0};
  slate = critiquer.slate(state, excluded);
  EXPECT_EQ(slate[0].item, ItemIndex(1));
  EXPECT_EQ(slate[1].item, ItemIndex(2));
  EXPECT_EQ(critiquer.stop_reason(state, 2), "");
  EXPECT_EQ(critiquer.stop_reason(state, 1), "items");
  state.steps = 3;
  EXPECT_EQ(critiquer.stop_reason(state, 2), "steps");
  state.shown = {ItemIndex(77)};
  EXPECT_THROW(critiquer.slate(state), Error);
  EXPECT_THROW(critiquer.show(state, std::vector<ItemIndex>{ItemIndex(-1)}), Error);
}

TEST(Critique, EveryUpdateMovesTheListTheRightWay) {
  Rng rng(5, "critique");
  const int m = 400, d = 6;
  std::vector<float> items;
  for (int n = 0; n < m * d; ++n) items.push_back(static_cast<float>(rng.normal()));
  for (const char* update : {"heuristic", "bayes", "pairwise"}) {
    CritiqueOptions o;
    o.update = update;
    const Critiquer critiquer(items, d, {}, o);
    auto prior = flat_prior(d);
    for (double& value : prior.mean) value = 0.5 * rng.normal();
    std::vector<float> axis(d, 0);
    axis[2] = 1;
    const auto direction = critiquer.direction("x", axis, std::vector<double>{1});
    for (const int sign : {1, -1}) {
      auto state = critiquer.start(prior);
      std::vector<ItemIndex> slate;
      for (const auto& scored : critiquer.slate(state)) slate.push_back(scored.item);
      auto twice = state;
      critiquer.apply(state, direction, sign, 1, slate);
      critiquer.apply(twice, direction, sign, 2, slate);
      EXPECT_GT(sign * (state.mean[2] - prior.mean[2]), 0.01) << update;
      EXPECT_GT(sign * (twice.mean[2] - state.mean[2]), 0.005) << update;
    }
  }
}

TEST(Critique, JsonContinuesBitForBitAndReplayRebuilds) {
  Rng rng(6, "critique json");
  const int m = 60, d = 4;
  std::vector<float> items;
  for (int n = 0; n < m * d; ++n) items.push_back(static_cast<float>(rng.normal()));
  for (const char* update : {"heuristic", "bayes", "pairwise"}) {
    CritiqueOptions o{.update = update, .slate = 5};
    const Critiquer critiquer(items, d, {}, o);
    auto prior = flat_prior(d, 0.7);
    for (double& value : prior.mean) value = rng.normal();
    const auto find_direction = [&](const std::string& name) -> std::optional<CritiqueDirection> {
      if (name == "unknown") return std::nullopt;
      std::vector<float> axis(static_cast<size_t>(d), 0);
      axis[name == "a" ? 0 : 1] = 1;
      return critiquer.direction(name, axis, std::vector<double>{1});
    };
    const auto find_item = [](const std::string& key) -> std::optional<ItemIndex> {
      return key == "gone" ? std::nullopt : std::optional(ItemIndex(std::stoi(key)));
    };
    auto state = critiquer.start(prior);
    auto copy = state;
    std::vector<CritiqueEvent> events;
    for (int t = 0; t < 4; ++t) {
      CritiqueEvent event{t % 2 == 0 ? "a" : "b", t < 2 ? 1 : -1, t == 3 ? 2.5 : 1.0, {}, t == 2 ? update : ""};
      std::vector<ItemIndex> slate;
      for (const auto& scored : critiquer.slate(state)) {
        slate.push_back(scored.item);
        event.slate.push_back(cat(scored.item.value));
      }
      for (auto* s : {&state, &copy}) {
        critiquer.show(*s, slate);
        critiquer.apply(*s, *find_direction(event.attribute), event.sign, event.strength, slate);
      }
      copy = parse_critique_state(critique_state_json(copy));
      EXPECT_TRUE(copy == state) << update << " " << t;
      EXPECT_EQ(parse_critique_event(critique_event_json(event)), event);
      events.push_back(parse_critique_event(critique_event_json(event)));
    }
    events.push_back({"unknown", 1, 1, {"gone"}});
    const auto rebuilt = critiquer.replay(prior, events, find_direction, find_item);
    EXPECT_EQ(rebuilt.num_skipped, 1);
    EXPECT_TRUE(rebuilt.state == state) << update;
  }
}

TEST(Critique, PriorIsTheInverseOfTheRowUpdate) {
  const auto dataset = data::generate_dataset({.num_users = 80, .num_items = 60, .num_ratings = 1600, .least_per_user = 10}).dataset;
  ThreadPool pool(1);
  for (const char* preset : {"soft_attributes", "ranking"}) {
    AlsOptions options = als_preset(preset);
    options.rank = 5;
    options.sweeps = 5;
    const auto model = fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), options, pool);
    std::vector<RatedItem> ratings;
    for (const auto& r : dataset.interactions) {
      if (r.user == UserIndex(3)) ratings.push_back({r.item, r.rating});
    }
    const double s2 = residual_variance(model, dataset.interactions);
    EXPECT_GT(s2, 0.01);
    EXPECT_LT(s2, 2);
    const auto prior = critique_prior(model, ratings, s2);
    const auto a = model.precision(ratings);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_EQ(prior.mean[i], model.user_row(UserIndex(3))[i]);
      for (size_t j = 0; j < 5; ++j) {
        double product = 0;
        for (size_t k = 0; k < 5; ++k) product += a[i * 5 + k] * prior.covariance[k * 5 + j];
        EXPECT_NEAR(product, i == j ? s2 : 0, 1e-6) << preset;
      }
    }
    // A u = b: the target's gradient at the fold-in vanishes, here for targets without biases subtracted by hand through fold_in itself.
    EXPECT_THROW(critique_prior(model, ratings, 0), Error);
    EXPECT_NO_THROW(critique_prior(model, {}, s2));  // nothing known: lambda and w0 alone
  }
}

TEST(Critique, BadInput) {
  const auto invalid = ErrorCode::kInvalidArgument;
  expect_error(invalid, "update", [] { Critiquer(kItems, 2, {}, {.update = "x"}); });
  expect_error(invalid, "beta", [] { Critiquer(kItems, 2, {}, {.beta = 0}); });
  expect_error(invalid, "alpha", [] { Critiquer(kItems, 2, {}, {.alpha = NAN}); });
  expect_error(invalid, "neighbours", [] { Critiquer(kItems, 2, {}, {.neighbours = 0}); });
  expect_error(invalid, "slate", [] { Critiquer(kItems, 2, {}, {.slate = 0}); });
  expect_error(invalid, "item rows", [] { Critiquer(kItems, 3, {}, {}); });
  expect_error(invalid, "offset", [] { Critiquer(kItems, 2, std::span(kItems).first(2), {}); });
  const std::vector<float> nan = {NAN, 0};
  expect_error(ErrorCode::kCorruptData, "not finite", [&] { Critiquer(nan, 2, {}, {}); });
  const Critiquer critiquer(kItems, 2, {}, {});
  auto prior = flat_prior(2);
  prior.covariance[1] = 0.5;
  expect_error(invalid, "symmetric", [&] { critiquer.start(prior); });
  prior = flat_prior(2);
  prior.covariance[3] = 0;
  expect_error(invalid, "above 0", [&] { critiquer.start(prior); });
  prior = flat_prior(2);
  prior.mean[0] = INFINITY;
  expect_error(invalid, "not finite", [&] { critiquer.start(prior); });
  expect_error(invalid, "prior mean", [&] { critiquer.start(flat_prior(3)); });
  expect_error(invalid, "covariance", [&] { critiquer.start({{0, 0}, {}}); });

  auto state = critiquer.start(flat_prior(2));
  const auto before = state;
  const auto right = critiquer.direction("x", std::vector<float>{1, 0}, std::vector<double>{1});
  expect_error(invalid, "sign", [&] { critiquer.apply(state, right, 0, 1, {}); });
  expect_error(invalid, "strength", [&] { critiquer.apply(state, right, 1, 0, {}); });
  expect_error(invalid, "strength", [&] { critiquer.apply(state, right, 1, NAN, {}); });
  expect_error(invalid, "strength", [&] { critiquer.apply(state, right, 1, 5, {}); });
  expect_error(invalid, "is zero", [&] { critiquer.apply(state, {"x", {0, 0}, 1}, 1, 1, {}); });
  expect_error(invalid, "standard deviation", [&] { critiquer.apply(state, {"x", {1, 0}, 0}, 1, 1, {}); });
  expect_error(invalid, "expected [2]", [&] { critiquer.apply(state, {"x", {1}, 1}, 1, 1, {}); });
  state.covariance.clear();
  expect_error(ErrorCode::kFailedPrecondition, "no covariance", [&] { critiquer.apply(state, right, 1, 1, {}); });
  state = before;
  const Critiquer pairwise(kItems, 2, {}, {.update = "pairwise"});
  expect_error(invalid, "it is empty", [&] { pairwise.apply(state, right, 1, 1, {}); });
  EXPECT_TRUE(state == before);
}

TEST(Critique, BadJson) {
  const auto event = [](const char* part, const char* json) {
    expect_error(ErrorCode::kCorruptData, part, [&] { parse_critique_event(json); });
  };
  event("JSON object", "");
  event("JSON object", "[1]");
  event("attribute is missing", "{}");
  event("attribute", R"({"attribute":"","sign":1})");
  event("sign", R"({"attribute":"a","sign":2})");
  event("sign", R"({"attribute":"a","sign":0})");
  event("sign", R"({"attribute":"a","sign":1.5})");
  event("sign", R"({"attribute":"a","sign":18446744073709551615})");
  event("strength", R"({"attribute":"a","sign":1,"strength":"2"})");
  event("strength", R"({"attribute":"a","sign":1,"strength":-1})");
  event("slate", R"({"attribute":"a","sign":1,"slate":[1]})");
  event("update", R"({"attribute":"a","sign":1,"update":"newton"})");
  event("update", R"({"attribute":"a","sign":1,"update":5})");
  EXPECT_EQ(parse_critique_event(R"({"attribute":"a","sign":-1})").strength, 1);
  EXPECT_EQ(parse_critique_event(R"({"attribute":"a","sign":-1})").update, "");

  const Critiquer critiquer(kItems, 2, {}, {});
  const std::string good = critique_state_json(critiquer.start(flat_prior(2)));
  EXPECT_NO_THROW(parse_critique_state(good));
  const auto broken = [&](const std::string& from, const std::string& to, const char* part) {
    std::string json = good;
    const size_t at = json.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << good;
    json.replace(at, from.size(), to);
    expect_error(ErrorCode::kCorruptData, part, [&] { parse_critique_state(json); });
  };
  broken("\"version\":1", "\"version\":2", "version");
  broken("\"mean\":[0.0,0.0]", "\"mean\":[0.0]", "mean");
  broken("\"mean\":[0.0,0.0]", "\"mean\":[0.0,1e999]", "JSON object");
  broken("\"covariance\":[1.0,0.0,1.0]", "\"covariance\":[1.0,0.0]", "covariance");
  broken("\"covariance\":[1.0,0.0,1.0]", "\"covariance\":[-1.0,0.0,1.0]", "variance 0");
  broken("\"shown\":[]", "\"shown\":[2,1]", "rise");
  broken("\"shown\":[]", "\"shown\":[-1]", "shown");
  broken("\"pairs\":[]", "\"pairs\":[1]", "pairs");
  broken("\"steps\":0", "\"steps\":-1", "steps");
  broken("\"start\":[0.0,0.0]", "\"start\":[]", "start");
  for (size_t n = 0; n + 1 < good.size(); ++n) EXPECT_THROW(parse_critique_state(good.substr(0, n)), Error);
}

}  // namespace
}  // namespace attune::people
