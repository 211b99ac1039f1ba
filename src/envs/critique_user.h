// A simulated person who criticises lists by what they mean by words, and sessions with it (docs/methods/soft_attributes.md, "Simulated user").
//
// The person knows the true utility of every item and, in their own sense, the degree of every attribute. Target i* = the `target_items`
// unseen items of greatest utility. For a list S the gap of attribute g is (mean degree of the target - mean degree of S) / sd_g, with sd_g over
// all items. With probability `greedy` the person criticises the attribute with the largest |gap|, else one drawn with probability
// proportional to exp(|gap_g| / temperature); never the one criticised just before, and nothing if the |gap| is below `least_gap`.
// The answer is the sign of the gap. Deterministic by seed. Not thread-safe: one person, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/rng.h"
#include "people/critique.h"

namespace attune::envs {

struct CritiqueUserOptions {
  int32_t target_items = 10;
  double greedy = 0.9;
  double temperature = 0.2;
  double least_gap = 0.1;

  void describe(OptionList& list);
};

/// The hidden truth about one person.
struct CritiqueTruth {
  std::vector<float> utility;  ///< [m]
  std::vector<std::vector<float>> degrees;  ///< one [m] an attribute, in the person's own sense
  std::vector<uint8_t> seen;  ///< [m] or empty: non-zero = known to the person already; never a target, never shown
};

class CritiqueUser {
 public:
  /// Throws kInvalidArgument: lengths, numbers that are not finite, no unseen item, options out of range.
  CritiqueUser(CritiqueTruth truth, const CritiqueUserOptions& options, uint64_t seed);

  struct Response {
    size_t attribute = 0;
    int32_t sign = 1;
    double gap = 0;
  };
  /// The critique of a list (not empty: kInvalidArgument). nullopt: nothing to criticise. An attribute without spread is never criticised.
  std::optional<Response> respond(std::span<const data::ItemIndex> slate);

  const CritiqueTruth& truth() const noexcept { return truth_; }
  /// Mean degrees of the target, one an attribute.
  const std::vector<double>& target() const noexcept { return target_; }

 private:
  CritiqueTruth truth_;
  CritiqueUserOptions options_;
  Rng rng_;
  std::vector<double> target_;
  std::vector<double> sd_;
  std::optional<size_t> last_;
};

/// One list of a session. Normalised: (U_t - U_0) / (U_max - U_0); 1 where U_max = U_0. As lists leave out what was shown, the mean of later
/// lists falls once the good items are gone, even if the profile gets better: compare profiles by normalised_profile.
struct CritiqueStep {
  double best = 0;  ///< true utility of the best item of the list
  double mean = 0;  ///< of its mean item
  double best_so_far = 0;  ///< best of all lists up to here
  double normalised_best = 0;  ///< of best_so_far; U_max = the best unseen item
  double normalised_mean = 0;  ///< U_max = the mean of the k best unseen items
  double profile_mean = 0;  ///< true mean utility of the k unseen items that the profile ranks first, shown before or not
  double normalised_profile = 0;  ///< of profile_mean; U_max as for normalised_mean. Not lowered by good items having been shown already
  double ndcg = 0;  ///< of the list, gain = utility scaled to [0, 1] over unseen items, against the best list that could still be shown
  std::optional<CritiqueUser::Response> critique;  ///< what was said about it
};

struct CritiqueSession {
  std::vector<CritiqueStep> steps;  ///< [0] is the first list; as many as were shown
  std::optional<int32_t> steps_to_90;  ///< first list at which best_so_far has 90 % of the way from U_0 to U_max
  std::string stopped;  ///< "steps" or "items"
  people::CritiqueState state;  ///< at the end
};

/// What the system believes that attribute `g` of the person points to; nullopt: it cannot use the critique.
using DirectionSource = std::function<std::optional<people::CritiqueDirection>(size_t attribute)>;

/// Shows a list, asks, updates, and so on: max_steps critiques and one list more. Steps at which nothing is said count too. An empty
/// source never updates (the baseline). All baselines are sources: random_directions, one sense for everybody, true axes; popularity
/// is a critiquer over a zero start with counts as offset.
CritiqueSession run_critique_session(const people::Critiquer& critiquer, people::CritiqueState start, CritiqueUser& user,
                                     const DirectionSource& directions);

/// `count` unit rows [count, d], uniform on the sphere.
std::vector<float> random_directions(int32_t count, int32_t d, uint64_t seed);

}  // namespace attune::envs
