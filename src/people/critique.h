// Critiques: "more gory", "less gory" about a list, and how they move a user's vector (docs/methods/soft_attributes.md, "Critiques").
//
// Letters: u the user's vector [d], q_i item rows [m, d], c a unit direction (concept activation vector) or a mixture of senses,
// sd = standard deviation of c . q_i over the items, delta = +1 (more) or -1 (less), s = strength (1 as said, 2 "much": counts as two).
//   heuristic  u <- u + s alpha_t delta c,  alpha_t = alpha |u_0| / (1 + t)^rho, t = critiques before this one
//   bayes      prior N(u, Sigma), P(delta) = sigmoid(beta delta d . u)^s, d = sd c / |c|. With v = d' Sigma d, x_0 = d . u:
//              x = x_0 + v s beta delta sigmoid(-beta delta x)  (one scalar equation, the mode),  u <- u + Sigma d (x - x_0) / v,
//              Sigma <- Sigma - Sigma d d' Sigma h / (1 + h v),  h = s beta^2 sigmoid(beta x) sigmoid(-beta x)  (Laplace)
//   pairwise   "what lies there beats the list": q = mean of the `neighbours` items nearest to mean(list) + delta shift sd c / |c|, pair
//              z = q - mean(list);
//              u = argmax of log N(u_0, Sigma_0) + sum_t s_t log sigmoid(beta z_t . u) over all critiques so far
// The prior is N(p_u, s^2 A_u^-1) from ALS (critique_prior below). Verified: the scalar equation's known value, both Gaussian updates against
// numerical integration and finite differences (tests/people/critique_test.cpp). Critiquer is immutable and thread-safe; states belong to
// their caller. Cost of a step: O(m d + d^2).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "data/dataset.h"
#include "people/als_model.h"

namespace attune::people {

struct CritiqueOptions {
  std::string update = "bayes";  ///< heuristic, bayes, pairwise
  double alpha = 0.25;  ///< heuristic: first step as a share of |u_0|; published kind of update, tuned over 0.1, 0.25, 0.5, 1
  double rho = 0.5;  ///< heuristic: decay of the step, 0 or 0.5
  double least_length = 0;  ///< heuristic: |u_0| counts as at least this, so that somebody of whom nothing is known can move
  double beta = 1;  ///< bayes, pairwise: sharpness of the answer, above 0
  double shift = 1;  ///< pairwise: standard deviations from the list to the wished items
  int32_t neighbours = 10;  ///< pairwise: items nearest to the wish whose mean is compared with the list; 1 = one item
  int32_t slate = 10;  ///< items of a list
  int32_t max_steps = 10;  ///< critiques of a session
  bool repeat_shown = false;  ///< show items again

  void describe(OptionList& list);
  /// Throws kInvalidArgument naming the field.
  void check_ranges() const;
};

/// What a word points to for this user: one sense or a mixture sum_s weight_s c_s (shorter than 1 where senses disagree, and so is the step).
struct CritiqueDirection {
  std::string name;
  std::vector<float> v;  ///< [d]
  double sd = 0;  ///< standard deviation of v . q_i over the items
};

/// What was said about a list, as it stands in the event log (one JSON object, payload of a "critique" event).
struct CritiqueEvent {
  std::string attribute;
  int32_t sign = 1;  ///< +1 more, -1 less
  double strength = 1;  ///< in (0, 4]
  std::vector<std::string> slate;  ///< keys of the items shown
  std::string update{};  ///< heuristic, bayes, pairwise; empty: not said
  friend bool operator==(const CritiqueEvent&, const CritiqueEvent&) = default;
};

/// One user's session. Everything that the next step depends on, so a copy or its JSON continues bit for bit.
struct CritiqueState {
  std::vector<double> start;  ///< u_0 [d]
  std::vector<double> mean;  ///< u [d]
  std::vector<double> covariance;  ///< [d, d]; bayes: of now, pairwise: of the start; empty for heuristic
  std::vector<ItemIndex> shown;  ///< rising
  std::vector<double> pairs;  ///< pairwise: z [steps, d]
  std::vector<double> pair_weights;  ///< pairwise: s [steps]
  int32_t steps = 0;  ///< critiques applied
  friend bool operator==(const CritiqueState&, const CritiqueState&) = default;
};

/// Gaussian over a user's vector.
struct CritiquePrior {
  std::vector<double> mean;  ///< [d]
  std::vector<double> covariance;  ///< [d, d]
};

class Critiquer {
 public:
  /// `items` [m, d] and `offset` [m] (added to every score: item biases, popularity; empty = none) must outlive the critiquer.
  /// Throws kInvalidArgument (shapes, options), kCorruptData (numbers that are not finite). O(m d^2).
  Critiquer(std::span<const float> items, int32_t d, std::span<const float> offset, const CritiqueOptions& options);

  int32_t d() const noexcept { return d_; }
  int32_t num_items() const noexcept { return num_items_; }
  const CritiqueOptions& options() const noexcept { return options_; }

  /// The direction of a word: `senses` [s, d] and `weights` [s] (at least 0, summing to 1; one sense: {1}). Throws kInvalidArgument: shapes,
  /// weights, numbers that are not finite, a direction that is zero (senses that cancel).
  CritiqueDirection direction(std::string name, std::span<const float> senses, std::span<const double> weights) const;

  /// Checks the prior (finite, symmetric, positive diagonal; the covariance may be empty for the heuristic step): kInvalidArgument.
  CritiqueState start(const CritiquePrior& prior) const;
  /// The best items that were not shown, best first; `excluded` [m] or empty: non-zero = never. Shorter than options.slate if none is left.
  std::vector<ScoredItem> slate(const CritiqueState& state, std::span<const uint8_t> excluded = {}) const;
  /// Marks items as shown.
  void show(CritiqueState& state, std::span<const ItemIndex> items) const;
  /// Why the session is over: "steps" or "items" (the list could not be filled). Empty: it goes on.
  std::string_view stop_reason(const CritiqueState& state, size_t slate_size) const noexcept;

  /// Moves the user. `slate`: the list that was criticised (used by pairwise). Throws kInvalidArgument: sign, strength, shapes, and
  /// kFailedPrecondition if the state has no covariance for an update that needs one; the state is then unchanged.
  void apply(CritiqueState& state, const CritiqueDirection& direction, int32_t sign, double strength,
             std::span<const ItemIndex> slate) const;

  struct Replay {
    CritiqueState state;
    int32_t num_skipped = 0;  ///< critiques of words that `find_direction` does not know
  };
  /// The state after `events`, as if they had come one by one. Unknown item keys are passed over.
  Replay replay(const CritiquePrior& prior, std::span<const CritiqueEvent> events,
                const std::function<std::optional<CritiqueDirection>(const std::string& attribute)>& find_direction,
                const std::function<std::optional<ItemIndex>(const std::string& key)>& find_item) const;

 private:
  std::span<const float> row(ItemIndex item) const;
  std::vector<double> slate_mean(std::span<const ItemIndex> slate) const;
  std::vector<double> wished_pair(const CritiqueDirection& direction, int32_t sign, std::span<const ItemIndex> slate) const;

  std::span<const float> items_;
  int32_t d_;
  int32_t num_items_;
  std::span<const float> offset_;
  CritiqueOptions options_;
  std::vector<double> item_covariance_;  ///< [d, d]
  std::vector<float> squared_norm_;  ///< [m]
};

/// x with x = x_0 + v s beta delta sigmoid(-beta delta x): the mode of N(x_0, v) times sigmoid(beta delta x)^s. v, s >= 0, beta > 0.
double critique_mode(double x0, double v, double beta, int32_t sign, double strength);

/// The Bayesian step in place: mean [n], covariance [n, n], direction [n].
void bayes_critique(std::span<double> mean, std::span<double> covariance, std::span<const double> direction, int32_t sign, double strength,
                    double beta);

/// argmax of -(u - start)' covariance^-1 (u - start) / 2 + sum_t weights_t log sigmoid(beta pairs_t . u), pairs [t, n]. Newton in t dimensions.
std::vector<double> pairwise_critique(std::span<const double> start, std::span<const double> covariance, std::span<const double> pairs,
                                      std::span<const double> weights, double beta);

/// sum w (t - p . q)^2 / sum w over the ratings that the model was learned from: s^2. Throws kInvalidArgument (no ratings, rows outside).
double residual_variance(const AlsModel& model, std::span<const data::Interaction> ratings);

/// N(p, s^2 A^-1) of a user with these ratings (AlsModel::fold_in, AlsModel::precision). variance > 0.
CritiquePrior critique_prior(const AlsModel& model, std::span<const RatedItem> ratings, double variance);

/// One JSON object each; numbers round-trip exactly. Parsing throws kCorruptData naming the field: wrong type or size, not finite, sign other
/// than 1 and -1, strength outside (0, 4].
std::string critique_event_json(const CritiqueEvent& event);
CritiqueEvent parse_critique_event(std::string_view json);
std::string critique_state_json(const CritiqueState& state);
CritiqueState parse_critique_state(std::string_view json);

}  // namespace attune::people
