// Claims C1 to C10 about soft attributes, and what shuffled tags, planted senses and few real tags come to (docs/methods/soft_attributes.md,
// "Claims"). No claim trains a network.
#pragma once

#include "eval/claim.h"

namespace attune::eval {

ClaimSet soft_attribute_claims();

// By what they are about; soft_attribute_claims() puts them in order.
Claim order_claim();  ///< C1: a CAV recovers the order of an objective attribute as well as the space allows
Claim ranking_claim();  ///< C2: pairs against binary labels under personal thresholds
Claim sense_count_claim();  ///< C3
Claim sense_gain_claim();  ///< C4
Claim over_split_claim();  ///< C5
Claim chance_claim();  ///< C6, generated worlds
Claim genre_claim();  ///< C6, MovieLens 100K
Claim real_tag_claim();  ///< C6, tags of MovieLens latest-small
Claim single_peak_claim();  ///< C7
Claim network_claim();  ///< C7, the part that needs a network
Claim critique_claim();  ///< C8
Claim step_size_claim();  ///< C9
Claim judgement_claim();  ///< C10
Claim planted_senses_claim();  ///< three senses planted in MovieLens 100K
Claim shuffled_tags_claim();  ///< shuffled tags are objective and irrelevant

}  // namespace attune::eval
