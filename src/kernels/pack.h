// Weights as the kernels read them: panels of 16 rows (docs/methods/kernels.md, "Panels").
//
// Block formats are re-ordered so that 16 rows lie side by side: one 64-byte vector holds four columns of every row, whatever the vector
// width of the machine. Nothing is rounded and nothing is added but the 6-bit scales of Q4_K and Q5_K, which become bytes (+2.8 and +2.3 %);
// `unpack_columns` gives the file's bytes back. F32, F16 and BF16 rows stay as they are in the file.
//
// Q8_0 is held as two planes of 4 bits, q + 128 = 16 high + low, behind each other in every panel: whoever needs an approximation reads the
// high plane only (`Ops::gemm_q8_high`).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace attune::kernels {

inline constexpr int64_t kPanelRows = 16;

/// Formats in blocks: everything but F32, F16 and BF16.
constexpr bool is_block_format(DType dtype) noexcept { return dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16; }

/// Bytes of 16 rows of n columns: panel p of a matrix begins p times as far. A multiple of 64 for block formats. n is whole blocks.
int64_t panel_bytes(DType dtype, int64_t n) noexcept;
/// Bytes of a packed matrix; block formats round the rows up to 16 (rows added are zeros).
int64_t packed_bytes(DType dtype, int64_t num_rows, int64_t n) noexcept;

/// Packs rows as in a file, `row_bytes(dtype, n)` apart, to dst (packed_bytes). About 3 GB/s a core.
void pack_rows(DType dtype, const void* rows, int64_t num_rows, int64_t n, void* dst) noexcept;

/// Columns [k, k + count) of one row as in a file. k and count are whole blocks. O(count).
void unpack_columns(DType dtype, const void* packed, int64_t n, int64_t row, int64_t k, int64_t count, void* dst) noexcept;

}  // namespace attune::kernels
