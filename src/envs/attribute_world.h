// A made-up world in which users rate items by hidden attributes and tag some of them with words (docs/methods/soft_attributes.md,
// "Generated world"): the generator of Göpfert et al., "Discovering Personalized Semantics for Soft Attributes in Recommender Systems using
// Concept Activation Vectors" (2022), as published in recsim_ng, with its departures as options.
//
// D attributes a: the first S are taggable, the others latent; of the taggable ones the first J * G form J groups of G senses (G =
// group_size), the rest are objective. Items v_i in [0, 1]^D, users w_u in [0, 1]^D after their mask.
//   utility   f(u, i) = sum_a (p_a - |w_a v_a - p_a|), which is w . v where every w_a v_a <= p_a
//   choice    without replacement, multinomial logit on theta f(u, i) + popularity_i (Gumbel top-k); the first N_u of M choices are rated
//   rating    1 + floor(5 (s - s_min) / (s_max + 1e-6 - s_min)), s = f + noise, range over the M choices
//   tags      a rated item is tagged with probability PT_u and then gets the word of every attribute with v_a mask_a > threshold
// A word of a group is the union of its attributes' tags: one word, G senses. Same world on every machine for the same options.
// Cost O(n m D + n m log M). Verified: the utility by hand, choice frequencies against enumeration (tests/envs/attribute_world_test.cpp).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/rng.h"
#include "data/dataset.h"

namespace attune::envs {

struct AttributeWorldOptions {
  int32_t num_users = 400;
  int32_t num_items = 300;
  int32_t num_attributes = 12;  ///< D
  int32_t num_taggable = 6;  ///< S, below D
  int32_t num_groups = 1;  ///< J
  int32_t group_size = 2;  ///< G, senses of a word; at least 2 if there are groups
  int32_t num_topics = 5;  ///< K, components of the mixture that items and users come from
  int32_t max_ratings = 60;  ///< M, at most num_items
  double topic_sd = 0.5;
  double peak_low = 1;  ///< peaks p_a ~ U(peak_low, 1); 1 = linear utility
  double theta = 1;  ///< inverse temperature of choices
  double zipf = 1.35;  ///< number of ratings: pmf ~ k^-zipf, clipped to [1, M]
  double score_sd = 0.02;
  double none_share = 0.8;  ///< users who never tag
  double tag_low = 0.1;  ///< PT_u ~ U(tag_low, tag_high) for the others
  double tag_high = 0.5;
  std::vector<double> thresholds = {0.5};  ///< means of the mixture that a threshold is drawn from; 0.3 and 0.7 = degree-subjective
  double threshold_sd = 0.01;
  std::string threshold_owner = "user_tag";  ///< user_tag: drawn once per user and attribute; event: for every rated item again (published)
  std::string sense_owner = "user";  ///< user: one sense drawn for all groups (published); group: one for each
  std::string rating_range = "choices";  ///< choices: range over all M choices (published); rated: over the rated ones only
  uint64_t seed = 0;

  void describe(OptionList& list);
  /// Throws kInvalidArgument naming the field.
  void check_ranges() const;
};

/// "ci", "standard", "large", "unit" (the published test's shape). Throws kNotFound listing them.
AttributeWorldOptions attribute_world_preset(std::string_view name);

/// A word of the vocabulary and the attributes it may mean: one for an objective word, G for a group's.
struct WorldWord {
  std::string name;  ///< "word 0", "attribute 4"
  std::vector<int32_t> senses;  ///< attribute of each sense
};

struct AttributeWorld {
  AttributeWorldOptions options;
  data::Dataset dataset;  ///< users "u0", items "i0"; tags carry the word
  std::vector<WorldWord> words;  ///< groups first
  std::vector<float> items;  ///< v [m, D]
  std::vector<float> users;  ///< w [n, D], masked and clipped
  std::vector<float> peaks;  ///< p [n, D]
  std::vector<uint8_t> masks;  ///< [n, D]
  std::vector<int32_t> sense;  ///< [n, J]: sense of each group's word
  std::vector<float> thresholds;  ///< [n, S]: of the last draw where threshold_owner = event
  std::vector<float> tag_probability;  ///< PT_u [n]
  std::vector<float> popularity;  ///< [m]

  int32_t num_attributes() const noexcept { return options.num_attributes; }
  /// f(u, i). Rows must be inside: kInvalidArgument.
  double utility(data::UserIndex user, data::ItemIndex item) const;
  /// f(u, .) [m].
  std::vector<float> utilities(data::UserIndex user) const;
  /// v_i of the attribute that `user` means by word `word`.
  float degree(size_t word, data::UserIndex user, data::ItemIndex item) const;
  /// Attribute that `user` means by `word`.
  int32_t attribute_of(size_t word, data::UserIndex user) const;
  /// Column of `items`: v_i of one attribute [m].
  std::vector<float> axis(int32_t attribute) const;
};

/// Throws kInvalidArgument (options).
AttributeWorld make_attribute_world(const AttributeWorldOptions& options);

/// sum_a (p_a - |w_a v_a - p_a|). Equally long.
double single_peaked_utility(std::span<const float> w, std::span<const float> v, std::span<const float> p);

/// k of logits.size() rows without replacement in the order chosen: sequential multinomial logit, by the k largest of logit + Gumbel noise
/// (Vieira, "Gumbel-max trick and weighted reservoir sampling", 2014). 0 <= k <= n, finite logits: kInvalidArgument. O(n + k log k).
std::vector<int32_t> choose_without_replacement(std::span<const double> logits, int32_t k, Rng& rng);

/// A draw of the pmf k^-power / zeta(power), k >= 1, clipped to [1, most]. power > 1. Expected O(1) (rejection, Devroye 1986, X.6.1).
int64_t draw_zipf(double power, int64_t most, Rng& rng);

}  // namespace attune::envs
