#include "core/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace attune {
namespace {

[[noreturn]] void fail_errno(const char* operation, const Path& path, int error) {
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  fail(code, "[", operation, "] ", path.string(), ": ", std::strerror(error));
}

int open_or_fail(const char* operation, const Path& path, int flags, mode_t mode = 0) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return fd;
    if (errno != EINTR) fail_errno(operation, path, errno);
  }
}

struct FdCloser {
  int fd;
  ~FdCloser() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

struct MappedFile::State {
  Path path;
  void* data = nullptr;
  size_t size = 0;
  struct stat info {};
  ~State() {
    if (data != nullptr) ::munmap(data, size);
  }
};

MappedFile::MappedFile(const Path& path) {
  auto state = std::make_shared<State>();
  state->path = path;
  const FdCloser fd{open_or_fail("open", path, O_RDONLY)};
  if (::fstat(fd.fd, &state->info) != 0) fail_errno("stat", path, errno);
  check(S_ISREG(state->info.st_mode), ErrorCode::kIo, "[open] ", path.string(), ": not a regular file");
  state->size = static_cast<size_t>(state->info.st_size);
  if (state->size > 0) {
    void* data = ::mmap(nullptr, state->size, PROT_READ, MAP_PRIVATE, fd.fd, 0);
    if (data == MAP_FAILED) fail_errno("mmap", path, errno);
    state->data = data;
  }
  state_ = std::move(state);
}

std::span<const std::byte> MappedFile::bytes() const noexcept {
  if (!state_) return {};
  return {static_cast<const std::byte*>(state_->data), state_->size};
}

const Path& MappedFile::path() const noexcept {
  static const Path kNone;
  return state_ ? state_->path : kNone;
}

bool MappedFile::changed() const noexcept {
  if (!state_) return false;
  struct stat now {};
  if (::stat(state_->path.c_str(), &now) != 0) return false;  // removed, but the mapping keeps the inode alive
  return now.st_ino == state_->info.st_ino && now.st_dev == state_->info.st_dev && now.st_size != state_->info.st_size;
}

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  const auto whole = bytes();
  if (part.empty() || whole.empty() || part.data() < whole.data() || part.data() + part.size() > whole.data() + whole.size()) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<uintptr_t>(part.data()) + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::string read_file(const Path& path, uint64_t max_bytes) {
  const FdCloser fd{open_or_fail("read", path, O_RDONLY)};
  struct stat info {};
  if (::fstat(fd.fd, &info) != 0) fail_errno("stat", path, errno);
  check(!S_ISDIR(info.st_mode), ErrorCode::kIo, "[read] ", path.string(), ": is a folder");
  std::string out;
  if (info.st_size > 0 && static_cast<uint64_t>(info.st_size) <= max_bytes) out.reserve(static_cast<size_t>(info.st_size));
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd.fd, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno("read", path, errno);
    if (n == 0) return out;
    check(out.size() + static_cast<size_t>(n) <= max_bytes, ErrorCode::kResource, "[read] ", path.string(), ": larger than ", max_bytes,
          " bytes");
    out.append(buffer, static_cast<size_t>(n));
  }
}

struct AtomicFile::State {
  Path target;
  Path temporary;
  int fd = -1;
  uint64_t size = 0;
  std::string buffer;

  void write_all(const char* data, size_t size_bytes) {
    while (size_bytes > 0) {
      const ssize_t n = ::write(fd, data, size_bytes);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_errno("write", temporary, errno);
      data += n;
      size_bytes -= static_cast<size_t>(n);
    }
  }
  void flush() {
    write_all(buffer.data(), buffer.size());
    buffer.clear();
  }
};

AtomicFile::AtomicFile(Path target) : state_(std::make_unique<State>()) {
  static std::atomic<uint64_t> counter{0};
  state_->target = std::move(target);
  state_->temporary = state_->target;
  state_->temporary += cat(".tmp-", ::getpid(), "-", counter.fetch_add(1));
  state_->fd = open_or_fail("create", state_->temporary, O_WRONLY | O_CREAT | O_EXCL, 0644);
}

AtomicFile::~AtomicFile() {
  if (state_->fd >= 0) {
    ::close(state_->fd);
    ::unlink(state_->temporary.c_str());
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::write(std::string_view text) {
  check(state_->fd >= 0, ErrorCode::kFailedPrecondition, "[write] ", state_->target.string(), ": already committed");
  state_->size += text.size();
  if (state_->buffer.size() + text.size() > (1 << 20)) {
    state_->flush();
    if (text.size() > (1 << 20)) {
      state_->write_all(text.data(), text.size());
      return;
    }
  }
  state_->buffer.append(text);
}

uint64_t AtomicFile::size() const noexcept { return state_->size; }

void AtomicFile::commit() {
  State& s = *state_;
  check(s.fd >= 0, ErrorCode::kFailedPrecondition, "[commit] ", s.target.string(), ": already committed");
  s.flush();
  if (::fsync(s.fd) != 0) fail_errno("fsync", s.temporary, errno);
  if (::rename(s.temporary.c_str(), s.target.c_str()) != 0) fail_errno("rename", s.target, errno);
  ::close(std::exchange(s.fd, -1));
  sync_folder(s.target.has_parent_path() ? s.target.parent_path() : Path("."));
}

void write_file_atomic(const Path& path, std::string_view content) {
  write_file_atomic(path, [&](AtomicFile& file) { file.write(content); });
}

void write_file_atomic(const Path& path, const std::function<void(AtomicFile&)>& writer) {
  AtomicFile file(path);
  writer(file);
  file.commit();
}

void sync_folder(const Path& folder) {
  const FdCloser fd{open_or_fail("open folder", folder, O_RDONLY | O_DIRECTORY)};
  if (::fsync(fd.fd) != 0 && errno != EINVAL) fail_errno("fsync", folder, errno);
}

Path home_folder() {
  if (const char* home = std::getenv("ATTUNE_HOME"); home != nullptr && *home != '\0') return home;
  std::error_code ignored;
  Path folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (; !folder.empty() && folder != folder.root_path(); folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / "CMakeLists.txt", ignored) && std::filesystem::exists(folder / "CMakePresets.json", ignored)) {
      return folder;
    }
  }
  return std::filesystem::current_path(ignored);
}

}  // namespace attune
