// What people are in the mood for, as pages and terminals show it: the states of a recommender's latent bandit, a user's belief, decisions.
//
// Plain data; the functions are RecommendService's (assist/recommend.h). docs/methods/latent_bandits.md, "In the product".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace attune::assist {

struct MoodItem {
  std::string item;  ///< id
  std::string title;
  double mean = 0;  ///< expected reward in the state
  double lift = 0;  ///< above the mean over the states
};

struct Mood {
  int32_t state = 0;
  std::string name;
  double share = 0;  ///< of the users
  int64_t num_users = 0;
  std::vector<MoodItem> items;  ///< the most typical first, deleted ones left out
  std::vector<std::pair<std::string, double>> genres;  ///< with lift
};

struct MoodList {
  std::string model;  ///< version of the latent bandit
  std::string recommender;
  double rho = 0;  ///< chance that a mood ends in a round
  double round_hours = 0;
  double noise_sd = 0;
  std::vector<Mood> moods;
};

/// The belief after something that the user said.
struct MoodStep {
  std::string event_id;  ///< empty: learned from
  std::string kind;  ///< "rating", "dismiss"
  std::string item;
  std::string title;
  std::optional<double> value;  ///< of a rating
  int64_t time_ms = 0;  ///< 0 = not known
  double reward = 0;
  double rounds = 0;  ///< since the step before
  double log_evidence = 0;
  std::vector<double> belief;  ///< [Z]
};

struct MoodMisfit {
  int64_t num_rounds = 0;
  double z = 0;  ///< about standard normal if the model is right; above 0: what the user does surprises it
  int64_t num_alarms = 0;
};

struct UserMood {
  std::string user;
  std::string model;
  std::vector<double> belief;  ///< [Z] now
  double entropy = 0;  ///< nats
  double rounds_since = 0;  ///< from the last step to now
  int64_t num_steps = 0;  ///< all of them
  int64_t num_impossible = 0;
  std::vector<MoodStep> steps;  ///< the latest, oldest first
  std::optional<int64_t> last_change;  ///< step (of all, from 0 on) at which the likeliest state changed last
  int32_t changed_from = -1;
  int32_t changed_to = -1;
  MoodMisfit misfit;
};

/// How a list was decided.
struct ListDecision {
  std::string event_id;  ///< in the log; empty without a store
  std::string model;
  uint64_t seed = 0;
  std::vector<double> belief;  ///< [Z] that was acted on
  std::optional<double> propensity;  ///< probability of this list; nullopt where an estimate found none
  bool exact = true;  ///< false: the propensity is an estimate (latent_mmts)
  int64_t num_lists = 0;  ///< different lists that were possible
};

}  // namespace attune::assist
