// Kernel text: norm, residual addition, gated GELU, rotation and softmax on the lanes of a vector_*-inl.h.
//
// Sums are kept in double, one a lane, so that their order depends on n alone. exp: k = round(x / ln 2), r = x - k ln 2 in two steps
// (Cody and Waite), Taylor polynomial of degree 7 on |r| <= ln(2) / 2 (remainder below 6e-9), times 2^k. Arguments are carried as
// float plus rest: without it the rounding of an argument near -80 alone would cost a relative error of 4e-6.
#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

constexpr float kMinExp = -87.0f;  // exp below this is taken as 0 (1.6e-38, the edge of normal floats)
constexpr float kMaxExp = 88.0f;

/// exp(hi + lo) for hi <= 88 (larger ones as 88); 0 for hi < kMinExp, -inf included; NaN for NaN.
inline F exp_of(F hi, F lo) {
  const F x = min_or_nan(set1(kMaxExp), max_or_nan(set1(kMinExp), hi));
  const F k = round_even(mul(x, set1(1.44269504f)));
  F r = neg_fma(k, set1(0.693359375f), x);       // exact: the constant has 9 significant bits
  r = neg_fma(k, set1(-2.12194440e-4f), r);
  r = add(r, lo);
  F t = set1(1.0f / 5040);
  t = fma(t, r, set1(1.0f / 720));
  t = fma(t, r, set1(1.0f / 120));
  t = fma(t, r, set1(1.0f / 24));
  t = fma(t, r, set1(1.0f / 6));
  t = fma(t, r, set1(0.5f));
  const F p = add(set1(1.0f), fma(mul(r, r), t, r));
  return zero_below(hi, set1(kMinExp), scale_pow2(p, k));
}

/// z / (1 + exp(-2u)) = 0.5 z (1 + tanh(u)), u = sqrt(2 / pi) (z + 0.044715 z^3).
inline F gelu(F gate) {
  const F low = max_or_nan(set1(-16.0f), gate);  // the result is a zero beyond; -inf gives 0, not NaN
  const F z = min_or_nan(set1(16.0f), low);
  F hi, lo;
  constexpr double kSlope = -1.5957691216057307;  // -2 sqrt(2 / pi)
  odd_cubic(z, kSlope, kSlope * 0.044715, hi, lo);
  const F sigmoid = div(set1(1.0f), add(set1(1.0f), exp_of(hi, lo)));
  return mul(low, zero_below(sub(set1(0.0f), hi), set1(-kMaxExp), sigmoid));
}

/// exp(s - max), the difference exact (Knuth's two-sum).
inline F exp_difference(F s, F max) {
  const F d = sub(s, max);
  const F part = sub(d, s);
  const F rest = sub(sub(s, sub(d, part)), add(max, part));
  return exp_of(d, rest);
}

}  // namespace

void rms_norm(const float* x, const float* gain, float eps, float* out, int64_t n) noexcept {
  DoubleSum sum;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum.add_square(load(x + i));
  if (i < n) sum.add_square(load_part(x + i, n - i));
  const F factor = set1(static_cast<float>(1.0 / __builtin_sqrt(sum.total() / static_cast<double>(n) + eps)));
  for (i = 0; i + kLanes <= n; i += kLanes) store(out + i, mul(mul(load(x + i), factor), load(gain + i)));
  if (i < n) store_part(out + i, mul(mul(load_part(x + i, n - i), factor), load_part(gain + i, n - i)), n - i);
}

void add(float* x, const float* y, int64_t n) noexcept {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(x + i, add(load(x + i), load(y + i)));
  if (i < n) store_part(x + i, add(load_part(x + i, n - i), load_part(y + i, n - i)), n - i);
}

void gelu_mul(const float* gate, const float* up, float* out, int64_t n) noexcept {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, mul(gelu(load(gate + i)), load(up + i)));
  if (i < n) store_part(out + i, mul(gelu(load_part(gate + i, n - i)), load_part(up + i, n - i)), n - i);
}

void rope(float* x, const float* cos, const float* sin, int64_t head_dim) noexcept {
  ATTUNE_DCHECK(head_dim % 2 == 0);
  const int64_t h = head_dim / 2;
  for (int64_t i = 0; i < h; i += kLanes) {
    const int64_t count = h - i;
    if (count >= kLanes) {
      const F a = load(x + i), b = load(x + i + h), c = load(cos + i), s = load(sin + i);
      store(x + i, sub(mul(a, c), mul(b, s)));
      store(x + i + h, add(mul(b, c), mul(a, s)));
    } else {
      const F a = load_part(x + i, count), b = load_part(x + i + h, count), c = load_part(cos + i, count), s = load_part(sin + i, count);
      store_part(x + i, sub(mul(a, c), mul(b, s)), count);
      store_part(x + i + h, add(mul(b, c), mul(a, s)), count);
    }
  }
}

void softmax(float* scores, int64_t n) noexcept {
  constexpr float kNone = -__builtin_inff();
  F top = set1(kNone);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) top = max_or_nan(load(scores + i), top);  // a NaN score is dropped here and spreads by the sum
  if (i < n) top = max_or_nan(load_part(scores + i, n - i, kNone), top);
  const float found = reduce_max(top);
  const F max = set1(found == kNone ? 0.0f : found);
  DoubleSum sum;
  for (i = 0; i + kLanes <= n; i += kLanes) {
    const F e = exp_difference(load(scores + i), max);
    store(scores + i, e);
    sum.add(e);
  }
  if (i < n) {
    const F e = exp_difference(load_part(scores + i, n - i, kNone), max);
    store_part(scores + i, e, n - i);
    sum.add(e);
  }
  const double total = sum.total();
  const F factor = set1(total > 0 ? static_cast<float>(1.0 / total) : static_cast<float>(total));
  for (i = 0; i + kLanes <= n; i += kLanes) store(scores + i, mul(load(scores + i), factor));
  if (i < n) store_part(scores + i, mul(load_part(scores + i, n - i), factor), n - i);
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
