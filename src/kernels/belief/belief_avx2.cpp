// 8 floats a register.
#define ATTUNE_BELIEF_LEVEL belief_avx2
#define ATTUNE_BELIEF_LANES 8
#include "kernels/belief/belief-inl.h"
