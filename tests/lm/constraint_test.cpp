// Constrained generation: the allowed tokens against trying every token, documents of random models, equality over batches and ways to sample.
#include <map>

#include "core/error.h"
#include "lm/token_constraint.h"
#include "tests/lm/fixtures.h"
#include "text/json_schema.h"

namespace attune::lm {
namespace {

using testing::greedy;
using testing::random_ids;
using testing::tiny_model;

constexpr const char* kPerson =
    R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":120},
  "kind":{"enum":["adult","child"]},"tags":{"type":"array","items":{"type":"string","pattern":"^[a-z]{1,4}$"},"maxItems":3}},
  "required":["name","age","kind"],"additionalProperties":false})";
constexpr const char* kSchemas[] = {kPerson,
                                    "true",
                                    R"({"type":"object"})",
                                    R"({"type":["number","boolean"]})",
                                    R"({"type":"string","minLength":2,"maxLength":5})",
                                    R"({"anyOf":[{"type":"array","items":{"$ref":"#"},"maxItems":2},{"const":"x"}]})",
                                    R"({"type":"string","format":"date"})"};

std::shared_ptr<const VocabTrie> tiny_vocab() {
  static const auto vocab = std::make_shared<const VocabTrie>(*tiny_model()->tokenizer());
  return vocab;
}
/// All bytes, and pieces that cross the borders of strings, characters and escapes.
std::shared_ptr<const VocabTrie> crossing_vocab() {
  text::Vocab vocab;
  using enum text::PieceType;
  const auto add = [&](std::string piece, text::PieceType type) {
    vocab.pieces.push_back(std::move(piece));
    vocab.types.push_back(type);
    vocab.scores.push_back(-static_cast<float>(vocab.pieces.size()));
  };
  for (const char* piece : {"<pad>", "<eos>", "<bos>"}) add(piece, kControl);
  add("<unk>", kUnknown);
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    add(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">", kByte);
  }
  for (const char* piece : {"a",
                            "b",
                            "ab",
                            "abc",
                            "a\"",
                            "ab\"",
                            "abcd\"",
                            "\",",
                            "\"}",
                            "b\",\"",
                            "abc\",",
                            "{\"",
                            "\":",
                            "\\\"",
                            "a\\",
                            "\\n\"",
                            "\\u00e9",
                            "\xC3\xA9",
                            "\xC3\xA9\"",
                            "\xE2\x82\xAC"
                            "b\"",
                            "\xF0\x9F\x98\x80",
                            "name",
                            "\"name\"",
                            "\"name\":",
                            "true",
                            "12",
                            "-1",
                            "[\"",
                            "\"]",
                            "20",
                            "-0"}) {
    add(piece, kNormal);
  }
  return std::make_shared<const VocabTrie>(text::Tokenizer(vocab));
}

std::shared_ptr<const TokenConstraint> constraint(const char* schema) {
  return std::make_shared<const TokenConstraint>(tiny_vocab(), text::compile_json_schema(schema, {.strict = true}));
}

TEST(VocabTrie, HoldsEveryTextToken) {
  const auto& tokenizer = *tiny_model()->tokenizer();
  int64_t texts = 0;
  for (int32_t id = 0; id < tokenizer.vocab().size(); ++id) {
    const bool control = tokenizer.is_control(id) || tokenizer.vocab().types[static_cast<size_t>(id)] == text::PieceType::kUnknown;
    EXPECT_EQ(tiny_vocab()->bytes(id), control ? "" : tokenizer.piece_bytes(id)) << id;
    texts += tiny_vocab()->bytes(id).empty() ? 0 : 1;
  }
  EXPECT_EQ(static_cast<int64_t>(tiny_vocab()->tokens().entries.size()), texts);
}

// Every state that random texts pass: the bits are those of the tokens that the automaton takes, tried one by one.
void expect_what_the_automaton_takes(const std::shared_ptr<const VocabTrie>& vocab) {
  for (const char* schema : kSchemas) {
    const auto shared = std::make_shared<const TokenConstraint>(vocab, text::compile_json_schema(schema, {.strict = true}));
    Rng rng(7, schema);
    for (int text = 0; text < 10; ++text) {
      text::ByteAutomaton state(shared->grammar());
      std::string so_far;
      for (int step = 0; step < 40; ++step) {
        TokenBits bits(vocab->num_words());
        int64_t work = 0;
        shared->allowed(state, bits, work);
        std::vector<int32_t> allowed;
        for (int32_t id = 0; id < vocab->vocab_size(); ++id) {
          text::ByteAutomaton copy = state;
          const bool takes = !vocab->bytes(id).empty() && copy.advance(vocab->bytes(id));
          if (takes) allowed.push_back(id);
          ASSERT_EQ((bits[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0, takes)
              << schema << " behind " << so_far << ": " << vocab->bytes(id);
        }
        if (allowed.empty()) break;
        // Long tokens lead to more places.
        int32_t next = allowed[rng.below(allowed.size())];
        for (int i = 0; i < 3; ++i) {
          const int32_t other = allowed[rng.below(allowed.size())];
          if (vocab->bytes(other).size() > vocab->bytes(next).size()) next = other;
        }
        so_far += vocab->bytes(next);
        ASSERT_TRUE(state.advance(vocab->bytes(next)));
      }
    }
  }
}

TEST(TokenConstraint, AllowsWhatTheAutomatonTakes) {
  expect_what_the_automaton_takes(tiny_vocab());
  expect_what_the_automaton_takes(crossing_vocab());
}

EngineOptions fast_options() {
  EngineOptions options;
  options.threads = 2;
  return options;
}

Completion generate(Engine& engine, const SamplerOptions& sampler, uint64_t seed, std::shared_ptr<const TokenConstraint> c,
                    int64_t max_new = 200, bool want_logprob = false) {
  Sequence sequence = engine.start({.sampler = sampler, .seed = seed, .stream = 0, .vocab = nullptr, .want_model_logprob = want_logprob});
  sequence.append(random_ids(8, seed));
  return engine.generate(std::move(sequence), max_new, engine.model().stop_ids(), {}, {}, std::move(c));
}

TEST(ConstrainedGeneration, EndsWithADocumentOrAtTheLimit) {
  for (const char* compute : {"f32", "fast"}) {
    EngineOptions options = fast_options();
    options.compute = compute;
    Engine engine(tiny_model(), options);
    int complete = 0;
    for (const char* schema : kSchemas) {
      const auto c = constraint(schema);
      for (uint64_t seed = 0; seed < 4; ++seed) {
        SamplerOptions sampler = seed == 0 ? greedy() : SamplerOptions{};
        if (seed > 1) sampler.temperature = 5, sampler.top_k = 0, sampler.top_p = 1;
        const auto result = generate(engine, sampler, seed, c);
        const std::string text = engine.model().tokenizer()->decode(result.ids);
        text::ByteAutomaton automaton(c->grammar());
        ASSERT_TRUE(automaton.advance(text)) << text;
        ASSERT_EQ(automaton.complete() || result.finish == Finish::kLength, true) << text;
        if (result.finish != Finish::kStop) continue;
        ++complete;
        ASSERT_TRUE(automaton.complete()) << text;
        EXPECT_TRUE(nlohmann::json::accept(text)) << text;
      }
    }
    EXPECT_GE(complete, 8) << compute;
  }
}

// The allowed set enters the screened head and the full head; both give the same tokens.
TEST(ConstrainedGeneration, IsTheSameByScreeningAndByTheFullHead) {
  Engine engine(tiny_model(), fast_options());
  SamplerOptions few;
  few.top_k = 2;
  for (const char* schema : kSchemas) {
    for (const SamplerOptions& sampler : {greedy(), few}) {
      const auto screened = generate(engine, sampler, 3, constraint(schema), 60);
      const auto full = generate(engine, sampler, 3, constraint(schema), 60, true);
      EXPECT_EQ(screened.ids, full.ids) << schema;
      EXPECT_EQ(screened.logp_policy, full.logp_policy) << schema;
    }
  }
}

TEST(ConstrainedGeneration, DoesNotDependOnTheBatch) {
  std::map<size_t, std::vector<int32_t>> alone;
  const auto shared = constraint(kPerson);
  const auto prompt = [](size_t i) { return random_ids(6, i); };
  for (size_t i = 0; i < 6; ++i) {
    Engine engine(tiny_model(), fast_options());
    Sequence sequence = engine.start({.sampler = {}, .seed = i, .stream = 0, .vocab = nullptr});
    sequence.append(prompt(i));
    alone[i] = engine.generate(std::move(sequence), 50, {}, {}, {}, i % 2 == 0 ? constraint(kPerson) : nullptr).ids;
  }
  Engine engine(tiny_model(), fast_options());
  std::map<size_t, std::vector<int32_t>> together;
  size_t done = 0;
  for (size_t i = 0; i < 6; ++i) {
    Request request;
    request.sequence = engine.start({.sampler = {}, .seed = i, .stream = 0, .vocab = nullptr});
    request.sequence.append(prompt(i));
    request.max_new = 50;
    if (i % 2 == 0) request.constraint = shared;
    request.on_token = [&together, i](const Event& event) {
      together[i].push_back(event.token);
      return true;
    };
    request.on_done = [&done](Sequence, Finish finish, const Error*) { done += finish != Finish::kError ? 1 : 0; };
    engine.submit(std::move(request));
  }
  for (int step = 0; step < 200 && done < 6; ++step) engine.step();
  EXPECT_EQ(together, alone);
}

TEST(ConstrainedGeneration, EndsWhenNothingCanFollow) {
  Engine engine(tiny_model(), fast_options());
  const auto result = generate(engine, greedy(), 1, constraint(R"({"const":"ab"})"));
  EXPECT_EQ(engine.model().tokenizer()->decode(result.ids), "\"ab\"");
  EXPECT_EQ(result.finish, Finish::kStop);
}

TEST(ConstrainedGeneration, BiasCannotBreakTheGrammar) {
  Engine engine(tiny_model(), fast_options());
  SamplerOptions sampler = greedy();
  for (int32_t id = 0; id < 512; id += 3) sampler.logit_bias[id] = 100;
  const auto c = constraint(kPerson);
  const auto result = generate(engine, sampler, 1, c);
  EXPECT_TRUE(text::ByteAutomaton(c->grammar()).advance(engine.model().tokenizer()->decode(result.ids)));
}

TEST(ConstraintCursor, RefusesTokensThatDoNotFit) {
  const auto c = constraint(R"({"const":"ab"})");
  for (const int32_t bad : {-1, 1 << 30, 2, 3}) EXPECT_THROW(ConstraintCursor(c, {1}).accept(bad), Error) << bad;
  ConstraintCursor cursor(c, {1});
  cursor.accept(1);  // a stop id ends the generation, not the text
  EXPECT_FALSE(cursor.finished());
  EXPECT_EQ(cursor.allowed()[0] & 2, 0u) << "not before the text is complete";
  for (const int32_t id : tiny_model()->tokenizer()->encode("\"ab\"")) cursor.accept(id);
  EXPECT_TRUE(cursor.finished());
  EXPECT_EQ(cursor.allowed()[0], 2u) << "nothing but the stop id";
}

TEST(ConstrainedGeneration, AmbiguityThatCostsTooMuchIsAnError) {
  std::string schema = R"({"anyOf":[)";
  for (int i = 0; i < 900; ++i) schema += cat(i > 0 ? "," : "", R"({"type":"string","maxLength":)", 1000 + i, "}");
  const auto grammar = text::compile_json_schema(schema + "]}");
  const TokenConstraint c(tiny_vocab(), grammar);
  text::ByteAutomaton state(grammar);
  TokenBits bits(tiny_vocab()->num_words());
  int64_t work = kMaxWalkSteps - 1000;
  EXPECT_THROW(c.allowed(state, bits, work), Error);
}

TEST(ConstraintCache, SharesEqualGrammars) {
  ConstraintCache cache(*tiny_model()->tokenizer());
  const auto a = cache.get(text::compile_json_schema(kPerson));
  EXPECT_EQ(cache.get(text::compile_json_schema(kPerson)), a);
  EXPECT_NE(cache.get(text::compile_json_schema(kPerson, {.strict = true})), a);
  for (int i = 0; i < 40; ++i) cache.get(text::compile_json_schema(cat(R"({"const":)", i, "}")));
  EXPECT_NE(cache.get(text::compile_json_schema(kPerson)), a);
}

}  // namespace
}  // namespace attune::lm
