// Health, metrics, models, tokens.
#include "serve/api_error.h"
#include "serve/completion_format.h"
#include "serve/json.h"
#include "serve/route.h"
#include "text/utf8.h"

namespace attune::serve {
namespace {

constexpr size_t kMaxTokens = 1 << 20;

OrderedJson model_json(const EngineInfo& info, const std::string& id) {
  return {{"id", id},
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

std::vector<ModelChoice> served_models(const EngineInfo& info) {
  std::vector<ModelChoice> out{{info.model, lm::kCurrentWeights}};
  for (const AdapterInfo& adapter : info.adapters) out.push_back({cat(info.model, ":", adapter.name), adapter.weights});
  return out;
}

ModelChoice choose_model(const std::string& asked, const EngineInfo& info) {
  const size_t colon = asked.rfind(':');
  for (const AdapterInfo& adapter : info.adapters) {
    const bool alone = asked == adapter.name;
    const bool behind = colon != std::string::npos && asked.substr(colon + 1) == adapter.name;
    if (!alone && !behind) continue;
    if (behind) (void)choose_model(asked.substr(0, colon), {.model = info.model});
    return {cat(info.model, ":", adapter.name), adapter.weights};
  }
  const bool known = asked.empty() || asked == "default" || asked == "attune" || info.model.starts_with(asked);
  if (known) return {info.model, lm::kCurrentWeights};
  std::string names;
  for (const ModelChoice& served : served_models(info)) names += (names.empty() ? "" : ", ") + served.id;
  throw ApiError(404, cat("model '", asked.substr(0, 64), "' is not served, known is: ", names), "model", "model_not_found");
}

void handle_models(Call& call) {
  const EngineInfo& info = call.app->engine->info();
  OrderedJson data = OrderedJson::array();
  for (const ModelChoice& served : served_models(info)) data.push_back(model_json(info, served.id));
  call.send_json(200, dump_json({{"object", "list"}, {"data", std::move(data)}}));
}

void handle_model(Call& call) {
  const EngineInfo& info = call.app->engine->info();
  for (const ModelChoice& served : served_models(info)) {
    if (call.params[0] == served.id) return call.send_json(200, dump_json(model_json(info, served.id)));
  }
  throw ApiError(404, cat("model '", call.params[0].substr(0, 64), "' is not served, known is: ", info.model), "model", "model_not_found");
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
