// The measured pieces of work, as llama-bench and llama-batched-bench do them: in one process, the model loaded and warm, sampling included.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lm/engine.h"

namespace attune::bench {

struct Workload {
  int32_t sequences = 1;  ///< decoding at once, forks of one prompt
  int64_t prompt = 16;  ///< tokens of the prompt
  int64_t predict = 128;  ///< tokens a sequence
  lm::SamplerOptions sampler;
  uint64_t seed = 1;
};

struct Timing {
  double seconds = 0;
  int64_t tokens = 0;  ///< generated, or for a prefill computed
  int64_t steps = 0;
  int64_t rows = 0;
  std::vector<double> step_seconds;  ///< [steps]
};

/// The first `count` ids of a text, BOS in front. Throws kInvalidArgument if the text is shorter.
std::vector<int32_t> first_tokens(const lm::Model& model, const std::string& text, int64_t count);

/// Generation of `predict` tokens by each sequence after a prompt that was computed before the clock starts. No token ends a sequence.
/// The first step computes the prompt's last position, so there are `predict` steps of `sequences` rows.
Timing decode(lm::Engine& engine, const std::vector<int32_t>& prompt, const Workload& work);

/// All positions of the prompt and the logits after the last one, chosen greedily.
Timing prefill(lm::Engine& engine, const std::vector<int32_t>& prompt);

/// Decoding by `sequences` forks of the first 16 ids beside a prompt of `prompt` ids (those given, repeated as needed): the steps, with their
/// times, from the prompt's first position to its last. The decoding sequences go on until the prompt is computed.
Timing beside(lm::Engine& engine, const std::vector<int32_t>& ids, const Workload& work);

/// `repeats` passes of `rows` positions through the layers without the head, behind a prompt: what a step of `rows` sequences does there.
Timing layers_only(lm::Engine& engine, const std::vector<int32_t>& prompt, int64_t rows, int repeats);

}  // namespace attune::bench
