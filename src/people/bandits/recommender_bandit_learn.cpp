// learn_recommender_bandit: clusters of users, calibration on their ratings, the chain's rho, the number of states.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"
#include "people/bandits/baum_welch.h"
#include "people/bandits/cluster.h"
#include "people/bandits/recommender_bandit.h"
#include "people/bandits/recommender_bandit_internal.h"

namespace attune::people {
namespace {

constexpr size_t kMostUsers = 2000;
constexpr size_t kLeastUsers = 20;
constexpr size_t kUsersAState = 4;  // at least, among the users that clusters are made of
constexpr double kHeldOutShare = 0.2;
constexpr double kLeastSlope = 0.05;  // less: rewards do not vary with p . q (implicit data), nothing to calibrate
constexpr double kEnough = 0.005;  // nats a rating: states that add less are not worth reading
constexpr double kLeastNoise = 0.05;
constexpr double kOffsetVariance = 1e-4;  // least prior variance of a user's own offset
constexpr double kFirstRho = 0.01;
constexpr int32_t kMostSweeps = 30;  // of Baum-Welch, which learns rho alone
constexpr size_t kRhoUsers = 200;
constexpr int32_t kCandidates[] = {5, 6, 8, 10, 12, 15, 20};

/// A user's ratings as rounds.
struct Sequence {
  UserIndex user;
  std::vector<int32_t> items;
  std::vector<double> rewards;
  std::vector<double> dt;  ///< rounds before each; the first is not looked at
};

struct Users {
  std::vector<Sequence> fitted;
  std::vector<Sequence> held_out;
};

Sequence sequence_of(const Recommender& recommender, UserIndex user, double round_seconds) {
  Sequence out{user, {}, {}, {}};
  RatingReward reward(recommender.model());
  int64_t last = 0;
  for (const TimedRating& r : recommender.timed_ratings(user)) {
    out.items.push_back(r.item.value);
    out.rewards.push_back(reward(r.item, r.rating));
    const auto pause = static_cast<double>(std::max<int64_t>(0, r.timestamp - last));
    out.dt.push_back(out.dt.empty() ? 0 : 1 + std::floor(pause / round_seconds));
    last = r.timestamp;
  }
  return out;
}

Users sample_users(const Recommender& recommender, const RecommenderBanditOptions& options, bool hold_out) {
  std::vector<UserIndex> users;
  for (int32_t u = 0; u < recommender.users().size(); ++u) {
    if (recommender.training_ratings(UserIndex(u)).size() >= static_cast<size_t>(options.least_ratings)) users.push_back(UserIndex(u));
  }
  check(users.size() >= kLeastUsers, ErrorCode::kFailedPrecondition, "[learn bandit] ", users.size(), " users with at least ",
        options.least_ratings, " ratings, expected at least ", kLeastUsers);
  Rng rng(options.seed, "recommender bandit users");
  shuffle(users, rng);
  if (users.size() > kMostUsers) users.resize(kMostUsers);
  const auto num_held_out = hold_out ? static_cast<size_t>(kHeldOutShare * static_cast<double>(users.size())) : 0;
  Users out;
  for (size_t n = 0; n < users.size(); ++n) {
    auto& side = n < num_held_out ? out.held_out : out.fitted;
    side.push_back(sequence_of(recommender, users[n], options.round_hours * 3600));
  }
  return out;
}

/// theta_z . q_i of all items [m, Z].
std::vector<double> affinities(const AlsParameters& p, const Clusters& clusters) {
  const auto d = static_cast<size_t>(p.options.rank);
  const auto num_states = static_cast<size_t>(clusters.num_clusters);
  std::vector<double> out(p.item_bias.size() * num_states);
  for (size_t i = 0; i < p.item_bias.size(); ++i) {
    for (size_t z = 0; z < num_states; ++z) {
      double sum = 0;
      for (size_t a = 0; a < d; ++a) sum += static_cast<double>(p.item_factors[i * d + a]) * clusters.mean[z * d + a];
      out[i * num_states + z] = sum;
    }
  }
  return out;
}

/// y ~ offset + slope s, and how far users differ in their offset.
struct Calibration {
  double slope = 1;
  double offset = 0;
  double noise_sd = 1;
  double offset_variance = kOffsetVariance;
};

/// `state_of` [users]: the cluster of each. Least squares, then the residuals; the spread of users' mean residuals beyond chance is the
/// variance of an offset of their own.
Calibration calibrate(const std::vector<Sequence>& users, const std::vector<int32_t>& state_of, const std::vector<double>& affinity,
                      size_t num_states) {
  double n = 0, sum_s = 0, sum_y = 0, sum_ss = 0, sum_sy = 0;
  const auto s_of = [&](size_t u, size_t k) {
    return affinity[static_cast<size_t>(users[u].items[k]) * num_states + static_cast<size_t>(state_of[u])];
  };
  for (size_t u = 0; u < users.size(); ++u) {
    for (size_t k = 0; k < users[u].items.size(); ++k) {
      const double s = s_of(u, k), y = users[u].rewards[k];
      ++n;
      sum_s += s;
      sum_y += y;
      sum_ss += s * s;
      sum_sy += s * y;
    }
  }
  Calibration out;
  const double spread = sum_ss - sum_s * sum_s / n;
  const double slope = spread > 0 ? (sum_sy - sum_s * sum_y / n) / spread : 0;
  if (slope >= kLeastSlope) out.slope = slope;
  out.offset = (sum_y - out.slope * sum_s) / n;
  double squares = 0, between = 0, chance = 0;
  for (size_t u = 0; u < users.size(); ++u) {
    double mean = 0;
    for (size_t k = 0; k < users[u].items.size(); ++k) {
      const double residual = users[u].rewards[k] - out.offset - out.slope * s_of(u, k);
      squares += residual * residual;
      mean += residual / static_cast<double>(users[u].items.size());
    }
    between += mean * mean;
    chance += 1 / static_cast<double>(users[u].items.size());
  }
  out.noise_sd = std::max(kLeastNoise, std::sqrt(squares / n));
  const auto count = static_cast<double>(users.size());
  out.offset_variance = std::max(kOffsetVariance, between / count - out.noise_sd * out.noise_sd * chance / count);
  return out;
}

/// The users' rounds as Baum-Welch takes them.
BanditSequences rounds_of(const std::vector<Sequence>& users, const AlsParameters& p) {
  const auto rank = static_cast<size_t>(p.options.rank);
  BanditSequences out;
  out.d = p.options.rank + 1;
  for (const Sequence& user : users) {
    for (size_t k = 0; k < user.items.size(); ++k) {
      const float* q = p.item_factors.data() + static_cast<size_t>(user.items[k]) * rank;
      out.features.insert(out.features.end(), q, q + rank);
      out.features.push_back(1);
      out.rewards.push_back(user.rewards[k]);
      out.dt.push_back(user.dt[k]);
    }
    out.offsets.push_back(out.num_rounds());
  }
  return out;
}

/// Everything learned for one number of states.
struct Fit {
  Clusters clusters;
  std::vector<double> points;  ///< [n, rank] that the clusters are of
  Calibration calibration;
  std::vector<double> initial;
  double rho = 0;
  std::vector<double> held_out;  ///< log likelihood of each held-out user's ratings
};

/// theta of a state is (slope theta_z, offset).
LatentModel model_of(const Fit& fit) {
  const auto rank = static_cast<size_t>(fit.clusters.d);
  LatentModel out;
  out.num_states = fit.clusters.num_clusters;
  out.d = fit.clusters.d + 1;
  out.initial = fit.initial;
  out.transition = Transition::sticky(fit.rho, fit.initial);
  out.noise_sd = fit.calibration.noise_sd;
  for (size_t z = 0; z < fit.initial.size(); ++z) {
    for (size_t a = 0; a < rank; ++a) out.theta.push_back(fit.calibration.slope * fit.clusters.mean[z * rank + a]);
    out.theta.push_back(fit.calibration.offset);
  }
  return out;
}

/// Baum-Welch with the means, the noise and where moves lead held fixed.
double likeliest_rho(const BanditSequences& rounds, const LatentModel& model, ThreadPool& pool) {
  BaumWelchOptions options;
  options.num_states = model.num_states;
  options.transition = "sticky";
  options.restarts = 1;
  options.short_iterations = 1;
  options.max_iterations = kMostSweeps;
  options.learn_initial = options.learn_means = options.learn_noise = false;
  return baum_welch(rounds, options, &model, pool).model.transition.rho();
}

/// `held_out`: rounds of users.held_out. The chain's rho is the given one or a first guess.
Fit fit_states(const Recommender& recommender, const Users& users, const BanditSequences& held_out, int32_t num_states,
               const RecommenderBanditOptions& options, ThreadPool& pool) {
  const AlsParameters& p = recommender.model().parameters();
  const auto d = static_cast<size_t>(p.options.rank);
  const auto z_count = static_cast<size_t>(num_states);
  Fit out;
  for (const Sequence& user : users.fitted) {
    const auto row = recommender.model().user_row(user.user);
    out.points.insert(out.points.end(), row.begin(), row.end());
  }
  ClusterOptions cluster;
  cluster.num_clusters = num_states;
  cluster.restarts = options.restarts;
  cluster.seed = options.seed;
  out.clusters = fit_clusters(out.points, p.options.rank, cluster);
  const auto n = static_cast<double>(users.fitted.size());
  for (const double share : out.clusters.share) out.initial.push_back((share * n + 1) / (n + static_cast<double>(z_count)));
  const auto affinity = affinities(p, out.clusters);
  std::vector<int32_t> state_of;
  for (size_t u = 0; u < users.fitted.size(); ++u) state_of.push_back(out.clusters.nearest(std::span(out.points).subspan(u * d, d)));
  out.calibration = calibrate(users.fitted, state_of, affinity, z_count);
  out.rho = options.rho > 0 ? options.rho : kFirstRho;
  if (!users.held_out.empty()) out.held_out = sequence_log_likelihood(model_of(out), held_out, pool);
  return out;
}

// ---- the number of states ----

/// Compares by users: the mean over them of (log likelihood per rating of the best) - (this one's), with its standard error.
void compare(std::vector<MoodChoice>& tried, const std::vector<Fit>& fits, const std::vector<Sequence>& held_out) {
  const auto per_rating = [&](const Fit& fit, size_t u) { return fit.held_out[u] / static_cast<double>(held_out[u].items.size()); };
  size_t best = 0;
  for (size_t k = 0; k < fits.size(); ++k) {
    double sum = 0;
    for (size_t u = 0; u < held_out.size(); ++u) sum += per_rating(fits[k], u);
    tried[k].held_out = sum / static_cast<double>(held_out.size());
    if (tried[k].held_out > tried[best].held_out) best = k;
  }
  const auto n = static_cast<double>(held_out.size());
  for (size_t k = 0; k < fits.size(); ++k) {
    double sum = 0, squares = 0;
    for (size_t u = 0; u < held_out.size(); ++u) {
      const double x = per_rating(fits[best], u) - per_rating(fits[k], u);
      sum += x;
      squares += x * x;
    }
    tried[k].behind = sum / n;
    tried[k].behind_error = std::sqrt(std::max(0.0, squares / n - tried[k].behind * tried[k].behind) / std::max(1.0, n - 1));
  }
}

std::vector<int32_t> candidates(const RecommenderBanditOptions& options, size_t num_users) {
  if (options.num_states > 0) {
    check(num_users >= kUsersAState * static_cast<size_t>(options.num_states), ErrorCode::kFailedPrecondition, "[learn bandit] ", num_users,
          " users with enough ratings for ", options.num_states, " states, expected at least ", kUsersAState, " a state");
    return {options.num_states};
  }
  std::vector<int32_t> out;
  for (const int32_t z : kCandidates) {
    if (out.empty() || num_users >= kUsersAState * static_cast<size_t>(z)) out.push_back(z);
  }
  return out;
}

int32_t choose(const std::vector<MoodChoice>& tried) {
  for (const MoodChoice& one : tried) {
    if (one.behind <= std::max(one.behind_error, kEnough)) return one.num_states;
  }
  return tried.back().num_states;
}

std::vector<LatentStateInfo> states_of(const Recommender& recommender, const Fit& fit, size_t num_users) {
  const auto affinity = affinities(recommender.model().parameters(), fit.clusters);
  const auto d = static_cast<size_t>(fit.clusters.d);
  auto out = describe_states(recommender, affinity, fit.initial, fit.calibration.slope, fit.calibration.offset);
  for (size_t u = 0; u < num_users; ++u)
    ++out[static_cast<size_t>(fit.clusters.nearest(std::span(fit.points).subspan(u * d, d)))].num_users;
  return out;
}

/// Around those theta: the covariance inside the cluster, scaled as they are, and the users' own offsets.
LatentPrior prior_of(const Fit& fit, const LatentModel& model) {
  const auto rank = static_cast<size_t>(fit.clusters.d);
  const size_t d = rank + 1;
  const auto inside = within_covariances(fit.clusters, fit.points);
  LatentPrior out;
  out.theta = model.theta;
  out.covariance.assign(fit.initial.size() * d * d, 0.0);
  const double scale = fit.calibration.slope * fit.calibration.slope;
  for (size_t z = 0; z < fit.initial.size(); ++z) {
    double* to = out.covariance.data() + z * d * d;
    for (size_t a = 0; a < rank; ++a) {
      for (size_t b = 0; b < rank; ++b) to[a * d + b] = scale * inside[z * rank * rank + a * rank + b];
    }
    to[rank * d + rank] = fit.calibration.offset_variance;
  }
  return out;
}

}  // namespace

LearnedBandit learn_recommender_bandit(const Recommender& recommender, const RecommenderBanditOptions& options, const std::string& created,
                                       ThreadPool& pool, ProgressSink& progress) {
  {
    check_option_ranges(options);
  }
  const AlsParameters& p = recommender.model().parameters();
  LearnedBandit out;
  {
    const Users users = sample_users(recommender, options, true);
    for (const int32_t z : candidates(options, users.fitted.size())) out.tried.push_back({z, 0, 0, 0, 0});
    const BanditSequences held_out = rounds_of(users.held_out, p);
    std::vector<Fit> fits;
    for (const MoodChoice& one : out.tried) {
      progress.update("numbers of moods", static_cast<int64_t>(fits.size()), static_cast<int64_t>(out.tried.size()) + 1);
      fits.push_back(fit_states(recommender, users, held_out, one.num_states, options, pool));
    }
    for (size_t k = 0; k < fits.size(); ++k) out.tried[k].noise_sd = fits[k].calibration.noise_sd;
    compare(out.tried, fits, users.held_out);
  }
  const int32_t num_states = choose(out.tried);
  const Users everybody = sample_users(recommender, options, false);
  Fit fit = fit_states(recommender, everybody, {}, num_states, options, pool);
  if (options.rho == 0) {
    auto some = everybody.fitted;
    some.resize(std::min(some.size(), kRhoUsers));  // they are in random order
    fit.rho = std::max(options.least_rho, likeliest_rho(rounds_of(some, p), model_of(fit), pool));
  }
  RecommenderBanditParts parts;
  parts.states = states_of(recommender, fit, everybody.fitted.size());
  parts.round_hours = options.round_hours;
  parts.dismiss_rating = options.dismiss_rating;
  parts.file.model = model_of(fit);
  parts.file.prior = prior_of(fit, parts.file.model);
  LatentModelRecord& record = parts.file.record;
  record.source = "recommender";
  record.method = "clusters";
  record.recommender = recommender.version();
  record.created = created;
  record.num_users = static_cast<int64_t>(everybody.fitted.size());
  for (const Sequence& user : everybody.fitted) record.num_rounds += static_cast<int64_t>(user.items.size());
  record.round_seconds = options.round_hours * 3600;
  const auto chosen = std::find_if(out.tried.begin(), out.tried.end(), [&](const auto& one) { return one.num_states == num_states; });
  record.metrics = {{"held_out_per_round", chosen->held_out},
                    {"rho", fit.rho},
                    {"slope", fit.calibration.slope},
                    {"offset", fit.calibration.offset},
                    {"noise_sd", fit.calibration.noise_sd}};
  latent_model_json(parts.file);  // names the version
  out.bandit = std::make_shared<const RecommenderBandit>(recommender, std::move(parts));
  progress.update("numbers of moods", static_cast<int64_t>(out.tried.size()) + 1, static_cast<int64_t>(out.tried.size()) + 1);
  return out;
}

}  // namespace attune::people
