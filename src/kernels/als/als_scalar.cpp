// Four lanes, as every x86-64 and AArch64 has. GCC 12 spells wider vectors out in memory where registers are narrower: 15 times slower.
#define ATTUNE_ALS_LEVEL als_scalar
#define ATTUNE_ALS_LANES 4
#include "kernels/als/als-inl.h"
