// Code on the KVM of this host that reaches devices, or is interrupted in the middle of a repeated
// instruction: each access once, in its order, wherever KVM is left and gone on with. The interpreter is the
// oracle.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "core/base/bits.h"
#include "core/interp/interp_engine.h"
#include "hwassist/kvm/kvm_vcpu.h"
#include "hwassist/probe/guest_code.h"
#include "hwassist/probe/probe.h"
#include "tests/hwassist/fake_kvm.h"

namespace tandem::tests {
namespace {

using namespace hwassist;
using cpu::CpuState;

constexpr u64 kCode = 0x20000, kData = 0x30000, kDevice = probe::kMemoryBytes, kPageDirectory = 0x3000;
constexpr u8 kHlt = 0xf4;

struct Row {
  const char* name;
  std::vector<u8> code;
  u64 rcx = 1;
};

// RDI: the device, RSI: RAM, RBX: 4 bytes before the device, where RAM ends; RDX: a port.
const Row kRows[] = {
    {"mov_store_1", {0x88, 0x07}},
    {"mov_store_2", {0x66, 0x89, 0x07}},
    {"mov_store_4", {0x89, 0x07}},
    {"mov_store_8", {0x48, 0x89, 0x07}},
    {"mov_store_immediate", {0xc7, 0x07, 0x78, 0x56, 0x34, 0x12}},
    {"two_stores", {0x89, 0x07, 0x89, 0x47, 0x04}},
    {"mov_load_4", {0x8b, 0x17}},
    {"mov_load_8", {0x48, 0x8b, 0x17}},
    {"movzx", {0x0f, 0xb6, 0x17}},
    {"add_to", {0x01, 0x07}},
    {"add_from", {0x03, 0x07}},
    {"xchg", {0x87, 0x07}},
    {"lock_inc", {0xf0, 0xff, 0x07}},
    {"push", {0x48, 0x89, 0xfc, 0x48, 0x83, 0xc4, 0x08, 0x50}},  // mov rsp, rdi; add rsp, 8; push rax
    {"movaps_store", {0x0f, 0x29, 0x07}},
    {"movaps_load", {0x0f, 0x28, 0x17}},
    {"store_across_ram_and_device", {0x48, 0x89, 0x03}},
    {"load_across_ram_and_device", {0x48, 0x8b, 0x13}},
    {"rep_stosd", {0xf3, 0xab}, 7},
    {"rep_movsb_out", {0xf3, 0xa4}, 9},
    {"rep_movsd_in", {0x48, 0x87, 0xfe, 0xf3, 0xa5}, 5},                              // xchg rsi, rdi first
    {"rep_movsd_across", {0x48, 0x89, 0xdf, 0x48, 0x83, 0xef, 0x08, 0xf3, 0xa5}, 6},  // rdi = rbx - 8
    {"repe_cmpsb", {0xf3, 0xa6}, 4},
    {"out", {0xe6, 0x80}},
    {"in", {0xe4, 0x80}},
    {"rep_outsb", {0xf3, 0x6e}, 5},
    {"rep_insw", {0x48, 0x89, 0xf7, 0x66, 0xf3, 0x6d}, 5},              // mov rdi, rsi first
    {"rep_stosb_down", {0xfd, 0x48, 0x83, 0xc7, 0x03, 0xf3, 0xaa}, 6},  // std; add rdi, 3: into RAM
};

// Each read gives another value.
class Device final : public cpu::ExitSink {
 public:
  std::vector<std::string> log;
  std::function<void()> on_access = [] {};

  void io(bus::IoAccess& a) override {
    const bool read = a.dir == bus::IoDir::Read;
    if (read) a.value = 0x0101010101010101 * ++reads_;
    log.push_back(fmt::format("{}{} {} {:#x}: {:#x}", read ? "read" : "write", a.size,
                              a.bus == bus::BusKind::Pio ? "port" : "at", a.address,
                              a.value & low_mask(8u * a.size)));
    on_access();
  }
  bool msr(cpu::MsrAccess&) override { return false; }
  bool interrupt_pending(VcpuId) override { return false; }
  std::optional<u8> take_interrupt(VcpuId) override { return {}; }
  u8 read_cr8(VcpuId) override { return 0; }
  void write_cr8(VcpuId, u8) override {}
  u64 tsc_ticks(VcpuId) override { return 0; }
  std::optional<u64> host_tsc_offset() override { return 0; }

 private:
  u64 reads_ = 0;
};

struct Guest {
  cpu::CpuModel model = cpu::default_cpu_model();
  std::unique_ptr<mem::GuestMemory> memory = mem::GuestMemory::create(probe::kMemoryBytes).take();
  std::unique_ptr<cpu::Vcpu> interpreter =
      interp::make_interp_engine()->make_vcpu(VcpuId{0}, *memory, model).take();
  Device device;

  CpuState start(CodeMode mode, std::vector<u8> code, u64 rcx) {
    constexpr u64 kUserPage = 0x87;  // large, user, writable, present
    probe::lay_out(*memory);
    memory->write_value<u64>(Gpa{kPageDirectory + 8 * (kDevice / (2 * MiB))}, kDevice | kUserPage);
    code.push_back(kHlt);
    memory->write(Gpa{kCode}, code);
    for (u64 i = 0; i < 64; ++i) memory->write_value<u8>(Gpa{kData + i}, static_cast<u8>(0x40 + i));
    CpuState s = probe::state_in(mode, rcx, false);
    s.rip = kCode;
    s.rflags |= cpu::kIopl;
    s.gpr[cpu::kRax] = 0x8877665544332211;
    s.gpr[cpu::kRdx] = 0x80;
    s.gpr[cpu::kRdi] = kDevice;
    s.gpr[cpu::kRsi] = kData;
    s.gpr[cpu::kRbx] = kDevice - 4;
    for (unsigned i = 0; i < 16; ++i) s.vector.zmm[0].bytes[i] = static_cast<u8>(i + 1);
    return s;
  }
  CpuState interpret(const CpuState& from, u64 instructions) {
    CpuState s;
    EXPECT_TRUE(interpreter->import_state(from));
    interpreter->run({instructions}, device);
    EXPECT_TRUE(interpreter->export_state(s));
    return s;
  }
  std::vector<u8> ram() {
    std::vector<u8> bytes(128);
    memory->read(Gpa{kData}, std::span(bytes).first(64));
    memory->read(Gpa{kDevice - 64}, std::span(bytes).subspan(64));
    return bytes;
  }
};

void expect_same(const CpuState& state, const CpuState& wanted) {
  EXPECT_EQ(state.rip, wanted.rip);
  for (unsigned r = 0; r < 16; ++r) EXPECT_EQ(state.gpr[r], wanted.gpr[r]) << "register " << r;
  EXPECT_EQ(state.rflags & cpu::kArithmeticFlags, wanted.rflags & cpu::kArithmeticFlags);
  EXPECT_EQ(0, std::memcmp(state.vector.zmm[2].bytes, wanted.vector.zmm[2].bytes, 16));
}

class OnKvm : public testing::TestWithParam<Row> {
 protected:
  void SetUp() override {
    findings = probe_kvm(kvm::make_host());
    const Verdict verdict = judge(findings);
    if (verdict.assist == Assist::None) GTEST_SKIP() << verdict.reason;
    vm = kvm::Vm::create(kvm::make_host(), *guest.memory).take();
    vcpu = kvm::KvmVcpu::create(*vm, VcpuId{0}, guest.model).take();
  }
  u64 end() const { return kCode + GetParam().code.size(); }
  CpuState start(Guest& g, CodeMode mode) { return g.start(mode, GetParam().code, GetParam().rcx); }

  Findings findings;
  Guest guest, expected;
  std::unique_ptr<kvm::Vm> vm;
  std::unique_ptr<kvm::KvmVcpu> vcpu;
};

// Where KVM leaves off, the interpreter does one instruction.
TEST_P(OnKvm, UserCodeReachesADeviceOnceForEachAccess) {
  const CpuState wanted = expected.interpret(start(expected, CodeMode::User64), 100);
  ASSERT_EQ(wanted.rip, end());
  CpuState state = start(guest, CodeMode::User64);
  for (int i = 0; i < 20 && state.rip != end(); ++i) {
    ASSERT_TRUE(vcpu->import_state(state, guest.device, kvm::Scope::User));
    ASSERT_EQ(vcpu->run(guest.device).why, kvm::Ended::Why::Software);
    ASSERT_TRUE(vcpu->export_state(state));
    if (state.rip != end()) state = guest.interpret(state, 1);
  }
  EXPECT_FALSE(expected.device.log.empty());
  EXPECT_EQ(guest.device.log, expected.device.log);
  expect_same(state, wanted);
  EXPECT_EQ(guest.ram(), expected.ram());
}

// The machine is stopped at each access, and the state goes out and in again.
TEST_P(OnKvm, AllCodeDoesWhenItIsKickedAtEachAccess) {
  if (std::string_view(GetParam().name).starts_with("movaps") && !findings.of(CodeMode::Kernel64).sse)
    GTEST_SKIP() << "this KVM emulates kernel code, but not its SSE";
  const CpuState wanted = expected.interpret(start(expected, CodeMode::Kernel64), 100);
  CpuState state = start(guest, CodeMode::Kernel64);
  guest.device.on_access = [&] { vcpu->kick(); };
  for (int i = 0; i < 50 && state.activity != cpu::Activity::Halted; ++i) {
    ASSERT_TRUE(vcpu->import_state(state, guest.device, kvm::Scope::Whole));
    vcpu->run(guest.device);
    ASSERT_TRUE(vcpu->export_state(state));
  }
  EXPECT_FALSE(expected.device.log.empty());
  EXPECT_EQ(guest.device.log, expected.device.log);
  expect_same(state, wanted);
  EXPECT_EQ(guest.ram(), expected.ram());
}

INSTANTIATE_TEST_SUITE_P(All, OnKvm, testing::ValuesIn(kRows),
                         [](const auto& info) { return std::string(info.param.name); });

// Anywhere: the access is made, and KVM_RUN ends the instruction, before the state is read.
TEST(UserScope, AWriteIsMadeAndItsInstructionEnded) {
  auto fake = std::make_shared<FakeKvm>();
  Guest guest;
  auto vm = kvm::Vm::create(fake, *guest.memory).take();
  auto vcpu = kvm::KvmVcpu::create(*vm, VcpuId{0}, guest.model).take();
  fake->script = {[](kvm_run& run, kvm_regs&) {
    run.exit_reason = KVM_EXIT_MMIO;
    run.mmio = {.phys_addr = kDevice, .data = {0x11}, .len = 1, .is_write = 1};
    return 0;
  }};
  ASSERT_TRUE(vcpu->import_state(guest.start(CodeMode::User64, {}, 0), guest.device, kvm::Scope::User));
  const kvm::Ended ended = vcpu->run(guest.device);
  EXPECT_EQ(ended.why, kvm::Ended::Why::Software);
  EXPECT_EQ(ended.name, "mmio");
  EXPECT_EQ(guest.device.log, std::vector<std::string>{"write1 at 0x400000: 0x11"});
  EXPECT_EQ(fake->runs, 2u);
  EXPECT_EQ(fake->page().immediate_exit, 1);
}

// --- Repeated instructions in RAM -------------------------------------------------------------------------

constexpr u64 kLong = 0x2e0000, kLow = 0x100000;  // zeros, but for what lay_out() wrote, which is below

// RSI, RDI: the bottom; those that go down start with STD and set them to the top.
const Row kRepeated[] = {
    {"repne_scasb", {0xf2, 0xae}, kLong},
    {"rep_lodsb", {0xf3, 0xac}, kLong},
    {"rep_movsb_down", {0xfd, 0xf3, 0xa4}, kLong / 2},
    {"rep_stosb_down", {0xfd, 0xf3, 0xaa}, kLong},
};

class Repeated : public OnKvm {
 protected:
  CpuState start_repeated(Guest& g) {
    CpuState s = start(g, CodeMode::User64);
    const bool down = GetParam().code[0] == 0xfd;
    s.gpr[cpu::kRsi] = down ? kLow + kLong / 2 : kLow;
    s.gpr[cpu::kRdi] = down ? kLow + kLong : kLow;
    return s;
  }
};

// Somebody kicks all the time: the state goes out and in again where the instruction has got to.
TEST_P(Repeated, GoesOnWhereItWasInterrupted) {
  const CpuState wanted = expected.interpret(start_repeated(expected), 10);
  ASSERT_EQ(wanted.rip, end());
  constexpr int kTries = 20;  // on a busy host nobody may come in between
  bool halfway = false;
  for (int i = 0; i < kTries && !halfway; ++i) {
    CpuState state = start_repeated(guest);
    const std::jthread kicker([this](std::stop_token stop) {
      for (; !stop.stop_requested(); std::this_thread::sleep_for(std::chrono::microseconds(50))) vcpu->kick();
    });
    while (state.rip != end()) {
      ASSERT_TRUE(vcpu->import_state(state, guest.device, kvm::Scope::User));
      ASSERT_NE(vcpu->run(guest.device).why, kvm::Ended::Why::Failed);
      ASSERT_TRUE(vcpu->export_state(state));
      halfway |= state.gpr[cpu::kRcx] != GetParam().rcx && state.gpr[cpu::kRcx] != 0;
    }
    expect_same(state, wanted);
  }
  EXPECT_TRUE(halfway) << "never interrupted in the middle";
}

INSTANTIATE_TEST_SUITE_P(All, Repeated, testing::ValuesIn(kRepeated),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tandem::tests
