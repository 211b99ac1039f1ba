// The check that a call throws the error it should.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/error.h"

namespace attune::test {

/// `body()` throws an Error with this code whose message holds `part`.
template <class Body>
void expect_error(ErrorCode code, std::string_view part, const Body& body) {
  try {
    body();
    ADD_FAILURE() << "no error, expected " << error_code_name(code) << " with: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error_code_name(error.code()), error_code_name(code)) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(part), std::string_view::npos) << error.what() << " lacks " << part;
  }
}

}  // namespace attune::test
