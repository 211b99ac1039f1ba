#include "lm/forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "lm/product.h"

namespace attune::lm {

struct Forward::Workspace {
  std::vector<float> x, normed, q, k, v, attn, branch, gate, up, hidden, scores, cos, sin;
  std::vector<std::byte> quantised, k_rows, v_rows;
  std::vector<int64_t> positions;     // of each row
  std::vector<int> chunk_of_row;
  std::vector<int64_t> chunk_begin;   // first row of each chunk
  struct Adapted {
    const Adapter* adapter;
    int64_t begin, end;
  };
  std::vector<Adapted> adapted;       // rows with adapters, equal neighbours joined
  std::vector<LoraProduct> lora;
  std::vector<double> frequencies_local, frequencies_global;  // radians a position, [E / 2]
};

namespace {

/// theta^(-2i/E) / factor, [E / 2].
std::vector<double> rope_frequencies(double theta, double factor, int64_t head_dim) {
  std::vector<double> out;
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    out.push_back(std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim)) / factor);
  }
  return out;
}

/// Angles in double: exact enough beyond 128K positions.
void rope_angles(int64_t position, const std::vector<double>& frequencies, float* cos_out, float* sin_out) {
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies[i];
    cos_out[i] = static_cast<float>(std::cos(angle));
    sin_out[i] = static_cast<float>(std::sin(angle));
  }
}

}  // namespace

Forward::Forward(const ModelConfig& config, bool fast, ThreadPool& pool)
    : config_(config), fast_(fast), pool_(pool), ops_(kernels::ops()), work_(std::make_unique<Workspace>()) {
  const ModelConfig& c = config_;
  work_->frequencies_local = rope_frequencies(c.rope_theta_local, 1, c.head_dim);
  work_->frequencies_global = rope_frequencies(c.rope_theta_global, c.rope_scaling_factor, c.head_dim);
}

Forward::~Forward() = default;

void Forward::for_rows(const std::function<void(int64_t, int64_t)>& body) { pool_.for_ranges(rows_, 8, body); }

void Forward::norm_rows(const float* in, const std::vector<float>& gain, float* out, int64_t size) {
  const float eps = static_cast<float>(config_.rms_norm_eps);
  for_rows([&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) ops_.rms_norm(in + row * size, gain.data(), eps, out + row * size, size);
  });
}

void Forward::embed(std::span<const Chunk> chunks) {
  const ModelConfig& c = config_;
  Workspace& w = *work_;
  const Matrix& e = weights_->embedding();
  int64_t row = 0;
  for (const Chunk& chunk : chunks) {
    for (int64_t t = 0; t < chunk.num_rows; ++t, ++row) {
      float* x = w.x.data() + row * c.hidden_size;
      const float* soft = chunk.soft_rows.empty() ? nullptr : chunk.soft_rows[static_cast<size_t>(t)];
      if (soft != nullptr) {  // enters after the scale
        std::memcpy(x, soft, sizeof(float) * static_cast<size_t>(c.hidden_size));
        continue;
      }
      e.row(chunk.ids[static_cast<size_t>(t)], x);
      for (int64_t i = 0; i < c.hidden_size; ++i) x[i] *= weights_->embedding_scale();
    }
  }
}

/// Adds RMS(branch) * gain to the residual: Gemma 3 norms a branch's output before the sum.
void Forward::add_normed(const float* branch, const std::vector<float>& gain) {
  const int64_t d = config_.hidden_size;
  const float eps = static_cast<float>(config_.rms_norm_eps);
  Workspace& w = *work_;
  for_rows([&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      ops_.rms_norm(branch + row * d, gain.data(), eps, w.normed.data() + row * d, d);
      ops_.add(w.x.data() + row * d, w.normed.data() + row * d, d);
    }
  });
}

void Forward::attention(int index, std::span<Chunk> chunks) {
  const ModelConfig& c = config_;
  Workspace& w = *work_;
  const bool global = c.is_global[static_cast<size_t>(index)];
  const kernels::KvType type = chunks[0].cache->type();
  const int64_t e = c.head_dim, g = c.num_kv_heads, h = c.num_heads, half = e / 2;
  const int64_t kv_row_bytes = kernels::kv_bytes(type, g * e);
  const LayerWeights& weights = weights_->layer(index);
  const float eps = static_cast<float>(c.rms_norm_eps);
  const float* cos = w.cos.data() + (global ? rows_ * half : 0);
  const float* sin = w.sin.data() + (global ? rows_ * half : 0);
  for_rows([&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t head = 0; head < h; ++head) {
        float* q = w.q.data() + (row * h + head) * e;
        ops_.rms_norm(q, weights.q_norm.data(), eps, q, e);
        ops_.rope(q, cos + row * half, sin + row * half, e);
      }
      for (int64_t head = 0; head < g; ++head) {
        float* k = w.k.data() + (row * g + head) * e;
        ops_.rms_norm(k, weights.k_norm.data(), eps, k, e);
        ops_.rope(k, cos + row * half, sin + row * half, e);
      }
      ops_.store_kv(type, w.k.data() + row * g * e, w.k_rows.data() + row * kv_row_bytes, g * e);
      ops_.store_kv(type, w.v.data() + row * g * e, w.v_rows.data() + row * kv_row_bytes, g * e);
    }
  });
  int64_t max_keys = 0;
  for (const Chunk& chunk : chunks) max_keys = std::max(max_keys, chunk.cache->length() + chunk.num_rows);
  if (!global && c.sliding_window > 0) {
    int64_t widest = 0;  // a bidirectional row sees window - 1 earlier keys and its block's rest
    for (const Chunk& chunk : chunks) widest = std::max(widest, chunk.num_rows);
    max_keys = std::min(max_keys, c.sliding_window + widest);
  }
  // One piece of work is some rows; the query heads of a key-value head are computed together. Scores lie in a scratch of the piece's own.
  constexpr int64_t kGrain = 4;
  const int64_t pieces = (rows_ + kGrain - 1) / kGrain, group = h / g;
  if (static_cast<int64_t>(w.scores.size()) < pieces * group * max_keys) w.scores.resize(static_cast<size_t>(pieces * group * max_keys));
  pool_.for_ranges(rows_, kGrain, [&](int64_t begin, int64_t end) {
    float* scores = w.scores.data() + begin / kGrain * group * max_keys;
    for (int64_t row = begin; row < end; ++row) {
      const int chunk_index = w.chunk_of_row[static_cast<size_t>(row)];
      const Chunk& chunk = chunks[static_cast<size_t>(chunk_index)];
      const int64_t first_row = w.chunk_begin[static_cast<size_t>(chunk_index)];
      const int64_t start = chunk.cache->length();
      const int64_t position = w.positions[static_cast<size_t>(row)];
      const int64_t low = global || c.sliding_window == 0 ? 0 : std::max<int64_t>(0, position - c.sliding_window + 1);
      const int64_t high = chunk.visible_end.empty() ? position + 1 : chunk.visible_end[static_cast<size_t>(row - first_row)];
      for (int64_t kv = 0; kv < g; ++kv) {
        const float* q = w.q.data() + (row * h + kv * group) * e;
        float* out = w.attn.data() + (row * h + kv * group) * e;
        const int64_t offset = kernels::kv_bytes(type, kv * e);
        // Keys in order of position: cached pages first, then this chunk's own rows.
        const auto each_run = [&](auto&& visit) {
          int64_t at = low;
          while (at < std::min(high, start)) {
            const KvCache::Run run = chunk.cache->run(index, at, std::min(high, start));
            visit(at, run.k + offset, run.v + offset, run.count);
            at += run.count;
          }
          if (at < high) {
            const int64_t chunk_row = first_row + at - start;
            visit(at, w.k_rows.data() + chunk_row * kv_row_bytes + offset, w.v_rows.data() + chunk_row * kv_row_bytes + offset, high - at);
          }
        };
        each_run([&](int64_t at, const std::byte* k, const std::byte*, int64_t count) {
          ops_.attention_scores_group(type, group, q, e, k, g * e, count, e, static_cast<float>(c.attention_scale), scores + (at - low),
                                      max_keys);
        });
        for (int64_t i = 0; i < group; ++i) ops_.softmax(scores + i * max_keys, high - low);
        std::fill(out, out + group * e, 0.0f);
        each_run([&](int64_t at, const std::byte*, const std::byte* v, int64_t count) {
          ops_.attention_values_group(type, group, scores + (at - low), max_keys, v, g * e, count, e, out, e);
        });
      }
    }
  });
  for (size_t i = 0; i < chunks.size(); ++i) {
    chunks[i].cache->store(index, w.k_rows.data() + w.chunk_begin[i] * kv_row_bytes, w.v_rows.data() + w.chunk_begin[i] * kv_row_bytes);
  }
}

void Forward::project(int index, const float* x, std::initializer_list<Projection> projections) {
  Workspace& w = *work_;
  Product products[3];
  size_t count = 0;
  for (const Projection& p : projections) products[count++] = {p.w, p.y};
  multiply(ops_, pool_, fast_products_, x, rows_, std::span(products, count), w.quantised);
  w.lora.clear();
  for (const Workspace::Adapted& a : w.adapted) {
    for (const Projection& p : projections) {
      const LoraMatrix& lora = a.adapter->layer(index).*p.lora;
      if (lora.rank > 0) w.lora.push_back({&lora, x, p.y, p.w->cols, p.w->rows, a.begin, a.end, a.adapter->scale()});
    }
  }
  add_lora(ops_, pool_, w.lora);
}

void Forward::layer(int index, std::span<Chunk> chunks) {
  const ModelConfig& c = config_;
  const LayerWeights& weights = weights_->layer(index);
  Workspace& w = *work_;
  norm_rows(w.x.data(), weights.attn_norm, w.normed.data(), c.hidden_size);
  project(index, w.normed.data(),
          {{&weights.q, w.q.data(), &LoraLayer::q}, {&weights.k, w.k.data(), &LoraLayer::k}, {&weights.v, w.v.data(), &LoraLayer::v}});
  attention(index, chunks);
  project(index, w.attn.data(), {{&weights.o, w.branch.data(), &LoraLayer::o}});
  add_normed(w.branch.data(), weights.post_attn_norm);

  norm_rows(w.x.data(), weights.ffn_norm, w.normed.data(), c.hidden_size);
  project(index, w.normed.data(), {{&weights.gate, w.gate.data(), &LoraLayer::gate}, {&weights.up, w.up.data(), &LoraLayer::up}});
  const int64_t f = c.intermediate_size;
  for_rows([&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) ops_.gelu_mul(w.gate.data() + row * f, w.up.data() + row * f, w.gate.data() + row * f, f);
  });
  project(index, w.gate.data(), {{&weights.down, w.branch.data(), &LoraLayer::down}});
  add_normed(w.branch.data(), weights.post_ffn_norm);
}

std::span<const float> Forward::run(const Weights& weights, std::span<Chunk> chunks) {
  weights_ = &weights;
  fast_products_ = fast_ && !weights.f32_activations();
  const ModelConfig& c = config_;
  Workspace& w = *work_;
  rows_ = 0;
  w.positions.clear();
  w.chunk_of_row.clear();
  w.chunk_begin.clear();
  w.adapted.clear();
  for (size_t i = 0; i < chunks.size(); ++i) {
    w.chunk_begin.push_back(rows_);
    for (int64_t t = 0; t < chunks[i].num_rows; ++t) {
      w.positions.push_back(chunks[i].cache->length() + t);
      w.chunk_of_row.push_back(static_cast<int>(i));
    }
    const int64_t begin = rows_;
    rows_ += chunks[i].num_rows;
    if (chunks[i].adapter == nullptr) continue;
    if (!w.adapted.empty() && w.adapted.back().adapter == chunks[i].adapter && w.adapted.back().end == begin) {
      w.adapted.back().end = rows_;
    } else {
      w.adapted.push_back({chunks[i].adapter, begin, rows_});
    }
  }
  const auto grow = [&](auto& buffer, int64_t per_row) {
    if (static_cast<int64_t>(buffer.size()) < rows_ * per_row) buffer.resize(static_cast<size_t>(rows_ * per_row));
  };
  const int64_t d = c.hidden_size, e = c.head_dim, h = c.num_heads, g = c.num_kv_heads, half = e / 2;
  grow(w.x, d);
  grow(w.normed, d);
  grow(w.branch, d);
  grow(w.q, h * e);
  grow(w.attn, h * e);
  grow(w.k, g * e);
  grow(w.v, g * e);
  grow(w.gate, c.intermediate_size);
  grow(w.up, c.intermediate_size);
  grow(w.k_rows, g * e * 4);
  grow(w.v_rows, g * e * 4);
  grow(w.cos, 2 * half);
  grow(w.sin, 2 * half);
  for_rows([&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t position = w.positions[static_cast<size_t>(row)];
      rope_angles(position, w.frequencies_local, w.cos.data() + row * half, w.sin.data() + row * half);
      rope_angles(position, w.frequencies_global, w.cos.data() + (rows_ + row) * half, w.sin.data() + (rows_ + row) * half);
    }
  });
  residual_norms.clear();
  const auto trace = [&] {
    if (!trace_residual) return;
    double sum = 0;
    for (int64_t i = 0; i < d; ++i)
      sum += static_cast<double>(w.x[static_cast<size_t>((rows_ - 1) * d + i)]) * w.x[static_cast<size_t>((rows_ - 1) * d + i)];
    residual_norms.push_back(std::sqrt(sum));
  };
  embed(chunks);
  trace();
  for (int index = 0; index < c.num_layers; ++index) {
    layer(index, chunks);
    trace();
  }
  int64_t outputs = 0;
  for (Chunk& chunk : chunks) outputs += chunk.num_rows - chunk.first_output;
  if (static_cast<int64_t>(w.hidden.size()) < outputs * d) w.hidden.resize(static_cast<size_t>(outputs * d));
  int64_t at = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    for (int64_t t = chunks[i].first_output; t < chunks[i].num_rows; ++t, ++at) {
      ops_.rms_norm(w.x.data() + (w.chunk_begin[i] + t) * d, weights_->final_norm().data(), static_cast<float>(c.rms_norm_eps),
                    w.hidden.data() + at * d, d);
    }
    chunks[i].cache->commit();
  }
  return {w.hidden.data(), static_cast<size_t>(outputs * d)};
}

}  // namespace attune::lm
