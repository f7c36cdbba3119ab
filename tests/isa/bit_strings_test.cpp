// BT, BTS, BTR and BTC in memory with the bit's number in a register, mostly where the page is in the soft
// TLB, against the host CPU. The seed is printed; TANDEM_SEED=N repeats one.
#include "tests/isa/host_programs.h"
#include "tests/isa/touch.h"

namespace tandem::tests {
namespace {

constexpr u32 kUndefined = 0x894;  // OF, SF, AF and PF; ZF stays as it is
constexpr unsigned kRsp = 4, kRbx = 3, kRcx = 1;

class BitPrograms {
 public:
  explicit BitPrograms(u64 seed) : random_(seed) {}

  HostProgram next() {
    HostProgram program;
    program.undefined_flags = kUndefined;
    for (u64& gpr : program.start.gpr) gpr = random_();
    for (u8& b : program.start.window) b = static_cast<u8>(random_());
    program.start.rflags |= random_() & 0x8d5;
    if (!one_in(4))
      for (u64 page = 0; page < kWindowSize; page += kPageSize)
        append_touch(program.code, kWindowAddress + page);
    const std::vector<u8> made = insn(program.start);
    program.code.insert(program.code.end(), made.begin(), made.end());
    program.text = disassemble(made);
    return program;
  }

 private:
  bool one_in(u64 n) { return random_() % n == 0; }

  // [RBX + disp], [RBX + RCX * 4 + disp] or [disp], which lead into the window, and a number from there.
  std::vector<u8> insn(RunState& s) {
    constexpr u8 kOpcodes[] = {0xa3, 0xab, 0xb3, 0xbb};
    const unsigned kind = static_cast<unsigned>(random_() % 4), form = static_cast<unsigned>(random_() % 3);
    const unsigned size = one_in(8) ? 2 : one_in(2) ? 4 : 8;
    const u64 operand = kWindowAddress + random_() % (kWindowSize - 8);
    s.gpr[kRcx] = random_() % 300;
    const i32 disp = form == 2 ? static_cast<i32>(operand) : static_cast<i32>(random_() % 2000) - 1000;
    s.gpr[kRbx] = operand - static_cast<u64>(i64{disp}) - (form == 1 ? 4 * s.gpr[kRcx] : 0);
    const unsigned reg = one_in(6) ? random_() % 2 ? kRbx : kRcx : bit_register();
    if (reg != kRbx && reg != kRcx) s.gpr[reg] = number(operand, size, s.gpr[reg]);

    std::vector<u8> code;
    if (kind != 0 && one_in(3)) code.push_back(0xf0);
    if (size == 2) code.push_back(0x66);
    code.push_back(static_cast<u8>(0x40 | (size == 8 ? 8 : 0) | (reg >= 8 ? 4 : 0)));
    code.insert(code.end(), {0x0f, kOpcodes[kind]});
    const u8 named = static_cast<u8>((reg & 7) << 3);
    if (form == 0) code.push_back(0x80 | named | kRbx);
    if (form == 1) code.insert(code.end(), {static_cast<u8>(0x84 | named), 0x80 | kRcx << 3 | kRbx});
    if (form == 2) code.insert(code.end(), {static_cast<u8>(0x04 | named), 0x25});
    for (unsigned shift = 0; shift < 32; shift += 8)
      code.push_back(static_cast<u8>(static_cast<u32>(disp) >> shift));
    return code;
  }
  unsigned bit_register() {
    for (;;)
      if (const unsigned reg = static_cast<unsigned>(random_() % 16); reg != kRsp && reg != 8) return reg;
  }
  // Of a bit anywhere in the window, or near where it or a page begins or ends.
  u64 number(u64 operand, unsigned size, u64 rest) {
    const u64 near = random_() % 3 * kPageSize + random_() % 40 - 20;
    const u64 byte = kWindowAddress + (one_in(3) ? near : random_() % kWindowSize) - operand;
    const u64 bit = byte * 8 + random_() % 8;
    return size == 8 ? bit : size == 4 ? (rest & ~u64{0xffffffff}) | static_cast<u32>(bit) : rest;
  }

  std::mt19937_64 random_;
};

TEST(BitStrings, DoWhatTheHostCpuDoes) { run_against_host<BitPrograms>(6000); }

}  // namespace
}  // namespace tandem::tests
