#include "people/soft_attributes.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>

#include "core/error.h"
#include "people/als_kernels_internal.h"
#include "text/fold.h"

namespace attune::people {
namespace {

constexpr size_t kMaxNameBytes = 200;
constexpr double kLengthTolerance = 1e-3;
constexpr double kLeastMixture = 0.2;  // length below which senses cancel
constexpr size_t kMaxClose = 5;

/// Mean [d] and covariance [d, d] of rows [n, d].
void moments(std::span<const float> rows, int d, std::vector<double>& mean, std::vector<double>& covariance) {
  const auto width = static_cast<size_t>(d);
  const size_t n = rows.size() / width;
  mean.assign(width, 0);
  covariance.assign(width * width, 0);
  for (size_t k = 0; k < rows.size(); ++k) mean[k % width] += rows[k] / static_cast<double>(n);
  std::vector<double> centred(width);
  for (size_t r = 0; r < n; ++r) {
    for (size_t a = 0; a < width; ++a) centred[a] = rows[r * width + a] - mean[a];
    for (size_t a = 0; a < width; ++a) {
      for (size_t b = 0; b <= a; ++b) covariance[a * width + b] += centred[a] * centred[b];
    }
  }
  for (size_t a = 0; a < width; ++a) {
    for (size_t b = 0; b <= a; ++b) covariance[b * width + a] = covariance[a * width + b] /= static_cast<double>(n);
  }
}

template <class T>
double dot(std::span<const float> v, std::span<const T> x) {
  double out = 0;
  for (size_t a = 0; a < v.size(); ++a) out += static_cast<double>(v[a]) * x[a];
  return out;
}

/// sqrt(v' C v).
double spread(std::span<const float> v, std::span<const double> covariance) {
  double out = 0;
  for (size_t a = 0; a < v.size(); ++a) {
    for (size_t b = 0; b < v.size(); ++b) out += static_cast<double>(v[a]) * covariance[a * v.size() + b] * v[b];
  }
  return std::sqrt(std::max(0.0, out));
}

/// Levenshtein distance in bytes, at most `most` + 1.
size_t edit_distance(std::string_view a, std::string_view b, size_t most) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) > most) return most + 1;
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t kept = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({kept, row[j] + 1, row[j - 1] + 1});
    }
  }
  return std::min(row.back(), most + 1);
}

std::string first_bytes(std::string_view text) { return std::string(text.substr(0, 100)); }

void check_attribute_shape(const SoftAttribute& attribute, int d, int32_t num_users) {
  const auto need = [&](bool ok, const auto&... what) {
    check(ok, ErrorCode::kCorruptData, "[attributes] ", first_bytes(attribute.name), ": ", what...);
  };
  need(!attribute.name.empty() && attribute.name.size() <= kMaxNameBytes && attribute.name.find('#') == std::string::npos,
       "a name has 1 to ", kMaxNameBytes, " bytes and no #, found ", attribute.name.size(), " bytes");
  static constexpr std::string_view kKinds[] = {"objective", "degree-subjective", "sense-subjective", "irrelevant", "unknown"};
  need(std::find(std::begin(kKinds), std::end(kKinds), attribute.kind) != std::end(kKinds), "unknown kind ", first_bytes(attribute.kind));
  need(!attribute.senses.empty(), "no sense");
  need(attribute.num_users >= 0 && attribute.num_examples >= 0, "counts below 0");
  for (const auto& value : {attribute.accuracy, attribute.auc}) need(!value || (*value >= 0 && *value <= 1), "accuracy outside [0, 1]");
  for (const auto& sense : attribute.senses) {
    need(sense.direction.unit.v.size() == static_cast<size_t>(d), "direction [", sense.direction.unit.v.size(), "], expected [", d, "]");
    double squares = 0;
    for (const float x : sense.direction.unit.v) squares += static_cast<double>(x) * x;
    need(std::abs(std::sqrt(squares) - 1) < kLengthTolerance, "a direction of length ", std::sqrt(squares), ", expected 1");
    need(sense.share >= 0 && sense.share <= 1 && sense.num_users >= 0, "share ", sense.share, ", expected 0 to 1");
  }
  for (size_t k = 0; k < attribute.users.size(); ++k) {
    const auto& [user, sense] = attribute.users[k];
    need(user.value >= 0 && user.value < num_users && (k == 0 || attribute.users[k - 1].user < user), "user row ", user.value,
         ", expected rising rows below ", num_users);
    need(sense >= 0 && static_cast<size_t>(sense) < attribute.senses.size(), "sense ", sense, " of a user, there are ",
         attribute.senses.size());
  }
}

}  // namespace

LearnedAttributes::LearnedAttributes(const Recommender& recommender, std::vector<SoftAttribute> attributes, SoftAttributesRecord record,
                                     std::vector<SkippedWord> skipped)
    : attributes_(std::move(attributes)),
      skipped_(std::move(skipped)),
      record_(std::move(record)),
      d_(recommender.model().rank()),
      num_items_(recommender.items().size()) {
  check(record_.recommender == recommender.version(), ErrorCode::kFailedPrecondition, "[attributes] learned for recommender ",
        first_bytes(record_.recommender), ", this one is ", recommender.version(), ": run `", kLearnAttributesCommand, "` again");
  const AlsParameters& p = recommender.model().parameters();
  items_ = p.item_factors;
  moments(p.user_factors, d_, user_mean_, user_covariance_);
  moments(items_, d_, item_mean_, item_covariance_);
  for (int32_t u = 0; u < recommender.users().size(); ++u) {
    const auto row = recommender.model().user_row(UserIndex(u));
    user_length_ += std::sqrt(dot<float>(row, row)) / recommender.users().size();
  }
  std::set<std::string> names;
  for (auto& attribute : attributes_) {
    check_attribute_shape(attribute, d_, recommender.users().size());
    folded_.push_back(text::fold(attribute.name));
    check(names.insert(folded_.back()).second, ErrorCode::kCorruptData, "[attributes] ", first_bytes(attribute.name), " is repeated");
    for (size_t k = 0; k < attribute.senses.size(); ++k) {
      AttributeSense& sense = attribute.senses[k];
      sense.direction.name = attribute.senses.size() == 1 ? attribute.name : cat(attribute.name, "#", k + 1);
      sense.direction.unit.space = {cat("items of ", recommender.version()), 1};
      const std::span<const float> v = sense.direction.unit.v;
      sense.mean = dot<double>(v, item_mean_);
      const double sd = spread(v, item_covariance_);
      sense.direction.sd = static_cast<float>(sd);
      sense.degree.resize(static_cast<size_t>(num_items_));
      als_scores(items_.data(), num_items_, d_, v.data(), sense.degree.data());
      for (float& x : sense.degree) x = sd > 0 ? static_cast<float>((x - sense.mean) / sd) : 0;
    }
  }
}

std::optional<size_t> LearnedAttributes::find(std::string_view name) const {
  const auto found = std::find(folded_.begin(), folded_.end(), text::fold(name));
  if (found == folded_.end()) return std::nullopt;
  return static_cast<size_t>(found - folded_.begin());
}

size_t LearnedAttributes::at(std::string_view name) const {
  if (const auto found = find(name)) return *found;
  const std::string folded = text::fold(name.substr(0, kMaxNameBytes));
  for (const auto& word : skipped_) {
    if (text::fold(word.name) == folded) {
      fail(ErrorCode::kNotFound, "[attribute] \"", first_bytes(name), "\" was not learned: ", word.reason);
    }
  }
  std::vector<std::pair<size_t, size_t>> close;  // distance, place
  for (size_t k = 0; k < folded_.size(); ++k) {
    const bool part = folded.size() >= 3 && (folded_[k].find(folded) != std::string::npos || folded.find(folded_[k]) != std::string::npos);
    const size_t most = std::max<size_t>(1, folded.size() / 3);
    const size_t distance = part ? 1 : edit_distance(folded, folded_[k], most);
    if (distance <= most) close.emplace_back(distance, k);
  }
  std::stable_sort(close.begin(), close.end());
  std::string names;
  for (size_t k = 0; k < std::min(close.size(), kMaxClose); ++k) names += cat(k == 0 ? "" : ", ", attributes_[close[k].second].name);
  fail(ErrorCode::kNotFound, "[attribute] unknown attribute \"", first_bytes(name), "\"",
       names.empty() ? cat(", ", attributes_.size(), " are known") : cat(", close to it: ", names));
}

WordMeaning LearnedAttributes::sense_meaning(size_t attribute, size_t sense) const {
  const AttributeSense& s = attributes_[attribute].senses[sense];
  return {attribute, sense, s.direction.name, s.direction.unit.v, s.mean, s.direction.sd};
}

WordMeaning LearnedAttributes::mixed_meaning(size_t attribute) const {
  const SoftAttribute& a = attributes_[attribute];
  WordMeaning out{attribute, std::nullopt, a.name, std::vector<float>(static_cast<size_t>(d_), 0), 0, 0};
  double total = 0;
  for (const auto& sense : a.senses) total += sense.share;
  for (const auto& sense : a.senses) {
    const double weight = total > 0 ? sense.share / total : 1.0 / static_cast<double>(a.senses.size());
    for (size_t k = 0; k < out.v.size(); ++k) out.v[k] += static_cast<float>(weight * sense.direction.unit.v[k]);
  }
  if (std::sqrt(dot<float>(out.v, out.v)) < kLeastMixture) return sense_meaning(attribute, 0);
  out.mean = dot<double>(out.v, item_mean_);
  out.sd = spread(out.v, item_covariance_);
  return out;
}

WordMeaning LearnedAttributes::meaning(std::string_view word, std::optional<UserIndex> user, std::optional<size_t> preferred) const {
  const size_t hash = word.rfind('#');
  const std::string_view name = word.substr(0, hash);
  const size_t place = at(name);
  const SoftAttribute& attribute = attributes_[place];
  if (hash != std::string_view::npos) {
    const std::string_view digits = word.substr(hash + 1);
    size_t number = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    check(parsed.ec == std::errc{} && parsed.ptr == digits.data() + digits.size() && number >= 1 && number <= attribute.senses.size(),
          ErrorCode::kNotFound, "[attribute] \"", first_bytes(word), "\": ", attribute.name, " has ", attribute.senses.size(),
          attribute.senses.size() == 1 ? " sense" : " senses");
    return sense_meaning(place, number - 1);
  }
  if (attribute.senses.size() == 1) return sense_meaning(place, 0);
  if (preferred && *preferred < attribute.senses.size()) return sense_meaning(place, *preferred);
  if (user) {
    const auto found =
        std::lower_bound(attribute.users.begin(), attribute.users.end(), *user, [](const SenseUser& a, UserIndex b) { return a.user < b; });
    if (found != attribute.users.end() && found->user == *user) return sense_meaning(place, static_cast<size_t>(found->sense));
  }
  return mixed_meaning(place);
}

double LearnedAttributes::degree(const WordMeaning& meaning, ItemIndex item) const {
  check(item.value >= 0 && item.value < num_items_, ErrorCode::kInvalidArgument, "[degree] item row ", item.value, " of ", num_items_);
  const std::span row(items_.data() + static_cast<size_t>(item.value) * static_cast<size_t>(d_), static_cast<size_t>(d_));
  return meaning.sd > 0 ? (dot<float>(meaning.v, row) - meaning.mean) / meaning.sd : 0;
}

double LearnedAttributes::percentile(size_t attribute, size_t sense, ItemIndex item) const {
  check(attribute < attributes_.size() && sense < attributes_[attribute].senses.size() && item.value >= 0 && item.value < num_items_,
        ErrorCode::kInvalidArgument, "[percentile] no such attribute, sense or item");
  const auto& degree = attributes_[attribute].senses[sense].degree;
  const float mine = degree[static_cast<size_t>(item.value)];
  const auto lower = std::count_if(degree.begin(), degree.end(), [mine](float x) { return x < mine; });
  return static_cast<double>(lower) / static_cast<double>(degree.size());
}

double LearnedAttributes::user_sd(const WordMeaning& meaning) const { return spread(meaning.v, user_covariance_); }

double LearnedAttributes::taste(const WordMeaning& meaning, std::span<const float> p) const {
  check(p.size() == static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[taste] profile [", p.size(), "], expected [", d_, "]");
  const double sd = user_sd(meaning);
  return sd > 0 ? (dot<float>(meaning.v, p) - dot<double>(meaning.v, user_mean_)) / sd : 0;
}

double LearnedAttributes::taste_sd(const WordMeaning& meaning, std::span<const double> covariance) const {
  check(covariance.size() == static_cast<size_t>(d_) * static_cast<size_t>(d_), ErrorCode::kInvalidArgument, "[taste] covariance of ",
        covariance.size(), " numbers, expected [", d_, ", ", d_, "]");
  const double sd = user_sd(meaning);
  return sd > 0 ? spread(meaning.v, covariance) / sd : 0;
}

}  // namespace attune::people
