// Which level of als-inl.h this machine runs.
#include "kernels/als.h"

namespace attune::kernels {

namespace als_scalar {
extern const AlsKernels kKernels;
}
#ifdef ATTUNE_KERNELS_X86
namespace als_avx2 {
extern const AlsKernels kKernels;
}
namespace als_avx512 {
extern const AlsKernels kKernels;
}
#endif

const AlsKernels& als_kernels_of(Isa isa) noexcept {
#ifdef ATTUNE_KERNELS_X86
  if (isa == Isa::kAvx512) return als_avx512::kKernels;
  if (isa == Isa::kAvx2) return als_avx2::kKernels;
#endif
  return als_scalar::kKernels;
}

namespace {

const AlsKernels& best() noexcept {
  static const AlsKernels& kernels = als_kernels_of(isa_in_use());
  return kernels;
}

}  // namespace

void als_add_gram(const float* rows, const float* scaled, int count, int ld, float factor, float* a) noexcept {
  best().add_gram(rows, scaled, count, ld, factor, a);
}
void als_scale(float s, const float* from, float* to, int n) noexcept { best().scale(s, from, to, n); }
void als_add_row(const float* row, int d, int ld, float amount, float* padded, float* x) noexcept {
  best().add_row(row, d, ld, amount, padded, x);
}
void als_conjugate_gradient(const AlsSystem& system, int steps, float* x, float* scratch) noexcept {
  best().conjugate_gradient(system, steps, x, scratch);
}
bool als_cholesky(float* a, int ld) noexcept { return best().cholesky(a, ld); }
void als_solve(const float* u, int ld, float* x) noexcept { best().solve(u, ld, x); }
void als_scores(const float* rows, int64_t count, int d, const float* x, float* out) noexcept { best().scores(rows, count, d, x, out); }

}  // namespace attune::kernels
