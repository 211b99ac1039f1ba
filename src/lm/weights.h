// One set of Gemma 3 weights, immutable and shared: packed for the kernels in one arena. Thread-safe.
#pragma once

#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "core/dtype.h"
#include "io/tensor.h"
#include "lm/arena.h"
#include "lm/config.h"

namespace attune::lm {

/// A weight matrix [rows, cols] of y = x W^T in the file's element type, packed in panels (kernels/pack.h).
struct Matrix {
  DType dtype = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  const std::byte* data = nullptr;

  /// Bytes that a product reads.
  int64_t bytes() const noexcept;
  /// The panel that `row`, a multiple of 16, begins.
  const std::byte* panel(int64_t row) const noexcept;
  /// Row `row`, dequantised exactly, to out [cols].
  void row(int64_t row, float* out) const;
};

struct LayerWeights {
  Matrix q, k, v, o, gate, up, down;
  std::vector<float> attn_norm, q_norm, k_norm, post_attn_norm, ffn_norm, post_ffn_norm;  ///< gains, the 1 already added
};

/// What screening with the high plane of a Q8_0 head leaves out of a logit (lm/head.h). Empty for heads of other types.
struct HeadSpread {
  std::vector<float> row;    ///< [V] ||d (low - 7.5)|| / sqrt(D)
  std::vector<float> group;  ///< [ceil(V / kHeadGroup)] largest of each group
  float largest_scale = 0;   ///< of all d
  float largest_high = 0;    ///< of all rows: ||d (16 high - 120.5)|| / sqrt(D)
};
inline constexpr int64_t kHeadGroup = 64;

class Weights {
 public:
  enum class Naming { kGguf, kHf };
  struct Options {
    bool to_q8 = false;            ///< matrices are quantised to Q8_0 (kernels/quantize_weights.h)
    bool f32_activations = false;  ///< to be multiplied with F32 activations, whatever the engine's arithmetic
    bool strict = false;           ///< infinite and NaN values and names that are no text tensor of Gemma 3 are errors
    int64_t max_bytes = std::numeric_limits<int64_t>::max();  ///< of memory_bytes(); kResource beyond
  };
  /// Finds, checks and packs every tensor on all usable cores. Throws kNotFound, kCorruptData, kOutOfMemory, and what the options promise.
  static std::shared_ptr<const Weights> bind(const ModelConfig& config, const io::TensorSource& source, Naming naming,
                                             const Options& options);
  static std::shared_ptr<const Weights> bind(const ModelConfig& config, const io::TensorSource& source, Naming naming) {
    return bind(config, source, naming, Options());
  }
  /// The same tensors in the same memory, to be multiplied with F32 activations.
  static std::shared_ptr<const Weights> with_f32_activations(const Weights& weights);
  /// The scheme that the names follow.
  static Naming naming_of(const io::TensorSource& source) noexcept;

  const Matrix& embedding() const noexcept { return embedding_; }
  const Matrix& head() const noexcept { return head_; }  ///< the embedding, unless the file has output.weight
  const HeadSpread& head_spread() const noexcept { return head_spread_; }
  const std::vector<float>& final_norm() const noexcept { return final_norm_; }
  const LayerWeights& layer(int index) const noexcept { return layers_[static_cast<size_t>(index)]; }
  /// Factor of token rows of the embedding: the configuration's that the weights were bound with.
  float embedding_scale() const noexcept { return embedding_scale_; }
  bool f32_activations() const noexcept { return f32_activations_; }
  /// Bytes of the tensors in the file.
  int64_t file_bytes() const noexcept { return file_bytes_; }
  /// Bytes of memory that the set holds.
  int64_t memory_bytes() const noexcept { return static_cast<int64_t>(arena_->size()) + gain_bytes_; }
  /// Bytes that one position reads in the layers, and in the head (both planes).
  int64_t layer_bytes() const noexcept;
  int64_t head_bytes() const noexcept { return head_.bytes(); }

 private:
  Weights() = default;
  Weights(const Weights&) = default;
  class Binder;

  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
  Matrix embedding_, head_;
  HeadSpread head_spread_;
  std::vector<float> final_norm_;
  std::vector<LayerWeights> layers_;
  int64_t file_bytes_ = 0;
  int64_t gain_bytes_ = 0;
  float embedding_scale_ = 0;
  bool f32_activations_ = false;
};

}  // namespace attune::lm
