// Eight lanes in AVX2 registers with fused multiply-add.
#define ATTUNE_ALS_LEVEL als_avx2
#define ATTUNE_ALS_LANES 8
#include "kernels/als/als-inl.h"
