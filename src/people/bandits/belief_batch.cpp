#include "people/bandits/belief_batch.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "core/checked.h"
#include "kernels/belief.h"
#include "people/bandits/belief_tables_internal.h"

namespace attune::people {
namespace {

constexpr int64_t kGrain = 4096;  // users a chunk
constexpr double kSumTolerance = 1e-4;
constexpr char kMagic[8] = {'A', 'T', 'T', 'B', 'E', 'L', '0', '1'};

struct Header {
  char magic[8];
  uint64_t version_hash;
  int64_t num_users;
  int64_t num_states;
  int64_t num_impossible;
  uint64_t beliefs_hash;
  uint64_t reserved[2];
};
static_assert(sizeof(Header) == 64);

template <class... Parts>
void expect(bool condition, const Parts&... parts) {
  check(condition, ErrorCode::kInvalidArgument, "[belief batch] ", parts...);
}

bool is_distribution(std::span<const float> p) {
  double sum = 0;
  for (const float x : p) {
    if (!(x >= 0 && x <= 1.0f + static_cast<float>(kSumTolerance))) return false;
    sum += x;
  }
  return std::abs(sum - 1) <= kSumTolerance;
}

void check_users(std::span<const int64_t> users, int64_t num_users) {
  bool rising = true;
  for (size_t i = 0; i < users.size(); ++i) {
    expect(users[i] >= 0 && users[i] < num_users, "expected users below ", num_users, ", found ", users[i]);
    rising = rising && (i == 0 || users[i] > users[i - 1]);
  }
  if (rising) return;
  std::vector<bool> seen(static_cast<size_t>(num_users), false);
  for (const int64_t user : users) {
    expect(!seen[static_cast<size_t>(user)], "user ", user, " stands twice in one call");
    seen[static_cast<size_t>(user)] = true;
  }
}

void check_finite(std::span<const float> values, const char* what) {
  for (const float x : values) expect(std::isfinite(x), "expected finite ", what, ", found ", x);
}

uint64_t hash_of(std::span<const float> p) { return fnv1a({reinterpret_cast<const char*>(p.data()), p.size_bytes()}); }

/// The transition of dt rounds in float, in the form that the kernel takes.
struct Move {
  std::vector<float> phi;
  std::vector<float> pi;
  float stay = 1;

  Move(const Transition& transition, double dt) {
    std::vector<double> trial(static_cast<size_t>(transition.num_states()), 1.0 / transition.num_states());
    transition.apply(trial, dt);  // refuses what it does not know
    if (dt == 0) return;
    if (!transition.is_sticky()) {
      const std::vector<double> power = transition.power(dt);
      phi.assign(power.begin(), power.end());
      return;
    }
    stay = static_cast<float>(std::pow(1 - transition.rho(), dt));
    pi.assign(transition.pi().begin(), transition.pi().end());
  }

  void put(kernels::BeliefStep& step) const {
    step.phi = phi.empty() ? nullptr : phi.data();
    step.stay = stay;
    step.pi = pi.data();
  }
};

}  // namespace

BeliefBatch::BeliefBatch(std::shared_ptr<const LatentModel> model, int64_t num_users) : model_(std::move(model)), num_users_(num_users) {
  expect(model_ != nullptr, "expected a model, found none");
  expect(num_users >= 0, "expected a number of users of at least 0, found ", num_users);
  tables_ = std::make_shared<const Tables>(*model_);
  const auto z = static_cast<uint64_t>(model_->num_states);
  with_context(cat("beliefs of ", num_users, " users"),
               [&] { p_.resize(checked_mul(static_cast<uint64_t>(num_users), z, "[belief batch]")); });
  for (size_t i = 0; i < p_.size(); ++i) p_[i] = static_cast<float>(model_->initial[i % z]);
}

std::span<const float> BeliefBatch::p(int64_t user) const noexcept {
  const auto z = static_cast<size_t>(model_->num_states);
  return std::span(p_).subspan(static_cast<size_t>(user) * z, z);
}

void BeliefBatch::set(int64_t user, std::span<const float> values) {
  expect(user >= 0 && user < num_users_, "expected users below ", num_users_, ", found ", user);
  const auto z = static_cast<size_t>(model_->num_states);
  expect(values.size() == z, "expected ", z, " probabilities, found ", values.size());
  expect(is_distribution(values), "user ", user, ": expected probabilities with a sum of 1");
  std::copy(values.begin(), values.end(), p_.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(user) * z));
}

void BeliefBatch::reset(int64_t user) {
  const std::vector<float> initial(model_->initial.begin(), model_->initial.end());
  set(user, initial);
}

void BeliefBatch::update(const BatchFeedback& feedback, double dt, ThreadPool& pool, std::span<float> log_evidence) {
  const size_t n = feedback.rewards.size();
  expect(feedback.users.empty() || feedback.users.size() == n, "expected ", n, " users, found ", feedback.users.size());
  expect(!feedback.users.empty() || n <= static_cast<size_t>(num_users_), "expected at most ", num_users_, " rewards, found ", n);
  expect(log_evidence.empty() || log_evidence.size() == n, "expected room for ", n, " log evidences, found ", log_evidence.size());
  check_users(feedback.users, num_users_);
  const auto d = static_cast<size_t>(model_->d);
  if (model_->by_features()) {
    expect(feedback.features.size() == n * d, "expected features [", n, ", ", d, "], found ", feedback.features.size(), " numbers");
    check_finite(feedback.features, "features");
  } else {
    expect(feedback.arms.size() == n, "expected ", n, " arms, found ", feedback.arms.size());
  }
  std::vector<int32_t> room;
  const std::span<const int32_t> cells = tables_->cells(*model_, feedback.arms, feedback.rewards, room);
  const Move move(model_->transition, dt);
  kernels::BeliefStep step = tables_->step(*model_);
  move.put(step);
  std::atomic<int64_t> impossible = 0;
  pool.for_ranges(static_cast<int64_t>(n), kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(kernels::belief_scratch(model_->num_states)));
    const auto first = static_cast<size_t>(begin);
    const auto count = static_cast<size_t>(end - begin);
    std::vector<float> top(log_evidence.empty() ? 0 : count);
    kernels::BeliefRounds rounds;
    rounds.n = end - begin;
    rounds.rows = feedback.users.empty() ? nullptr : feedback.users.data() + first;
    rounds.first_row = begin;
    rounds.cells = cells.data() + (cells.empty() ? 0 : first);
    rounds.x = feedback.features.data() + first * d;
    rounds.rewards = feedback.rewards.data() + first;
    rounds.top = log_evidence.empty() ? nullptr : top.data();
    rounds.sum = log_evidence.empty() ? nullptr : log_evidence.data() + first;
    impossible += kernels::belief_update(step, rounds, p_.data(), scratch.data());
    for (size_t i = 0; i < top.size(); ++i) {
      float& out = log_evidence[first + i];
      out = static_cast<float>(std::log(static_cast<double>(out)) + top[i] + tables_->log_scale(cells.empty() ? 0 : cells[first + i]));
    }
  });
  num_impossible_ += impossible;
}

void BeliefBatch::predict(double dt, ThreadPool& pool) {
  const Move move(model_->transition, dt);
  kernels::BeliefStep step;  // a likelihood of 1 for every state
  const std::vector<float> ones(static_cast<size_t>(model_->num_states), 1.0f);
  step.kind = kernels::BeliefLikelihood::kTable;
  step.num_states = model_->num_states;
  step.table = ones.data();
  move.put(step);
  pool.for_ranges(num_users_, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(kernels::belief_scratch(model_->num_states)));
    const std::vector<int32_t> cells(static_cast<size_t>(end - begin), 0);
    const std::vector<float> rewards(cells.size(), 0.0f);
    kernels::BeliefRounds rounds;
    rounds.n = end - begin;
    rounds.first_row = begin;
    rounds.cells = cells.data();
    rounds.rewards = rewards.data();
    kernels::belief_update(step, rounds, p_.data(), scratch.data());
  });
}

void BeliefBatch::save(const Path& path) const {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version_hash = fnv1a(model_->version);
  header.num_users = num_users_;
  header.num_states = model_->num_states;
  header.num_impossible = num_impossible_;
  header.beliefs_hash = hash_of(p_);
  write_file_atomic(path, [&](AtomicFile& file) {
    file.write(std::as_bytes(std::span(&header, 1)));
    file.write(std::as_bytes(std::span(p_)));
  });
}

void BeliefBatch::load(const Path& path) {
  const MappedFile file(path);
  const auto corrupt = [](bool condition, const auto&... parts) { check(condition, ErrorCode::kCorruptData, "[belief batch] ", parts...); };
  const std::span<const std::byte> bytes = file.bytes();
  corrupt(bytes.size() >= sizeof(Header), "expected a header of 64 bytes, found ", bytes.size());
  Header header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  corrupt(std::memcmp(header.magic, kMagic, 6) == 0, "expected a file of beliefs, found another kind");
  const auto precondition = ErrorCode::kFailedPrecondition;
  check(std::memcmp(header.magic, kMagic, sizeof kMagic) == 0, precondition, "[belief batch] format: expected version 01, found another");
  check(header.num_states == model_->num_states, precondition, "[belief batch] expected ", model_->num_states, " states, found ",
        header.num_states);
  check(header.version_hash == fnv1a(model_->version), precondition, "[belief batch] expected beliefs about model ", model_->version,
        ", found another model's");
  corrupt(header.num_users >= 0 && header.num_impossible >= 0, "expected counts of at least 0, found ", header.num_users, " users and ",
          header.num_impossible, " impossible rounds");
  const auto z = static_cast<size_t>(model_->num_states);
  const uint64_t size =
      checked_mul(checked_mul(static_cast<uint64_t>(header.num_users), z, "[belief batch]"), sizeof(float), "[belief batch]");
  corrupt(bytes.size() - sizeof header == size, "expected ", size, " bytes of beliefs, found ", bytes.size() - sizeof header);
  std::vector<float> p(size / sizeof(float));
  std::memcpy(p.data(), bytes.data() + sizeof header, size);
  corrupt(hash_of(p) == header.beliefs_hash, "the beliefs do not match their hash");
  for (int64_t user = 0; user < header.num_users; ++user) {
    corrupt(is_distribution(std::span(p).subspan(static_cast<size_t>(user) * z, z)), "user ", user,
            ": expected probabilities with a sum of 1");
  }
  p_ = std::move(p);
  num_users_ = header.num_users;
  num_impossible_ = header.num_impossible;
}

}  // namespace attune::people
