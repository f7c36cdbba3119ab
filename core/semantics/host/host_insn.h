// What prepare() found out about an instruction that the host CPU executes.
#pragma once

#include "core/cpu/cpu.h"
#include "core/isa/insn.h"

namespace tandem::semantics {

struct HostFrame;

// Generated code around one instruction: loads what it reads from the state, executes it with its memory
// operand at `memory`, stores what it wrote. RDX and RCX stay free for instructions that name them. Returns
// 0, or the number of the host's signal that ended the instruction; then it changed nothing but MXCSR's
// flags.
using Thunk = u32 (*)(u8* memory, cpu::CpuState* state, u64 unused_rdx, u64 unused_rcx, HostFrame* frame);

// Whose availability decides (SDM vol. 2, 2.4 to 2.8; vol. 3, 2.5).
enum class Unit : u8 { X87, Mmx, Sse, Avx, Avx512 };

enum class MaskSource : u8 {
  None,
  Opmask,      // bit i of a k register: element i
  VectorSign,  // top bit of each element of a vector register: VMASKMOV, MASKMOVDQU
  MmxSign,     // the same of an MMX register: MASKMOVQ
};

// The elements of a memory operand that an instruction really touches.
struct MemoryMask {
  MaskSource source = MaskSource::None;
  u8 reg = 0;               // number of the k or vector register
  u8 element = 1;           // bytes
  u8 elements = 1;          // in memory
  u8 lanes = 1;             // bits of an opmask that count; lane i uses element i % elements
  bool checks_all = false;  // faults as if all were accessed
  bool packed = false;      // compress, expand: one element for each bit that is set, in sequence
};

// Gathers and scatters: each element has an address of its own (SDM vol. 2, VSIB).
struct Vsib {
  u8 index = 0;       // number of the vector register that holds the indices
  u8 index_size = 4;  // bytes
  u8 element = 4;     // bytes of an element of data
  u8 count = 0;       // elements
  u8 data = 0;        // number of the data register
  u8 mask = 0;        // number of the mask register: k, or vector for AVX2
  u8 scale_log2 = 0;
  bool opmask = false;  // EVEX
  bool scatter = false;
};

struct HostInsn {
  using Run = cpu::Step (*)(cpu::Cpu&, const isa::Insn&, const HostInsn&);

  Run run = nullptr;
  Thunk thunk = nullptr;
  Unit unit = Unit::Sse;
  bool x87_state = false;    // x87 or MMX registers are used
  bool waits = false;        // pending x87 exceptions are raised first
  bool x87_control = false;  // leaves FIP, FDP and FOP alone
  bool flags = false;        // reads or writes RFLAGS
  u16 memory_size = 0;       // bytes
  u8 alignment = 1;          // of the memory operand, bytes
  u16 x87_opcode = 0;        // FOP: 11 bits
  MemoryMask mask;
  Vsib vsib;
};

}  // namespace tandem::semantics
