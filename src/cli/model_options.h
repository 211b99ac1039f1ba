// Options that every verb working with the language model shares, and how it is loaded.
#pragma once

#include <memory>
#include <string>

#include "core/options.h"
#include "core/progress.h"
#include "lm/engine.h"

namespace attune::cli {

/// models/gemma-3-270m-q4_k_m.gguf of the checkout.
std::string default_model_path();

struct ModelOptions {
  std::string model = default_model_path();
  std::string lora;
  lm::EngineOptions engine;

  void describe(OptionList& list);
  /// Of verbs that run the model alone: load_engine applies it.
  void describe_lora(OptionList& list);
};

/// Loads the model; a missing default model says how to get it.
std::shared_ptr<const lm::Model> load_model(const ModelOptions& options);
/// The same with an engine on top, whose current weights are with the adapter if one is named. Throws kFailedPrecondition if the model has no tokenizer.
std::unique_ptr<lm::Engine> load_engine(const ModelOptions& options);

/// A prompt given by -p, or read from a file by -f ("-" is standard input). Exactly one of the two.
struct TextInput {
  std::string prompt;
  std::string file;

  void describe(OptionList& list);
  std::string read() const;
};

}  // namespace attune::cli
