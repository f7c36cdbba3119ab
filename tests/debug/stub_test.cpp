// The gdb stub against a guest with known places (steps.asm), on every engine: breakpoints in each mode,
// watchpoints, steps, registers and memory, going away and coming back.
#include <filesystem>

#include "core/base/bits.h"
#include "tests/debug/debugger.h"
#include "tests/support/engines.h"

namespace tandem::tests {
namespace {

namespace fs = std::filesystem;

// In the order of the guest's table.
enum Label : unsigned {
  kMain16,
  kAfterReal,
  kMain32,
  kMain64,
  kWork,
  kRepeated,
  kAfterRepeated,
  kFault,
  kAfterFault,
  kWritten,
  kAfterWrite,
  kAfterRead,
  kAfterUpdate,
  kAfterVector,
  kAfterPush,
  kPatched,
  kSpin,
  kAfterSpin,
  kDone,
  kNeighbour,
  kHeld,
};
constexpr u64 kCell = 0x20100, kFree = 0x20000;

std::vector<u8> rom() { return read_bytes(fs::path(DEBUG_ROMS) / "steps.rom"); }

class StubTest : public testing::TestWithParam<EngineRow> {
 protected:
  StubTest() {
    const std::string_view text(reinterpret_cast<const char*>(rom_.data()), rom_.size());
    table_ = text.find("LABELS  ") + 8;
  }
  u64 at(Label label) const { return load_le<u64>(rom_.data() + table_ + 8 * label); }
  std::string break_at(Label label) { return d.ask(fmt::format("Z0,{:x},1", at(label))); }
  std::string clear(Label label) { return d.ask(fmt::format("z0,{:x},1", at(label))); }
  // Goes on to a breakpoint that is there for this only.
  void run_to(Label label) {
    ASSERT_EQ(break_at(label), "OK");
    EXPECT_EQ(d.go("vCont;c"), "T05swbreak:;thread:1;");
    EXPECT_EQ(d.pc(), at(label));
    clear(label);
  }
  void set_pc(Label label) {
    const auto* bytes = reinterpret_cast<const char*>(&rom_[table_ + 8 * label]);
    EXPECT_EQ(d.ask("P10=" + debug::to_hex({bytes, 8})), "OK");
    EXPECT_EQ(d.pc(), at(label));
  }
  void step() { EXPECT_EQ(d.go("vCont;s:1"), "T05thread:1;"); }

  std::vector<u8> rom_ = rom();
  std::size_t table_ = 0;
  Debugger d{GetParam().make(), rom_};
};

TEST_P(StubTest, BreakpointsInEachMode) {
  run_to(kMain16);
  step();
  EXPECT_EQ(d.pc(), at(kAfterReal));
  EXPECT_EQ(d.reg("rax") & 0xffff, 0x1234u);
  run_to(kMain32);
  EXPECT_EQ(d.reg("cr0") & 0x80000001, 1u);
  step();
  EXPECT_EQ(d.reg("rax"), 0x11223344u);
  run_to(kMain64);
  EXPECT_EQ(d.reg("efer") & cpu::kEferLma, cpu::kEferLma);
}

TEST_P(StubTest, ABreakpointIsHitEachTimeAndOthersAreNot) {
  ASSERT_EQ(break_at(kWork), "OK");
  ASSERT_EQ(break_at(kRepeated), "OK");
  for (u64 times = 0; times < 3; ++times) {
    EXPECT_EQ(d.go("vCont;c"), "T05swbreak:;thread:1;");
    EXPECT_EQ(d.pc(), at(kWork));
    EXPECT_EQ(d.reg("r8"), times);
    clear(kWork);  // as GDB does it: out, a step, in again
    step();
    break_at(kWork);
  }
  EXPECT_EQ(d.go("vCont;c"), "T05swbreak:;thread:1;");
  EXPECT_EQ(d.pc(), at(kRepeated));
  EXPECT_EQ(d.go("vCont;c"), "T05swbreak:;thread:1;") << "it stays where nobody steps over it";
  EXPECT_EQ(d.pc(), at(kRepeated));
}

TEST_P(StubTest, HardwareBreakpointsSaySo) {
  ASSERT_EQ(d.ask(fmt::format("Z1,{:x},1", at(kMain32))), "OK");
  EXPECT_EQ(d.go("vCont;c"), "T05hwbreak:;thread:1;");
  EXPECT_EQ(d.pc(), at(kMain32));
}

TEST_P(StubTest, StepsOverRepeatedInstructionsAndIntoHandlers) {
  run_to(kRepeated);
  EXPECT_EQ(d.reg("rcx"), 5000u);
  step();
  EXPECT_EQ(d.pc(), at(kAfterRepeated));
  EXPECT_EQ(d.reg("rcx"), 0u);
  run_to(kFault);
  step();
  const u64 gate = load_le<u16>(d.machine().memory().host(Gpa{d.state().idtr.base + 6 * 16}));
  EXPECT_EQ(d.pc() & 0xffff, gate) << "at the first instruction of the handler of #UD";
  run_to(kAfterFault);
}

TEST_P(StubTest, RangeSteps) {
  run_to(kMain64);
  const std::string range = fmt::format("vCont;r{:x},{:x}:1", at(kMain64), at(kRepeated));
  EXPECT_EQ(d.go(range), "T05thread:1;");
  EXPECT_EQ(d.pc(), at(kWork)) << "the call leaves the range";
}

TEST_P(StubTest, Watchpoints) {
  run_to(kAfterFault);
  const auto watch = [&](char kind) { return fmt::format("{},{:x},4", kind, kCell); };
  const auto goes_to = [&](char kind, Label stop, const std::string& name) {
    SCOPED_TRACE(name);
    ASSERT_EQ(d.ask("Z" + watch(kind)), "OK");
    EXPECT_EQ(d.go("vCont;c"), fmt::format("T05{}:{:x};thread:1;", name, kCell));
    EXPECT_EQ(d.pc(), at(stop));
    EXPECT_EQ(d.ask("z" + watch(kind)), "OK");
  };
  goes_to('2', kAfterWrite, "watch");  // what lies beside it was written before, and is not told
  EXPECT_EQ(d.machine().memory().read_value<u32>(Gpa{kCell}), 7u);
  goes_to('3', kAfterRead, "rwatch");
  EXPECT_EQ(d.reg("rax"), 7u);
  goes_to('4', kAfterUpdate, "awatch");
  EXPECT_EQ(d.machine().memory().read_value<u32>(Gpa{kCell}), 8u);
  goes_to('2', kAfterVector, "watch");
  goes_to('2', kAfterPush, "watch");
}

TEST_P(StubTest, AWatchedPageIsNotInTheWayOfInterruptsFrames) {
  run_to(kFault);
  ASSERT_EQ(d.ask(fmt::format("Z4,{:x},8", 0x80000 - 0x1000)), "OK");
  ASSERT_EQ(d.ask(fmt::format("Z2,{:x},8", d.reg("rsp") - 8)), "OK");
  ASSERT_EQ(break_at(kSpin), "OK");
  // The frame of #UD goes there unseen; what the handler does with its stack is seen.
  for (unsigned hits = 0; d.pc() != at(kSpin) && hits < 1000; ++hits)
    ASSERT_NE(d.go("vCont;c"), "the guest has ended");
  EXPECT_EQ(d.pc(), at(kSpin));
}

TEST_P(StubTest, RegistersAndMemory) {
  run_to(kMain64);
  EXPECT_EQ(d.ask("P0=8877665544332211"), "OK");
  EXPECT_EQ(d.ask("p0"), "8877665544332211");
  EXPECT_EQ(d.reg("rax"), 0x1122334455667788u);
  EXPECT_EQ(d.ask("pffff"), "E22");
  const std::string all = d.ask("g");
  EXPECT_EQ(all.substr(0, 16), "8877665544332211");
  EXPECT_EQ(d.ask("G" + all), "OK");
  EXPECT_EQ(d.ask("g"), all);

  EXPECT_EQ(d.ask(fmt::format("M{:x},4:01020304", kFree + 0xffe)), "OK") << "across two pages";
  EXPECT_EQ(d.ask(fmt::format("m{:x},4", kFree + 0xffe)), "01020304");
  EXPECT_EQ(d.ask(fmt::format("X{:x},3:a{}{}", kFree, '\0', '$')), "OK");
  EXPECT_EQ(d.ask(fmt::format("m{:x},3", kFree)), "610024");
  EXPECT_EQ(d.ask("m8000000000,4"), "E14") << "not mapped";
  EXPECT_EQ(d.ask("m3ffffffe,10"), "E14") << "mapped, no memory";
  EXPECT_EQ(d.ask("Qqemu.PhyMemMode:1"), "OK");
  EXPECT_EQ(d.ask(fmt::format("m{:x},3", kFree)), "610024");

  run_to(kRepeated);
  const auto& registers = debug::registers(debug::Arch::X86_64);
  const auto named = [&](std::string_view name) {
    for (std::size_t i = 0; i < registers.size(); ++i)
      if (registers[i].name == name) return d.ask(fmt::format("p{:x}", i));
    return std::string("missing");
  };
  EXPECT_EQ(named("xmm0"), "db0f4940000000000000000000000000");
  EXPECT_EQ(named("st0"), "35c26821a2da0fc90040");
}

TEST_P(StubTest, CodeThatIsWrittenRuns) {
  run_to(kPatched);
  EXPECT_EQ(d.ask(fmt::format("M{:x},1:2a", at(kPatched) + 1)), "OK");
  run_to(kSpin);
  EXPECT_EQ(d.reg("rsi"), 0x2au);
}

TEST_P(StubTest, TheGuestGoesOnWhereItIsTold) {
  run_to(kSpin);
  set_pc(kDone);
  EXPECT_EQ(d.ask("vCont;c"), "");
  EXPECT_EQ(d.wait_for_end().kind, machine::RunOutcome::Kind::DebugExit);
}

TEST_P(StubTest, InterruptedAndDetachedAndBack) {
  run_to(kSpin);
  set_pc(kHeld);
  ASSERT_EQ(break_at(kWork), "OK");
  d.disconnect();  // with a breakpoint: it goes too
  d.connect();
  EXPECT_EQ(d.ask("?"), "T05thread:1;");
  EXPECT_EQ(d.ask("vCont;c"), "");
  EXPECT_EQ(d.interrupt(), "T02thread:1;");
  set_pc(kSpin);
  ASSERT_EQ(break_at(kDone), "OK");
  EXPECT_EQ(d.go("vCont;c"), "T05swbreak:;thread:1;");
  EXPECT_EQ(d.pc(), at(kDone));
  EXPECT_EQ(d.reg("r8"), 300003u);
  EXPECT_EQ(d.ask("D"), "OK");
  EXPECT_EQ(d.wait_for_end().kind, machine::RunOutcome::Kind::DebugExit);
}

TEST_P(StubTest, OtherCodeIsTranslatedWhileBreakpointsAreSet) {
  if (GetParam().name == "interp") GTEST_SKIP() << "translates nothing";
  run_to(kSpin);
  for (u64 n = 0; n < 1000; ++n) d.ask(fmt::format("Z0,{:x},1", 0x1000000 + n * 16));
  for (u64 n = 0; n < 100; ++n) d.ask(fmt::format("Z{},{:x},8", 2 + n % 3, 0x2000000 + n * 4096));
  ASSERT_EQ(break_at(kAfterSpin), "OK");
  const u64 before = d.machine().statistics()["jit.retired"];
  EXPECT_EQ(d.go("vCont;c"), "T05swbreak:;thread:1;");
  EXPECT_GT(d.machine().statistics()["jit.retired"] - before, 1'100'000u) << "of 1.2 million";
}

TEST_P(StubTest, AnEngineIsSwitchedUnderADebugger) {
  run_to(kSpin);
  ASSERT_EQ(break_at(kAfterSpin), "OK");
  const auto other = interp::make_interp_engine();
  EXPECT_TRUE(d.machine().switch_engine(*other));
  EXPECT_EQ(d.go("vCont;c"), "T05swbreak:;thread:1;");
  EXPECT_EQ(d.pc(), at(kAfterSpin));
}

TEST_P(StubTest, Monitor) {
  run_to(kMain64);
  const auto says = [&](std::string_view line, std::string_view words) {
    EXPECT_NE(d.monitor(line).find(words), std::string::npos) << line << ": " << d.monitor(line);
  };
  says("help", "info");
  says("info registers", "efer");
  says("info mem", "0000000000000000-000000003fffffff     40000000 urwx");
  says("info tlb", "0000000000200000 -> 000000200000   200000");
  says("info mtree", "ioapic");
  says("info irq", "vCPU 0 local APIC 0");
  says("info cpus", "* 0 pc");
  says("info registers", "vCPU 0");
  says("vcpu 0 info registers", "vCPU 0");
  says("vcpu 1 info registers", "vcpu N");
  says("info help", "x/COUNT");
  says("x/2i $pc", "mov eax, 0x40490fdb");
  says(fmt::format("x/2xb {:#x}", at(kMain64)), "0xb8 0xdb");
  says(fmt::format("xp/xg {:#x}+0", at(kMain64)), "0x6e0f6640490fdbb8");
  says("x/i 0x8000000000", "not mapped");
  says("x/z 5", "ADDRESS");
  says("fly", "unknown");
}

INSTANTIATE_TEST_SUITE_P(All, StubTest, testing::ValuesIn(engine_rows()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace tandem::tests
