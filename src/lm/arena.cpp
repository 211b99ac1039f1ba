#include "lm/arena.h"

#include <sys/mman.h>

#include <cstdio>
#include <utility>

#include "core/error.h"

namespace attune::lm {

Arena::Arena(size_t bytes) {
  size_ = rounded(bytes);
  if (size_ == 0) return;
  // One huge page more than needed, so that the block can start on a huge-page boundary; the ends are given back.
  void* raw = ::mmap(nullptr, size_ + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(raw != MAP_FAILED, ErrorCode::kOutOfMemory, "[arena] cannot reserve ", size_ >> 20, " MiB");
  auto address = reinterpret_cast<uintptr_t>(raw);
  const uintptr_t aligned = (address + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned > address) ::munmap(raw, aligned - address);
  if (const size_t tail = address + kHugePage - aligned; tail > 0) ::munmap(reinterpret_cast<void*>(aligned + size_), tail);
  data_ = reinterpret_cast<std::byte*>(aligned);
  ::madvise(data_, size_, MADV_HUGEPAGE);
}

Arena::~Arena() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), used_(std::exchange(other.used_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(used_, other.used_);
  return *this;
}

std::byte* Arena::take(size_t bytes) {
  const size_t padded_bytes = padded(bytes);
  check(padded_bytes <= size_ - used_, ErrorCode::kInternal, "[arena] ", padded_bytes, " bytes asked, ", size_ - used_, " left");
  std::byte* out = data_ + used_;
  used_ += padded_bytes;
  return out;
}

int64_t Arena::huge_page_kib() {
  std::FILE* file = std::fopen("/proc/self/smaps_rollup", "r");
  if (file == nullptr) return -1;
  char line[256];
  long long kib = -1;
  while (std::fgets(line, sizeof(line), file) != nullptr) {
    if (std::sscanf(line, "AnonHugePages: %lld kB", &kib) == 1) break;
  }
  std::fclose(file);
  return kib;
}

}  // namespace attune::lm
