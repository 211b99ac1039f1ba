// Bandit models as documents: every kind goes there and back without losing a bit; every field that may be wrong is refused by name.
#include "people/bandits/latent_model_files.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "tests/expect_error.h"
#include "tests/temp_folder.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;
using test::expect_error;

std::vector<double> simplex(Rng& rng, size_t n) {
  std::vector<double> out(n);
  double sum = 0;
  for (double& x : out) sum += x = rng.uniform() + 0.01;
  for (double& x : out) x /= sum;
  return out;
}

std::vector<double> uniforms(Rng& rng, size_t n, double low = 0.1) {
  std::vector<double> out(n);
  for (double& x : out) x = low + rng.uniform() * 0.8;
  return out;
}

LatentModelFile make(RewardKind reward, int32_t d, bool sticky, uint64_t seed = 1) {
  Rng rng(seed, "files");
  LatentModelFile file;
  LatentModel& m = file.model;
  m.reward = reward;
  m.num_states = 3;
  m.d = d;
  m.num_arms = d > 0 ? 0 : 4;
  m.initial = simplex(rng, 3);
  std::vector<double> phi;
  for (int z = 0; z < 3; ++z) {
    const auto row = simplex(rng, 3);
    phi.insert(phi.end(), row.begin(), row.end());
  }
  m.transition = sticky ? Transition::sticky(0.07, simplex(rng, 3)) : Transition::dense(3, phi);
  file.prior.initial_alpha = uniforms(rng, 3);
  file.prior.transition_alpha = uniforms(rng, 9);
  if (d > 0) {
    const auto n = static_cast<size_t>(d);
    m.theta = uniforms(rng, 3 * n, -0.4);
    file.prior.theta = m.theta;
    file.prior.covariance.assign(3 * n * n, 0.0);
    for (size_t z = 0; z < 3; ++z) {
      for (size_t i = 0; i < n; ++i) file.prior.covariance[(z * n + i) * n + i] = 0.5 + 0.1 * static_cast<double>(i);
    }
  } else if (reward == RewardKind::kCategorical) {
    m.levels = {1, 2, 3.5};
    for (int i = 0; i < 12; ++i) {
      const auto row = simplex(rng, 3);
      m.level_probability.insert(m.level_probability.end(), row.begin(), row.end());
    }
    file.prior.level_alpha = uniforms(rng, 36);
  } else {
    m.mean = uniforms(rng, 12);
    if (reward == RewardKind::kBernoulli) {
      file.prior.beta = uniforms(rng, 24);
    } else {
      file.prior.mean = m.mean;
      file.prior.variance = uniforms(rng, 12);
    }
  }
  m.noise_sd = reward == RewardKind::kGaussian ? 0.3 : 1;
  file.record = {.source = "log", .method = "baum_welch", .created = "2026-01-02T03:04:05Z", .num_users = 7, .num_rounds = 900};
  file.record.metrics["log_likelihood"] = -12.345678901234567;
  return file;
}

std::vector<LatentModelFile> every_kind() {
  std::vector<LatentModelFile> out;
  for (const bool sticky : {false, true}) {
    for (const RewardKind kind : {RewardKind::kGaussian, RewardKind::kBernoulli, RewardKind::kCategorical}) {
      out.push_back(make(kind, 0, sticky));
    }
    out.push_back(make(RewardKind::kGaussian, 2, sticky));
    out.push_back(make(RewardKind::kBernoulli, 2, sticky));
  }
  return out;
}

TEST(LatentModelFiles, EveryKindGoesThereAndBackBitForBit) {
  for (LatentModelFile& before : every_kind()) {
    const std::string json = latent_model_json(before);
    LatentModelFile after = parse_latent_model(json);
    EXPECT_EQ(after.model.version, before.model.version);
    EXPECT_EQ(after.model.reward, before.model.reward);
    EXPECT_EQ(after.model.initial, before.model.initial);
    EXPECT_EQ(after.model.transition.is_sticky(), before.model.transition.is_sticky());
    EXPECT_EQ(after.model.transition.matrix(), before.model.transition.matrix());
    EXPECT_EQ(after.model.mean, before.model.mean);
    EXPECT_EQ(after.model.theta, before.model.theta);
    EXPECT_EQ(after.model.noise_sd, before.model.noise_sd);
    EXPECT_EQ(after.model.levels, before.model.levels);
    EXPECT_EQ(after.model.level_probability, before.model.level_probability);
    EXPECT_EQ(after.prior.transition_alpha, before.prior.transition_alpha);
    EXPECT_EQ(after.prior.mean, before.prior.mean);
    EXPECT_EQ(after.prior.covariance, before.prior.covariance);
    EXPECT_EQ(after.prior.beta, before.prior.beta);
    EXPECT_EQ(after.prior.level_alpha, before.prior.level_alpha);
    EXPECT_EQ(after.record.metrics, before.record.metrics);
    EXPECT_EQ(after.record.num_rounds, 900);
    EXPECT_EQ(latent_model_json(after), json);
  }
}

TEST(LatentModelFiles, TheVersionNamesTheContentAndNotTheRecord) {
  LatentModelFile a = make(RewardKind::kGaussian, 0, false);
  LatentModelFile b = a;
  latent_model_json(a);
  EXPECT_EQ(a.model.version.size(), 23u);
  b.record.note = "another note";
  latent_model_json(b);
  EXPECT_EQ(a.model.version, b.model.version);
  b.prior.variance[5] *= 1.0000001;
  latent_model_json(b);
  EXPECT_NE(a.model.version, b.model.version);
}

TEST(LatentModelFiles, FilesAreWrittenWholeAndRead) {
  const test::TempFolder folder("bandit-model");
  LatentModelFile file = make(RewardKind::kCategorical, 0, true);
  save_latent_model(folder.path() / "m.json", file);
  EXPECT_EQ(load_latent_model(folder.path() / "m.json").model.version, file.model.version);
  expect_error(ErrorCode::kNotFound, "absent.json", [&] { load_latent_model(folder.path() / "absent.json"); });
}

struct Damage {
  const char* pointer;
  Json value;
  ErrorCode code;
  const char* part;
};

void expect_refused(const LatentModelFile& file, const Damage& damage) {
  LatentModelFile copy = file;
  Json json = Json::parse(latent_model_json(copy));
  json.erase("version");
  json[Json::json_pointer(damage.pointer)] = damage.value;
  SCOPED_TRACE(damage.pointer);
  expect_error(damage.code, damage.part, [&] { parse_latent_model(json.dump()); });
}

TEST(LatentModelFiles, WrongFieldsAreNamed) {
  constexpr auto kBad = ErrorCode::kCorruptData;
  const Damage gaussian[] = {
      {"/format", "x", kBad, "format"},
      {"/format", 3, kBad, "format: expected a text"},
      {"/format_version", 2, ErrorCode::kUnsupported, "format_version"},
      {"/format_version", 0, kBad, "format_version"},
      {"/format_version", 1.5, kBad, "whole"},
      {"/model", Json::array(), kBad, "model"},
      {"/model/reward", "poisson", kBad, "gaussian, bernoulli or categorical"},
      {"/model/num_states", 0, kBad, "num_states"},
      {"/model/num_states", 2, kBad, "initial: expected a list of 2"},
      {"/model/num_states", 100000, kBad, "num_states"},
      {"/model/num_arms", 5, kBad, "mean: expected a list of 5"},
      {"/model/num_arms", -1, kBad, "num_arms"},
      {"/model/num_arms", 18446744073709551615ull, kBad, "num_arms"},
      {"/model/num_features", 5, kBad, "either num_arms or num_features"},
      {"/model/initial", Json::array({0.5, 0.5, 0.5}), kBad, "expected a sum of 1"},
      {"/model/initial", Json::array({0.5, 0.5, "0"}), kBad, "initial: expected a number"},
      {"/model/transition/kind", "markov", kBad, "transition.kind"},
      {"/model/transition/rows/1", Json::array({1.5, -0.5, 0}), kBad, "row 1"},
      {"/model/transition/rows/2", Json::array({1}), kBad, "rows: expected a list of 3"},
      {"/model/transition/rows", 7, kBad, "rows: expected a list"},
      {"/model/noise_sd", 0, kBad, "noise_sd"},
      {"/model/noise_sd", nullptr, kBad, "noise_sd"},
      {"/model/mean/2/1", "x", kBad, "mean"},
      {"/prior", 3, kBad, "prior"},
      {"/prior/variance/0/0", -1, kBad, "prior variance"},
      {"/prior/alpha", 3, kBad, "unknown fields"},
      {"/prior/initial_alpha", Json::array({1, 1}), kBad, "prior.initial_alpha"},
      {"/record", 3, kBad, "record"},
      {"/record/num_users", -1, kBad, "num_users"},
      {"/record/note", 1, kBad, "note"},
      {"/record/round_seconds", -1, kBad, "round_seconds"},
      {"/record/metrics/x", "y", kBad, "metrics"},
      {"/version", "bandit-0000000000000000", kBad, "version"},
  };
  for (const Damage& damage : gaussian) expect_refused(make(RewardKind::kGaussian, 0, false), damage);
  const Damage sticky[] = {{"/model/transition/rho", 1.5, kBad, "rho"}, {"/model/transition/pi/0", 2, kBad, "pi"}};
  for (const Damage& damage : sticky) expect_refused(make(RewardKind::kGaussian, 0, true), damage);
  expect_refused(make(RewardKind::kBernoulli, 0, true), {"/model/mean/0/0", 1.5, kBad, "Bernoulli means"});
  expect_refused(make(RewardKind::kBernoulli, 0, true), {"/prior/beta/0/0/0", 0, kBad, "beta"});
  expect_refused(make(RewardKind::kCategorical, 0, true), {"/model/levels", Json::array({1}), kBad, "levels"});
  expect_refused(make(RewardKind::kCategorical, 0, true), {"/model/levels", Json::array({3, 2, 1}), kBad, "rising"});
  expect_refused(make(RewardKind::kCategorical, 0, true), {"/model/level_probability/3/2/0", 0.9999, kBad, "level_probability"});
  expect_refused(make(RewardKind::kGaussian, 2, true), {"/prior/covariance/1/0/0", -1, kBad, "covariance of state 1"});
  expect_refused(make(RewardKind::kGaussian, 2, true), {"/model/reward", "categorical", ErrorCode::kUnsupported, "need a table of arms"});
}

TEST(LatentModelFiles, MissingFieldsAreNamed) {
  LatentModelFile file = make(RewardKind::kGaussian, 0, false);
  const Json whole = Json::parse(latent_model_json(file));
  for (const char* name : {"format", "format_version", "model"}) {
    Json json = whole;
    json.erase(name);
    expect_error(ErrorCode::kCorruptData, cat(name, " is missing"), [&] { parse_latent_model(json.dump()); });
  }
  for (const char* name : {"reward", "num_states", "initial", "transition", "mean", "noise_sd"}) {
    Json json = whole;
    json["model"].erase(name);
    expect_error(ErrorCode::kCorruptData, cat(name, " is missing"), [&] { parse_latent_model(json.dump()); });
  }
  for (const char* broken : {"", "[]", "{", "null", "\"x\"", "{\"format\": 1e999}"}) {
    expect_error(ErrorCode::kCorruptData, "expected a JSON object", [&] { parse_latent_model(broken); });
  }
}

TEST(LatentModelFiles, ADocumentByHandIsNamedOnReading) {
  const auto file = parse_latent_model(R"({"format": "attune-bandit-model", "format_version": 1, "model": {"reward": "bernoulli",
      "num_states": 2, "num_arms": 1, "initial": [0.5, 0.5], "transition": {"kind": "sticky", "rho": 0.1, "pi": [0.5, 0.5]},
      "mean": [[0.2, 0.8]]}})");
  EXPECT_EQ(file.model.version.rfind("bandit-", 0), 0u);
  EXPECT_TRUE(file.prior.beta.empty());
}

TEST(LatentModelFiles, WritingRefusesWhatIsNotFinite) {
  LatentModelFile file = make(RewardKind::kGaussian, 0, false);
  file.record.metrics["bad"] = std::numeric_limits<double>::quiet_NaN();
  expect_error(ErrorCode::kInvalidArgument, "metrics.bad", [&] { latent_model_json(file); });
  file = make(RewardKind::kGaussian, 0, false);
  file.model.mean[0] = std::numeric_limits<double>::infinity();
  expect_error(ErrorCode::kInvalidArgument, "mean", [&] { latent_model_json(file); });
}

}  // namespace
}  // namespace attune::people
