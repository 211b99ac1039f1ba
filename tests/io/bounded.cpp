#include "tests/io/bounded.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ctime>

namespace attune::io::test {
namespace {

constexpr uint64_t kMemoryBytes = uint64_t{64} << 20;

uint64_t address_space_bytes() {
  unsigned long pages = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return uint64_t{pages} * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

struct Report {
  Outcome::Kind kind;
  ErrorCode code;
  double cpu_ms;
  size_t message_bytes;
  char message[4096];
};

void run_child(int out, const std::function<void()>& load) {
  if (memory_is_bounded()) {
    const rlimit limit{address_space_bytes() + kMemoryBytes, RLIM_INFINITY};
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ::alarm(10);
  static Report report{};
  std::string message;
  const double begin = cpu_ms();
  try {
    load();
    report.kind = Outcome::Kind::kLoaded;
  } catch (const Error& error) {
    report.kind = Outcome::Kind::kError;
    report.code = error.code();
    message = error.what();
  } catch (const std::exception& error) {
    report.kind = Outcome::Kind::kOtherException;
    message = error.what();
  }
  report.cpu_ms = cpu_ms() - begin;
  report.message_bytes = std::min(message.size(), sizeof(report.message));
  std::memcpy(report.message, message.data(), report.message_bytes);
  const char* data = reinterpret_cast<const char*>(&report);
  for (size_t left = sizeof(report); left > 0;) {
    const ssize_t n = ::write(out, data + sizeof(report) - left, left);
    if (n <= 0) break;
    left -= static_cast<size_t>(n);
  }
  ::_exit(0);
}

}  // namespace

bool memory_is_bounded() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

Outcome run_bounded(const std::function<void()>& load) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) run_child(pipe_ends[1], load);
  ::close(pipe_ends[1]);
  static Report report;
  size_t got = 0;
  for (ssize_t n = 1; n > 0 && got < sizeof(report); got += n > 0 ? static_cast<size_t>(n) : 0) {
    n = ::read(pipe_ends[0], reinterpret_cast<char*>(&report) + got, sizeof(report) - got);
  }
  ::close(pipe_ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (got < sizeof(report)) return {Outcome::Kind::kDied, ErrorCode::kInternal, cat("child ended with status ", status), 0};
  return {report.kind, report.code, std::string(report.message, report.message_bytes), report.cpu_ms};
}

}  // namespace attune::io::test
