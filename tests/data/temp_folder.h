// A fixture with a folder of its own, for tests of readers.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "core/error.h"
#include "core/file.h"
#include "tests/expect_error.h"
#include "tests/temp_folder.h"

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
  void put(const std::string& name, const std::string& content) const { std::ofstream(folder_ / name, std::ios::binary) << content; }

 private:
  const test::TempFolder temp_{"data"};

 protected:
  const Path folder_ = temp_.path();
};

}  // namespace attune::data
