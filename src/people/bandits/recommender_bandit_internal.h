// Shared by the files that learn the latent bandit of a recommender.
#pragma once

#include <vector>

#include "people/bandits/recommender_bandit.h"

namespace attune::people {

/// `affinity` [m, Z] = theta_z . q_i, `share` [Z]; mu = offset + slope affinity. num_users is left at 0. O(m Z).
std::vector<LatentStateInfo> describe_states(const Recommender& recommender, const std::vector<double>& affinity,
                                             const std::vector<double>& share, double slope, double offset);

}  // namespace attune::people
