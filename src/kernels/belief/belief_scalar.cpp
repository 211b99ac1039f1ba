// 4 floats a register.
#define ATTUNE_BELIEF_LEVEL belief_scalar
#define ATTUNE_BELIEF_LANES 4
#include "kernels/belief/belief-inl.h"
