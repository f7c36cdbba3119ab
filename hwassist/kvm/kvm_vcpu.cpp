#include "hwassist/kvm/kvm_vcpu.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstring>

#include "core/bus/pieces.h"

namespace tandem::hwassist::kvm {

using namespace cpu;

namespace {

// Ends a KVM_RUN that is under way; that it comes is all.
int kick_signal() { return SIGRTMIN + 3; }

void take_kick_signal() {
  struct sigaction action{};
  action.sa_handler = [](int) {};
  sigaction(kick_signal(), &action, nullptr);
}

// CPUID leaves whose subleaves differ, and how many of them there are (SDM vol. 2, CPUID).
unsigned subleaves_of(u32 leaf) {
  switch (leaf) {
    case 4: return 5;
    case 7: return 2;
    case 0xb: return 2;
    case 0xd: return 8;
    case 0x14: return 1;
    default: return 0;
  }
}

CpuidList cpuid_list(const CpuModel& model, VcpuId id) {
  CpuidList list;
  const CpuidContext context{.apic_id = raw(id)};
  const auto add = [&](u32 leaf, u32 subleaf, u32 flags) {
    const CpuidResult r = cpuid(model, leaf, subleaf, context);
    kvm_cpuid_entry2& e = list.entries[list.count++];
    e.function = leaf;
    e.index = subleaf;
    e.flags = flags;
    e.eax = r.eax;
    e.ebx = r.ebx;
    e.ecx = r.ecx;
    e.edx = r.edx;
  };
  for (const u32 first : {0u, 0x80000000u}) {
    const u32 last = cpuid(model, first, 0, context).eax;
    for (u32 leaf = first; leaf >= first && leaf <= last && leaf - first < 64; ++leaf) {
      const unsigned n = subleaves_of(leaf);
      if (n == 0) add(leaf, 0, 0);
      for (u32 i = 0; i < n; ++i) add(leaf, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }
  }
  return list;
}

}  // namespace

KvmVcpu::KvmVcpu(Vm& vm, VcpuId id, Fd fd, kvm_run* run) : vm_(vm), id_(id), fd_(std::move(fd)), run_(run) {}

Result<std::unique_ptr<KvmVcpu>> KvmVcpu::create(Vm& vm, VcpuId id, const CpuModel& model) {
  const int fd = vm.fd().call(KVM_CREATE_VCPU, u64{raw(id)});
  if (fd < 0) return host_error(fmt::format("/dev/kvm: KVM_CREATE_VCPU: {}", std::strerror(-fd)));
  Fd owned(vm.fd().shared_host(), fd);
  // SAFETY: the kernel's page for this vCPU; its size is at least that of kvm_run.
  auto* run = static_cast<kvm_run*>(owned.host().map(fd, vm.run_bytes()));
  if (!run) return host_error("/dev/kvm: the vCPU's page can't be mapped");
  std::unique_ptr<KvmVcpu> vcpu(new KvmVcpu(vm, id, std::move(owned), run));
  TANDEM_TRY(vcpu->set_cpuid(model));
  take_kick_signal();
  return vcpu;
}

KvmVcpu::~KvmVcpu() { fd_.host().unmap(run_, vm_.run_bytes()); }

Result<void> KvmVcpu::set_cpuid(const CpuModel& model) {
  const CpuidList list = cpuid_list(model, id_);
  if (const int r = fd_.call(kSetCpuid, &list); r < 0)
    return host_error(fmt::format("/dev/kvm: KVM_SET_CPUID2: {}", std::strerror(-r)));
  layout_ = host_xsave_layout(xcr0_mask(model));
  find_unknown_msrs();
  return {};
}

void KvmVcpu::kick() noexcept {
  asked_ = true;
  __atomic_store_n(&run_->immediate_exit, 1, __ATOMIC_SEQ_CST);
  if (inside_) pthread_kill(thread_, kick_signal());
}

bool KvmVcpu::step() {
  kvm_guest_debug debug{};
  debug.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
  return steps_ = set_debug(debug);
}

bool KvmVcpu::set_debug(const kvm_guest_debug& points) { return fd_.call(KVM_SET_GUEST_DEBUG, &points) >= 0; }

// --- Running ----------------------------------------------------------------------------------------------

Exit KvmVcpu::enter() {
  if (!vm_.enter()) return {ExitKind::Software, "no_mapping"};
  const int r = fd_.call(KVM_RUN);
  vm_.leave();
  const Exit exit = decode_exit(r, *run_);
  unsettled_ = exit.kind == ExitKind::Io || exit.kind == ExitKind::Mmio || exit.kind == ExitKind::Msr;
  served_ = false;
  return exit;
}

// Goes through KVM_RUN without running the guest: after an I/O exit this ends the instruction (api.rst,
// KVM_RUN), and it brings the shared page up to date. Where the access has more pieces, `sink` gets them;
// null: the instruction will be done anew, and nobody does.
void KvmVcpu::settle(ExitSink* sink) {
  constexpr int kMaxPieces = 4096;  // a REP INS of one page
  for (int i = 0; i < kMaxPieces; ++i) {
    __atomic_store_n(&run_->immediate_exit, 1, __ATOMIC_SEQ_CST);
    const Exit exit = decode_exit(fd_.call(KVM_RUN), *run_);
    if (exit.kind == ExitKind::Io && sink) do_io(*sink);
    if (exit.kind == ExitKind::Mmio && sink) do_mmio(*sink);
    if (exit.kind != ExitKind::Io && exit.kind != ExitKind::Mmio) break;
  }
  unsettled_ = false;
}

Ended KvmVcpu::run(ExitSink& sink) {
  thread_ = pthread_self();
  inside_ = true;
  std::optional<Ended> ended;
  while (!ended) {
    // In this order: a kick in between is seen by the one or by the other.
    __atomic_store_n(&run_->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (asked_.exchange(false)) {
      ended = {Ended::Why::Kicked, "kicked"};
      break;
    }
    if (scope_ == Scope::Whole) offer_interrupt(sink);
    if (halted_) {
      ended = {Ended::Why::Halted, "halt"};
      break;
    }
    const Exit exit = enter();
    if (scope_ == Scope::Whole && run_->cr8 != sink.read_cr8(id_))
      sink.write_cr8(id_, static_cast<u8>(run_->cr8));
    ended = handle(exit, sink);
  }
  if (unsettled_ && served_) settle(&sink);
  inside_ = false;
  return *ended;
}

std::optional<Ended> KvmVcpu::handle(const Exit& exit, ExitSink& sink) {
  if (scope_ == Scope::User) return handle_in_user_code(exit, sink);
  switch (exit.kind) {
    case ExitKind::Interrupted:
    case ExitKind::InterruptWindow:
    case ExitKind::Tpr: return {};
    case ExitKind::Io: return do_io(sink), std::nullopt;
    case ExitKind::Mmio: return do_mmio(sink), std::nullopt;
    case ExitKind::Msr:
      if (do_msr(sink)) return {};
      return Ended{Ended::Why::Software, exit.name};
    case ExitKind::Halt: halted_ = true; return {};
    case ExitKind::Shutdown: return Ended{Ended::Why::TripleFault, exit.name};
    case ExitKind::Software: return Ended{Ended::Why::Software, exit.name};
    case ExitKind::Failed: return Ended{Ended::Why::Failed, exit.name};
  }
  return Ended{Ended::Why::Failed, exit.name};
}

// What reaches a device is done here, too: with a write, KVM's emulator has gone past the instruction.
std::optional<Ended> KvmVcpu::handle_in_user_code(const Exit& exit, ExitSink& sink) {
  switch (exit.kind) {
    case ExitKind::Interrupted: return {};
    case ExitKind::Failed: return Ended{Ended::Why::Failed, exit.name};
    case ExitKind::Io: do_io(sink); break;
    case ExitKind::Mmio: do_mmio(sink); break;
    default: break;
  }
  return Ended{Ended::Why::Software, exit.name};
}

// Gives KVM an interrupt where it can take one now, or asks to be told when it can.
void KvmVcpu::offer_interrupt(ExitSink& sink) {
  run_->cr8 = sink.read_cr8(id_);
  run_->request_interrupt_window = 0;
  if (!sink.interrupt_pending(id_)) return;
  if (run_->ready_for_interrupt_injection && run_->if_flag) {
    if (const auto vector = sink.take_interrupt(id_)) {
      kvm_interrupt interrupt{*vector};
      fd_.call(KVM_INTERRUPT, &interrupt);
      halted_ = false;
      run_->ready_for_interrupt_injection = 0;
    }
  }
  run_->request_interrupt_window = sink.interrupt_pending(id_);
}

void KvmVcpu::do_io(ExitSink& sink) {
  served_ = true;
  const auto& io = run_->io;
  const auto dir = io.direction == KVM_EXIT_IO_OUT ? bus::IoDir::Write : bus::IoDir::Read;
  // SAFETY: the kernel's own offset into the page that it shares with us.
  u8* data = reinterpret_cast<u8*>(run_) + io.data_offset;
  for (u32 i = 0; i < io.count; ++i, data += io.size) {
    bus::IoAccess access{bus::BusKind::Pio, dir, io.size, id_, io.port, 0, 0};
    if (dir == bus::IoDir::Write) std::memcpy(&access.value, data, io.size);
    sink.io(access);
    if (dir == bus::IoDir::Read) std::memcpy(data, &access.value, io.size);
  }
}

// The kernel's emulator takes memory that it may not write (ROM, pages that hold code) for a device.
void KvmVcpu::do_mmio(ExitSink& sink) {
  served_ = true;
  auto& m = run_->mmio;
  const auto dir = m.is_write ? bus::IoDir::Write : bus::IoDir::Read;
  const Gpa at{m.phys_addr};
  const unsigned bytes = std::min<unsigned>(m.len, sizeof m.data);
  mem::GuestMemory& memory = vm_.memory();
  if (m.is_write && memory.host_for_write(at)) memory.write(at, {m.data, bytes});
  else if (memory.host(at)) memory.read(at, {m.data, m.is_write ? 0 : bytes});
  else bus::mmio_in_pieces(id_, dir, m.phys_addr, m.data, bytes, [&](bus::IoAccess& a) { sink.io(a); });
}

bool KvmVcpu::do_msr(ExitSink& sink) {
  auto& m = run_->msr;
  const auto dir = run_->exit_reason == KVM_EXIT_X86_WRMSR ? bus::IoDir::Write : bus::IoDir::Read;
  MsrAccess access{m.index, dir, id_, m.data};
  served_ = sink.msr(access);
  m.data = access.value;
  m.error = 0;
  return served_;
}

}  // namespace tandem::hwassist::kvm
