// R4: superusers stitched from users of MovieLens 100K, and of generated ratings.
#include <functional>
#include <memory>

#include "core/error.h"
#include "data/generated.h"
#include "data/read.h"
#include "envs/superuser_world.h"
#include "eval/latent_bandits/claims.h"
#include "eval/latent_bandits/contest_internal.h"
#include "people/bandits/acting.h"

namespace attune::eval {
namespace {

/// The protocol's regularisation, and one under which factors are not fitted to noise: what the claims say is about the first.
constexpr double kProtocol = 0.1;
constexpr double kStronger = 10;
const std::vector<std::string> kRivals = {"lints", "d-lints", "sw-linucb", "cd-lints", "exp4s"};

/// Told the state, but not who answers: the best item by the cluster's mean. What it loses no belief over these states can win back.
class ToldState final : public people::Policy {
 public:
  explicit ToldState(const envs::BanditProblem& problem) : problem_(problem) {}
  std::string_view name() const noexcept override { return "told-state"; }
  void reset() override {}
  people::Choice choose(const people::Round& round, Rng&) override {
    const auto state = static_cast<size_t>(problem_.episode.states[static_cast<size_t>(round.t)]);
    people::action_means(*problem_.model, round, means_);
    return {people::best_action(means_, static_cast<size_t>(problem_.model->num_states), state, round.available), 1};
  }
  void observe(const people::Round&, int32_t, double, Rng&) override {}

 private:
  const envs::BanditProblem& problem_;
  std::vector<double> means_;
};

struct Setup {
  envs::SuperuserWorld world;
  people::BaselineOptions given;
  std::vector<TunedPair> tuned;

  std::vector<envs::Contender> contenders() const {
    std::vector<envs::Contender> out = {envs::latent("mts"), envs::uncertain("mmts"), envs::uncertain("mmts-decoupled"),
                                        envs::latent("greedy"), envs::latent("cd-mts")};
    for (const auto& pair : tuned) out.push_back(envs::baseline(pair.name, given));
    for (const auto& pair : tuned) out.push_back(pair.contender);
    out.push_back({"told-state", [](const envs::BanditProblem& problem) { return std::make_unique<ToldState>(problem); }});
    out.push_back(envs::baseline("random", given));
    return out;
  }
};

std::shared_ptr<const Setup> set_up(const data::Dataset& dataset, double lambda, const ClaimContext& context) {
  auto out = std::make_shared<Setup>();
  envs::SuperuserOptions options;
  options.lambda = lambda;
  if (context.quick) options.horizon = 300;
  out->world = envs::make_superuser_world(dataset, options, context.pool);
  out->given = told(options.horizon, options.changes, options.noise_sd);
  out->given.reward_low = (1 - out->world.mean) / 4;
  out->given.reward_high = (5 - out->world.mean) / 4;
  std::vector<std::string> names = kRivals;
  names.push_back("linucb");
  const envs::SuperuserWorld& world = out->world;
  out->tuned =
      tune_all(names, out->given, [&world](uint64_t seed) { return envs::make_superuser(world, seed); }, context.quick, context.pool);
  return out;
}

Claim superuser_claim(const std::string& id, const std::string& where, std::function<data::Dataset(const ClaimContext&)> load) {
  Claim out{id, "superusers of " + where, {}, "", {}};
  char letter = 'a';
  for (const char* ours : {"mts", "mmts"}) {
    for (const auto& rival : kRivals) {
      out.parts.push_back(
          ratio_part(cat(id, letter++), cat(ours[1] == 'm' ? "mmTS" : "mTS", " / ", rival, ", ", where), Bound::kHighBelow, 1));
    }
  }
  out.parts.push_back(ratio_part(cat(id, letter), cat("mmTS / mTS, ", where), Bound::kHighAtMost, 1));
  out.seeds = kSuperuserSeeds;
  out.prepare = [where, load](const ClaimContext& context) -> MeasureSeed {
    const data::Dataset dataset = load(context);
    const auto protocol = set_up(dataset, kProtocol, context), stronger = set_up(dataset, kStronger, context);
    return [=](uint64_t seed) {
      Measured measured;
      const std::string table = cat("Mean regret of superusers, ", where, ", by the regularisation of the factors");
      const Contest contest(envs::make_superuser(protocol->world, seed), protocol->contenders(), seed);
      for (const char* ours : {"mts", "mmts"}) {
        for (const auto& rival : kRivals) measured.values.push_back(contest.pair(ours, rival));
      }
      measured.values.push_back(contest.pair("mmts", "mts"));
      contest.add_curves(measured, cat("regret, ", where),
                         std::vector<std::string>{"mts", "mmts", "lints", "d-lints", "sw-linucb", "cd-lints", "exp4s"});
      contest.add_column(measured, table, cat("lambda = ", kProtocol));
      const Contest other(envs::make_superuser(stronger->world, seed), stronger->contenders(), seed);
      other.add_column(measured, table, cat("lambda = ", kStronger));
      measured.extras = {{"share of the users' variance between clusters", protocol->world.between},
                         {"with lambda = 10", stronger->world.between},
                         {"regret with lambda = 10: mTS", other.of("mts")},
                         {"lints", other.of("lints")},
                         {"told the state, cluster means: lambda = 0.1", contest.of("told-state")},
                         {"lambda = 10", other.of("told-state")}};
      return measured;
    };
  };
  return out;
}

}  // namespace

Claim movie_claim() {
  Claim out = superuser_claim("R4", "MovieLens 100K", [](const ClaimContext& context) {
    const Path folder = context.datasets / "ml-100k";
    check(std::filesystem::exists(folder), ErrorCode::kNotFound, "data absent: ", folder.string());
    return data::read_dataset(folder);
  });
  return out;
}

Claim stand_in_claim() {
  Claim out = superuser_claim("R4s", "generated ratings", [](const ClaimContext&) {
    data::GeneratedOptions options;
    options.rank = 10;
    options.num_clusters = 5;
    return data::generate_dataset(options).dataset;
  });
  return out;
}

}  // namespace attune::eval
