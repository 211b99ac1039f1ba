#include "people/bandits/off_policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>

#include "core/error.h"
#include "core/number.h"
#include "people/bandits/acting.h"
#include "people/bandits/exact_belief.h"

namespace attune::people {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kUsersPerChunk = 32;
constexpr double kErrors = 3;  // standard errors beyond which a mean weight is wrong
constexpr double kFewEffective = 30;
constexpr double kLittleEffective = 0.02;  // of the decisions
constexpr double kMisfitZ = 4;
constexpr double kMisfitUsers = 0.05;

/// What one estimator adds up for one user: estimate = sum / count over all users.
struct Sums {
  double sum = 0;
  double count = 0;
  double weight = 0;
  double squares = 0;
  int64_t used = 0;
  int64_t clipped = 0;
  double greatest = 0;

  /// A decision worth `value` with an importance weight w (before clipping `raw`).
  void add(double value, double base, double w, double raw) {
    sum += value;
    count += base;
    weight += w;
    squares += w * w;
    ++used;
    clipped += w < raw ? 1 : 0;
    greatest = std::max(greatest, raw);
  }
};

enum Name { kLogged, kDirect, kIps, kSnips, kDr, kTrajectory, kReplay, kWindowIps, kDecayIps, kNumNames };
constexpr std::array<const char*, kNumNames> kNames = {"logged",     "direct", "ips",        "snips",    "dr",
                                                       "trajectory", "replay", "window_ips", "decay_ips"};

struct UserSums {
  std::array<Sums, kNumNames> of;
  double uniform = 0;  // sum of 1 / (num_actions b)
  double raw_weight = 0;  // sum of w, not clipped
  double used = 0;
  double shortfall = 0;
  int64_t rounds = 0;
  bool alarmed = false;
};

/// The policy as an oracle of probabilities.
class Judge {
 public:
  Judge(const PolicyFactory& factory, int32_t draws, Rng rng) : policy_(factory()), draws_(draws), rng_(rng) {}
  /// nullptr: the logged policy itself.
  Policy* policy() const noexcept { return policy_.get(); }
  Rng& rng() noexcept { return rng_; }

  void probabilities(const Round& round, const LoggedDecision& decision, std::span<double> out) {
    if (!policy_) {
      std::fill(out.begin(), out.end(), 0.0);
      out[static_cast<size_t>(decision.action)] = 1;
      return;
    }
    if (policy_->probabilities(round, out)) return;
    std::fill(out.begin(), out.end(), 0.0);
    for (int32_t i = 0; i < draws_; ++i) out[static_cast<size_t>(policy_->choose(round, rng_).action)] += 1.0 / draws_;
  }

 private:
  std::unique_ptr<Policy> policy_;
  int32_t draws_;
  Rng rng_;
};

class UniformPolicy final : public Policy {
 public:
  std::string_view name() const noexcept override { return "uniform"; }
  void reset() override {}
  bool probabilities(const Round& round, std::span<double> out) override {
    double n = 0;
    for (int32_t a = 0; a < round.num_actions; ++a) n += round.may(a) ? 1 : 0;
    for (int32_t a = 0; a < round.num_actions; ++a) out[static_cast<size_t>(a)] = round.may(a) ? 1 / n : 0;
    return true;
  }
  Choice choose(const Round& round, Rng& rng) override {
    std::vector<double> p(static_cast<size_t>(round.num_actions));
    probabilities(round, p);
    const int32_t action = draw_index(p, rng);
    return {action, p[static_cast<size_t>(action)]};
  }
  void observe(const Round&, int32_t, double, Rng&) override {}
};

class Evaluation {
 public:
  Evaluation(const BanditLog& log, const LatentModel& model, const OffPolicyOptions& options)
      : log_(log), model_(std::make_shared<const LatentModel>(model)), options_(options) {
    double smallest = 1;
    for (size_t i = 0; i < log.decisions.size(); ++i) {
      if (counts(log.decisions[i])) smallest = std::min(smallest, log.decisions[i].propensity);
    }
    accept_ = std::max(smallest, options.replay_floor);
    find_ages();
  }

  UserSums user(int64_t index, const PolicyFactory& factory) const {
    UserSums out;
    const int64_t begin = log_.offsets[static_cast<size_t>(index)];
    const int64_t end = log_.offsets[static_cast<size_t>(index) + 1];
    judge(index, begin, end, factory, out);
    replay(index, begin, end, factory, out.of[kReplay]);
    return out;
  }

 private:
  static bool counts(const LoggedDecision& decision) { return !std::isnan(decision.reward) && !std::isnan(decision.propensity); }
  double clip(double w) const { return options_.clip > 0 ? std::min(w, options_.clip) : w; }

  /// Rounds between each decision and the end of the log (of the user, where the log has no clock).
  void find_ages() {
    age_.assign(log_.decisions.size(), 0.0);
    double last = -std::numeric_limits<double>::infinity();
    for (const LoggedDecision& decision : log_.decisions) last = std::max(last, decision.time);
    for (size_t u = 0; u + 1 < log_.offsets.size(); ++u) {
      double age = 0;
      for (int64_t i = log_.offsets[u + 1] - 1; i >= log_.offsets[u]; --i) {
        const LoggedDecision& decision = log_.decisions[static_cast<size_t>(i)];
        const bool clock = log_.report.has_times && log_.time_unit > 0;
        age_[static_cast<size_t>(i)] = clock ? (last - decision.time) / log_.time_unit : age;
        age += decision.dt;
      }
    }
  }

  /// Direct model and misfit: what the model expects before the round (q [n]), then the update.
  void direct(const Round& round, const LoggedDecision& decision, ExactBelief& belief, MisfitMonitor& monitor, std::vector<double>& means,
              std::vector<double>& q) const {
    const auto z = static_cast<size_t>(model_->num_states);
    action_means(*model_, round, means);
    q.assign(static_cast<size_t>(round.num_actions), 0.0);
    for (size_t a = 0; a < q.size(); ++a) {
      for (size_t s = 0; s < z; ++s) q[a] += belief.p()[s] * means[a * z + s];
    }
    if (std::isnan(decision.reward)) return;
    const int32_t arm = model_->by_features() ? -1 : round.arm(decision.action);
    const auto played = std::span(means).subspan(static_cast<size_t>(decision.action) * z, z);
    const auto expected = log_evidence_moments(*model_, arm, played, belief.p());
    const double evidence = belief.update({arm, round.features_of(decision.action), decision.reward, {}});
    monitor.observe(evidence, expected, belief.p());
  }

  void judge(int64_t user, int64_t begin, int64_t end, const PolicyFactory& factory, UserSums& out) const {
    Judge judge(factory, options_.draws, Rng(options_.seed, static_cast<uint64_t>(2 * user)));
    ExactBelief belief(model_);
    MisfitMonitor monitor(options_.misfit);
    std::vector<double> means, q, pi, recent;
    for (int64_t i = begin; i < end; ++i) {
      const LoggedDecision& decision = log_.decisions[static_cast<size_t>(i)];
      const Round round = log_.round(i, i - begin);
      if (i > begin) belief.predict(round.dt);
      pi.resize(static_cast<size_t>(round.num_actions));
      judge.probabilities(round, decision, pi);
      direct(round, decision, belief, monitor, means, q);
      if (!std::isnan(decision.reward) && judge.policy() != nullptr) {
        judge.policy()->observe(round, decision.action, decision.reward, judge.rng());
      }
      double value = 0;
      for (size_t a = 0; a < q.size(); ++a) value += pi[a] * q[a];
      add(decision, i, pi, q[static_cast<size_t>(decision.action)], judge.policy() == nullptr, value, recent, out);
    }
    out.shortfall = monitor.sum();
    out.rounds = monitor.num_rounds();
    out.alarmed = monitor.num_alarms() > 0;
  }

  void add(const LoggedDecision& decision, int64_t i, std::span<const double> pi, double q, bool logged, double value,
           std::vector<double>& recent, UserSums& out) const {
    out.of[kDirect].add(value, 1, 0, 0);
    if (std::isnan(decision.propensity)) return;
    const double b = decision.propensity;
    const double raw = logged ? 1 : pi[static_cast<size_t>(decision.action)] / b;
    recent.push_back(raw);
    if (std::isnan(decision.reward)) return;
    const double w = clip(raw);
    const double r = decision.reward;
    out.used += 1;
    out.raw_weight += raw;
    out.uniform += 1 / (static_cast<double>(decision.num_actions) * b);
    out.of[kLogged].add(r, 1, 1, 1);
    out.of[kIps].add(w * r, 1, w, raw);
    out.of[kSnips].add(w * r, w, w, raw);
    out.of[kDr].add(value + w * (r - q), 1, w, raw);
    const size_t lookback = options_.lookback > 0 ? std::min(recent.size(), static_cast<size_t>(options_.lookback)) : recent.size();
    double product = 1;
    for (size_t k = recent.size() - lookback; k < recent.size(); ++k) product *= recent[k];
    out.of[kTrajectory].add(clip(product) * r, 1, clip(product), product);
    const double age = age_[static_cast<size_t>(i)];
    if (age < options_.window) out.of[kWindowIps].add(w * r, 1, w, raw);
    const double decayed = std::pow(options_.decay, age);
    out.of[kDecayIps].add(decayed * w * r, decayed, decayed * w, decayed * raw);
  }

  void replay(int64_t user, int64_t begin, int64_t end, const PolicyFactory& factory, Sums& out) const {
    const auto policy = factory();
    Rng rng(options_.seed, static_cast<uint64_t>(2 * user + 1));
    for (int64_t i = begin; i < end; ++i) {
      const LoggedDecision& decision = log_.decisions[static_cast<size_t>(i)];
      if (!counts(decision)) continue;
      const Round round = log_.round(i, i - begin);
      if (policy != nullptr && policy->choose(round, rng).action != decision.action) continue;
      const double chance = policy == nullptr ? 1 : std::min(1.0, accept_ / decision.propensity);
      if (rng.uniform() >= chance) continue;
      out.add(decision.reward, 1, 1, policy != nullptr && decision.propensity < accept_ ? 2 : 1);
      out.greatest = 1;
      if (policy != nullptr) policy->observe(round, decision.action, decision.reward, rng);
    }
  }

  const BanditLog& log_;
  std::shared_ptr<const LatentModel> model_;
  const OffPolicyOptions& options_;
  double accept_ = 0;
  std::vector<double> age_;
};

/// sum / count over users with an interval of the linearised ratio: user u counts R + (sum_u - R count_u) / mean count.
stats::Interval ratio_interval(const std::vector<double>& sum, const std::vector<double>& count, const OffPolicyOptions& options) {
  stats::Interval out{.mean = kNone, .low = kNone, .high = kNone, .level = options.level, .n = static_cast<int64_t>(sum.size())};
  double total = 0;
  double n = 0;
  for (size_t u = 0; u < sum.size(); ++u) {
    total += sum[u];
    n += count[u];
  }
  if (!(n > 0)) return out;
  out.mean = total / n;
  if (sum.size() < 2) return out;
  std::vector<double> values(sum.size());
  for (size_t u = 0; u < sum.size(); ++u) values[u] = out.mean + (sum[u] - out.mean * count[u]) / (n / static_cast<double>(sum.size()));
  const auto interval = stats::bootstrap_mean(values, {.resamples = options.resamples, .level = options.level, .seed = options.seed});
  out.low = interval.low;
  out.high = interval.high;
  return out;
}

OffPolicyEstimate summarise(const std::vector<UserSums>& users, Name name, const OffPolicyOptions& options) {
  OffPolicyEstimate out;
  out.name = kNames[name];
  std::vector<double> sum, count;
  double weight = 0;
  double squares = 0;
  int64_t clipped = 0;
  for (const UserSums& user : users) {
    const Sums& s = user.of[name];
    sum.push_back(s.sum);
    count.push_back(s.count);
    weight += s.weight;
    squares += s.squares;
    clipped += s.clipped;
    out.num_used += s.used;
    out.greatest_weight = std::max(out.greatest_weight, s.greatest);
  }
  out.interval = ratio_interval(sum, count, options);
  double expected = 0;  // what the weights sum to if they are right
  for (size_t u = 0; u < count.size(); ++u) expected += name == kSnips ? static_cast<double>(users[u].of[name].used) : count[u];
  out.ess = squares > 0 ? std::min(weight * weight, expected * expected) / squares : kNone;
  const bool enough = out.ess >= kFewEffective && out.ess >= kLittleEffective * static_cast<double>(out.num_used);
  out.reliable = out.num_used > 0 && (name == kDirect || enough);
  out.clipped = out.num_used > 0 ? static_cast<double>(clipped) / static_cast<double>(out.num_used) : 0;
  return out;
}

WeightCheck check_weights(const std::vector<UserSums>& users, double UserSums::* field) {
  double sum = 0;
  double n = 0;
  for (const UserSums& user : users) {
    sum += user.*field;
    n += user.used;
  }
  WeightCheck out;
  out.mean = sum / n;
  double squares = 0;
  for (const UserSums& user : users) squares += std::pow(user.*field - out.mean * user.used, 2);
  const auto u = static_cast<double>(users.size());
  out.error = u > 1 ? std::sqrt(squares * u / (u - 1)) / n : kNone;
  out.z = (out.mean - 1) / out.error;
  if (out.mean == 1) out.z = 0;
  return out;
}

std::string numbers(const WeightCheck& check) { return cat(fixed(check.mean, 3), " (standard error ", fixed(check.error, 4), ")"); }

/// 1 within rounding is 1 however small the error is.
bool above(const WeightCheck& check) { return check.mean > 1 + 1e-6 && !(check.z < kErrors); }
bool below(const WeightCheck& check) { return check.mean < 1 - 1e-6 && !(check.z > -kErrors); }

void raise_alarms(OffPolicyReport& report) {
  auto& alarms = report.alarms;
  if (above(report.uniform)) {
    alarms.push_back(cat("propensities do not fit: the mean of 1 / (actions x propensity) is ", numbers(report.uniform),
                         ", expected 1, or less where some actions are never played"));
  }
  if (above(report.weights)) {
    alarms.push_back(cat("propensities do not fit: the mean weight of the policy is ", numbers(report.weights), ", expected 1"));
  }
  if (below(report.weights)) {
    report.unsupported = 1 - report.weights.mean;
    alarms.push_back(cat("the mean weight of the policy is ", numbers(report.weights),
                         ", expected 1: the log never makes some of its choices, or propensities are too great; IPS is too low"));
  }
  const OffPolicyEstimate& ips = report.estimate("ips");
  if (!ips.reliable) {
    alarms.push_back(cat("the effective sample size is ", fixed(ips.ess, 1), " of ", ips.num_used, " decisions"));
  } else if (above(report.weights)) {
    alarms.push_back(
        cat("the effective sample size is ", fixed(ips.ess, 1), " of ", ips.num_used, " decisions, for weights that do not average 1"));
  }
  const Misfit& misfit = report.misfit;
  if (std::abs(misfit.z) > kMisfitZ) {
    alarms.push_back(cat("the model does not fit the log: rewards are ", misfit.z > 0 ? "less" : "more",
                         " likely than it expects, z = ", fixed(misfit.z, 1), " over ", misfit.num_rounds, " rewards"));
  }
  if (static_cast<double>(misfit.num_alarmed) > kMisfitUsers * static_cast<double>(report.num_users)) {
    alarms.push_back(cat("the model does not fit ", misfit.num_alarmed, " of ", report.num_users, " users: their misfit alarm went off"));
  }
}

void check_fit(const BanditLog& log, const LatentModel& model, const OffPolicyOptions& options) {
  check_option_ranges(options);
  check(model.by_features() ? model.d == log.d : log.num_arms > 0 && log.num_arms <= model.num_arms, ErrorCode::kInvalidArgument,
        "[off-policy] the model has ", model.num_arms, " arms and ", model.d, " features, the log ", log.num_arms, " and ", log.d);
  int64_t used = 0;
  for (size_t i = 0; i < log.decisions.size(); ++i) {
    const LoggedDecision& decision = log.decisions[i];
    check(model.by_features() || decision.first < 0 || log.arms[static_cast<size_t>(decision.first)] >= 0, ErrorCode::kInvalidArgument,
          "[off-policy] decision ", i, " names no arms, the model is a table of arms");
    if (std::isnan(decision.reward)) continue;
    const Round round = log.round(static_cast<int64_t>(i), 0);
    with_context([&] { return cat("decision ", i, " of the log"); },
                 [&] {
                   model.check_observation(model.by_features() ? -1 : round.arm(decision.action), round.features_of(decision.action),
                                           decision.reward);
                 });
    used += std::isnan(decision.propensity) ? 0 : 1;
  }
  check(used > 0, ErrorCode::kFailedPrecondition, "[off-policy] expected decisions with reward and propensity, found none");
}

}  // namespace

void OffPolicyOptions::describe(OptionList& list) {
  list.add("clip", clip, "Importance weights are at most this; 0: not clipped. The share that was is reported.").range(0, 1e12);
  list.add("lookback", lookback, "Trajectory weights are products over this many decisions; 0: all of the user.").range(0, 1000000);
  list.add("window", window, "window_ips: last rounds of the log that count.").range(1e-9, 1e15).unit("rounds");
  list.add("decay", decay, "decay_ips: weight of a decision one round older.").range(1e-6, 1);
  list.add("replay_floor", replay_floor, "Replay: propensities below this count as this, so that enough rounds are accepted.")
      .range(1e-9, 1);
  list.add("draws", draws, "Draws a round for policies that do not know their probabilities.").range(1, 1000000);
  list.add("resamples", resamples, "Of the bootstrap over users.").range(100, 1000000);
  list.add("level", level, "Of the intervals.").range(0.5, 0.9999);
  list.add("seed", seed, "Of every random choice.");
  misfit.describe(list);
}

const OffPolicyEstimate& OffPolicyReport::estimate(std::string_view name) const {
  for (const OffPolicyEstimate& e : estimates) {
    if (e.name == name) return e;
  }
  fail(ErrorCode::kNotFound, "[off-policy] unknown estimator ", name);
}

PolicyFactory uniform_policy() {
  return [] { return std::make_unique<UniformPolicy>(); };
}
PolicyFactory logged_policy() {
  return [] { return std::unique_ptr<Policy>(); };
}

OffPolicyReport evaluate_off_policy(const BanditLog& log, const LatentModel& model, const PolicyFactory& policy,
                                    const OffPolicyOptions& options, ThreadPool& pool, ProgressSink& progress) {
  check_fit(log, model, options);
  const Evaluation evaluation(log, model, options);
  std::vector<UserSums> users(static_cast<size_t>(log.num_users()));
  std::mutex mutex;
  int64_t done = 0;
  pool.for_ranges(log.num_users(), kUsersPerChunk, [&](int64_t begin, int64_t end) {
    for (int64_t u = begin; u < end; ++u) users[static_cast<size_t>(u)] = evaluation.user(u, policy);
    const std::lock_guard lock(mutex);
    progress.update("users", done += end - begin, log.num_users());
  });

  OffPolicyReport out;
  out.num_users = log.num_users();
  out.num_decisions = static_cast<int64_t>(log.decisions.size());
  for (int name = 0; name < kNumNames; ++name) out.estimates.push_back(summarise(users, static_cast<Name>(name), options));
  out.num_used = out.estimate("ips").num_used;
  out.uniform = check_weights(users, &UserSums::uniform);
  out.weights = check_weights(users, &UserSums::raw_weight);
  double shortfall = 0;
  for (const UserSums& user : users) {
    shortfall += user.shortfall;
    out.misfit.num_rounds += user.rounds;
    out.misfit.num_alarmed += user.alarmed ? 1 : 0;
  }
  if (out.misfit.num_rounds > 0) out.misfit.z = shortfall / std::sqrt(static_cast<double>(out.misfit.num_rounds));
  raise_alarms(out);
  return out;
}

}  // namespace attune::people
