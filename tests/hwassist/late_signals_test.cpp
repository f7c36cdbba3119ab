// Signals that come while the machine changes its engine: no vCPU runs then, but timers, devices and the user
// still send them, and none may be lost between the old vCPU and the new one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/interp/interp_engine.h"
#include "core/machine/machine.h"

namespace tandem::tests {
namespace {

using cpu::CpuState;
using cpu::Signal;

enum class Moment : u8 { Made, TakesState, HasState };

// The interpreter under another name, that tells of the moments of its vCPUs.
class TellingEngine final : public cpu::Engine {
 public:
  using Listener = std::function<bool(Moment, u32 vcpu)>;  // false: it fails there
  explicit TellingEngine(Listener listener) : listener_(std::move(listener)) {}

  cpu::EngineCaps caps() const override { return {.name = "telling", .counts_instructions = true}; }
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    TANDEM_TRY_ASSIGN(vcpu, interpreter_->make_vcpu(id, memory, model));
    if (!listener_(Moment::Made, raw(id))) return host_error("it fails");
    return std::unique_ptr<cpu::Vcpu>(std::make_unique<TellingVcpu>(*this, raw(id), std::move(vcpu)));
  }

 private:
  class TellingVcpu final : public cpu::Vcpu {
   public:
    TellingVcpu(TellingEngine& engine, u32 id, std::unique_ptr<cpu::Vcpu> vcpu)
        : engine_(engine), id_(id), vcpu_(std::move(vcpu)) {}
    cpu::Stop run(const cpu::RunBudget& budget, cpu::ExitSink& sink) override {
      return vcpu_->run(budget, sink);
    }
    void kick() noexcept override { vcpu_->kick(); }
    void signal(Signal s, u8 sipi_vector) noexcept override { vcpu_->signal(s, sipi_vector); }
    u64 retired() const override { return vcpu_->retired(); }
    Result<void> export_state(CpuState& out) override { return vcpu_->export_state(out); }
    Result<void> import_state(const CpuState& in) override {
      if (!engine_.listener_(Moment::TakesState, id_)) return host_error("it fails");
      TANDEM_TRY(vcpu_->import_state(in));
      engine_.listener_(Moment::HasState, id_);
      return {};
    }
    Result<void> set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) override {
      return vcpu_->set_debug_points(std::move(points));
    }
    void statistics(const Report& report) const override { vcpu_->statistics(report); }
    std::string code_text(Gpa at) const override { return vcpu_->code_text(at); }
    void flush_translations() override { vcpu_->flush_translations(); }

   private:
    TellingEngine& engine_;
    u32 id_;
    std::unique_ptr<cpu::Vcpu> vcpu_;
  };

  Listener listener_;
  std::unique_ptr<cpu::Engine> interpreter_ = interp::make_interp_engine();
};

constexpr u8 kSipiVector = 0x9a;

struct Row {
  const char* name;
  Signal signal;
  Moment moment;
  u32 at;  // of which vCPU; the signal is for the second one
  bool fails = false;
};

// Two vCPUs in real mode: the second one spins, or waits for the SIPI that is sent; handlers spin elsewhere.
class Subject {
 public:
  explicit Subject(Signal to_come) {
    constexpr u8 kSpin[] = {0xeb, 0xfe};  // jmp $
    for (const u64 at : {kCode, kNmiHandler, kSmiHandler, u64{kSipiVector} << 12})
      machine->memory().write(Gpa{at}, kSpin);
    machine->memory().write_value<u32>(Gpa{2 * 4}, kNmiHandler);
    EXPECT_TRUE(machine->reset_cpus(cpu::reset_state(true, 0)));
    CpuState s = state();
    s.segments[cpu::kCs].base = s.segments[cpu::kCs].selector = 0;
    s.rip = kCode;
    s.gpr[cpu::kRsp] = 0x8000;
    s.activity = to_come == Signal::Startup ? cpu::Activity::WaitForSipi : cpu::Activity::Running;
    EXPECT_TRUE(machine->import_cpu(1, s));
  }
  void signal(Signal s) { machine->signal_vcpu(VcpuId{1}, s, kSipiVector); }
  // What the second vCPU has come to.
  std::string goes_on() {
    machine->vcpu(1).run({10}, *machine);
    const CpuState s = state();
    return fmt::format("{:x}:{:x}, activity {}, SMM {}, NMI {}", s.segments[cpu::kCs].selector, s.rip,
                       static_cast<unsigned>(s.activity), s.events.in_smm, s.events.nmi_blocked);
  }

  cpu::CpuModel model = cpu::default_cpu_model();
  std::unique_ptr<cpu::Engine> interpreter = interp::make_interp_engine();
  std::unique_ptr<machine::Machine> machine =
      machine::Machine::create({.memory_bytes = 1 * MiB, .vcpus = 2, .model = &model}, *interpreter).take();

 private:
  static constexpr u64 kCode = 0x1000, kNmiHandler = 0x2000, kSmiHandler = 0x38000;

  CpuState state() {
    CpuState s;
    EXPECT_TRUE(machine->export_cpu(1, s));
    return s;
  }
};

class LateSignals : public testing::TestWithParam<Row> {};

TEST_P(LateSignals, GoToWhoeverGoesOn) {
  const Row& row = GetParam();
  Subject undisturbed(row.signal), signalled(row.signal);
  signalled.signal(row.signal);
  const std::string wanted = signalled.goes_on();
  ASSERT_NE(wanted, undisturbed.goes_on());

  unsigned sent = 0;
  std::function<void()> send;
  TellingEngine next([&](Moment moment, u32 vcpu) {
    if (moment != row.moment || vcpu != row.at) return true;
    ++sent;
    send();
    return !row.fails;
  });
  Subject subject(row.signal);
  send = [&] { subject.signal(row.signal); };
  EXPECT_EQ(subject.machine->switch_engine(next).ok(), !row.fails);
  EXPECT_EQ(subject.machine->engine_name(), row.fails ? "interp" : "telling");
  EXPECT_EQ(sent, 1u);
  EXPECT_EQ(subject.goes_on(), wanted);
}

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const auto& [name, signal] : {std::pair{"nmi", Signal::Nmi}, std::pair{"smi", Signal::Smi},
                                     std::pair{"init", Signal::Init}, std::pair{"sipi", Signal::Startup}}) {
    for (const Moment moment : {Moment::Made, Moment::TakesState, Moment::HasState})
      for (u32 at = 0; at < 2; ++at) all.push_back({name, signal, moment, at});
    all.push_back({name, signal, Moment::TakesState, 1, true});
  }
  return all;
}

std::string name_of(const Row& row) {
  constexpr const char* kMoments[] = {"made", "takes_state", "has_state"};
  return fmt::format("{}_{}_{}{}", row.name, kMoments[static_cast<unsigned>(row.moment)], row.at,
                     row.fails ? "_fails" : "");
}

INSTANTIATE_TEST_SUITE_P(All, LateSignals, testing::ValuesIn(rows()),
                         [](const auto& info) { return name_of(info.param); });

}  // namespace
}  // namespace tandem::tests
