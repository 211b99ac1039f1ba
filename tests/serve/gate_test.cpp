#include "serve/gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "core/error.h"
#include "tests/net/raw_socket.h"

namespace attune::serve {
namespace {

using test::eventually;

TEST(Gate, GivesPlacesInOrderOfArrival) {
  Gate gate(4, 10, 5000);
  std::optional<Gate::Pass> all(gate.enter(4, {}));
  EXPECT_EQ(gate.running(), 4);
  std::atomic<int> order{0};
  std::atomic<int> large{-1};
  std::atomic<int> small{-1};
  std::thread first([&] {
    const auto pass = gate.enter(3, {});
    large = order++;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  std::thread second([&] {
    const auto pass = gate.enter(2, {});  // would fit beside nothing: a large request must not starve behind small ones
    small = order++;
  });
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 2; }));
  all.reset();
  first.join();
  second.join();
  EXPECT_EQ(large, 0);
  EXPECT_EQ(small, 1);
  EXPECT_EQ(gate.running(), 0);
}

TEST(Gate, LimitsTimeAndNumberOfWaiters) {
  Gate gate(1, 1, 100);
  const auto held = gate.enter(1, {});
  std::atomic<int> code{-1};
  std::thread waiter([&] {
    try {
      (void)gate.enter(1, {});
    } catch (const Error& error) {
      code = static_cast<int>(error.code());
    }
  });
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  try {
    (void)gate.enter(1, {});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResource);
  }
  waiter.join();
  EXPECT_EQ(code, static_cast<int>(ErrorCode::kFailedPrecondition));
  EXPECT_EQ(gate.waiting(), 0);
}

TEST(Gate, StopEndsTheWait) {
  Gate gate(1, 5, 60'000);
  const auto held = gate.enter(1, {});
  std::stop_source stop;
  std::atomic<int> code{-1};
  std::thread waiter([&] {
    try {
      (void)gate.enter(1, stop.get_token());
    } catch (const Error& error) {
      code = static_cast<int>(error.code());
    }
  });
  ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
  stop.request_stop();
  waiter.join();
  EXPECT_EQ(code, static_cast<int>(ErrorCode::kCancelled));
}

TEST(Gate, ARequestForMoreThanAllTakesAll) {
  Gate gate(4, 5, 1000);
  const auto pass = gate.enter(16, {});
  EXPECT_EQ(gate.running(), 4);
}

TEST(Gate, CountersReturnToZeroUnderLoad) {
  Gate gate(8, 1000, 5000);
  std::atomic<int> most{0};
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const int slots = 1 + (t + i) % 5;
        const auto pass = gate.enter(slots, {});
        const int now = inside += slots;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        inside -= slots;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 8);
  EXPECT_EQ(gate.running(), 0);
  EXPECT_EQ(gate.waiting(), 0);
}

}  // namespace
}  // namespace attune::serve
