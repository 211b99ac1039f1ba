// /v1/embeddings: pooled hidden states of texts or token ids (docs/http_api.md, "Embeddings").
#include <openssl/evp.h>

#include <bit>

#include "core/number.h"
#include "serve/api_error.h"
#include "serve/inputs.h"
#include "serve/route.h"

namespace attune::serve {
namespace {

constexpr int64_t kMaxInputs = 2048;

struct EmbeddingFields {
  std::string model;
  std::string encoding_format = "float";
  std::string pooling = "mean";
  bool normalize = true;
  int64_t dimensions = 0;
  std::string user;

  void describe(OptionList& list) {
    list.add("model", model, "Name of the served model.");
    list.add("encoding_format", encoding_format, "Numbers, or base64 of little-endian F32.").choices({"float", "base64"});
    list.add("pooling", pooling, "Mean of the final hidden states, or the last one.").choices({"mean", "last"});
    list.add("normalize", normalize, "Vectors of length 1.");
    list.add("dimensions", dimensions, "Width of the vectors; only the model's own.").range(1, 1 << 20);
    list.add("user", user, "The caller's name for its user; not used.");
  }
};

/// RFC 4648 with padding, of the floats' little-endian bytes.
std::string base64(const std::vector<float>& values) {
  static_assert(std::endian::native == std::endian::little);
  const size_t bytes = values.size() * sizeof(float);
  std::string out((bytes + 2) / 3 * 4, '\0');  // EVP_EncodeBlock ends with a zero, where a string has one anyway
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(values.data()),
                  static_cast<int>(bytes));
  return out;
}

/// Ids of every input, checked against vocabulary and context.
std::vector<std::vector<int32_t>> prompts_of(const TextEngine& engine, Inputs inputs) {
  const EngineInfo& info = engine.info();
  std::vector<std::vector<int32_t>> out = std::move(inputs.ids);
  for (const auto& text : inputs.texts) {
    if (text.empty()) throw ApiError(400, "'input' holds an empty text", "input", "invalid_value");
    out.push_back(engine.tokenize(text));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    const std::vector<int32_t>& ids = out[i];
    if (ids.empty()) throw ApiError(400, "'input' holds an empty list of ids", "input", "invalid_value");
    for (const int32_t id : ids) {
      if (id < info.vocab_size) continue;
      throw ApiError(400, cat("'input' holds the id ", id, ", expected 0 to ", info.vocab_size - 1), "input", "invalid_value");
    }
    if (static_cast<int64_t>(ids.size()) > info.context_length) {
      throw ApiError(400, cat("input ", i, " has ", ids.size(), " tokens, the model's context holds ", info.context_length), "input",
                     "context_length_exceeded");
    }
  }
  return out;
}

OrderedJson answer_of(const std::string& model, const std::vector<std::vector<float>>& vectors, bool as_base64, int64_t tokens) {
  OrderedJson data = OrderedJson::array();
  for (size_t i = 0; i < vectors.size(); ++i) {
    OrderedJson embedding;
    if (as_base64) {
      embedding = base64(vectors[i]);
    } else {
      embedding = OrderedJson::array();
      for (const float value : vectors[i]) embedding.push_back(shortest_double(value));
    }
    data.push_back({{"object", "embedding"}, {"index", i}, {"embedding", std::move(embedding)}});
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model},
          {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
}

}  // namespace

void handle_embeddings(Call& call) {
  TextEngine& engine = *call.app->engine;
  const Json body = parse_json_object(call.request.body);
  EmbeddingFields fields;
  OptionList list;
  fields.describe(list);
  read_fields(body, list);
  const ModelChoice model = choose_model(fields.model, engine.info());
  if (fields.dimensions > 0 && fields.dimensions != engine.info().hidden_size) {
    throw ApiError(400, cat("'dimensions' is ", fields.dimensions, ", this model's vectors have ", engine.info().hidden_size), "dimensions",
                   "invalid_value");
  }
  EmbedCall work;
  work.prompts = prompts_of(engine, read_inputs(body, "input", kMaxInputs, call.api.options().limits.max_prompt_bytes));
  work.pooling = fields.pooling == "last" ? lm::Pooling::kLast : lm::Pooling::kMean;
  work.normalise = fields.normalize;
  work.weights = model.weights;
  work.stop = call.request.stop;
  int64_t tokens = 0;
  for (const auto& ids : work.prompts) tokens += static_cast<int64_t>(ids.size());
  const Gate::Pass pass = call.api.gate().enter(static_cast<int>(work.prompts.size()), call.request.stop);
  const auto vectors = engine.embed(work);
  call.api.metrics().add_prompt_tokens(tokens);
  call.send_json(200, dump_json(answer_of(model.id, vectors, fields.encoding_format == "base64", tokens)));
}

}  // namespace attune::serve
