// Quantisation of model files: every matrix to a block format, by one type or a mix, a GGUF as result. How scales are found:
// docs/methods/quantisation.md. (`attune convert` only changes containers.)
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "core/options.h"
#include "core/progress.h"

namespace attune::lm {

struct ModelConfig;
struct TensorSpec;

struct QuantizeOptions {
  std::string type = "Q4_K_M";      ///< a DType's name, or a mix: Q4_K_M, Q5_K_M; upper or lower case
  std::vector<std::string> tensor;  ///< "PATTERN=TYPE" by GGUF name, * and ? stand for any text; the last one that matches counts
  bool force = false;               ///< an existing .gguf file is replaced
  int32_t threads = 0;              ///< 0: all usable cores; the bytes written do not depend on it

  void describe(OptionList& list);
};

struct QuantizedTensor {
  std::string name;
  std::vector<int64_t> shape;
  DType from = DType::kF32;
  DType to = DType::kF32;
  DType wanted = DType::kF32;  ///< differs from `to` where rows are no whole blocks of it
  uint64_t bytes = 0;
  double relative_rms = 0;     ///< RMS of the error over RMS of the source's values
};

struct QuantizeReport {
  uint64_t bytes_before = 0;  ///< of the tensors
  uint64_t bytes = 0;
  double bits_per_weight = 0;
  std::vector<QuantizedTensor> tensors;
  std::vector<std::string> notes;
};

/// Type of a matrix in a file of `type` (upper case), as llama.cpp chooses: the head, or the embedding that serves as head, is Q6_K where the
/// others have fewer bits than Q8_0; Q4_K_M and Q5_K_M take Q6_K for attn_v and ffn_down of layer i where i < L / 8, i >= 7 L / 8 or
/// (i - L / 8) % 3 = 2. Throws kInvalidArgument for an unknown type.
DType type_of_matrix(const std::string& type, const TensorSpec& spec, const ModelConfig& config, bool own_head);
/// `wanted` if a row of `cols` is whole blocks, else the next type of blocks of 32 that has at least as many bits: Q5_0 for Q4_K, Q8_0 for
/// Q5_K and Q6_K.
DType fitting_type(DType wanted, int64_t cols) noexcept;

/// Reads a .gguf file or a checkpoint folder, of any types, and writes the GGUF `to`. A matrix that has its type already is copied.
/// Norms stay F32. Errors and memory as `convert_model`; kInvalidArgument for a malformed pattern or one that matches no matrix.
QuantizeReport quantize_model(const Path& from, const Path& to, const QuantizeOptions& options, ProgressSink& progress,
                              std::stop_token stop = {});

}  // namespace attune::lm
