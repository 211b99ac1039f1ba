// Every level of the ALS kernels that this machine runs, against plain sums in double.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "core/rng.h"
#include "kernels/als.h"

namespace attune::kernels {
namespace {

std::vector<float> random_values(int64_t count, uint64_t seed) {
  Rng rng(seed, "als kernels");
  std::vector<float> out(static_cast<size_t>(count));
  for (auto& v : out) v = static_cast<float>(rng.normal());
  return out;
}

/// |found - expected| relative to the largest expected value.
void expect_near(std::span<const float> found, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  double largest = 0;
  for (const double v : expected) largest = std::max(largest, std::abs(v));
  for (size_t k = 0; k < expected.size(); ++k) ASSERT_NEAR(found[k], expected[k], tolerance * largest) << k;
}

TEST(AlsKernels, Gram) {
  for (const Isa isa : available_isas()) {
    const AlsKernels& kernels = als_kernels_of(isa);
    for (const int ld : {16, 32, 64, 80}) {
      for (const int count : {0, 1, 7, 128}) {
        const auto rows = random_values(static_cast<int64_t>(count) * ld, 1), scaled = random_values(static_cast<int64_t>(count) * ld, 2);
        const auto start = random_values(static_cast<int64_t>(ld) * ld, 3);
        auto found = start;
        kernels.add_gram(rows.data(), scaled.data(), count, ld, -0.5f, found.data());
        for (int i = 0; i < ld; ++i) {
          for (int j = i; j < ld; ++j) {
            double expected = start[i * ld + j];
            for (int r = 0; r < count; ++r) expected -= 0.5 * scaled[r * ld + i] * rows[r * ld + j];
            ASSERT_NEAR(found[i * ld + j], expected, 1e-4) << ld << " " << count << " " << i << " " << j;
          }
        }
      }
    }
  }
}

TEST(AlsKernels, CholeskyAndSolve) {
  for (const Isa isa : available_isas()) {
    const AlsKernels& kernels = als_kernels_of(isa);
    for (const int ld : {16, 32, 64, 80, 128}) {
      const auto rows = random_values(2 * static_cast<int64_t>(ld) * ld, 4);
      std::vector<float> a(static_cast<size_t>(ld) * ld, 0.0f);
      for (int k = 0; k < ld; ++k) a[k * ld + k] = 1;
      kernels.add_gram(rows.data(), rows.data(), 2 * ld, ld, 1, a.data());
      const auto x = random_values(ld, 5);
      std::vector<double> expected(x.begin(), x.end());
      std::vector<float> b(static_cast<size_t>(ld));
      for (int i = 0; i < ld; ++i) {
        double sum = 0;
        for (int j = 0; j < ld; ++j) sum += static_cast<double>(a[std::min(i, j) * ld + std::max(i, j)]) * x[j];
        b[i] = static_cast<float>(sum);
      }
      auto u = a;
      ASSERT_TRUE(kernels.cholesky(u.data(), ld));
      for (int i = 0; i < ld; ++i) {
        for (int j = i; j < ld; ++j) {
          double sum = 0;
          for (int k = 0; k <= i; ++k) sum += static_cast<double>(u[k * ld + i]) * u[k * ld + j];
          ASSERT_NEAR(sum, a[i * ld + j], 2e-5 * a[i * ld + i]) << ld << " " << i << " " << j;
        }
      }
      kernels.solve(u.data(), ld, b.data());
      expect_near(b, expected, 1e-3);  // the condition number is a few hundred
    }
  }
}

TEST(AlsKernels, PivotsThatAreNotPositive) {
  for (const Isa isa : available_isas()) {
    const AlsKernels& kernels = als_kernels_of(isa);
    for (const int bad : {0, 5, 20, 31}) {
      for (const float value : {0.0f, -1.0f, std::nanf(""), INFINITY}) {
        std::vector<float> a(32 * 32, 0.0f);
        for (int k = 0; k < 32; ++k) a[k * 33] = k == bad ? value : 1;
        EXPECT_FALSE(kernels.cholesky(a.data(), 32)) << bad << " " << value;
      }
    }
  }
}

TEST(AlsKernels, ConjugateGradientsAgainstTheSameStepsInDouble) {
  for (const Isa isa : available_isas()) {
    const AlsKernels& kernels = als_kernels_of(isa);
    for (const int d : {1, 8, 10, 16, 25, 32, 64, 72, 128}) {
      for (const int count : {1, 3, 4, 5, 23}) {
        const int ld = als_padded(d);
        const auto factors = random_values(static_cast<int64_t>(30) * d, 6);
        std::vector<float> gram(static_cast<size_t>(ld) * ld, 0.0f);
        for (int r = 0; r < 30; ++r) {
          for (int i = 0; i < d; ++i) {
            for (int j = 0; j < d; ++j) gram[i * ld + j] += factors[r * d + i] * factors[r * d + j];
          }
        }
        std::vector<AlsEntry> entries;
        for (int n = 0; n < count; ++n) entries.push_back({n, 1.0f - 0.1f * static_cast<float>(n % 3), 0.5f + static_cast<float>(n % 4)});
        for (const float w0 : {0.0f, 0.7f}) {
          const AlsSystem system{gram.data(), factors.data(), entries.data(), count, d, ld, w0, 0.9f};
          auto found = random_values(d, 7);
          std::vector<double> x(found.begin(), found.end());
          std::vector<float> scratch(3 * static_cast<size_t>(ld));
          kernels.conjugate_gradient(system, 3, found.data(), scratch.data());

          const auto apply = [&](const std::vector<double>& v) {
            std::vector<double> out(static_cast<size_t>(d));
            for (int i = 0; i < d; ++i) {
              out[i] = 0.9f * v[i];
              for (int j = 0; j < d; ++j) out[i] += w0 * static_cast<double>(gram[i * ld + j]) * v[j];
            }
            for (int n = 0; n < count; ++n) {
              double score = 0;
              for (int k = 0; k < d; ++k) score += factors[n * d + k] * v[k];
              for (int k = 0; k < d; ++k) out[k] += (entries[n].weight - w0) * score * factors[n * d + k];
            }
            return out;
          };
          const auto product = [&](const std::vector<double>& a, const std::vector<double>& b) {
            double out = 0;
            for (int k = 0; k < d; ++k) out += a[k] * b[k];
            return out;
          };
          std::vector<double> r(static_cast<size_t>(d), 0.0);
          for (int n = 0; n < count; ++n) {
            for (int k = 0; k < d; ++k) r[k] += static_cast<double>(entries[n].weight) * entries[n].target * factors[n * d + k];
          }
          const auto start = apply(x);
          for (int k = 0; k < d; ++k) r[k] -= start[k];
          auto p = r;
          double norm = product(r, r);
          for (int step = 0; step < std::min(3, d); ++step) {
            const auto ap = apply(p);
            const double alpha = norm / product(p, ap);
            for (int k = 0; k < d; ++k) x[k] += alpha * p[k];
            for (int k = 0; k < d; ++k) r[k] -= alpha * ap[k];
            const double next = product(r, r);
            for (int k = 0; k < d; ++k) p[k] = r[k] + next / norm * p[k];
            norm = next;
          }
          expect_near(found, x, 2e-4);
        }
      }
    }
  }
}

TEST(AlsKernels, RowsAndScores) {
  for (const Isa isa : available_isas()) {
    const AlsKernels& kernels = als_kernels_of(isa);
    for (const int d : {1, 7, 8, 15, 16, 17, 24, 25, 40, 64}) {
      const int ld = als_padded(d);
      const auto rows = random_values(3 * d, 8), x = random_values(d, 9);
      std::vector<float> out(3), padded(static_cast<size_t>(ld), 9.0f), sum(static_cast<size_t>(ld), 1.0f), scaled(static_cast<size_t>(ld));
      kernels.scores(rows.data(), 3, d, x.data(), out.data());
      for (int r = 0; r < 3; ++r) {
        double expected = 0;
        for (int k = 0; k < d; ++k) expected += static_cast<double>(rows[r * d + k]) * x[k];
        EXPECT_NEAR(out[r], expected, 1e-5 * d);
      }
      kernels.add_row(rows.data(), d, ld, 2, padded.data(), sum.data());
      kernels.scale(3, padded.data(), scaled.data(), ld);
      for (int k = 0; k < ld; ++k) {
        EXPECT_EQ(padded[k], k < d ? rows[k] : 0);
        EXPECT_NEAR(sum[k], 1 + 2 * padded[k], 1e-6);
        EXPECT_EQ(scaled[k], 3 * padded[k]);
      }
    }
  }
}

}  // namespace
}  // namespace attune::kernels
