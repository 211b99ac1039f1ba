// What people mean by their words, as pages and terminals show it: attributes, spectra, tastes, critiques and what they change.
//
// Plain data; the functions are RecommendService's (assist/recommend.h). Degrees are z scores over the learned catalogue: standard
// deviations of the direction. An item without learned factors has none. docs/methods/soft_attributes.md, "In the product".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "assist/because.h"

namespace attune::assist {

struct RecommendedItem {
  std::string item;  ///< id
  std::string title;  ///< as people write it: "The Third Man"
  std::string catalogue_title;  ///< "Third Man, The"
  std::optional<int> year;
  std::vector<std::string> genres;
  double score = 0;
  std::optional<std::string> because;
  BecauseSource because_source = BecauseSource::kNone;
};

struct ItemDegree {
  std::string item;
  std::string title;
  double degree = 0;
};

/// Counts of item degrees: bin k is [edges[k], edges[k + 1]).
struct DegreeHistogram {
  std::vector<double> edges;  ///< [bins + 1], rising
  std::vector<int64_t> counts;  ///< [bins]
};

struct SenseInfo {
  std::string name;  ///< "gory#2"; the attribute's own name if it has one sense
  double share = 1;
  int64_t num_users = 0;
  std::vector<ItemDegree> high;  ///< highest first
  std::vector<ItemDegree> low;  ///< lowest first
  std::optional<DegreeHistogram> histogram;
};

struct AttributeInfo {
  std::string name;
  std::string kind;
  std::string source;
  int64_t num_users = 0;
  int64_t num_examples = 0;
  std::optional<double> accuracy;
  std::optional<double> auc;
  std::vector<SenseInfo> senses;
  std::string own_sense;  ///< of the user asked about; empty: none asked, or not known
};

struct AttributeList {
  std::string model;  ///< version of the recommender
  std::string space;
  std::vector<AttributeInfo> attributes;
  std::vector<std::pair<std::string, std::string>> skipped;  ///< name, reason; the most used
  int64_t num_skipped = 0;
};

struct ItemAttribute {
  std::string name;
  std::string sense;
  double degree = 0;
  double percentile = 0;  ///< share of the items that have less of it
};
struct ItemAttributes {
  std::string item;
  std::string title;
  std::vector<ItemAttribute> attributes;
};

struct UserAttribute {
  std::string name;
  std::string sense;
  double taste = 0;  ///< standard deviations over users; 0 = as the average user
  std::optional<double> low;  ///< 95 % interval
  std::optional<double> high;
};
struct UserCritique {
  std::string event_id;
  std::string attribute;  ///< as said: "gory", "gory#2"
  bool more = true;
  std::string update;
  int64_t time_ms = 0;
};
struct UserAttributes {
  std::string user;
  std::vector<UserAttribute> attributes;  ///< strongest first
  std::vector<UserCritique> critiques;  ///< in force, oldest first
};

struct CritiqueCall {
  std::string user;
  std::string attribute;  ///< "gory", or "gory#2" for one sense
  bool more = true;
  std::string item;  ///< what it is relative to; empty: the list
  int k = 10;  ///< length of the lists, 1 to 1,000 (with reasons: 1 to 50)
  std::string update;  ///< heuristic, bayesian, pairwise; empty: the default
  bool because = false;  ///< reasons for the list after
  std::string event_id;  ///< empty: the store makes one
  uint64_t seed = 0;  ///< of the reasons
};

struct CritiquedItem {
  RecommendedItem item;
  std::optional<double> degree;
};
struct CritiqueList {
  std::optional<double> mean_degree;  ///< over the items that have one
  std::vector<CritiquedItem> items;
};

/// The list's mean degree after a critique of the attribute, with everything else as it is now.
struct TrajectoryStep {
  int64_t step = 0;  ///< 0: before the first critique of the attribute
  std::optional<double> mean_degree;
  std::optional<bool> more;  ///< nullopt for step 0
};

struct CritiqueReply {
  std::string user;
  std::string attribute;  ///< the attribute's name
  std::string sense;  ///< as it was understood: "gory#2", or "gory" for the only sense or a mixture
  bool more = true;
  std::string update;  ///< heuristic, bayesian, pairwise
  std::string event_id;
  bool duplicate = false;  ///< the event was there already; nothing was written
  CritiqueList before;
  CritiqueList after;
  std::vector<TrajectoryStep> trajectory;  ///< the last 50 steps
  BecauseShare because_share;
};

struct UndoReply {
  std::string event_id;  ///< of the critique
  bool duplicate = false;  ///< it had been taken back before
};

}  // namespace attune::assist
