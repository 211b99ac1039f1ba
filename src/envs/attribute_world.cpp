#include "envs/attribute_world.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/checked.h"
#include "core/error.h"

namespace attune::envs {
namespace {

using data::ItemIndex;
using data::UserIndex;

constexpr int64_t kMaxCells = int64_t{1} << 28;  // users x attributes and items x attributes

double clip(double x) { return std::clamp(x, 0.0, 1.0); }

/// rows x D draws of sum_k N(mu_k, sd^2 I) / K. Not clipped.
std::vector<float> mixture_rows(const AttributeWorldOptions& o, const std::vector<double>& means, int32_t rows, std::string_view stream) {
  const int32_t d = o.num_attributes;
  std::vector<float> out;
  out.reserve(static_cast<size_t>(rows) * static_cast<size_t>(d));
  Rng rng(o.seed, stream);
  for (int32_t r = 0; r < rows; ++r) {
    const size_t topic = rng.below(static_cast<uint64_t>(o.num_topics));
    for (int32_t a = 0; a < d; ++a) {
      out.push_back(static_cast<float>(means[topic * static_cast<size_t>(d) + static_cast<size_t>(a)] + o.topic_sd * rng.normal()));
    }
  }
  return out;
}

void name_words(AttributeWorld& world) {
  const AttributeWorldOptions& o = world.options;
  for (int32_t j = 0; j < o.num_groups; ++j) {
    WorldWord word{cat("word ", j), {}};
    for (int32_t s = 0; s < o.group_size; ++s) word.senses.push_back(j * o.group_size + s);
    world.words.push_back(std::move(word));
  }
  for (int32_t a = o.num_groups * o.group_size; a < o.num_taggable; ++a) world.words.push_back({cat("attribute ", a), {a}});
}

void make_items(AttributeWorld& world, const std::vector<double>& means) {
  const AttributeWorldOptions& o = world.options;
  world.items = mixture_rows(o, means, o.num_items, "items");
  for (auto& v : world.items) v = static_cast<float>(clip(v));
  Rng rng(o.seed, "popularity");
  for (int32_t i = 0; i < o.num_items; ++i) {
    world.popularity.push_back(static_cast<float>(rng.uniform()));
    world.dataset.items.add(cat("i", i));
    data::ItemInfo info;
    info.title = info.display_title = cat("Item ", i);
    world.dataset.item_info.push_back(std::move(info));
  }
}

/// Senses, masks, weights, peaks, thresholds and tagging probabilities.
void make_users(AttributeWorld& world, const std::vector<double>& means) {
  const AttributeWorldOptions& o = world.options;
  const auto d = static_cast<size_t>(o.num_attributes);
  world.users = mixture_rows(o, means, o.num_users, "users");
  world.masks.assign(world.users.size(), 1);
  Rng senses(o.seed, "senses"), peaks(o.seed, "peaks"), tagging(o.seed, "tagging"), thresholds(o.seed, "thresholds");
  for (int32_t u = 0; u < o.num_users; ++u) {
    world.dataset.users.add(cat("u", u));
    uint8_t* mask = world.masks.data() + static_cast<size_t>(u) * d;
    int32_t shared = -1;
    for (int32_t j = 0; j < o.num_groups; ++j) {
      if (shared < 0 || o.sense_owner == "group") shared = static_cast<int32_t>(senses.below(static_cast<uint64_t>(o.group_size)));
      world.sense.push_back(shared);
      for (int32_t s = 0; s < o.group_size; ++s) mask[j * o.group_size + s] = s == shared ? 1 : 0;
    }
    for (size_t a = 0; a < d; ++a) {
      float& w = world.users[static_cast<size_t>(u) * d + a];
      w = static_cast<float>(clip(w * mask[a]));
      world.peaks.push_back(static_cast<float>(o.peak_low + (1 - o.peak_low) * peaks.uniform()));
    }
    const bool never = tagging.uniform() < o.none_share;
    const double level = o.tag_low + (o.tag_high - o.tag_low) * tagging.uniform();
    world.tag_probability.push_back(static_cast<float>(never ? 0 : level));
    for (int32_t a = 0; a < o.num_taggable; ++a) {
      const double mean = o.thresholds[thresholds.below(o.thresholds.size())];
      world.thresholds.push_back(static_cast<float>(mean + o.threshold_sd * thresholds.normal()));
    }
  }
}

/// Words of one tagged item, in vocabulary order.
void tag_item(AttributeWorld& world, int32_t u, int32_t i, Rng& rng) {
  const AttributeWorldOptions& o = world.options;
  const auto d = static_cast<size_t>(o.num_attributes);
  float* threshold = world.thresholds.data() + static_cast<size_t>(u) * static_cast<size_t>(o.num_taggable);
  if (o.threshold_owner == "event") {
    for (int32_t a = 0; a < o.num_taggable; ++a) {
      threshold[a] = static_cast<float>(o.thresholds[rng.below(o.thresholds.size())] + o.threshold_sd * rng.normal());
    }
  }
  for (const WorldWord& word : world.words) {
    for (const int32_t a : word.senses) {
      const float v = world.items[static_cast<size_t>(i) * d + static_cast<size_t>(a)];
      const float seen = v * static_cast<float>(world.masks[static_cast<size_t>(u) * d + static_cast<size_t>(a)]);
      if (seen > threshold[a]) {
        world.dataset.tags.push_back({UserIndex(u), ItemIndex(i), word.name, 0});
        break;
      }
    }
  }
}

/// Choices, ratings and tags of one user.
void use_items(AttributeWorld& world, int32_t u) {
  const AttributeWorldOptions& o = world.options;
  Rng rng(o.seed, fnv1a(cat("user ", u)));
  const auto utility = world.utilities(UserIndex(u));
  std::vector<double> logits(utility.size());
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = o.theta * utility[i] + world.popularity[i];
  const auto chosen = choose_without_replacement(logits, o.max_ratings, rng);
  const auto count = static_cast<size_t>(draw_zipf(o.zipf, o.max_ratings, rng));
  std::vector<double> score;
  for (const int32_t i : chosen) score.push_back(utility[static_cast<size_t>(i)] + o.score_sd * rng.normal());
  const size_t ranged = o.rating_range == "rated" ? count : score.size();
  const auto [low, high] = std::minmax_element(score.begin(), score.begin() + static_cast<int64_t>(ranged));
  const double least = *low;
  const double width = *high + 1e-6 - least;
  for (size_t n = 0; n < count; ++n) {
    const auto rating = static_cast<float>(1 + std::floor(5 * (score[n] - least) / width));
    world.dataset.interactions.push_back({UserIndex(u), ItemIndex(chosen[n]), rating, static_cast<int64_t>(n)});
    if (rng.uniform() < world.tag_probability[static_cast<size_t>(u)]) tag_item(world, u, chosen[n], rng);
  }
}

void check_row(int32_t row, int32_t size, std::string_view what) {
  check(row >= 0 && row < size, ErrorCode::kInvalidArgument, "[attribute world] ", what, " ", row, " of ", size);
}

}  // namespace

double single_peaked_utility(std::span<const float> w, std::span<const float> v, std::span<const float> p) {
  check(w.size() == v.size() && v.size() == p.size(), ErrorCode::kInvalidArgument, "[utility] lengths ", w.size(), ", ", v.size(), " and ",
        p.size(), ", expected equal ones");
  double sum = 0;
  for (size_t a = 0; a < w.size(); ++a) sum += p[a] - std::abs(static_cast<double>(w[a]) * v[a] - p[a]);
  return sum;
}

std::vector<int32_t> choose_without_replacement(std::span<const double> logits, int32_t k, Rng& rng) {
  check(k >= 0 && static_cast<size_t>(k) <= logits.size(), ErrorCode::kInvalidArgument, "[choose] ", k, " of ", logits.size());
  std::vector<double> key(logits.size());
  for (size_t i = 0; i < key.size(); ++i) {
    check(std::isfinite(logits[i]), ErrorCode::kInvalidArgument, "[choose] logit ", i, " is not finite");
    key[i] = logits[i] - std::log(-std::log(rng.uniform() * (1 - 0x1.0p-52) + 0x1.0p-54));  // uniform in (0, 1)
  }
  std::vector<int32_t> out(key.size());
  std::iota(out.begin(), out.end(), 0);
  std::partial_sort(out.begin(), out.begin() + k, out.end(), [&](int32_t a, int32_t b) {
    const double x = key[static_cast<size_t>(a)], y = key[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  });
  out.resize(static_cast<size_t>(k));
  return out;
}

int64_t draw_zipf(double power, int64_t most, Rng& rng) {
  check(power > 1 && most >= 1, ErrorCode::kInvalidArgument, "[zipf] power ", power, " and most ", most, ", expected > 1 and >= 1");
  const double b = std::exp2(power - 1);
  while (true) {
    const double u = 1 - rng.uniform();  // (0, 1]
    const double v = rng.uniform();
    const double x = std::floor(std::pow(u, -1 / (power - 1)));
    if (!(x < 9e15)) return most;  // far beyond every cap
    const double t = std::pow(1 + 1 / x, power - 1);
    if (v * x * (t - 1) / (b - 1) <= t / b) return std::min(most, static_cast<int64_t>(x));
  }
}

double AttributeWorld::utility(UserIndex user, ItemIndex item) const {
  check_row(user.value, options.num_users, "user");
  check_row(item.value, options.num_items, "item");
  const auto d = static_cast<size_t>(options.num_attributes);
  const auto row = [d](const std::vector<float>& rows, int32_t r) { return std::span(rows).subspan(static_cast<size_t>(r) * d, d); };
  return single_peaked_utility(row(users, user.value), row(items, item.value), row(peaks, user.value));
}

std::vector<float> AttributeWorld::utilities(UserIndex user) const {
  std::vector<float> out;
  for (int32_t i = 0; i < options.num_items; ++i) out.push_back(static_cast<float>(utility(user, ItemIndex(i))));
  return out;
}

int32_t AttributeWorld::attribute_of(size_t word, UserIndex user) const {
  check_row(static_cast<int32_t>(std::min<size_t>(word, INT32_MAX)), static_cast<int32_t>(words.size()), "word");
  check_row(user.value, options.num_users, "user");
  const auto& senses = words[word].senses;
  if (senses.size() == 1) return senses[0];
  return senses[static_cast<size_t>(sense[static_cast<size_t>(user.value) * static_cast<size_t>(options.num_groups) + word])];
}

float AttributeWorld::degree(size_t word, UserIndex user, ItemIndex item) const {
  check_row(item.value, options.num_items, "item");
  const auto a = static_cast<size_t>(attribute_of(word, user));
  return items[static_cast<size_t>(item.value) * static_cast<size_t>(options.num_attributes) + a];
}

std::vector<float> AttributeWorld::axis(int32_t attribute) const {
  check_row(attribute, options.num_attributes, "attribute");
  std::vector<float> out;
  for (size_t n = static_cast<size_t>(attribute); n < items.size(); n += static_cast<size_t>(options.num_attributes))
    out.push_back(items[n]);
  return out;
}

AttributeWorld make_attribute_world(const AttributeWorldOptions& options) {
  options.check_ranges();
  AttributeWorld world;
  world.options = options;
  world.dataset.name = "attribute world";
  Rng topics(options.seed, "topics");
  std::vector<double> means(static_cast<size_t>(options.num_topics) * static_cast<size_t>(options.num_attributes));
  for (double& mean : means) mean = topics.uniform();
  name_words(world);
  make_items(world, means);
  make_users(world, means);
  for (int32_t u = 0; u < options.num_users; ++u) use_items(world, u);
  return world;
}

void AttributeWorldOptions::check_ranges() const {
  const auto need = [](bool ok, std::string_view what) { check(ok, ErrorCode::kInvalidArgument, "[attribute world] ", what); };
  const auto share = [](double x) { return x >= 0 && x <= 1; };
  need(num_users >= 1 && num_items >= 1 && num_topics >= 1, "num_users, num_items and num_topics: expected at least 1");
  need(num_taggable >= 1 && num_taggable < num_attributes,
       cat("num_taggable ", num_taggable, ": expected 1 to num_attributes - 1 = ", num_attributes - 1));
  need(num_groups >= 0 && (num_groups == 0 || group_size >= 2), cat("group_size ", group_size, ": expected at least 2"));
  need(num_groups == 0 || static_cast<int64_t>(num_groups) * group_size <= num_taggable,
       cat(num_groups, " groups of ", group_size, " need more than num_taggable = ", num_taggable));
  need(max_ratings >= 1 && max_ratings <= num_items, cat("max_ratings ", max_ratings, ": expected 1 to num_items = ", num_items));
  need(std::max<int64_t>({num_users, num_items, num_topics}) * num_attributes <= kMaxCells, "too large: rows x attributes above 2^28");
  need(topic_sd >= 0 && std::isfinite(topic_sd), "topic_sd: expected a finite number, at least 0");
  need(share(peak_low), cat("peak_low ", peak_low, ": expected 0 to 1"));
  need(theta >= 0 && std::isfinite(theta), "theta: expected a finite number, at least 0");
  need(zipf > 1 && std::isfinite(zipf), cat("zipf ", zipf, ": expected above 1"));
  need(score_sd >= 0 && threshold_sd >= 0 && std::isfinite(score_sd + threshold_sd), "score_sd, threshold_sd: expected at least 0");
  need(share(none_share), cat("none_share ", none_share, ": expected 0 to 1"));
  need(tag_low >= 0 && tag_low <= tag_high && tag_high <= 1, "tag_low, tag_high: expected 0 <= low <= high <= 1");
  need(!thresholds.empty(), "thresholds: expected at least one");
  for (const double t : thresholds) need(std::isfinite(t), "thresholds: expected finite numbers");
  need(threshold_owner == "user_tag" || threshold_owner == "event",
       cat("threshold_owner ", threshold_owner, ": expected user_tag or event"));
  need(sense_owner == "user" || sense_owner == "group", cat("sense_owner ", sense_owner, ": expected user or group"));
  need(rating_range == "choices" || rating_range == "rated", cat("rating_range ", rating_range, ": expected choices or rated"));
}

void AttributeWorldOptions::describe(OptionList& list) {
  list.add("num_users", num_users, "Users.").at_least(1);
  list.add("num_items", num_items, "Items.").at_least(1);
  list.add("num_attributes", num_attributes, "Attributes of an item, taggable and latent.").at_least(2);
  list.add("num_taggable", num_taggable, "Attributes that have a word.").at_least(1);
  list.add("num_groups", num_groups, "Words with several senses.").at_least(0);
  list.add("group_size", group_size, "Senses of such a word.").at_least(2);
  list.add("num_topics", num_topics, "Components of the mixture that items and users come from.").at_least(1);
  list.add("max_ratings", max_ratings, "Choices of a user; at most so many are rated.").at_least(1);
  list.add("topic_sd", topic_sd, "Standard deviation around a topic.").at_least(0);
  list.add("peak_low", peak_low, "Utility peaks are uniform from here to 1; 1 = linear utility.").range(0, 1);
  list.add("theta", theta, "Inverse temperature of choices.").at_least(0);
  list.add("zipf", zipf, "Power of the number of ratings.").at_least(1);
  list.add("score_sd", score_sd, "Noise of a score before it becomes a rating.").at_least(0);
  list.add("none_share", none_share, "Users who never tag.").range(0, 1);
  list.add("tag_low", tag_low, "Least probability of tagging a rated item.").range(0, 1);
  list.add("tag_high", tag_high, "Largest probability of tagging a rated item.").range(0, 1);
  list.add("threshold_sd", threshold_sd, "Noise of a tagging threshold.").at_least(0);
  list.add("threshold_owner", threshold_owner, "Thresholds per user and word, or drawn again for every item (as published).")
      .choices({"user_tag", "event"});
  list.add("sense_owner", sense_owner, "One sense for all of a user's words (as published), or one per word.").choices({"user", "group"});
  list.add("rating_range", rating_range, "Ratings span all choices (as published), or the rated ones.").choices({"choices", "rated"});
  list.add("seed", seed, "Seed of the world.");
}

AttributeWorldOptions attribute_world_preset(std::string_view name) {
  AttributeWorldOptions o;
  if (name == "ci") return o;
  if (name == "unit") {
    o.num_users = 100;
    o.num_items = 20;
    o.num_topics = 2;
    o.num_attributes = 7;
    o.num_taggable = 5;
    o.num_groups = 1;
    o.group_size = 3;
    o.max_ratings = 8;
    o.peak_low = 0.3;
    return o;
  }
  check(name == "standard" || name == "large", ErrorCode::kNotFound, "[attribute world] unknown preset ", name,
        ", known are ci, standard, large, unit");
  o.num_attributes = 25;
  o.num_taggable = 10;
  o.num_groups = 2;
  o.group_size = 3;
  o.num_topics = 20;
  o.max_ratings = 200;
  o.none_share = 0.5;
  o.num_users = name == "large" ? 25000 : 5000;
  o.num_items = name == "large" ? 10000 : 2000;
  return o;
}

}  // namespace attune::envs
