// Sixteen lanes in AVX-512 registers.
#define ATTUNE_ALS_LEVEL als_avx512
#define ATTUNE_ALS_LANES 16
#include "kernels/als/als-inl.h"
