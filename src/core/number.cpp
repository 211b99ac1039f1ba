#include "core/number.h"

#include <charconv>
#include <cstdio>

namespace attune {

std::string fixed(double value, int digits) {
  char text[512];  // the largest double has 309 digits before the point
  const int size = std::snprintf(text, sizeof text, "%.*f", digits, value);
  return {text, static_cast<size_t>(size)};
}

double shortest_double(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double out = value;
  std::from_chars(text, end, out);
  return out;
}

}  // namespace attune
