// Logistic regression: the optimum against gradient descent in long double, gradients against finite differences, pairs against their
// materialised differences, the path, and bad input.
#include "people/logistic.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/rng.h"

namespace attune::people {
namespace {

struct Sample {
  int d = 0;
  std::vector<float> rows;
  LogisticExamples examples;
};

/// Noisy labels of a random plane; one class is rarer.
Sample labelled(int n, int d, uint64_t seed, double noise = 1) {
  Rng rng(seed, "logistic test");
  Sample out{d, {}, {}};
  std::vector<double> truth(static_cast<size_t>(d));
  for (auto& value : truth) value = rng.normal();
  for (int r = 0; r < n; ++r) {
    double score = 0.7;
    for (int k = 0; k < d; ++k) {
      out.rows.push_back(static_cast<float>(rng.normal() * 0.5));
      score += truth[static_cast<size_t>(k)] * out.rows.back();
    }
    out.examples.row.push_back(r);
    out.examples.label.push_back(score + noise * rng.normal() > 0 ? 1 : 0);
    out.examples.weight.push_back(static_cast<float>(0.5 + rng.uniform()));
  }
  return out;
}

Sample pairs(int num_rows, int n, int d, uint64_t seed) {
  Rng rng(seed, "logistic pairs");
  Sample out = labelled(num_rows, d, seed);
  out.examples = {};
  for (int k = 0; k < n; ++k) {
    const auto a = static_cast<int32_t>(rng.below(static_cast<uint64_t>(num_rows)));
    const auto b = static_cast<int32_t>((a + 1 + rng.below(static_cast<uint64_t>(num_rows - 1))) % static_cast<uint64_t>(num_rows));
    const bool order = out.rows[static_cast<size_t>(a * d)] + 0.3 * rng.normal() > out.rows[static_cast<size_t>(b * d)];
    out.examples.row.push_back(order ? a : b);
    out.examples.other.push_back(order ? b : a);
    out.examples.label.push_back(k % 2 == 0 ? 1 : 0);
  }
  return out;
}

/// Rows of a pair problem written out as labelled rows, half of them negated.
Sample written_out(const Sample& sample) {
  Sample out{sample.d, {}, {}};
  const auto& e = sample.examples;
  for (size_t n = 0; n < e.row.size(); ++n) {
    for (int k = 0; k < sample.d; ++k) {
      const float x =
          sample.rows[static_cast<size_t>(e.row[n] * sample.d + k)] - sample.rows[static_cast<size_t>(e.other[n] * sample.d + k)];
      out.rows.push_back(e.label[n] ? x : -x);
    }
    out.examples.row.push_back(static_cast<int32_t>(n));
    out.examples.label.push_back(e.label[n]);
  }
  return out;
}

/// The penalised loss at its minimum by plain gradient descent with a constant step 1 / Lipschitz constant, Nesterov's momentum and
/// restarts, in long double. Nothing is shared with the library.
long double minimum(const Sample& sample, double c, bool intercept, bool balanced) {
  const auto d = static_cast<size_t>(sample.d);
  const auto& e = sample.examples;
  const size_t n = e.row.size();
  const auto positives = static_cast<long double>(std::count(e.label.begin(), e.label.end(), uint8_t{1}));
  std::vector<long double> omega(n);
  long double lipschitz = 1 / static_cast<long double>(c);
  for (size_t i = 0; i < n; ++i) {
    omega[i] = e.weight.empty() ? 1.0L : static_cast<long double>(e.weight[i]);
    if (balanced) omega[i] *= static_cast<long double>(n) / (2 * (e.label[i] ? positives : static_cast<long double>(n) - positives));
    long double squares = intercept ? 1 : 0;
    for (size_t k = 0; k < d; ++k) squares += std::pow(static_cast<long double>(sample.rows[i * d + k]), 2);
    lipschitz += omega[i] * squares / 4;
  }
  std::vector<long double> w(d + 1, 0), look = w, gradient(d + 1);
  const auto evaluate = [&](const std::vector<long double>& at, bool with_gradient) {
    long double loss = 0;
    std::fill(gradient.begin(), gradient.end(), 0);
    for (size_t k = 0; k < d; ++k) {
      loss += at[k] * at[k] / (2 * static_cast<long double>(c));
      gradient[k] = at[k] / static_cast<long double>(c);
    }
    for (size_t i = 0; i < n; ++i) {
      long double m = intercept ? at[d] : 0;
      for (size_t k = 0; k < d; ++k) m += at[k] * sample.rows[i * d + k];
      const long double sign = e.label[i] ? 1 : -1;
      loss += omega[i] * std::log1p(std::exp(-sign * m));
      if (!with_gradient) continue;
      const long double g = -sign * omega[i] / (1 + std::exp(sign * m));
      for (size_t k = 0; k < d; ++k) gradient[k] += g * sample.rows[i * d + k];
      if (intercept) gradient[d] += g;
    }
    return loss;
  };
  long double last = evaluate(w, false);
  long double momentum = 1;
  for (int step = 0; step < 8000; ++step) {
    evaluate(look, true);
    std::vector<long double> next = look;
    for (size_t k = 0; k <= d; ++k) next[k] -= gradient[k] / lipschitz;
    const long double value = evaluate(next, false);
    const long double following = (1 + std::sqrt(1 + 4 * momentum * momentum)) / 2;
    if (value > last) {
      momentum = 1;
      look = w;
      continue;
    }
    for (size_t k = 0; k <= d; ++k) look[k] = next[k] + (momentum - 1) / following * (next[k] - w[k]);
    momentum = following;
    if (last - value < 1e-14L * value && step > 200) return value;
    last = value;
    w = next;
  }
  return last;
}

TEST(Logistic, OptimumAgainstGradientDescent) {
  for (const bool intercept : {false, true}) {
    for (const bool balanced : {false, true}) {
      for (const double c : {0.01, 3.0}) {
        const Sample sample = labelled(60, 4, 3);
        const LogisticProblem problem(sample.rows, 4, sample.examples);
        const auto fit = problem.fit({.c = c, .intercept = intercept, .balanced = balanced});
        const double expected = static_cast<double>(minimum(sample, c, intercept, balanced));
        EXPECT_TRUE(fit.converged);
        EXPECT_NEAR(fit.loss, expected, 1e-6 * std::max(1.0, expected)) << intercept << balanced << c;
        EXPECT_GE(fit.loss, expected - 1e-9);
      }
    }
  }
}

TEST(Logistic, PairOptimumAgainstGradientDescentOnDifferences) {
  const Sample sample = pairs(30, 81, 6, 5);
  const Sample differences = written_out(sample);
  const LogisticProblem problem(sample.rows, 6, sample.examples);
  const LogisticProblem plain(differences.rows, 6, differences.examples);
  for (const double c : {0.05, 2.0}) {
    const auto fit = problem.fit({.c = c});
    const auto same = plain.fit({.c = c});
    EXPECT_NEAR(fit.loss, static_cast<double>(minimum(differences, c, false, true)), 1e-6 * fit.loss);
    EXPECT_NEAR(fit.loss, same.loss, 1e-6 * fit.loss);
    EXPECT_EQ(fit.accuracy, same.accuracy);
    for (size_t k = 0; k < 6; ++k) EXPECT_NEAR(fit.w[k], same.w[k], 1e-3 * (1 + std::abs(same.w[k])));
  }
}

TEST(Logistic, GradientAgainstFiniteDifferences) {
  Rng rng(9, "finite differences");
  for (const bool is_pairs : {false, true}) {
    const Sample sample = is_pairs ? pairs(30, 80, 7, 4) : labelled(80, 7, 4);
    const LogisticProblem problem(sample.rows, 7, sample.examples);
    const LogisticOptions options{.c = 2, .intercept = !is_pairs};
    std::vector<double> w(7);
    for (auto& value : w) value = rng.normal();
    const double b = is_pairs ? 0 : 0.3;
    std::vector<double> gradient;
    problem.loss(options, w, b, &gradient);
    ASSERT_EQ(gradient.size(), is_pairs ? 7u : 8u);
    const double h = 1e-5;
    for (size_t k = 0; k < gradient.size(); ++k) {
      auto up = w;
      auto down = w;
      if (k < 7) {
        up[k] += h;
        down[k] -= h;
      }
      const double db = k < 7 ? 0 : h;
      const double expected = (problem.loss(options, up, b + db, nullptr) - problem.loss(options, down, b - db, nullptr)) / (2 * h);
      EXPECT_NEAR(gradient[k], expected, 1e-6 * (1 + std::abs(expected)));
    }
  }
}

TEST(Logistic, ConstantWeightIsAnotherC) {
  Sample sample = pairs(50, 200, 8, 11);
  const LogisticProblem plain(sample.rows, 8, sample.examples);
  sample.examples.weight.assign(200, 0.25f);
  const LogisticProblem weighted(sample.rows, 8, sample.examples);
  const auto a = plain.fit({.c = 0.5, .tolerance = 1e-9});
  const auto b = weighted.fit({.c = 2, .tolerance = 1e-9});
  for (size_t k = 0; k < 8; ++k) EXPECT_NEAR(a.w[k], b.w[k], 1e-7);
}

TEST(Logistic, SeparableAndWideProblemsConverge) {
  const Sample easy = labelled(60, 40, 2, 0);
  const LogisticProblem problem(easy.rows, 40, easy.examples);
  for (const double c : {1e-4, 1.0, 1e4, 1e8}) {
    const auto fit = problem.fit({.c = c, .intercept = true});
    EXPECT_TRUE(fit.converged) << c << " " << fit.gradient << " " << fit.iterations;
  }
  EXPECT_EQ(problem.fit({.c = 1e4, .intercept = true}).accuracy, 1);
  const Sample wide = labelled(20, 130, 2, 0);
  EXPECT_TRUE(LogisticProblem(wide.rows, 130, wide.examples).fit({.c = 100, .intercept = true}).converged);
}

TEST(Logistic, PriorPullsTheSolution) {
  const Sample sample = pairs(30, 60, 4, 6);
  const LogisticProblem problem(sample.rows, 4, sample.examples);
  const std::vector<double> prior{1, -2, 3, 0.5};
  const auto near = problem.fit({.c = 1e-7}, nullptr, prior);
  const auto free = problem.fit({.c = 10}, nullptr, prior);
  double far = 0;
  for (size_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(near.w[k], prior[k], 1e-4);
    far += std::abs(free.w[k] - prior[k]);
  }
  EXPECT_GT(far, 1);
}

TEST(Logistic, WarmStartChangesNothingButTheCount) {
  const Sample sample = labelled(200, 12, 8);
  const LogisticProblem problem(sample.rows, 12, sample.examples);
  const LogisticOptions options{.c = 5, .intercept = true, .tolerance = 1e-8};
  const auto cold = problem.fit(options);
  const auto warm = problem.fit(options, &cold);
  EXPECT_LE(warm.iterations, 1);
  for (size_t k = 0; k < 12; ++k) EXPECT_NEAR(cold.w[k], warm.w[k], 1e-7);
}

TEST(Logistic, ActiveEqualsASmallerProblem) {
  const Sample sample = labelled(100, 6, 12);
  std::vector<uint8_t> active(100, 1);
  LogisticExamples kept;
  for (size_t n = 0; n < 100; ++n) {
    if (n % 3 == 0) {
      active[n] = 0;
      continue;
    }
    kept.row.push_back(sample.examples.row[n]);
    kept.label.push_back(sample.examples.label[n]);
    kept.weight.push_back(sample.examples.weight[n]);
  }
  const LogisticOptions options{.c = 1, .intercept = true, .tolerance = 1e-9};
  const auto a = LogisticProblem(sample.rows, 6, sample.examples).fit(options, nullptr, {}, active);
  const auto b = LogisticProblem(sample.rows, 6, kept).fit(options);
  EXPECT_NEAR(a.loss, b.loss, 1e-9);
  EXPECT_EQ(a.accuracy, b.accuracy);
}

TEST(Logistic, PathChoosesByHeldOutAccuracy) {
  const LogisticPathOptions path;
  const auto c = c_values(path);
  ASSERT_EQ(c.size(), 10u);
  EXPECT_NEAR(c[0], 1e-4, 1e-12);
  EXPECT_NEAR(c[1] / c[0], std::pow(10, 8 / 9.0), 1e-9);
  EXPECT_NEAR(c[9], 1e4, 1e-6);
  const Sample sample = labelled(300, 10, 21, 0.5);
  const LogisticProblem problem(sample.rows, 10, sample.examples);
  const auto out = problem.fit_path({.intercept = true}, path);
  const double best = *std::max_element(out.cv_accuracy.begin(), out.cv_accuracy.end());
  EXPECT_GT(best, 0.8);
  EXPECT_EQ(out.cv_accuracy[static_cast<size_t>(std::find(c.begin(), c.end(), out.fit.c) - c.begin())], best);
  EXPECT_NEAR(out.fit.loss, problem.fit({.c = out.fit.c, .intercept = true}).loss, 1e-5);
  EXPECT_EQ(problem.fit_path({.intercept = true}, path).cv_accuracy, out.cv_accuracy);  // same seed, same folds
}

TEST(Logistic, GroupsStayInOneFold) {
  // Every group repeats one row with a label of its own: with groups held out whole, nothing can be learned.
  Sample sample{3, {}, {}};
  Rng rng(4, "groups");
  for (int g = 0; g < 60; ++g) {
    for (int k = 0; k < 3; ++k) sample.rows.push_back(static_cast<float>(rng.normal()));
    const auto label = static_cast<uint8_t>(rng.below(2));
    for (int repeat = 0; repeat < 5; ++repeat) {
      sample.examples.row.push_back(g);
      sample.examples.label.push_back(label);
      sample.examples.group.push_back(g);
    }
  }
  const auto grouped = LogisticProblem(sample.rows, 3, sample.examples).fit_path({.intercept = true}, {});
  sample.examples.group.clear();
  const auto mixed = LogisticProblem(sample.rows, 3, sample.examples).fit_path({.intercept = true}, {});
  EXPECT_LT(grouped.cv_accuracy.back(), mixed.cv_accuracy.back());
}

TEST(Logistic, BadInput) {
  const std::vector<float> rows{1, 2, 3, 4, 5, 6};
  const auto refused = [&](LogisticExamples examples) { EXPECT_THROW(LogisticProblem(rows, 2, examples), Error); };
  refused({});
  refused({{0, 1}, {}, {1}, {}, {}});
  refused({{0, 1}, {1}, {1, 0}, {}, {}});
  refused({{0, 3}, {}, {1, 0}, {}, {}});
  refused({{0, -1}, {}, {1, 0}, {}, {}});
  refused({{0, 1}, {}, {1, 1}, {}, {}});
  refused({{0, 1}, {}, {1, 0}, {1}, {}});
  refused({{0, 1}, {}, {1, 0}, {1, 0}, {}});
  refused({{0, 1}, {}, {1, 0}, {1, std::numeric_limits<float>::infinity()}, {}});
  refused({{0, 1}, {}, {1, 0}, {}, {1}});
  refused({{0, 1}, {0, 2}, {1, 1}, {}, {}});
  EXPECT_THROW(LogisticProblem(rows, 4, {{0, 1}, {}, {1, 0}, {}, {}}), Error);
  auto broken = rows;
  broken[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(LogisticProblem(broken, 2, {{0, 1}, {}, {1, 0}, {}, {}}), Error);
  LogisticProblem pair(rows, 2, {{0}, {1}, {1}, {}, {}});
  EXPECT_NO_THROW(pair.fit({}));
  EXPECT_THROW(pair.fit({.intercept = true}), Error);
  EXPECT_THROW(pair.fit({.c = 0}), Error);
  EXPECT_THROW(pair.fit({.tolerance = 0}), Error);
  EXPECT_THROW(pair.fit({}, nullptr, std::vector<double>{1}), Error);
  EXPECT_THROW(pair.fit({}, nullptr, {}, std::vector<uint8_t>{0}), Error);
  EXPECT_THROW(pair.fit_path({}, {}), Error);
  EXPECT_THROW(pair.fit_path({}, {.folds = 1}), Error);
  EXPECT_THROW(pair.set_weights({1, 2}), Error);
  EXPECT_THROW(c_values({.num_c = 0}), Error);
}

}  // namespace
}  // namespace attune::people
