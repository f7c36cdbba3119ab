// Guest memory beside main RAM: regions that are mapped, moved and removed, and who is told.
#include <gtest/gtest.h>

#include "core/mem/guest_memory.h"

namespace tandem::tests {
namespace {

using mem::Backing;
using mem::GuestMemory;

constexpr u64 kRam = 4 * MiB, kSize = 64 * KiB;
constexpr Gpa kHere{0xe0000000}, kThere{0xf0000000};

class Listener final : public mem::CodeWriteListener {
 public:
  explicit Listener(GuestMemory& memory) : memory_(memory) { memory_.add_listener(*this); }
  ~Listener() override { memory_.remove_listener(*this); }
  bool code_written(Gpa start, u64) noexcept override {
    written.push_back(raw(start));
    return keeps;
  }
  void code_page_added(u64, CodeWriteListener&) noexcept override {}
  void remapped(Gpa start, u64 length) noexcept override { changes.push_back({raw(start), length}); }

  using Change = std::pair<u64, u64>;
  std::vector<u64> written;
  std::vector<Change> changes;
  bool keeps = false;  // what code_written answers

 private:
  GuestMemory& memory_;
};

class MemoryMapTest : public testing::Test {
 protected:
  std::unique_ptr<GuestMemory> memory = GuestMemory::create(kRam).take();
  u64 offset = memory->allocate(kSize).take();
  Listener listener{*memory};
};

TEST_F(MemoryMapTest, RegionMovesWithItsContent) {
  EXPECT_EQ(offset, kRam);
  mem::Mapping mapping = memory->map(kHere, kSize, {offset, offset});
  ASSERT_TRUE(mapping.held());
  EXPECT_TRUE(memory->write_value<u32>(kHere + (kSize - 4), 0x12345678));
  EXPECT_FALSE(memory->write_value<u32>(kHere + (kSize - 2), 0)) << "half of it is outside";
  memory->write_value<u32>(kHere + (kSize - 4), 0x12345678);
  mapping.release();
  EXPECT_EQ(memory->host(kHere), nullptr);
  mapping = memory->map(kThere, kSize, {offset, offset});
  EXPECT_EQ(memory->read_value<u32>(kThere + (kSize - 4)), 0x12345678u);
  EXPECT_EQ(listener.changes,
            (std::vector<Listener::Change>{{raw(kHere), kSize}, {raw(kHere), kSize}, {raw(kThere), kSize}}));
}

TEST_F(MemoryMapTest, RomIsReadAndNotWritten) {
  memory->base()[offset] = 0x5a;
  const mem::Mapping mapping = memory->map(kHere, kSize, {.read = offset});
  EXPECT_EQ(memory->read_value<u8>(kHere), 0x5au);
  EXPECT_FALSE(memory->write_value<u8>(kHere, 1));
  EXPECT_EQ(memory->read_value<u8>(kHere), 0x5au);
  EXPECT_EQ(memory->host_for_write(kHere), nullptr);
}

TEST_F(MemoryMapTest, OverlapsAreNotHeld) {
  const mem::Mapping first = memory->map(kHere, kSize, {offset, offset});
  struct Row {
    const char* name;
    u64 start, length;
  };
  for (const Row& row : {Row{"the same", raw(kHere), kSize}, Row{"its end", raw(kHere) + kSize - 4096, 4096},
                         Row{"around it", raw(kHere) - 4096, 2 * kSize}, Row{"main RAM", kRam - 4096, 4096},
                         Row{"the legacy window", 0xc0000, 4096}, Row{"nothing", raw(kThere), 0},
                         Row{"the end of addresses", ~u64{0} - 4095, 8192}}) {
    SCOPED_TRACE(row.name);
    EXPECT_FALSE(memory->map(Gpa{row.start}, row.length, {offset, offset}).held());
  }
  EXPECT_TRUE(memory->map(kHere + kSize, kSize, {offset, offset}).held());
}

TEST_F(MemoryMapTest, CodeIsToldOfByEveryAddress) {
  const mem::Mapping a = memory->map(kHere, kSize, {offset, offset});
  const mem::Mapping b = memory->map(kThere, kSize, {.read = offset});
  memory->add_code_page(offset >> kPageShift, listener);
  memory->write_value<u8>(kHere + 8, 1);
  EXPECT_EQ(listener.written, (std::vector<u64>{raw(kHere) + 8, raw(kThere) + 8}));
  memory->write_value<u8>(kHere + 8, 1);
  EXPECT_EQ(listener.written.size(), 2u) << "no longer marked";
}

TEST_F(MemoryMapTest, CodeBeginsWhereTheLowestDoes) {
  const auto from = [&] { return memory->marks().code_from(2); };
  memory->add_code_page(2, listener, 0x800);
  EXPECT_EQ(from(), 0x800);
  memory->add_code_page(2, listener, 0x900);
  EXPECT_EQ(from(), 0x800);
  memory->add_code_page(2, listener, 0x400);
  EXPECT_EQ(from(), 0x400);
  memory->write_value<u8>(Gpa{0x2400}, 1);
  memory->add_code_page(2, listener, 0xa00);
  EXPECT_EQ(from(), 0xa00) << "nobody had code there any more";
}

TEST_F(MemoryMapTest, PageIsMarkedUntilNobodyHasCodeOnIt) {
  Listener other(*memory);
  const auto marked = [&] { return (memory->marks().get(2) & mem::kHoldsCode) != 0; };
  const Gpa at{0x2010};
  memory->add_code_page(2, listener);
  memory->write_value<u8>(at, 1);
  EXPECT_TRUE(other.written.empty()) << "has no code there";
  EXPECT_FALSE(marked());

  memory->add_code_page(2, listener);
  memory->add_code_page(2, other);
  other.keeps = true;  // as one does whose thread is another
  memory->write_value<u8>(at, 1);
  EXPECT_TRUE(marked());
  other.keeps = false;
  memory->tell_again(at, 1, other);
  EXPECT_FALSE(marked());
  EXPECT_EQ(listener.written.size(), 2u);
  EXPECT_EQ(other.written.size(), 2u);
}

TEST_F(MemoryMapTest, SmramHasAnAddressOfItsOwn) {
  memory->write_value<u8>(Gpa{0xa8000}, 0x77);
  memory->set_legacy(Gpa{0xa0000}, 0x20000, {});
  EXPECT_EQ(memory->host(Gpa{0xa8000}), nullptr);
  EXPECT_EQ(memory->read_value<u8>(Gpa{mem::kSmramView | 0xa8000}), 0x77u);
}

TEST_F(MemoryMapTest, AllocationHasALimit) {
  EXPECT_FALSE(memory->allocate(GiB));
  EXPECT_FALSE(memory->allocate(~u64{0}));
}

}  // namespace
}  // namespace tandem::tests
