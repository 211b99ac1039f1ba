// The latent bandit of a learned recommender: moods that its users move between, in the factors it has already
// (docs/methods/latent_bandits.md, "In the product").
//
// Letters: Z states, m items, d = rank + 1. x_i = (q_i, 1) are the features of item i, q_i its factors.
//   reward of a rating  y = what p . q was learned to predict of it (the factorisation's target: "liked" gives 1 to 4 and 5 stars, less
//                       to others; "residual" gives rating - mean - item bias - user bias, the user bias from the user's earlier ratings)
//   mean in state z     mu(i, z) = slope theta_z . q_i + offset = x_i . (slope theta_z, offset)
// theta_z: means of clusters of user factors (cluster.h). slope and offset by least squares on the ratings, since factors that were also
// fitted to unrated pairs predict too little for rated ones. Noise: the residuals. Moves: a sticky chain towards the clusters' shares, rho from
// Baum-Welch on 200 users' ratings in order of time with all else held fixed. Uncertainty for mmTS: covariances inside the clusters.
// The number of states is the least one whose log likelihood of held-out users' ratings is within one standard error, or 0.005 nats a rating,
// of the best (compared at rho = 0.01, or the given one).
// Immutable after construction; thread-safe. Memory 4 m rank bytes besides the model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/options.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "people/bandits/latent_model_files.h"
#include "people/recommender.h"

namespace attune::people {

struct RecommenderBanditOptions {
  int32_t num_states = 0;  ///< 0 = chosen among 5 to 20
  double rho = 0;  ///< chance that a mood ends in a round; 0 = learned
  double least_rho = 0.01;  ///< of the learned one: where everybody rated in one sitting, the log shows no mood that ends
  double round_hours = 24;  ///< a pause of this length counts as one round
  double dismiss_rating = 2;  ///< what a dismissal counts as
  int32_t least_ratings = 20;  ///< of users who are clustered
  int32_t restarts = 10;  ///< of k-means
  uint64_t seed = 0;

  void describe(OptionList& list);
};

/// An item that sets a state apart from the others.
struct TypicalItem {
  ItemIndex item;
  double mean = 0;  ///< mu(i, z)
  double lift = 0;  ///< mu(i, z) minus the mean over all states by their shares
};

struct TypicalGenre {
  std::string genre;
  double lift = 1;  ///< share among the state's most typical items, divided by the share among all items that could be typical
};

/// A state as a person reads it.
struct LatentStateInfo {
  std::string name;  ///< of its genres; unique
  double share = 0;  ///< of the users
  int64_t num_users = 0;  ///< who are nearest to it
  std::vector<TypicalItem> items;  ///< at most 8, the most typical first; an item is typical for one state only
  std::vector<TypicalGenre> genres;  ///< at most 3, lift above 1
};

/// Rewards of one user's ratings; give them in order of time. Cheap to copy.
class RatingReward {
 public:
  /// The model must outlive it.
  explicit RatingReward(const AlsModel& model) : model_(&model) {}
  /// The reward y of the next rating.
  double operator()(ItemIndex item, double rating);

 private:
  const AlsModel* model_;
  double residuals_ = 0;
  double count_ = 0;
};

/// What RecommenderBandit is made of.
struct RecommenderBanditParts {
  LatentModelFile file;  ///< a Gaussian model by features; record.recommender = the recommender's version
  std::vector<LatentStateInfo> states;  ///< [Z]
  double round_hours = 24;
  double dismiss_rating = 2;
};

/// The command that makes one, for messages.
inline constexpr std::string_view kLearnBanditCommand = "attune learn bandit --recommender FOLDER";

class RecommenderBandit {
 public:
  /// Throws kCorruptData (sizes, ranges), kFailedPrecondition (another version of the recommender).
  RecommenderBandit(const Recommender& recommender, RecommenderBanditParts parts);

  /// Reads bandit.json of the recommender's folder (docs/formats/recommender_bandit.md): kNotFound, kCorruptData, kUnsupported,
  /// kFailedPrecondition (it belongs to another version of the recommender). Messages end with the command that learns it.
  static std::shared_ptr<const RecommenderBandit> load(const Path& folder, const Recommender& recommender);
  /// Writes bandit.json and the model file that it names; each appears whole or not at all, bandit.json last.
  void save(const Path& folder, const Recommender& recommender) const;

  const LatentModel& model() const noexcept { return *model_; }
  const std::shared_ptr<const LatentModel>& shared_model() const noexcept { return model_; }
  const LatentPrior& prior() const noexcept { return parts_.file.prior; }
  const LatentModelRecord& record() const noexcept { return parts_.file.record; }
  const std::string& version() const noexcept { return model_->version; }
  int32_t num_states() const noexcept { return model_->num_states; }
  const std::vector<LatentStateInfo>& states() const noexcept { return parts_.states; }
  int64_t round_ms() const noexcept { return round_ms_; }
  double round_hours() const noexcept { return parts_.round_hours; }
  double dismiss_rating() const noexcept { return parts_.dismiss_rating; }

  /// x_i [d].
  std::vector<double> features(ItemIndex item) const;
  /// A user whose mood is known: score(i) = mu(i, z) - offset, plus the item bias where the recommender ranks with it.
  UserVector state_vector(int32_t state) const;
  /// The same for the mean over a belief p [Z] (mu is linear in theta).
  UserVector mean_vector(std::span<const double> p) const;
  /// The same for parameters theta [d] from elsewhere (a draw, a personal posterior).
  UserVector vector_of(std::span<const double> theta) const;
  /// Rounds from one event to the next: 1, and one more for each whole round that passed. Times in milliseconds; going back counts as 0.
  double rounds_between(int64_t earlier_ms, int64_t later_ms) const noexcept;

 private:
  RecommenderBanditParts parts_;
  std::shared_ptr<const LatentModel> model_;
  std::vector<float> item_factors_;  ///< [m, rank]
  int64_t round_ms_ = 0;
};

/// How the number of states was chosen; one row a number tried.
struct MoodChoice {
  int32_t num_states = 0;
  double noise_sd = 0;
  double held_out = 0;  ///< mean log likelihood of a held-out user's rating
  double behind = 0;  ///< mean over held-out users of the best one's minus this one's
  double behind_error = 0;  ///< its standard error
};

struct LearnedBandit {
  std::shared_ptr<const RecommenderBandit> bandit;
  std::vector<MoodChoice> tried;
};

/// Learns it from a recommender's own ratings. `created`: ISO 8601. Users beyond 2,000 with enough ratings are drawn at random by the seed.
/// Throws kFailedPrecondition where there are fewer than 20 users with enough ratings, or too few for the number of states; kInvalidArgument for
/// options out of range. Deterministic in the seed, whatever the number of threads. O(restarts n Z d + ratings Z d) a number of states.
LearnedBandit learn_recommender_bandit(const Recommender& recommender, const RecommenderBanditOptions& options, const std::string& created,
                                       ThreadPool& pool, ProgressSink& progress);

}  // namespace attune::people
