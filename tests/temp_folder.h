// A folder of a test's own.
#pragma once

#include <unistd.h>

#include <string_view>

#include "core/error.h"
#include "core/file.h"

namespace attune::test {

/// A new, empty folder whose path holds `name`; removed with the object.
class TempFolder {
 public:
  explicit TempFolder(std::string_view name) {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() / cat("attune-", name, "-", ::getpid(), "-", count++);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const Path& path() const noexcept { return path_; }

 private:
  Path path_;
};

}  // namespace attune::test
