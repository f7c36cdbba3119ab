// CpuState: the whole visible CPU as plain data. Every engine exports and imports it at instruction
// boundaries; save/restore, gdb and lock-step use it too. Names as in the Intel SDM.
#pragma once

#include "core/base/types.h"

namespace tandem::cpu {

enum Gpr : u8 {
  kRax,
  kRcx,
  kRdx,
  kRbx,
  kRsp,
  kRbp,
  kRsi,
  kRdi,
  kR8,
  kR9,
  kR10,
  kR11,
  kR12,
  kR13,
  kR14,
  kR15
};

// Order of the segment field in instructions (SDM vol. 2, table B-8).
enum SegmentName : u8 { kEs, kCs, kSs, kDs, kFs, kGs, kSegmentCount };

// A segment register with its hidden part (SDM vol. 3, 3.4.3).
struct Segment {
  u16 selector = 0;
  u8 type = 0;     // 4 bits, as in the descriptor
  bool s = false;  // code or data (true), system (false)
  u8 dpl = 0;
  bool present = false;
  bool avl = false;
  bool l = false;   // 64-bit code
  bool db = false;  // default size
  bool g = false;   // granularity; limit below is already scaled to bytes
  u32 limit = 0;    // last valid offset, in bytes
  u64 base = 0;
};

struct DescriptorTable {
  u64 base = 0;
  u16 limit = 0;
};

// RFLAGS bits (SDM vol. 1, 3.4.3).
inline constexpr u64 kCf = 1u << 0, kPf = 1u << 2, kAf = 1u << 4, kZf = 1u << 6, kSf = 1u << 7, kTf = 1u << 8,
                     kIf = 1u << 9, kDf = 1u << 10, kOf = 1u << 11, kIopl = 3u << 12, kNt = 1u << 14,
                     kRf = 1u << 16, kVm = 1u << 17, kAc = 1u << 18, kVif = 1u << 19, kVip = 1u << 20,
                     kId = 1u << 21;
inline constexpr u64 kArithmeticFlags = kCf | kPf | kAf | kZf | kSf | kOf;

inline constexpr u64 kCr0Pe = 1u << 0, kCr0Mp = 1u << 1, kCr0Em = 1u << 2, kCr0Ts = 1u << 3, kCr0Et = 1u << 4,
                     kCr0Ne = 1u << 5, kCr0Wp = 1u << 16, kCr0Am = 1u << 18, kCr0Nw = 1u << 29,
                     kCr0Cd = 1u << 30, kCr0Pg = 1u << 31;
inline constexpr u64 kCr4Vme = 1u << 0, kCr4Pvi = 1u << 1, kCr4Tsd = 1u << 2, kCr4De = 1u << 3,
                     kCr4Pse = 1u << 4, kCr4Pae = 1u << 5, kCr4Mce = 1u << 6, kCr4Pge = 1u << 7,
                     kCr4Pce = 1u << 8, kCr4Osfxsr = 1u << 9, kCr4Osxmmexcpt = 1u << 10, kCr4Umip = 1u << 11,
                     kCr4La57 = 1u << 12, kCr4Fsgsbase = 1u << 16, kCr4Pcide = 1u << 17,
                     kCr4Osxsave = 1u << 18, kCr4Smep = 1u << 20, kCr4Smap = 1u << 21;
inline constexpr u64 kEferSce = 1u << 0, kEferLme = 1u << 8, kEferLma = 1u << 10, kEferNxe = 1u << 11;

// XCR0 and XSTATE_BV components (SDM vol. 1, 13.1).
inline constexpr u64 kXfeatureX87 = 1u << 0, kXfeatureSse = 1u << 1, kXfeatureAvx = 1u << 2,
                     kXfeatureOpmask = 1u << 5, kXfeatureZmmHi256 = 1u << 6, kXfeatureHi16Zmm = 1u << 7;
inline constexpr u64 kXfeatureAvx512 = kXfeatureOpmask | kXfeatureZmmHi256 | kXfeatureHi16Zmm;

struct alignas(64) Zmm {
  u8 bytes[64] = {};
};

// x87 and MMX registers in the form of the first 160 bytes of FXSAVE64 (SDM vol. 1, 10.5.1).
// FIP, FDP and FOP are kept only while an unmasked exception is pending, as AMD CPUs and
// CPUID.(7,0):EBX.FDP_EXCPTN_ONLY describe.
struct alignas(16) X87State {
  u16 fcw = 0x37f;
  u16 fsw = 0;
  u8 ftw_abridged = 0;  // one bit a register, 1 = not empty
  u8 reserved = 0;
  u16 fop = 0;
  u64 fip = 0;
  u64 fdp = 0;
  u32 mxcsr_unused = 0;  // MXCSR lives in VectorState
  u32 mxcsr_mask_unused = 0;
  u8 st[8][16] = {};  // ST0..ST7 in stack order; low 10 bytes of each
};

struct VectorState {
  Zmm zmm[32];  // XMM and YMM are the low parts
  u64 k[8] = {};
  X87State x87;
  u32 mxcsr = 0x1f80;
};

struct Msrs {
  u64 apic_base = 0;  // board sets the BSP bit
  u64 tsc_adjust = 0;
  u64 star = 0, lstar = 0, cstar = 0, sfmask = 0, kernel_gs_base = 0;
  u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
  u64 tsc_aux = 0;
  u64 pat = 0x0007040600070406;
  u64 misc_enable = 1;
  u64 debugctl = 0;
  u64 xss = 0;
  u64 spec_ctrl = 0;
  u64 feature_control = 1;
  u64 mcg_status = 0, mcg_ctl = 0;
  u64 mtrr_def_type = 0;
  u64 mtrr_fixed[11] = {};
  u64 mtrr_phys_base[8] = {}, mtrr_phys_mask[8] = {};
  u64 smbase = 0x30000;
};

// Local APIC registers (SDM vol. 3, 11.4). core/irq/lapic works on it; KVM_GET/SET_LAPIC maps to it.
struct LapicState {
  u32 id = 0;  // full 32-bit x2APIC id
  u32 tpr = 0, ldr = 0, dfr = 0xffffffff, svr = 0xff;
  u32 isr[8] = {}, tmr[8] = {}, irr[8] = {};
  u32 esr = 0, esr_pending = 0;
  u64 icr = 0;
  u32 lvt_cmci = 0x10000, lvt_timer = 0x10000, lvt_thermal = 0x10000, lvt_pmc = 0x10000, lvt_lint0 = 0x10000,
      lvt_lint1 = 0x10000, lvt_error = 0x10000;
  u32 timer_initial = 0, timer_divide = 0;
  i64 timer_started = 0;  // GuestNs at which the present count began
  u64 tsc_deadline = 0;   // IA32_TSC_DEADLINE, 0 = disarmed
};

enum class Activity : u8 { Running, Halted, WaitForSipi, Shutdown };

// An event that the CPU has accepted and not yet delivered.
struct PendingEvents {
  bool interrupt_shadow_sti = false;    // one instruction after STI
  bool interrupt_shadow_movss = false;  // one instruction after MOV SS / POP SS
  bool nmi_blocked = false;             // between an NMI and its IRET
  bool nmi_pending = false;
  bool smi_pending = false;
  bool in_smm = false;
  bool init_pending = false;
  bool startup_pending = false;     // SIPI
  u8 startup_vector = 0;            // of that
  bool interrupt_accepted = false;  // taken from the interrupt controller, to be delivered at once
  u8 accepted_vector = 0;           // of that
  u64 debug_traps = 0;              // DR6 bits of traps to be raised at the next boundary
};

struct CpuState {
  u64 gpr[16] = {};
  u64 rip = 0xfff0;
  u64 rflags = 2;
  // Always 0: the register that an absent base or index of a memory operand names.
  u64 zero = 0;

  Segment segments[kSegmentCount];
  Segment ldtr, tr;
  DescriptorTable gdtr, idtr;

  u64 cr0 = kCr0Et | kCr0Nw | kCr0Cd, cr2 = 0, cr3 = 0, cr4 = 0, xcr0 = kXfeatureX87, efer = 0;
  u64 dr[8] = {0, 0, 0, 0, 0, 0, 0xffff0ff0, 0x400};
  u64 pdpte[4] = {};  // PAE page-directory-pointer registers (SDM vol. 3, 4.4.1)
  // Guest TSC = clock ticks + tsc_offset (see core/time).
  u64 tsc_offset = 0;

  Msrs msr;
  VectorState vector;
  PendingEvents events;
  Activity activity = Activity::Running;
  LapicState lapic;
};

// The state after RESET# or power-up (SDM vol. 3, table 10-1); bsp: whether IA32_APIC_BASE.BSP is set.
CpuState reset_state(bool bsp, u32 apic_id);
// The state after INIT: x87/vector state, MSRs and caches are kept.
void apply_init(CpuState& state);

}  // namespace tandem::cpu
