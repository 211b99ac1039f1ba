// How well a model predicts a text.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>

#include "core/progress.h"
#include "lm/engine.h"

namespace attune::lm {

struct Perplexity {
  int64_t tokens = 0;  ///< scored: all but the first
  double nll = 0;      ///< mean of -ln p
  double value() const noexcept;
};

/// Scores ids[1..] behind ids[0] (BOS) in one pass; at most the context length of them. In pieces, so that progress shows; that changes no
/// bit. Throws kInvalidArgument for less than two ids, kCancelled.
Perplexity measure_perplexity(Engine& engine, std::span<const int32_t> ids, ProgressSink& progress, std::stop_token stop = {});

}  // namespace attune::lm
