#include "people/space.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "core/error.h"
#include "people/als_kernels_internal.h"
#include "people/vector_internal.h"
#include "stats/ranking.h"

namespace attune::people {
std::vector<float> Scaler::apply(std::span<const float> x) const {
  check(x.size() == mean.size(), ErrorCode::kInvalidArgument, "[scaler] vector [", x.size(), "], expected [", mean.size(), "]");
  std::vector<float> out(x.size());
  for (size_t k = 0; k < x.size(); ++k) out[k] = (x[k] - mean[k]) / (sd[k] > 0 ? sd[k] : 1.0f);
  return out;
}

std::vector<float> Scaler::invert(std::span<const float> z) const {
  check(z.size() == mean.size(), ErrorCode::kInvalidArgument, "[scaler] vector [", z.size(), "], expected [", mean.size(), "]");
  std::vector<float> out(z.size());
  for (size_t k = 0; k < z.size(); ++k) out[k] = z[k] * (sd[k] > 0 ? sd[k] : 1.0f) + mean[k];
  return out;
}

template <class Tag>
struct EmbeddingSpace<Tag>::Covariance {
  std::once_flag once;
  std::vector<double> upper;  ///< [d, d]
};

template <class Tag>
EmbeddingSpace<Tag>::EmbeddingSpace(SpaceId id, data::IdMap<Tag> ids, std::vector<float> rows, int d, std::vector<Direction> directions)
    : id_(std::move(id)), ids_(std::move(ids)), rows_(std::move(rows)), d_(d), directions_(std::move(directions)) {
  const auto n = static_cast<size_t>(ids_.size());
  check(d >= 1 && rows_.size() == n * static_cast<size_t>(d), ErrorCode::kCorruptData, "[embedding space ", id_.name, "] ", rows_.size(),
        " values, expected ", n, " rows of ", d);
  for (size_t i = 0; i < rows_.size(); ++i) {
    check(std::isfinite(rows_[i]), ErrorCode::kCorruptData, "[embedding space ", id_.name, "] row ", i / static_cast<size_t>(d),
          " is not finite");
  }
  for (const auto& direction : directions_) check_vec(direction.unit, direction.name);
  covariance_ = std::make_shared<Covariance>();
  std::vector<double> sum(static_cast<size_t>(d), 0.0);
  std::vector<double> squares(static_cast<size_t>(d), 0.0);
  norms_.resize(n);
  for (size_t r = 0; r < n; ++r) {
    const auto x = std::span(rows_).subspan(r * static_cast<size_t>(d), static_cast<size_t>(d));
    norms_[r] = static_cast<float>(norm(x));
    for (size_t k = 0; k < x.size(); ++k) sum[k] += x[k];
  }
  for (size_t r = 0; r < n; ++r) {
    for (size_t k = 0; k < sum.size(); ++k) squares[k] += std::pow(rows_[r * sum.size() + k] - sum[k] / static_cast<double>(n), 2);
  }
  for (size_t k = 0; k < sum.size(); ++k) {
    const double count = std::max<double>(1, static_cast<double>(n));
    scaler_.mean.push_back(static_cast<float>(sum[k] / count));
    scaler_.sd.push_back(static_cast<float>(std::sqrt(squares[k] / count)));
  }
}

template <class Tag>
void EmbeddingSpace<Tag>::check_vec(const Vec& x, std::string_view operation) const {
  check(x.space == id_ && x.v.size() == static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[", operation, "] vector of space ",
        x.space.name, " version ", x.space.version, " [", x.v.size(), "], expected ", id_.name, " version ", id_.version, " [", d_, "]");
}

template <class Tag>
const Direction& EmbeddingSpace<Tag>::direction(std::string_view name) const {
  std::string known;
  for (const auto& direction : directions_) {
    if (direction.name == name) return direction;
    known += (known.empty() ? "" : ", ") + direction.name;
  }
  fail(ErrorCode::kNotFound, "[embedding space ", id_.name, "] unknown direction ", name, ", known are: ", known);
}

template <class Tag>
std::span<const float> EmbeddingSpace<Tag>::row(IndexType row) const {
  check(row.value >= 0 && row.value < size(), ErrorCode::kInvalidArgument, "[embedding space ", id_.name, "] row ", row.value, " of ",
        size());
  return std::span(rows_).subspan(static_cast<size_t>(row.value) * static_cast<size_t>(d_), static_cast<size_t>(d_));
}

template <class Tag>
Vec EmbeddingSpace<Tag>::vec(IndexType index) const {
  const auto x = row(index);
  return {id_, {x.begin(), x.end()}};
}

template <class Tag>
Vec EmbeddingSpace<Tag>::lerp(IndexType a, IndexType b, float t) const {
  const auto x = row(a);
  const auto y = row(b);
  Vec out{id_, std::vector<float>(x.size())};
  for (size_t k = 0; k < x.size(); ++k) out.v[k] = (1 - t) * x[k] + t * y[k];
  return out;
}

template <class Tag>
Vec EmbeddingSpace<Tag>::shift(const Vec& x, const Direction& direction, float sds) const {
  check_vec(x, "shift");
  check_vec(direction.unit, "shift");
  Vec out = x;
  for (size_t k = 0; k < out.v.size(); ++k) out.v[k] += sds * direction.sd * direction.unit.v[k];
  return out;
}

template <class Tag>
float EmbeddingSpace<Tag>::degree(const Vec& x, const Direction& direction) const {
  check_vec(x, "degree");
  check_vec(direction.unit, "degree");
  double out = 0;
  for (size_t k = 0; k < x.v.size(); ++k) out += static_cast<double>(x.v[k]) * direction.unit.v[k];
  return static_cast<float>(out);
}

/// Sums of centred rows in float by blocks of kAlsPanelRows, blocks in double.
template <class Tag>
const std::vector<double>& EmbeddingSpace<Tag>::covariance() const {
  std::call_once(covariance_->once, [&] {
    const auto d = static_cast<size_t>(d_);
    const auto ld = static_cast<size_t>(als_padded(d_));
    std::vector<double> sum(d * d, 0);
    std::vector<float> panel(kAlsPanelRows * ld, 0.0f);
    std::vector<float> part(ld * ld);
    for (size_t first = 0; first < norms_.size(); first += kAlsPanelRows) {
      const size_t count = std::min<size_t>(kAlsPanelRows, norms_.size() - first);
      for (size_t r = 0; r < count; ++r) {
        for (size_t k = 0; k < d; ++k) panel[r * ld + k] = rows_[(first + r) * d + k] - scaler_.mean[k];
      }
      std::fill(part.begin(), part.end(), 0.0f);
      als_add_gram(panel.data(), panel.data(), static_cast<int>(count), static_cast<int>(ld), 1.0f, part.data());
      for (size_t i = 0; i < d; ++i) {
        for (size_t j = i; j < d; ++j) sum[i * d + j] += part[i * ld + j];
      }
    }
    for (auto& value : sum) value /= std::max<double>(1, static_cast<double>(norms_.size()));
    covariance_->upper = std::move(sum);
  });
  return covariance_->upper;
}

template <class Tag>
double EmbeddingSpace<Tag>::deviation(std::span<const float> v) const {
  const auto d = static_cast<size_t>(d_);
  check(v.size() == d, ErrorCode::kInvalidArgument, "[embedding space ", id_.name, "] vector [", v.size(), "], expected [", d, "]");
  const auto& upper = covariance();
  double sum = 0;
  for (size_t i = 0; i < d; ++i) {
    double row = 0.5 * upper[i * d + i] * v[i];
    for (size_t j = i + 1; j < d; ++j) row += upper[i * d + j] * v[j];
    sum += 2 * row * v[i];
  }
  return std::sqrt(std::max(0.0, sum));
}

template <class Tag>
std::vector<typename EmbeddingSpace<Tag>::Hit> EmbeddingSpace<Tag>::neighbours(const Vec& x, const NeighbourOptions& options) const {
  check_vec(x, "neighbours");
  std::vector<float> scores(static_cast<size_t>(size()));
  als_scores(rows_.data(), size(), d_, x.v.data(), scores.data());
  if (options.similarity == Similarity::kCosine) {
    const auto own = static_cast<float>(norm(x.v));
    for (size_t r = 0; r < scores.size(); ++r) scores[r] = own > 0 && norms_[r] > 0 ? scores[r] / (own * norms_[r]) : 0.0f;
  }
  std::vector<uint8_t> excluded(scores.size(), 0);
  if (options.accept) {
    for (size_t r = 0; r < scores.size(); ++r) excluded[r] = options.accept(IndexType(static_cast<int32_t>(r))) ? 0 : 1;
  }
  std::vector<Hit> out;
  for (const int32_t r : stats::top_k(scores, options.k, excluded)) out.push_back({IndexType(r), scores[static_cast<size_t>(r)]});
  return out;
}

template <class Tag>
EmbeddingSpace<Tag> EmbeddingSpace<Tag>::with_direction(std::string name, std::span<const float> unit, std::string record) const {
  check(unit.size() == static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[direction ", name, "] vector [", unit.size(),
        "], expected [", d_, "]");
  const double length = norm(unit);
  check(std::isfinite(length) && length > 0, ErrorCode::kInvalidArgument, "[direction ", name, "] length is ", length,
        ", expected above 0");
  Direction direction{name, {id_, {}}, 0, std::move(record)};
  for (const float value : unit) direction.unit.v.push_back(static_cast<float>(value / length));
  direction.sd = static_cast<float>(deviation(direction.unit.v));
  EmbeddingSpace out = *this;
  std::erase_if(out.directions_, [&](const Direction& old) { return old.name == name; });
  out.directions_.push_back(std::move(direction));
  return out;
}

template class EmbeddingSpace<data::ItemTag>;
template class EmbeddingSpace<data::UserTag>;

}  // namespace attune::people
