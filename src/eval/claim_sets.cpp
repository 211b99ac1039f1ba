#include "eval/claim_sets.h"

#include "core/registry.h"
#include "eval/latent_bandits/claims.h"
#include "eval/soft_attributes/claims.h"

namespace attune::eval {
namespace {

// One line a set.
const Registry<ClaimSet (*)()>& registry() {
  static const Registry<ClaimSet (*)()> made = [] {
    Registry<ClaimSet (*)()> out("claim set");
    out.add("latent-bandits", latent_bandit_claims);
    out.add("soft-attributes", soft_attribute_claims);
    return out;
  }();
  return made;
}

}  // namespace

ClaimSet claim_set(std::string_view name) { return registry().get(name)(); }

std::vector<std::string> claim_set_names() { return registry().names(); }

}  // namespace attune::eval
