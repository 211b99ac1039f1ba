// Raw arrays that both sides read, and times, for the programs of bench/people.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace attune::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Processor time of all threads of this process, seconds.
inline double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class T>
void write_array(const Path& path, const std::vector<T>& values) {
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(values)));
  file.commit();
}

template <class T>
std::vector<T> read_array(const Path& path) {
  const MappedFile file(path);
  check(file.bytes().size() % sizeof(T) == 0, ErrorCode::kCorruptData, "[bench] ", path.string(), " holds ", file.bytes().size(),
        " bytes, expected a multiple of ", sizeof(T));
  std::vector<T> out(file.bytes().size() / sizeof(T));
  constexpr size_t kPart = size_t{8} << 20;
  for (size_t at = 0; at < file.bytes().size(); at += kPart) {  // what was copied leaves memory: it would count as ours otherwise
    const auto part = file.bytes().subspan(at, std::min(kPart, file.bytes().size() - at));
    std::memcpy(reinterpret_cast<char*>(out.data()) + at, part.data(), part.size());
    file.release(part);
  }
  return out;
}

}  // namespace attune::bench
