// Segment and gate descriptors (SDM vol. 3, 3.4.5, 5.8, 6.11).
#pragma once

#include "core/semantics/operands.h"

namespace tandem::semantics {

// System descriptor types.
enum : u8 {
  kTss16Available = 1,
  kLdt = 2,
  kTss16Busy = 3,
  kCallGate16 = 4,
  kTaskGate = 5,
  kInterruptGate16 = 6,
  kTrapGate16 = 7,
  kTss32Available = 9,
  kTss32Busy = 11,
  kCallGate32 = 12,
  kInterruptGate32 = 14,
  kTrapGate32 = 15,
};

struct Descriptor {
  u64 low = 0, high = 0;  // high: the second half of 16-byte system descriptors in long mode

  u8 type() const { return static_cast<u8>(bits(low, 43, 40)); }
  bool is_code_or_data() const { return bit(low, 44); }
  bool is_code() const { return is_code_or_data() && (type() & 8); }
  bool is_conforming() const { return type() & 4; }
  bool is_writable_data() const { return is_code_or_data() && (type() & 0xa) == 2; }
  bool is_readable() const { return !(type() & 8) || (type() & 2); }
  u8 dpl() const { return static_cast<u8>(bits(low, 46, 45)); }
  bool present() const { return bit(low, 47); }
  bool long_code() const { return bit(low, 53); }
  bool db() const { return bit(low, 54); }
  // Gates.
  u16 gate_selector() const { return static_cast<u16>(bits(low, 31, 16)); }
  u64 gate_offset16() const { return bits(low, 15, 0); }
  u64 gate_offset32() const { return bits(low, 15, 0) | bits(low, 63, 48) << 16; }
  u64 gate_offset64() const { return gate_offset32() | bits(high, 31, 0) << 32; }
  u8 gate_ist() const { return static_cast<u8>(bits(low, 34, 32)); }
  u8 gate_parameters() const { return static_cast<u8>(bits(low, 36, 32)); }

  cpu::Segment segment(u16 selector) const;
};

inline bool is_null(u16 selector) { return (selector & ~3) == 0; }
inline u8 rpl(u16 selector) { return selector & 3; }

// Where a fetched descriptor lies, for setting its accessed or busy bit.
struct DescriptorRef {
  Descriptor descriptor;
  u64 address = 0;
};

// Reads the descriptor that a selector names from GDT or LDT. False: `vector` with the selector as error code
// (ext: 1 adds the EXT bit), or #PF.
bool fetch_descriptor(Cpu& cpu, u16 selector, cpu::Vector vector, DescriptorRef& out, u32 ext = 0);
// The second half of a 16-byte system descriptor.
bool fetch_high_half(Cpu& cpu, u16 selector, cpu::Vector vector, DescriptorRef& inout);
bool set_accessed(Cpu& cpu, DescriptorRef& ref);
bool set_tss_busy(Cpu& cpu, u64 address, bool busy);

// Loads a data segment register or SS with all checks, in any mode.
bool load_segment(Cpu& cpu, unsigned name, u16 selector);
// The real-mode and virtual-8086 way: base = selector * 16.
void load_segment_real(Cpu& cpu, unsigned name, u16 selector);
// CS for a new privilege level; checks were the caller's.
void set_code_segment(Cpu& cpu, u16 selector, const Descriptor& d, u8 cpl);
// Data segments that the outer level may not use become null (SDM, RET).
void drop_inner_segments(Cpu& cpu);

// Everything a far transfer changes before it is sure to succeed.
struct TransferBackup {
  explicit TransferBackup(const Cpu& cpu)
      : cs(cpu.state.segments[cpu::kCs]),
        ss(cpu.state.segments[cpu::kSs]),
        rsp(cpu.state.gpr[cpu::kRsp]),
        rip(cpu.state.rip),
        rflags(cpu.state.rflags) {}
  void restore(Cpu& cpu) const {
    cpu.state.segments[cpu::kCs] = cs;
    cpu.state.segments[cpu::kSs] = ss;
    cpu.state.gpr[cpu::kRsp] = rsp;
    cpu.state.rip = rip;
    cpu.state.rflags = rflags;
    cpu::update_mode(cpu);
  }
  cpu::Segment cs, ss;
  u64 rsp, rip, rflags;
};

}  // namespace tandem::semantics
