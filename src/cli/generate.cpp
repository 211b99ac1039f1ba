// attune generate: continue a text.
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "core/file.h"
#include "lm/text_stream.h"
#include "lm/token_constraint.h"
#include "text/json_schema.h"

namespace attune::cli {
namespace {

struct GenerateOptions {
  ModelOptions model;
  TextInput input;
  lm::SamplerOptions sampler;
  int64_t predict = 128;
  uint64_t seed = 0;
  bool greedy = false;
  std::vector<std::string> stop;
  bool no_eos = false;
  std::string json_schema;

  GenerateOptions() { model.engine.prefix_cache_mib = 0; }  // no later prompt would use it
  void describe(OptionList& list) {
    model.describe(list);
    model.describe_lora(list);
    input.describe(list);
    list.add("predict", predict, "Tokens to generate at most.").alias("-n").range(1, 1 << 20);
    list.add("seed", seed, "Seed of the random stream.").alias("-s");
    list.add("greedy", greedy, "Take the likeliest token: temperature 0.");
    list.add("stop", stop, "Stop before this text (up to 4).");
    list.add("ignore_eos", no_eos, "Go on past the end-of-sequence token.");
    list.add("json_schema", json_schema, "File with a JSON schema that the generated text must fit.");
    sampler.describe(list);
  }
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Null without a schema. Objects take the properties that the schema names unless it says otherwise.
std::shared_ptr<const lm::TokenConstraint> load_constraint(const std::string& schema_file, const text::Tokenizer& tokenizer) {
  if (schema_file.empty()) return nullptr;
  const auto grammar =
      with_context([&] { return cat("reading ", schema_file); },
                   [&] { return text::compile_json_schema(read_file(schema_file, text::kMaxSchemaBytes), {.strict = true}); });
  return std::make_shared<const lm::TokenConstraint>(std::make_shared<const lm::VocabTrie>(tokenizer), grammar);
}

int generate(const CommandContext& context, GenerateOptions& options) {
  if (options.greedy) options.sampler.temperature = 0;
  text::check_stops(options.stop);
  const auto engine = load_engine(options.model);
  const auto& tokenizer = *engine->model().tokenizer();
  const auto constraint = load_constraint(options.json_schema, tokenizer);
  const auto prompt_ids = lm::tokenize_text(tokenizer, options.input.read());
  lm::Sequence sequence = engine->start({.sampler = options.sampler, .seed = options.seed, .stream = 0, .vocab = nullptr});
  sequence.append(prompt_ids);

  const auto start = std::chrono::steady_clock::now();
  engine->prefill(sequence);
  const double prompt_seconds = seconds_since(start);
  lm::TextStream stream(tokenizer, options.stop);
  std::string text;
  const auto show = [&](const std::string& chunk) {
    text += chunk;
    if (context.common.json) return;
    std::fwrite(chunk.data(), 1, chunk.size(), stdout);
    std::fflush(stdout);
  };
  const Interrupt interrupt;
  const auto decode_start = std::chrono::steady_clock::now();
  const auto result = engine->generate(
      std::move(sequence), options.predict, options.no_eos ? std::vector<int32_t>{} : engine->model().stop_ids(),
      [&](const lm::Event& event) {
        show(stream.add(event.token));
        return !stream.stopped();
      },
      interrupt.token(), constraint);
  const double decode_seconds = seconds_since(decode_start);
  show(stream.finish());
  const double prompt_rate = static_cast<double>(prompt_ids.size()) / std::max(prompt_seconds, 1e-9);
  const double decode_rate = static_cast<double>(result.ids.size()) / std::max(decode_seconds, 1e-9);
  if (context.common.json) {
    const nlohmann::ordered_json report = {
        {"prompt_ids", prompt_ids},
        {"ids", result.ids},
        {"text", text},
        {"finish_reason", lm::finish_name(result.finish)},
        {"kv_bytes", result.sequence.kv_bytes()},
        {"timings", {{"prompt_tokens_per_second", prompt_rate}, {"predicted_tokens_per_second", decode_rate}}}};
    context.print(report.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    context.print("");
    if (context.common.verbose) {
      context.note(cat("prompt ", prompt_ids.size(), " tokens, ", prompt_rate, " tokens/s; generated ", result.ids.size(), " tokens, ",
                       decode_rate, " tokens/s"));
    }
  }
  return 0;
}

}  // namespace

void register_generate(CommandSet& commands) {
  commands.add("generate", "Continue a text.", [](CommandSpec& spec) {
    auto& options = spec.options<GenerateOptions>();
    spec.example("attune generate -p \"The capital of France is\" -n 16 --greedy");
    spec.example("attune generate -f story.txt -n 200 --temp 0.8 --seed 7 --json");
    spec.example("attune generate -p \"A person as JSON:\" --json-schema person.json");
    return [&options](const CommandContext& context) { return generate(context, options); };
  });
}

}  // namespace attune::cli
