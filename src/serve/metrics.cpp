#include "serve/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace attune::serve {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries kLatencySeconds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
const Histogram::BucketBoundaries kTokenSeconds = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  Family<Counter>& requests =
      prometheus::BuildCounter().Name("attune_requests_total").Help("Requests by route and status.").Register(registry);
  Family<Histogram>& request_seconds =
      prometheus::BuildHistogram().Name("attune_request_seconds").Help("Time from request to the end of the answer.").Register(registry);
  Counter& prompt_tokens = counter("attune_prompt_tokens_total", "Tokens of prompts, cached ones included.");
  Counter& cached_tokens = counter("attune_cached_prompt_tokens_total", "Tokens of prompts that were cached already.");
  Counter& generated_tokens = counter("attune_generated_tokens_total", "Tokens generated.");
  Counter& cancelled = counter("attune_cancelled_total", "Generations ended because the client left or the server stopped.");
  Histogram& first_token = prometheus::BuildHistogram()
                               .Name("attune_time_to_first_token_seconds")
                               .Help("Time from request to first token.")
                               .Register(registry)
                               .Add({}, kLatencySeconds);
  Histogram& token_gap = prometheus::BuildHistogram()
                             .Name("attune_time_per_token_seconds")
                             .Help("Time between two tokens of one answer.")
                             .Register(registry)
                             .Add({}, kTokenSeconds);
  Family<Counter>& feedback =
      prometheus::BuildCounter().Name("attune_feedback_events_total").Help("Feedback events stored.").Register(registry);
  Gauge& ready = gauge("attune_ready", "1 once model and recommender are loaded.");
  Gauge& running = gauge("attune_requests_running", "Generations running.");
  Gauge& queued = gauge("attune_requests_queued", "Requests waiting for a place.");
  Gauge& kv_bytes = gauge("attune_kv_bytes", "Bytes of keys and values held.");
  Gauge& kv_bytes_max = gauge("attune_kv_bytes_max", "Cap of keys and values in bytes.");
  Gauge& prefix_bytes = gauge("attune_prefix_cache_bytes", "Bytes of keys and values kept for later prompts.");
  Gauge& prefix_bytes_max = gauge("attune_prefix_cache_bytes_max", "Cap of them.");
  Gauge& prefix_lookups = gauge("attune_prefix_cache_lookups", "Prompts looked up since the start.");
  Gauge& prefix_hits = gauge("attune_prefix_cache_hits", "Prompts of which a beginning was found since the start.");
  Gauge& prefix_hit_tokens = gauge("attune_prefix_cache_hit_tokens", "Positions found computed since the start.");
  Gauge& prefix_evictions = gauge("attune_prefix_cache_evictions", "Pages of 32 positions given up since the start.");
  Gauge& guessed = gauge("attune_guessed_tokens", "Tokens computed ahead by speculation since the start.");
  Gauge& guessed_right = gauge("attune_guessed_tokens_right", "Of them, those that were kept.");
  Gauge& head_audits = gauge("attune_head_audits", "Screened steps compared with the full output head since the start.");
  Gauge& head_misses = gauge("attune_head_misses", "Of them, those that gave other tokens or values.");
  Gauge& weight_sets = gauge("attune_weight_sets", "Sets of weights and adapters held beside the model's own.");
  Gauge& weight_bytes = gauge("attune_weight_bytes", "Bytes of them.");
  Gauge& weight_bytes_max = gauge("attune_weight_bytes_max", "Cap of them.");
  Gauge& preempted = gauge("attune_preempted", "Times that a request gave up its keys and values for older ones since the start.");
  Gauge& engine_steps = gauge("attune_engine_steps", "Batches computed since the start.");
  Gauge& engine_busy = gauge("attune_engine_busy_seconds", "Time spent computing since the start.");
  Gauge& connections = gauge("attune_connections", "Open connections.");
  Gauge& rejected = gauge("attune_connections_rejected", "Connections refused at a limit since the start.");
  Gauge& malformed = gauge("attune_requests_malformed", "Requests that were no valid HTTP since the start.");
  Family<Gauge>& because =
      prometheus::BuildGauge().Name("attune_because").Help("Reasons written since the start, by source.").Register(registry);

  Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
  }
  Gauge& gauge(const char* name, const char* help) { return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({}); }
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

void Metrics::request_done(std::string_view route, int status, double seconds) {
  state_->requests.Add({{"route", std::string(route)}, {"status", std::to_string(status)}}).Increment();
  state_->request_seconds.Add({{"route", std::string(route)}}, kLatencySeconds).Observe(seconds);
}
void Metrics::add_prompt_tokens(int64_t count) { state_->prompt_tokens.Increment(static_cast<double>(count)); }
void Metrics::add_cached_tokens(int64_t count) { state_->cached_tokens.Increment(static_cast<double>(count)); }
void Metrics::add_generated_tokens(int64_t count) { state_->generated_tokens.Increment(static_cast<double>(count)); }
void Metrics::first_token(double seconds) { state_->first_token.Observe(seconds); }
void Metrics::token_gap(double seconds) { state_->token_gap.Observe(seconds); }
void Metrics::cancelled() { state_->cancelled.Increment(); }
void Metrics::feedback(std::string_view kind) { state_->feedback.Add({{"kind", std::string(kind)}}).Increment(); }

std::string Metrics::text(const Gauges& gauges) {
  State& s = *state_;
  s.ready.Set(gauges.ready ? 1 : 0);
  s.running.Set(static_cast<double>(gauges.running));
  s.queued.Set(static_cast<double>(gauges.queued));
  s.kv_bytes.Set(static_cast<double>(gauges.engine.kv_bytes));
  s.kv_bytes_max.Set(static_cast<double>(gauges.engine.kv_bytes_max));
  s.prefix_bytes.Set(static_cast<double>(gauges.engine.prefix_bytes));
  s.prefix_bytes_max.Set(static_cast<double>(gauges.engine.prefix_bytes_max));
  s.prefix_lookups.Set(static_cast<double>(gauges.engine.prefix_lookups));
  s.prefix_hits.Set(static_cast<double>(gauges.engine.prefix_hits));
  s.prefix_hit_tokens.Set(static_cast<double>(gauges.engine.prefix_hit_tokens));
  s.prefix_evictions.Set(static_cast<double>(gauges.engine.prefix_evictions));
  s.guessed.Set(static_cast<double>(gauges.engine.guessed_tokens));
  s.guessed_right.Set(static_cast<double>(gauges.engine.guessed_right));
  s.head_audits.Set(static_cast<double>(gauges.engine.head_audits));
  s.head_misses.Set(static_cast<double>(gauges.engine.head_misses));
  s.weight_sets.Set(static_cast<double>(gauges.engine.weight_sets));
  s.weight_bytes.Set(static_cast<double>(gauges.engine.weight_bytes));
  s.weight_bytes_max.Set(static_cast<double>(gauges.engine.weight_bytes_max));
  s.preempted.Set(static_cast<double>(gauges.engine.preempted));
  s.engine_steps.Set(static_cast<double>(gauges.engine.steps));
  s.engine_busy.Set(gauges.engine.busy_seconds);
  s.connections.Set(static_cast<double>(gauges.net.connections));
  s.rejected.Set(static_cast<double>(gauges.net.rejected));
  s.malformed.Set(static_cast<double>(gauges.net.malformed));
  s.because.Add({{"source", "model"}}).Set(static_cast<double>(gauges.because_model));
  s.because.Add({{"source", "template"}}).Set(static_cast<double>(gauges.because_template));
  return prometheus::TextSerializer().Serialize(s.registry.Collect());
}

}  // namespace attune::serve
