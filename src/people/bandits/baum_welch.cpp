#include "people/bandits/baum_welch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "core/error.h"
#include "core/rng.h"
#include "people/bandits/baum_welch_internal.h"

namespace attune::people {
namespace em {
namespace {

constexpr uint64_t kCountBytes = uint64_t{256} << 20;  // for the expected counts of all chunks together
constexpr int64_t kMostChunks = 64;
constexpr int64_t kRoundsPerChunk = 2000;
constexpr size_t kMostDenseGaps = 4096;
constexpr double kMostDenseGap = 1e9;
constexpr double kLevelTolerance = 1e-9;

void find_gaps(const BanditSequences& data, Problem& out) {
  const size_t n = data.rewards.size();
  out.gap.assign(n, 0);
  out.gaps = {1};
  if (data.dt.empty()) return;
  std::vector<uint8_t> first(n, 0);
  for (const int64_t offset : data.offsets) {
    if (offset < data.num_rounds()) first[static_cast<size_t>(offset)] = 1;
  }
  for (size_t i = 0; i < n; ++i) {
    if (first[i] == 0) out.gaps.push_back(data.dt[i]);
  }
  std::sort(out.gaps.begin(), out.gaps.end());
  out.gaps.erase(std::unique(out.gaps.begin(), out.gaps.end()), out.gaps.end());
  for (size_t i = 0; i < n; ++i) {
    if (first[i] == 0) {
      out.gap[i] = static_cast<int32_t>(std::lower_bound(out.gaps.begin(), out.gaps.end(), data.dt[i]) - out.gaps.begin());
    }
  }
  if (out.sticky) return;
  check(out.gaps.size() <= kMostDenseGaps, ErrorCode::kInvalidArgument, "[baum_welch] expected at most ", kMostDenseGaps,
        " different gaps between rounds, found ", out.gaps.size(), "; use the sticky transition or a longer round");
  for (const double dt : out.gaps) {
    check(dt == std::floor(dt) && dt <= kMostDenseGap, ErrorCode::kInvalidArgument, "[baum_welch] expected gaps of whole rounds up to ",
          kMostDenseGap, ", found ", dt, "; the sticky transition takes fractions");
  }
}

void find_levels(const BanditSequences& data, std::vector<double> levels, Problem& out) {
  out.levels = levels.empty() ? data.levels() : std::move(levels);
  check(out.levels.size() >= 2, ErrorCode::kInvalidArgument,
        "[baum_welch] expected at least 2 different rewards of the categorical kind, found ", out.levels.size());
  for (const double r : data.rewards) {
    const auto at = std::lower_bound(out.levels.begin(), out.levels.end(), r - kLevelTolerance);
    const bool found = !std::isnan(r) && at != out.levels.end() && std::abs(*at - r) <= kLevelTolerance;
    check(found || std::isnan(r), ErrorCode::kInvalidArgument, "[baum_welch] expected a reward that is one of the ", out.levels.size(),
          " levels, found ", r);
    out.level.push_back(found ? static_cast<int32_t>(at - out.levels.begin()) : -1);
  }
}

void find_means(const BanditSequences& data, Problem& out) {
  double sum = 0;
  double n = 0;
  for (const double r : data.rewards) {
    if (std::isnan(r)) continue;
    check(out.reward != RewardKind::kBernoulli || r == 0 || r == 1, ErrorCode::kInvalidArgument,
          "[baum_welch] expected rewards of 0 or 1, found ", r);
    sum += r;
    n += 1;
  }
  const double mean = n > 0 ? sum / n : 0;
  if (out.reward == RewardKind::kGaussian && data.d == 0) out.centre = mean;
  out.arm_mean.assign(static_cast<size_t>(data.num_arms), 0.0);
  std::vector<double> counts(out.arm_mean.size(), 0.0);
  for (size_t i = 0; i < data.arms.size(); ++i) {
    if (std::isnan(data.rewards[i])) continue;
    out.arm_mean[static_cast<size_t>(data.arms[i])] += data.rewards[i];
    counts[static_cast<size_t>(data.arms[i])] += 1;
  }
  for (size_t a = 0; a < counts.size(); ++a) out.arm_mean[a] = counts[a] > 0 ? out.arm_mean[a] / counts[a] : mean;
}

void find_chunks(Problem& out) {
  const auto& offsets = out.data->offsets;
  const auto room = static_cast<int64_t>(kCountBytes / std::max<uint64_t>(1, Counts::size_bytes(out)));
  const int64_t chunks = std::clamp(out.data->num_rounds() / kRoundsPerChunk, int64_t{1}, std::clamp(room, int64_t{1}, kMostChunks));
  const int64_t share = out.data->num_rounds() / chunks + 1;
  out.chunks = {0};
  for (int64_t u = 0; u < out.data->num_users(); ++u) {
    const int64_t begin = offsets[static_cast<size_t>(out.chunks.back())];
    if (offsets[static_cast<size_t>(u) + 1] - begin >= share) out.chunks.push_back(u + 1);
  }
  if (out.chunks.back() < out.data->num_users() || out.chunks.size() == 1) out.chunks.push_back(out.data->num_users());
}

/// A model under way with the expected counts of its current parameters.
struct Run {
  LatentModel model;
  Counts counts;
  std::vector<double> trace;
  int32_t iterations = 0;
  bool converged = false;
  double objective() const { return trace.back(); }
};

Run begin_run(const Problem& problem, const BaumWelchOptions& options, LatentModel model, ThreadPool& pool) {
  Counts counts = expect(problem, model, pool);
  const double objective = counts.log_likelihood + log_prior(problem, options, model);
  return {std::move(model), std::move(counts), {objective}, 0, false};
}

void advance(const Problem& problem, const BaumWelchOptions& options, int32_t until, Run& run, ThreadPool& pool) {
  while (!run.converged && run.iterations < until) {
    maximise(problem, run.counts, options, run.model);
    run.counts = expect(problem, run.model, pool);
    const double before = run.objective();
    run.trace.push_back(run.counts.log_likelihood + log_prior(problem, options, run.model));
    ++run.iterations;
    run.converged = run.objective() - before < options.tolerance * std::max(1.0, std::abs(run.objective()));
  }
}

void check_options(const BaumWelchOptions& options, const LatentModel* start) {
  check_option_ranges(options);
  const bool everything = options.learn_initial && options.learn_transition && options.learn_means && options.learn_noise;
  check(start != nullptr || everything, ErrorCode::kInvalidArgument, "[baum_welch] a part that is not learned needs a model to start from");
}

void check_start(const LatentModel& start, const BanditSequences& data) {
  LatentModel copy = start;
  copy.check();
  check(start.num_arms == data.num_arms && start.d == data.d, ErrorCode::kInvalidArgument, "[baum_welch] the model has ", start.num_arms,
        " arms and ", start.d, " features, the data ", data.num_arms, " and ", data.d);
}

}  // namespace

Problem make_problem(const BanditSequences& data, RewardKind reward, std::vector<double> levels, int32_t num_states, bool sticky) {
  data.check();
  check(data.num_users() >= 1, ErrorCode::kInvalidArgument, "[baum_welch] expected at least one user");
  check(reward != RewardKind::kCategorical || data.d == 0, ErrorCode::kUnsupported,
        "[baum_welch] categorical rewards need a table of arms");
  Problem out;
  out.data = &data;
  out.reward = reward;
  out.num_states = static_cast<size_t>(num_states);
  out.sticky = sticky;
  find_means(data, out);
  if (reward == RewardKind::kCategorical) find_levels(data, std::move(levels), out);
  find_gaps(data, out);
  find_chunks(out);
  return out;
}

}  // namespace em

void BaumWelchOptions::describe(OptionList& list) {
  list.add("num_states", num_states, "Latent states.").range(1, 1024).alias("-z");
  list.add("reward", reward, "What rewards are: numbers with noise, 0 or 1, or one of a few levels.")
      .choices({"gaussian", "bernoulli", "categorical"});
  list.add("transition", transition, "Any matrix, or one probability of a change and where changes lead.").choices({"dense", "sticky"});
  list.add("transition_alpha", transition_alpha, "Dirichlet prior of transitions; 1 is maximum likelihood.").range(1, 1e6);
  list.add("initial_alpha", initial_alpha, "Dirichlet prior of the first state; 1 is maximum likelihood.").range(1, 1e6);
  list.add("ridge", ridge, "Gaussian means: rounds' worth of the arm's overall mean (tables) or of 0 (by features) in every state.")
      .range(0, 1e9);
  list.add("outcome_alpha", outcome_alpha, "Prior of Bernoulli means, Beta(a, a), and of levels, Dirichlet(a); 1 is maximum likelihood.")
      .range(1, 1e6);
  list.add("restarts", restarts, "Starts; the best after --short-iterations goes on.").range(1, 1000);
  list.add("short_iterations", short_iterations, "Iterations of each start.").range(1, 100000);
  list.add("max_iterations", max_iterations, "Most iterations of the best start.").range(1, 1000000);
  list.add("tolerance", tolerance, "Stops at a smaller relative gain of the log posterior.").range(0, 1);
  list.add("seed", seed, "Of the starts and of held-out users.");
}

BaumWelchResult baum_welch(const BanditSequences& data, const BaumWelchOptions& options, const LatentModel* start, ThreadPool& pool,
                           ProgressSink& progress) {
  em::check_options(options, start);
  if (start != nullptr) em::check_start(*start, data);
  const RewardKind reward = start != nullptr ? start->reward : parse_reward_kind(options.reward);
  check(!options.learn_means || data.d == 0 || reward != RewardKind::kBernoulli, ErrorCode::kUnsupported,
        "[baum_welch] means of Bernoulli rewards by features cannot be learned; use gaussian");
  const bool sticky = options.learn_transition ? options.transition == "sticky" : start->transition.is_sticky();
  const em::Problem problem = em::make_problem(data, reward, start != nullptr ? start->levels : options.levels,
                                               start != nullptr ? start->num_states : options.num_states, sticky);
  check(data.num_rewards() > 0, ErrorCode::kInvalidArgument, "[baum_welch] expected at least one reward");

  const int32_t num_starts = options.learn_means ? options.restarts : std::min(options.restarts, 4);  // others would repeat them
  const int64_t total = num_starts + options.max_iterations;
  std::optional<em::Run> best;
  BaumWelchResult out;
  for (int32_t index = 0; index < num_starts; ++index) {
    auto run = em::begin_run(problem, options, em::make_start(problem, options, start, index), pool);
    em::advance(problem, options, std::min(options.short_iterations, options.max_iterations), run, pool);
    out.starts.push_back(run.objective());
    if (!best || run.objective() > best->objective()) best = std::move(run);
    progress.update("starts and iterations of EM", index + 1, total);
  }
  while (!best->converged && best->iterations < options.max_iterations) {
    em::advance(problem, options, best->iterations + 1, *best, pool);
    progress.update("starts and iterations of EM", num_starts + best->iterations, total);
  }
  progress.update("starts and iterations of EM", total, total);
  out.prior = em::posterior(problem, best->counts, options, best->model);
  out.log_likelihood = best->counts.log_likelihood;
  out.num_impossible = best->counts.impossible;
  out.iterations = best->iterations;
  out.converged = best->converged;
  out.trace = std::move(best->trace);
  out.model = std::move(best->model);
  out.model.version.clear();
  out.model.check();
  out.prior.check(out.model);
  return out;
}

std::vector<double> sequence_log_likelihood(const LatentModel& model, const BanditSequences& data, ThreadPool& pool,
                                            int64_t* num_impossible) {
  em::check_start(model, data);
  const em::Problem problem = em::make_problem(data, model.reward, model.levels, model.num_states, model.transition.is_sticky());
  const em::Moves moves(problem, model.transition);
  const em::Emissions emissions(problem, model);
  std::vector<double> out(static_cast<size_t>(data.num_users()), 0.0);
  std::vector<int64_t> impossible(problem.chunks.size(), 0);
  pool.run(static_cast<int>(problem.chunks.size()) - 1, [&](int chunk) {
    em::Pass pass(problem, model, moves, emissions);
    const auto c = static_cast<size_t>(chunk);
    for (auto u = static_cast<size_t>(problem.chunks[c]); u < static_cast<size_t>(problem.chunks[c + 1]); ++u) {
      if (data.offsets[u] < data.offsets[u + 1]) out[u] = pass.forward(data.offsets[u], data.offsets[u + 1], impossible[c]);
    }
  });
  if (num_impossible != nullptr) {
    *num_impossible = 0;
    for (const int64_t n : impossible) *num_impossible += n;
  }
  return out;
}

Smoothed smooth(const LatentModel& model, const BanditSequences& data, int64_t user) {
  check(user >= 0 && user < data.num_users(), ErrorCode::kInvalidArgument, "[smooth] unknown user ", user, ", there are ",
        data.num_users());
  em::check_start(model, data);
  const em::Problem problem = em::make_problem(data, model.reward, model.levels, model.num_states, model.transition.is_sticky());
  const em::Moves moves(problem, model.transition);
  const em::Emissions emissions(problem, model);
  em::Pass pass(problem, model, moves, emissions);
  const int64_t begin = data.offsets[static_cast<size_t>(user)];
  const int64_t end = data.offsets[static_cast<size_t>(user) + 1];
  const auto z = static_cast<size_t>(model.num_states);
  const auto rounds = static_cast<size_t>(end - begin);
  Smoothed out;
  if (rounds == 0) return out;
  int64_t impossible = 0;
  out.log_likelihood = pass.forward(begin, end, impossible);
  out.gamma.resize(rounds * z);
  out.xi.resize((rounds - 1) * z * z);
  pass.backward(begin, end, [&](int64_t t, const double* gamma, const double* v) {
    const auto i = static_cast<size_t>(t - begin);
    std::copy_n(gamma, z, out.gamma.begin() + static_cast<ptrdiff_t>(i * z));
    if (v == nullptr) return;
    const auto phi = model.transition.power(problem.gaps[static_cast<size_t>(problem.gap[static_cast<size_t>(t) + 1])]);
    const double* a = pass.alpha(t, begin);
    for (size_t s = 0; s < z; ++s) {
      for (size_t j = 0; j < z; ++j) out.xi[(i * z + s) * z + j] = a[s] * phi[s * z + j] * v[j];
    }
  });
  return out;
}

}  // namespace attune::people
