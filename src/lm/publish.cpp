// Engine::publish and the sets that it makes.
#include "lm/publish.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "lm/checkpoint.h"
#include "lm/engine_internal.h"

namespace attune::lm {
namespace {

/// The reference's probe values against the engine's.
void compare(std::span<const double> engine, std::span<const double> reference, PublishReport& report) {
  double sum = 0;
  for (size_t i = 0; i < engine.size(); ++i) {
    const double difference = std::fabs(engine[i] - reference[i]);
    check(std::isfinite(difference), ErrorCode::kInvalidArgument, "[publish] the weights give ", engine[i], " and ", reference[i],
          " as log-probability of a probe token, expected finite numbers");
    sum += difference;
    report.max_abs_dlogp = std::max(report.max_abs_dlogp, difference);
  }
  report.probe_positions = static_cast<int64_t>(engine.size());
  report.mean_abs_dlogp = engine.empty() ? 0 : sum / static_cast<double>(engine.size());
}

/// Throws unless weights of `found` can be used in place of the model's: everything but names, gains' offset and embedding scale is equal.
void check_same_model(const ModelConfig& model, const ModelConfig& found) {
  const auto same = [](const char* field, auto a, auto b) {
    check(a == b, ErrorCode::kInvalidArgument, "[publish] ", field, " of the weights is ", b, ", expected the model's ", a);
  };
  same("num_layers", model.num_layers, found.num_layers);
  same("hidden_size", model.hidden_size, found.hidden_size);
  same("num_heads", model.num_heads, found.num_heads);
  same("num_kv_heads", model.num_kv_heads, found.num_kv_heads);
  same("head_dim", model.head_dim, found.head_dim);
  same("intermediate_size", model.intermediate_size, found.intermediate_size);
  same("vocab_size", model.vocab_size, found.vocab_size);
  same("sliding_window", model.sliding_window, found.sliding_window);
  check(model.is_global == found.is_global, ErrorCode::kInvalidArgument, "[publish] global layers of the weights are not the model's");
  const auto close = [](const char* field, double a, double b) {  // formats hold them in different precision
    check(std::fabs(a - b) <= 1e-6 * std::fabs(a), ErrorCode::kInvalidArgument, "[publish] ", field, " of the weights is ", b,
          ", expected the model's ", a);
  };
  close("rms_norm_eps", model.rms_norm_eps, found.rms_norm_eps);
  close("rope_theta_local", model.rope_theta_local, found.rope_theta_local);
  close("rope_theta_global", model.rope_theta_global, found.rope_theta_global);
  close("rope_scaling_factor", model.rope_scaling_factor, found.rope_scaling_factor);
  close("attention_scale", model.attention_scale, found.attention_scale);
}

}  // namespace

// ---- The sets.

WeightSets::WeightSets(std::shared_ptr<const Weights> base, int64_t max_bytes) : max_bytes_(max_bytes) {
  auto set = std::make_shared<WeightSet>(std::move(base), nullptr, nullptr, 0, nullptr);
  set->id = kBaseWeights;
  sets_.emplace(kBaseWeights, std::move(set));
}

WeightSetPtr WeightSets::get(WeightsId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(id == kCurrentWeights ? current_ : id);
  check(found != sets_.end(), ErrorCode::kNotFound, "[weights] no set has the id ", id);
  return found->second;
}

WeightsId WeightSets::add(std::shared_ptr<WeightSet> set) {
  const std::lock_guard lock(mutex_);
  set->id = next_++;
  const WeightsId id = set->id;
  sets_.emplace(id, std::move(set));
  return id;
}

void WeightSets::set_current(WeightsId id) {
  const std::lock_guard lock(mutex_);
  check(sets_.contains(id), ErrorCode::kNotFound, "[weights] no set has the id ", id);
  current_ = id;
}

WeightsId WeightSets::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void WeightSets::retire(WeightsId id) {
  WeightSetPtr last;  // may be the last reference: released outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = sets_.find(id);
  check(id != kBaseWeights, ErrorCode::kInvalidArgument, "[weights] the base model's set ", id, " cannot be retired");
  check(found != sets_.end(), ErrorCode::kNotFound, "[weights] no set has the id ", id);
  check(id != current_, ErrorCode::kFailedPrecondition, "[weights] set ", id, " is the current one: make another current first");
  last = std::move(found->second);
  sets_.erase(found);
}

// ---- Publishing.

PublishReport Engine::State::add_set(std::shared_ptr<WeightSet> set, const Weights& reference, const PublishOptions& how) {
  PublishReport report;
  report.bytes = set->bytes;
  if (how.probe) {
    const bool fast = compute == Compute::kFast;
    ThreadPool probe_pool(options.threads);
    const auto engine = probe_logprobs(*model, *set->weights, set->adapter.get(), fast, kv->type(), probe_pool);
    constexpr auto kExact = kernels::KvType::kF32;
    const bool same = !fast && kv->type() == kExact && &reference == set->weights.get();
    compare(engine, same ? engine : probe_logprobs(*model, reference, set->adapter.get(), false, kExact, probe_pool), report);
  } else {
    report.mean_abs_dlogp = report.max_abs_dlogp = std::numeric_limits<double>::quiet_NaN();
  }
  report.id = sets.add(std::move(set));
  return report;
}

PublishReport Engine::State::publish_adapter(std::shared_ptr<const Adapter> adapter, const PublishOptions& how) {
  const WeightSetPtr base = sets.get(how.base);
  check(base->adapter == nullptr, ErrorCode::kInvalidArgument, "[publish] the base ", how.base,
        " is an adapter itself, expected full weights");
  const int64_t bytes = adapter->memory_bytes();
  check(bytes <= sets.free_bytes(), ErrorCode::kResource, "[publish] the adapter needs ", bytes, " bytes, ",
        std::max<int64_t>(sets.free_bytes(), 0), " are free for weights (weights_memory_mib)");
  auto weights = base->weights;
  if (how.f32_activations && !weights->f32_activations()) weights = Weights::with_f32_activations(*weights);
  auto set = std::make_shared<WeightSet>(std::move(weights), std::move(adapter), base, bytes, sets.in_use());
  return add_set(std::move(set), *base->weights, how);
}

PublishReport Engine::State::publish_full(const ModelConfig& config, const io::TensorSource& source, Publish kind,
                                          const PublishOptions& how) {
  const Weights::Naming naming = Weights::naming_of(source);
  const bool to_q8 = kind == Publish::kFullQ8;
  const auto weights = Weights::bind(config, source, naming, {to_q8, !to_q8, true, sets.free_bytes()});
  auto set = std::make_shared<WeightSet>(weights, nullptr, nullptr, weights->memory_bytes(), sets.in_use());
  if (!to_q8 || !how.probe) return add_set(std::move(set), *weights, how);
  const auto exact = Weights::bind(config, source, naming);  // for the probe only
  return add_set(std::move(set), *exact, how);
}

PublishReport Engine::publish(const io::TensorSource& source, Publish kind, const PublishOptions& how) {
  State& s = *state_;
  return with_context([&] { return "publishing " + source.description(); },
                      [&] {
                        const std::lock_guard lock(s.publish_mutex);
                        if (kind == Publish::kLoraF32)
                          return s.publish_adapter(Adapter::from_tensors(s.model->config(), source, how.lora_scale), how);
                        (void)s.sets.get(how.base);  // an unknown id is an error whatever it is for
                        ModelConfig config = s.model->config();
                        config.norm_gain_is_offset = Weights::naming_of(source) == Weights::Naming::kHf;
                        return s.publish_full(config, source, kind, how);
                      });
}

PublishReport Engine::publish(const Path& path, Publish kind, const PublishOptions& how) {
  State& s = *state_;
  return with_context([&] { return "publishing " + path.string(); },
                      [&] {
                        const std::lock_guard lock(s.publish_mutex);
                        if (kind == Publish::kLoraF32) return s.publish_adapter(Adapter::from_folder(s.model->config(), path), how);
                        (void)s.sets.get(how.base);
                        const Checkpoint checkpoint = open_tensors(path);
                        check_same_model(s.model->config(), checkpoint.config);
                        return s.publish_full(checkpoint.config, *checkpoint.source, kind, how);
                      });
}

void Engine::retire(WeightsId id) { state_->sets.retire(id); }
void Engine::set_current_weights(WeightsId id) { state_->sets.set_current(id); }
WeightsId Engine::current_weights() const { return state_->sets.current(); }

}  // namespace attune::lm
