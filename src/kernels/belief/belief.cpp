// Which level of belief-inl.h this machine runs.
#include "kernels/belief.h"

namespace attune::kernels {

namespace belief_scalar {
extern const BeliefKernels kKernels;
}
#ifdef ATTUNE_KERNELS_X86
namespace belief_avx2 {
extern const BeliefKernels kKernels;
}
namespace belief_avx512 {
extern const BeliefKernels kKernels;
}
#endif

const BeliefKernels& belief_kernels_of(Isa isa) noexcept {
#ifdef ATTUNE_KERNELS_X86
  if (isa == Isa::kAvx512) return belief_avx512::kKernels;
  if (isa == Isa::kAvx2) return belief_avx2::kKernels;
#endif
  return belief_scalar::kKernels;
}

namespace {

const BeliefKernels& best() noexcept {
  static const BeliefKernels& kernels = belief_kernels_of(isa_in_use());
  return kernels;
}

}  // namespace

int64_t belief_update(const BeliefStep& step, const BeliefRounds& rounds, float* p, float* scratch) noexcept {
  return best().update(step, rounds, p, scratch);
}
void belief_means(const float* x, int64_t n, int d, const float* theta_t, int padded, float low, float high, float* mu) noexcept {
  best().means(x, n, d, theta_t, padded, low, high, mu);
}
void belief_best(const float* mu, int64_t n, int padded, const uint8_t* available, int32_t* out) noexcept {
  best().best(mu, n, padded, available, out);
}

}  // namespace attune::kernels
