// Weighted ALS: row updates against worked values and a dense solve, the loss against its definition, descent, determinism, fold-in.
#include "people/als.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/rng.h"
#include "data/generated.h"
#include "data/split.h"
#include "people/als_kernels_internal.h"
#include "people/als_row_internal.h"
#include "tests/expect_error.h"

namespace attune::people {
namespace {

using attune::test::expect_error;

using data::Interaction;

std::vector<Interaction> random_ratings(int users, int items, double density, uint64_t seed) {
  Rng rng(seed, "ratings");
  std::vector<Interaction> out;
  for (int u = 0; u < users; ++u) {
    for (int i = 0; i < items; ++i) {
      if (rng.uniform() < density) out.push_back({UserIndex(u), ItemIndex(i), static_cast<float>(1 + rng.below(5)), 0});
    }
  }
  return out;
}

AlsOptions small(const char* preset, int rank) {
  AlsOptions out = als_preset(preset);
  out.rank = rank;
  return out;
}

TEST(AlsRowUpdate, WorkedExample) {
  // V = {(1,0), (0,1), (1,1)}, targets (2, none, 1), ridge 0.5: A = [[2.5, 1], [1, 1.6]], b = (3, 1) for w0 = 0.1.
  const std::vector<double> rated{1, 0, 1, 1};
  const std::vector<double> targets{2, 1};
  const std::vector<double> weights{1, 1};
  const std::vector<double> gram{2, 1, 1, 2};
  const auto p = als_row_update(rated, targets, weights, gram, 2, 0.1, 0.5);
  EXPECT_NEAR(p[0], 1.266667, 5e-7);
  EXPECT_NEAR(p[1], -0.166667, 5e-7);
  const auto q = als_row_update(rated, targets, weights, gram, 2, 0, 0.5);
  EXPECT_NEAR(q[0], 1.272727, 5e-7);
  EXPECT_NEAR(q[1], -0.181818, 5e-7);
}

TEST(AlsRowUpdate, TheTrainerGivesTheWorkedExample) {
  // The same row inside a matrix: target = rating, one user rates items 0 and 2.
  AlsOptions o;
  o.target = "rating";
  o.rank = 2;
  o.w0 = 0.1;
  o.lambda = 0.5;
  ThreadPool pool(1);
  Als als(std::vector<Interaction>{{UserIndex(0), ItemIndex(0), 2, 0}, {UserIndex(0), ItemIndex(2), 1, 0}}, 1, 3, o, pool);
  als.set_factors(std::vector<float>{9, 9}, std::vector<float>{1, 0, 0, 1, 1, 1});
  als.user_step();
  const auto p = als.parameters().user_factors;
  EXPECT_NEAR(p[0], 1.266667, 1e-6);
  EXPECT_NEAR(p[1], -0.166667, 1e-6);
}

TEST(AlsRowUpdate, BadArguments) {
  const std::vector<double> two{1, 0};
  EXPECT_THROW(als_row_update(two, two, two, two, 2, 0, 1), Error);
  try {
    als_row_update(two, std::vector<double>{1}, std::vector<double>{1}, std::vector<double>{0, 0, 0, 0}, 2, 0, 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
  }
}

struct Setting {
  std::string target;
  std::string kappa;
  double w0;
  double lambda;
};

std::vector<Setting> settings() {
  std::vector<Setting> out;
  for (const char* target : {"residual", "centred", "rating", "liked", "confidence"}) {
    for (const char* kappa : {"one", "count", "count_and_unobserved"}) {
      for (const double w0 : {0.0, 0.1, 1.0}) out.push_back({target, kappa, w0, 0.3});
    }
  }
  return out;
}

AlsOptions options_of(const Setting& s, int rank) {
  AlsOptions o;
  o.target = s.target;
  o.kappa = s.kappa;
  o.w0 = s.w0;
  o.lambda = s.lambda;
  o.rank = rank;
  o.weight = 1.5;
  o.low_weight = 0.4;
  o.low_target = 0.2;
  o.low_slope = 0.7;  // ratings 3, 2, 1 give 0.2, -0.5, -1 (cut)
  return o;
}

// Everything below from the definitions, in double.
double target_of(const AlsOptions& o, const AlsParameters& p, const Interaction& r) {
  if (o.target == "liked") return r.rating >= 4 ? 1 : std::max(-1.0, o.low_target - o.low_slope * std::max(0.0, 3.0 - r.rating));
  if (o.target == "rating") return r.rating;
  if (o.target == "confidence") return 1;
  if (o.target == "centred") return r.rating - p.mean;
  return r.rating - p.mean - p.user_bias[r.user.value] - p.item_bias[r.item.value];
}
double weight_of(const AlsOptions& o, const Interaction& r) {
  if (o.target == "confidence") return o.weight * r.rating;
  return o.target == "liked" && r.rating < 4 ? o.low_weight : o.weight;
}
double kappa_of(const AlsOptions& o, double count, double others) {
  return o.kappa == "one" ? 1 : o.kappa == "count" ? count : count + o.w0 * others;
}

std::vector<double> dense_update(const AlsOptions& o, const AlsParameters& p, const std::vector<Interaction>& ratings, bool users,
                                 int row) {
  const auto& fixed = users ? p.item_factors : p.user_factors;
  const int d = o.rank;
  const auto others = static_cast<int>(fixed.size()) / d;
  std::vector<double> gram(static_cast<size_t>(d * d), 0.0), rated, targets, weights;
  for (int r = 0; r < others; ++r) {
    for (int i = 0; i < d; ++i) {
      for (int j = 0; j < d; ++j) gram[i * d + j] += static_cast<double>(fixed[r * d + i]) * fixed[r * d + j];
    }
  }
  for (const auto& r : ratings) {
    if ((users ? r.user.value : r.item.value) != row) continue;
    const int other = users ? r.item.value : r.user.value;
    for (int k = 0; k < d; ++k) rated.push_back(fixed[other * d + k]);
    targets.push_back(target_of(o, p, r));
    weights.push_back(weight_of(o, r));
  }
  if (targets.empty()) return std::vector<double>(static_cast<size_t>(d), 0.0);
  const double ridge = o.lambda * kappa_of(o, static_cast<double>(targets.size()), others);
  return als_row_update(rated, targets, weights, gram, d, o.w0, ridge);
}

double brute_force_loss(const AlsOptions& o, const AlsParameters& p, const std::vector<Interaction>& ratings) {
  const int d = o.rank;
  const auto n = static_cast<int>(p.user_bias.size());
  const auto m = static_cast<int>(p.item_bias.size());
  std::vector<const Interaction*> at(static_cast<size_t>(n * m), nullptr);
  std::vector<double> user_count(n, 0.0), item_count(m, 0.0);
  for (const auto& r : ratings) {
    at[r.user.value * m + r.item.value] = &r;
    user_count[r.user.value] += 1;
    item_count[r.item.value] += 1;
  }
  double loss = 0;
  for (int u = 0; u < n; ++u) {
    for (int i = 0; i < m; ++i) {
      double s = 0;
      for (int k = 0; k < d; ++k) s += static_cast<double>(p.user_factors[u * d + k]) * p.item_factors[i * d + k];
      const Interaction* r = at[u * m + i];
      loss += r != nullptr ? weight_of(o, *r) * std::pow(target_of(o, p, *r) - s, 2) : o.w0 * s * s;
    }
  }
  for (int u = 0; u < n; ++u) {
    for (int k = 0; k < d; ++k) loss += o.lambda * kappa_of(o, user_count[u], m) * std::pow(p.user_factors[u * d + k], 2);
  }
  for (int i = 0; i < m; ++i) {
    for (int k = 0; k < d; ++k) loss += o.lambda * kappa_of(o, item_count[i], n) * std::pow(p.item_factors[i * d + k], 2);
  }
  return loss;
}

void expect_close(std::span<const float> found, const std::vector<double>& expected, double tolerance, const std::string& where) {
  double norm = 0;
  double error = 0;
  for (size_t k = 0; k < expected.size(); ++k) {
    norm += expected[k] * expected[k];
    error += std::pow(found[k] - expected[k], 2);
  }
  EXPECT_LE(std::sqrt(error), tolerance * std::sqrt(norm) + 1e-9) << where;
}

TEST(Als, EveryRowEqualsTheDenseSolve) {
  const auto ratings = random_ratings(23, 31, 0.3, 1);
  ThreadPool pool(2);
  for (const auto& setting : settings()) {
    for (const bool exact : {false, true}) {
      AlsOptions o = options_of(setting, 5);
      o.double_precision = exact;
      Als als(ratings, 24, 32, o, pool);  // one user and one item without ratings
      als.user_step();
      als.item_step();
      const auto before = als.parameters();
      als.user_step();
      const auto after = als.parameters();
      for (int u = 0; u < 24; ++u) {
        expect_close(std::span(after.user_factors).subspan(u * 5, 5), dense_update(o, before, ratings, true, u), exact ? 2e-7 : 5e-5,
                     cat(setting.target, " ", setting.kappa, " w0 ", setting.w0, " user ", u));
      }
      als.item_step();
      const auto last = als.parameters();
      for (int i = 0; i < 32; ++i) {
        expect_close(std::span(last.item_factors).subspan(i * 5, 5), dense_update(o, after, ratings, false, i), exact ? 2e-7 : 5e-5,
                     cat(setting.target, " ", setting.kappa, " w0 ", setting.w0, " item ", i));
      }
    }
  }
}

TEST(Als, LargeRankRowsEqualTheDenseSolve) {
  const auto ratings = random_ratings(40, 300, 0.7, 2);  // more ratings than a panel of the Gram update
  ThreadPool pool(2);
  for (const int rank : {1, -15, 15, 16, 17, 33, -64, 64}) {  // negative: in double
    AlsOptions o = options_of({"centred", "one", 0.05, 1}, std::abs(rank));
    o.double_precision = rank < 0;
    Als als(ratings, 40, 300, o, pool);
    als.sweep();
    const auto before = als.parameters();
    als.user_step();
    const auto after = als.parameters();
    for (int u = 0; u < 40; ++u) {  // float: the condition number of these systems is about 1,000
      expect_close(std::span(after.user_factors).subspan(u * o.rank, o.rank), dense_update(o, before, ratings, true, u),
                   rank < 0 ? 2e-7 : 5e-5, cat("rank ", rank, " user ", u));
    }
  }
}

TEST(Als, LossIsTheDefinitionAndNeverRises) {
  const auto ratings = random_ratings(30, 20, 0.25, 3);
  ThreadPool pool(2);
  for (const auto& setting : settings()) {
    const AlsOptions o = options_of(setting, 4);
    Als als(ratings, 30, 20, o, pool);
    double last = als.loss();
    EXPECT_NEAR(last, brute_force_loss(o, als.parameters(), ratings), 1e-6 * last);
    for (int sweep = 0; sweep < 8; ++sweep) {
      for (const bool user : {true, false}) {
        user ? als.user_step() : als.item_step();
        const double loss = als.loss();
        EXPECT_LE(loss, last * (1 + 1e-6)) << setting.target << " " << setting.kappa << " w0 " << setting.w0 << " sweep " << sweep;
        last = loss;
      }
    }
    EXPECT_NEAR(last, brute_force_loss(o, als.parameters(), ratings), 1e-6 * last);
  }
}

TEST(Als, ConjugateGradientsDescendAndReachTheExactRow) {
  const auto ratings = random_ratings(30, 20, 0.25, 3);
  ThreadPool pool(2);
  for (const auto& setting : settings()) {
    AlsOptions o = options_of(setting, 6);
    o.solver = "cg";
    Als als(ratings, 31, 21, o, pool);
    double last = als.loss();
    for (int sweep = 0; sweep < 6; ++sweep) {
      for (const bool user : {true, false}) {
        user ? als.user_step() : als.item_step();
        const double loss = als.loss();
        EXPECT_LE(loss, last * (1 + 1e-6)) << setting.target << " " << setting.kappa << " w0 " << setting.w0;
        last = loss;
      }
    }
    o.cg_steps = 12;  // twice the dimension: as good as exact
    Als exact(ratings, 31, 21, o, pool);
    exact.set_factors(als.parameters().user_factors, als.parameters().item_factors);
    const auto before = exact.parameters();
    exact.user_step();
    const auto after = exact.parameters();
    for (int u = 0; u < 31; ++u) {
      expect_close(std::span(after.user_factors).subspan(u * 6, 6), dense_update(o, before, ratings, true, u), 1e-3,
                   cat(setting.target, " ", setting.kappa, " w0 ", setting.w0, " user ", u));
    }
  }
}

TEST(Als, ConjugateGradientsEndNearTheExactLoss) {
  const auto dataset = data::generate_dataset({.num_users = 200, .num_items = 150, .num_ratings = 6000}).dataset;
  ThreadPool pool(2);
  AlsOptions o = small("ranking", 20);
  std::vector<double> losses;
  for (const char* solver : {"cholesky", "cg"}) {
    o.solver = solver;
    Als als(dataset.interactions, 200, 150, o, pool);
    for (int sweep = 0; sweep < 15; ++sweep) als.sweep();
    losses.push_back(als.loss());
  }
  EXPECT_NEAR(losses[1], losses[0], 0.01 * losses[0]);
  const AlsModel model = fit_als(dataset.interactions, 200, 150, o, pool);  // the closing step is exact: fold-in equals the stored user
  std::vector<RatedItem> mine;
  for (const auto& r : dataset.interactions) {
    if (r.user.value == 7) mine.push_back({r.item, r.rating});
  }
  EXPECT_EQ(model.fold_in(mine).p, model.known_user(UserIndex(7)).p);
}

TEST(Als, LossNeverRisesWithThePresets) {
  const auto dataset = data::generate_dataset({.num_users = 200, .num_items = 150, .num_ratings = 6000}).dataset;
  ThreadPool pool(2);
  for (const auto& name : als_preset_names()) {
    Als als(dataset.interactions, 200, 150, als_preset(name), pool);
    double last = als.loss();
    for (int sweep = 0; sweep < 10; ++sweep) {
      als.user_step();
      const double middle = als.loss();
      EXPECT_LE(middle, last * (1 + 1e-6)) << name;
      als.item_step();
      last = als.loss();
      EXPECT_LE(last, middle * (1 + 1e-6)) << name;
    }
  }
}

TEST(Als, SameBitsForAnyNumberOfThreads) {
  const auto dataset = data::generate_dataset({.num_users = 150, .num_items = 200, .num_ratings = 6000}).dataset;
  auto names = als_preset_names();
  names.push_back("cg");
  for (const auto& name : names) {
    AlsOptions o = als_preset(name == "cg" ? "ranking" : name);
    if (name == "cg") o.solver = "cg";
    o.sweeps = 3;
    std::vector<AlsParameters> results;
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      results.push_back(fit_als(dataset.interactions, 150, 200, o, pool).parameters());
    }
    for (size_t n = 1; n < results.size(); ++n) {
      EXPECT_EQ(std::memcmp(results[0].user_factors.data(), results[n].user_factors.data(), results[0].user_factors.size() * 4), 0) << name;
      EXPECT_EQ(std::memcmp(results[0].item_factors.data(), results[n].item_factors.data(), results[0].item_factors.size() * 4), 0) << name;
    }
  }
}

TEST(Als, FoldInOfTrainingRatingsIsTheTrainedUserBitForBit) {
  const auto dataset = data::generate_dataset({.num_users = 100, .num_items = 200, .num_ratings = 4000}).dataset;
  ThreadPool pool(2);
  for (const auto& name : als_preset_names()) {
    AlsOptions o = als_preset(name);
    o.sweeps = 4;
    const AlsModel model = fit_als(dataset.interactions, 100, 200, o, pool);
    for (int u = 0; u < 100; ++u) {
      std::vector<RatedItem> mine;
      for (const auto& r : dataset.interactions) {
        if (r.user.value == u) mine.insert(mine.begin(), {r.item, r.rating});  // another order than the trainer's
      }
      const auto folded = model.fold_in(mine);
      const auto known = model.known_user(UserIndex(u));
      ASSERT_EQ(folded.p, known.p) << name << " user " << u;
      ASSERT_EQ(folded.bias, known.bias) << name << " user " << u;
    }
  }
}

TEST(Als, ContributionsAddUpToTheScore) {
  const auto dataset = data::generate_dataset({.num_users = 60, .num_items = 100, .num_ratings = 2000}).dataset;
  ThreadPool pool(1);
  for (const auto& name : als_preset_names()) {
    const AlsModel model = fit_als(dataset.interactions, 60, 100, als_preset(name), pool);
    const std::vector<RatedItem> mine{{ItemIndex(5), 5}, {ItemIndex(2), 1}, {ItemIndex(77), 4}, {ItemIndex(40), 3}};
    const auto user = model.fold_in(mine);
    const auto parts = model.contributions(mine, ItemIndex(9));
    double sum = 0;
    for (const float part : parts) sum += part;
    double dot = 0;
    for (int k = 0; k < model.rank(); ++k) dot += static_cast<double>(user.p[k]) * model.item_row(ItemIndex(9))[k];
    EXPECT_NEAR(sum, dot, 2e-5 * (1 + std::abs(dot))) << name;
  }
}

TEST(Als, BiasesAreDampedMeans) {
  // Two users, two items; mean 3.5; item bias damping 5, user bias damping 10 (preset "eagle").
  const std::vector<Interaction> ratings{{UserIndex(0), ItemIndex(0), 5, 0},
                                         {UserIndex(0), ItemIndex(1), 2, 0},
                                         {UserIndex(1), ItemIndex(0), 4, 0},
                                         {UserIndex(1), ItemIndex(1), 3, 0}};
  ThreadPool pool(1);
  const auto p = Als(ratings, 2, 2, small("eagle", 2), pool).parameters();
  EXPECT_DOUBLE_EQ(p.mean, 3.5);
  EXPECT_NEAR(p.item_bias[0], (1.5 + 0.5) / (2 + 5), 1e-7);
  EXPECT_NEAR(p.item_bias[1], (-1.5 - 0.5) / (2 + 5), 1e-7);
  EXPECT_NEAR(p.user_bias[0], 0, 1e-7);
  const auto q =
      Als(std::vector<Interaction>{{UserIndex(0), ItemIndex(0), 5, 0}, {UserIndex(1), ItemIndex(1), 1, 0}}, 2, 2, small("eagle", 2), pool)
          .parameters();
  EXPECT_NEAR(q.item_bias[0], 2.0 / 6, 1e-7);
  EXPECT_NEAR(q.user_bias[0], (2 - 2.0 / 6) / 11, 1e-7);
  EXPECT_EQ(Als(ratings, 2, 2, small("latent_bandits", 2), pool).parameters().item_bias, (std::vector<float>{0, 0}));
}

TEST(Als, FindsPlantedStructure) {
  const auto generated = data::generate_dataset({.num_users = 400, .num_items = 300, .num_ratings = 30000, .rank = 3});
  const auto split = data::split_ratings(generated.dataset, {.valid = 0, .test = 0.2});
  ThreadPool pool(2);
  AlsOptions o = small("soft_attributes", 3);
  o.w0 = 0;
  o.lambda = 1.5;
  const AlsModel model = fit_als(split.train, 400, 300, o, pool);
  double with_factors = 0;
  double biases_only = 0;
  for (const auto& r : split.test) {
    UserVector user = model.known_user(r.user);
    with_factors += std::pow(model.predict(user, r.item) - r.rating, 2);
    std::fill(user.p.begin(), user.p.end(), 0.0f);
    biases_only += std::pow(model.predict(user, r.item) - r.rating, 2);
  }
  EXPECT_LT(with_factors, 0.9 * biases_only);  // users choose what they like, so biases alone explain much
}

TEST(Als, HardCasesStayFinite) {
  // Nearly no regularisation, fewer ratings than dimensions, many sweeps: the double solve takes over where float fails.
  const auto ratings = random_ratings(12, 10, 0.4, 4);
  AlsOptions o = options_of({"rating", "one", 0, 1e-9}, 12);
  o.sweeps = 60;
  ThreadPool pool(1);
  try {
    const AlsModel model = fit_als(ratings, 12, 10, o, pool);  // the constructor refuses what is not finite
    EXPECT_EQ(model.rank(), 12);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(std::string(error.what()).find("raise lambda"), std::string::npos);
  }
  o.lambda = 1e-3;
  EXPECT_NO_THROW(fit_als(ratings, 12, 10, o, pool));
}

TEST(Als, TargetsOfTheLikedScale) {
  AlsOptions o = als_preset("ranking");
  const auto target = [&](double rating) { return AlsEncoder(o, 0)(0, 0, 0, rating).target; };
  EXPECT_EQ(target(5), 1);
  EXPECT_EQ(target(4), 1);
  EXPECT_FLOAT_EQ(target(3.5), 0.8f);  // within a unit below: low_target
  EXPECT_FLOAT_EQ(target(3), 0.8f);
  EXPECT_FLOAT_EQ(target(2), 0.35f);
  EXPECT_FLOAT_EQ(target(1), -0.1f);  // the lowest rating pushes away
  o.liked_threshold = 8;              // a scale of ten: the unit is 2
  EXPECT_FLOAT_EQ(target(6), 0.8f);
  EXPECT_FLOAT_EQ(target(2), -0.1f);
  EXPECT_FLOAT_EQ(target(-100), -1);
}

TEST(Als, UserWithoutRatingsIsZero) {
  ThreadPool pool(1);
  const auto ratings = random_ratings(5, 6, 0.8, 5);
  const AlsModel model = fit_als(ratings, 7, 8, small("ranking", 4), pool);
  EXPECT_EQ(model.known_user(UserIndex(6)).p, std::vector<float>(4, 0.0f));
  EXPECT_EQ(model.fold_in({}).p, std::vector<float>(4, 0.0f));
  EXPECT_EQ(model.fold_in({}).num_ratings, 0);
}

TEST(Als, BadInput) {
  ThreadPool pool(1);
  const auto make = [&](std::vector<Interaction> ratings, auto change) {
    AlsOptions o = small("ranking", 4);
    change(o);
    Als(ratings, 2, 2, o, pool);
  };
  const auto same = [](AlsOptions&) {};
  const Interaction fine{UserIndex(0), ItemIndex(1), 3, 0};
  expect_error(ErrorCode::kInvalidArgument, "twice", [&] { make({fine, fine}, same); });
  expect_error(ErrorCode::kInvalidArgument, "item row 2", [&] { make({{UserIndex(0), ItemIndex(2), 3, 0}}, same); });
  expect_error(ErrorCode::kInvalidArgument, "user row -1", [&] { make({{UserIndex(-1), ItemIndex(0), 3, 0}}, same); });
  expect_error(ErrorCode::kInvalidArgument, "not finite", [&] { make({{UserIndex(0), ItemIndex(0), NAN, 0}}, same); });
  expect_error(ErrorCode::kInvalidArgument, "0 ratings", [&] { make({}, same); });
  expect_error(ErrorCode::kInvalidArgument, "rank", [&] { make({fine}, [](AlsOptions& o) { o.rank = 0; }); });
  expect_error(ErrorCode::kInvalidArgument, "lambda", [&] { make({fine}, [](AlsOptions& o) { o.lambda = 0; }); });
  expect_error(ErrorCode::kInvalidArgument, "lambda", [&] { make({fine}, [](AlsOptions& o) { o.lambda = NAN; }); });
  expect_error(ErrorCode::kInvalidArgument, "w0", [&] { make({fine}, [](AlsOptions& o) { o.w0 = -1; }); });
  expect_error(ErrorCode::kInvalidArgument, "kappa", [&] { make({fine}, [](AlsOptions& o) { o.kappa = "two"; }); });
  expect_error(ErrorCode::kInvalidArgument, "target", [&] { make({fine}, [](AlsOptions& o) { o.target = "x"; }); });
  expect_error(ErrorCode::kNotFound, "soft_attributes", [] { als_preset("none"); });

  const AlsModel model = fit_als(std::vector<Interaction>{fine}, 2, 2, small("ranking", 4), pool);
  expect_error(ErrorCode::kInvalidArgument, "item row 2", [&] { model.fold_in(std::vector<RatedItem>{{ItemIndex(2), 3}}); });
  expect_error(ErrorCode::kInvalidArgument, "twice", [&] { model.fold_in(std::vector<RatedItem>{{ItemIndex(1), 3}, {ItemIndex(1), 4}}); });
  expect_error(ErrorCode::kInvalidArgument, "not finite", [&] { model.fold_in(std::vector<RatedItem>{{ItemIndex(1), INFINITY}}); });
  AlsParameters p = model.parameters();
  p.item_factors[3] = NAN;
  expect_error(ErrorCode::kCorruptData, "item_factors", [&] { AlsModel bad(p); });
  p = model.parameters();
  p.user_factors.pop_back();
  expect_error(ErrorCode::kCorruptData, "user_factors", [&] { AlsModel bad(p); });
}

TEST(AlsPresets, AreTheNamedConfigurations) {
  const AlsOptions eagle = als_preset("eagle");
  EXPECT_EQ(eagle.rank, 16);
  EXPECT_EQ(eagle.lambda, 0.1);
  EXPECT_EQ(eagle.w0, 0.02);
  EXPECT_EQ(eagle.kappa, "count");
  EXPECT_EQ(eagle.sweeps, 20);
  EXPECT_EQ(eagle.user_damping, 10);
  EXPECT_EQ(eagle.item_damping, 5);
  EXPECT_EQ(eagle.init_sd, 0.1);
  const AlsOptions soft = als_preset("soft_attributes");
  EXPECT_EQ(soft.rank, 64);
  EXPECT_EQ(soft.kappa, "one");
  EXPECT_EQ(soft.user_damping, 10);
  EXPECT_EQ(soft.item_damping, 10);
  EXPECT_EQ(soft.init_sd, 0);
  const AlsOptions bandits = als_preset("latent_bandits");
  EXPECT_EQ(bandits.rank, 10);
  EXPECT_EQ(bandits.lambda, 0.1);
  EXPECT_EQ(bandits.target, "centred");
  EXPECT_EQ(bandits.w0, 0);
}

TEST(AlsKernels, CholeskySolveAgainstDouble) {
  Rng rng(9, "spd");
  for (const int ld : {16, 32, 48, 80}) {
    const auto n = static_cast<size_t>(ld);
    std::vector<double> root(n * n), full(n * n, 0.0), x(n);
    for (auto& value : root) value = rng.normal();
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        for (size_t k = 0; k < n; ++k) full[i * n + j] += root[i * n + k] * root[j * n + k];
      }
      full[i * n + i] += static_cast<double>(ld);
    }
    for (auto& value : x) value = rng.normal();
    std::vector<float> a(full.begin(), full.end());
    std::vector<float> y(x.begin(), x.end());
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) a[i * n + j] = 1e30f;  // the lower triangle must not matter
    }
    // Tiles that touch the diagonal read and write below it, but never into the result.
    ASSERT_TRUE(als_cholesky(a.data(), ld));
    als_solve(a.data(), ld, y.data());
    ASSERT_TRUE(cholesky_double(full, ld));
    cholesky_solve_double(full, ld, x);
    double error = 0, norm = 0;
    for (size_t i = 0; i < n; ++i) {
      error += std::pow(y[i] - x[i], 2);
      norm += x[i] * x[i];
    }
    EXPECT_LT(std::sqrt(error / norm), 1e-5) << ld;
  }
  std::vector<float> zero(16 * 16, 0.0f);
  EXPECT_FALSE(als_cholesky(zero.data(), 16));
}

// The variable is read once, so in a process of its own.
TEST(AlsDeathTest, AWrongLevelIsAnErrorAndNotAnotherLevel) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        ::setenv("ATTUNE_ISA", "neon", 1);
        try {
          const AlsOptions options;
          const std::vector<float> factors(static_cast<size_t>(options.rank), 1.0f);
          AlsRowSolver(options, factors, als_gram(factors, 1, options.rank, false, nullptr));
        } catch (const Error& error) {
          std::fprintf(stderr, "%s", error.what());
          std::exit(error.code() == ErrorCode::kInvalidArgument ? 3 : 1);
        }
        std::exit(0);
      },
      ::testing::ExitedWithCode(3), "ATTUNE_ISA");
}

}  // namespace
}  // namespace attune::people
