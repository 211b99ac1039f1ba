// attune quantize: a model file in fewer bits, and what that costs.
#include "lm/quantize.h"

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "core/number.h"
#include "lm/perplexity.h"

namespace attune::cli {
namespace {

struct QuantizeVerbOptions {
  std::string source;
  std::string target;
  lm::QuantizeOptions quantize;
  std::string perplexity;
  int64_t perplexity_tokens = 2048;

  void describe(OptionList& list) {
    list.add("source", source, "Model to read: a .gguf file, or a folder of a Hugging Face checkpoint.").positional().required();
    list.add("target", target, "The .gguf file to write.").positional().required();
    quantize.describe(list);
    list.add("perplexity", perplexity, "Text file: measure the perplexity of source and target on it.");
    list.add("perplexity_tokens", perplexity_tokens, "Tokens of the text used.").range(2, 1 << 24);
  }
};

lm::Perplexity measure(const CommandContext& context, const QuantizeVerbOptions& options, const std::string& model) {
  ModelOptions model_options;
  model_options.model = model;
  model_options.engine.threads = options.quantize.threads;
  const auto engine = load_engine(model_options);
  auto ids = lm::tokenize_text(*engine->model().tokenizer(), read_file(options.perplexity, uint64_t{64} << 20));
  ids.resize(std::min(ids.size(), static_cast<size_t>(options.perplexity_tokens)));
  return lm::measure_perplexity(*engine, ids, context.progress);
}

nlohmann::ordered_json report_json(const lm::QuantizeReport& report) {
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  std::map<std::string, int64_t> types;
  for (const auto& t : report.tensors) {
    ++types[std::string(dtype_name(t.to))];
    tensors.push_back({{"name", t.name},
                       {"shape", t.shape},
                       {"from", dtype_name(t.from)},
                       {"to", dtype_name(t.to)},
                       {"bytes", t.bytes},
                       {"relative_rms", t.relative_rms}});
  }
  return {{"bytes_before", report.bytes_before},
          {"bytes", report.bytes},
          {"bits_per_weight", report.bits_per_weight},
          {"types", types},
          {"notes", report.notes},
          {"tensors", tensors}};
}

void print_report(const CommandContext& context, const lm::QuantizeReport& report) {
  struct Row {
    int64_t count = 0;
    uint64_t bytes = 0;
    double worst = 0;
    std::string name;
  };
  std::map<DType, Row> rows;
  for (const auto& t : report.tensors) {
    Row& row = rows[t.to];
    ++row.count;
    row.bytes += t.bytes;
    if (t.relative_rms < row.worst) continue;
    row.worst = t.relative_rms;
    row.name = t.name;
  }
  for (const std::string& note : report.notes) context.note("note: " + note);
  for (const auto& [type, row] : rows) {
    const std::string worst = row.worst > 0 ? cat(", largest relative error ", fixed(row.worst, 5), " (", row.name, ")") : "";
    context.print(cat(dtype_name(type), ": ", row.count, " tensors, ", row.bytes, " bytes", worst));
  }
  context.print(cat(report.bytes_before, " bytes before, ", report.bytes, " after: ", fixed(report.bits_per_weight, 2), " bits a weight"));
}

int quantize(const CommandContext& context, const QuantizeVerbOptions& options) {
  std::optional<lm::Perplexity> before;
  if (!options.perplexity.empty()) before = measure(context, options, options.source);
  lm::QuantizeReport report;
  {
    const Interrupt interrupt;
    report = lm::quantize_model(options.source, options.target, options.quantize, context.progress, interrupt.token());
  }
  std::optional<lm::Perplexity> after;
  if (before) after = measure(context, options, options.target);
  if (context.common.json) {
    nlohmann::ordered_json json{{"target", options.target}, {"type", options.quantize.type}};
    json.update(report_json(report));
    if (after) json["perplexity"] = {{"tokens", after->tokens}, {"before", before->value()}, {"after", after->value()}};
    context.print(json.dump());
    return 0;
  }
  print_report(context, report);
  if (after) {
    context.print(cat("perplexity of ", after->tokens, " tokens: ", fixed(before->value(), 4), " before, ", fixed(after->value(), 4),
                      " after (", fixed(100 * (after->value() / before->value() - 1), 2), " percent)"));
  }
  return 0;
}

}  // namespace

void register_quantize(CommandSet& commands) {
  commands.add("quantize", "Write a model in fewer bits a weight, and measure what that costs.", [](CommandSpec& spec) {
    auto& options = spec.options<QuantizeVerbOptions>();
    spec.example("attune quantize checkpoints/gemma-3-270m models/gemma-3-270m-q4_k_m.gguf --type Q4_K_M --perplexity book.txt");
    spec.example("attune quantize models/gemma-3-1b-bf16.gguf models/gemma-3-1b-q5_k.gguf --type Q5_K --tensor 'blk.0.*=Q8_0'");
    return [&options](const CommandContext& context) { return quantize(context, options); };
  });
}

}  // namespace attune::cli
