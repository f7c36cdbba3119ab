// verify=: mistakes that are planted are found, and named; where there are none, none is found, and the guest
// comes to the same end.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <thread>

#include "hwassist/probe/probe.h"
#include "tests/hwassist/bare_sink.h"
#include "tests/support/engines.h"
#include "tests/support/rom_guest.h"
#include "tests/verify/mistaken_engine.h"
#include "tools/verify/verifying_engine.h"

namespace tandem::verify {
namespace {

namespace fs = std::filesystem;
using cpu::CpuState;
using cpu::StopReason;
using mem::GuestMemory;
using testing::HasSubstr;
using tests::Mistake;

// --- What the option says ---------------------------------------------------------------------------------

TEST(VerifyOptions, AreRead) {
  const auto seeded = parse_options("1/50,seed=7");
  ASSERT_TRUE(seeded);
  EXPECT_EQ(seeded.value().one_in, 50u);
  EXPECT_EQ(seeded.value().seed, 7u);
  EXPECT_EQ(parse_options("").value().one_in, 0u);
}

TEST(VerifyOptions, MistakesAreTold) {
  for (const char* text : {"1/0", "1/", "50", "1/50,", "1/50,seed=", "1/50,fast", "seed=7", "1/5x", "1/-5"}) {
    const auto options = parse_options(text);
    ASSERT_FALSE(options) << text;
    EXPECT_EQ(options.error().kind, ErrorKind::User);
    EXPECT_THAT(options.error().message, HasSubstr("verify: "));
  }
}

// --- A loop -----------------------------------------------------------------------------------------------

constexpr u64 kCode = 0x1000, kAdd = kCode, kXor = kCode + 5, kStore = kCode + 7, kDec = kCode + 9,
              kData = 0x8000;
constexpr u64 kTimes = 500, kPerTime = 6;
const std::vector<u8> kLoop = {
    0x01, 0xd8,        // add eax, ebx
    0x6b, 0xc9, 0x2d,  // imul ecx, ecx, 45
    0x31, 0xca,        // xor edx, ecx
    0x89, 0x17,        // mov [edi], edx
    0x4e,              // dec esi
    0x75, 0xf4,        // jnz
    0xf4,              // hlt
};
const std::vector<u64> kBlock = {kAdd, kCode + 2, kXor, kStore, kDec, kCode + 10};

// 32-bit code without paging.
CpuState at_start_of_loop() {
  CpuState s = cpu::reset_state(true, 0);
  s.cr0 |= cpu::kCr0Pe;
  for (cpu::Segment& segment : s.segments)
    segment = {
        .selector = 0x10, .type = 3, .s = true, .present = true, .db = true, .g = true, .limit = ~u32{0}};
  s.segments[cpu::kCs].type = 0xb;
  s.segments[cpu::kCs].selector = 8;
  s.rip = kCode;
  for (const auto& [r, value] : {std::pair{cpu::kRax, 1}, {cpu::kRbx, 3}, {cpu::kRcx, 5}, {cpu::kRdx, 7}})
    s.gpr[r] = static_cast<u64>(value);
  s.gpr[cpu::kRdi] = kData;
  s.gpr[cpu::kRsi] = kTimes;
  return s;
}

class LoopTest : public testing::Test {
 protected:
  void use(std::unique_ptr<cpu::Engine> engine, std::unique_ptr<cpu::Engine> again, const Options& options) {
    Parts parts{.name = "subject", .engine = std::move(engine), .again = std::move(again)};
    parts.steppers = {make_interp_stepper};
    parts.report = [this](const std::string& text) { reports.push_back(text); };
    verifying = make_verifying_engine(options, std::move(parts));
    vcpu = verifying->make_vcpu(VcpuId{0}, *memory, model).take();
    memory->write(Gpa{kCode}, code);
    ASSERT_TRUE(vcpu->import_state(at_start_of_loop()));
  }
  void use(const Mistake& mistake, const Options& options) {
    use(std::make_unique<tests::MistakenEngine>(mistake), std::make_unique<tests::MistakenEngine>(mistake),
        options);
  }
  void use_interpreter(const Options& options) {
    use(interp::make_interp_engine(), interp::make_interp_engine(), options);
  }
  u64 counter(std::string_view name) {
    u64 found = 0;
    vcpu->statistics([&](std::string_view n, u64 value) {
      if (n == name) found = value;
    });
    return found;
  }
  CpuState state() {
    CpuState s;
    EXPECT_TRUE(vcpu->export_state(s));
    return s;
  }
  std::string report() const { return reports.empty() ? "" : reports.front(); }

  std::vector<u8> code = kLoop;
  std::unique_ptr<GuestMemory> memory = GuestMemory::create(1 * MiB).take();
  cpu::CpuModel model = cpu::default_cpu_model();
  std::unique_ptr<cpu::Engine> verifying;
  std::unique_ptr<cpu::Vcpu> vcpu;
  std::vector<std::string> reports;
  tests::BareSink sink;
};

TEST_F(LoopTest, ComesToTheSameEnd) {
  u32 ecx = 5, edx = 7;
  for (u64 i = 0; i < kTimes; ++i) edx ^= ecx *= 45;
  for (const u64 one_in : {1, 2, 100}) {
    SCOPED_TRACE(one_in);
    use_interpreter({.one_in = one_in, .seed = 3});
    EXPECT_EQ(vcpu->run({}, sink).why, StopReason::Halted);
    EXPECT_EQ(vcpu->retired(), kTimes * kPerTime + 1);
    EXPECT_EQ(state().gpr[cpu::kRax], 1 + 3 * kTimes);
    EXPECT_EQ(state().gpr[cpu::kRdx], edx);
    EXPECT_EQ(memory->read_value<u32>(Gpa{kData}), edx);
    EXPECT_EQ(report(), "");
  }
}

TEST_F(LoopTest, SamplesAsManyInstructionsAsItIsTold) {
  for (const u64 one_in : {1, 2, 10}) {
    code = {0x48, 0x40, 0xeb, 0xfc};  // dec eax; inc eax; jmp
    use_interpreter({.one_in = one_in, .seed = 3});
    constexpr u64 kRun = 100'000;
    EXPECT_EQ(vcpu->run({.instructions = kRun}, sink).retired, kRun);
    EXPECT_NEAR(static_cast<double>(counter("verify.instructions.interp")),
                static_cast<double>(kRun) / static_cast<double>(one_in),
                static_cast<double>(kRun) / static_cast<double>(one_in) / 4);
  }
}

TEST_F(LoopTest, DevicesAreAskedOnce) {
  code[5] = 0xe6, code[6] = 0x80;  // out 80h, al
  use_interpreter({.one_in = 1, .seed = 3});
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::Halted);
  ASSERT_EQ(sink.accesses.size(), kTimes);
  for (u64 i = 0; i < kTimes; ++i) EXPECT_EQ(sink.accesses[i].value, (4 + 3 * i) & 0xff);
  EXPECT_EQ(report(), "");
}

struct Planted {
  const char* name;
  Mistake mistake;
  std::string culprit;             // what the marked line ends with
  std::vector<std::string> shown;  // in the report
};
void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.name; }

Planted in_register() {
  const auto err = [](CpuState& s, GuestMemory&, cpu::ExitSink&) { s.gpr[cpu::kRdx] ^= 0x10; };
  return {
      "register", {kXor, err, kBlock}, "xor edx, ecx", {"\n  rdx ", "   before: ", "words of memory differ"}};
}
Planted in_memory() {
  const auto err = [](CpuState&, GuestMemory& m, cpu::ExitSink&) {
    m.write_value<u64>(Gpa{kData + 8}, 0x55);
  };
  return {"memory",
          {kStore, err, kBlock},
          "mov dword ptr [edi], edx",
          {"  [0x8008] 0000000000000000 | 0000000000000055\n", "  1 words of memory differ\n"}};
}
Planted in_flags() {
  const auto err = [](CpuState& s, GuestMemory&, cpu::ExitSink&) { s.rflags |= cpu::kZf; };
  return {"flags", {kDec, err, kBlock}, "dec esi", {"it halted", "\n  rip "}};
}
Planted by_asking() {
  const auto err = [](CpuState&, GuestMemory&, cpu::ExitSink& sink) { sink.tsc_ticks(VcpuId{0}); };
  return {"asking", {kXor, err, kBlock}, "xor edx, ecx", {"subject reached for a device or the time\n"}};
}

class Plant : public LoopTest, public testing::WithParamInterface<std::tuple<Planted, u64>> {};

TEST_P(Plant, IsFoundAtItsInstruction) {
  const auto& [planted, seed] = GetParam();
  use(planted.mistake, {.one_in = 1, .seed = seed});
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::HostError);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_THAT(report(), HasSubstr("verify: subject and interp differ after "));
  EXPECT_THAT(report(),
              HasSubstr(fmt::format("on vCPU 0 (sample {}, seed {})\n", counter("verify.samples"), seed)));
  EXPECT_THAT(report(), HasSubstr("done anew, they differ after "));
  const std::size_t marked = report().find("\n>");
  ASSERT_NE(marked, std::string::npos);
  const std::string line = report().substr(marked + 1, report().find('\n', marked + 1) - marked - 1);
  EXPECT_TRUE(line.ends_with(planted.culprit)) << line;
  EXPECT_THAT(report(), HasSubstr("state before:\n  rax="));
  for (const std::string& text : planted.shown) EXPECT_THAT(report(), HasSubstr(text));
}

INSTANTIATE_TEST_SUITE_P(Mistakes, Plant,
                         testing::Combine(testing::Values(in_register(), in_memory(), in_flags(),
                                                          by_asking()),
                                          testing::Values(1, 2, 3)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param).name, std::get<1>(info.param));
                         });

TEST_F(LoopTest, AMistakeThatDoesNotComeAgainIsTold) {
  use(std::make_unique<tests::MistakenEngine>(in_register().mistake), interp::make_interp_engine(),
      {.one_in = 20, .seed = 1});
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::HostError);
  EXPECT_THAT(report(), HasSubstr("done anew, they do not differ: what was there before matters\n"));
}

// A stepper that is wrong is found in the same way: one of the two is.
TEST_F(LoopTest, AMistakenStepperIsADifference) {
  struct Wrong final : Stepper {
    explicit Wrong(std::unique_ptr<Stepper> s) : inner(std::move(s)) {}
    std::string_view name() const override { return "wrong"; }
    bool takes(const CpuState& s) const override { return inner->takes(s); }
    bool does(const ZydisDecodedInstruction& insn) const override { return inner->does(insn); }
    bool start(const CpuState& s, cpu::ExitSink& machine) override { return inner->start(s, machine); }
    Step step() override { return inner->step(); }
    bool state(CpuState& out) override { return inner->state(out) && (out.gpr[cpu::kR15] = 1); }
    std::unique_ptr<Stepper> inner;
  };
  Parts parts{
      .name = "subject", .engine = interp::make_interp_engine(), .again = interp::make_interp_engine()};
  parts.steppers = {
      [](VcpuId id, GuestMemory& view, const cpu::CpuModel& m) -> Result<std::unique_ptr<Stepper>> {
        return std::unique_ptr<Stepper>(std::make_unique<Wrong>(make_interp_stepper(id, view, m).take()));
      }};
  parts.report = [this](const std::string& text) { reports.push_back(text); };
  verifying = make_verifying_engine({.one_in = 1, .seed = 1}, std::move(parts));
  vcpu = verifying->make_vcpu(VcpuId{0}, *memory, model).take();
  memory->write(Gpa{kCode}, code);
  ASSERT_TRUE(vcpu->import_state(at_start_of_loop()));
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::HostError);
  EXPECT_THAT(report(),
              HasSubstr("differences: wrong | subject\n  r15      0000000000000001 | 0000000000000000"));
}

// --- What is no difference --------------------------------------------------------------------------------

TEST_F(LoopTest, UndefinedFlagsMayDiffer) {
  const auto err = [](CpuState& s, GuestMemory&, cpu::ExitSink&) { s.rflags ^= cpu::kAf; };
  use({kXor, err, kBlock}, {.one_in = 1, .seed = 1});
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::Halted);
  EXPECT_EQ(report(), "");
}

TEST_F(LoopTest, ADevicesWriteIsNoMistake) {
  const auto err = [](CpuState&, GuestMemory& m, cpu::ExitSink&) {
    std::jthread([&m] { m.write_value<u64>(Gpa{kData + 8}, m.read_value<u64>(Gpa{kData + 8}) + 1); });
  };
  code[10] = 0xf4, code[8] = 0x17;  // once is enough
  use({kStore, err, kBlock}, {.one_in = 1, .seed = 1});
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::Halted);
  EXPECT_EQ(report(), "");
  EXPECT_EQ(counter("verify.disturbed"), 1u);
}

// --- The host's CPU ---------------------------------------------------------------------------------------

class UserLoopTest : public LoopTest {
 protected:
  void SetUp() override {
    const hwassist::Verdict verdict = hwassist::judge(hwassist::probe_kvm(hwassist::kvm::make_host()));
    if (verdict.assist == hwassist::Assist::None) GTEST_SKIP() << verdict.reason;
    memory = GuestMemory::create(4 * MiB).take();
    code[9] = 0xff, code[10] = 0xce;   // dec esi
    code[11] = 0x75, code[12] = 0xf3;  // jnz
    code.push_back(0xf4);
  }
  // 64-bit code at CPL 3, in the first 2 MiB. Its HLT is a fault that nobody handles.
  void start(const Mistake& mistake) {
    Parts parts{.name = "subject",
                .engine = std::make_unique<tests::MistakenEngine>(mistake),
                .again = std::make_unique<tests::MistakenEngine>(mistake)};
    parts.steppers = {make_kvm_stepper, make_interp_stepper};
    parts.report = [this](const std::string& text) { reports.push_back(text); };
    verifying = make_verifying_engine({.one_in = 10, .seed = 1}, std::move(parts));
    vcpu = verifying->make_vcpu(VcpuId{0}, *memory, model).take();
    memory->write(Gpa{kCode}, code);
    constexpr u64 kPml4 = 0x10000, kPdpt = 0x11000, kPd = 0x12000, kUserPage = 7, kLarge = 0x80;
    memory->write_value<u64>(Gpa{kPml4}, kPdpt | kUserPage);
    memory->write_value<u64>(Gpa{kPdpt}, kPd | kUserPage);
    memory->write_value<u64>(Gpa{kPd}, kUserPage | kLarge);
    CpuState s = at_start_of_loop();
    s.cr0 |= cpu::kCr0Pg;
    s.cr3 = kPml4;
    s.cr4 |= cpu::kCr4Pae;
    s.efer = cpu::kEferLme | cpu::kEferLma;
    s.segments[cpu::kCs].l = true;
    s.segments[cpu::kCs].db = false;
    for (cpu::Segment& segment : s.segments) segment.dpl = 3, segment.selector |= 3;
    ASSERT_TRUE(vcpu->import_state(s));
  }
};

TEST_F(UserLoopTest, DoesTheSame) {
  start({});
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::TripleFault);
  EXPECT_EQ(vcpu->retired(), kTimes * kPerTime);
  EXPECT_EQ(report(), "");
  EXPECT_GT(counter("verify.instructions.kvm"), kTimes * kPerTime / 20);
}

TEST_F(UserLoopTest, FindsAMistake) {
  Mistake mistake = in_register().mistake;
  mistake.block.back() = kCode + 11;
  start(mistake);
  EXPECT_EQ(vcpu->run({}, sink).why, StopReason::HostError);
  EXPECT_THAT(report(), HasSubstr("verify: subject and kvm differ after "));
  EXPECT_THAT(report(), testing::ContainsRegex("\n> [^\n]*xor edx, ecx\n"));
  EXPECT_THAT(report(), HasSubstr("differences: kvm | subject\n  rdx "));
}

// --- Several vCPUs ----------------------------------------------------------------------------------------

TEST_F(LoopTest, OthersStandStillMeanwhile) {
  code = {0xf0, 0xff, 0x07, 0x4e, 0x75, 0xfa, 0xf4};  // lock inc [edi]; dec esi; jnz; hlt
  use(jit::make_jit_engine({.threshold = 2, .exact_count = true}), jit::make_jit_engine({.threshold = 0}),
      {.one_in = 50, .seed = 5});
  constexpr u64 kEach = 20'000;
  CpuState start = at_start_of_loop();
  start.gpr[cpu::kRsi] = kEach;
  std::vector<std::unique_ptr<cpu::Vcpu>> all;
  for (const u32 id : {0, 1, 2}) {
    all.push_back(verifying->make_vcpu(VcpuId{id}, *memory, model).take());
    ASSERT_TRUE(all.back()->import_state(start));
  }
  vcpu.reset();
  {
    std::vector<std::jthread> threads;
    for (const auto& v : all)
      threads.emplace_back([&v] {
        tests::BareSink own;
        EXPECT_EQ(v->run({}, own).why, StopReason::Halted);
      });
  }
  EXPECT_EQ(report(), "");
  EXPECT_EQ(memory->read_value<u32>(Gpa{kData}), kEach * 3);
  vcpu = std::move(all[1]);
  EXPECT_GT(counter("verify.samples"), 0u);
}

// --- Guests -----------------------------------------------------------------------------------------------

std::vector<std::string> guest_names() {
  std::vector<std::string> guests;
  for (const auto& file : fs::directory_iterator(GUEST_SOURCES))
    if (file.path().extension() == ".expected") guests.push_back(file.path().stem());
  std::sort(guests.begin(), guests.end());
  return guests;
}

class Guest : public testing::TestWithParam<std::string> {};

TEST_P(Guest, IsTheSameOnTheJit) {
  std::vector<u8> rom = tests::read_bytes(fs::path(GUEST_ROMS) / (GetParam() + ".rom"));
  ASSERT_FALSE(rom.empty());
  std::string report;
  Parts parts{.name = "jit",
              .engine = jit::make_jit_engine({.threshold = 0, .exact_count = true}),
              .again = jit::make_jit_engine({.threshold = 0, .exact_count = true, .hosted = {.on = false}})};
  parts.steppers = {make_interp_stepper};
  parts.report = [&](const std::string& text) { report += text; };
  const auto guest = tests::make_rom_guest(make_verifying_engine({.one_in = 3, .seed = 11}, std::move(parts)),
                                           std::move(rom));
  auto outcome = guest->pc->run();
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(report, "");
  EXPECT_EQ(outcome.value().kind, machine::RunOutcome::Kind::DebugExit);
  const auto expected = tests::read_bytes(fs::path(GUEST_SOURCES) / (GetParam() + ".expected"));
  EXPECT_EQ(guest->transcript->text(), std::string(expected.begin(), expected.end()));
}

INSTANTIATE_TEST_SUITE_P(All, Guest, testing::ValuesIn(guest_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tandem::verify
