// Guesses from earlier text: which are made, and that output never depends on them.
#include "lm/speculation.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

using testing::greedy;
using testing::tiny_model;

using Ids = std::vector<int32_t>;

TEST(PromptLookup, ContinuesTheLongestAndLatestRepetition) {
  EXPECT_EQ(PromptLookup().propose(Ids{1, 2, 3, 4, 9, 1, 2}, 8), (Ids{3, 4, 9, 1}));
  EXPECT_EQ(PromptLookup().propose(Ids{7, 1, 2, 30, 8, 1, 2, 40, 7, 1, 2}, 1), Ids{30}) << "three tokens beat the later two";
  EXPECT_EQ(PromptLookup().propose(Ids{1, 2, 30, 8, 1, 2, 40, 7, 1, 2}, 1), Ids{40}) << "the later of equals";
}

TEST(PromptLookup, ARepetitionGoesOnRepeating) {
  EXPECT_EQ(PromptLookup().propose(Ids{5, 6, 5, 6}, 4), (Ids{5, 6, 5, 6}));
  EXPECT_EQ(PromptLookup().propose(Ids{5, 5, 5}, 3), (Ids{5, 5, 5}));
}

TEST(PromptLookup, GuessesNothingWithoutARepetition) {
  EXPECT_TRUE(PromptLookup().propose(Ids{}, 4).empty());
  EXPECT_TRUE(PromptLookup().propose(Ids{1}, 4).empty());
  EXPECT_TRUE(PromptLookup().propose(Ids{1, 2, 3, 2}, 4).empty()) << "one token is not enough";
  EXPECT_TRUE(PromptLookup().propose(Ids{1, 2, 1, 2}, 0).empty());
  EXPECT_EQ(PromptLookup().propose(Ids{1, 2, 3, -1, 4, 1, 2}, 4), Ids{3}) << "a soft row is never guessed";
}

TEST(PromptLookup, LengthFollowsSuccessAndFailureBringsPauses) {
  const Ids ids{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2};
  PromptLookup lookup;
  EXPECT_EQ(lookup.propose(ids, 64).size(), 4u);
  lookup.observe(4, 4);
  EXPECT_EQ(lookup.propose(ids, 64).size(), 8u);
  lookup.observe(8, 2);
  EXPECT_EQ(lookup.propose(ids, 64).size(), 3u);
  int attempts = 0;
  for (int step = 0; step < 1000; ++step) {
    const auto guesses = lookup.propose(ids, 64);
    if (guesses.empty()) continue;
    ++attempts;
    EXPECT_GE(guesses.size(), 1u);
    lookup.observe(static_cast<int64_t>(guesses.size()), 0);
  }
  EXPECT_GE(attempts, 15);
  EXPECT_LE(attempts, 25) << "one attempt in 65 steps in the end";
}

struct Case {
  const char* name;
  SeqOptions options;
};

std::vector<Case> cases() {
  std::vector<Case> out;
  SeqOptions few;  // three tokens: repetitions come often, guesses are right now and then
  few.vocab = std::make_shared<const VocabSet>(VocabSet{{40, 41, 300}});
  few.seed = 5;
  out.push_back({"full head", few});
  few.sampler.frequency_penalty = 0.5;
  few.want_model_logprob = true;
  out.push_back({"penalties", few});
  SeqOptions best;
  best.sampler = greedy();
  for (const int32_t id : {40, 41, 300}) best.sampler.logit_bias[id] = 1000;
  out.push_back({"greedy with bias", best});
  SeqOptions screened;
  screened.sampler = greedy();
  out.push_back({"greedy", screened});
  screened.sampler.temperature = 1;
  screened.sampler.top_k = 2;
  out.push_back({"top-k 2", screened});
  return out;
}

EngineOptions with_guesses(int32_t speculate) {
  EngineOptions options;
  options.threads = 2;
  options.speculate = speculate;
  return options;
}

Completion generate(Engine& engine, const SeqOptions& options, int64_t max_new, Ids stop_ids = {}) {
  Sequence sequence = engine.start(options);
  sequence.append(Ids{2, 9, 40, 41, 300, 40, 41, 300, 40, 41});
  return engine.generate(std::move(sequence), max_new, std::move(stop_ids));
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

void expect_same(const Completion& a, const Completion& b, const char* name) {
  EXPECT_EQ(a.ids, b.ids) << name;
  EXPECT_EQ(a.finish, b.finish) << name;
  EXPECT_TRUE(same_bytes(a.logp_policy, b.logp_policy)) << name;
  EXPECT_TRUE(same_bytes(a.logp_model, b.logp_model)) << name;
  EXPECT_EQ(a.sequence.ids(), b.sequence.ids()) << name;
  EXPECT_EQ(a.sequence.computed(), b.sequence.computed()) << name;
}

TEST(Speculation, ChangesNoByte) {
  Engine plain(tiny_model(), with_guesses(0)), guessing(tiny_model(), with_guesses(8));
  for (const Case& c : cases()) expect_same(generate(guessing, c.options, 120), generate(plain, c.options, 120), c.name);
  EXPECT_EQ(plain.stats().guessed_tokens, 0);
  EXPECT_GT(guessing.stats().guessed_right, 50);
  EXPECT_GT(guessing.stats().guessed_tokens, guessing.stats().guessed_right) << "some were wrong, too";
  EXPECT_LT(guessing.stats().steps, plain.stats().steps);
  EXPECT_EQ(guessing.stats().generated_tokens, plain.stats().generated_tokens);
  EXPECT_EQ(guessing.stats().prompt_tokens, plain.stats().prompt_tokens);
}

TEST(Speculation, AnEndInsideADraftLeavesTheSequenceAsWithout) {
  Engine plain(tiny_model(), with_guesses(0)), guessing(tiny_model(), with_guesses(16));
  for (const Case& c : cases()) {
    for (int64_t max_new = 1; max_new < 30; ++max_new) {
      Completion a = generate(guessing, c.options, max_new), b = generate(plain, c.options, max_new);
      expect_same(a, b, c.name);
      // And it goes on: the random stream and the cache are where they should be.
      expect_same(guessing.generate(std::move(a.sequence), 9, {}), plain.generate(std::move(b.sequence), 9, {}), c.name);
    }
    const Completion whole = generate(plain, c.options, 60);
    for (const size_t i : {size_t{20}, size_t{41}, size_t{59}}) {
      expect_same(generate(guessing, c.options, 60, {whole.ids[i]}), generate(plain, c.options, 60, {whole.ids[i]}), c.name);
    }
  }
}

TEST(Speculation, ACallersRefusalInsideADraftEndsThere) {
  Engine engine(tiny_model(), with_guesses(16));
  SeqOptions options;
  options.sampler = greedy();
  options.vocab = std::make_shared<const VocabSet>(VocabSet{{40}});  // every guess is right
  for (int64_t wanted = 1; wanted < 40; wanted += 3) {
    Sequence sequence = engine.start(options);
    sequence.append(Ids{2, 40, 40, 40});
    int64_t seen = 0;
    const auto done = engine.generate(std::move(sequence), 100, {}, [&](const Event&) { return ++seen < wanted; });
    EXPECT_EQ(done.finish, Finish::kStop);
    EXPECT_EQ(static_cast<int64_t>(done.ids.size()), wanted);
    EXPECT_EQ(done.sequence.length(), 4 + wanted);
    EXPECT_EQ(done.sequence.computed(), 3 + wanted);
  }
}

TEST(Speculation, TheContextsEndIsRespected) {
  Engine engine(tiny_model(), with_guesses(16));
  SeqOptions options;
  options.vocab = std::make_shared<const VocabSet>(VocabSet{{40}});
  Sequence sequence = engine.start(options);
  const auto context = tiny_model()->config().context_length;
  sequence.append(Ids(static_cast<size_t>(context - 7), 40));
  const auto done = engine.generate(std::move(sequence), 100, {});
  EXPECT_EQ(done.finish, Finish::kContext);
  EXPECT_EQ(done.sequence.length(), context);
}

}  // namespace
}  // namespace attune::lm
