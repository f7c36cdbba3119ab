#include "core/semantics/descriptor.h"

namespace tandem::semantics {

using namespace cpu;

Segment Descriptor::segment(u16 selector) const {
  Segment s;
  s.selector = selector;
  s.type = type();
  s.s = is_code_or_data();
  s.dpl = dpl();
  s.present = present();
  s.avl = bit(low, 52);
  s.l = bit(low, 53);
  s.db = bit(low, 54);
  s.g = bit(low, 55);
  const u32 limit = static_cast<u32>(bits(low, 15, 0) | bits(low, 51, 48) << 16);
  s.limit = s.g ? limit << 12 | 0xfff : limit;
  s.base = bits(low, 39, 16) | bits(low, 63, 56) << 24 | bits(high, 31, 0) << 32;
  return s;
}

bool fetch_descriptor(Cpu& cpu, u16 selector, Vector vector, DescriptorRef& out, u32 ext) {
  const GuestFault refused = fault(vector, (selector & ~3u) | ext);
  u64 base = cpu.state.gdtr.base;
  u32 limit = cpu.state.gdtr.limit;
  if (selector & 4) {
    if (!cpu.state.ldtr.present) return cpu.fault = refused, false;
    base = cpu.state.ldtr.base;
    limit = cpu.state.ldtr.limit;
  }
  const u32 index = selector & ~7u;
  if (index + 7 > limit) return cpu.fault = refused, false;
  out.address = base + index;
  out.descriptor = {};
  return mmu::read_system(cpu, out.address, &out.descriptor.low, 8);
}

bool fetch_high_half(Cpu& cpu, u16 selector, Vector vector, DescriptorRef& inout) {
  const u32 limit = selector & 4 ? cpu.state.ldtr.limit : cpu.state.gdtr.limit;
  if ((selector & ~7u) + 15 > limit) return cpu.fault = fault(vector, selector & ~3u), false;
  if (!mmu::read_system(cpu, inout.address + 8, &inout.descriptor.high, 8)) return false;
  if (bits(inout.descriptor.high, 44, 40) != 0) return cpu.fault = fault(vector, selector & ~3u), false;
  return true;
}

bool set_accessed(Cpu& cpu, DescriptorRef& ref) {
  if (ref.descriptor.type() & 1) return true;
  ref.descriptor.low |= u64{1} << 40;
  const u8 access = static_cast<u8>(ref.descriptor.low >> 40);
  return mmu::write_system(cpu, ref.address + 5, &access, 1);
}

bool set_tss_busy(Cpu& cpu, u64 address, bool busy) {
  u8 access;
  if (!mmu::read_system(cpu, address + 5, &access, 1)) return false;
  access = static_cast<u8>(set_bit(access, 1, busy));
  return mmu::write_system(cpu, address + 5, &access, 1);
}

void load_segment_real(Cpu& cpu, unsigned name, u16 selector) {
  Segment& s = cpu.state.segments[name];
  s.selector = selector;
  s.base = u64{selector} << 4;
  if (cpu.mode.vm86) {
    s = {.selector = selector,
         .type = 3,
         .s = true,
         .dpl = 3,
         .present = true,
         .limit = 0xffff,
         .base = u64{selector} << 4};
  }
}

namespace {

void make_null(Cpu& cpu, unsigned name, u16 selector) {
  Segment& s = cpu.state.segments[name];
  const u8 dpl = name == kSs ? cpu.mode.cpl : 0;
  s = {.selector = selector, .type = 0, .s = true, .dpl = dpl, .present = false};
}

bool load_stack_segment(Cpu& cpu, u16 selector) {
  const u8 cpl = cpu.mode.cpl;
  if (is_null(selector)) {
    if (cpu.mode.code_size != 8 || cpl == 3 || rpl(selector) != cpl)
      return cpu.fault = fault(kGeneralProtection, 0), false;
    make_null(cpu, kSs, selector);
    return true;
  }
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, selector, kGeneralProtection, ref)) return false;
  const Descriptor& d = ref.descriptor;
  const u32 code = selector & ~3u;
  if (rpl(selector) != cpl || !d.is_writable_data() || d.dpl() != cpl)
    return cpu.fault = fault(kGeneralProtection, code), false;
  if (!d.present()) return cpu.fault = fault(kStackFault, code), false;
  if (!set_accessed(cpu, ref)) return false;
  cpu.state.segments[kSs] = ref.descriptor.segment(selector);
  return true;
}

bool load_data_segment(Cpu& cpu, unsigned name, u16 selector) {
  if (is_null(selector)) {
    make_null(cpu, name, selector);
    return true;
  }
  DescriptorRef ref;
  if (!fetch_descriptor(cpu, selector, kGeneralProtection, ref)) return false;
  const Descriptor& d = ref.descriptor;
  const u32 code = selector & ~3u;
  const bool any_level = d.is_code() && d.is_conforming();
  if (!d.is_code_or_data() || !d.is_readable() ||
      (!any_level && (d.dpl() < cpu.mode.cpl || d.dpl() < rpl(selector))))
    return cpu.fault = fault(kGeneralProtection, code), false;
  if (!d.present()) return cpu.fault = fault(kSegmentNotPresent, code), false;
  if (!set_accessed(cpu, ref)) return false;
  cpu.state.segments[name] = ref.descriptor.segment(selector);
  return true;
}

}  // namespace

bool load_segment(Cpu& cpu, unsigned name, u16 selector) {
  if (!cpu.mode.protected_mode) {
    load_segment_real(cpu, name, selector);
    return true;
  }
  const bool ok = name == kSs ? load_stack_segment(cpu, selector) : load_data_segment(cpu, name, selector);
  if (ok && name == kSs) update_mode(cpu);
  return ok;
}

void set_code_segment(Cpu& cpu, u16 selector, const Descriptor& d, u8 cpl) {
  cpu.state.segments[kCs] = d.segment(static_cast<u16>((selector & ~3) | cpl));
  // SS.DPL is the CPL; it stays when only CS changes level-neutrally.
  cpu.state.segments[kSs].dpl = cpl;
  update_mode(cpu);
}

void drop_inner_segments(Cpu& cpu) {
  for (unsigned name : {kEs, kDs, kFs, kGs}) {
    const Segment& s = cpu.state.segments[name];
    const bool conforming_code = s.s && (s.type & 0xc) == 0xc;
    if (s.present && !conforming_code && s.dpl < cpu.mode.cpl) make_null(cpu, name, 0);
  }
}

}  // namespace tandem::semantics
