#include <gtest/gtest.h>

#include "assist/grounding.h"

namespace attune::assist {
namespace {

TEST(Grounding, NamesOfFaults) { EXPECT_EQ(reason_fault_name(ReasonFault::kWrongYear), "wrong_year"); }

}  // namespace
}  // namespace attune::assist
