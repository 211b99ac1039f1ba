// Bias and penalties from the engine's end: greedy generation equals a reference loop that applies OpenAI's formula to the engine's own logits,
//   logit[j] + bias[j] - count[j] * frequency_penalty - (count[j] > 0) * presence_penalty,
// where count[j] is how often token j was generated; the prompt does not count.
#include <algorithm>
#include <cmath>
#include <map>

#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

using testing::f32_options;
using testing::greedy;
using testing::random_ids;
using testing::tiny_model;

constexpr int64_t kTokens = 24;

std::vector<int32_t> reference(Engine& engine, const std::vector<int32_t>& prompt, const SamplerOptions& options) {
  std::vector<int32_t> ids = prompt;
  std::map<int32_t, int> counts;
  const auto& forbidden = engine.model().forbidden_ids();
  while (ids.size() < prompt.size() + kTokens) {
    Sequence sequence = engine.start();
    sequence.append(ids);
    std::vector<float> logits = engine.logits(sequence);
    for (const int32_t id : forbidden) logits[static_cast<size_t>(id)] = -INFINITY;
    for (const auto& [id, bias] : options.logit_bias) logits[static_cast<size_t>(id)] += bias;
    for (const auto& [id, count] : counts) {
      logits[static_cast<size_t>(id)] -= static_cast<float>(options.presence_penalty + options.frequency_penalty * count);
    }
    const auto best = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    ids.push_back(best);
    ++counts[best];
  }
  return {ids.begin() + static_cast<std::ptrdiff_t>(prompt.size()), ids.end()};
}

std::vector<int32_t> generated(Engine& engine, const std::vector<int32_t>& prompt, const SamplerOptions& options) {
  Sequence sequence = engine.start({.sampler = options, .seed = 1, .stream = 0, .vocab = nullptr});
  sequence.append(prompt);
  return engine.generate(std::move(sequence), kTokens, {}).ids;
}

TEST(Penalties, GreedyFollowsTheDocumentedFormula) {
  Engine engine(tiny_model(), f32_options());
  const auto prompt = random_ids(12, 3);
  const auto plain = generated(engine, prompt, greedy());
  ASSERT_EQ(plain, reference(engine, prompt, greedy()));
  int changed = 0;
  for (const auto& [presence, frequency] : {std::pair{2.0, 0.0}, {0.0, 2.0}, {-2.0, 0.0}, {0.0, -2.0}, {0.7, 1.3}}) {
    SamplerOptions options = greedy();
    options.presence_penalty = presence;
    options.frequency_penalty = frequency;
    const auto got = generated(engine, prompt, options);
    EXPECT_EQ(got, reference(engine, prompt, options)) << presence << " " << frequency;
    changed += got != plain ? 1 : 0;
  }
  EXPECT_GE(changed, 1);  // the penalties of this test do something
}

TEST(Penalties, BiasForcesAndBans) {
  Engine engine(tiny_model(), f32_options());
  const auto prompt = random_ids(12, 3);
  const auto plain = generated(engine, prompt, greedy());
  SamplerOptions ban = greedy();
  ban.logit_bias = {{plain[0], -100.0f}, {plain[1], -100.0f}};
  const auto without = generated(engine, prompt, ban);
  EXPECT_EQ(without, reference(engine, prompt, ban));
  for (const int32_t id : without) EXPECT_TRUE(id != plain[0] && id != plain[1]);
  SamplerOptions force;  // sampled, not greedy: +100 leaves nothing else
  force.logit_bias = {{300, 100.0f}};
  EXPECT_EQ(generated(engine, prompt, force), std::vector<int32_t>(kTokens, 300));
  for (const int32_t id : engine.model().forbidden_ids()) {  // what is never generated cannot be forced
    SamplerOptions forbidden = greedy();
    forbidden.logit_bias = {{id, 100.0f}};
    EXPECT_EQ(generated(engine, prompt, forbidden), plain);
  }
}

}  // namespace
}  // namespace attune::lm
