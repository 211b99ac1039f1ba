// 16 floats a register.
#define ATTUNE_BELIEF_LEVEL belief_avx512
#define ATTUNE_BELIEF_LANES 16
#include "kernels/belief/belief-inl.h"
