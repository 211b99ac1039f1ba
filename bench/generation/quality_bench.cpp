// Numbers that quality.py judges: how near the fast arithmetic is to the exact one, on the real model. One line of JSON on stdout.
//
//   quality_bench --mode perplexity --text FILE --tokens 20480 --window 512 --compute fast
//   quality_bench --mode agreement --text FILE --prompts 20 --predict 50
//   quality_bench --mode audit --text FILE --prompts 16 --predict 256
//
// Windows are those of llama-perplexity: consecutive, BOS put over the first token of each, and of W positions the last W / 2 - 1 tokens
// are scored (docs/benchmarks.md, "Quality").
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/program.h"
#include "core/error.h"
#include "core/file.h"
#include "lm/engine.h"

namespace attune::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string mode = "perplexity";
  std::string model;
  std::string text;
  int64_t tokens = 20480;
  int64_t window = 512;
  int64_t prompts = 20;
  int64_t prompt_tokens = 64;
  int64_t predict = 50;
  lm::EngineOptions engine;

  void describe(OptionList& list) {
    list.add("mode", mode, "perplexity, agreement or audit (screening of the head).").choices({"perplexity", "agreement", "audit"});
    list.add("model", model, "A .gguf file.");
    list.add("text", text, "Held-out text.");
    list.add("tokens", tokens, "Tokens of the text that are read, in whole windows.").range(8, 1 << 30);
    list.add("window", window, "Positions of a window.").range(8, 1 << 20);
    list.add("prompts", prompts, "Prompts of the agreement, spread over the text.").range(1, 1 << 20);
    list.add("prompt_tokens", prompt_tokens, "Tokens of each prompt.").range(2, 1 << 20);
    list.add("predict", predict, "Greedy tokens after each prompt.").range(1, 1 << 20);
    engine.describe(list);
  }
};

/// The text's ids, BOS in front. The last window's end must exist.
std::vector<int32_t> read_ids(const lm::Model& model, const Options& options, int64_t needed) {
  check(model.tokenizer() != nullptr, ErrorCode::kFailedPrecondition, "[quality] the model has no tokenizer");
  auto ids = lm::tokenize_text(*model.tokenizer(), read_file(options.text, 1 << 26));
  check(static_cast<int64_t>(ids.size()) >= needed, ErrorCode::kInvalidArgument, "[quality] the text has ", ids.size(),
        " tokens, expected at least ", needed);
  return ids;
}

Json run_perplexity(const std::shared_ptr<const lm::Model>& model, const Options& options) {
  const int64_t windows = options.tokens / options.window;
  check(windows >= 1, ErrorCode::kInvalidArgument, "[quality] ", options.tokens, " tokens hold no window of ", options.window);
  const auto ids = read_ids(*model, options, windows * options.window);
  lm::EngineOptions engine_options = options.engine;
  engine_options.prefix_cache_mib = 0;
  lm::Engine engine(model, engine_options);
  double sum = 0, squares = 0;
  int64_t scored = 0;
  for (int64_t w = 0; w < windows; ++w) {
    std::vector<int32_t> window(ids.begin() + w * options.window, ids.begin() + (w + 1) * options.window);
    window[0] = ids[0];
    const auto context = window.begin() + options.window / 2 + 1;
    const lm::Prompt prompt(std::vector<int32_t>(window.begin(), context));
    const std::vector<int32_t> completion(context, window.end());
    const auto scores = engine.score(std::span(&prompt, 1), std::span(&completion, 1));
    for (const float logprob : scores[0].logprob) {
      sum -= logprob;
      squares += double{logprob} * logprob;
      ++scored;
    }
    std::fprintf(stderr, "\rwindow %lld of %lld, perplexity %.4f", static_cast<long long>(w + 1), static_cast<long long>(windows),
                 std::exp(sum / static_cast<double>(scored)));
  }
  std::fprintf(stderr, "\n");
  const auto n = static_cast<double>(scored);
  const double mean = sum / n;
  return {{"mode", "perplexity"},
          {"compute", options.engine.compute},
          {"windows", windows},
          {"window", options.window},
          {"scored", scored},
          {"perplexity", std::exp(mean)},
          {"nll_std_error", std::sqrt(std::max(0.0, squares / n - mean * mean) / n)},
          {"first_ids", std::vector<int32_t>(ids.begin(), ids.begin() + std::min<int64_t>(16, static_cast<int64_t>(ids.size())))}};
}

/// Prompts spread over the text, BOS in front of each.
std::vector<std::vector<int32_t>> read_prompts(const lm::Model& model, const Options& options) {
  const auto ids = read_ids(model, options, options.prompts * options.prompt_tokens);
  const int64_t stride = static_cast<int64_t>(ids.size()) / options.prompts;
  std::vector<std::vector<int32_t>> out;
  for (int64_t i = 0; i < options.prompts; ++i) {
    out.emplace_back(ids.begin() + i * stride, ids.begin() + i * stride + options.prompt_tokens);
    out.back()[0] = ids[0];
  }
  return out;
}

/// Every screened step compared with the full head: answers to the prompts, greedy and with top-k 64 in turn.
Json run_audit(const std::shared_ptr<const lm::Model>& model, const Options& options) {
  lm::EngineOptions engine_options = options.engine;
  engine_options.head_audit_every = 1;
  engine_options.speculate = 0;
  lm::Engine engine(model, engine_options);
  const auto prompts = read_prompts(*model, options);
  for (size_t i = 0; i < prompts.size(); ++i) {
    lm::SamplerOptions sampler;  // top-k 64
    if (i % 2 == 0) sampler.temperature = 0;
    lm::Sequence sequence = engine.start({.sampler = sampler, .seed = i, .stream = 0, .vocab = nullptr});
    sequence.append(prompts[i]);
    engine.generate(std::move(sequence), options.predict, {});
    std::fprintf(stderr, "\rprompt %zu of %zu", i + 1, prompts.size());
  }
  std::fprintf(stderr, "\n");
  const lm::EngineStats stats = engine.stats();
  return {{"mode", "audit"},
          {"prompts", options.prompts},
          {"audits", stats.head_audits},
          {"rows", stats.head_audits * model->config().vocab_size},
          {"misses", stats.head_misses}};
}

struct Greedy {
  std::vector<int32_t> ids;
  std::vector<double> gaps;  ///< between the two likeliest, nats
};

Greedy greedy(lm::Engine& engine, const std::vector<int32_t>& prompt, int64_t predict, bool with_gaps) {
  Greedy out;
  lm::Request request;
  request.sequence = engine.start({.sampler = {.temperature = 0}, .seed = 0, .stream = 0, .vocab = nullptr});
  request.sequence.append(prompt);
  request.max_new = predict;
  request.num_top = with_gaps ? 2 : 0;
  bool done = false;
  std::optional<Error> failure;
  request.on_token = [&](const lm::Event& event) {
    out.ids.push_back(event.token);
    if (with_gaps) out.gaps.push_back(double{event.top[0].logprob} - event.top[1].logprob);
    return true;
  };
  request.on_done = [&](lm::Sequence, lm::Finish, const Error* error) {
    if (error != nullptr) failure = *error;
    done = true;
  };
  engine.submit(std::move(request));
  while (!done) engine.step();
  if (failure) throw *failure;
  return out;
}

/// The token that an engine would choose at each step of a given answer: its own choice after the prompt and the answer's tokens before.
std::vector<int32_t> choices_along(lm::Engine& engine, const std::vector<int32_t>& prompt, const std::vector<int32_t>& answer) {
  lm::Sequence sequence = engine.start({.sampler = {.temperature = 0}, .seed = 0, .stream = 0, .vocab = nullptr});
  sequence.append(prompt);
  std::vector<int32_t> out;
  for (const int32_t token : answer) {
    engine.prefill(sequence);
    out.push_back(engine.generate(sequence.fork(0), 1, {}).ids.at(0));
    sequence.append(std::span(&token, 1));
  }
  return out;
}

/// Mean square of the difference of two engines' logits after `ids`, its mean (which no probability depends on) taken away first.
double mean_square_error(lm::Engine& a, lm::Engine& b, const std::vector<int32_t>& ids) {
  std::vector<float> logits[2];
  lm::Engine* engines[] = {&a, &b};
  for (int i = 0; i < 2; ++i) {
    lm::Sequence sequence = engines[i]->start();
    sequence.append(ids);
    logits[i] = engines[i]->logits(sequence);
  }
  double sum = 0, squares = 0;
  const auto n = static_cast<double>(logits[0].size());
  for (size_t i = 0; i < logits[0].size(); ++i) {
    const double difference = double{logits[0][i]} - logits[1][i];
    sum += difference;
    squares += difference * difference;
  }
  return squares / n - (sum / n) * (sum / n);
}

/// Greedy ids of the fast and the exact arithmetic, as far as the first near tie of the latter: a step whose gap is below 4 RMS errors. And at
/// every step of the exact answer, also behind near ties: what the fast arithmetic would choose there.
Json run_agreement(const std::shared_ptr<const lm::Model>& model, const Options& options) {
  const auto prompts = read_prompts(*model, options);
  lm::EngineOptions fast_options = options.engine, exact_options = options.engine;
  fast_options.compute = "fast";
  exact_options.compute = "f32";
  lm::Engine fast(model, fast_options), exact(model, exact_options);
  std::vector<Greedy> want, got;
  std::vector<std::vector<int32_t>> along;
  double squares = 0;
  for (int64_t i = 0; i < options.prompts; ++i) {
    std::vector<int32_t> prompt = prompts[static_cast<size_t>(i)];
    want.push_back(greedy(exact, prompt, options.predict, true));
    got.push_back(greedy(fast, prompt, options.predict, false));
    along.push_back(choices_along(fast, prompt, want.back().ids));
    // Errors at the prompt's end and at the end of the exact answer.
    squares += mean_square_error(fast, exact, prompt);
    prompt.insert(prompt.end(), want.back().ids.begin(), want.back().ids.end());
    squares += mean_square_error(fast, exact, prompt);
    std::fprintf(stderr, "\rprompt %lld of %lld", static_cast<long long>(i + 1), static_cast<long long>(options.prompts));
  }
  std::fprintf(stderr, "\n");
  const double rms = std::sqrt(squares / static_cast<double>(2 * options.prompts));
  int64_t tokens = 0, compared = 0, equal = 0, early = 0, near_ties = 0, same_choice = 0, other_choice = 0;
  Json parted = Json::array();
  for (int64_t i = 0; i < options.prompts; ++i) {
    const Greedy& w = want[static_cast<size_t>(i)];
    const Greedy& g = got[static_cast<size_t>(i)];
    const auto tie = std::find_if(w.gaps.begin(), w.gaps.end(), [&](double gap) { return gap < 4 * rms; }) - w.gaps.begin();
    const auto part = std::mismatch(w.ids.begin(), w.ids.end(), g.ids.begin(), g.ids.end()).first - w.ids.begin();
    tokens += static_cast<int64_t>(w.ids.size());
    compared += tie;
    equal += part;
    near_ties += std::count_if(w.gaps.begin(), w.gaps.end(), [&](double gap) { return gap < 4 * rms; });
    for (size_t step = 0; step < w.ids.size(); ++step) {
      const bool same = along[static_cast<size_t>(i)][step] == w.ids[step];
      same_choice += same;
      other_choice += !same && w.gaps[step] >= 4 * rms;
    }
    if (part == static_cast<int64_t>(w.ids.size()) && g.ids.size() == w.ids.size()) continue;
    const double gap = part < static_cast<int64_t>(w.gaps.size()) ? w.gaps[static_cast<size_t>(part)] : NAN;
    if (part < tie) ++early;
    parted.push_back({{"prompt", i}, {"step", part}, {"gap", gap}, {"first_near_tie", tie}});
  }
  return {{"mode", "agreement"},
          {"prompts", options.prompts},
          {"tokens", tokens},
          {"rms_logit_error", rms},
          {"near_tie_below", 4 * rms},
          {"near_ties", near_ties},
          {"tokens_before_first_near_tie", compared},
          {"equal_tokens", equal},
          {"parted_before_near_tie", early},
          {"same_choice", same_choice},
          {"other_choice_without_near_tie", other_choice},
          {"parted", parted}};
}

int run(int argc, char** argv) {
  Options options;
  OptionList list;
  options.describe(list);
  parse_options(list, argc, argv);
  check(!options.model.empty() && !options.text.empty(), ErrorCode::kInvalidArgument, "[quality] --model and --text are needed");
  const auto model = lm::Model::load(options.model);
  const auto measure = options.mode == "perplexity" ? run_perplexity : options.mode == "audit" ? run_audit : run_agreement;
  std::cout << measure(model, options).dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace attune::bench

int main(int argc, char** argv) { return attune::bench::run_program("quality_bench", attune::bench::run, argc, argv); }
