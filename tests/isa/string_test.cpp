// Repeated string instructions, which run in bulk inside pages, against the host CPU: random lengths, places,
// ends and directions. The seed is printed; TANDEM_SEED=N repeats one.
//   build/tests/isa/string_test
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/cpu/fault.h"
#include "tests/isa/compare.h"
#include "tests/isa/state_text.h"
#include "tests/isa/string_program.h"
#include "tests/isa/touch.h"
#include "tests/support/engines.h"

namespace tandem::tests {
namespace {

constexpr int kPrograms = 6000;
constexpr u64 kDf = u64{1} << 10;

class Programs {
 public:
  explicit Programs(u64 seed) : random_(seed) {}

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
  StringInsn insn() { return random_string_insn(random_); }

  // Mostly with both pages in the TLB.
  std::vector<u8> code(const StringInsn& insn) {
    std::vector<u8> code;
    if (!one_in(4))
      for (u64 page = 0; page < kWindowSize; page += kPageSize) append_touch(code, kWindowAddress + page);
    const std::vector<u8> repeated = insn.repeated();
    code.insert(code.end(), repeated.begin(), repeated.end());
    return code;
  }

 private:
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

bool in_window(u64 address) { return address - kWindowAddress < kWindowSize; }

// Where both operands of CMPS fault, CPUs differ in which they report; some do so by form.
void forget_which_faults(const StringInsn& insn, RunState& end) {
  if (!insn.is_cmps() || !end.fault || end.fault->vector != cpu::kPageFault) return;
  const u64 last = insn.size - 1;
  if (!in_window(end.gpr[cpu::kRsi] + last) && !in_window(end.gpr[cpu::kRdi] + last)) end.fault->address = 0;
}

TEST(Strings, BulkRunsDoWhatTheHostCpuDoes) {
  const u64 seed = test_seed();
  SCOPED_TRACE(fmt::format("TANDEM_SEED={}", seed));
  auto native = NativeExecutor::create();
  ASSERT_TRUE(native) << native.error().message;
  const cpu::CpuModel model = cpu::make_cpu_model("max").take();
  for (const EngineRow& row : engine_rows()) {
    const auto engine = row.make();
    auto guest = EngineExecutor::create(*engine, model).take();
    Programs programs(seed);
    const int count = row.name == "jit_llvm" ? kPrograms / 6 : kPrograms;  // each is compiled
    for (int i = 0; i < count; ++i) {
      const StringInsn insn = programs.insn();
      const RunState start = programs.start(insn);
      const std::vector<u8> code = programs.code(insn);
      RunState host = start, end = start;
      native.value()->run(code, host);
      const auto ran = guest->run(code, end);
      ASSERT_TRUE(ran) << ran.error().message;
      normalise(host, 0);
      normalise(end, 0);
      forget_which_faults(insn, host);
      forget_which_faults(insn, end);
      ASSERT_EQ(difference(host, end), "")
          << row.name << ", program " << i << ", " << disassemble(insn.repeated()) << ": "
          << difference(default_state(), start).substr(0, 600);
    }
  }
}

}  // namespace
}  // namespace tandem::tests
