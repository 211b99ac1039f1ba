#include "people/bandits/decoupled_belief.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "people/bandits/draws.h"
#include "people/bandits/belief_json_internal.h"

namespace attune::people {
namespace {

constexpr std::string_view kWhat = "decoupled belief";
constexpr const char* kKind = "decoupled";
constexpr int64_t kFormat = 1;
constexpr double kLeastWeight = 1e-300;  // a state that is not impossible can come back

double dot(std::span<const double> a, std::span<const double> b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

}  // namespace

DecoupledBelief::DecoupledBelief(std::shared_ptr<const UncertainModel> uncertain) : UncertainBelief(std::move(uncertain)) { reset(); }

void DecoupledBelief::reset() {
  const UncertainModel& u = *uncertain_;
  const auto z = static_cast<size_t>(u.num_states());
  p_.assign(u.initial().begin(), u.initial().end());
  before_.clear();
  counts_.assign(u.transition_known() ? 0 : z * z, 0.0);
  blocks_.resize(u.num_blocks() * u.block_size());
  for (size_t i = 0; i < u.num_blocks(); ++i) u.prior_block(i, block(i));
  density_.resize(z);
  scratch_.resize(u.scratch_size());
}

std::span<double> DecoupledBelief::block(size_t index) noexcept {
  return std::span(blocks_).subspan(index * uncertain_->block_size(), uncertain_->block_size());
}

std::span<const double> DecoupledBelief::block(size_t index) const noexcept {
  return std::span(blocks_).subspan(index * uncertain_->block_size(), uncertain_->block_size());
}

double DecoupledBelief::phi_mean(size_t from, size_t to) const noexcept {
  const size_t z = p_.size();
  const double total = std::accumulate(counts_.begin() + static_cast<ptrdiff_t>(from * z),
                                       counts_.begin() + static_cast<ptrdiff_t>((from + 1) * z), uncertain_->alpha_sum()[from]);
  return (uncertain_->alpha()[from * z + to] + counts_[from * z + to]) / total;
}

std::vector<double> DecoupledBelief::mean_transition() const {
  if (uncertain_->transition_known()) return uncertain_->model().transition.matrix();
  const size_t z = p_.size();
  std::vector<double> out(z * z);
  for (size_t i = 0; i < z * z; ++i) out[i] = phi_mean(i / z, i % z);
  return out;
}

void DecoupledBelief::mean_theta(int32_t z, std::span<double> out) const {
  const LatentModel& model = uncertain_->model();
  check(model.by_features() && out.size() == static_cast<size_t>(model.d) && z >= 0 && z < model.num_states, ErrorCode::kInvalidArgument,
        "[decoupled belief] mean_theta: expected a state of a model by ", model.d, " features, found state ", z, " and ", out.size());
  if (uncertain_->form() == RewardForm::kLinear) return linear_mean(block(static_cast<size_t>(z)), out);
  std::copy_n(model.theta.begin() + static_cast<ptrdiff_t>(static_cast<size_t>(z) * out.size()), out.size(), out.begin());
}

void DecoupledBelief::predict(double dt) {
  if (uncertain_->transition_known()) return uncertain_->model().transition.apply(p_, dt);
  const Transition mean = Transition::dense(uncertain_->num_states(), mean_transition());
  const bool teaches = dt == 1 && before_.empty();
  std::vector<double> before = p_;
  mean.apply(p_, dt);  // throws before anything changed
  if (dt == 0) return;
  before_ = teaches ? std::move(before) : std::vector<double>();
}

double DecoupledBelief::update(const Observation& observation) {
  const UncertainModel& u = *uncertain_;
  prepare_observation(u, observation, prepared_);
  if (prepared_.learns) {
    const SeenReward& seen = prepared_.seen;
    for (size_t i = 0; i < p_.size(); i += u.cells()) {  // one block of a table, Z blocks by features
      const size_t index = u.block_of(seen.arm, static_cast<int32_t>(i));
      u.densities(block(index), index, seen, scratch_, std::span(density_).subspan(i, u.cells()));
    }
  } else {
    std::copy(prepared_.density.begin(), prepared_.density.end(), density_.begin());
  }
  const double sum = dot(p_, density_);
  if (!(prepared_.possible && sum > 0)) {
    ++num_impossible_;
    return -std::numeric_limits<double>::infinity();
  }
  const size_t z = p_.size();
  if (!before_.empty()) {
    const std::vector<double> phi = mean_transition();
    for (size_t i = 0; i < z * z; ++i) counts_[i] += before_[i / z] * phi[i] * density_[i % z] / sum;
    before_.clear();
  }
  for (size_t s = 0; s < z; ++s) {
    const double weight = p_[s] * density_[s] / sum;
    p_[s] = p_[s] > 0 && density_[s] > 0 ? std::max(weight, kLeastWeight) : 0;
    const auto state = static_cast<int32_t>(s);
    if (prepared_.learns && weight > 0) u.add(block(u.block_of(prepared_.seen.arm, state)), state, prepared_.seen, weight, scratch_);
  }
  prepared_.seen.features = {};  // the caller's memory
  return std::log(sum) + prepared_.log_scale;
}

void DecoupledBelief::draw(const Round& round, Rng& rng, LatentDraw& out) const {
  const size_t z = p_.size();
  out.phi.clear();
  if (before_.empty()) {
    out.state = draw_categorical(p_, rng);
  } else {
    const auto from = static_cast<size_t>(draw_categorical(before_, rng));
    out.phi.resize(z);
    for (size_t j = 0; j < z; ++j) out.phi[j] = uncertain_->alpha()[from * z + j] + counts_[from * z + j];
    draw_dirichlet(out.phi, rng, out.phi);
    out.state = draw_categorical(out.phi, rng);
  }
  draw_action_means(*uncertain_, round, [this](size_t index) { return block(index); }, rng, out);
}

void DecoupledBelief::mean_rewards(const Round& round, std::span<double> out) const {
  const UncertainModel& u = *uncertain_;
  const size_t z = p_.size();
  if (u.form() == RewardForm::kLinear) {
    std::vector<double> theta(static_cast<size_t>(u.model().d));
    std::vector<double> mixed(theta.size(), 0.0);
    for (size_t s = 0; s < z; ++s) {
      linear_mean(block(s), theta);
      for (size_t i = 0; i < theta.size(); ++i) mixed[i] += p_[s] * theta[i];
    }
    for (int32_t a = 0; a < round.num_actions; ++a) out[static_cast<size_t>(a)] = dot(mixed, round.features_of(a));
    return;
  }
  std::vector<double> means(z);
  for (int32_t a = 0; a < round.num_actions; ++a) {
    const int32_t arm = round.arm(a);
    if (u.form() == RewardForm::kKnown) {
      u.model().means(arm, round.features_of(a), means);
    } else {
      for (size_t s = 0; s < z; ++s) means[s] = u.mean(block(static_cast<size_t>(arm)), arm, static_cast<int32_t>(s));
    }
    out[static_cast<size_t>(a)] = dot(p_, means);
  }
}

std::string DecoupledBelief::save() const {
  bandit_json::Json json;
  json["format"] = kFormat;
  json["kind"] = kKind;
  json["model"] = version();
  json["num_impossible"] = num_impossible_;
  json["p"] = p_;
  json["before"] = before_;
  json["counts"] = counts_;
  json["blocks"] = blocks_;
  return json.dump(-1, ' ', false, bandit_json::Json::error_handler_t::replace);
}

void DecoupledBelief::load(std::string_view text) {
  using namespace bandit_json;
  const Json json = parse_belief(text, kKind, kFormat, version());
  const UncertainModel& u = *uncertain_;
  DecoupledBelief next(uncertain_);
  next.num_impossible_ = whole(member(json, "num_impossible", kWhat), 0, std::numeric_limits<int64_t>::max(), "num_impossible", kWhat);
  next.p_ = distribution(member(json, "p", kWhat), p_.size(), "p", kWhat);
  const Json& before = member(json, "before", kWhat);
  if (!(before.is_array() && before.empty())) next.before_ = distribution(before, p_.size(), "before", kWhat);
  check(next.before_.empty() || !u.transition_known(), ErrorCode::kCorruptData, "[", kWhat, "] before: expected none, found ",
        next.before_.size());
  next.counts_ = numbers(member(json, "counts", kWhat), {counts_.size()}, "counts", kWhat);
  for (const double x : next.counts_) {
    check(x >= 0, ErrorCode::kCorruptData, "[", kWhat, "] counts: expected at least 0, found ", x);
  }
  next.blocks_ = numbers(member(json, "blocks", kWhat), {blocks_.size()}, "blocks", kWhat);
  for (size_t i = 0; i < u.num_blocks(); ++i) u.check_block(next.block(i), kWhat);
  *this = std::move(next);
}

}  // namespace attune::people
