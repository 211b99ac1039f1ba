// R5: mTS on a model that Baum-Welch learned from logs of other users.
#include <memory>

#include "core/error.h"
#include "eval/latent_bandits/claims.h"
#include "eval/latent_bandits/contest_internal.h"
#include "people/bandits/baum_welch.h"

namespace attune::eval {
namespace {

constexpr double kChanges = 10;
constexpr uint64_t kFirstLogUser = 1000;

/// Users of the same world who were shown arms at random.
people::BanditSequences random_logs(envs::LatentBanditOptions world, int32_t users, int64_t rounds) {
  people::BanditSequences out;
  out.num_arms = world.num_arms;
  world.changes *= static_cast<double>(rounds - 1) / static_cast<double>(world.horizon - 1);  // the same chain, for fewer rounds
  world.horizon = rounds;
  for (int32_t u = 0; u < users; ++u) {
    world.user = kFirstLogUser + static_cast<uint64_t>(u);
    const auto log = envs::play_at_random(envs::make_latent_bandit(world).episode, world.seed * 1000003 + world.user);
    out.arms.insert(out.arms.end(), log.actions.begin(), log.actions.end());
    out.rewards.insert(out.rewards.end(), log.rewards.begin(), log.rewards.end());
    out.offsets.push_back(static_cast<int64_t>(out.rewards.size()));
  }
  return out;
}

}  // namespace

Claim learned_model_claim() {
  Claim out{"R5", "model learned by Baum-Welch from 500 users of 200 rounds, random arms", {}, "", {}};
  out.parts = {ratio_part("R5", "mTS, learned model / mTS, true model", Bound::kHighAtMost, 1.15)};
  out.note = "dense transition, Z = 5 given, 10 starts";
  out.seeds = kSyntheticSeeds;
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    return [context](uint64_t seed) {
      auto world = synthetic(context, kChanges, 0);
      world.seed = seed;
      people::BaumWelchOptions options;
      options.seed = seed;
      const auto learned = people::baum_welch(random_logs(world, context.quick ? 100 : 500, 200), options, nullptr, context.pool);
      envs::BanditProblem problem = envs::make_latent_bandit(world);
      problem.model = problem.certain = std::make_shared<const people::LatentModel>(learned.model);
      problem.prior = learned.prior;
      const std::vector<envs::Contender> contenders = {
          {"learned", [&](const envs::BanditProblem& p) { return people::make_latent_policy("mts", p.model); }},
          {"true", [&](const envs::BanditProblem& p) { return people::make_latent_policy("mts", p.truth); }},
          envs::uncertain("mmts", {}, "mmts, learned posterior")};
      const Contest contest(problem, contenders, seed);
      Measured measured;
      measured.values = {contest.pair("learned", "true")};
      measured.extras = {{"regret with the learned model", contest.of("learned")},
                         {"true model", contest.of("true")},
                         {"mmTS with the learned posterior", contest.of("mmts, learned posterior")},
                         {"iterations", static_cast<double>(learned.iterations)}};
      return measured;
    };
  };
  return out;
}

}  // namespace attune::eval
