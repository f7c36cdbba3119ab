#include "jit/runtime/stubs.h"

#include <cpuid.h>

#include "core/base/assert.h"
#include "jit/base/assembler.h"

namespace tandem::jit {

namespace {

using semantics::CodeArena;

// XGETBV of register 1 (SDM vol. 1, 13.2).
bool has_xgetbv_1() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(0xd, 1, &a, &b, &c, &d) && (a & 4);
}

constexpr u8 kCalleeSaved[] = {kBx, kBp, k12, k13, k14, k15};

class StubWriter {
 public:
  StubWriter(CodeArena& arena, interp::Context& context) : arena_(arena), context_(context) {}

  Stubs write() {
    Stubs s;
    s.sse = vectors(Width::Sse);
    s.avx = vectors(Width::Avx);
    s.avx512 = vectors(Width::Avx512);
    s.enter = reinterpret_cast<Stubs::Enter>(reinterpret_cast<u64>(enter()));
    leave_common_ = leave_common();
    s.leave = leave(false);
    s.leave_saved = leave(true);
    s.indirect = indirect(false);
    s.indirect_hosted = indirect(true);
    site_common_ = site_common();
    s.site_saved = site(true);
    s.site = site(false);
    s.signal = signal();
    return s;
  }

 private:
  enum class Width : u8 { Sse, Avx, Avx512 };

  static Mem field(const void* p) { return at_address(static_cast<i32>(reinterpret_cast<i64>(p))); }
  Mem gpr(u8 n) const { return field(&context_.state.gpr[n]); }
  interp::TierFrame& frame() { return context_.tier; }

  const u8* finish() {
    const u8* at = arena_.append(a_.code());
    ensure(at, "room for the stubs");
    a_.clear();
    return at;
  }
  void jump_to(const u8* code) {
    const Hole h = a_.jump();
    const u64 from = reinterpret_cast<u64>(arena_.next()) + h.at + 4;
    store_le<u32>(a_.code().data() + h.at, static_cast<u32>(reinterpret_cast<u64>(code) - from));
  }

  void load_guest() {
    a_.load(kAx, field(&frame().flags));
    a_.flags_from_ax();
    for (u8 r = 0; r < 16; ++r)
      if (r != kT0 && r != kT1) a_.load(r, gpr(r));
  }
  // RAX and the flags are stored already.
  void store_guest() {
    for (u8 r = 1; r < 16; ++r)
      if (r != kT0 && r != kT1) a_.store(gpr(r), r);
    a_.load(kSp, field(&frame().host_rsp));
  }
  void store_rax_and_flags(bool flags_saved) {
    a_.store(gpr(kAx), kAx);
    if (flags_saved) return;
    a_.flags_to_ax();
    a_.store(field(&frame().flags), kAx);
  }
  // Calls a function of the frame if the guest's vector registers are in the host's.
  void if_vectors(const u64& function) {
    a_.alu_imm(Alu::Cmp, field(&frame().vectors_loaded), 0, false);
    const Hole none = a_.jump(Cc::Z);
    a_.call(field(&function));
    a_.fill(none);
  }

  void if_x87(const u64& function) {
    a_.alu_imm(Alu::Cmp, field(&frame().x87_loaded), 0, false);
    const Hole none = a_.jump(Cc::Z);
    a_.load(kDi, field(&frame().context));
    a_.call(field(&function));
    a_.fill(none);
  }

  const u8* enter() {
    for (u8 r : kCalleeSaved) push(r);
    a_.alu_imm(Alu::Sub, kSp, 8);
    a_.store(field(&frame().host_rsp), kSp);
    a_.mov(kT0, kSi);
    a_.load(kT1, field(&context_.remaining));
    load_guest();
    a_.jump_reg(kT0);
    return finish();
  }
  const u8* leave_common() {
    store_guest();
    a_.store(field(&frame().left_by), kT1);
    if_vectors(frame().vector_save);
    a_.store_imm(field(&frame().vectors_loaded), 0, false);
    if_x87(frame().x87_save);
    a_.store_imm(field(&frame().x87_loaded), 0, false);
    a_.load(kAx, field(&frame().left_by), false);
    a_.alu_imm(Alu::Add, kSp, 8);
    for (unsigned i = std::size(kCalleeSaved); i-- > 0;) pop(kCalleeSaved[i]);
    a_.byte(0xc3);
    return finish();
  }
  const u8* leave(bool flags_saved) {
    store_rax_and_flags(flags_saved);
    jump_to(leave_common_);
    return finish();
  }
  const u8* indirect(bool hosted) {
    if (hosted) {
      a_.load(kT0, field(&frame().branch_target));
      a_.store(field(&context_.remaining), kT1);
    }
    a_.store(field(&context_.state.rip), kT0);
    a_.mov_imm(kT1, kLeftIndirect);
    store_rax_and_flags(true);
    jump_to(leave_common_);
    return finish();
  }

  // on_site(context, id) gives the code to go on with, or null.
  const u8* site_common() {
    store_guest();
    a_.store(field(&frame().left_by), kT1);
    if_vectors(frame().vector_save);
    if_x87(frame().x87_save);
    a_.load(kDi, field(&frame().context));
    a_.load(kSi, field(&frame().left_by), false);
    a_.call(field(&frame().on_site));
    a_.mov(kT1, kAx);
    a_.bytes({0x48, 0x85, 0xc0});  // TEST RAX, RAX
    const Hole go_on = a_.jump(Cc::Nz);
    a_.store_imm(field(&frame().vectors_loaded), 0, false);
    a_.store_imm(field(&frame().x87_loaded), 0, false);
    a_.mov_imm(kAx, kLeftSite);
    a_.alu_imm(Alu::Add, kSp, 8);
    for (unsigned i = std::size(kCalleeSaved); i-- > 0;) pop(kCalleeSaved[i]);
    a_.byte(0xc3);
    a_.fill(go_on);
    a_.store(field(&frame().host_pc), kT1);
    if_x87(frame().x87_load);
    if_vectors(frame().vector_enter);
    load_guest();
    a_.load(kT0, field(&frame().t0));
    a_.load(kT1, field(&frame().t1));
    a_.jump(field(&frame().host_pc));
    return finish();
  }
  const u8* site(bool saved) {
    store_rax_and_flags(saved);
    jump_to(site_common_);
    return finish();
  }
  // The runtime knows where the instruction had the flags.
  const u8* signal() {
    a_.store(gpr(kAx), kAx);
    a_.flags_to_ax();
    a_.store(field(&frame().signal_flags), kAx);
    a_.store(field(&frame().signal_t1), kT1);
    a_.mov_imm(kT1, kSignalSite);
    jump_to(site_common_);
    return finish();
  }

  // How many registers are moved, and how much of each.
  enum class Part : u8 { Xmm, All };

  Stubs::Vectors vectors(Width width) {
    Stubs::Vectors v;
    move_vectors(width, Part::Xmm, true);
    a_.store_imm(field(&frame().vectors_loaded), 1, false);
    a_.jump_reg(kT0);
    v.load = finish();
    const Hole none = is_loaded(Cc::Z, 0);
    move_vectors(width, Part::Xmm, false);
    a_.fill(none);
    move_vectors(width, Part::All, true);
    a_.store_imm(field(&frame().vectors_loaded), 2, false);
    a_.jump_reg(kT0);
    v.load_all = finish();
    v.enter = by_what_is_loaded(width, true);
    v.save = by_what_is_loaded(width, false);
    return v;
  }
  Hole is_loaded(Cc cc, i32 what) {
    a_.alu_imm(Alu::Cmp, field(&frame().vectors_loaded), what, false);
    return a_.jump(cc);
  }
  const u8* by_what_is_loaded(Width width, bool load) {
    const Hole all = is_loaded(Cc::Nz, 1);
    move_vectors(width, Part::Xmm, load);
    a_.byte(0xc3);
    a_.fill(all);
    move_vectors(width, Part::All, load);
    if (!load && width != Width::Sse) {
      ask_upper_in_use();
      a_.bytes({0xc5, 0xf8, 0x77});  // VZEROUPPER
    }
    a_.byte(0xc3);
    return finish();
  }
  // Guest registers are stored already.
  void ask_upper_in_use() {
    constexpr i32 kUpper = static_cast<i32>(cpu::kXfeatureAvx | cpu::kXfeatureZmmHi256);
    if (has_xgetbv_1()) {
      a_.mov_imm(kCx, 1);
      a_.bytes({0x0f, 0x01, 0xd0});  // XGETBV
      a_.alu_imm(Alu::And, kAx, kUpper, false);
    } else {
      a_.mov_imm(kAx, kUpper);
    }
    a_.store(field(&frame().upper_in_use), kAx, false);
  }

  // Where the upper parts are all zero, loads of the XMM registers alone say so to the host: else each SSE
  // instruction would wait for the register's last value, to keep its upper part.
  void move_vectors(Width width, Part part, bool load) {
    const cpu::VectorState& v = context_.state.vector;
    const Width low = part == Part::Xmm ? Width::Sse : width;
    if (load && low != Width::Sse) {
      a_.alu_imm(Alu::Cmp, field(&frame().upper_in_use), 0, false);
      const Hole wide = a_.jump(Cc::Nz);
      for (u8 n = 0; n < 16; ++n) load_xmm(n);
      const Hole loaded = a_.jump();
      a_.fill(wide);
      for (u8 n = 0; n < 16; ++n) vector(low, n, load, field(&v.zmm[n]));
      a_.fill(loaded);
    } else {
      for (u8 n = 0; n < 16; ++n) vector(low, n, load, field(&v.zmm[n]));
    }
    if (low == Width::Avx512) move_avx512_only(load);
    mxcsr(load ? 2 : 3, &v.mxcsr);
    if (!load) mxcsr(2, &frame().host_mxcsr);
  }
  void move_avx512_only(bool load) {
    const cpu::VectorState& v = context_.state.vector;
    for (u8 n = 16; n < 32; ++n) vector(Width::Avx512, n, load, field(&v.zmm[n]));
    for (u8 n = 0; n < 8; ++n) {  // KMOVQ
      a_.bytes({0xc4, 0xe1, 0xf8, static_cast<u8>(load ? 0x90 : 0x91)});
      a_.operand(n, field(&v.k[n]));
    }
  }
  void load_xmm(u8 n) {  // VMOVDQU, VEX.128.F3.0F
    a_.bytes({0xc5, static_cast<u8>((n >= 8 ? 0 : 0x80) | 0x7a), 0x6f});
    a_.operand(n, field(&context_.state.vector.zmm[n]));
  }
  void vector(Width width, u8 n, bool load, const Mem& m) {
    if (width == Width::Sse) {  // MOVUPS
      if (n >= 8) a_.byte(0x44);
      a_.bytes({0x0f, static_cast<u8>(load ? 0x10 : 0x11)});
    } else if (width == Width::Avx) {  // VMOVDQU, VEX.256.F3.0F
      a_.bytes({0xc5, static_cast<u8>((n >= 8 ? 0 : 0x80) | 0x7e), static_cast<u8>(load ? 0x6f : 0x7f)});
    } else {  // VMOVDQU64, EVEX.512.F3.0F.W1
      const u8 p0 = static_cast<u8>((n & 8 ? 0 : 0x80) | 0x60 | (n & 16 ? 0 : 0x10) | 1);
      a_.bytes({0x62, p0, 0xfe, 0x48, static_cast<u8>(load ? 0x6f : 0x7f)});
    }
    a_.operand(n, m);
  }
  void mxcsr(u8 extension, const u32* p) {
    a_.bytes({0x0f, 0xae});
    a_.operand(extension, field(p));
  }

  void push(u8 r) {
    if (r >= 8) a_.byte(0x41);
    a_.byte(static_cast<u8>(0x50 | (r & 7)));
  }
  void pop(u8 r) {
    if (r >= 8) a_.byte(0x41);
    a_.byte(static_cast<u8>(0x58 | (r & 7)));
  }

  CodeArena& arena_;
  interp::Context& context_;
  Assembler a_;
  const u8* leave_common_ = nullptr;
  const u8* site_common_ = nullptr;
};

}  // namespace

Stubs make_stubs(CodeArena& arena, interp::Context& context) { return StubWriter(arena, context).write(); }

}  // namespace tandem::jit
