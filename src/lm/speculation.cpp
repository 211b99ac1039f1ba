#include "lm/speculation.h"

#include <algorithm>

namespace attune::lm {
namespace {

/// Tokens that the texts ending before a and b have in common at their ends, at most `limit`.
int64_t common_end(std::span<const int32_t> ids, int64_t a, int64_t b, int64_t limit) {
  int64_t n = 0;
  while (n < limit && n < a && ids[static_cast<size_t>(a - 1 - n)] == ids[static_cast<size_t>(b - 1 - n)]) ++n;
  return n;
}

}  // namespace

std::vector<int32_t> PromptLookup::propose(std::span<const int32_t> ids, int64_t limit) {
  const auto end = static_cast<int64_t>(ids.size());
  if (end < kMinMatch || limit <= 0) return {};
  if (pause_ > 0) {
    --pause_;
    return {};
  }
  int64_t best = kMinMatch - 1, from = 0;
  for (int64_t at = end - 1; at >= kMinMatch && best < kMaxMatch; --at) {
    if (ids[static_cast<size_t>(at - 1)] != ids.back()) continue;
    const int64_t n = common_end(ids, at, end, kMaxMatch);
    if (n > best) best = n, from = at;
  }
  std::vector<int32_t> out;
  if (best < kMinMatch) return out;
  for (int64_t at = from; static_cast<int64_t>(out.size()) < std::min(limit, length_); ++at) {
    const int32_t id = at < end ? ids[static_cast<size_t>(at)] : out[static_cast<size_t>(at - end)];  // a repetition goes on repeating
    if (id < 0) break;
    out.push_back(id);
  }
  return out;
}

void PromptLookup::observe(int64_t proposed, int64_t accepted) noexcept {
  if (accepted > 0) {
    next_pause_ = 1;
    length_ = accepted == proposed ? std::max(length_, 2 * proposed) : accepted + 1;
    return;
  }
  length_ = std::max<int64_t>(1, length_ / 2);
  pause_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, kMaxPause);
}

}  // namespace attune::lm
