#include "kernels/vector_avx512-inl.h"
// The text below is compiled for the level named above.
#include "kernels/gemm_f32/gemm_f32-inl.h"
