// A learned latent bandit as one JSON document: the model, what is not known about it, and how it was learned
// (docs/formats/bandit_model.md). Numbers round-trip exactly. Everything is checked on reading; nothing is trusted.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/file.h"
#include "people/bandits/latent_model.h"

namespace attune::people {

/// How a model was learned: for people and for those who must know what the features mean.
struct LatentModelRecord {
  std::string source;  ///< name of the log, "recommender", "given"
  std::string method;  ///< "baum_welch", "clusters", "given"
  std::string recommender;  ///< version of the recommender whose item factors are the features; empty: none
  std::string created;  ///< ISO 8601, UTC
  std::string note;
  int64_t num_users = 0;
  int64_t num_rounds = 0;
  double round_seconds = 0;  ///< length of a round in seconds of the log's clock; 0 = rounds are counted, not timed
  std::map<std::string, double> metrics;  ///< "log_likelihood", "held_out_per_round", ...
};

struct LatentModelFile {
  LatentModel model;
  LatentPrior prior;
  LatentModelRecord record;
};

/// Most that a document may hold; readers refuse more.
inline constexpr int32_t kMostStates = 1024;
inline constexpr int32_t kMostArms = 1000000;
inline constexpr int32_t kMostFeatures = 4096;
inline constexpr int32_t kMostLevels = 1000;

/// "bandit-" and 16 hexadecimal digits: a digest of model and prior; the record does not count. O(size of the document).
std::string latent_model_version(const LatentModel& model, const LatentPrior& prior);

/// The document. Checks model and prior, sets file.model.version. Throws kInvalidArgument.
std::string latent_model_json(LatentModelFile& file);
/// Reads it. Throws kCorruptData naming the field; kUnsupported for a newer format; kCorruptData if `version` is there and is not the digest
/// of the content (a document without it is named on reading).
LatentModelFile parse_latent_model(std::string_view json);

/// latent_model_json into `path`, whole or not at all. Throws kIo.
void save_latent_model(const Path& path, LatentModelFile& file);
/// Throws kNotFound, kIo, kResource (over 256 MiB), and what parse_latent_model throws.
LatentModelFile load_latent_model(const Path& path);

}  // namespace attune::people
