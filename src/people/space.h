// Embedding spaces: vectors of users, items or anything with an id, their neighbours, and named directions in them.
//
// Factorisation, text encoders and image features all produce an EmbeddingSpace; critiques, attributes and adapters consume it. A vector
// knows the space and version it belongs to: mixing two is kInvalidArgument. Rows are raw; the scaler is kept beside them and not applied.
// Immutable; thread-safe. Memory 4 n d bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/ids.h"

namespace attune::people {

struct SpaceId {
  std::string name;      ///< "items of models/recommender"
  uint32_t version = 1;  ///< rises when the rows are learned again
  friend bool operator==(const SpaceId&, const SpaceId&) = default;
};

/// A point or displacement, raw (scaler not applied).
struct Vec {
  SpaceId space;
  std::vector<float> v;  ///< [d]
};

/// Per coordinate (x - mean) / sd; coordinates with sd 0 are only centred.
struct Scaler {
  std::vector<float> mean;  ///< [d]
  std::vector<float> sd;    ///< [d]
  std::vector<float> apply(std::span<const float> x) const;
  std::vector<float> invert(std::span<const float> z) const;
};

/// A concept activation vector or one sense of a word.
struct Direction {
  std::string name;    ///< "gory#2"
  Vec unit;            ///< length 1
  float sd = 0;        ///< standard deviation of unit . row over the space's rows
  std::string record;  ///< how it was trained, one JSON object; may be empty
};

enum class Similarity { kCosine, kDot };

template <class Tag>
class EmbeddingSpace {
 public:
  using IndexType = data::Index<Tag>;
  struct Hit {
    IndexType row;
    float score = 0;
  };
  struct NeighbourOptions {
    int k = 10;
    Similarity similarity = Similarity::kCosine;
    std::function<bool(IndexType)> accept;  ///< empty = all
  };

  /// `rows` [ids.size(), d]; d >= 1 and every number finite: kCorruptData otherwise.
  EmbeddingSpace(SpaceId id, data::IdMap<Tag> ids, std::vector<float> rows, int d, std::vector<Direction> directions = {});

  const SpaceId& id() const noexcept { return id_; }
  int d() const noexcept { return d_; }
  int32_t size() const noexcept { return ids_.size(); }
  const data::IdMap<Tag>& ids() const noexcept { return ids_; }
  const Scaler& scaler() const noexcept { return scaler_; }
  std::span<const Direction> directions() const noexcept { return directions_; }
  /// Throws kNotFound listing the known names.
  const Direction& direction(std::string_view name) const;

  std::span<const float> row(IndexType row) const;
  /// False for a row of zeros: nothing is known of it (an item that nobody rated).
  bool has_vector(IndexType row) const noexcept { return norms_[static_cast<size_t>(row.value)] > 0; }
  /// All rows, [size, d].
  std::span<const float> rows() const noexcept { return rows_; }
  Vec vec(IndexType row) const;
  /// (1 - t) a + t b.
  Vec lerp(IndexType a, IndexType b, float t) const;
  /// x + sds * sd * unit.
  Vec shift(const Vec& x, const Direction& direction, float sds) const;
  /// unit . x: the degree of the direction in x.
  float degree(const Vec& x, const Direction& direction) const;
  /// Standard deviation of v . row over the rows, v [d]. O(d^2) after the first call for this space, which takes O(n d^2) for the covariance.
  double deviation(std::span<const float> v) const;
  /// The k best rows, best first, equal scores by lower row. A zero vector has cosine 0 with everything. O(n d).
  std::vector<Hit> neighbours(const Vec& x, const NeighbourOptions& options) const;

  /// The same space with a direction added or replaced; `unit` is normalised, `sd` is computed from the rows.
  EmbeddingSpace with_direction(std::string name, std::span<const float> unit, std::string record = {}) const;

  /// Covariance of the rows [d, d]. O(n d^2) the first time for this space.
  const std::vector<double>& covariance() const;

 private:
  struct Covariance;
  void check_vec(const Vec& x, std::string_view operation) const;
  SpaceId id_;
  data::IdMap<Tag> ids_;
  std::vector<float> rows_;
  int d_;
  Scaler scaler_;
  std::vector<float> norms_;
  std::vector<Direction> directions_;
  std::shared_ptr<Covariance> covariance_;  ///< of the rows, found when first asked for; shared by copies
};

using ItemSpace = EmbeddingSpace<data::ItemTag>;
using UserSpace = EmbeddingSpace<data::UserTag>;
extern template class EmbeddingSpace<data::ItemTag>;
extern template class EmbeddingSpace<data::UserTag>;

}  // namespace attune::people
