// Which address spaces are hosted: build/tests/jit/jit_test --gtest_filter='HostedAccount.*'
#include <gtest/gtest.h>

#include "jit/hosted/policy.h"

namespace tandem::jit {
namespace {

constexpr u64 kAfter = 1'000'000;

TEST(HostedAccount, IsWorthItAfterSoManyInstructions) {
  HostedAccount account(kAfter);
  EXPECT_FALSE(account.is_worth_it());
  account.ran(kAfter - 1);
  EXPECT_FALSE(account.is_worth_it());
  account.ran(1);
  EXPECT_TRUE(account.is_worth_it());
}

TEST(HostedAccount, CodeThatWaitsForMemoryCountsByItsTime) {
  HostedAccount account(kAfter);
  account.ran(1000);
  account.took(kAfter / 4);
  EXPECT_FALSE(account.is_worth_it());
  account.ran(1000);
  account.took(kAfter / 4);
  EXPECT_TRUE(account.is_worth_it());
}

TEST(HostedAccount, TimeIsNoSecondGainOfCodeThatIsQuick) {
  HostedAccount account(kAfter);
  account.ran(kAfter - 1);
  account.took(kAfter / 8);
  EXPECT_FALSE(account.is_worth_it());
}

TEST(HostedAccount, AtOnceAndForEverWhereThatIsWanted) {
  HostedAccount account(0);
  EXPECT_TRUE(account.is_worth_it());
  for (int i = 0; i < 1000; ++i) account.faulted();
  EXPECT_TRUE(account.is_worth_it());
}

TEST(HostedAccount, IsNotWhereMappingsCostMoreThanTheyCanSave) {
  HostedAccount account(kAfter);
  account.ran(kAfter);
  // A page each thousand instructions, and its end: they save less than a microsecond.
  for (int i = 0; i < 1000 && account.is_worth_it(); ++i) {
    account.ran(1000);
    account.faulted();
    account.called(1, 1);
    account.wrote_table();
    account.called(1, 0);
  }
  EXPECT_FALSE(account.is_worth_it());
}

TEST(HostedAccount, StaysWhereCodeRunsForLongBetweenThem) {
  HostedAccount account(kAfter);
  account.ran(kAfter);
  for (int i = 0; i < 1000; ++i) {
    account.ran(1'000'000);
    account.faulted();
    account.called(1, 16);
    ASSERT_TRUE(account.is_worth_it()) << i;
  }
}

TEST(HostedAccount, TakesSeveralTimesAsLongWhenItWasGivenUp) {
  HostedAccount account(kAfter);
  account.ran(kAfter);
  account.gave_up();
  account.ran(kAfter);
  EXPECT_FALSE(account.is_worth_it());
  account.ran(10 * kAfter);
  EXPECT_TRUE(account.is_worth_it());
}

}  // namespace
}  // namespace tandem::jit
