#include "lm/perplexity.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune::lm {

double Perplexity::value() const noexcept { return std::exp(nll); }

Perplexity measure_perplexity(Engine& engine, std::span<const int32_t> ids, ProgressSink& progress, std::stop_token stop) {
  check(ids.size() >= 2, ErrorCode::kInvalidArgument, "[perplexity] the text has ", ids.size(), " tokens with BOS, expected at least 2");
  ids = ids.first(std::min<size_t>(ids.size(), static_cast<size_t>(engine.model().config().context_length)));
  Sequence sequence = engine.start();
  sequence.append(ids.first(1));
  Perplexity out;
  double sum = 0;
  const auto total = static_cast<int64_t>(ids.size()) - 1;
  while (out.tokens < total) {
    const int64_t count = std::min<int64_t>(1024, total - out.tokens);
    const auto piece = ids.subspan(static_cast<size_t>(out.tokens + 1), static_cast<size_t>(count));
    sum += engine.score(sequence, piece, stop).sum();
    sequence.append(piece);
    engine.prefill(sequence);
    out.tokens += count;
    progress.update("tokens", out.tokens, total);
  }
  out.nll = -sum / static_cast<double>(total);
  return out;
}

}  // namespace attune::lm
