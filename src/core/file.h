// Files: read whole, mapped read-only, written atomically. Every writer of Attune goes through AtomicFile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace attune {

using Path = std::filesystem::path;

/// A whole file mapped read-only. The size is fixed at opening; a file that shrinks later is detected by `changed()`.
/// Copyable (shared mapping). Thread-safe.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws kNotFound or kIo. An empty file maps to an empty span.
  explicit MappedFile(const Path& path);

  std::span<const std::byte> bytes() const noexcept;
  const Path& path() const noexcept;
  /// True if the file on disk no longer has the size (or identity) it had when mapped: reading it may then fault.
  bool changed() const noexcept;
  /// A hint: this part of bytes() is not needed for a while. Its pages leave the process's memory; reading them again brings them back.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// Reads a file of at most `max_bytes`. Throws kNotFound, kIo, or kResource when it is larger.
std::string read_file(const Path& path, uint64_t max_bytes = uint64_t{1} << 32);

/// A file that appears whole or not at all: bytes go to a temporary file beside the target; `commit` does fsync, rename and fsync of the
/// folder. Without `commit` the destructor removes the temporary file and the target is untouched.
class AtomicFile {
 public:
  explicit AtomicFile(Path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  uint64_t size() const noexcept;
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// AtomicFile in one call.
void write_file_atomic(const Path& path, std::string_view content);
void write_file_atomic(const Path& path, const std::function<void(AtomicFile&)>& writer);

/// fsync of a folder, so that names created in it survive power loss.
void sync_folder(const Path& folder);

/// Folder of the running checkout or installation: where models/ and datasets/ lie. ATTUNE_HOME overrides; otherwise the nearest folder
/// above the executable that holds CMakeLists.txt, else the current folder.
Path home_folder();

}  // namespace attune
