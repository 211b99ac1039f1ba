// Our side of the bandits benchmark: one piece of work in this process, one line of JSON on stdout.
//
//   bandits_bench --mode update --users 100000 --data DIR     seconds of a batch of belief updates; writes the problem for the peers
//   bandits_bench --mode decide --users 20000                 seconds of deciding and updating a batch by features
//   bandits_bench --mode events --data DIR                    a log of decisions, round by round: mTS decides, then learns the logged reward
//   bandits_bench --mode rules                                seconds a round of each acting rule, one user
//   bandits_bench --mode mmts --particles 200                 rounds a second of mmTS with unknown arm means, one user
//
// Seconds are those of the processor (one thread), the median of --repeats: other processes on the machine do not count.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/program.h"
#include "core/file.h"
#include "kernels/kernels.h"
#include "people/bandits/belief_batch.h"
#include "people/bandits/latent_policy.h"
#include "people/bandits/mmts_policy.h"

namespace attune::bench {
namespace {

using Json = nlohmann::ordered_json;
using people::LatentModel;

struct Options {
  std::string mode = "update";
  std::string data;
  std::string reward = "gaussian";
  int64_t users = 100000;
  int32_t states = 5;
  int32_t arms = 20;
  int32_t dimension = 10;
  int32_t repeats = 11;
  int32_t events = 20000;
  int32_t particles = 200;
  bool sticky = false;
  bool help = false;

  void describe(OptionList& list) {
    list.add("mode", mode, "What is measured.").choices({"update", "decide", "events", "rules", "mmts"});
    list.add("data", data, "Folder of the arrays for the peers; empty: none are written.");
    list.add("reward", reward, "Law of the rewards (update).").choices({"gaussian", "bernoulli"});
    list.add("users", users, "Users of a batch.").range(1, 100000000);
    list.add("states", states, "Z.").range(1, 4096);
    list.add("arms", arms, "K.").range(1, 100000);
    list.add("dimension", dimension, "d, features of an arm.").range(1, 4096);
    list.add("repeats", repeats, "Measurements; the median counts.").range(1, 1000);
    list.add("events", events, "Length of the log (events).").range(1, 10000000);
    list.add("particles", particles, "P (mmts).").range(1, 1000000);
    list.add("sticky", sticky, "A sticky chain instead of a dense one.");
    list.add("help", help, "Show the options.");
  }
};

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Median processor seconds of `work`, after one run that does not count.
template <class Work>
double seconds_of(int32_t repeats, Work&& work) {
  work();
  std::vector<double> found;
  for (int32_t i = 0; i < repeats; ++i) {
    const double start = processor_seconds();
    work();
    found.push_back(processor_seconds() - start);
  }
  return median(found);
}

std::vector<double> random_rows(int32_t rows, int32_t columns, Rng& rng) {
  std::vector<double> out;
  for (int32_t r = 0; r < rows; ++r) {
    double sum = 0;
    const size_t begin = out.size();
    for (int32_t c = 0; c < columns; ++c) sum += out.emplace_back(0.05 + rng.uniform() + (r == c ? 5.0 : 0.0));
    for (size_t i = begin; i < out.size(); ++i) out[i] /= sum;
  }
  return out;
}

std::shared_ptr<const LatentModel> make_model(const Options& o, bool by_features) {
  Rng rng(1, "bandits bench");
  LatentModel model;
  model.version = "bench";
  model.reward = people::parse_reward_kind(o.reward);
  model.num_states = o.states;
  model.noise_sd = 0.5;
  model.initial = random_rows(1, o.states, rng);
  model.transition = o.sticky ? people::Transition::sticky(0.02, model.initial)
                              : people::Transition::dense(o.states, random_rows(o.states, o.states, rng));
  if (by_features) {
    model.d = o.dimension;
    for (int32_t i = 0; i < o.states * o.dimension; ++i) model.theta.push_back(rng.normal() / std::sqrt(o.dimension));
  } else {
    model.num_arms = o.arms;
    for (int32_t i = 0; i < o.arms * o.states; ++i) model.mean.push_back(0.05 + 0.9 * rng.uniform());
  }
  model.check();
  return std::make_shared<const LatentModel>(std::move(model));
}

template <class T>
void write_array(const Options& o, const char* name, const std::vector<T>& values) {
  if (o.data.empty()) return;
  write_file_atomic(Path(o.data) / name, [&](AtomicFile& file) { file.write(std::as_bytes(std::span(values))); });
}

int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

Json run_update(const Options& o) {
  const auto model = make_model(o, false);
  const auto n = static_cast<size_t>(o.users);
  people::BeliefBatch batch(model, o.users);
  ThreadPool pool(1);
  Rng rng(2);
  std::vector<int32_t> arms(n);
  std::vector<float> rewards(n);
  for (size_t i = 0; i < n; ++i) {
    arms[i] = static_cast<int32_t>(rng.below(static_cast<uint64_t>(o.arms)));
    rewards[i] = o.reward == "bernoulli" ? static_cast<float>(rng.below(2)) : static_cast<float>(0.5 + 0.5 * rng.normal());
  }
  batch.update({{}, arms, {}, rewards}, 1, pool);
  if (!o.data.empty()) {  // the problem, and the beliefs after one round of everyone
    std::vector<double> after;
    for (int64_t user = 0; user < o.users; ++user) after.insert(after.end(), batch.p(user).begin(), batch.p(user).end());
    write_array(o, "initial.f64", model->initial);
    write_array(o, "phi.f64", model->transition.matrix());
    write_array(o, "mean.f64", model->mean);
    write_array(o, "arms.i32", arms);
    write_array(o, "rewards.f32", rewards);
    write_array(o, "after.f64", after);
  }
  const double seconds = seconds_of(o.repeats, [&] { batch.update({{}, arms, {}, rewards}, 1, pool); });
  return {{"mode", "update"},
          {"users", o.users},
          {"states", o.states},
          {"arms", o.arms},
          {"seconds", seconds},
          {"updates_per_second", static_cast<double>(o.users) / seconds},
          {"belief_bytes", batch.bytes()},
          {"peak_bytes", peak_bytes()}};
}

Json run_decide(const Options& o) {
  const auto model = make_model(o, true);
  const auto n = static_cast<size_t>(o.users);
  const auto d = static_cast<size_t>(o.dimension);
  const auto k = static_cast<size_t>(o.arms);
  people::BeliefBatch batch(model, o.users);
  ThreadPool pool(1);
  Rng rng(2);
  std::vector<float> features(n * k * d);
  std::vector<float> rewards(n);
  for (float& x : features) x = static_cast<float>(rng.normal() / std::sqrt(o.dimension));
  for (float& r : rewards) r = static_cast<float>(0.5 * rng.normal());
  std::vector<int32_t> action(n);
  std::vector<float> propensity(n);
  std::vector<float> played(n * d);
  const double seconds = seconds_of(o.repeats, [&] {
    batch.decide({}, {o.arms, {}, features, {}}, people::BatchRule::kThompson, rng, pool, action, propensity);
    for (size_t i = 0; i < n; ++i) std::copy_n(&features[(i * k + static_cast<size_t>(action[i])) * d], d, &played[i * d]);
    batch.update({{}, {}, played, rewards}, 1, pool);
  });
  return {{"mode", "decide"},
          {"users", o.users},
          {"states", o.states},
          {"arms", o.arms},
          {"dimension", o.dimension},
          {"seconds", seconds},
          {"us_per_user", 1e6 * seconds / static_cast<double>(o.users)}};
}

/// The same log as that of 1,000 users: batches of 1,000 events.
double batched_events(const std::shared_ptr<const LatentModel>& model, const Options& o, std::span<const float> features,
                      std::span<const int32_t> logged, std::span<const float> reward) {
  constexpr size_t kUsers = 1000;
  const auto k = static_cast<size_t>(o.arms);
  const auto d = static_cast<size_t>(o.dimension);
  people::BeliefBatch batch(model, kUsers);
  ThreadPool pool(1);
  Rng draws(4);
  std::vector<int32_t> action(kUsers);
  std::vector<float> propensity(kUsers);
  std::vector<float> played(kUsers * d);
  return seconds_of(std::min(o.repeats, 5), [&] {
    for (size_t begin = 0; begin < logged.size(); begin += kUsers) {
      const size_t n = std::min(kUsers, logged.size() - begin);
      batch.decide({}, {o.arms, {}, features.subspan(begin * k * d, n * k * d), {}}, people::BatchRule::kThompson, draws, pool,
                   std::span(action).first(n), std::span(propensity).first(n));
      for (size_t i = 0; i < n; ++i) {
        std::copy_n(&features[((begin + i) * k + static_cast<size_t>(logged[begin + i])) * d], d, &played[i * d]);
      }
      batch.update({{}, {}, std::span(played).first(n * d), reward.subspan(begin, n)}, 1, pool);
    }
  });
}

/// A log of one policy's decisions on a made-up problem, then mTS over it: decide (exact propensity), then learn the logged reward.
Json run_events(const Options& o) {
  const auto model = make_model(o, true);
  const auto k = static_cast<size_t>(o.arms);
  const auto d = static_cast<size_t>(o.dimension);
  const auto n = static_cast<size_t>(o.events);
  Rng rng(3);
  std::vector<double> features(n * k * d);
  for (double& x : features) x = static_cast<float>(rng.normal() / std::sqrt(o.dimension));
  std::vector<float> narrow(features.begin(), features.end());
  std::vector<int32_t> action(n);
  std::vector<float> reward(n);
  for (size_t t = 0; t < n; ++t) {
    action[t] = static_cast<int32_t>(rng.below(k));
    std::vector<double> mu(static_cast<size_t>(o.states));
    model->means(-1, std::span(features).subspan((t * k + static_cast<size_t>(action[t])) * d, d), mu);
    reward[t] = static_cast<float>(mu[(t / 100) % mu.size()] + model->noise_sd * rng.normal());
  }
  write_array(o, "features.f32", narrow);
  write_array(o, "action.i32", action);
  write_array(o, "reward.f32", reward);
  const auto policy = people::make_latent_policy("mts", model);
  double propensities = 0;
  const double seconds = seconds_of(std::min(o.repeats, 5), [&] {
    policy->reset();
    Rng draws(4);
    people::Round round;
    round.num_actions = o.arms;
    for (size_t t = 0; t < n; ++t) {
      round.t = static_cast<int64_t>(t);
      round.features = std::span(features).subspan(t * k * d, k * d);
      propensities += policy->choose(round, draws).propensity;
      policy->observe(round, action[t], reward[t], draws);
    }
  });
  check(propensities > 0, ErrorCode::kInternal, "[bench] no propensities");
  const double batch_seconds = batched_events(model, o, narrow, action, reward);
  return {{"mode", "events"},
          {"events", o.events},
          {"arms", o.arms},
          {"dimension", o.dimension},
          {"states", o.states},
          {"seconds", seconds},
          {"events_per_second", static_cast<double>(o.events) / seconds},
          {"batch_seconds", batch_seconds},
          {"batch_events_per_second", static_cast<double>(o.events) / batch_seconds}};
}

Json run_rules(const Options& o) {
  const auto model = make_model(o, true);
  const auto k = static_cast<size_t>(o.arms);
  constexpr int64_t kRounds = 500;
  Rng rng(3);
  std::vector<double> features(static_cast<size_t>(kRounds) * k * static_cast<size_t>(o.dimension));
  for (double& x : features) x = rng.normal() / std::sqrt(o.dimension);
  Json out = {{"mode", "rules"}, {"states", o.states}, {"arms", o.arms}, {"dimension", o.dimension}};
  for (const char* name : {"mts", "greedy", "mucb", "ids", "ids variance"}) {
    people::LatentPolicyOptions options;
    const std::string rule = std::string(name).substr(0, std::string(name).find(' '));
    if (rule != name) options.ids_information = "variance";
    const auto policy = people::make_latent_policy(rule, model, options);
    const double seconds = seconds_of(std::min(o.repeats, 5), [&] {
      policy->reset();
      people::Round round;
      round.num_actions = o.arms;
      for (int64_t t = 0; t < kRounds; ++t) {
        round.t = t;
        round.features = std::span(features).subspan(static_cast<size_t>(t) * k * static_cast<size_t>(o.dimension),
                                                     k * static_cast<size_t>(o.dimension));
        const people::Choice choice = policy->choose(round, rng);
        policy->observe(round, choice.action, 0.5 * rng.normal(), rng);
      }
    });
    out["us"][name] = 1e6 * seconds / kRounds;
  }
  return out;
}

/// Arm means unknown (a normal prior around wrong ones), the rest known; one user whose state moves now and then.
Json run_mmts(const Options& o) {
  const auto truth = make_model(o, false);
  Rng rng(3);
  people::LatentPrior prior;
  prior.mean = truth->mean;
  for (double& m : prior.mean) m += 0.2 * rng.normal();
  prior.variance.assign(prior.mean.size(), 0.04);
  people::MmtsOptions options;
  options.particles.num_particles = o.particles;
  const auto uncertain = std::make_shared<const people::UncertainModel>(*truth, prior);
  const auto policy = people::make_mmts_policy("mmts", uncertain, options);
  constexpr int64_t kRounds = 2000;
  const double seconds = seconds_of(std::min(o.repeats, 3), [&] {
    policy->reset();
    people::Round round;
    round.num_actions = o.arms;
    for (int64_t t = 0; t < kRounds; ++t) {
      round.t = t;
      const int32_t action = policy->choose(round, rng).action;
      const auto z = static_cast<size_t>(t / 100) % static_cast<size_t>(o.states);
      const double mean = truth->mean[static_cast<size_t>(action) * static_cast<size_t>(o.states) + z];
      policy->observe(round, action, mean + 0.5 * rng.normal(), rng);
    }
  });
  return {{"mode", "mmts"},           {"states", o.states}, {"arms", o.arms},
          {"particles", o.particles}, {"seconds", seconds}, {"rounds_per_second", kRounds / seconds}};
}

int run(int argc, char** argv) {
  Options options;
  OptionList list;
  options.describe(list);
  parse_options(list, argc, argv);
  if (options.help) {
    std::cout << list.markdown();
    return 0;
  }
  if (!options.data.empty()) std::filesystem::create_directories(options.data);
  Json out;
  if (options.mode == "update") out = run_update(options);
  if (options.mode == "decide") out = run_decide(options);
  if (options.mode == "events") out = run_events(options);
  if (options.mode == "rules") out = run_rules(options);
  if (options.mode == "mmts") out = run_mmts(options);
  out["isa"] = kernels::isa_name(kernels::isa_in_use());
  std::cout << out.dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace attune::bench

int main(int argc, char** argv) { return attune::bench::run_program("bandits_bench", attune::bench::run, argc, argv); }
