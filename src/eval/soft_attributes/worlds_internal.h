// Generated worlds with the item space learned from their ratings: what most claims start from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "envs/attribute_world.h"
#include "eval/claim.h"
#include "people/als.h"
#include "people/attributes.h"
#include "people/space.h"

namespace attune::eval {

/// Pairs of a user and word that enter fits and tests, drawn at random: a user with 50 tagged items has 2,500, and time is better spent on users.
inline constexpr int64_t kMaxPairs = 50;

struct LearnedWorld {
  envs::AttributeWorld world;
  people::AlsModel model;
  people::ItemSpace space;  ///< item factors, rank = number of attributes
  people::AttributeSet tags;  ///< by word, whatever the rating of the item
  std::vector<uint8_t> rated;  ///< [items]

  /// The tags of a word of the vocabulary; kNotFound if nobody used it often enough.
  const people::AttributeData& attribute(size_t word) const { return tags.at(world.words[word].name); }
  bool has(size_t word) const;
  /// Words with one sense, or with several, that were used.
  std::vector<size_t> words(bool several_senses) const;
};

/// "standard" and, when quick, "ci" with as many taggers as standard.
envs::AttributeWorldOptions claim_world(const ClaimContext& context, uint64_t seed);

/// Weighted ALS of the preset soft_attributes with w0 = 0 and 8 sweeps, on `ratings` (the world's own if empty).
people::AlsModel fit_world(const envs::AttributeWorld& world, ThreadPool& pool, std::span<const data::Interaction> ratings = {});
LearnedWorld learn_world(const envs::AttributeWorldOptions& options, ThreadPool& pool);

/// Item factors of a model as a space.
people::ItemSpace item_space(const data::Dataset& dataset, const people::AlsModel& model, std::string name);

/// The users of an attribute with at least this many pairs.
people::AttributeData with_pairs(const people::AttributeData& attribute, size_t least);
/// tagged x others, or graded pairs: how many examples a user gives without any cap.
size_t num_pairs(const people::UserTags& user) noexcept;

double mean_of(std::span<const double> values);

}  // namespace attune::eval
