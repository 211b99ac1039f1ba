// /v1/chat/completions and /v1/completions.
#include <random>

#include "serve/api_error.h"
#include "serve/completion_format.h"
#include "serve/completion_request.h"
#include "serve/generation.h"
#include "serve/route.h"

namespace attune::serve {
namespace {

std::vector<int32_t> checked_ids(std::vector<int32_t> ids, const EngineInfo& info) {
  for (const int32_t id : ids) {
    if (id >= info.vocab_size)
      throw ApiError(400, cat("'prompt' holds the id ", id, ", expected 0 to ", info.vocab_size - 1), "prompt", "invalid_value");
  }
  return ids;
}

/// Engine errors about the messages carry their index; say which field they are about.
std::vector<int32_t> render(const TextEngine& engine, const CompletionRequest& request) {
  try {
    return engine.render_chat(request.messages);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    throw ApiError(400, error.message(), "messages", "invalid_messages");
  }
}

GenerationOptions make_options(const TextEngine& engine, CompletionRequest& request, const RequestLimits& limits) {
  const EngineInfo& info = engine.info();
  GenerationOptions out;
  if (request.is_chat) {
    out.prompts.push_back(render(engine, request));
    out.text.format_stops = engine.chat_stops();
    out.text.trim = !info.instruction_tuned;
  }
  for (const auto& text : request.text_prompts) out.prompts.push_back(engine.tokenize(text));
  for (auto& ids : request.id_prompts) {
    if (ids.empty()) throw ApiError(400, "'prompt' holds an empty list of ids", "prompt", "invalid_value");
    out.prompts.push_back(checked_ids(std::move(ids), info));
  }
  for (const auto& [id, bias] : request.fields.sampler.logit_bias) {
    if (id >= info.vocab_size) {
      throw ApiError(400, cat("'logit_bias' has the token id ", id, ", expected 0 to ", info.vocab_size - 1), "logit_bias",
                     "invalid_value");
    }
  }
  const int64_t asked = request.max_new(limits);
  if (asked > info.context_length && (request.fields.max_tokens > 0 || request.fields.max_completion_tokens > 0)) {
    throw ApiError(400, cat("'max_tokens' must be 1 to ", info.context_length, ", the context length, found ", asked), "max_tokens",
                   "invalid_value");
  }
  out.sampler = request.fields.sampler;
  out.seed = request.has_seed ? request.seed : (static_cast<uint64_t>(std::random_device{}()) << 32 | std::random_device{}());
  out.num_choices = request.fields.n;
  out.max_new = asked;
  out.keep_tokens = request.logprobs;
  out.num_top = request.num_top;
  out.grammar = std::move(request.grammar);
  out.text.stops = std::move(request.stops);
  return out;
}

AnswerHead make_head(const CompletionRequest& request, const EngineInfo& info, const ModelChoice& model) {
  AnswerHead head;
  head.is_chat = request.is_chat;
  head.logprobs = request.logprobs;
  head.include_usage = request.include_usage;
  head.id = new_answer_id(request.is_chat);
  head.model = model.id;
  head.created = unix_seconds();
  head.transcript = !info.instruction_tuned;
  return head;
}

void answer_whole(Call& call, Generation& generation, const AnswerHead& head) {
  std::vector<WholeChoice> choices(static_cast<size_t>(generation.num_choices()));
  while (auto event = generation.next()) {
    WholeChoice& choice = choices[static_cast<size_t>(event->choice)];
    choice.text += event->piece.text;
    std::move(event->piece.tokens.begin(), event->piece.tokens.end(), std::back_inserter(choice.tokens));
    if (event->done) choice.finish = event->finish;
  }
  call.send_json(200, dump_json(whole_answer(head, choices, generation.usage())));
}

/// Events of one choice go out in order; the stream begins with the first event, so that an engine that refuses still gives a real status.
void answer_stream(Call& call, Generation& generation, const AnswerHead& head) {
  std::vector<size_t> offsets(static_cast<size_t>(generation.num_choices()), 0);
  bool begun = false;
  while (auto event = generation.next()) {
    if (!begun) {
      begun = true;
      if (!call.start_events()) return;
      for (int i = 0; head.is_chat && i < generation.num_choices(); ++i) {
        if (!call.event(dump_json(role_chunk(head, i)))) return;
      }
    }
    const ChoicePiece& piece = event->piece;
    if ((!piece.text.empty() || !piece.tokens.empty()) &&
        !call.event(dump_json(piece_chunk(head, event->choice, piece, offsets[static_cast<size_t>(event->choice)])))) {
      return;
    }
    if (event->done && !call.event(dump_json(finish_chunk(head, event->choice, event->finish)))) return;
  }
  if (head.include_usage && !call.event(dump_json(usage_chunk(head, generation.usage())))) return;
  call.event("[DONE]");
}

void complete(Call& call, CompletionRequest request) {
  TextEngine& engine = *call.app->engine;
  const ModelChoice model = choose_model(request.fields.model, engine.info());
  const AnswerHead head = make_head(request, engine.info(), model);
  const bool stream = request.fields.stream;
  GenerationOptions options = make_options(engine, request, call.api.options().limits);
  options.weights = model.weights;
  Generation generation(engine, call.api.gate(), call.api.metrics(), std::move(options), call.request.stop);
  stream ? answer_stream(call, generation, head) : answer_whole(call, generation, head);
}

}  // namespace

void handle_chat_completions(Call& call) { complete(call, parse_chat_request(call.request.body, call.api.options().limits)); }
void handle_completions(Call& call) { complete(call, parse_completion_request(call.request.body, call.api.options().limits)); }

}  // namespace attune::serve
