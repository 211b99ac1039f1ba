#include "lm/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/error.h"
#include "core/rng.h"

namespace attune::lm {
namespace {

SamplerOptions plain() {
  SamplerOptions options;
  options.top_k = 0;
  options.top_p = 1;
  return options;
}

/// Shares of n draws with evenly spaced uniforms: the inverse distribution function to within 1/n.
std::map<int32_t, double> shares(const std::vector<float>& logits, const SamplerOptions& options, const TokenHistory& history = {},
                                 const VocabSet* vocab = nullptr) {
  std::map<int32_t, double> out;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<float> copy(logits);
    out[sample(copy, options, history, vocab, (i + 0.5) / kDraws).id] += 1.0 / kDraws;
  }
  return out;
}

std::vector<double> softmax(const std::vector<float>& logits, double temperature) {
  std::vector<double> p;
  double total = 0;
  for (const float x : logits) total += std::exp(x / temperature);
  for (const float x : logits) p.push_back(std::exp(x / temperature) / total);
  return p;
}

const std::vector<float> kLogits{1.0f, 3.0f, 2.0f, -1.0f, 2.0f};

TEST(Sampler, FullSoftmaxAtATemperature) {
  for (const double t : {0.5, 1.0, 2.0}) {
    SamplerOptions options = plain();
    options.temperature = t;
    const auto want = softmax(kLogits, t);
    const auto got = shares(kLogits, options);
    for (int32_t id = 0; id < 5; ++id) EXPECT_NEAR(got.count(id) ? got.at(id) : 0, want[static_cast<size_t>(id)], 2e-4);
  }
}

TEST(Sampler, TopKTopPMinP) {
  SamplerOptions options = plain();
  options.top_k = 2;  // ties at 2.0: the smaller id stays
  auto got = shares(kLogits, options);
  EXPECT_EQ(got.size(), 2u);
  EXPECT_NEAR(got.at(1), 1 / (1 + std::exp(-1.0)), 2e-4);
  EXPECT_TRUE(got.count(2));
  options = plain();
  const auto p = softmax(kLogits, 1);
  options.top_p = p[1] + p[2] - 1e-9;
  EXPECT_EQ(shares(kLogits, options).size(), 2u);
  options.top_p = p[1] + p[2] + 1e-4;
  EXPECT_EQ(shares(kLogits, options).size(), 3u);
  options.top_p = 0;
  EXPECT_EQ(shares(kLogits, options).size(), 1u);
  options = plain();
  options.min_p = std::exp(-1.5);
  EXPECT_EQ(shares(kLogits, options).size(), 3u);
}

TEST(Sampler, TopPWithoutTopKOnALargeVocabulary) {
  Rng rng(1);
  std::vector<float> logits(50000);
  for (float& x : logits) x = static_cast<float>(2 * rng.normal());
  SamplerOptions options = plain();
  options.top_p = 0.9;
  // Brute force: sort everything, cut at 0.9 of the whole mass.
  auto p = softmax(logits, 1);
  std::vector<int32_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)]; });
  double mass = 0;
  size_t keep = 0;
  while (mass < 0.9) mass += p[static_cast<size_t>(order[keep++])];
  std::vector<float> copy(logits);
  EXPECT_EQ(sample(copy, options, {}, nullptr, 1 - 1e-12).id, order[keep - 1]);
  copy = logits;
  const auto first = sample(copy, options, {}, nullptr, 0);
  EXPECT_EQ(first.id, order[0]);
  EXPECT_NEAR(first.logp_policy, std::log(p[static_cast<size_t>(order[0])] / mass), 1e-4);
  EXPECT_NEAR(first.logp_model, std::log(p[static_cast<size_t>(order[0])]), 1e-4);
}

TEST(Sampler, GreedyTakesTheFirstOfEquals) {
  SamplerOptions options;
  options.temperature = 0;
  std::vector<float> logits{0, 5, 5, 1};
  const auto got = sample(logits, options, {}, nullptr, 0.99);
  EXPECT_EQ(got.id, 1);
  EXPECT_EQ(got.logp_policy, 0);
}

TEST(Sampler, Penalties) {
  SamplerOptions options = plain();
  options.temperature = 0;
  const std::vector<int32_t> ids{1, 1, 2};  // one prompt token, two generated
  const TokenHistory history{ids, 1};
  options.repeat_penalty = 2;  // 3 / 2 = 1.5, 2 / 2 = 1: token 4 wins with 2
  std::vector<float> logits(kLogits);
  EXPECT_EQ(sample(logits, options, history, nullptr, 0).id, 4);
  options.repeat_penalty = 1;
  options.frequency_penalty = 1;  // generated: 1 once, 2 once
  options.presence_penalty = 0.5;
  logits = kLogits;
  const auto got = sample(logits, options, history, nullptr, 0);
  EXPECT_EQ(got.id, 4);
  EXPECT_FLOAT_EQ(logits[1], 1.5f);
  EXPECT_FLOAT_EQ(logits[2], 0.5f);
  EXPECT_NEAR(got.logp_model, std::log(softmax(kLogits, 1)[4]), 1e-5);  // before penalties
}

TEST(Sampler, BiasAndSubset) {
  SamplerOptions options = plain();
  options.temperature = 0;
  options.logit_bias = {{3, 100.0f}, {1, -100.0f}};
  std::vector<float> logits(kLogits);
  EXPECT_EQ(sample(logits, options, {}, nullptr, 0).id, 3);
  const VocabSet subset{{0, 3}};
  const auto got = shares(kLogits, plain(), {}, &subset);
  EXPECT_NEAR(got.at(0), 1 / (1 + std::exp(-2.0)), 2e-4);
  EXPECT_NEAR(log_probability(kLogits, 0, &subset), std::log(1 / (1 + std::exp(-2.0))), 1e-5);
}

TEST(Sampler, TopLogprobsInOrder) {
  std::vector<float> logits(kLogits);
  std::vector<TokenLogprob> top;
  sample(logits, plain(), {}, nullptr, 0.5, &top, 3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].id, 1);
  EXPECT_EQ(top[1].id, 2);
  EXPECT_EQ(top[2].id, 4);
  EXPECT_NEAR(std::exp(top[0].logprob), softmax(kLogits, 1)[1], 1e-5);
}

TEST(Sampler, NanAndEmptySetsAreErrors) {
  std::vector<float> logits{0, NAN};
  EXPECT_THROW(sample(logits, plain(), {}, nullptr, 0), Error);
  logits = {-INFINITY, -INFINITY};
  EXPECT_THROW(sample(logits, plain(), {}, nullptr, 0), Error);
}

}  // namespace
}  // namespace attune::lm
