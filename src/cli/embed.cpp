// attune embed: vectors of texts.
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "io/npy/npy.h"

namespace attune::cli {
namespace {

struct EmbedOptions {
  ModelOptions model;
  TextInput input;
  std::string pooling = "mean";
  bool raw = false;
  std::string output;

  EmbedOptions() { model.engine.prefix_cache_mib = 0; }  // hidden states are computed anew
  void describe(OptionList& list) {
    model.describe(list);
    model.describe_lora(list);
    input.describe(list);
    list.add("pooling", pooling, "Mean of the final hidden states over all tokens, or the last one.").choices({"mean", "last"});
    list.add("raw", raw, "Do not scale the vectors to length 1.");
    list.add("output", output, "Write one float32 array [texts, width] to this .npy file instead of JSON lines.").alias("-o");
  }
};

/// One text a line; empty lines are left out.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) out.push_back(std::move(line));
    begin = end + 1;
  }
  return out;
}

int embed(const CommandContext& context, const EmbedOptions& options) {
  const auto texts = lines_of(options.input.read());
  check(!texts.empty(), ErrorCode::kInvalidArgument, "[embed] the input has no text, expected one a line");
  const auto engine = load_engine(options.model);
  const lm::Pooling pooling = options.pooling == "last" ? lm::Pooling::kLast : lm::Pooling::kMean;
  const Interrupt interrupt;
  std::vector<float> all;
  constexpr size_t kBatch = 256;  // texts in the queue at once
  for (size_t first = 0; first < texts.size(); first += kBatch) {
    std::vector<lm::Prompt> prompts;
    for (size_t i = first; i < std::min(texts.size(), first + kBatch); ++i) {
      prompts.emplace_back(lm::tokenize_text(*engine->model().tokenizer(), texts[i]));
    }
    const auto vectors = engine->embed(prompts, pooling, !options.raw, interrupt.token());
    for (size_t i = 0; i < vectors.size(); ++i) {
      if (!options.output.empty()) {
        all.insert(all.end(), vectors[i].begin(), vectors[i].end());
      } else {
        context.print(nlohmann::ordered_json{{"index", first + i}, {"tokens", prompts[i].length()}, {"embedding", vectors[i]}}.dump());
      }
    }
    context.progress.update("texts", static_cast<int64_t>(first + vectors.size()), static_cast<int64_t>(texts.size()));
  }
  if (!options.output.empty()) {
    io::write_npy(options.output, all, {static_cast<int64_t>(texts.size()), engine->model().config().hidden_size});
  }
  return 0;
}

}  // namespace

void register_embed(CommandSet& commands) {
  commands.add("embed", "Vectors of texts, one text a line.", [](CommandSpec& spec) {
    auto& options = spec.options<EmbedOptions>();
    spec.example("attune embed -f titles.txt -o titles.npy");
    return [&options](const CommandContext& context) { return embed(context, options); };
  });
}

}  // namespace attune::cli
