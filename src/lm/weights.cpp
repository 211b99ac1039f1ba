#include "lm/weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string_view>

#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/pack.h"
#include "kernels/quantize_weights.h"
#include "lm/tensor_list.h"

namespace attune::lm {
namespace {

/// Tensors of a multimodal checkpoint's other parts.
bool is_vision_tensor(std::string_view name) {
  if (name.starts_with("model.")) name.remove_prefix(6);
  return name.starts_with("vision_tower.") || name.starts_with("multi_modal_projector.");
}

/// Throws unless all `count` floats are finite.
void check_finite(const float* values, int64_t count, std::string_view name) {
  const bool finite = std::all_of(values, values + count, [](float v) { return std::isfinite(v); });
  check(finite, ErrorCode::kInvalidArgument, "[weights] tensor ", name, " has an infinite value or NaN, expected finite numbers");
}

struct LargestOfRows {
  float scale = 0, high = 0;  ///< HeadSpread::largest_scale, largest_high
};

/// HeadSpread::row of `count` rows of a Q8_0 matrix as in the file, and the largest values among them.
LargestOfRows spread_of_rows(const std::byte* rows, int64_t count, int64_t cols, float* spread) {
  const int64_t blocks = cols / 32;
  LargestOfRows largest;
  for (int64_t r = 0; r < count; ++r) {
    double sum = 0, high_sum = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      BlockQ8_0 block;
      std::memcpy(&block, rows + (r * blocks + b) * static_cast<int64_t>(sizeof block), sizeof block);
      int32_t squares = 0;  // of low - 7.5, 32 of them: low^2 - 15 low + 56.25
      int32_t high_squares = 0;  // of twice 16 high - 120.5
      for (const int8_t q : block.q) {
        squares += (q & 15) * ((q & 15) - 15);
        const int32_t high = 32 * ((q + 128) >> 4) - 241;
        high_squares += high * high;
      }
      const float d = std::fabs(f16_to_f32(block.d));
      largest.scale = std::max(largest.scale, d);
      sum += static_cast<double>(d) * d * (squares + 32 * 56.25);
      high_sum += static_cast<double>(d) * d * high_squares / 4;
    }
    spread[r] = static_cast<float>(std::sqrt(sum / static_cast<double>(cols)));
    largest.high = std::max(largest.high, static_cast<float>(std::sqrt(high_sum / static_cast<double>(cols))));
  }
  return largest;
}

}  // namespace

int64_t Matrix::bytes() const noexcept { return kernels::packed_bytes(dtype, rows, cols); }

const std::byte* Matrix::panel(int64_t row) const noexcept { return data + row / kernels::kPanelRows * kernels::panel_bytes(dtype, cols); }

void Matrix::row(int64_t row, float* out) const {
  thread_local std::vector<std::byte> packed;
  packed.resize(static_cast<size_t>(row_bytes(dtype, static_cast<uint64_t>(cols))));
  kernels::unpack_columns(dtype, data, cols, row, 0, cols, packed.data());
  kernels::ops().dequantize_row(dtype, packed.data(), out, cols);
}

int64_t Weights::layer_bytes() const noexcept {
  int64_t total = 0;
  for (const LayerWeights& w : layers_) {
    for (const Matrix* m : {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down}) total += m->bytes();
  }
  return total;
}

/// Looks tensors up under the file's naming scheme, checks their shapes, and packs them into the arena.
class Weights::Binder {
 public:
  Binder(Weights& weights, const ModelConfig& config, const io::TensorSource& source, Naming naming, const Options& options)
      : weights_(weights), config_(config), source_(source), is_gguf_(naming == Naming::kGguf), options_(options) {
    if (!is_gguf_) prefix_ = hf_prefix(source_);
  }

  void bind_all() {
    const ModelConfig& c = config_;
    weights_.embedding_ = matrix(embedding_tensor(c));
    weights_.final_norm_ = gain(final_norm_tensor(c));
    const TensorSpec head = head_tensor(c);
    const bool own_head = source_.find(name_of(head)) != nullptr;
    if (own_head) weights_.head_ = matrix(head);
    weights_.layers_.reserve(static_cast<size_t>(c.num_layers));
    for (int layer = 0; layer < c.num_layers; ++layer) weights_.layers_.push_back(bind_layer(layer));
    if (options_.strict) refuse_unknown();
    weights_.embedding_scale_ = c.embedding_scale;
    weights_.f32_activations_ = options_.f32_activations;
    pack_all(own_head ? &weights_.head_ : &weights_.embedding_);
    if (!own_head) weights_.head_ = weights_.embedding_;
  }

 private:
  std::string name_of(const TensorSpec& spec) const { return file_name(spec, is_gguf_, prefix_); }

  LayerWeights bind_layer(int layer) {
    const auto matrix_of = [&](std::string_view part) { return matrix(layer_tensor(config_, layer, part)); };
    const auto gain_of = [&](std::string_view part) { return gain(layer_tensor(config_, layer, part)); };
    LayerWeights w;
    w.q = matrix_of("attn_q");
    w.k = matrix_of("attn_k");
    w.v = matrix_of("attn_v");
    w.o = matrix_of("attn_output");
    w.gate = matrix_of("ffn_gate");
    w.up = matrix_of("ffn_up");
    w.down = matrix_of("ffn_down");
    w.attn_norm = gain_of("attn_norm");
    w.q_norm = gain_of("attn_q_norm");
    w.k_norm = gain_of("attn_k_norm");
    w.post_attn_norm = gain_of("post_attention_norm");
    w.ffn_norm = gain_of("ffn_norm");
    w.post_ffn_norm = gain_of("post_ffw_norm");
    return w;
  }

  const io::TensorView& tensor(const TensorSpec& spec) {
    const io::TensorView& found = source_.get(name_of(spec));
    check(found.shape == spec.shape, ErrorCode::kCorruptData, "[model] tensor ", found.name, " is ", shape_string(found.shape),
          ", expected ", shape_string(spec.shape));
    used_.insert(found.name);
    weights_.file_bytes_ += static_cast<int64_t>(found.data.size());
    return found;
  }

  void refuse_unknown() const {
    for (const io::TensorView& t : source_.tensors()) {
      check(used_.contains(t.name) || is_vision_tensor(t.name), ErrorCode::kInvalidArgument, "[weights] tensor ", t.name, " of ",
            source_.description(), " is none of a Gemma 3 text model with ", config_.num_layers, " layers");
    }
  }

  /// The matrix has no data until pack_all, which meets the matrices in the order of these calls.
  Matrix matrix(const TensorSpec& spec) {
    const io::TensorView& found = tensor(spec);
    const int64_t rows = spec.shape[0], cols = spec.shape[1];
    check(!options_.to_q8 || cols % 32 == 0, ErrorCode::kInvalidArgument, "[weights] tensor ", found.name, " has ", cols,
          " columns, Q8_0 needs a multiple of 32");
    tensors_.push_back(&found);
    return {options_.to_q8 ? DType::kQ8_0 : found.dtype, rows, cols, nullptr};
  }

  std::vector<float> gain(const TensorSpec& spec) {
    const io::TensorView& found = tensor(spec);
    std::vector<float> out = values_of(found);
    if (options_.strict) check_finite(out.data(), static_cast<int64_t>(out.size()), found.name);
    if (config_.norm_gain_is_offset) {
      for (float& value : out) value += 1.0f;
    }
    weights_.gain_bytes_ += static_cast<int64_t>(out.size() * sizeof(float));
    return out;
  }

  /// Rows [begin, end) of a tensor as the matrix holds them: the file's bytes, or `converted`.
  const std::byte* rows_of(const Matrix& m, const io::TensorView& from, int64_t begin, int64_t end,
                           std::vector<std::byte>& converted) const {
    const auto stride = static_cast<int64_t>(row_bytes(from.dtype, static_cast<uint64_t>(m.cols)));
    const std::byte* rows = from.data.data() + begin * stride;
    const bool converts = options_.to_q8 && from.dtype != DType::kQ8_0;
    if (!converts && !options_.strict) return rows;
    const auto packed_stride = static_cast<int64_t>(row_bytes(m.dtype, static_cast<uint64_t>(m.cols)));
    if (converts) converted.resize(static_cast<size_t>((end - begin) * packed_stride));
    std::vector<float> values(static_cast<size_t>(m.cols));
    for (int64_t r = begin; r < end; ++r) {
      kernels::ops().dequantize_row(from.dtype, rows + (r - begin) * stride, values.data(), m.cols);
      if (options_.strict) check_finite(values.data(), m.cols, from.name);
      if (!converts) continue;
      const bool fits = kernels::quantize_weights(DType::kQ8_0, values.data(), m.cols, converted.data() + (r - begin) * packed_stride);
      check(fits, ErrorCode::kInvalidArgument, "[weights] tensor ", from.name, " row ", r, " has values beyond what Q8_0 holds");
    }
    return converts ? converted.data() : rows;
  }

  /// Packs all matrices, in pieces of some thousand rows on all cores.
  void pack_all(const Matrix* head) {
    std::vector<Matrix*> all{&weights_.embedding_};
    if (head != &weights_.embedding_) all.push_back(&weights_.head_);
    for (LayerWeights& w : weights_.layers_) all.insert(all.end(), {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down});
    size_t total = 0;
    for (const Matrix* m : all) total += Arena::padded(static_cast<size_t>(m->bytes()));
    const int64_t needed = static_cast<int64_t>(Arena::rounded(total)) + weights_.gain_bytes_;
    check(needed <= options_.max_bytes, ErrorCode::kResource, "[weights] the set needs ", needed, " bytes, ",
          std::max<int64_t>(options_.max_bytes, 0), " are free for weights (weights_memory_mib)");
    *weights_.arena_ = Arena(total);
    struct Piece {
      const Matrix* matrix;
      const io::TensorView* from;
      std::byte* to;
      int64_t begin, end;
    };
    std::vector<Piece> pieces;
    std::vector<std::byte*> packed;
    for (size_t i = 0; i < all.size(); ++i) {
      const Matrix* m = all[i];
      packed.push_back(weights_.arena_->take(static_cast<size_t>(m->bytes())));
      constexpr int64_t kRows = 2048;
      for (int64_t r = 0; r < m->rows; r += kRows) pieces.push_back({m, tensors_[i], packed.back(), r, std::min(m->rows, r + kRows)});
    }
    HeadSpread& spread = weights_.head_spread_;
    const bool screened = head->dtype == DType::kQ8_0;
    if (screened) spread.row.resize(static_cast<size_t>(head->rows));
    std::vector<LargestOfRows> largest(pieces.size());
    ThreadPool pool;
    pool.run(static_cast<int>(pieces.size()), [&](int index) {
      const Piece& piece = pieces[static_cast<size_t>(index)];
      const Matrix& m = *piece.matrix;
      std::vector<std::byte> converted;
      const std::byte* rows = rows_of(m, *piece.from, piece.begin, piece.end, converted);
      std::byte* to = piece.to + piece.begin / kernels::kPanelRows * kernels::panel_bytes(m.dtype, m.cols);
      kernels::pack_rows(m.dtype, rows, piece.end - piece.begin, m.cols, to);
      if (&m == head && screened) {
        largest[static_cast<size_t>(index)] = spread_of_rows(rows, piece.end - piece.begin, m.cols, spread.row.data() + piece.begin);
      }
      const auto stride = row_bytes(piece.from->dtype, static_cast<uint64_t>(m.cols));
      source_.release(
          piece.from->data.subspan(static_cast<size_t>(piece.begin) * stride, static_cast<size_t>(piece.end - piece.begin) * stride));
    });
    for (const LargestOfRows& of_piece : largest) {
      spread.largest_scale = std::max(spread.largest_scale, of_piece.scale);
      spread.largest_high = std::max(spread.largest_high, of_piece.high);
    }
    for (size_t begin = 0; begin < spread.row.size(); begin += kHeadGroup) {
      const auto end = spread.row.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(spread.row.size(), begin + kHeadGroup));
      spread.group.push_back(*std::max_element(spread.row.begin() + static_cast<std::ptrdiff_t>(begin), end));
    }
    for (size_t i = 0; i < all.size(); ++i) all[i]->data = packed[i];
  }

  Weights& weights_;
  const ModelConfig& config_;
  const io::TensorSource& source_;
  bool is_gguf_;
  const Options& options_;
  std::string prefix_;
  std::set<std::string_view> used_;  // names found so far
  std::vector<const io::TensorView*> tensors_;  // of each matrix
};

std::shared_ptr<const Weights> Weights::bind(const ModelConfig& config, const io::TensorSource& source, Naming naming,
                                             const Options& options) {
  std::shared_ptr<Weights> out(new Weights);
  Binder(*out, config, source, naming, options).bind_all();
  return out;
}

Weights::Naming Weights::naming_of(const io::TensorSource& source) noexcept {
  return source.find("token_embd.weight") != nullptr ? Naming::kGguf : Naming::kHf;
}

std::shared_ptr<const Weights> Weights::with_f32_activations(const Weights& weights) {
  std::shared_ptr<Weights> out(new Weights(weights));
  out->f32_activations_ = true;
  out->head_spread_ = {};  // screening is for int8 activations
  return out;
}

}  // namespace attune::lm
