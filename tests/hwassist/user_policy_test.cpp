// When user code goes to KVM.
#include "hwassist/user_policy.h"

#include <gtest/gtest.h>

namespace tandem::tests {
namespace {

using hwassist::UserPolicy;
constexpr u64 kA = 0x1000, kB = 0x2000;
constexpr i64 kMicro = 1000;

unsigned slices_until_go(UserPolicy& policy, u64 cr3) {
  for (unsigned n = 1; n < 100'000; ++n)
    if (policy.go(true, cr3)) return n;
  return 0;
}

TEST(UserPolicy, WaitsForAStretchInUserMode) {
  UserPolicy policy;
  EXPECT_FALSE(policy.go(true, kA));
  const unsigned patience = 1 + slices_until_go(policy, kA);
  EXPECT_GT(patience, 2u);
  UserPolicy broken;
  for (unsigned n = 0; n < 10 * patience; ++n)
    EXPECT_FALSE(broken.go(n % 2 == 0, kA)) << "kernel code in between";
}

TEST(UserPolicy, AnotherAddressSpaceBeginsAnew) {
  UserPolicy policy;
  const unsigned patience = slices_until_go(policy, kA);
  UserPolicy other;
  for (unsigned n = 1; n < patience; ++n) EXPECT_FALSE(other.go(true, kA));
  EXPECT_FALSE(other.go(true, kB));
  EXPECT_EQ(slices_until_go(other, kB), patience - 1);
}

TEST(UserPolicy, LongStaysComeAgainAtOnceInShortSlices) {
  UserPolicy policy;
  const u64 usual = policy.slice();
  slices_until_go(policy, kA);
  policy.came_back(kA, 4000 * kMicro, 60 * kMicro);
  EXPECT_LT(policy.slice(), usual);
  EXPECT_FALSE(policy.go(false, kA)) << "the interrupt's handler";
  EXPECT_EQ(slices_until_go(policy, kA), 1u);
}

TEST(UserPolicy, ShortStaysBecomeRare) {
  UserPolicy policy;
  unsigned before = slices_until_go(policy, kA);
  for (int i = 0; i < 5; ++i) {
    policy.came_back(kA, 10 * kMicro, 60 * kMicro);
    const unsigned now = slices_until_go(policy, kA);
    EXPECT_EQ(now, 2 * before);
    before = now;
  }
  UserPolicy other;
  EXPECT_LT(slices_until_go(other, kB), before);
}

TEST(UserPolicy, SlicesGrowLongAgainWhenTheProgramDoesNotComeBack) {
  UserPolicy policy;
  const u64 usual = policy.slice();
  slices_until_go(policy, kA);
  policy.came_back(kA, 4000 * kMicro, 60 * kMicro);
  for (int n = 0; n < 1000; ++n) policy.go(false, 0);
  EXPECT_EQ(policy.slice(), usual);
}

}  // namespace
}  // namespace tandem::tests
