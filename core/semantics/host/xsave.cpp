// XSAVE, XRSTOR and their variants; XCR0 (SDM vol. 1, chapter 13).
#include <algorithm>
#include <cstring>

#include "core/cpu/cpuid_models.h"
#include "core/isa/op.h"
#include "core/semantics/host/availability.h"
#include "core/semantics/host/legacy_area.h"
#include "core/semantics/host/mxcsr.h"
#include "core/semantics/host/vector_system.h"
#include "core/semantics/host/xsave_area.h"

namespace tandem::semantics {

using namespace cpu;

namespace {

constexpr u64 kCompacted = u64{1} << 63;
constexpr unsigned kXcompAt = kXsaveHeader + 8;

bool wide(const Insn& insn) {
  using isa::Op;
  switch (insn.op) {
    case Op::XSAVE64:
    case Op::XSAVEOPT64:
    case Op::XSAVEC64:
    case Op::XSAVES64:
    case Op::XRSTOR64:
    case Op::XRSTORS64: return true;
    default: return false;
  }
}

bool xsave_enabled(Cpu& cpu) {
  if (!(cpu.state.cr4 & kCr4Osxsave)) return cpu.fault = fault(kInvalidOpcode), false;
  if (cpu.state.cr0 & kCr0Ts) return cpu.fault = fault(kDeviceNotAvailable), false;
  return true;
}

u64 requested(const Cpu& cpu) {
  const u64 mask = static_cast<u32>(cpu.state.gpr[kRax]) | cpu.state.gpr[kRdx] << 32;
  return mask & cpu.state.xcr0;
}

bool area_address(Cpu& cpu, const Insn& insn, mmu::Access access, u64& linear) {
  if (!mmu::operand_address(cpu, insn, kXsaveExtended, access, linear)) return false;
  if (linear % 64 == 0) return true;
  return cpu.fault = fault(kGeneralProtection, 0), false;
}

struct SaveForm {
  bool compacted = false;
  bool skip_initial = false;  // components in their initial configuration are not written
};

// What is stored and where, one piece at a time: bytes between the pieces are the guest's.
class Saver {
 public:
  Saver(Cpu& cpu, u64 linear, u64 components, SaveForm form, bool wide_pointers)
      : cpu_(cpu),
        linear_(linear),
        rfbm_(components),
        form_(form),
        layout_(cpu, components, form.compacted),
        wide_(wide_pointers) {
    in_use_ = components_in_use(cpu);
    if (form.compacted && cpu.state.vector.mxcsr != kMxcsrInitial) in_use_ |= kXfeatureSse;
  }

  Step save() {
    if (!probe()) return Step::Fault;
    const bool ok = x87() && mxcsr() && xmm() && extended() && header();
    return ok ? Step::Next : Step::Fault;
  }

 private:
  bool probe() { return mmu::probe_write(cpu_, linear_, layout_.end); }
  bool put(unsigned at, const u8* bytes, unsigned size) {
    return mmu::write_bytes(cpu_, linear_ + at, bytes, size);
  }
  bool wanted(unsigned i) const { return ((form_.skip_initial ? rfbm_ & in_use_ : rfbm_) >> i) & 1; }

  bool x87() {
    if (!wanted(0)) return true;
    u8 area[kLegacyArea];
    write_x87(cpu_.state.vector.x87, wide_, area);
    return put(0, area, kX87HeaderBytes) && put(kStOffset, area + kStOffset, kXmmOffset - kStOffset);
  }
  bool mxcsr() {
    const bool stored = form_.compacted ? wanted(1) : rfbm_ & (kXfeatureSse | kXfeatureAvx);
    if (!stored) return true;
    u8 words[8];
    store_le<u32>(words, cpu_.state.vector.mxcsr);
    store_le<u32>(words + 4, kMxcsrMask);
    return put(kMxcsrOffset, words, sizeof words);
  }
  bool xmm() {
    if (!wanted(1)) return true;
    u8 registers[16 * 16];
    write_component(cpu_, 1, registers);
    return put(kXmmOffset, registers, 16 * xmm_count(cpu_));
  }
  bool extended() {
    for (unsigned i = kFirstExtended; i <= kLastExtended; ++i) {
      if (!wanted(i)) continue;
      u8 bytes[kLargestComponent] = {};
      write_component(cpu_, i, bytes);
      if (!put(layout_.offset[i], bytes, std::min<u32>(layout_.size[i], sizeof bytes))) return false;
    }
    return true;
  }
  bool header() {
    u8 bytes[kXsaveHeaderBytes] = {};
    if (form_.compacted) {
      store_le<u64>(bytes, rfbm_ & in_use_);
      store_le<u64>(bytes + 8, rfbm_ | kCompacted);
      return put(kXsaveHeader, bytes, sizeof bytes);
    }
    u64 old;
    if (!mmu::read<u64>(cpu_, linear_ + kXsaveHeader, old)) return false;
    store_le<u64>(bytes, (old & ~rfbm_) | (in_use_ & rfbm_));
    return put(kXsaveHeader, bytes, sizeof(u64));
  }

  Cpu& cpu_;
  u64 linear_, rfbm_, in_use_ = 0;
  SaveForm form_;
  XsaveLayout layout_;
  bool wide_;
};

Step save(Cpu& cpu, const Insn& insn, SaveForm form, u64 components) {
  u64 linear;
  if (!area_address(cpu, insn, mmu::Access::Write, linear)) return Step::Fault;
  return Saver(cpu, linear, components, form, wide(insn)).save();
}

// False: a reserved bit is set, #GP.
bool header_is_good(const Cpu& cpu, const u8* area, bool compacted, bool supervisor) {
  const u64 xstate = load_le<u64>(area + kXsaveHeader), xcomp = load_le<u64>(area + kXcompAt);
  const u64 allowed = cpu.state.xcr0 | (supervisor ? cpu.state.msr.xss : 0);
  const unsigned zeros_from = kXsaveHeader + 16, zeros_to = kXsaveHeader + (compacted ? 64 : 24);
  if (!std::all_of(area + zeros_from, area + zeros_to, [](u8 b) { return b == 0; })) return false;
  if (!compacted) return xcomp == 0 && !(xstate & ~allowed);
  return !(xcomp & ~kCompacted & ~allowed) && !(xstate & ~xcomp);
}

class Restorer {
 public:
  Restorer(Cpu& cpu, u64 linear, u64 components, bool wide_pointers)
      : cpu_(cpu), linear_(linear), rfbm_(components), wide_(wide_pointers) {}

  Step restore(bool supervisor) {
    if (!mmu::read_bytes(cpu_, linear_, area_, kXsaveExtended)) return Step::Fault;
    const u64 xcomp = load_le<u64>(area_ + kXcompAt);
    compacted_ = xcomp & kCompacted;
    if ((supervisor && !compacted_) || !header_is_good(cpu_, area_, compacted_, supervisor)) return refuse();
    loaded_ = rfbm_ & load_le<u64>(area_ + kXsaveHeader);
    const XsaveLayout layout(cpu_, compacted_ ? xcomp & ~kCompacted : loaded_, compacted_);
    if (!read_extended(layout)) return Step::Fault;
    if (loads_mxcsr() && (load_le<u32>(area_ + kMxcsrOffset) & ~kMxcsrMask)) return refuse();
    apply(layout);
    return Step::Next;
  }

 private:
  Step refuse() { return raise(cpu_, fault(kGeneralProtection, 0)); }
  bool has(u64 set, unsigned i) const { return set >> i & 1; }

  bool read_extended(const XsaveLayout& layout) {
    for (unsigned i = kFirstExtended; i <= kLastExtended; ++i) {
      if (!has(loaded_, i)) continue;
      const u32 at = layout.offset[i], size = layout.size[i];
      if (at + size > sizeof area_ || !mmu::read_bytes(cpu_, linear_ + at, area_ + at, size)) return false;
    }
    return true;
  }

  // The standard form takes MXCSR from memory whenever SSE or AVX is asked for (SDM vol. 1, 13.8.1).
  bool loads_mxcsr() const {
    return compacted_ ? has(loaded_, 1) : (rfbm_ & (kXfeatureSse | kXfeatureAvx)) != 0;
  }

  void apply(const XsaveLayout& layout) {
    VectorState& v = cpu_.state.vector;
    if (has(loaded_, 0)) read_x87(area_, wide_, v.x87);
    else if (has(rfbm_, 0)) init_component(cpu_, 0);
    if (loads_mxcsr()) v.mxcsr = load_le<u32>(area_ + kMxcsrOffset);
    else if (compacted_ && has(rfbm_, 1)) v.mxcsr = kMxcsrInitial;
    if (has(loaded_, 1)) read_xmm(cpu_, area_);
    else if (has(rfbm_, 1)) init_component(cpu_, 1);
    for (unsigned i = kFirstExtended; i <= kLastExtended; ++i) {
      if (has(loaded_, i)) read_component(cpu_, i, area_ + layout.offset[i]);
      else if (has(rfbm_, i)) init_component(cpu_, i);
    }
  }

  Cpu& cpu_;
  u64 linear_, rfbm_, loaded_ = 0;
  bool wide_, compacted_ = false;
  u8 area_[kXsaveMaxBytes];  // as far as it was read: up to kXsaveExtended, and what is loaded
};

Step restore(Cpu& cpu, const Insn& insn, bool supervisor) {
  u64 linear;
  if (!area_address(cpu, insn, mmu::Access::Read, linear)) return Step::Fault;
  return Restorer(cpu, linear, requested(cpu), wide(insn)).restore(supervisor);
}

bool valid_xcr0(const Cpu& cpu, u64 v) {
  if (!(v & kXfeatureX87) || (v & ~xcr0_mask(*cpu.model))) return false;
  if ((v & kXfeatureAvx) && !(v & kXfeatureSse)) return false;
  const u64 wide_part = v & kXfeatureAvx512;
  return wide_part == 0 || (wide_part == kXfeatureAvx512 && (v & kXfeatureAvx));
}

}  // namespace

Step xsave(Cpu& cpu, const Insn& insn) {
  if (!xsave_enabled(cpu)) return Step::Fault;
  return save(cpu, insn, {}, requested(cpu));
}

Step xsaveopt(Cpu& cpu, const Insn& insn) {
  if (!xsave_enabled(cpu)) return Step::Fault;
  return save(cpu, insn, {.skip_initial = true}, requested(cpu));
}

Step xsavec(Cpu& cpu, const Insn& insn) {
  if (!xsave_enabled(cpu)) return Step::Fault;
  return save(cpu, insn, {.compacted = true, .skip_initial = true}, requested(cpu));
}

// No supervisor component exists: IA32_XSS is 0.
Step xsaves(Cpu& cpu, const Insn& insn) {
  if (!xsave_enabled(cpu)) return Step::Fault;
  if (cpu.mode.cpl != 0) return raise(cpu, fault(kGeneralProtection, 0));
  return save(cpu, insn, {.compacted = true, .skip_initial = true}, requested(cpu));
}

Step xrstor(Cpu& cpu, const Insn& insn) {
  return xsave_enabled(cpu) ? restore(cpu, insn, false) : Step::Fault;
}

Step xrstors(Cpu& cpu, const Insn& insn) {
  if (!xsave_enabled(cpu)) return Step::Fault;
  if (cpu.mode.cpl != 0) return raise(cpu, fault(kGeneralProtection, 0));
  return restore(cpu, insn, true);
}

Step xgetbv(Cpu& cpu, const Insn&) {
  if (!(cpu.state.cr4 & kCr4Osxsave)) return raise(cpu, fault(kInvalidOpcode));
  u64 value = cpu.state.xcr0;
  switch (static_cast<u32>(cpu.state.gpr[kRcx])) {
    case 0: break;
    case 1:
      if (cpu.model->has(Feature::xgetbv1)) {
        value &= components_in_use(cpu) | (cpu.state.vector.mxcsr != kMxcsrInitial ? kXfeatureSse : 0);
        break;
      }
      [[fallthrough]];
    default: return raise(cpu, fault(kGeneralProtection, 0));
  }
  set_gpr<u32>(cpu, kRax, static_cast<u32>(value));
  set_gpr<u32>(cpu, kRdx, static_cast<u32>(value >> 32));
  return Step::Next;
}

Step xsetbv(Cpu& cpu, const Insn&) {
  if (!(cpu.state.cr4 & kCr4Osxsave)) return raise(cpu, fault(kInvalidOpcode));
  const u64 value = static_cast<u32>(cpu.state.gpr[kRax]) | cpu.state.gpr[kRdx] << 32;
  if (cpu.mode.cpl != 0 || static_cast<u32>(cpu.state.gpr[kRcx]) != 0 || !valid_xcr0(cpu, value))
    return raise(cpu, fault(kGeneralProtection, 0));
  cpu.state.xcr0 = value;
  return Step::Next;
}

}  // namespace tandem::semantics
