// Vm: one KVM virtual machine over a GuestMemory. KVM sees guest memory through a second mapping of its
// memfd, in which pages that hold translated code can't be written: a write there ends KVM_RUN, and the
// software engine, which knows what to drop, does it. Over a private view it sees the view itself, and keeps
// a log of what it writes.
#pragma once

#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

#include "core/base/result.h"
#include "core/cpu/engine.h"
#include "core/mem/guest_memory.h"
#include "hwassist/kvm/abi.h"
#include "hwassist/kvm/doorbells.h"
#include "hwassist/kvm/host.h"

namespace tandem::hwassist::kvm {

class Vm final : public mem::CodeWriteListener {
 public:
  static Result<std::unique_ptr<Vm>> create(std::shared_ptr<Host> host, mem::GuestMemory& memory);
  ~Vm() override;

  const Fd& fd() const { return vm_; }
  mem::GuestMemory& memory() { return memory_; }
  u32 run_bytes() const { return run_bytes_; }  // of a vCPU's shared page
  const CpuidList& supported_cpuid() const { return *supported_; }
  // Can the guest's TSC be another than the host's? The probe finds out; at first, no.
  bool shifts_tsc() const { return shifts_tsc_; }
  void set_shifts_tsc(bool on) { shifts_tsc_ = on; }

  // Around every KVM_RUN. enter() brings slots and protection up to date; false: KVM can't run this now.
  bool enter();
  void leave();
  // After a write that KVM could not do: pages that no longer hold code can be written again.
  void release_pages();
  // Drops all that KVM has derived from the guest's page tables. A KVM that shadows them does not notice
  // when they are written by the software engine.
  void forget_mappings();
  // From now on the kernel takes writes to the doorbells of this machine; the first call counts.
  void take_doorbells(cpu::ExitSink& machine);
  // See Doorbells.
  void deliver_doorbells();
  // Over a private view: marks the pages that KVM has written since the last call as dirty.
  bool mark_writes();

  bool code_written(Gpa, u64) noexcept override { return false; }
  void code_page_added(u64 page, CodeWriteListener& who) noexcept override;
  void remapped(Gpa start, u64 length) noexcept override;

 private:
  struct Slot {
    u64 start, length, offset;
    bool readonly;
    bool operator==(const Slot&) const = default;
  };

  Vm(Fd kvm, Fd vm, mem::GuestMemory& memory);
  Result<void> set_up();
  void filter_msrs();
  std::vector<Slot> wanted_slots() const;
  bool update_slots();
  bool set_slot(u32 number, const Slot& slot);
  bool mark_writes(u32 number, const Slot& slot);
  bool logs_writes() const { return memory_.is_private(); }
  void protect_pending();
  bool protect(u64 page, int protection);

  Fd kvm_, vm_;
  mem::GuestMemory& memory_;
  u32 run_bytes_ = 0;
  std::unique_ptr<CpuidList> supported_;
  bool shifts_tsc_ = false;
  u8* view_ = nullptr;  // KVM's mapping
  u64 view_bytes_ = 0;

  std::once_flag doorbells_asked_;
  std::unique_ptr<Doorbells> doorbells_;  // null: none are taken

  std::mutex mutex_;  // guards all below
  std::vector<std::optional<Slot>> slots_;
  std::vector<u64> pending_;  // pages to be protected before anyone enters
  std::unordered_set<u64> protected_;
  unsigned inside_ = 0;  // vCPUs in KVM_RUN
  bool slots_stale_ = true;
  bool broken_ = false;  // the host refused a protection
};

}  // namespace tandem::hwassist::kvm
