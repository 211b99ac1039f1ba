// Sums over short vectors, in double, one term after the other.
#pragma once

#include <cmath>
#include <span>

namespace attune::people {

/// a . b; equal lengths.
inline double dot(std::span<const double> a, std::span<const double> b) noexcept {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

inline double norm(std::span<const double> x) noexcept { return std::sqrt(dot(x, x)); }
inline double norm(std::span<const float> x) noexcept {
  double sum = 0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  return std::sqrt(sum);
}

}  // namespace attune::people
