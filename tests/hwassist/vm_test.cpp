// A KVM that refuses, or lacks something; memory slots and pages that hold code.
#include "hwassist/kvm/vm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/hwassist/fake_kvm.h"

namespace tandem::tests {
namespace {

using hwassist::kvm::Vm;
using mem::GuestMemory;

class Coder final : public mem::CodeWriteListener {
 public:
  bool code_written(Gpa, u64) noexcept override { return false; }
  void code_page_added(u64, CodeWriteListener&) noexcept override {}
  void remapped(Gpa, u64) noexcept override {}
};

class VmTest : public testing::Test {
 protected:
  std::unique_ptr<GuestMemory> memory = GuestMemory::create(8 * MiB).take();
  std::shared_ptr<FakeKvm> fake = std::make_shared<FakeKvm>();

  std::string refusal() {
    auto vm = Vm::create(fake, *memory);
    return vm ? std::string() : vm.error().message;
  }
};

TEST_F(VmTest, RefusalsNameTheReason) {
  struct Row {
    std::function<void(FakeKvm&)> change;
    const char* message;
  };
  const Row rows[] = {
      {[](FakeKvm& f) { f.open_result = -ENOENT; }, "/dev/kvm: No such file or directory"},
      {[](FakeKvm& f) { f.open_result = -EACCES; }, "/dev/kvm: Permission denied"},
      {[](FakeKvm& f) { f.refused[KVM_GET_API_VERSION] = 11; }, "/dev/kvm: API version 11 is not 12"},
      {[](FakeKvm& f) { f.refused[KVM_GET_API_VERSION] = -ENOTTY; },
       "/dev/kvm: KVM_GET_API_VERSION: Inappropriate ioctl for device"},
      {[](FakeKvm& f) { f.lacking.insert(KVM_CAP_IMMEDIATE_EXIT); }, "/dev/kvm lacks KVM_CAP_IMMEDIATE_EXIT"},
      {[](FakeKvm& f) { f.refused[KVM_CREATE_VM] = -EBUSY; },
       "/dev/kvm: KVM_CREATE_VM: Device or resource busy"},
      {[](FakeKvm& f) { f.refused[hwassist::kvm::kGetSupportedCpuid] = -E2BIG; },
       "/dev/kvm: KVM_GET_SUPPORTED_CPUID: Argument list too long"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.message);
    fake = std::make_shared<FakeKvm>();
    row.change(*fake);
    EXPECT_EQ(refusal(), row.message);
  }
}

// Those that the machine keeps come to it, and so do those that the kernel does not know or whose value it
// refuses.
TEST_F(VmTest, MsrsOfTheMachineAreFiltered) {
  auto vm = Vm::create(fake, *memory).take();
  EXPECT_EQ(fake->filtered, (std::vector<u32>{0x10, 0x1b, 0x3b, 0x6e0}));
  EXPECT_EQ(fake->filter_default, u64{KVM_MSR_FILTER_DEFAULT_ALLOW});
  const auto cap = std::ranges::find(fake->enabled, u32{KVM_CAP_X86_USER_SPACE_MSR}, &kvm_enable_cap::cap);
  ASSERT_NE(cap, fake->enabled.end());
  EXPECT_EQ(cap->args[0],
            u64{KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER});
}

TEST_F(VmTest, SlotsFollowTheMemoryMap) {
  const u64 offset = memory->allocate(64 * KiB).take();
  auto vm = Vm::create(fake, *memory).take();
  ASSERT_TRUE(vm->enter());
  vm->leave();
  ASSERT_EQ(fake->slots.size(), 1u) << "all of RAM is one piece";
  EXPECT_EQ(fake->slots[0].memory_size, 8 * MiB);

  fake->slots.clear();
  const mem::Mapping rom = memory->map(Gpa{0xe0000000}, 64 * KiB, {.read = offset});
  EXPECT_TRUE(fake->slots.empty()) << "before anybody enters";
  ASSERT_TRUE(vm->enter());
  ASSERT_EQ(fake->slots.size(), 1u);
  EXPECT_EQ(fake->slots[0].guest_phys_addr, 0xe0000000u);
  EXPECT_EQ(fake->slots[0].flags, u32{KVM_MEM_READONLY});

  fake->slots.clear();
  memory->set_legacy(Gpa{0xa0000}, 0x20000, {});
  EXPECT_EQ(fake->slots.size(), 3u) << "at once, since somebody is inside: RAM goes, and comes in two pieces";
  vm->leave();
}

TEST_F(VmTest, ARefusedSlotKeepsEverybodyOut) {
  auto vm = Vm::create(fake, *memory).take();
  fake->refused[KVM_SET_USER_MEMORY_REGION] = -EINVAL;
  EXPECT_FALSE(vm->enter());
}

TEST_F(VmTest, PagesThatHoldCodeCantBeWrittenByKvm) {
  auto vm = Vm::create(fake, *memory).take();
  Coder coder;
  memory->add_listener(coder);
  memory->add_code_page(3, coder);
  ASSERT_TRUE(vm->enter());
  vm->leave();
  const u64 view = fake->slots.at(0).userspace_addr;
  // SAFETY: the fake has been given this process's own mapping, 8 MiB long.
  volatile u8* const page = reinterpret_cast<u8*>(view + 3 * kPageSize);
  EXPECT_EXIT(*page = 1, testing::KilledBySignal(SIGSEGV), "");
  memory->write_value<u8>(Gpa{3 * kPageSize}, 7);  // its code goes
  EXPECT_EXIT(*page = 1, testing::KilledBySignal(SIGSEGV), "") << "not before it is asked for";
  vm->release_pages();
  *page = 9;
  EXPECT_EQ(memory->read_value<u8>(Gpa{3 * kPageSize}), 9u);
  memory->remove_listener(coder);
}

TEST_F(VmTest, WritesToAPrivateViewAreLogged) {
  const u64 offset = memory->allocate(64 * KiB).take();
  auto view = GuestMemory::private_view(*memory).take();
  auto vm = Vm::create(fake, *view).take();
  const mem::Mapping ram = memory->map(Gpa{0xe0000000}, 64 * KiB, {offset, offset});
  vm->forget_mappings();
  fake->slots.clear();
  ASSERT_TRUE(vm->enter());
  vm->leave();
  ASSERT_EQ(fake->slots.size(), 2u);
  for (const kvm_userspace_memory_region& slot : fake->slots)
    EXPECT_EQ(slot.flags, u32{KVM_MEM_LOG_DIRTY_PAGES});
  EXPECT_EQ(fake->slots[0].userspace_addr, reinterpret_cast<u64>(view->base()));
  fake->logged = {{fake->slots[0].slot, 0x8001}, {fake->slots[1].slot, 2}};
  ASSERT_TRUE(vm->mark_writes());
  std::vector<u64> pages;
  view->marks().for_each(mem::kDirty, [&](u64 page) { pages.push_back(page); });
  EXPECT_EQ(pages, (std::vector<u64>{0, 15, offset / kPageSize + 1}));
  fake->refused[KVM_GET_DIRTY_LOG] = -ENOENT;
  EXPECT_FALSE(vm->mark_writes());
}

}  // namespace
}  // namespace tandem::tests
