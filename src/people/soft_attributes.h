// The words that a learned recommender understands: directions of its item factors, one a sense, with how they were learned.
//
// Made by learn_attributes (people/soft_attributes_learn.h), kept beside the recommender's files (attributes.json and
// attributes-DIGEST.safetensors, docs/formats/attributes.md). A direction belongs to the factors that it was learned in: files of another
// version of the recommender are refused. Degrees are z scores of c . q_i over the catalogue. Letters: m items, d rank, n users.
// Immutable after construction; thread-safe. Memory 4 m bytes a sense.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "people/recommender.h"

namespace attune::people {

/// One meaning of a word.
struct AttributeSense {
  Direction direction;  ///< "gory" or "gory#2"; in the recommender's plain item factors
  double share = 1;  ///< of the users whose meaning is known
  int64_t num_users = 0;
  double mean = 0;  ///< of unit . q_i over the items; made on construction, as `degree` is
  std::vector<float> degree;  ///< [m], (unit . q_i - mean) / sd
};

/// What a user of the learned data means by a word with several senses.
struct SenseUser {
  UserIndex user;
  int32_t sense = 0;
};

struct SoftAttribute {
  std::string name;
  std::string kind = "unknown";  ///< objective, degree-subjective, sense-subjective, irrelevant, unknown (too little to tell)
  std::string source;  ///< tags, joined tags, judgements, genres
  int64_t num_users = 0;  ///< who used the word
  int64_t num_examples = 0;  ///< items they put it on, or pairs they judged
  std::optional<double> accuracy;  ///< of pairs of held-out users (genres: held-out items), mean over users
  std::optional<double> auc;  ///< of held-out items, mode binary
  std::vector<AttributeSense> senses;  ///< the most used first
  std::vector<SenseUser> users;  ///< rising rows; empty with one sense
};

/// A word that was not learned.
struct SkippedWord {
  std::string name;
  std::string reason;
};

struct SoftAttributesRecord {
  std::string recommender;  ///< version of the recommender whose factors hold the directions
  std::string created;  ///< ISO 8601, UTC
  std::vector<std::string> sources;  ///< where words came from and what was counted, for a person
  int64_t num_skipped = 0;  ///< all of them; the list holds the most used
  double residual_variance = 0;  ///< of the recommender on its ratings (people/critique.h), scale of the uncertainty of profiles
};

/// A word as one person means it.
struct WordMeaning {
  size_t attribute = 0;
  std::optional<size_t> sense;  ///< nullopt: the mixture of all senses by their shares, as this person's is not known
  std::string name;  ///< "gory", "gory#2"
  std::vector<float> v;  ///< [d]; length 1, shorter for a mixture
  double mean = 0;  ///< of v . q_i over the items
  double sd = 0;
};

class LearnedAttributes {
 public:
  /// Makes the degrees. kCorruptData naming the attribute: names empty, over 200 bytes or repeated, a direction of another length than 1, of
  /// another rank or not finite, no sense, shares outside [0, 1], users or senses that are not there. kFailedPrecondition: another version
  /// of the recommender. O(m d) a sense.
  LearnedAttributes(const Recommender& recommender, std::vector<SoftAttribute> attributes, SoftAttributesRecord record,
                    std::vector<SkippedWord> skipped = {});

  /// Whether the folder holds attributes at all.
  static bool exist(const Path& folder);
  /// Reads and checks the files beside `recommender`'s own. kNotFound (never learned), kFailedPrecondition (learned for another version), both
  /// saying which command learns them; kCorruptData naming file and field; kUnsupported (newer format).
  static std::shared_ptr<const LearnedAttributes> load(const Path& folder, const Recommender& recommender);
  /// Writes the files into the recommender's folder. A process killed at any moment leaves the old set or the new one.
  void save(const Path& folder) const;

  const std::vector<SoftAttribute>& attributes() const noexcept { return attributes_; }
  const std::vector<SkippedWord>& skipped() const noexcept { return skipped_; }
  const SoftAttributesRecord& record() const noexcept { return record_; }

  /// Place of an attribute by name, compared after text::fold. nullopt: no such word.
  std::optional<size_t> find(std::string_view name) const;
  /// Place by name. Throws kNotFound naming the closest known names, or why the word was skipped.
  size_t at(std::string_view name) const;
  /// "gory" or "gory#2" as `user` means it: the sense named, the user's own, the only one, or the mixture by shares (the most used sense
  /// where senses cancel). `preferred`: a sense that counts before the user's own one. Throws as `at`, also for a sense that is not there.
  WordMeaning meaning(std::string_view word, std::optional<UserIndex> user = {}, std::optional<size_t> preferred = {}) const;
  /// z score of an item.
  double degree(const WordMeaning& meaning, ItemIndex item) const;
  /// Share of the items with a lower degree.
  double percentile(size_t attribute, size_t sense, ItemIndex item) const;

  /// How much more of a meaning the profile p [d] wants than the average user: (v . p - mean_u) / sd_u over the users learned from. 0 where
  /// users do not differ.
  double taste(const WordMeaning& meaning, std::span<const float> p) const;
  /// Standard deviation of `taste` under a covariance [d, d] of p.
  double taste_sd(const WordMeaning& meaning, std::span<const double> covariance) const;
  /// Mean length of the users' vectors.
  double user_length() const noexcept { return user_length_; }

 private:
  WordMeaning sense_meaning(size_t attribute, size_t sense) const;
  WordMeaning mixed_meaning(size_t attribute) const;
  double user_sd(const WordMeaning& meaning) const;

  std::vector<SoftAttribute> attributes_;
  std::vector<SkippedWord> skipped_;
  SoftAttributesRecord record_;
  std::vector<std::string> folded_;  ///< names, in the order of attributes_
  int d_ = 0;
  int32_t num_items_ = 0;
  std::vector<float> items_;  ///< [m, d]
  std::vector<double> user_mean_;  ///< [d]
  std::vector<double> user_covariance_;  ///< [d, d]
  std::vector<double> item_mean_;  ///< [d]
  std::vector<double> item_covariance_;  ///< [d, d]
  double user_length_ = 0;
};

/// "attune learn attributes": stands in every message about attributes that are not there.
inline constexpr std::string_view kLearnAttributesCommand = "attune learn attributes";

}  // namespace attune::people
