// Numbers as text for people and files.
#pragma once

#include <cstdint>
#include <string>

namespace attune {

/// "%.*f".
std::string fixed(double value, int digits);
/// The double whose shortest text is the float's shortest text: 1e-6 instead of 9.99999997e-7, which a float of 1e-6 is. So JSON holds no more
/// digits than a float has, and reading it as a float gives the same one.
double shortest_double(float value);
/// 16 hexadecimal digits in lower case: digests in the names of files and versions.
std::string hex_digits(uint64_t value);

}  // namespace attune
