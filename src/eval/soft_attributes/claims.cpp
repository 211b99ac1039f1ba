#include "eval/soft_attributes/claims.h"

namespace attune::eval {

ClaimSet soft_attribute_claims() {
  return {"soft-attributes",
          "What people mean by a word: directions, senses, relevance and critiques.",
          {order_claim(), ranking_claim(), sense_count_claim(), sense_gain_claim(), over_split_claim(), chance_claim(), genre_claim(),
           real_tag_claim(), single_peak_claim(), network_claim(), critique_claim(), step_size_claim(), judgement_claim(),
           planted_senses_claim(), shuffled_tags_claim()}};
}

}  // namespace attune::eval
