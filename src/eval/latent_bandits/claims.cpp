#include "eval/latent_bandits/claims.h"

namespace attune::eval {

ClaimSet latent_bandit_claims() {
  return {"latent-bandits",
          "Users who change: mTS and mmTS against baselines with and without forgetting.",
          {known_model_claim(), uncertain_model_claim(), changes_claim(), movie_claim(), stand_in_claim(), learned_model_claim()}};
}

}  // namespace attune::eval
