// Lock step of the test guests, and whether lock step finds what is wrong.
//   meson test -C build lockstep-guests
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <ostream>

#include "core/interp/interp_engine.h"
#include "core/snapshot/cpu_archive.h"
#include "jit/jit_engine.h"
#include "tests/support/rom_guest.h"
#include "tools/lockstep/lockstep.h"
#include "tools/lockstep/report.h"
#include "tools/states/state_fields.h"

namespace tandem::lockstep {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using Kind = machine::RunOutcome::Kind;

GuestMaker rom_guest(const std::string& name) {
  return [name]() -> Result<std::unique_ptr<tools::Guest>> {
    std::vector<u8> rom = tests::read_bytes(fs::path(GUEST_ROMS) / (name + ".rom"));
    if (rom.empty()) return user_error(name + ".rom can't be read");
    auto guest = std::make_unique<tools::Guest>();
    guest->model = cpu::default_cpu_model();
    guest->config.memory_bytes = 32 * MiB;
    guest->config.debug_exit_port = tests::kGuestExitPort;
    guest->config.restart_on_reset = false;
    guest->config.boot = tests::rom_loader(std::move(rom));
    return guest;
  };
}

SideSpec interpreter() { return {.name = "interp", .engine = interp::make_interp_engine}; }
SideSpec translator(jit::JitOptions options) {
  return {.name = "jit", .engine = [options] { return jit::make_jit_engine(options); }};
}

// --- Guests -----------------------------------------------------------------------------------------------

struct Row {
  std::string guest;
  u64 step;
  u32 threshold;
  bool lazy;
};
void PrintTo(const Row& row, std::ostream* out) { *out << row.guest << " by " << row.step; }

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const auto& file : fs::directory_iterator(GUEST_SOURCES)) {
    if (file.path().extension() != ".expected") continue;
    const std::string guest = file.path().stem();
    for (const u64 step : {1, 7, 1000}) all.push_back({guest, step, 0, false});
    all.push_back({guest, 1000, 2, false});
    all.push_back({guest, 1000, 0, true});
  }
  std::sort(all.begin(), all.end(), [](const Row& a, const Row& b) { return a.guest < b.guest; });
  return all;
}

class Guest : public testing::TestWithParam<Row> {};

TEST_P(Guest, IsTheSameOnBothEngines) {
  const Row& row = GetParam();
  Lockstep machines(
      interpreter(), translator({.threshold = row.threshold, .exact_flags = !row.lazy, .exact_count = true}),
      rom_guest(row.guest), {.step = row.step, .memory_step = 1000 * row.step, .lazy_flags = row.lazy});
  auto verdict = machines.run();
  ASSERT_TRUE(verdict) << verdict.error().message;
  const auto text = describe(machines, verdict.value());
  EXPECT_FALSE(verdict.value().finding) << (text ? text.value() : text.error().message);
  EXPECT_THAT(verdict.value().end, HasSubstr("debug exit")) << "the guest did not reach its end";
}

INSTANTIATE_TEST_SUITE_P(All, Guest, testing::ValuesIn(rows()), [](const auto& info) {
  const Row& r = info.param;
  return fmt::format("{}_by_{}_threshold_{}{}", r.guest, r.step, r.threshold, r.lazy ? "_lazy" : "");
});

// --- Planted differences ----------------------------------------------------------------------------------

void change_r15(devices::Pc& pc) {
  cpu::CpuState state;
  ASSERT_TRUE(pc.machine().export_cpu(0, state));
  state.gpr[cpu::kR15] ^= 0x10;
  ASSERT_TRUE(pc.machine().import_cpu(0, state));
}
void change_memory(devices::Pc& pc) { pc.memory().write_value(Gpa{0x1fff123}, u8{0x55}); }
void change_cmos(devices::Pc& pc) {
  for (const u64 port : {0x70, 0x71}) {
    bus::IoAccess access{bus::BusKind::Pio, bus::IoDir::Write, 1, VcpuId{0}, port, 0, 0x55};
    pc.machine().io(access);
  }
}

// Two interpreters, so that nothing but the plant differs.
Verdict find_planted(u64 at, const std::function<void(devices::Pc&)>& meddle, Options options,
                     std::string* text = nullptr) {
  SideSpec second = interpreter();
  second.name = "other";
  second.meddle_at = at;
  second.meddle = meddle;
  Lockstep machines(interpreter(), second, rom_guest("protect32"), options);
  auto verdict = machines.run();
  EXPECT_TRUE(verdict) << verdict.error().message;
  auto described = describe(machines, verdict.value());
  EXPECT_TRUE(described) << described.error().message;
  if (text) *text = described.value();
  return verdict.take();
}

TEST(Planted, RegisterIsFoundAtItsInstruction) {
  for (const u64 at : {1, 2, 999, 1000, 1001, 4321}) {
    SCOPED_TRACE(at);
    std::string text;
    const Verdict v = find_planted(at, change_r15, {.step = 1000, .memory_step = 3000}, &text);
    ASSERT_TRUE(v.finding);
    EXPECT_TRUE(v.finding->repeats && v.finding->narrowed);
    EXPECT_EQ(v.finding->instruction, at);
    EXPECT_EQ(v.finding->seen_at, at);
    ASSERT_EQ(v.finding->difference.fields.size(), 1u);
    EXPECT_EQ(v.finding->difference.fields[0].name, "r15");
    EXPECT_EQ(v.finding->difference.memory_words, 0u);
    EXPECT_THAT(text, HasSubstr(fmt::format("interp and other differ from instruction {}\n", at)));
    EXPECT_THAT(text, HasSubstr(fmt::format("> {:12}  ", at)));
    EXPECT_THAT(text, HasSubstr("0000000000000000 | 0000000000000010   before: 0000000000000000"));
  }
}

TEST(Planted, MemoryIsFoundAtItsInstruction) {
  std::string text;
  const Verdict v = find_planted(4321, change_memory, {.step = 100, .memory_step = 2000}, &text);
  ASSERT_TRUE(v.finding);
  EXPECT_EQ(v.finding->instruction, 4321u);
  EXPECT_EQ(v.finding->difference.memory_words, 1u);
  ASSERT_EQ(v.finding->difference.memory.size(), 1u);
  EXPECT_EQ(raw(v.finding->difference.memory[0].address), 0x1fff120u);
  EXPECT_THAT(text, HasSubstr("[0x1fff120] 0000000000000000 | 0000000055000000"));
}

TEST(Planted, DeviceIsFoundAtItsInstruction) {
  const Verdict v = find_planted(4321, change_cmos, {.step = 100, .memory_step = 2000});
  ASSERT_TRUE(v.finding);
  EXPECT_EQ(v.finding->instruction, 4321u);
  ASSERT_EQ(v.finding->difference.surroundings.size(), 1u);
  EXPECT_EQ(v.finding->difference.surroundings[0].name, "device rtc");
}

TEST(Planted, IsFoundFromASnapshot) {
  const Verdict v =
      find_planted(4321, change_memory, {.step = 100, .memory_step = 500, .snapshot_step = 1500});
  ASSERT_TRUE(v.finding);
  EXPECT_TRUE(v.finding->repeats);
  EXPECT_EQ(v.finding->instruction, 4321u);
}

TEST(Planted, WhatDoesNotRepeatIsSaidToBeSo) {
  unsigned calls = 0;
  std::string text;
  const Verdict v = find_planted(
      4321,
      [&](devices::Pc& pc) {
        if (calls++ == 0) change_memory(pc);
      },
      {.step = 100, .memory_step = 2000}, &text);
  ASSERT_TRUE(v.finding);
  EXPECT_FALSE(v.finding->repeats);
  EXPECT_EQ(v.finding->difference.memory_words, 1u);
  EXPECT_THAT(text, HasSubstr("do not when they are run again"));
}

TEST(Planted, ArithmeticFlagsMayDifferWhereTheyAreLazy) {
  const auto flags = [](devices::Pc& pc) {
    cpu::CpuState state;
    ASSERT_TRUE(pc.machine().export_cpu(0, state));
    state.rflags ^= cpu::kAf;
    ASSERT_TRUE(pc.machine().import_cpu(0, state));
  };
  const Options exact{.instructions = 4321, .step = 1};
  EXPECT_TRUE(find_planted(4321, flags, exact).finding);
  Options lazy = exact;
  lazy.lazy_flags = true;
  EXPECT_FALSE(find_planted(4321, flags, lazy).finding);
}

// --- Blocks -----------------------------------------------------------------------------------------------

// An interpreter that makes a mistake in one instruction, which shows behind `end`; not where it stops
// between the two or is stopped right before, as translated code would not.
class FaultyVcpu final : public cpu::Vcpu {
 public:
  FaultyVcpu(std::unique_ptr<cpu::Vcpu> inner, u64 guilty, u64 end)
      : inner_(std::move(inner)), guilty_(guilty), end_(end) {}

  cpu::Stop run(const cpu::RunBudget& budget, cpu::ExitSink& sink) override {
    const u64 from = inner_->retired();
    const cpu::Stop stop = inner_->run(budget, sink);
    if (from < guilty_ && inner_->retired() >= end_) {
      cpu::CpuState state;
      EXPECT_TRUE(inner_->export_state(state));
      state.gpr[cpu::kR15] = 1;
      EXPECT_TRUE(inner_->import_state(state));
    }
    return stop;
  }
  void kick() noexcept override { inner_->kick(); }
  void signal(cpu::Signal s, u8 vector) noexcept override { inner_->signal(s, vector); }
  u64 retired() const override { return inner_->retired(); }
  Result<void> export_state(cpu::CpuState& out) override { return inner_->export_state(out); }
  Result<void> import_state(const cpu::CpuState& in) override { return inner_->import_state(in); }
  void statistics(const Report& report) const override { inner_->statistics(report); }
  std::string code_text(Gpa at) const override { return inner_->code_text(at); }
  void flush_translations() override { inner_->flush_translations(); }
  Result<void> set_debug_points(std::shared_ptr<const cpu::DebugPoints> points) override {
    return inner_->set_debug_points(std::move(points));
  }

 private:
  std::unique_ptr<cpu::Vcpu> inner_;
  u64 guilty_, end_;
};

class FaultyEngine final : public cpu::Engine {
 public:
  FaultyEngine(u64 guilty, u64 end) : guilty_(guilty), end_(end) {}
  cpu::EngineCaps caps() const override { return inner_->caps(); }
  Result<std::unique_ptr<cpu::Vcpu>> make_vcpu(VcpuId id, mem::GuestMemory& memory,
                                               const cpu::CpuModel& model) override {
    TANDEM_TRY_ASSIGN(vcpu, inner_->make_vcpu(id, memory, model));
    return std::unique_ptr<cpu::Vcpu>(std::make_unique<FaultyVcpu>(std::move(vcpu), guilty_, end_));
  }

 private:
  std::unique_ptr<cpu::Engine> inner_ = interp::make_interp_engine();
  u64 guilty_, end_;
};

TEST(Blocks, GuiltyInstructionIsFoundInside) {
  static constexpr u64 kGuilty = 4203, kEnd = 4210;
  Lockstep machines(
      interpreter(),
      {.name = "faulty", .engine = [] { return std::make_unique<FaultyEngine>(kGuilty, kEnd); }},
      rom_guest("protect32"), {.step = 1000});
  auto verdict = machines.run();
  ASSERT_TRUE(verdict) << verdict.error().message;
  ASSERT_TRUE(verdict.value().finding);
  EXPECT_EQ(verdict.value().finding->instruction, kGuilty);
  EXPECT_EQ(verdict.value().finding->seen_at, kEnd);
  const auto text = describe(machines, verdict.value());
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(text.value(), HasSubstr("compared after instruction 4210"));
}

// --- Fields -----------------------------------------------------------------------------------------------

// A byte is in a field just where snapshots keep it.
TEST(Fields, AreAllThatSnapshotsKeep) {
  const auto saved = [](const cpu::CpuState& state) {
    snapshot::StateWriter writer;
    snapshot::save_cpu(writer, "cpu", state);
    return writer.finish();
  };
  cpu::CpuState state;
  const std::vector<u8> plain = saved(state);
  for (std::size_t i = 0; i < sizeof state; ++i) {
    u8* byte = reinterpret_cast<u8*>(&state) + i;
    *byte ^= 1;
    const bool kept = saved(state) != plain;
    *byte ^= 1;
    unsigned fields = 0;
    for (const states::StateField& f : states::state_fields())
      fields += f.offset <= i && i < f.offset + f.size;
    EXPECT_EQ(fields, kept ? 1u : 0u) << "byte " << i;
  }
}

}  // namespace
}  // namespace tandem::lockstep
