// A fixture with a folder of its own, for tests of readers.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "tests/expect_error.h"

namespace attune::data {

using attune::test::expect_error;

/// Folder of real data, or an empty path.
inline Path real_data(const std::string& name) {
  const char* named = std::getenv("ATTUNE_SHARED_DATA");
  const Path root = named != nullptr ? Path(named) : Path(ATTUNE_SOURCE_DIR) / ".." / "shared" / "data";
  std::error_code error;
  return std::filesystem::is_directory(root / name, error) ? root / name : Path();
}

class TempFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              cat("attune-data-", ::getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& name, const std::string& content) const { std::ofstream(folder_ / name, std::ios::binary) << content; }

  Path folder_;
};

}  // namespace attune::data
