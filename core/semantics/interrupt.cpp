#include "core/semantics/interrupt.h"

#include <utility>

#include "core/semantics/control.h"
#include "core/semantics/descriptor.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

bool refuse(Cpu& cpu, Vector vector, u32 code) { return cpu.fault = fault(vector, code), false; }

u32 ext_bit(const Event& e) {
  return e.kind == EventKind::Software || e.kind == EventKind::SoftwareException ? 0 : 1;
}

bool deliver_real(Cpu& cpu, const Event& e) {
  const u32 at = e.vector * 4u;
  if (at + 3 > cpu.state.idtr.limit) return refuse(cpu, kGeneralProtection, at | 2 | ext_bit(e));
  u16 vector[2];
  if (!mmu::read_system(cpu, cpu.state.idtr.base + at, vector, 4)) return false;
  const TransferBackup before(cpu);
  const u16 cs = cpu.state.segments[kCs].selector;
  if (!push_value<u16>(cpu, static_cast<u16>(cpu.rflags())) || !push_value<u16>(cpu, cs) ||
      !push_value<u16>(cpu, static_cast<u16>(e.return_rip))) {
    before.restore(cpu);
    return false;
  }
  cpu.state.rflags &= ~(kIf | kTf | kAc | kRf);
  load_segment_real(cpu, kCs, vector[1]);
  cpu.state.rip = vector[0];
  update_mode(cpu);
  return true;
}

// Pushes in the width of a gate: 2, 4 or 8 bytes.
bool push_width(Cpu& cpu, unsigned width, u64 value) {
  if (width == 8) return push_value<u64>(cpu, value);
  return width == 4 ? push_value<u32>(cpu, static_cast<u32>(value))
                    : push_value<u16>(cpu, static_cast<u16>(value));
}

struct Gate {
  Descriptor d;
  unsigned width = 4;
  bool masks_interrupts = false;
  u64 offset = 0;
};

bool fetch_gate(Cpu& cpu, const Event& e, Gate& out) {
  const bool wide = cpu.mode.long_mode;
  const u32 at = e.vector * (wide ? 16u : 8u);
  const u32 code = e.vector * 8u | 2 | ext_bit(e);
  if (at + (wide ? 15 : 7) > cpu.state.idtr.limit) return refuse(cpu, kGeneralProtection, code);
  u64 raw[2] = {};
  if (!mmu::read_system(cpu, cpu.state.idtr.base + at, raw, wide ? 16 : 8)) return false;
  out.d = {raw[0], raw[1]};
  const u8 type = out.d.type();
  const bool known = !out.d.is_code_or_data() &&
                     (type == kInterruptGate32 || type == kTrapGate32 ||
                      (!wide && (type == kInterruptGate16 || type == kTrapGate16 || type == kTaskGate)));
  if (!known) return refuse(cpu, kGeneralProtection, code);
  const bool checks_dpl = e.kind == EventKind::Software || e.kind == EventKind::SoftwareException;
  if (checks_dpl && out.d.dpl() < cpu.mode.cpl) return refuse(cpu, kGeneralProtection, code);
  if (!out.d.present()) return refuse(cpu, kSegmentNotPresent, code);
  out.width = wide ? 8 : type & 8 ? 4 : 2;
  out.masks_interrupts = (type & 7) == 6;
  out.offset = wide ? out.d.gate_offset64() : out.width == 4 ? out.d.gate_offset32() : out.d.gate_offset16();
  return true;
}

// SS:rSP of privilege level `cpl` from the TSS (SDM vol. 3, 6.12.1 and 7.2.1).
bool inner_stack(Cpu& cpu, u8 cpl, u32 ext, u16& ss, u64& sp) {
  const Segment& tr = cpu.state.tr;
  const u32 code = (tr.selector & ~3u) | ext;
  const bool tss32 = tr.type & 8;
  const u32 at = tss32 ? cpl * 8u + 4 : cpl * 4u + 2;
  if (at + (tss32 ? 5 : 3) > tr.limit) return refuse(cpu, kInvalidTss, code);
  u32 esp = 0;
  if (!mmu::read_system(cpu, tr.base + at, &esp, tss32 ? 4 : 2)) return false;
  if (!mmu::read_system(cpu, tr.base + at + (tss32 ? 4 : 2), &ss, 2)) return false;
  sp = esp;
  return true;
}

// RSPn, or an IST entry, of the 64-bit TSS.
bool inner_stack64(Cpu& cpu, u8 cpl, u8 ist, u32 ext, u64& sp) {
  const Segment& tr = cpu.state.tr;
  const u32 at = ist ? 36 + (ist - 1) * 8u : 4 + cpl * 8u;
  if (at + 7 > tr.limit) return refuse(cpu, kInvalidTss, (tr.selector & ~3u) | ext);
  if (!mmu::read_system(cpu, tr.base + at, &sp, 8)) return false;
  if (sign_extend_from(sp, 48) != sp) return refuse(cpu, kStackFault, ext);
  return true;
}

bool load_inner_ss(Cpu& cpu, u16 ss, u8 cpl, u32 ext) {
  const u32 code = (ss & ~3u) | ext;
  if (is_null(ss)) return refuse(cpu, kInvalidTss, ext);
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, ss, kInvalidTss, ref, ext)) return false;
  const Descriptor& d = ref.descriptor;
  if (rpl(ss) != cpl || d.dpl() != cpl || !d.is_writable_data()) return refuse(cpu, kInvalidTss, code);
  if (!d.present()) return refuse(cpu, kStackFault, code);
  if (!set_accessed(cpu, ref)) return false;
  cpu.state.segments[kSs] = ref.descriptor.segment(ss);
  return true;
}

struct Frame {
  u64 rip, rflags, rsp;
  u16 cs, ss;
};

bool push_frame(Cpu& cpu, const Event& e, const Gate& gate, const Frame& f, bool with_stack) {
  if (with_stack && (!push_width(cpu, gate.width, f.ss) || !push_width(cpu, gate.width, f.rsp))) return false;
  if (!push_width(cpu, gate.width, f.rflags) || !push_width(cpu, gate.width, f.cs) ||
      !push_width(cpu, gate.width, f.rip))
    return false;
  return !e.has_code || push_width(cpu, gate.width, e.code);
}

// From virtual-8086 mode all segments are pushed and cleared (SDM vol. 3, 19.3.1).
bool push_v86_segments(Cpu& cpu, unsigned width) {
  for (unsigned name : {kGs, kFs, kDs, kEs})
    if (!push_width(cpu, width, cpu.state.segments[name].selector)) return false;
  return true;
}

u64 pushed_flags(const Cpu& cpu, const Event& e) {
  const bool is_fault = e.kind == EventKind::Exception && e.vector != kDebug && e.vector != kBreakpoint &&
                        e.vector != kOverflow && e.vector != kNmi;
  return cpu.rflags() | (is_fault ? kRf : 0);
}

// Switches to the stack of an inner level, or an IST stack. cpu.mode is that of the new level afterwards.
bool enter_level(Cpu& cpu, const Gate& gate, const Descriptor& code, u8 cpl, bool inner, u32 ext) {
  u64 sp;
  if (cpu.mode.long_mode) {
    const u8 ist = gate.d.gate_ist();
    if (inner || ist) {
      if (!inner_stack64(cpu, cpl, ist, ext, sp)) return false;
    } else {
      sp = cpu.state.gpr[kRsp];
    }
    set_code_segment(cpu, gate.d.gate_selector(), code, cpl);
    if (inner) {
      cpu.state.segments[kSs] = {.selector = cpl, .type = 0, .s = true, .dpl = cpl, .present = false};
      update_mode(cpu);
    }
    cpu.state.gpr[kRsp] = sp & ~u64{15};
    return true;
  }
  if (!inner) {
    set_code_segment(cpu, gate.d.gate_selector(), code, cpl);
    return true;
  }
  u16 ss;
  if (!inner_stack(cpu, cpl, ext, ss, sp) || !load_inner_ss(cpu, ss, cpl, ext)) return false;
  set_code_segment(cpu, gate.d.gate_selector(), code, cpl);
  u64& rsp = cpu.state.gpr[kRsp];
  rsp = cpu.mode.stack_size == 2 ? (rsp & ~u64{0xffff}) | (sp & 0xffff) : sp;
  return true;
}

bool deliver_through(Cpu& cpu, const Event& e, const Gate& gate, DescriptorRef& code, bool from_v86) {
  const Descriptor& d = code.descriptor;
  const u32 ext = ext_bit(e);
  const u8 old_cpl = cpu.mode.cpl;
  const bool inner = !d.is_conforming() && d.dpl() < old_cpl;
  const u8 cpl = inner ? d.dpl() : old_cpl;
  const Frame frame{e.return_rip, pushed_flags(cpu, e), cpu.state.gpr[kRsp], cpu.state.segments[kCs].selector,
                    cpu.state.segments[kSs].selector};
  if (from_v86) {
    cpu.state.rflags &= ~kVm;
    cpu.mode.vm86 = false;
    cpu.mode.protected_mode = true;
  }
  if (!enter_level(cpu, gate, d, cpl, inner, ext)) return false;
  if (from_v86 && !push_v86_segments(cpu, gate.width)) return false;
  if (!push_frame(cpu, e, gate, frame, inner || cpu.mode.long_mode)) return false;
  if (!branch_to(cpu, gate.offset)) return false;
  if (from_v86)
    for (unsigned name : {kGs, kFs, kDs, kEs}) cpu.state.segments[name] = {.selector = 0, .s = true};
  cpu.state.rflags &= ~(kTf | kNt | kRf | kVm | (gate.masks_interrupts ? kIf : 0));
  update_mode(cpu);
  return true;
}

bool deliver_protected(Cpu& cpu, const Event& e) {
  const u32 ext = ext_bit(e);
  Gate gate;
  if (!fetch_gate(cpu, e, gate)) return false;
  const u16 selector = gate.d.gate_selector();
  if (gate.d.type() == kTaskGate)
    return switch_task(cpu, selector, TaskSwitch::Event, e.return_rip, e.has_code, e.code, ext);
  if (is_null(selector)) return refuse(cpu, kGeneralProtection, ext);
  DescriptorRef code;
  if (!fetch_descriptor(cpu, selector, kGeneralProtection, code, ext)) return false;
  const Descriptor& d = code.descriptor;
  const u32 error = (selector & ~3u) | ext;
  if (!d.is_code() || d.dpl() > cpu.mode.cpl) return refuse(cpu, kGeneralProtection, error);
  if (cpu.mode.long_mode && (!d.long_code() || d.db())) return refuse(cpu, kGeneralProtection, error);
  if (!d.present()) return refuse(cpu, kSegmentNotPresent, error);
  const bool from_v86 = cpu.mode.vm86;
  if (from_v86 && (d.is_conforming() || d.dpl() != 0)) return refuse(cpu, kGeneralProtection, error);
  if (!set_accessed(cpu, code)) return false;
  const TransferBackup before(cpu);
  if (deliver_through(cpu, e, gate, code, from_v86)) return true;
  const GuestFault f = cpu.fault;
  before.restore(cpu);
  cpu.fault = f;
  return false;
}

// Which faults during the delivery of which become a double fault (SDM vol. 3, table 6-5).
bool is_contributory(u8 v) {
  return v == kDivideError || v == kInvalidTss || v == kSegmentNotPresent || v == kStackFault ||
         v == kGeneralProtection;
}
bool makes_double_fault(u8 first, u8 second) {
  if (first == kPageFault) return second == kPageFault || is_contributory(second);
  return is_contributory(first) && is_contributory(second);
}

// Delivery can't be repeated as an instruction can: nothing is watched meanwhile.
class Unwatched {
 public:
  explicit Unwatched(Cpu& cpu) : watch_(cpu.watch), was_on_(std::exchange(watch_.on, false)) {}
  ~Unwatched() { watch_.on = was_on_; }

 private:
  Watch& watch_;
  bool was_on_;
};

// DR6 and CR2 as an exception leaves them.
void record_fault(Cpu& cpu, const GuestFault& f) {
  if (f.vector == kPageFault) cpu.state.cr2 = f.address;
  if (f.vector == kDebug) {
    cpu.state.dr[6] = (cpu.state.dr[6] & ~u64{15}) | f.address | 0xffff0ff0;
    cpu.state.dr[7] &= ~(u64{1} << 13);  // GD
  }
}

}  // namespace

bool deliver_event(Cpu& cpu, const Event& event) {
  cpu.state.events.interrupt_shadow_sti = cpu.state.events.interrupt_shadow_movss = false;
  if (!(cpu.state.cr0 & kCr0Pe)) return deliver_real(cpu, event);
  return deliver_protected(cpu, event);
}

bool deliver_fault(Cpu& cpu, GuestFault f, u64 rip) {
  const Unwatched unwatched(cpu);
  for (;;) {
    record_fault(cpu, f);
    const bool has_code = f.has_code && (cpu.state.cr0 & kCr0Pe);
    if (deliver_event(cpu, {f.vector, EventKind::Exception, has_code, f.code, rip})) return true;
    if (f.vector == kDoubleFault) return false;
    const GuestFault next = cpu.fault;
    f = makes_double_fault(f.vector, next.vector) ? fault(kDoubleFault, 0) : next;
  }
}

bool deliver_interrupt(Cpu& cpu, u8 vector) {
  const Unwatched unwatched(cpu);
  if (deliver_event(cpu, {vector, EventKind::External, false, 0, cpu.state.rip})) return true;
  return deliver_fault(cpu, cpu.fault, cpu.state.rip);
}

}  // namespace tandem::semantics
