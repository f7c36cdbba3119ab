#include "core/semantics/host/thunk.h"

#include <cpuid.h>

#include <cstddef>

#include "core/semantics/host/host_form.h"
#include "core/semantics/host/host_frame.h"

namespace tandem::semantics {

namespace {

using cpu::CpuState;

// In a thunk: RDI = memory operand, RSI = CpuState, R8 = HostFrame (see host_insn.h).
constexpr u8 kStateBase = 6, kFrameBase = 0;

constexpr u32 gpr_at(unsigned n) { return static_cast<u32>(offsetof(CpuState, gpr) + 8 * n); }
constexpr u32 kVector = offsetof(CpuState, vector);
constexpr u32 zmm_at(unsigned n) {
  return static_cast<u32>(kVector + offsetof(cpu::VectorState, zmm) + 64 * n);
}
constexpr u32 mask_at(unsigned n) {
  return static_cast<u32>(kVector + offsetof(cpu::VectorState, k) + 8 * n);
}
constexpr u32 kMxcsrAt = kVector + offsetof(cpu::VectorState, mxcsr);

enum class Direction : u8 { Load, Store };

struct Use {
  bool used = false, written = false;
};

class Emitter {
 public:
  std::vector<u8> take() { return std::move(out_); }
  void bytes(std::initializer_list<u8> b) { out_.insert(out_.end(), b); }
  void bytes(std::span<const u8> b) { out_.insert(out_.end(), b.begin(), b.end()); }
  // ModRM with a 32-bit displacement from RSI or R8.
  void operand(unsigned reg, u8 base, u32 disp) {
    out_.push_back(static_cast<u8>(0x80 | (reg & 7) << 3 | base));
    for (unsigned i = 0; i < 4; ++i) out_.push_back(static_cast<u8>(disp >> 8 * i));
  }

  void gpr(unsigned n, Direction d) {  // MOV r64, [state]
    bytes({0x48, static_cast<u8>(d == Direction::Load ? 0x8b : 0x89)});
    operand(n, kStateBase, gpr_at(n));
  }
  void gpr_rax_as(unsigned guest, Direction d) {
    bytes({0x48, static_cast<u8>(d == Direction::Load ? 0x8b : 0x89)});
    operand(0, kStateBase, gpr_at(guest));
  }
  void xmm(unsigned n, Direction d) {  // MOVUPS
    if (n >= 8) bytes({0x44});
    bytes({0x0f, static_cast<u8>(d == Direction::Load ? 0x10 : 0x11)});
    operand(n, kStateBase, zmm_at(n));
  }
  void ymm(unsigned n, Direction d) {  // VMOVDQU, VEX.256.F3.0F
    bytes({0xc5, static_cast<u8>((n >= 8 ? 0 : 0x80) | 0x7e),
           static_cast<u8>(d == Direction::Load ? 0x6f : 0x7f)});
    operand(n, kStateBase, zmm_at(n));
  }
  void zmm(unsigned n, Direction d) {  // VMOVDQU64, EVEX.512.F3.0F.W1
    const u8 p0 = static_cast<u8>((n & 8 ? 0 : 0x80) | 0x60 | (n & 16 ? 0 : 0x10) | 1);
    bytes({0x62, p0, 0xfe, 0x48, static_cast<u8>(d == Direction::Load ? 0x6f : 0x7f)});
    operand(n, kStateBase, zmm_at(n));
  }
  void opmask(unsigned n, Direction d) {  // KMOVQ, VEX.L0.0F.W1
    bytes({0xc4, 0xe1, 0xf8, static_cast<u8>(d == Direction::Load ? 0x90 : 0x91)});
    operand(n, kStateBase, mask_at(n));
  }
  void guest_mxcsr(Direction d) {  // LDMXCSR, STMXCSR
    bytes({0x0f, 0xae});
    operand(d == Direction::Load ? 2 : 3, kStateBase, kMxcsrAt);
  }
  void host_mxcsr() {
    bytes({0x41, 0x0f, 0xae});
    operand(2, kFrameBase, offsetof(HostFrame, host_mxcsr));
  }
  void x87(Direction d) {  // XRSTOR64, XSAVE64 of component 0
    bytes({0xb8, 1, 0, 0, 0, 0x31, 0xd2, 0x49, 0x0f, 0xae});
    operand(d == Direction::Load ? 5 : 4, kFrameBase, offsetof(HostFrame, xsave));
  }
  void load_flags() {  // PUSH [frame.flags]; POPFQ
    bytes({0x41, 0xff});
    operand(6, kFrameBase, offsetof(HostFrame, flags));
    bytes({0x9d});
  }
  void store_flags() {  // PUSHFQ; POP [frame.flags]
    bytes({0x9c, 0x41, 0x8f});
    operand(0, kFrameBase, offsetof(HostFrame, flags));
  }
  void fninit() { bytes({0xdb, 0xe3}); }
  void vzeroupper() { bytes({0xc5, 0xf8, 0x77}); }

 private:
  std::vector<u8> out_;
};

bool writes(const ZydisDecodedOperand& o) { return o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE; }

class ThunkBuilder {
 public:
  ThunkBuilder(std::span<const u8> code, const ZydisDecodedInstruction& insn,
               const ZydisDecodedOperand* operands)
      : code_(code), insn_(insn) {
    for (unsigned i = 0; i < insn.operand_count; ++i) note(operands[i]);
    x87_ = uses_x87_state(insn, operands);
    flags_ = uses_flags(insn, operands);
    mxcsr_ = uses_mxcsr();
  }

  std::vector<u8> build() {
    if (x87_) e_.x87(Direction::Load);
    vectors(Direction::Load);
    general(Direction::Load);
    if (mxcsr_) e_.guest_mxcsr(Direction::Load);
    if (flags_) e_.load_flags();
    e_.bytes(code_);
    if (flags_) e_.store_flags();
    general(Direction::Store);
    vectors(Direction::Store);
    if (mxcsr_) {
      e_.guest_mxcsr(Direction::Store);
      e_.host_mxcsr();
    }
    if (x87_) {
      e_.x87(Direction::Store);
      e_.fninit();
    }
    if (vex()) e_.vzeroupper();
    e_.bytes({0x31, 0xc0, 0xc3});  // XOR EAX, EAX; RET
    return e_.take();
  }

 private:
  bool vex() const {
    return insn_.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX ||
           insn_.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
  }

  static void add(Use& use, const ZydisDecodedOperand& o) {
    use.used = true;
    use.written |= writes(o);
  }

  void note(const ZydisDecodedOperand& o) {
    if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) return;
    const unsigned n = static_cast<unsigned>(ZydisRegisterGetId(o.reg.value));
    switch (ZydisRegisterGetClass(o.reg.value)) {
      case ZYDIS_REGCLASS_XMM:
      case ZYDIS_REGCLASS_YMM:
      case ZYDIS_REGCLASS_ZMM: add(vectors_[n], o); break;
      case ZYDIS_REGCLASS_MASK: add(masks_[n], o); break;
      default:
        if (!is_general_register(o)) break;
        if (o.encoding == ZYDIS_OPERAND_ENCODING_NONE) {
          add(general_[n], o);
        } else {
          explicit_general_ = static_cast<int>(n);
          add(explicit_use_, o);
        }
    }
  }

  void vectors(Direction d) {
    for (unsigned n = 0; n < 32; ++n) {
      if (!vectors_[n].used || (d == Direction::Store && !vectors_[n].written)) continue;
      if (!vex()) e_.xmm(n, d);
      else if (host_has_avx512()) e_.zmm(n, d);
      else e_.ymm(n, d);
    }
    for (unsigned n = 0; n < 8; ++n)
      if (masks_[n].used && (d == Direction::Load || masks_[n].written)) e_.opmask(n, d);
  }

  // Registers are loaded even where they are only written: parts of them may be kept.
  void general(Direction d) {
    for (unsigned n = 0; n < 3; ++n)  // RAX, RCX, RDX
      if (general_[n].used && (d == Direction::Load || general_[n].written)) e_.gpr(n, d);
    if (explicit_general_ >= 0 && (d == Direction::Load || explicit_use_.written))
      e_.gpr_rax_as(static_cast<unsigned>(explicit_general_), d);
  }

  // Instructions whose class has no SIMD floating-point exceptions don't look at MXCSR, with few exceptions.
  bool uses_mxcsr() const {
    if (insn_.meta.isa_ext == ZYDIS_ISA_EXT_X87) return false;
    switch (insn_.meta.exception_class) {
      case ZYDIS_EXCEPTION_CLASS_SSE1:
      case ZYDIS_EXCEPTION_CLASS_SSE4:
      case ZYDIS_EXCEPTION_CLASS_SSE5:
      case ZYDIS_EXCEPTION_CLASS_SSE7:
      case ZYDIS_EXCEPTION_CLASS_AVX1:
      case ZYDIS_EXCEPTION_CLASS_AVX4:
      case ZYDIS_EXCEPTION_CLASS_AVX6:
      case ZYDIS_EXCEPTION_CLASS_AVX7: return false;
      default: return true;
    }
  }

  std::span<const u8> code_;
  const ZydisDecodedInstruction& insn_;
  Use vectors_[32], masks_[8], general_[16], explicit_use_;
  int explicit_general_ = -1;
  bool x87_ = false, flags_ = false, mxcsr_ = false;
  Emitter e_;
};

bool host_enables(u64 components) {
  u32 a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
  u32 low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & components) == components;
}

}  // namespace

std::vector<u8> make_thunk(std::span<const u8> code, const ZydisDecodedInstruction& insn,
                           const ZydisDecodedOperand* operands) {
  return ThunkBuilder(code, insn, operands).build();
}

std::vector<u8> make_fault_exit() {
  Emitter e;
  e.host_mxcsr();
  e.fninit();
  if (host_has_avx()) e.vzeroupper();
  e.bytes({0x41, 0x8b});  // MOV EAX, [frame.signal]
  e.operand(0, kFrameBase, offsetof(HostFrame, signal));
  e.bytes({0xc3});
  return e.take();
}

bool uses_x87_state(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  if (insn.meta.isa_ext == ZYDIS_ISA_EXT_X87 || insn.mnemonic == ZYDIS_MNEMONIC_EMMS) return true;
  for (unsigned i = 0; i < insn.operand_count; ++i) {
    if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
    const ZydisRegisterClass c = ZydisRegisterGetClass(operands[i].reg.value);
    if (c == ZYDIS_REGCLASS_MMX || c == ZYDIS_REGCLASS_X87) return true;
  }
  return false;
}

bool uses_flags(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  for (unsigned i = 0; i < insn.operand_count; ++i)
    if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
        ZydisRegisterGetClass(operands[i].reg.value) == ZYDIS_REGCLASS_FLAGS)
      return true;
  return false;
}

bool host_has_avx() {
  static const bool has =
      host_enables(cpu::kXfeatureSse | cpu::kXfeatureAvx) && __builtin_cpu_supports("avx");
  return has;
}

bool host_has_avx512() {
  static const bool has = host_enables(cpu::kXfeatureAvx | cpu::kXfeatureAvx512) &&
                          __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  return has;
}

}  // namespace tandem::semantics
