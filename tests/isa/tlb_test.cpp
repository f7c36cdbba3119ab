// The soft TLB: what stays over which flush.
#include "core/mmu/tlb.h"

#include <gtest/gtest.h>

#include <memory>

namespace tandem::tests {
namespace {

using namespace mmu;

constexpr u64 kAddend = 0x7000'0000'0000;
constexpr u64 page(u64 n) { return n << kPageShift; }

class TlbTest : public testing::Test {
 protected:
  void fill(u64 linear, bool write, bool global, unsigned page_shift = kPageShift, u64 addend = kAddend,
            Privilege privilege = Privilege::Supervisor) {
    tlb->fill(privilege, linear, addend, write, global, page_shift);
  }
  const TlbBank& bank(Privilege privilege = Privilege::Supervisor) const {
    return tlb->banks[static_cast<unsigned>(privilege)];
  }
  bool has(u64 linear, bool write, Privilege privilege = Privilege::Supervisor) const {
    const TlbBank& b = bank(privilege);
    return (write ? b.write : b.read)[tlb_index(linear)].tag == (linear & ~kPageMask);
  }
  // Of the pages from 0 on, read entries that are there.
  unsigned filled(unsigned pages) const {
    unsigned n = 0;
    for (u64 i = 0; i < pages; ++i) n += has(page(i), false);
    return n;
  }
  std::unique_ptr<Tlb> tlb = std::make_unique<Tlb>();
};

TEST_F(TlbTest, HasNothingAtFirst) {
  for (const Privilege p : {Privilege::User, Privilege::Supervisor, Privilege::SupervisorSmap})
    for (unsigned i = 0; i < kTlbEntries; ++i) {
      ASSERT_EQ(bank(p).read[i].tag, TlbEntry::kInvalid) << i;
      ASSERT_EQ(bank(p).write[i].tag, TlbEntry::kInvalid) << i;
    }
}

TEST_F(TlbTest, AccessesAndPrivilegesAreApart) {
  fill(page(5), false, false);
  EXPECT_TRUE(has(page(5), false));
  EXPECT_FALSE(has(page(5), true));
  EXPECT_FALSE(has(page(5), false, Privilege::User));
  EXPECT_FALSE(has(page(5 + kTlbEntries), false)) << "another page of that entry";
}

TEST_F(TlbTest, AllGoByAFlush) {
  for (unsigned round = 0; round < 3; ++round) {
    for (u64 i = 0; i < kTlbEntries; ++i) fill(page(i), false, i % 2);
    EXPECT_EQ(filled(kTlbEntries), kTlbEntries) << round;
    tlb->flush();
    EXPECT_EQ(filled(kTlbEntries), 0u) << round;
  }
}

TEST_F(TlbTest, GlobalPagesStay) {
  for (unsigned round = 0; round < 3; ++round) {
    for (u64 i = 0; i < kTlbEntries; ++i) fill(page(i), false, i % 3 == 0);
    tlb->flush_local();
    for (u64 i = 0; i < kTlbEntries; ++i)
      ASSERT_EQ(has(page(i), false), i % 3 == 0) << i << " round " << round;
  }
}

// The entry has been another page's: what is known of it is of both.
TEST_F(TlbTest, APageThatIsNotGlobalTakesTheOneBesideItAlong) {
  fill(page(7), false, true);
  fill(page(7 + kTlbEntries), true, false);
  tlb->flush_local();
  EXPECT_FALSE(has(page(7 + kTlbEntries), true));
}

TEST_F(TlbTest, OnePageGoesFromAllBanks) {
  for (const Privilege p : {Privilege::User, Privilege::Supervisor, Privilege::SupervisorSmap})
    for (const bool write : {false, true}) {
      fill(page(9), write, true, kPageShift, kAddend, p);
      fill(page(10), write, true, kPageShift, kAddend, p);
    }
  tlb->flush_page(page(9) + 123);
  for (const Privilege p : {Privilege::User, Privilege::Supervisor, Privilege::SupervisorSmap})
    for (const bool write : {false, true}) {
      EXPECT_FALSE(has(page(9), write, p));
      EXPECT_TRUE(has(page(10), write, p));
    }
}

TEST_F(TlbTest, LargePagesAreKnownUntilAllGo) {
  fill(0x40'0000, false, true, 21);
  EXPECT_TRUE(tlb->may_be_in_large_page(0x5f'f000));
  tlb->flush_local();
  EXPECT_TRUE(tlb->may_be_in_large_page(0x5f'f000));
  tlb->flush();
  EXPECT_FALSE(tlb->may_be_in_large_page(0x5f'f000));
}

// A page of the host's that now holds code: whoever writes there has to be noticed, by whatever address.
TEST_F(TlbTest, WritesToAHostPageGo) {
  const u64 host = kAddend + page(100);
  fill(page(100), true, false);
  fill(page(33), true, true, kPageShift, host - page(33));
  fill(page(34), true, false, kPageShift, host - page(34), Privilege::User);
  fill(page(100), false, false);
  fill(page(101), true, false);
  tlb->protect_host_page(reinterpret_cast<const u8*>(host));
  EXPECT_FALSE(has(page(100), true));
  EXPECT_FALSE(has(page(33), true));
  EXPECT_FALSE(has(page(34), true, Privilege::User));
  EXPECT_TRUE(has(page(100), false)) << "reads";
  EXPECT_TRUE(has(page(101), true)) << "the next page";
}

}  // namespace
}  // namespace tandem::tests
