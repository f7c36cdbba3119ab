// Random 16- and 32-bit programs with segments of all kinds on the interpreter and every other engine:
//   TANDEM_SEED=1 TANDEM_PROGRAMS=10000 build/tests/isa/segments_test --gtest_filter='*Real*jit_forced'
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/cpu/cpuid_models.h"
#include "core/mem/guest_memory.h"
#include "tests/isa/seed.h"
#include "tests/isa/segment_programs.h"
#include "tests/support/engines.h"
#include "tests/support/no_devices.h"
#include "tools/states/state_fields.h"

namespace tandem::tests {
namespace {

using namespace cpu;

// An engine may run over a budget; programs that need so much are not compared.
constexpr u64 kBudget = 2000, kMore = 1'000'000;

struct End {
  Stop stop;
  CpuState state;
  std::vector<u8> memory;
};

class Runner {
 public:
  explicit Runner(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {
    memory_ = mem::GuestMemory::create(SegmentPrograms::kMemory).take();
    vcpu_ = engine_->make_vcpu(VcpuId{0}, *memory_, model_).take();
  }

  End run(const SegmentProgram& p, u64 budget) {
    memory_->write(Gpa{0}, p.memory);
    EXPECT_TRUE(vcpu_->import_state(p.start));
    End end{vcpu_->run({budget}, devices_), {}, std::vector<u8>(SegmentPrograms::kMemory)};
    EXPECT_TRUE(vcpu_->export_state(end.state));
    memory_->read(Gpa{0}, end.memory);
    return end;
  }

  // Does it run what is no part of the program, or what it wrote itself? There flags may be read that the
  // manual leaves open.
  bool strays(const SegmentProgram& p, u64 budget) {
    memory_->write(Gpa{0}, p.memory);
    EXPECT_TRUE(vcpu_->import_state(p.start));
    std::vector<u8> memory(SegmentPrograms::kMemory);
    for (u64 i = 0; i < budget; ++i) {
      CpuState s;
      EXPECT_TRUE(vcpu_->export_state(s));
      if (s.segments[kCs].base != p.start.segments[kCs].base || s.rip - p.start.rip >= p.code_bytes())
        return true;
      if (vcpu_->run({.instructions = 1, .step = true}, devices_).why == StopReason::TripleFault) break;
      if (s.activity != Activity::Running) break;
    }
    memory_->read(Gpa{0}, memory);
    return !p.has_code(memory);
  }

 private:
  CpuModel model_ = make_cpu_model("max").take();
  NoDevices devices_;
  std::unique_ptr<mem::GuestMemory> memory_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Vcpu> vcpu_;
};

std::string differences(const End& a, const End& b, bool flags) {
  std::string out;
  if (a.stop.why != b.stop.why || a.stop.retired != b.stop.retired)
    out += fmt::format("  stop {} after {}, {} after {}\n", static_cast<int>(a.stop.why), a.stop.retired,
                       static_cast<int>(b.stop.why), b.stop.retired);
  for (const states::StateField& f : states::state_fields()) {
    if (f.name == "fop" || f.name == "fip" || f.name == "fdp") continue;  // kept by none alike
    if (!flags && f.name == "rflags" && !((a.state.rflags ^ b.state.rflags) & ~kArithmeticFlags)) continue;
    if (std::memcmp(f.in(a.state), f.in(b.state), f.size))
      out += fmt::format("  {} {} | {}\n", f.name, states::text_of(f, a.state), states::text_of(f, b.state));
  }
  for (u64 i = 0; i < a.memory.size(); ++i)
    if (a.memory[i] != b.memory[i])
      out += fmt::format("  [{:x}] {:02x} | {:02x}\n", i, a.memory[i], b.memory[i]);
  return out;
}

u64 program_count() {
  const char* given = std::getenv("TANDEM_PROGRAMS");
  return given ? std::stoull(given) : 300;
}

class Segments : public testing::TestWithParam<std::tuple<SegmentMode, EngineRow>> {};

TEST_P(Segments, AreTheInterpretersOnEachEngine) {
  const auto& [mode, row] = GetParam();
  const u64 seed = test_seed();
  SCOPED_TRACE(fmt::format("TANDEM_SEED={}", seed));
  SegmentPrograms programs(mode, seed);
  Runner interpreter(interp::make_interp_engine()), other(row.make());
  u64 compared = 0, halted = 0;
  for (u64 i = 0; i < program_count(); ++i) {
    const SegmentProgram p = programs.next();
    const End expected = interpreter.run(p, kBudget);
    if (expected.stop.why == StopReason::BudgetSpent) continue;
    ++compared;
    const bool faulted = expected.stop.why != StopReason::Halted;
    const bool at_end = expected.state.rip - p.start.rip - (faulted ? 0 : 1) == p.code_bytes() - 1;
    halted += at_end;
    const std::string found = differences(expected, other.run(p, kMore), row.exact_flags || !faulted);
    if (!found.empty() && !row.exact_flags && interpreter.strays(p, kBudget)) continue;
    ASSERT_EQ(found, "") << "program " << i << ", interpreter | " << row.name << "\n" << p.text(mode);
  }
  EXPECT_GT(compared, program_count() / 2);
  EXPECT_GT(halted, compared / 40);
}

INSTANTIATE_TEST_SUITE_P(All, Segments,
                         testing::Combine(testing::Values(SegmentMode::Real, SegmentMode::Virtual8086,
                                                          SegmentMode::Protected16, SegmentMode::Protected32),
                                          testing::ValuesIn(engine_rows())),
                         [](const auto& info) {
                           return name_of(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name;
                         });

}  // namespace
}  // namespace tandem::tests
