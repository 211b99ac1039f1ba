// Loops that are compiled twice: for the plain target and, on x86-64, with AVX2 and FMA, chosen at run time.
//
//   ATTUNE_WIDE void f_wide(...) { f_body(...); }                       inside #ifdef ATTUNE_WIDE
//   void f(...) { ATTUNE_DISPATCH(f_wide(...)); f_body(...); }
// f_body is ATTUNE_INLINE so that it is compiled for either target. Everything here is local to the including file.
#pragma once

#include "kernels/kernels.h"

#define ATTUNE_INLINE __attribute__((always_inline)) inline

#ifdef __x86_64__
#define ATTUNE_WIDE __attribute__((target("avx2,fma")))
namespace attune::people {
namespace {
inline bool has_wide() noexcept {
  static const bool has = kernels::isa_in_use() != kernels::Isa::kScalar;
  return has;
}
}  // namespace
}  // namespace attune::people
#define ATTUNE_DISPATCH(call) \
  if (has_wide()) return call
#else
#define ATTUNE_DISPATCH(call)
#endif
