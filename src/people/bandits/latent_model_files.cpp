#include "people/bandits/latent_model_files.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/number.h"
#include "core/rng.h"
#include "people/bandits/json_internal.h"

namespace attune::people {
namespace {

using bandit_json::Json;
using bandit_json::list;
using bandit_json::member;
using bandit_json::nested;
using bandit_json::number;
using bandit_json::numbers;
using bandit_json::text;
using bandit_json::whole;
using Shape = std::vector<size_t>;

constexpr const char* kWhat = "bandit model";
constexpr const char* kFormat = "attune-bandit-model";
constexpr int64_t kFormatVersion = 1;
constexpr uint64_t kMaxBytes = uint64_t{256} << 20;
constexpr size_t kMaxText = 4096;
constexpr size_t kMaxMetrics = 1000;

struct Sizes {
  size_t z, k, d, c;
};

Sizes sizes_of(const LatentModel& model) {
  return {static_cast<size_t>(model.num_states), static_cast<size_t>(model.num_arms), static_cast<size_t>(model.d), model.levels.size()};
}

// ---- writing ----

Json encode_transition(const Transition& transition, size_t z) {
  if (transition.is_sticky()) {
    return {{"kind", "sticky"}, {"rho", transition.rho()}, {"pi", std::vector<double>(transition.pi().begin(), transition.pi().end())}};
  }
  return {{"kind", "dense"}, {"rows", nested(transition.matrix(), {z, z})}};
}

Json encode_model(const LatentModel& model) {
  const auto [z, k, d, c] = sizes_of(model);
  Json out = {{"reward", reward_kind_name(model.reward)}, {"num_states", model.num_states}};
  out[model.by_features() ? "num_features" : "num_arms"] = model.by_features() ? model.d : model.num_arms;
  out["initial"] = model.initial;
  out["transition"] = encode_transition(model.transition, z);
  if (model.reward == RewardKind::kGaussian) out["noise_sd"] = model.noise_sd;
  if (model.by_features()) {
    out["theta"] = nested(model.theta, {z, d});
  } else if (model.reward == RewardKind::kCategorical) {
    out["levels"] = model.levels;
    out["level_probability"] = nested(model.level_probability, {k, z, c});
  } else {
    out["mean"] = nested(model.mean, {k, z});
  }
  return out;
}

/// One field of the prior: its name in the document, its values, and its shape.
template <class Prior, class Body>
void each_prior_field(Prior& prior, const Sizes& sizes, const Body& body) {
  const auto [z, k, d, c] = sizes;
  body("initial_alpha", prior.initial_alpha, Shape{z});
  body("transition_alpha", prior.transition_alpha, Shape{z, z});
  body("mean", prior.mean, Shape{k, z});
  body("variance", prior.variance, Shape{k, z});
  body("theta", prior.theta, Shape{z, d});
  body("covariance", prior.covariance, Shape{z, d, d});
  body("beta", prior.beta, Shape{k, z, 2});
  body("level_alpha", prior.level_alpha, Shape{k, z, c});
}

Json encode_prior(const LatentPrior& prior, const Sizes& sizes) {
  Json out = Json::object();
  each_prior_field(prior, sizes, [&](const char* name, const std::vector<double>& values, const Shape& shape) {
    if (!values.empty()) out[name] = nested(values, shape);
  });
  return out;
}

Json encode_record(const LatentModelRecord& record) {
  for (const auto& [name, value] : record.metrics) {
    check(std::isfinite(value), ErrorCode::kInvalidArgument, "[bandit model] metrics.", name, ": expected a finite number, found ", value);
  }
  return {{"source", record.source},
          {"method", record.method},
          {"recommender", record.recommender},
          {"created", record.created},
          {"note", record.note},
          {"num_users", record.num_users},
          {"num_rounds", record.num_rounds},
          {"round_seconds", record.round_seconds},
          {"metrics", record.metrics}};
}

std::string digest(const Json& model, const Json& prior) {
  return cat("bandit-", hex_digits(fnv1a(prior.dump(-1, ' ', false, Json::error_handler_t::replace),
                                         fnv1a(model.dump(-1, ' ', false, Json::error_handler_t::replace)))));
}

// ---- reading ----

int32_t count(const Json& object, const char* name, int32_t most) {
  return static_cast<int32_t>(whole(member(object, name, kWhat), 1, most, name, kWhat));
}

std::vector<double> field(const Json& object, const char* name, const Shape& shape) {
  return numbers(member(object, name, kWhat), shape, name, kWhat);
}

Transition decode_transition(const Json& json, size_t z) {
  const std::string kind = text(member(json, "kind", kWhat), kMaxText, "transition.kind", kWhat);
  if (kind == "sticky") {
    return Transition::sticky(number(member(json, "rho", kWhat), "transition.rho", kWhat), field(json, "pi", {z}));
  }
  check(kind == "dense", ErrorCode::kCorruptData, "[bandit model] transition.kind: expected dense or sticky, found ", kind);
  return Transition::dense(static_cast<int32_t>(z), field(json, "rows", {z, z}));
}

LatentModel decode_model(const Json& json) {
  LatentModel out;
  out.reward = parse_reward_kind(text(member(json, "reward", kWhat), kMaxText, "reward", kWhat));
  out.num_states = count(json, "num_states", kMostStates);
  check(json.contains("num_arms") != json.contains("num_features"), ErrorCode::kCorruptData,
        "[bandit model] expected either num_arms or num_features");
  if (json.contains("num_features")) {
    out.d = count(json, "num_features", kMostFeatures);
  } else {
    out.num_arms = count(json, "num_arms", kMostArms);
  }
  const auto [z, k, d, none] = sizes_of(out);
  out.initial = field(json, "initial", {z});
  out.transition = decode_transition(member(json, "transition", kWhat), z);
  if (out.reward == RewardKind::kGaussian) out.noise_sd = number(member(json, "noise_sd", kWhat), "noise_sd", kWhat);
  if (out.by_features()) {
    out.theta = field(json, "theta", {z, d});
  } else if (out.reward == RewardKind::kCategorical) {
    const Json& levels = member(json, "levels", kWhat);
    check(levels.is_array() && levels.size() >= 2 && levels.size() <= static_cast<size_t>(kMostLevels), ErrorCode::kCorruptData,
          "[bandit model] levels: expected a list of 2 to ", kMostLevels, " numbers");
    out.levels = numbers(levels, {levels.size()}, "levels", kWhat);
    out.level_probability = field(json, "level_probability", {k, z, levels.size()});
  } else {
    out.mean = field(json, "mean", {k, z});
  }
  out.check();
  return out;
}

LatentPrior decode_prior(const Json& json, const LatentModel& model) {
  check(json.is_object(), ErrorCode::kCorruptData, "[bandit model] prior: expected an object, found ", json.type_name());
  LatentPrior out;
  size_t known = 0;
  each_prior_field(out, sizes_of(model), [&](const char* name, std::vector<double>& values, const Shape& shape) {
    if (!json.contains(name)) return;
    ++known;
    values = numbers(json[name], shape, cat("prior.", name).c_str(), kWhat);
  });
  check(known == json.size(), ErrorCode::kCorruptData, "[bandit model] prior holds ", json.size() - known, " unknown fields");
  out.check(model);
  return out;
}

LatentModelRecord decode_record(const Json& json) {
  constexpr auto kMost = std::numeric_limits<int64_t>::max();
  LatentModelRecord out;
  const auto read_text = [&](const char* name, std::string& value) {
    if (json.contains(name)) value = text(json[name], kMaxText, name, kWhat);
  };
  check(json.is_object(), ErrorCode::kCorruptData, "[bandit model] record: expected an object, found ", json.type_name());
  read_text("source", out.source);
  read_text("method", out.method);
  read_text("recommender", out.recommender);
  read_text("created", out.created);
  read_text("note", out.note);
  if (json.contains("num_users")) out.num_users = whole(json["num_users"], 0, kMost, "num_users", kWhat);
  if (json.contains("num_rounds")) out.num_rounds = whole(json["num_rounds"], 0, kMost, "num_rounds", kWhat);
  if (json.contains("round_seconds")) out.round_seconds = number(json["round_seconds"], "round_seconds", kWhat);
  check(out.round_seconds >= 0, ErrorCode::kCorruptData, "[bandit model] round_seconds: expected at least 0, found ", out.round_seconds);
  if (!json.contains("metrics")) return out;
  const Json& metrics = json["metrics"];
  check(metrics.is_object() && metrics.size() <= kMaxMetrics, ErrorCode::kCorruptData,
        "[bandit model] metrics: expected an object of at most ", kMaxMetrics, " numbers");
  for (const auto& [name, value] : metrics.items()) out.metrics[name] = number(value, "metrics", kWhat);
  return out;
}

/// Errors of LatentModel, LatentPrior and Transition about values from outside are errors of the document.
template <class Body>
auto as_corrupt(const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    fail(ErrorCode::kCorruptData, "[bandit model] ", error.what());
  }
}

}  // namespace

std::string latent_model_version(const LatentModel& model, const LatentPrior& prior) {
  return digest(encode_model(model), encode_prior(prior, sizes_of(model)));
}

std::string latent_model_json(LatentModelFile& file) {
  file.model.check();
  file.prior.check(file.model);
  const Json model = encode_model(file.model);
  const Json prior = encode_prior(file.prior, sizes_of(file.model));
  file.model.version = digest(model, prior);
  Json out = {{"format", kFormat}, {"format_version", kFormatVersion}, {"version", file.model.version}};
  out["model"] = model;
  out["prior"] = prior;
  out["record"] = encode_record(file.record);
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

LatentModelFile parse_latent_model(std::string_view json) {
  const Json document = bandit_json::parse_object(json, kWhat);
  check(text(member(document, "format", kWhat), kMaxText, "format", kWhat) == kFormat, ErrorCode::kCorruptData,
        "[bandit model] format: expected ", kFormat);
  const int64_t version = whole(member(document, "format_version", kWhat), 1, std::numeric_limits<int64_t>::max(), "format_version", kWhat);
  check(version <= kFormatVersion, ErrorCode::kUnsupported, "[bandit model] format_version: expected at most ", kFormatVersion, ", found ",
        version);
  const Json& model = member(document, "model", kWhat);
  const Json prior = document.contains("prior") ? document["prior"] : Json::object();
  LatentModelFile out;
  as_corrupt([&] {
    out.model = decode_model(model);
    out.prior = decode_prior(prior, out.model);
  });
  if (document.contains("record")) out.record = decode_record(document["record"]);
  out.model.version = latent_model_version(out.model, out.prior);
  if (!document.contains("version")) return out;
  const std::string named = text(document["version"], kMaxText, "version", kWhat);
  check(named == out.model.version, ErrorCode::kCorruptData, "[bandit model] version: the content is ", out.model.version, ", found ",
        named, "; leave version out after a change by hand");
  return out;
}

void save_latent_model(const Path& path, LatentModelFile& file) { write_file_atomic(path, latent_model_json(file)); }

LatentModelFile load_latent_model(const Path& path) {
  return with_context([&] { return cat("reading ", path.string()); }, [&] { return parse_latent_model(read_file(path, kMaxBytes)); });
}

}  // namespace attune::people
