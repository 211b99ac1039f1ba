// Claims R1 to R5 about non-stationary latent bandits (docs/methods/latent_bandits.md, "Claims"). Seeds are problems, paired over policies; ratios are of
// mean regrets, with bootstrap intervals over seeds. No claim trains a network.
#pragma once

#include "eval/claim.h"

namespace attune::eval {

ClaimSet latent_bandit_claims();

Claim known_model_claim();  ///< R1: mTS against baselines, L = 10
Claim uncertain_model_claim();  ///< R2: mmTS against mTS, model off by s0
Claim changes_claim();  ///< R3: regret against the number of changes
Claim movie_claim();  ///< R4, MovieLens 100K
Claim stand_in_claim();  ///< R4, generated ratings
Claim learned_model_claim();  ///< R5: a model learned from logs by Baum-Welch

}  // namespace attune::eval
