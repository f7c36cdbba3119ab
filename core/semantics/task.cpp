// Hardware task switches (SDM vol. 3, chapter 7).
#include "core/semantics/control.h"
#include "core/semantics/descriptor.h"
#include "core/semantics/interrupt.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

// A TSS in the form of its 32-bit layout.
struct Tss {
  u32 cr3 = 0, eip = 0, eflags = 0, gpr[8] = {}, trap = 0;
  u16 segments[6] = {}, ldt = 0;
};

constexpr unsigned kCr3At = 28, kEipAt = 32, kSize32 = 104, kSize16 = 44;
constexpr unsigned kEipAt16 = 14;

bool read_tss(Cpu& cpu, u64 base, bool wide, Tss& t) {
  u8 raw[kSize32] = {};
  if (!mmu::read_system(cpu, base, raw, wide ? kSize32 : kSize16)) return false;
  if (wide) {
    t.cr3 = load_le<u32>(raw + kCr3At);
    t.eip = load_le<u32>(raw + kEipAt);
    t.eflags = load_le<u32>(raw + 36);
    for (unsigned i = 0; i < 8; ++i) t.gpr[i] = load_le<u32>(raw + 40 + 4 * i);
    for (unsigned i = 0; i < 6; ++i) t.segments[i] = load_le<u16>(raw + 72 + 4 * i);
    t.ldt = load_le<u16>(raw + 96);
    t.trap = load_le<u16>(raw + 100) & 1;
    return true;
  }
  t.eip = load_le<u16>(raw + kEipAt16);
  t.eflags = load_le<u16>(raw + 16);
  for (unsigned i = 0; i < 8; ++i) t.gpr[i] = load_le<u16>(raw + 18 + 2 * i) | 0xffff0000u;
  for (unsigned i = 0; i < 4; ++i) t.segments[i] = load_le<u16>(raw + 34 + 2 * i);
  t.ldt = load_le<u16>(raw + 42);
  return true;
}

// Saves what a task switch saves of the running task: EIP .. GS.
bool save_task(Cpu& cpu, u64 base, bool wide, u64 next_rip, u64 eflags) {
  u8 raw[64] = {};
  if (wide) {
    store_le<u32>(raw, static_cast<u32>(next_rip));
    store_le<u32>(raw + 4, static_cast<u32>(eflags));
    for (unsigned i = 0; i < 8; ++i) store_le<u32>(raw + 8 + 4 * i, static_cast<u32>(cpu.state.gpr[i]));
    for (unsigned i = 0; i < 6; ++i) store_le<u32>(raw + 40 + 4 * i, cpu.state.segments[i].selector);
    return mmu::write_system(cpu, base + kEipAt, raw, 64);
  }
  store_le<u16>(raw, static_cast<u16>(next_rip));
  store_le<u16>(raw + 2, static_cast<u16>(eflags));
  for (unsigned i = 0; i < 8; ++i) store_le<u16>(raw + 4 + 2 * i, static_cast<u16>(cpu.state.gpr[i]));
  for (unsigned i = 0; i < 4; ++i) store_le<u16>(raw + 20 + 2 * i, cpu.state.segments[i].selector);
  return mmu::write_system(cpu, base + kEipAt16, raw, 28);
}

bool check_new_tss(Cpu& cpu, u16 selector, TaskSwitch how, u32 ext, DescriptorRef& ref) {
  const Vector bad = how == TaskSwitch::Iret ? kInvalidTss : kGeneralProtection;
  const u32 code = (selector & ~3u) | ext;
  if (selector & 4 || is_null(selector)) return cpu.fault = fault(bad, code), false;
  if (!fetch_descriptor(cpu, selector, bad, ref, ext)) return false;
  const Descriptor& d = ref.descriptor;
  const u8 wanted = how == TaskSwitch::Iret ? kTss32Busy : kTss32Available;
  if (d.is_code_or_data() || (d.type() | 8) != wanted) return cpu.fault = fault(bad, code), false;
  if (!d.present()) return cpu.fault = fault(kSegmentNotPresent, code), false;
  const u32 least = d.type() & 8 ? kSize32 - 1 : kSize16 - 1;
  if (d.segment(selector).limit < least) return cpu.fault = fault(kInvalidTss, code), false;
  return true;
}

bool load_new_ldt(Cpu& cpu, u16 selector) {
  cpu.state.ldtr = {.selector = selector, .type = kLdt};
  if (is_null(selector)) return true;
  const GuestFault bad = fault(kInvalidTss, selector & ~3u);
  DescriptorRef ref;
  if (selector & 4) return cpu.fault = bad, false;
  if (!fetch_descriptor(cpu, selector, kInvalidTss, ref)) return false;
  const Descriptor& d = ref.descriptor;
  if (d.is_code_or_data() || d.type() != kLdt || !d.present()) return cpu.fault = bad, false;
  cpu.state.ldtr = d.segment(selector);
  return true;
}

bool load_new_code(Cpu& cpu, u16 selector) {
  const u32 code = selector & ~3u;
  if (is_null(selector)) return cpu.fault = fault(kInvalidTss, 0), false;
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, selector, kInvalidTss, ref)) return false;
  const Descriptor& d = ref.descriptor;
  const bool level_ok = d.is_conforming() ? d.dpl() <= rpl(selector) : d.dpl() == rpl(selector);
  if (!d.is_code() || !level_ok) return cpu.fault = fault(kInvalidTss, code), false;
  if (!d.present()) return cpu.fault = fault(kSegmentNotPresent, code), false;
  if (!set_accessed(cpu, ref)) return false;
  cpu.state.segments[kCs] = ref.descriptor.segment(selector);
  return true;
}

bool load_new_stack(Cpu& cpu, u16 selector, u8 cpl) {
  const u32 code = selector & ~3u;
  if (is_null(selector)) return cpu.fault = fault(kInvalidTss, 0), false;
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, selector, kInvalidTss, ref)) return false;
  const Descriptor& d = ref.descriptor;
  if (!d.is_writable_data() || d.dpl() != cpl || rpl(selector) != cpl)
    return cpu.fault = fault(kInvalidTss, code), false;
  if (!d.present()) return cpu.fault = fault(kStackFault, code), false;
  if (!set_accessed(cpu, ref)) return false;
  cpu.state.segments[kSs] = ref.descriptor.segment(selector);
  return true;
}

// Segments of the new task; faults from here on are taken in it.
bool load_new_segments(Cpu& cpu, const Tss& t) {
  if (cpu.state.rflags & kVm) {
    update_mode(cpu);
    for (unsigned i = 0; i < 6; ++i) load_segment_real(cpu, i, t.segments[i]);
    update_mode(cpu);
    return load_new_ldt(cpu, t.ldt);
  }
  for (unsigned i = 0; i < 6; ++i)
    cpu.state.segments[i] = {.selector = t.segments[i], .s = true, .dpl = rpl(t.segments[kCs])};
  update_mode(cpu);
  if (!load_new_ldt(cpu, t.ldt) || !load_new_code(cpu, t.segments[kCs])) return false;
  if (!load_new_stack(cpu, t.segments[kSs], rpl(t.segments[kCs]))) return false;
  update_mode(cpu);
  for (unsigned name : {kEs, kDs, kFs, kGs})
    if (!load_segment(cpu, name, t.segments[name])) {
      if (cpu.fault.vector == kGeneralProtection) cpu.fault.vector = kInvalidTss;
      return false;
    }
  return true;
}

bool push_error(Cpu& cpu, bool wide, u32 code) {
  return wide ? push_value<u32>(cpu, code) : push_value<u16>(cpu, static_cast<u16>(code));
}

}  // namespace

bool switch_task(Cpu& cpu, u16 selector, TaskSwitch how, u64 next_rip, bool has_code, u32 code, u32 ext) {
  DescriptorRef ref;
  if (!check_new_tss(cpu, selector, how, ext, ref)) return false;
  const bool wide = ref.descriptor.type() & 8;
  const Segment old = cpu.state.tr;
  Segment tr = ref.descriptor.segment(selector);
  Tss t;
  if (!read_tss(cpu, tr.base, wide, t)) return false;

  u64 old_flags = cpu.rflags();
  if (how == TaskSwitch::Iret) old_flags &= ~kNt;
  const bool nests = how == TaskSwitch::Call || how == TaskSwitch::Event;
  if (!save_task(cpu, old.base, old.type & 8, next_rip, old_flags)) return false;
  if (!nests && !set_tss_busy(cpu, cpu.state.gdtr.base + (old.selector & ~7u), false)) return false;
  if (nests && !mmu::write_system(cpu, tr.base, &old.selector, 2)) return false;
  if (how != TaskSwitch::Iret && !set_tss_busy(cpu, ref.address, true)) return false;

  tr.type |= 2;
  cpu.state.tr = tr;
  cpu.state.cr0 |= kCr0Ts;
  if (wide && (cpu.state.cr0 & kCr0Pg)) {
    cpu.state.cr3 = t.cr3;
    mmu::flush_local(cpu);
  }
  cpu.set_rflags((t.eflags & 0x3f7fd7) | (nests ? kNt : 0));
  for (unsigned i = 0; i < 8; ++i) cpu.state.gpr[i] = t.gpr[i];
  cpu.state.rip = t.eip;
  cpu.state.dr[7] &= ~u64{0x155};  // local breakpoints
  const bool entered =
      load_new_segments(cpu, t) && (!has_code || push_error(cpu, wide, code)) && branch_to(cpu, t.eip);
  update_mode(cpu);
  ++cpu.mapping_generation;
  if (t.trap) cpu.state.events.debug_traps |= u64{1} << 15;
  // Past the point of no return faults belong to the new task.
  if (!entered && !deliver_fault(cpu, cpu.fault, t.eip)) cpu.state.activity = Activity::Shutdown;
  return true;
}

}  // namespace tandem::semantics
