// One aligned block for all weights, on 2 MiB pages where the system grants them: reading weights from it is about twice as fast as from a
// mapped file, and a file that shrinks later cannot fault (docs/decisions/004-weights-in-memory.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attune::lm {

/// Anonymous memory, released by the destructor. Move-only. Throws kOutOfMemory with the figures.
class Arena {
 public:
  Arena() = default;
  explicit Arena(size_t bytes);
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;

  /// The next 64-byte aligned piece. Throws kInternal when the arena is full.
  std::byte* take(size_t bytes);
  size_t size() const noexcept { return size_; }
  /// Bytes that take() needs for a piece.
  static constexpr size_t padded(size_t bytes) noexcept { return (bytes + 63) / 64 * 64; }
  /// size() of an arena for so many bytes: whole huge pages.
  static constexpr size_t rounded(size_t bytes) noexcept { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }
  /// KiB of this process's memory that lies on huge pages (AnonHugePages of the kernel's accounting); -1 if unknown.
  static int64_t huge_page_kib();

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t used_ = 0;
};

}  // namespace attune::lm
