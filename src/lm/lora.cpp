#include "lm/lora.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "io/safetensors.h"
#include "lm/tensor_list.h"

namespace attune::lm {
namespace {

constexpr int64_t kMaxRank = 4096;
constexpr int64_t kRowBlock = 8;  // rows of one piece of work

struct Target {
  std::string_view part;  ///< of lm/tensor_list.h
  LoraMatrix LoraLayer::* member;
  std::string_view name() const { return hf_part(part); }  ///< "self_attn.q_proj"
};
constexpr Target kTargets[] = {{"attn_q", &LoraLayer::q},      {"attn_k", &LoraLayer::k},      {"attn_v", &LoraLayer::v},
                               {"attn_output", &LoraLayer::o}, {"ffn_gate", &LoraLayer::gate}, {"ffn_up", &LoraLayer::up},
                               {"ffn_down", &LoraLayer::down}};

/// Which half of which matrix a name means.
struct Place {
  int layer;
  const Target* target;
  bool is_b;
};

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<Place> place_of(std::string_view name, const ModelConfig& config) {
  take_prefix(name, "base_model.model.");
  for (const char* prefix : hf_prefixes()) {
    std::string_view rest = name;
    if (!take_prefix(rest, prefix) || !take_prefix(rest, "layers.")) continue;
    Place place{};
    const auto number = std::from_chars(rest.data(), rest.data() + rest.size(), place.layer);
    if (number.ec != std::errc() || place.layer < 0 || place.layer >= config.num_layers) return std::nullopt;
    rest.remove_prefix(static_cast<size_t>(number.ptr - rest.data()));
    if (!take_prefix(rest, ".")) return std::nullopt;
    for (const Target& target : kTargets) {
      std::string_view half = rest;
      if (!take_prefix(half, target.name())) continue;
      place.target = &target;
      place.is_b = half == ".lora_B.weight";
      return place.is_b || half == ".lora_A.weight" ? std::optional(place) : std::nullopt;
    }
    return std::nullopt;
  }
  return std::nullopt;
}

void read_half(const ModelConfig& config, const io::TensorView& tensor, const Place& place, LoraMatrix& matrix) {
  const std::vector<int64_t> shape = layer_tensor(config, place.layer, place.target->part).shape;  // [out, in]
  check(tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16 || tensor.dtype == DType::kBF16, ErrorCode::kInvalidArgument,
        "[lora] tensor ", tensor.name, " is of type ", dtype_name(tensor.dtype), ", expected F32, F16 or BF16");
  const size_t rank_dim = place.is_b ? 1 : 0;
  const bool fits = tensor.shape.size() == 2 && tensor.shape[1 - rank_dim] == shape[place.is_b ? 0 : 1];
  check(fits, ErrorCode::kInvalidArgument, "[lora] tensor ", tensor.name, " is ", shape_string(tensor.shape), ", expected ",
        place.is_b ? cat("[", shape[0], ", rank]") : cat("[rank, ", shape[1], "]"));
  const int64_t rank = tensor.shape[rank_dim];
  check(rank <= kMaxRank && (matrix.rank == 0 || matrix.rank == rank), ErrorCode::kInvalidArgument, "[lora] tensor ", tensor.name,
        " has rank ", rank, ", expected ", matrix.rank == 0 ? cat("at most ", kMaxRank) : cat(matrix.rank, " as its other half"));
  matrix.rank = rank;
  std::vector<float>& half = place.is_b ? matrix.b : matrix.a;
  check(half.empty(), ErrorCode::kInvalidArgument, "[lora] tensor ", tensor.name, " is there twice under two names");
  half = values_of(tensor);
  const bool finite = std::all_of(half.begin(), half.end(), [](float v) { return std::isfinite(v); });
  check(finite, ErrorCode::kInvalidArgument, "[lora] tensor ", tensor.name, " has an infinite value or NaN, expected finite numbers");
}

}  // namespace

std::shared_ptr<const Adapter> Adapter::from_tensors(const ModelConfig& config, const io::TensorSource& source, double scale) {
  check(std::isfinite(static_cast<float>(scale)), ErrorCode::kInvalidArgument, "[lora] the scale is ", scale,
        ", expected a number that F32 holds");
  check(!source.tensors().empty(), ErrorCode::kInvalidArgument, "[lora] ", source.description(), " has no tensors");
  std::shared_ptr<Adapter> out(new Adapter);
  out->scale_ = static_cast<float>(scale);
  out->layers_.resize(static_cast<size_t>(config.num_layers));
  for (const io::TensorView& tensor : source.tensors()) {
    const bool outside = tensor.name.find("embed_tokens") != std::string::npos || tensor.name.find("lm_head") != std::string::npos;
    check(!outside, ErrorCode::kUnsupported, "[lora] tensor ", tensor.name,
          " adapts the embedding or the head; only layers can be adapted");
    const auto place = place_of(tensor.name, config);
    check(place.has_value(), ErrorCode::kInvalidArgument, "[lora] tensor ", tensor.name, " is no adapter of a Gemma 3 text model with ",
          config.num_layers, " layers");
    LoraMatrix& matrix = out->layers_[static_cast<size_t>(place->layer)].*place->target->member;
    read_half(config, tensor, *place, matrix);
    out->memory_bytes_ += tensor.num_elements() * static_cast<int64_t>(sizeof(float));
  }
  for (int layer = 0; layer < config.num_layers; ++layer) {
    for (const Target& target : kTargets) {
      const LoraMatrix& matrix = out->layers_[static_cast<size_t>(layer)].*target.member;
      check(matrix.a.empty() == matrix.b.empty(), ErrorCode::kInvalidArgument, "[lora] layers.", layer, ".", target.name(), " lacks ",
            matrix.a.empty() ? "lora_A" : "lora_B");
    }
  }
  return out;
}

std::shared_ptr<const Adapter> Adapter::from_folder(const ModelConfig& config, const Path& folder) {
  return with_context([&] { return "reading adapter " + folder.string(); },
                      [&] {
                        int64_t rank = 0;
                        const double scale = lora_scale_from_json(read_file(folder / "adapter_config.json", uint64_t{16} << 20), rank);
                        const auto tensors = io::SafetensorsFile::open(folder / "adapter_model.safetensors");
                        check(tensors->unsupported().empty(), ErrorCode::kUnsupported, "[lora] tensor ",
                              tensors->unsupported().empty() ? "" : tensors->unsupported()[0].name, " is not of type F32, F16 or BF16");
                        auto adapter = from_tensors(config, *tensors, scale);
                        for (const LoraLayer& layer : adapter->layers_) {
                          for (const Target& target : kTargets) {
                            const int64_t found = (layer.*target.member).rank;
                            check(found == 0 || found == rank, ErrorCode::kInvalidArgument, "[lora] a matrix of ", target.name(),
                                  " has rank ", found, ", adapter_config.json says ", rank);
                          }
                        }
                        return adapter;
                      });
}

void add_lora(const kernels::Ops& ops, ThreadPool& pool, std::span<const LoraProduct> products) {
  const auto blocks = [](const LoraProduct& p) { return static_cast<int>((p.end - p.begin + kRowBlock - 1) / kRowBlock); };
  int pieces = 0;
  for (const LoraProduct& p : products) pieces += blocks(p);
  if (pieces == 0) return;
  pool.run(pieces, [&](int index) {
    const LoraProduct* p = products.data();
    for (; index >= blocks(*p); ++p) index -= blocks(*p);
    const int64_t begin = p->begin + index * kRowBlock, rows = std::min(kRowBlock, p->end - begin), rank = p->lora->rank;
    thread_local std::vector<float> low, full;
    low.resize(static_cast<size_t>(rows * rank));
    full.resize(static_cast<size_t>(rows * p->out));
    ops.gemm_f32(DType::kF32, p->lora->a.data(), rank, p->in, p->x + begin * p->in, p->in, rows, low.data(), rank);
    for (float& value : low) value *= p->scale;
    ops.gemm_f32(DType::kF32, p->lora->b.data(), p->out, rank, low.data(), rank, rows, full.data(), p->out);
    ops.add(p->y + begin * p->out, full.data(), rows * p->out);
  });
}

}  // namespace attune::lm
