#include "kernels/vector_avx2-inl.h"
// The text below is compiled for the level named above.
#include "kernels/pointwise/pointwise-inl.h"
