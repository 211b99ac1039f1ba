// Senses of a word: users may mean different directions by the same attribute (docs/methods/soft_attributes.md, "Senses").
//
// Hard EM: a sense has a direction; a user belongs to the sense under which the user's pairs are likeliest, or, as published, to the one that orders
// most of them correctly (cosine form). How many senses
// there are is decided either as in the paper's published code (`compat`: in-sample objective must grow by a factor) or on held-out halves
// of each user's items, against a permutation null (`held_out`). Deterministic in the seed, whatever the number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/thread_pool.h"
#include "people/attributes.h"
#include "people/cav.h"
#include "people/space.h"

namespace attune::people {

struct SenseOptions {
  std::string selection = "held_out";  ///< held_out, compat
  std::string assign =
      "likelihood";  ///< held_out: what a user's sense maximises: likelihood (of the pairs), accuracy (published; compat always)
  int32_t max_senses = 5;
  int32_t rounds = 20;  ///< of an EM run
  double factor = 1.01;  ///< compat: objective of s senses over that of the last accepted number
  double gain = 0.01;  ///< held_out: accuracy that one more sense must bring
  int32_t folds = 4;  ///< held_out: of users; directions are from the users of the other folds
  int32_t restarts = 10;  ///< held_out: by discriminants; the best is refined by logistic fits
  std::string restart_choice =
      "objective";  ///< objective: on the half trained on; held_out: on the other half (its score is then optimistic)
  int32_t permutations = 200;
  double null_quantile = 0.95;
  int32_t null_folds = 2;
  int32_t null_rounds = 5;
  int32_t null_restarts = 5;  ///< one start often misses a third sense (p = 0.9 where five starts give 0.01)
  int32_t min_users = 4;  ///< held_out, at least 2: with fewer users whose items can be split there is one sense
  int64_t max_test_pairs = 200;  ///< of a user and half in the test of the number of senses
  CavOptions cav;  ///< of the final directions; EM rounds use its C without cross-validation (compat: as given)
  double em_c = 1;  ///< C in EM rounds (held_out)
  uint64_t seed = 0;

  void describe(OptionList& list);
  void check_ranges() const;
};

/// One try of one sense more.
struct SenseStep {
  int32_t senses = 0;
  double objective = 0;  ///< compat: in-sample accuracy of EM; held_out: held-out accuracy
  double gain = 0;  ///< held_out: over the last accepted number, fits by logistic regression
  double screened_gain = 0;  ///< the same by discriminants and few restarts, what the null is compared with
  double null_gain = 0;  ///< its quantile under permutation
  double p_value = 1;  ///< (1 + permutations that reach screened_gain) / (1 + permutations)
  bool accepted = false;
};

struct Senses {
  std::string attribute;
  std::vector<Cav> cavs;  ///< one a sense, the most used first; named "word" alone, "word#1", "word#2", ...
  std::vector<UserIndex> users;  ///< of the attribute
  std::vector<int32_t> sense;  ///< [users] 0-based; -1 if the user has no pair
  std::vector<double> share;  ///< [senses] of the users with pairs
  double objective = 0;  ///< in-sample share of pairs in the right order under each user's own sense
  std::vector<SenseStep> steps;  ///< from one sense on
  int32_t count() const noexcept { return static_cast<int32_t>(cavs.size()); }
};

/// Throws as train_cav for too few examples.
Senses find_senses(const ItemSpace& space, const AttributeData& attribute, const SenseOptions& options, ThreadPool& pool);

/// EM with a given number of senses on all pairs: best of `restarts` (compat: one random deal, round robin), final directions with options.cav.
/// A sense that no user chose is left out, so fewer than `count` may come back.
Senses fit_senses(const ItemSpace& space, const AttributeData& attribute, int32_t count, const SenseOptions& options, ThreadPool& pool);

struct SoftSenseOptions {
  int32_t rounds = 20;
  double c = 1;
  bool temperature = true;  ///< a user's log likelihood is divided by pairs / (distinct items - 1), since pairs share items; false: by 1
  double tolerance = 1e-4;  ///< of a relative change of the objective
  int32_t max_per_side = 500;
  int64_t max_pairs = 500;  ///< of a user
  uint64_t seed = 0;
};

/// gamma_us proportional to pi_s prod_pairs sigma(w_s . x)^(1 / T_u), started from hard senses.
struct SoftSenses {
  std::vector<std::vector<double>> w;  ///< [senses][d] logits
  std::vector<Direction> directions;
  std::vector<double> pi;  ///< [senses]
  std::vector<double> gamma;  ///< [users, senses]; pi for users without pairs
  std::vector<double> temperature;  ///< [users]
  std::vector<double> objective;  ///< penalised log likelihood after each round; never falls
};
SoftSenses soft_senses(const ItemSpace& space, const AttributeData& attribute, const Senses& start, const SoftSenseOptions& options);

/// gamma of a user that was not there, from its pairs: [senses].
std::vector<double> sense_posterior(const ItemSpace& space, const SoftSenses& senses, std::span<const PairExample> pairs, bool temperature);

}  // namespace attune::people
