#include <algorithm>

#include "core/error.h"
#include "lm/sequence_internal.h"

namespace attune::lm {
namespace {

uint64_t hash_mix(uint64_t hash, uint64_t value) noexcept {
  return fnv1a(std::string_view(reinterpret_cast<const char*>(&value), sizeof(value)), hash);
}

}  // namespace

const Sequence::State::SoftBlock* Sequence::State::soft_at(int64_t position) const noexcept {
  const auto after =
      std::upper_bound(soft.begin(), soft.end(), position, [](int64_t p, const SoftBlock& block) { return p < block.begin; });
  if (after == soft.begin()) return nullptr;
  const SoftBlock& block = *std::prev(after);
  return position < block.end ? &block : nullptr;
}

int64_t Sequence::State::last_unit() const noexcept {
  const SoftBlock* block = soft_at(length() - 1);
  return block != nullptr && block->bidirectional ? block->begin : length() - 1;
}

int64_t Sequence::State::chunk_rows(int64_t budget, int64_t end, bool may_exceed) const noexcept {
  const int64_t start = cache.length();
  int64_t stop = std::min(end, start + budget);
  if (stop <= start) return 0;
  const SoftBlock* block = stop < end ? soft_at(stop) : nullptr;
  if (block != nullptr && block->bidirectional && block->begin < stop) {  // the cut would split the block
    stop = block->begin > start ? block->begin : (may_exceed ? block->end : start);
  }
  return stop - start;
}

uint64_t Sequence::State::salt() const noexcept { return hash_mix(options.salt, set->id); }

std::vector<uint64_t> Sequence::State::keys(int64_t end) const {
  std::vector<uint64_t> out(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(std::min(end, length())));
  for (const SoftBlock& block : soft) {
    if (block.begin >= static_cast<int64_t>(out.size())) break;
    if (block.content == 0) {
      out.resize(static_cast<size_t>(block.begin));
      break;
    }
    const int64_t stop = std::min<int64_t>(block.end, static_cast<int64_t>(out.size()));
    for (int64_t position = block.begin; position < stop; ++position) {
      out[static_cast<size_t>(position)] = hash_mix(block.content, static_cast<uint64_t>(position - block.begin)) | uint64_t{1} << 63;
    }
  }
  return out;
}

Sequence::Sequence() noexcept = default;
Sequence::Sequence(std::unique_ptr<State> state) : state_(std::move(state)) {}
Sequence::Sequence(Sequence&&) noexcept = default;
Sequence& Sequence::operator=(Sequence&&) noexcept = default;
Sequence::~Sequence() = default;

Sequence Sequence::fork(uint64_t stream) const {
  check(valid(), ErrorCode::kFailedPrecondition, "[fork] the sequence is empty or was moved");
  auto child = std::make_unique<State>(*state_);
  child->options.stream = stream;
  child->rng = Rng(child->options.seed, stream);
  return Sequence(std::move(child));
}

void Sequence::append(std::span<const int32_t> ids) {
  check(valid(), ErrorCode::kFailedPrecondition, "[append] the sequence was moved");
  const ModelConfig& config = state_->model->config();
  for (const int32_t id : ids) {
    check(id >= 0 && id < config.vocab_size, ErrorCode::kInvalidArgument, "[append] token id is ", id, ", expected 0 to ",
          config.vocab_size - 1);
  }
  check(state_->length() + static_cast<int64_t>(ids.size()) <= config.context_length, ErrorCode::kResource, "[append] ",
        state_->length() + static_cast<int64_t>(ids.size()), " positions, the context holds ", config.context_length);
  state_->ids.insert(state_->ids.end(), ids.begin(), ids.end());
}

void Sequence::append(const Prompt& prompt) {
  check(valid(), ErrorCode::kFailedPrecondition, "[append] the sequence was moved");
  const ModelConfig& config = state_->model->config();
  check(state_->length() + prompt.length() <= config.context_length, ErrorCode::kResource, "[append] ", state_->length() + prompt.length(),
        " positions, the context holds ", config.context_length);
  for (const Piece& piece : prompt.pieces) {
    if (const auto* tokens = std::get_if<Tokens>(&piece)) {
      append(tokens->ids);
      continue;
    }
    const Soft& soft = std::get<Soft>(piece);
    check(soft.n > 0 && soft.rows != nullptr, ErrorCode::kInvalidArgument, "[append] a soft piece has ", soft.n,
          " rows, expected at least 1");
    const int64_t begin = state_->length();
    const uint64_t shape = static_cast<uint64_t>(soft.n) * 2 + (soft.bidirectional ? 1 : 0);
    const uint64_t content = soft.hash == 0 ? 0 : std::max<uint64_t>(hash_mix(soft.hash, shape), 1);
    state_->soft.push_back({begin, begin + soft.n, soft.rows, soft.bidirectional, content});
    state_->ids.resize(state_->ids.size() + static_cast<size_t>(soft.n), -1);
  }
}

bool Sequence::rewind(int64_t length) {
  State& s = *state_;
  if (length < 0 || length > s.length()) return false;
  const State::SoftBlock* block = length < s.length() ? s.soft_at(length) : nullptr;
  if (block != nullptr && block->bidirectional && block->begin < length) return false;
  if (length < s.cache.length() && !s.cache.rewind(length)) return false;
  s.ids.resize(static_cast<size_t>(length));
  while (!s.soft.empty() && s.soft.back().begin >= length) s.soft.pop_back();
  if (!s.soft.empty()) s.soft.back().end = std::min(s.soft.back().end, length);
  s.reused = std::min(s.reused, length);
  return true;
}

int64_t Sequence::length() const noexcept { return state_ ? state_->length() : 0; }
int64_t Sequence::computed() const noexcept { return state_ ? state_->cache.length() : 0; }
int64_t Sequence::reused() const noexcept { return state_ ? state_->reused : 0; }
const std::vector<int32_t>& Sequence::ids() const noexcept { return state_->ids; }
WeightsId Sequence::weights() const noexcept { return state_->set->id; }
SamplerOptions& Sequence::sampler() noexcept { return state_->options.sampler; }
void Sequence::set_vocab(std::shared_ptr<const VocabSet> vocab) noexcept { state_->options.vocab = std::move(vocab); }
void Sequence::set_want_model_logprob(bool want) noexcept { state_->options.want_model_logprob = want; }
void Sequence::set_seed(uint64_t seed, uint64_t stream) noexcept {
  state_->options.seed = seed;
  state_->options.stream = stream;
  state_->rng = Rng(seed, stream);
}
int64_t Sequence::kv_bytes() const noexcept { return state_ ? state_->cache.bytes() : 0; }

}  // namespace attune::lm
