// What users say about items in words: tag events and graded judgements, grouped by attribute and user, and the examples that training uses.
//
// Method: docs/methods/soft_attributes.md. An attribute is a word ("gory"). A user who tags says "more of it" about the tagged items and
// implicitly less about the items that the same user tagged with other words only; a rater says it pair by pair. Comparisons inside one user
// cancel that user's threshold. Plain data; not thread-safe while written. Memory: 4 bytes an item, 12 a pair.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/rng.h"
#include "data/dataset.h"

namespace attune::people {

using data::ItemIndex;
using data::UserIndex;

/// "`better` has more of the attribute." Strength 1: more; 2: much more. Weights the example.
struct PairExample {
  ItemIndex better;
  ItemIndex worse;
  float strength = 1;
  friend bool operator==(const PairExample&, const PairExample&) = default;
};

/// What one user said with the word. Lists hold distinct items in rising order; `tagged` and `others` share none.
struct UserTags {
  UserIndex user;
  std::vector<ItemIndex> tagged;
  std::vector<ItemIndex> others;  ///< items that the user tagged with other words only
  std::vector<PairExample> pairs;  ///< graded judgements; empty for tags
};

struct AttributeData {
  std::string name;
  std::vector<UserTags> users;  ///< those who used the word, in rising order

  int64_t num_tagged() const noexcept;  ///< tag events
  int64_t num_judged() const noexcept;  ///< graded pairs
};

/// Throws kInvalidArgument naming attribute and user: an item outside [0, num_items), an item both tagged and other, a pair of one item, a
/// strength that is not finite or not above 0, a user twice, no user at all.
void check_attribute(const AttributeData& attribute, int32_t num_items);

struct TagOptions {
  double min_rating = 4;  ///< a tag event counts only if the same user rated the item at least this; 0 = no rating asked for
  bool fold = true;  ///< compare words after text::fold (case, accents, spacing); false: ASCII lower case only
  int32_t min_users = 1;  ///< attributes used by fewer users are left out and listed
  int32_t min_items = 5;  ///< attributes on fewer distinct items likewise
  void describe(OptionList& list);
};

struct SkippedAttribute {
  std::string name;
  int64_t num_users = 0;
  int64_t num_items = 0;
};

/// Tags of a data set by word, and what was left out.
struct AttributeSet {
  std::vector<AttributeData> attributes;  ///< by name
  std::vector<ItemIndex> tagged_items;  ///< items that carry any counted tag, rising: where binary negatives come from
  int64_t num_events = 0;  ///< tag events of the data set
  int64_t num_kept = 0;  ///< counted once per (user, item, word)
  int64_t num_repeated = 0;  ///< same (user, item, word) again
  int64_t num_unrated = 0;  ///< the user did not rate the item
  int64_t num_low_rated = 0;  ///< the user rated it below min_rating
  int64_t num_empty = 0;  ///< nothing left of the word after folding
  std::vector<SkippedAttribute> skipped;  ///< too few users or items

  /// Throws kNotFound naming the word, and saying so if it was skipped for having too few examples.
  const AttributeData& at(std::string_view name) const;
};

/// Groups Dataset::tags by word and user. Of repeated ratings the last counts. O(events log events).
AttributeSet tag_attributes(const data::Dataset& dataset, const TagOptions& options = {});

struct PairOptions {
  int32_t max_per_side = 500;  ///< positives and negatives of a user before the product
  bool equal_sides = true;  ///< as many negatives as positives, drawn without replacement (published); false: all
  int64_t max_pairs = 0;  ///< of one user, drawn without replacement; 0 = all of the product
};

/// Comparisons of one user: the graded judgements if there are any, else tagged x others. Empty if the user has only one side. The draws
/// depend on `rng` alone.
std::vector<PairExample> user_pairs(const UserTags& user, const PairOptions& options, Rng& rng);

/// user_pairs of each user, in order; user k draws from the stream (seed, "pairs <attribute name> <user row>").
std::vector<std::vector<PairExample>> attribute_pairs(const AttributeData& attribute, const PairOptions& options, uint64_t seed);

/// The same users and items with other labels: every user's items (tagged and others) are tagged where `flags` [num_items] is not 0. Users
/// left with one side only are dropped. For artificial attributes such as title length parity. Graded pairs are oriented by the flags, and
/// dropped where both items have the same.
AttributeData relabelled(const AttributeData& attribute, std::string name, std::span<const uint8_t> flags);

/// The same users and counts, but each user's tagged items are drawn at random from the user's items (graded pairs: orientation by a coin).
AttributeData shuffled(const AttributeData& attribute, std::string name, uint64_t seed);

}  // namespace attune::people
