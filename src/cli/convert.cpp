// attune convert: Hugging Face checkpoints to GGUF and back.
#include "lm/convert.h"

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "core/error.h"

namespace attune::cli {
namespace {

struct ConvertVerbOptions {
  std::string source;
  std::string target;
  lm::ConvertOptions convert;

  void describe(OptionList& list) {
    list.add("source", source, "Model to read: a .gguf file, or a folder of a Hugging Face checkpoint (safetensors).")
        .positional()
        .required();
    list.add("target", target, "Model to write: a name ending in .gguf is a file, any other a new folder.").positional().required();
    convert.describe(list);
  }
};

int convert(const CommandContext& context, const ConvertVerbOptions& options) {
  const Interrupt interrupt;
  const auto report = lm::convert_model(options.source, options.target, options.convert, context.progress, interrupt.token());
  if (context.common.json) {
    context.print(nlohmann::ordered_json{{"target", options.target},
                                         {"tensors", report.num_tensors},
                                         {"bytes", report.bytes},
                                         {"types", report.types},
                                         {"notes", report.notes}}
                      .dump());
    return 0;
  }
  for (const std::string& note : report.notes) context.note("note: " + note);
  std::string types;
  for (const auto& [type, count] : report.types) types += cat(types.empty() ? "" : ", ", count, " ", type);
  context.print(cat(options.target, ": ", report.num_tensors, " tensors (", types, "), ", report.bytes, " bytes"));
  return 0;
}

}  // namespace

void register_convert(CommandSet& commands) {
  commands.add("convert", "Convert a model between Hugging Face folders and GGUF files.", [](CommandSpec& spec) {
    auto& options = spec.options<ConvertVerbOptions>();
    spec.example("attune convert checkpoints/gemma-3-270m models/gemma-3-270m-bf16.gguf");
    spec.example("attune convert models/gemma-3-270m-q4_k_m.gguf checkpoints/from-gguf --dtype bf16");
    return [&options](const CommandContext& context) { return convert(context, options); };
  });
}

}  // namespace attune::cli
