// Every level of the belief kernels that this machine runs, against plain sums in double.
#include "kernels/belief.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/rng.h"

namespace attune::kernels {
namespace {

std::vector<float> uniform_values(size_t count, uint64_t seed, float low, float high) {
  Rng rng(seed, "belief kernels");
  std::vector<float> out(count);
  for (float& x : out) x = low + (high - low) * static_cast<float>(rng.uniform());
  return out;
}

std::vector<float> distributions(size_t rows, size_t z, uint64_t seed) {
  std::vector<float> out = uniform_values(rows * z, seed, 0.05f, 1);
  for (size_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (size_t s = 0; s < z; ++s) sum += out[r * z + s];
    for (size_t s = 0; s < z; ++s) out[r * z + s] = static_cast<float>(out[r * z + s] / sum);
  }
  return out;
}

TEST(BeliefKernels, GaussianStepIsTheFilter) {
  for (const Isa isa : available_isas()) {
    const BeliefKernels& kernels = belief_kernels_of(isa);
    for (const int z : {1, 2, 5, 17}) {
      for (const int64_t n : {1, 3, 16, 37}) {
        const auto states = static_cast<size_t>(z);
        const auto mean = uniform_values(20 * states, 1, -1, 1);
        const auto phi = distributions(states, states, 2);
        const auto reward = uniform_values(static_cast<size_t>(n), 3, -2, 2);
        const auto start = distributions(100, states, 4);
        std::vector<int64_t> rows;
        std::vector<int32_t> arms;
        for (int64_t i = 0; i < n; ++i) {
          rows.push_back((i * 37 + 5) % 100);
          arms.push_back(static_cast<int32_t>(i * 7 % 20));
        }
        BeliefStep step;
        step.num_states = z;
        step.table = mean.data();
        step.precision = 2;
        step.floor = -600;
        step.phi = phi.data();
        BeliefRounds rounds;
        rounds.n = n;
        rounds.rows = rows.data();
        rounds.cells = arms.data();
        rounds.rewards = reward.data();
        std::vector<float> top(static_cast<size_t>(n)), sum(static_cast<size_t>(n));
        rounds.top = top.data();
        rounds.sum = sum.data();
        auto p = start;
        std::vector<float> scratch(static_cast<size_t>(belief_scratch(z)));
        EXPECT_EQ(kernels.update(step, rounds, p.data(), scratch.data()), 0);
        auto expected = start;
        for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
          const auto row = static_cast<size_t>(rows[i]) * states;
          std::vector<double> w(states), next(states, 0.0);
          double evidence = 0;
          for (size_t s = 0; s < states; ++s) {
            const double e = reward[i] - mean[static_cast<size_t>(arms[i]) * states + s];
            evidence += w[s] = start[row + s] * std::exp(-2 * e * e);
          }
          for (size_t s = 0; s < states; ++s) {
            for (size_t j = 0; j < states; ++j) next[j] += w[s] / evidence * phi[s * states + j];
          }
          for (size_t s = 0; s < states; ++s) expected[row + s] = static_cast<float>(next[s]);
          EXPECT_NEAR(std::log(sum[i]) + top[i], std::log(evidence), 2e-6);
        }
        for (size_t k = 0; k < p.size(); ++k) ASSERT_NEAR(p[k], expected[k], 4e-7) << isa_name(isa) << " " << z << " " << n << " " << k;
      }
    }
  }
}

TEST(BeliefKernels, ARowsBitsDoNotDependOnItsNeighbours) {
  for (const Isa isa : available_isas()) {
    const BeliefKernels& kernels = belief_kernels_of(isa);
    const auto mean = uniform_values(20 * 5, 1, -1, 1);
    const auto phi = distributions(5, 5, 2);
    const auto reward = uniform_values(40, 3, -2, 2);
    std::vector<int32_t> arms(40);
    for (size_t i = 0; i < 40; ++i) arms[i] = static_cast<int32_t>(i * 7 % 20);
    BeliefStep step;
    step.num_states = 5;
    step.table = mean.data();
    step.precision = 2;
    step.floor = -600;
    step.phi = phi.data();
    std::vector<float> scratch(static_cast<size_t>(belief_scratch(5)));
    auto together = distributions(40, 5, 4);
    auto alone = together;
    BeliefRounds rounds;
    rounds.n = 40;
    rounds.cells = arms.data();
    rounds.rewards = reward.data();
    kernels.update(step, rounds, together.data(), scratch.data());
    for (int64_t i = 0; i < 40; ++i) {
      rounds.n = 1;
      rounds.first_row = i;
      rounds.cells = arms.data() + i;
      rounds.rewards = reward.data() + i;
      kernels.update(step, rounds, alone.data(), scratch.data());
    }
    EXPECT_EQ(together, alone) << isa_name(isa);
  }
}

TEST(BeliefKernels, ExtremesStayFinite) {
  for (const Isa isa : available_isas()) {
    const BeliefKernels& kernels = belief_kernels_of(isa);
    const std::vector<float> mean = {0, 100, 50};
    BeliefStep step;
    step.num_states = 3;
    step.table = mean.data();
    step.precision = 50;
    step.floor = -690;
    std::vector<float> p = {0.5f, 0.25f, 0.25f};
    std::vector<float> scratch(static_cast<size_t>(belief_scratch(3)));
    const int32_t arm = 0;
    float reward = 0;
    BeliefRounds rounds;
    rounds.n = 1;
    rounds.cells = &arm;
    rounds.rewards = &reward;
    for (int i = 0; i < 200; ++i) kernels.update(step, rounds, p.data(), scratch.data());
    EXPECT_EQ(p, (std::vector<float>{1, 1e-37f, 1e-37f}));  // possible, though far behind
    reward = 100;
    for (int i = 0; i < 3; ++i) kernels.update(step, rounds, p.data(), scratch.data());
    EXPECT_GT(p[1], 0.999f);
    p = {0, 0, 1};  // impossible states stay impossible and do no harm, however likely the reward is there
    reward = 0;
    kernels.update(step, rounds, p.data(), scratch.data());
    EXPECT_EQ(p, (std::vector<float>{0, 0, 1}));
    const std::vector<float> never = {1, 1, 0};
    step.kind = BeliefLikelihood::kTable;
    step.table = never.data();
    EXPECT_EQ(kernels.update(step, rounds, p.data(), scratch.data()), 1);
    EXPECT_EQ(p, (std::vector<float>{0, 0, 1}));
  }
}

TEST(BeliefKernels, RowsMayBeFarApart) {
  constexpr int64_t kFar = 600000000;  // its first number is more than 2^31 from row 0
  const size_t bytes = (kFar + 1) * 5 * sizeof(float);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) GTEST_SKIP() << "no address space of " << bytes << " bytes";
  auto* p = static_cast<float*>(memory);
  const auto mean = uniform_values(20 * 5, 1, -1, 1);
  const auto phi = distributions(5, 5, 2);
  const auto start = distributions(3, 5, 4);
  const std::vector<int64_t> rows = {kFar, 0, 7};
  const std::vector<int64_t> near = {2, 0, 1};
  const std::vector<int32_t> arms = {3, 11, 19};
  const std::vector<float> reward = {0.25f, -1, 2};
  BeliefStep step;
  step.num_states = 5;
  step.table = mean.data();
  step.precision = 2;
  step.floor = -600;
  step.phi = phi.data();
  std::vector<float> scratch(static_cast<size_t>(belief_scratch(5)));
  for (const Isa isa : available_isas()) {
    auto expected = start;
    for (size_t i = 0; i < 3; ++i) std::copy_n(&start[static_cast<size_t>(near[i]) * 5], 5, p + rows[i] * 5);
    BeliefRounds rounds;
    rounds.n = 3;
    rounds.cells = arms.data();
    rounds.rewards = reward.data();
    rounds.rows = near.data();
    belief_kernels_of(isa).update(step, rounds, expected.data(), scratch.data());
    rounds.rows = rows.data();
    belief_kernels_of(isa).update(step, rounds, p, scratch.data());
    for (size_t i = 0; i < 3; ++i)
      EXPECT_TRUE(std::equal(p + rows[i] * 5, p + rows[i] * 5 + 5, &expected[static_cast<size_t>(near[i]) * 5]));
  }
  munmap(memory, bytes);
}

TEST(BeliefKernels, MeansAndTheBestOfEachState) {
  for (const Isa isa : available_isas()) {
    const BeliefKernels& kernels = belief_kernels_of(isa);
    for (const int padded : {8, 24}) {
      for (const int64_t n : {1, 5, 20}) {
        const int d = 10;
        const auto x = uniform_values(static_cast<size_t>(n * d), 1, -1, 1);
        const auto theta = uniform_values(static_cast<size_t>(d * padded), 2, -1, 1);
        std::vector<float> mu(static_cast<size_t>(n * padded));
        kernels.means(x.data(), n, d, theta.data(), padded, -0.8f, 0.9f, mu.data());
        for (int64_t a = 0; a < n; ++a) {
          for (int z = 0; z < padded; ++z) {
            double expected = 0;
            for (int i = 0; i < d; ++i) expected += static_cast<double>(x[a * d + i]) * theta[i * padded + z];
            ASSERT_NEAR(mu[a * padded + z], std::clamp(expected, -0.8, 0.9), 2e-6);
          }
        }
        std::vector<uint8_t> available(static_cast<size_t>(n), 1);
        for (size_t a = 0; a < available.size(); a += 3) available[a] = 0;
        for (const uint8_t* mask : {static_cast<const uint8_t*>(nullptr), static_cast<const uint8_t*>(available.data())}) {
          std::vector<int32_t> best(static_cast<size_t>(padded));
          kernels.best(mu.data(), n, padded, mask, best.data());
          for (int z = 0; z < padded; ++z) {
            int32_t expected = -1;
            for (int64_t a = 0; a < n; ++a) {
              if (mask != nullptr && mask[a] == 0) continue;
              if (expected < 0 || mu[a * padded + z] > mu[expected * padded + z]) expected = static_cast<int32_t>(a);
            }
            ASSERT_EQ(best[static_cast<size_t>(z)], expected);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace attune::kernels
