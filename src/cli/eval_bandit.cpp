// attune eval bandit: what a policy would have earned on the rounds of a log, and whether log and model can be believed.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/bandit_log.h"
#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "core/number.h"
#include "core/thread_pool.h"
#include "people/bandits/baselines/baseline.h"
#include "people/bandits/decision_event.h"
#include "people/bandits/latent_model_files.h"
#include "people/bandits/latent_policy.h"
#include "people/bandits/mmts_policy.h"
#include "people/bandits/off_policy.h"
#include "store/sqlite_store.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;

struct EvalBanditOptions {
  std::string log;
  people::BanditLogOptions read;
  std::string model = (home_folder() / "models" / "bandit.json").string();
  std::string policy = "mts";
  people::OffPolicyOptions evaluate;
  double rho_scale = 1;
  int32_t particles = 200;
  int32_t threads = 0;
  std::string store;
  std::string recommender = (home_folder() / "models" / "recommender").string();

  void describe(OptionList& list) {
    list.add("log", log, "Log of decisions: JSON lines (docs/formats/bandit_log.md).").positional().required();
    list.add(
        "store", store,
        "Event store of attune serve: its lists by latent policies, joined with the feedback that followed, are written to LOG first. The "
        "model is that of --recommender then.");
    list.add("recommender", recommender, "With --store: folder of the recommender that was served.");
    list.add("model", model, "File of the latent model: direct part, misfit, and the policies that need one.").alias("-m");
    list.add("policy", policy,
             "What is evaluated: logged, uniform, a latent policy (mts, greedy, ids, mucb, mts-stationary, cd-mts, mmts, mmts-greedy, "
             "mmts-gibbs, mmts-decoupled) or a baseline (ucb1, ts, linucb, ...).");
    read.describe(list);
    evaluate.describe(list);
    list.add("rho_scale", rho_scale, "Latent policies: assume that states move this many times as often as the model says.").range(0, 1000);
    list.add("particles", particles, "Of mmts.").range(1, 1000000);
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
  }
};

template <class Names>
bool holds(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

people::PolicyFactory baseline_factory(const EvalBanditOptions& options, const people::BanditLog& log,
                                       std::shared_ptr<const people::LatentModel> model) {
  people::BaselineSetting setting;
  setting.num_arms = log.num_arms;
  for (const auto& decision : log.decisions) setting.num_arms = std::max(setting.num_arms, decision.num_actions);
  setting.d = log.d;
  setting.model = std::move(model);
  return [name = options.policy, setting] { return people::make_baseline(name, {}, setting); };
}

[[noreturn]] void fail_unknown(const std::string& policy) {
  std::string known = "logged, uniform";
  for (const auto name : people::latent_policy_names()) known += cat(", ", name);
  for (const auto name : people::mmts_policy_names()) known += cat(", ", name);
  for (const auto& name : people::baseline_names()) known += cat(", ", name);
  fail(ErrorCode::kNotFound, "[eval bandit] --policy: expected one of ", known, ", found ", policy.substr(0, 100));
}

people::PolicyFactory policy_factory(const EvalBanditOptions& options, const people::BanditLog& log, const people::LatentModelFile& file) {
  if (options.policy == "logged") return people::logged_policy();
  if (options.policy == "uniform") return people::uniform_policy();
  auto model = std::make_shared<const people::LatentModel>(file.model);
  if (holds(people::mmts_policy_names(), options.policy)) {
    auto uncertain = std::make_shared<const people::UncertainModel>(file.model, file.prior);
    people::MmtsOptions mmts;
    mmts.particles.num_particles = options.particles;
    mmts.particles.seed = options.evaluate.seed;
    return [name = options.policy, uncertain, mmts] { return people::make_mmts_policy(name, uncertain, mmts); };
  }
  if (holds(people::latent_policy_names(), options.policy)) {
    people::LatentPolicyOptions latent;
    latent.rho_scale = options.rho_scale;
    return [name = options.policy, model, latent] { return people::make_latent_policy(name, model, latent); };
  }
  if (!holds(people::baseline_names(), options.policy)) fail_unknown(options.policy);
  auto factory = baseline_factory(options, log, std::move(model));
  factory();  // a missing part is said before the work begins
  return factory;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Json check_json(const people::WeightCheck& check) {
  return {{"mean", number(check.mean)}, {"error", number(check.error)}, {"z", number(check.z)}};
}

void print_json(const CommandContext& context, const EvalBanditOptions& options, const people::BanditLog& log, const std::string& version,
                const people::OffPolicyReport& report) {
  Json estimates = Json::object();
  for (const auto& e : report.estimates) {
    estimates[e.name] = {{"value", number(e.interval.mean)},
                         {"low", number(e.interval.low)},
                         {"high", number(e.interval.high)},
                         {"used", e.num_used},
                         {"ess", number(e.ess)},
                         {"reliable", e.reliable},
                         {"clipped", e.clipped},
                         {"greatest_weight", number(e.greatest_weight)}};
  }
  const Json out = {
      {"policy", options.policy},
      {"model", version},
      {"log", bandit_log_json(log)},
      {"used", report.num_used},
      {"level", options.evaluate.level},
      {"estimates", estimates},
      {"mean_uniform_weight", check_json(report.uniform)},
      {"mean_weight", check_json(report.weights)},
      {"unsupported", report.unsupported},
      {"misfit", {{"z", report.misfit.z}, {"rewards", report.misfit.num_rounds}, {"users_alarmed", report.misfit.num_alarmed}}},
      {"alarms", report.alarms}};
  context.print(out.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string shown(double value, int digits) { return std::isfinite(value) ? fixed(value, digits) : "-"; }

void print_table(const CommandContext& context, const EvalBanditOptions& options, const people::OffPolicyReport& report) {
  context.print(cat("| estimator | value of ", options.policy, " | low | high | decisions | effective | clipped | greatest weight |"));
  context.print("|---|---|---|---|---|---|---|---|");
  for (const auto& e : report.estimates) {
    const bool weighted = std::isfinite(e.ess);
    context.print(cat("| ", e.name, e.reliable ? "" : " (unreliable)", " | ", shown(e.interval.mean, 5), " | ", shown(e.interval.low, 5),
                      " | ", shown(e.interval.high, 5), " | ", e.num_used, " | ", shown(e.ess, 1), " | ",
                      weighted ? fixed(100 * e.clipped, 2) + " %" : "-", " | ", weighted ? fixed(e.greatest_weight, 2) : "-", " |"));
  }
  context.print("");
  context.print(cat("mean weight ", shown(report.weights.mean, 4), " +- ", shown(report.weights.error, 4), ", of the uniform policy ",
                    shown(report.uniform.mean, 4), " +- ", shown(report.uniform.error, 4), "; misfit z ", fixed(report.misfit.z, 2), ", ",
                    report.misfit.num_alarmed, " of ", report.num_users, " users alarmed"));
  for (const auto& alarm : report.alarms) context.print(cat("ALARM: ", alarm));
}

/// Writes the log from the store and points the options at the recommender's model and rounds.
void export_store(const CommandContext& context, EvalBanditOptions& options) {
  check(std::filesystem::exists(options.store), ErrorCode::kNotFound, "[eval bandit] no event store ", options.store);
  const auto recommender = people::Recommender::load(options.recommender);
  const auto bandit = people::RecommenderBandit::load(options.recommender, *recommender);
  const auto out = people::export_decisions(*recommender, *bandit, *store::open_sqlite_store(options.store));
  check(out.num_decisions > 0, ErrorCode::kFailedPrecondition, "[eval bandit] ", options.store,
        " holds no list by a latent policy of model ", bandit->version(), " (", out.num_skipped, " passed over)");
  write_file_atomic(options.log, out.text);
  context.note(cat(options.log, ": ", out.num_decisions, " lists, ", out.num_rewards, " with feedback, ", out.num_skipped, " passed over"));
  options.model = (Path(options.recommender) / cat(bandit->version(), ".json")).string();
  options.read.time_unit = bandit->round_hours() * 3600;
}

int eval_bandit(const CommandContext& context, EvalBanditOptions options) {
  if (!options.store.empty()) export_store(context, options);
  const auto file = people::load_latent_model(options.model);
  const auto log = open_bandit_log(context, options.log, options.read);
  ThreadPool pool(options.threads);
  const auto report =
      people::evaluate_off_policy(log, file.model, policy_factory(options, log, file), options.evaluate, pool, context.progress);
  if (context.common.json) {
    print_json(context, options, log, file.model.version, report);
  } else {
    print_table(context, options, report);
  }
  return 0;
}

}  // namespace

void register_eval_bandit(CommandSet& commands) {
  commands.add("eval bandit", "Estimate from a log what a policy would have earned, with intervals and alarms.", [](CommandSpec& spec) {
    auto& options = spec.options<EvalBanditOptions>();
    spec.example("attune eval bandit decisions.jsonl --model models/bandit.json --policy mts");
    spec.example("attune eval bandit decisions.jsonl --policy greedy --clip 20 --json");
    spec.example("attune eval bandit decisions.jsonl --store state/attune.db --recommender models/recommender --policy greedy");
    return [&options](const CommandContext& context) { return eval_bandit(context, options); };
  });
}

}  // namespace attune::cli
