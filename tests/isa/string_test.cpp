// Repeated string instructions, which run in bulk inside pages, against the host CPU: random lengths, places,
// ends and directions. The seed is printed; TANDEM_SEED=N repeats one.
//   build/tests/isa/string_test
#include "core/cpu/fault.h"
#include "tests/isa/host_programs.h"
#include "tests/isa/string_program.h"
#include "tests/isa/touch.h"

namespace tandem::tests {
namespace {

constexpr u64 kDf = u64{1} << 10;

bool in_window(u64 address) { return address - kWindowAddress < kWindowSize; }

// Where both operands of CMPS fault, CPUs differ in which they report; some do so by form.
void forget_which_faults(const StringInsn& insn, RunState& end) {
  if (!insn.is_cmps() || !end.fault || end.fault->vector != cpu::kPageFault) return;
  const u64 last = insn.size - 1;
  if (!in_window(end.gpr[cpu::kRsi] + last) && !in_window(end.gpr[cpu::kRdi] + last)) end.fault->address = 0;
}

class Programs {
 public:
  explicit Programs(u64 seed) : random_(seed) {}

  HostProgram next() {
    const StringInsn made = random_string_insn(random_);
    HostProgram program;
    program.start = start(made);
    program.code = code(made);
    program.text = disassemble(made.repeated());
    program.normalise = [made](RunState& end) { forget_which_faults(made, end); };
    return program;
  }

 private:
  RunState start(const StringInsn& insn) {
    RunState s;
    for (u64& gpr : s.gpr) gpr = random_();
    s.rflags |= (random_() & 0x8d5) | (one_in(3) ? kDf : 0);
    fill(s, insn.size);
    s.gpr[cpu::kRcx] = one_in(8) ? random_() % 5000 : random_() % 300;
    s.gpr[cpu::kRsi] = place(insn);
    s.gpr[cpu::kRdi] = one_in(4) ? s.gpr[cpu::kRsi] + random_() % 40 - 20 : place(insn);
    if (one_in(4)) s.gpr[cpu::kRcx] = to_page_end(s.gpr[one_in(2) ? cpu::kRsi : cpu::kRdi], insn.size);
    return s;
  }
  // Mostly with both pages in the TLB.
  std::vector<u8> code(const StringInsn& insn) {
    std::vector<u8> code;
    if (!one_in(4))
      for (u64 page = 0; page < kWindowSize; page += kPageSize) append_touch(code, kWindowAddress + page);
    const std::vector<u8> repeated = insn.repeated();
    code.insert(code.end(), repeated.begin(), repeated.end());
    return code;
  }

  bool one_in(u64 n) { return random_() % n == 0; }

  // So many elements upwards, or one more or less.
  u64 to_page_end(u64 address, unsigned size) {
    const u64 elements = (kPageSize - address % kPageSize) / size;
    return elements + random_() % 3 - 1;
  }

  // Anywhere, or where the window, or a page in it, begins or ends.
  u64 place(const StringInsn& insn) {
    const u64 near = random_() % 3 * kPageSize + random_() % 160 - 80;
    const u64 offset = one_in(2) ? near : random_() % kWindowSize;
    return kWindowAddress + (one_in(2) ? offset & ~u64{insn.size - 1u} : offset);
  }

  // All elements equal AL, AX and so on, but a few: repetitions are to end early, late and never.
  void fill(RunState& s, unsigned size) {
    for (u64 i = 0; i < kWindowSize; ++i)
      s.window[i] = static_cast<u8>(s.gpr[cpu::kRax] >> 8 * (i & (size - 1)));
    if (one_in(3)) s.gpr[cpu::kRax] ^= u64{1} << random_() % 64;
    for (u64 changes = random_() % 80; changes-- > 0;)
      s.window[random_() % kWindowSize] = static_cast<u8>(random_());
  }

  std::mt19937_64 random_;
};

TEST(Strings, BulkRunsDoWhatTheHostCpuDoes) { run_against_host<Programs>(6000); }

}  // namespace
}  // namespace tandem::tests
