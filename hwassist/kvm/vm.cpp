#include "hwassist/kvm/vm.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace tandem::hwassist::kvm {

namespace {

constexpr int kApiVersion = 12;
// Beyond the guest's addresses, for forget_mappings().
constexpr u32 kSpareSlot = 500;
constexpr u64 kSpareAddress = u64{1} << 38;

struct Capability {
  int number;
  std::string_view name;
};
constexpr Capability kRequired[] = {
    {KVM_CAP_USER_MEMORY, "USER_MEMORY"},
    {KVM_CAP_READONLY_MEM, "READONLY_MEM"},
    {KVM_CAP_EXT_CPUID, "EXT_CPUID"},
    {KVM_CAP_XSAVE, "XSAVE"},
    {KVM_CAP_XCRS, "XCRS"},
    {KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS"},
    {KVM_CAP_DEBUGREGS, "DEBUGREGS"},
    {KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
    {KVM_CAP_SYNC_MMU, "SYNC_MMU"},
    {KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "DESTROY_MEMORY_REGION_WORKS"},
};

Error refused(std::string_view what, int error) {
  return host_error(fmt::format("/dev/kvm: {}: {}", what, std::strerror(-error)));
}

// Creating a VM can be interrupted on a busy machine.
int create_vm(const Fd& kvm) {
  for (int tries = 0; tries < 5; ++tries)
    if (const int fd = kvm.call(KVM_CREATE_VM); fd != -EINTR) return fd;
  return -EINTR;
}

}  // namespace

Vm::Vm(Fd kvm, Fd vm, mem::GuestMemory& memory)
    : kvm_(std::move(kvm)), vm_(std::move(vm)), memory_(memory), supported_(std::make_unique<CpuidList>()) {}

Result<std::unique_ptr<Vm>> Vm::create(std::shared_ptr<Host> host, mem::GuestMemory& memory) {
  const int kvm_fd = host->open();
  if (kvm_fd < 0) return host_error(fmt::format("/dev/kvm: {}", std::strerror(-kvm_fd)));
  Fd kvm(host, kvm_fd);
  const int version = kvm.call(KVM_GET_API_VERSION);
  if (version < 0) return refused("KVM_GET_API_VERSION", version);
  if (version != kApiVersion)
    return host_error(fmt::format("/dev/kvm: API version {} is not {}", version, kApiVersion));
  for (const Capability& c : kRequired)
    if (kvm.call(KVM_CHECK_EXTENSION, static_cast<u64>(c.number)) <= 0)
      return host_error(fmt::format("/dev/kvm lacks KVM_CAP_{}", c.name));
  const int vm_fd = create_vm(kvm);
  if (vm_fd < 0) return refused("KVM_CREATE_VM", vm_fd);
  std::unique_ptr<Vm> vm(new Vm(std::move(kvm), Fd(host, vm_fd), memory));
  TANDEM_TRY(vm->set_up());
  return vm;
}

Result<void> Vm::set_up() {
  if (const int bytes = kvm_.call(KVM_GET_VCPU_MMAP_SIZE); bytes > 0) run_bytes_ = static_cast<u32>(bytes);
  else return refused("KVM_GET_VCPU_MMAP_SIZE", bytes);
  supported_->count = static_cast<u32>(std::size(supported_->entries));
  if (const int r = kvm_.call(kGetSupportedCpuid, supported_.get()); r < 0)
    return refused("KVM_GET_SUPPORTED_CPUID", r);
  // Optional: without them such an instruction gets #GP, or the failure comes without its bytes.
  kvm_enable_cap cap{};
  cap.cap = KVM_CAP_X86_USER_SPACE_MSR;
  cap.args[0] = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER;
  vm_.call(KVM_ENABLE_CAP, &cap);
  cap = {};
  cap.cap = KVM_CAP_EXIT_ON_EMULATION_FAILURE;
  cap.args[0] = 1;
  vm_.call(KVM_ENABLE_CAP, &cap);
  filter_msrs();

  if (memory_.is_private()) return view_ = memory_.base(), Result<void>{};
  view_bytes_ = memory_.marks().size() * kPageSize;
  void* view =
      mmap(nullptr, view_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory_.fd(), 0);
  if (view == MAP_FAILED) return refused("a second mapping of guest memory", -errno);
  view_ = static_cast<u8*>(view);
  memory_.add_listener(*this);
  for (u64 page = 0; page < memory_.marks().size(); ++page)
    if (memory_.marks().get(page) & mem::kHoldsCode) pending_.push_back(page);
  return {};
}

// Time and the APIC's place are kept outside of the engines: the guest's accesses come to us.
void Vm::filter_msrs() {
  static constexpr u32 kOurs[] = {0x10, 0x1b, 0x3b, 0x6e0};  // TSC, APIC_BASE, TSC_ADJUST, TSC_DEADLINE
  u64 deny = 0;                                              // the kernel reads whole words
  kvm_msr_filter filter{};
  filter.flags = KVM_MSR_FILTER_DEFAULT_ALLOW;
  for (u32 i = 0; i < std::size(kOurs); ++i) {
    filter.ranges[i].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
    filter.ranges[i].nmsrs = 1;
    filter.ranges[i].base = kOurs[i];
    filter.ranges[i].bitmap = reinterpret_cast<u8*>(&deny);
  }
  vm_.call(KVM_X86_SET_MSR_FILTER, &filter);
}

Vm::~Vm() {
  if (!view_bytes_) return;
  memory_.remove_listener(*this);
  munmap(view_, view_bytes_);
}

bool Vm::enter() {
  std::lock_guard lock(mutex_);
  if (slots_stale_ && !update_slots()) broken_ = true;
  slots_stale_ = false;
  protect_pending();
  if (broken_) return false;
  ++inside_;
  return true;
}

void Vm::leave() {
  std::lock_guard lock(mutex_);
  --inside_;
}

bool Vm::protect(u64 page, int protection) {
  return mprotect(view_ + page * kPageSize, kPageSize, protection) == 0;
}

void Vm::protect_pending() {
  for (const u64 page : pending_) {
    if (!(memory_.marks().get(page) & mem::kHoldsCode) || !protected_.insert(page).second) continue;
    if (!protect(page, PROT_READ)) broken_ = true;
  }
  pending_.clear();
}

void Vm::code_page_added(u64 page, CodeWriteListener&) noexcept {
  std::lock_guard lock(mutex_);
  pending_.push_back(page);
  if (inside_) protect_pending();
}

void Vm::release_pages() {
  std::lock_guard lock(mutex_);
  std::erase_if(protected_, [&](u64 page) {
    return !(memory_.marks().get(page) & mem::kHoldsCode) && protect(page, PROT_READ | PROT_WRITE);
  });
}

void Vm::remapped(Gpa, u64) noexcept {
  std::lock_guard lock(mutex_);
  slots_stale_ = true;
  if (inside_) slots_stale_ = !update_slots();
}

std::vector<Vm::Slot> Vm::wanted_slots() const {
  std::vector<Slot> all;
  for (const mem::MemoryMap::Region& r : memory_.layout()) {
    if (r.to.read == mem::kNoMemory) continue;
    const Slot slot{r.start, r.length, r.to.read, r.to.read != r.to.write};
    Slot* last = all.empty() ? nullptr : &all.back();
    if (last && last->start + last->length == slot.start && last->offset + last->length == slot.offset &&
        last->readonly == slot.readonly)
      last->length += slot.length;
    else all.push_back(slot);
  }
  return all;
}

bool Vm::set_slot(u32 number, const Slot& slot) {
  kvm_userspace_memory_region region{};
  region.slot = number;
  region.flags = slot.readonly ? KVM_MEM_READONLY : logs_writes() ? KVM_MEM_LOG_DIRTY_PAGES : 0;
  region.guest_phys_addr = slot.start;
  region.memory_size = slot.length;
  region.userspace_addr = reinterpret_cast<u64>(view_ + slot.offset);
  return vm_.call(KVM_SET_USER_MEMORY_REGION, &region) >= 0;
}

// Takes away what is no longer wanted, then adds what is new.
bool Vm::update_slots() {
  std::vector<Slot> wanted = wanted_slots();
  bool good = true;
  for (u32 i = 0; i < slots_.size(); ++i) {
    if (!slots_[i]) continue;
    if (std::erase(wanted, *slots_[i])) continue;
    good &= set_slot(i, {slots_[i]->start, 0, 0, false});
    slots_[i].reset();
  }
  for (const Slot& slot : wanted) {
    const auto free = std::ranges::find_if(slots_, [](const auto& s) { return !s; });
    const auto number = static_cast<u32>(free - slots_.begin());
    if (free == slots_.end()) slots_.emplace_back();
    slots_[number] = slot;
    good &= set_slot(number, slot);
  }
  return good;
}

// When a slot is deleted, KVM drops every mapping of the VM.
void Vm::forget_mappings() {
  std::lock_guard lock(mutex_);
  set_slot(kSpareSlot, {kSpareAddress, kPageSize, 0, false});
  set_slot(kSpareSlot, {kSpareAddress, 0, 0, false});
  if (memory_.is_private()) slots_stale_ = true;  // nobody tells a view's listeners of remapping
}

void Vm::take_doorbells(cpu::ExitSink& machine) {
  std::call_once(doorbells_asked_, [&] {
    std::vector<bus::Bus*> buses;
    for (const bus::BusKind kind : {bus::BusKind::Pio, bus::BusKind::Mmio})
      if (bus::Bus* const bus = machine.doorbell_bus(kind)) buses.push_back(bus);
    if (!buses.empty()) doorbells_ = Doorbells::create(vm_, std::move(buses));
  });
}

void Vm::deliver_doorbells() {
  if (doorbells_) doorbells_->deliver();
}

bool Vm::mark_writes() {
  std::lock_guard lock(mutex_);
  for (u32 i = 0; i < slots_.size(); ++i)
    if (slots_[i] && !slots_[i]->readonly && !mark_writes(i, *slots_[i])) return false;
  return true;
}

// A bit a page, of which reading takes the set ones back (api.rst, KVM_GET_DIRTY_LOG).
bool Vm::mark_writes(u32 number, const Slot& slot) {
  constexpr u64 kBits = 64;
  std::vector<u64> bitmap((slot.length / kPageSize + kBits - 1) / kBits);
  kvm_dirty_log log{};
  log.slot = number;
  log.dirty_bitmap = bitmap.data();
  if (vm_.call(KVM_GET_DIRTY_LOG, &log) < 0) return false;
  for (u64 word = 0; word < bitmap.size(); ++word)
    for (u64 bits = bitmap[word]; bits; bits &= bits - 1) {
      const u64 page = word * kBits + static_cast<unsigned>(std::countr_zero(bits));
      memory_.marks().set(slot.offset / kPageSize + page, mem::kDirty);
    }
  return true;
}

}  // namespace tandem::hwassist::kvm
