#include <algorithm>
#include <limits>

#include "core/rng.h"
#include "lm/forward.h"
#include "lm/head.h"
#include "lm/prompt.h"
#include "lm/publish_internal.h"

namespace attune::lm {
namespace {

constexpr size_t kProbeLength = 24;  // positions a prompt at most
constexpr int64_t kLogitRows = 16;   // rows of logits held at once
constexpr const char* kTexts[] = {
    "The ship left the harbour early in the morning, and by noon the coast was only a thin grey line behind it.",
    "A film that begins as a comedy and ends as a tragedy: two friends open a restaurant, and one of them lies about the money.",
    "To compute the variance, subtract the mean from every value, square the differences, and average the squares.",
    "\"I would rather watch something slow tonight,\" she said, \"with rain in it, and people who mean what they say.\"",
};

std::vector<std::vector<int32_t>> probe_prompts(const Model& model) {
  std::vector<std::vector<int32_t>> out;
  Rng rng(1, "publish.probe");
  for (const char* text : kTexts) {
    std::vector<int32_t> ids;
    if (model.tokenizer() != nullptr) {
      ids = tokenize_text(*model.tokenizer(), text);
    } else {
      const auto vocab = static_cast<uint64_t>(model.config().vocab_size);
      while (ids.size() < kProbeLength) ids.push_back(static_cast<int32_t>(rng.below(vocab)));
    }
    ids.resize(std::min({ids.size(), kProbeLength, static_cast<size_t>(model.config().context_length)}));
    out.push_back(std::move(ids));
  }
  return out;
}

}  // namespace

std::vector<double> probe_logprobs(const Model& model, const Weights& weights, const Adapter* adapter, bool fast, kernels::KvType kv_type,
                                   ThreadPool& pool) {
  const ModelConfig& config = model.config();
  const auto prompts = probe_prompts(model);
  const auto kv = std::make_shared<KvPool>(config, kv_type, 0, std::numeric_limits<int64_t>::max() / 4);
  Forward forward(config, fast, pool);
  Head head(fast, pool);
  std::vector<KvCache> caches(prompts.size(), KvCache(kv));
  std::vector<Chunk> chunks;
  std::vector<int32_t> next;  // the token that follows each row
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto rows = static_cast<int64_t>(prompts[i].size()) - 1;
    if (rows < 1) continue;
    caches[i].begin(rows);
    Chunk& chunk = chunks.emplace_back();
    chunk.cache = &caches[i];
    chunk.adapter = adapter;
    chunk.num_rows = rows;
    chunk.ids = std::span(prompts[i]).first(static_cast<size_t>(rows));
    next.insert(next.end(), prompts[i].begin() + 1, prompts[i].end());
  }
  const auto hidden = forward.run(weights, chunks);
  const auto d = static_cast<size_t>(config.hidden_size), v = static_cast<size_t>(config.vocab_size);
  std::vector<float> logits(static_cast<size_t>(kLogitRows) * v);
  std::vector<double> out(next.size());
  for (size_t first = 0; first < next.size(); first += kLogitRows) {
    const size_t count = std::min(static_cast<size_t>(kLogitRows), next.size() - first);
    head.logits(weights, hidden.subspan(first * d, count * d), static_cast<int64_t>(count), logits.data());
    pool.run(static_cast<int>(count), [&](int i) {
      const auto row = static_cast<size_t>(i);
      out[first + row] = log_probability(std::span<const float>(logits).subspan(row * v, v), next[first + row], nullptr);
    });
  }
  return out;
}

}  // namespace attune::lm
