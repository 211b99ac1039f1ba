// attune learn bandit: from a log of decisions to latent states, how they move and what each arm pays in each.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/bandit_log.h"
#include "cli/commands.h"
#include "cli/moods.h"
#include "cli/ratings.h"
#include "core/error.h"
#include "core/file.h"
#include "core/number.h"
#include "core/thread_pool.h"
#include "people/bandits/latent_model_files.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownArms = 3;

struct LearnBanditOptions {
  std::string log;
  people::BanditLogOptions read;
  people::BaumWelchOptions learn;
  std::string choose = "no";
  int32_t most_states = 8;
  std::string out = (home_folder() / "models" / "bandit.json").string();
  int32_t threads = 0;
  std::string recommender;
  people::RecommenderBanditOptions moods;

  void describe(OptionList& list) {
    list.add("log", log, "Log of decisions: JSON lines (docs/formats/bandit_log.md).").positional();
    list.add(
        "recommender", recommender,
        "In the place of a log: folder of a learned recommender. Its users' moods are learned from its factors and saved in it; of the options "
        "below only --moods to --least-ratings and --seed count then.");
    list.add("moods", moods.num_states, "Number of moods; 0 = the number from 5 to 20 that held-out users ask for.").range(0, 200);
    list.add("rho", moods.rho, "Chance that a mood ends in a round; 0 = the likeliest.").range(0, 1);
    list.add("least_rho", moods.least_rho,
             "Least rho that is learned: where everybody rated in one sitting, the log shows no mood that ends.")
        .range(0, 1);
    list.add("round_hours", moods.round_hours, "Each rating or dismissal is a round; a pause of this length counts as one more.")
        .range(1e-3, 1e6)
        .unit("hours");
    list.add("dismiss_rating", moods.dismiss_rating, "The rating that a dismissal counts as.").range(-1e6, 1e6);
    list.add("least_ratings", moods.least_ratings, "Users with fewer ratings are not clustered.").range(1, 1e6);
    list.add("out", out, "File of the learned model.").alias("-o");
    read.describe(list);
    learn.describe(list);
    list.add("choose", choose, "Choose the number of states, 1 to --most-states, by users held out or by BIC, instead of --num-states.")
        .choices({"no", "held_out", "bic"});
    list.add("most_states", most_states, "Most states to try with --choose.").range(1, 100);
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
  }
};

people::StateChoices choose_states(const CommandContext& context, const LearnBanditOptions& options, const people::BanditSequences& data,
                                   ThreadPool& pool) {
  people::StateChoices out;
  if (options.choose == "no") return out;
  std::vector<int32_t> candidates(static_cast<size_t>(options.most_states));
  std::iota(candidates.begin(), candidates.end(), 1);
  out = people::choose_num_states(data, options.learn, candidates, options.choose, pool, context.progress);
  context.note("| states | parameters | log likelihood | held out | behind | BIC |");
  for (const auto& row : out.table) {
    context.note(cat("| ", row.num_states, row.num_states == out.best ? " (chosen)" : "", " | ", row.num_parameters, " | ",
                     fixed(row.log_likelihood, 1), " | ", fixed(row.held_out, 5), " | ", fixed(row.held_out_behind, 5), " +- ",
                     fixed(row.held_out_error, 5), " | ", fixed(row.bic, 1), " |"));
  }
  return out;
}

Json choices_json(const people::StateChoices& choices) {
  Json out = Json::array();
  for (const auto& row : choices.table) {
    out.push_back({{"num_states", row.num_states},
                   {"num_parameters", row.num_parameters},
                   {"log_likelihood", row.log_likelihood},
                   {"held_out", std::isnan(row.held_out) ? Json() : Json(row.held_out)},
                   {"bic", row.bic}});
  }
  return out;
}

/// The arms that pay most in a state, as "3 (0.81), 0 (0.70)".
std::string best_arms(const people::LatentModel& model, int32_t z) {
  std::vector<int32_t> arms(static_cast<size_t>(model.num_arms));
  std::iota(arms.begin(), arms.end(), 0);
  const auto mean = [&](int32_t arm) {
    return model.mean[static_cast<size_t>(arm) * static_cast<size_t>(model.num_states) + static_cast<size_t>(z)];
  };
  const size_t shown = std::min(kShownArms, arms.size());
  std::partial_sort(arms.begin(), arms.begin() + static_cast<ptrdiff_t>(shown), arms.end(),
                    [&](int32_t a, int32_t b) { return mean(a) > mean(b); });
  std::string out;
  for (size_t i = 0; i < shown; ++i) out += cat(i > 0 ? ", " : "", arms[i], " (", fixed(mean(arms[i]), 3), ")");
  return out;
}

void print_states(const CommandContext& context, const people::LatentModel& model) {
  context.print(model.by_features() ? "| state | first | stays |" : "| state | first | stays | best arms (mean reward) |");
  context.print(model.by_features() ? "|---|---|---|" : "|---|---|---|---|");
  for (int32_t z = 0; z < model.num_states; ++z) {
    context.print(cat("| ", z, " | ", fixed(model.initial[static_cast<size_t>(z)], 3), " | ", fixed(model.transition.at(z, z), 3), " |",
                      model.by_features() ? "" : cat(" ", best_arms(model, z), " |")));
  }
}

int learn_bandit(const CommandContext& context, LearnBanditOptions options) {
  check(options.log.empty() != options.recommender.empty(), ErrorCode::kInvalidArgument,
        "[learn bandit] expected either a log or --recommender, found ", options.log.empty() ? "neither" : "both");
  ThreadPool pool(options.threads);
  if (!options.recommender.empty()) {
    options.moods.seed = options.learn.seed;
    return learn_moods(context, options.recommender, options.moods, pool);
  }
  const auto log = open_bandit_log(context, options.log, options.read);
  const auto data = log.sequences();
  const auto choices = choose_states(context, options, data, pool);
  if (choices.best > 0) options.learn.num_states = choices.best;
  auto learned = people::baum_welch(data, options.learn, nullptr, pool, context.progress);
  people::LatentModelFile file{std::move(learned.model), std::move(learned.prior), {}};
  file.record.source = Path(options.log).filename().string();
  file.record.method = "baum_welch";
  file.record.created = utc_now();
  file.record.num_users = log.num_users();
  file.record.num_rounds = data.num_rounds();
  file.record.round_seconds = log.report.has_times ? log.time_unit : 0;
  file.record.metrics = {{"log_likelihood", learned.log_likelihood},
                         {"log_likelihood_per_reward", learned.log_likelihood / static_cast<double>(data.num_rewards())},
                         {"iterations", learned.iterations}};
  people::save_latent_model(options.out, file);
  if (!learned.converged) context.note("stopped at --max-iterations before --tolerance was reached");
  if (context.common.json) {
    Json out = {{"saved", options.out}, {"version", file.model.version}, {"log", bandit_log_json(log)}};
    out["reward"] = people::reward_kind_name(file.model.reward);
    out["transition"] = options.learn.transition;
    out["num_states"] = file.model.num_states;
    out["log_likelihood"] = learned.log_likelihood;
    out["iterations"] = learned.iterations;
    out["converged"] = learned.converged;
    out["starts"] = learned.starts;
    out["choice"] = choices_json(choices);
    context.print(out.dump(-1, ' ', false, Json::error_handler_t::replace));
    return 0;
  }
  print_states(context, file.model);
  context.note(
      cat("saved to ", options.out, " as ", file.model.version, "; next: attune eval bandit ", options.log, " --model ", options.out));
  return 0;
}

}  // namespace

people::BanditLog open_bandit_log(const CommandContext& context, const std::string& path, const people::BanditLogOptions& options) {
  auto log = people::read_bandit_log(path, options);
  const auto& report = log.report;
  context.note(cat(path, ": ", log.decisions.size(), " decisions of ", log.num_users(), " users, ", report.num_rewards, " with reward, ",
                   report.num_propensities, " with propensity, ", log.d > 0 ? cat(log.d, " features") : cat(log.num_arms, " arms")));
  if (report.num_gaps > 0) {
    context.note(cat(report.num_gaps, " gaps of more than one round, the greatest ", report.greatest_gap, " rounds (--time-unit)"));
  }
  if (report.num_out_of_order > 0)
    context.note(cat(report.num_out_of_order, " lines lay before an earlier one of their user: sorted by time"));
  if (report.num_bad > 0) context.note(cat(report.num_bad, " bad lines were skipped:"));
  for (const auto& line : report.bad) context.note(cat("  ", line));
  return log;
}

Json bandit_log_json(const people::BanditLog& log) {
  const auto& report = log.report;
  return {{"users", log.num_users()},      {"decisions", log.decisions.size()},
          {"rewards", report.num_rewards}, {"propensities", report.num_propensities},
          {"arms", log.num_arms},          {"features", log.d},
          {"bad_lines", report.num_bad},   {"out_of_order", report.num_out_of_order},
          {"gaps", report.num_gaps},       {"greatest_gap", report.greatest_gap}};
}

void register_learn_bandit(CommandSet& commands) {
  commands.add("learn bandit", "Learn latent states of users, how they move and what each arm pays in each, from a log of decisions.",
               [](CommandSpec& spec) {
                 auto& options = spec.options<LearnBanditOptions>();
                 spec.example("attune learn bandit decisions.jsonl --num-states 5 -o models/bandit.json");
                 spec.example("attune learn bandit decisions.jsonl --choose held_out --reward bernoulli");
                 spec.example("attune learn bandit decisions.jsonl --transition sticky --time-unit 86400 --fractions");
                 spec.example("attune learn bandit --recommender models/recommender");
                 return [&options](const CommandContext& context) { return learn_bandit(context, options); };
               });
}

}  // namespace attune::cli
