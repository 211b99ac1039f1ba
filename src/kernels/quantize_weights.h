// Weights to block formats: what `attune quantize` and the publishing of trained weights use. Formats: docs/formats/gguf.md; how scales are
// found and what it costs: docs/methods/quantisation.md.
//
// Plain C++, one result on every machine and instruction set: a row's bytes depend on its values alone. Nothing is static or shared, so any
// number of threads may quantise rows at once. (Activations are another matter: kernels.h, `quantize_q8`.)
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace attune::kernels {

/// One row of n floats to `dtype` (all of them, F32 included): row_bytes(dtype, n) bytes at `dst`. n is whole blocks.
/// False if a value is infinite or NaN, or if a value or block scale is beyond the half precision that the format stores it in; `dst` then
/// holds no meaningful values. F16 and BF16 round to nearest even.
/// Q8_0: scale max|x| / 127. Q4_0, Q5_0, Q6_K, Q4_K, Q5_K: scales that minimise the sum of squared errors, searched.
/// Values that came out of blocks which this function wrote in Q8_0, Q4_0 or Q5_0 are found again: quantising them once more changes nothing.
/// Cost a value on one core: about 7 ns for Q8_0, 60 ns for the searched formats.
bool quantize_weights(DType dtype, const float* x, int64_t n, void* dst) noexcept;

}  // namespace attune::kernels
