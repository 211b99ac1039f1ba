// Health, metrics, models, tokens.
#include "serve/api_error.h"
#include "serve/completion_format.h"
#include "serve/json.h"
#include "serve/route.h"
#include "text/utf8.h"

namespace attune::serve {
namespace {

constexpr size_t kMaxTokens = 1 << 20;

OrderedJson model_json(const EngineInfo& info) {
  return {{"id", info.model},
          {"object", "model"},
          {"created", info.created},
          {"owned_by", "attune"},
          {"attune",
           {{"instruction_tuned", info.instruction_tuned},
            {"mode", info.instruction_tuned ? "chat" : "transcript"},
            {"context_length", info.context_length},
            {"vocab_size", info.vocab_size},
            {"num_parameters", info.num_parameters}}}};
}

}  // namespace

Gauges Api::gauges() const {
  Gauges out;
  out.running = gate_.running();
  out.queued = gate_.waiting();
  if (const auto served = app()) {
    out.ready = true;
    out.engine = served->engine->stats();
    add_people_gauges(*served, out);
  }
  std::function<net::ServerStats()> stats;
  {
    std::lock_guard lock(mutex_);
    stats = net_stats_;
  }
  if (stats) out.net = stats();
  return out;
}

void handle_health(Call& call) {
  const bool ready = call.api.ready();
  net::Response response{ready ? 200 : 503,
                         {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
                         ready ? R"({"status":"ok"})" : R"({"status":"loading"})"};
  if (!ready) response.headers.add("Retry-After", "1");
  call.send(response);
}

void handle_metrics(Call& call) {
  call.send({200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, call.api.metrics().text(call.api.gauges())});
}

void handle_models(Call& call) {
  const OrderedJson body = {{"object", "list"}, {"data", OrderedJson::array({model_json(call.app->engine->info())})}};
  call.send_json(200, dump_json(body));
}

void handle_model(Call& call) {
  const EngineInfo& info = call.app->engine->info();
  if (call.params[0] != info.model) {
    throw ApiError(404, cat("model '", call.params[0].substr(0, 64), "' is not served, known is: ", info.model), "model",
                   "model_not_found");
  }
  call.send_json(200, dump_json(model_json(info)));
}

void handle_tokenize(Call& call) {
  const Json body = parse_json_object(call.request.body);
  const Json* content = find_member(body, "content");
  if (content == nullptr || !content->is_string()) throw ApiError(400, "'content' must be a string", "content", "invalid_type");
  const OrderedJson answer = {{"tokens", call.app->engine->tokenize(content->get_ref<const std::string&>())}};
  call.send_json(200, dump_json(answer));
}

void handle_detokenize(Call& call) {
  const Json body = parse_json_object(call.request.body);
  const Json* tokens = find_member(body, "tokens");
  if (tokens == nullptr || !tokens->is_array() || tokens->size() > kMaxTokens) {
    throw ApiError(400, "'tokens' must be a list of token ids", "tokens", "invalid_type");
  }
  std::string text;
  for (const Json& token : *tokens) {
    const bool fits = token.is_number_unsigned() && token.get<uint64_t>() < static_cast<uint64_t>(call.app->engine->info().vocab_size);
    if (!fits) throw ApiError(400, cat("'tokens' holds ", token.dump().substr(0, 32), ", expected token ids"), "tokens", "invalid_value");
    text += call.app->engine->piece(token.get<int32_t>());
  }
  const OrderedJson answer = {{"content", text::sanitize_utf8(text)}};
  call.send_json(200, dump_json(answer));
}

}  // namespace attune::serve
