#include "tests/support/engine_executor.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/bits.h"
#include "core/cpu/fault.h"

namespace tandem::tests {

using namespace cpu;

namespace {

// Guest physical; the supervisor sees them from kKernel on, so that low addresses are as unmapped as in a
// process.
constexpr u64 kGdt = 0x1000, kIdt = 0x2000, kTss = 0x3000, kHandlers = 0x4000, kStackTop = 0x8000;
constexpr u64 kKernel = 0xffffffff80000000, kKernelPdpt = 0x16000, kKernelDirectory = 0x17000;
constexpr u64 kPml4 = 0x10000, kPdpt = 0x11000, kWindowTable = 0x13000, kCodeTable = 0x14000,
              kUserDirectory = 0x15000;
constexpr u64 kCodeFrame = 0x20000, kWindowFrame = 0x30000, kMemory = 1 * MiB;
constexpr unsigned kHandlerStep = 16, kVectors = 32;
constexpr u16 kKernelCs = 0x08, kUserCs = 0x33, kUserSs = 0x2b, kTssSelector = 0x38;
constexpr u64 kPresent = 1, kWritable = 2, kUser = 4, kLarge = 0x80, kNoExecute = u64{1} << 63;
constexpr u8 kHlt = 0xf4;
constexpr u64 kBudget = 100'000;

Segment flat(u16 selector, u8 type, u8 dpl, bool code) {
  return {.selector = selector,
          .type = type,
          .s = true,
          .dpl = dpl,
          .present = true,
          .l = code,
          .db = !code,
          .g = true,
          .limit = 0xffffffff};
}

CpuState user_state() {
  CpuState s = reset_state(true, 0);
  s.cr0 = kCr0Pe | kCr0Pg | kCr0Ne | kCr0Mp | kCr0Et | kCr0Wp;
  s.cr3 = kPml4;
  s.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt | kCr4Osxsave;
  s.efer = kEferLme | kEferLma | kEferNxe | kEferSce;
  for (Segment& segment : s.segments) segment = flat(kUserSs, 3, 3, false);
  s.segments[kCs] = flat(kUserCs, 11, 3, true);
  s.gdtr = {kKernel + kGdt, 0x4f};
  s.idtr = {kKernel + kIdt, kVectors * 16 - 1};
  s.tr = {.selector = kTssSelector, .type = 11, .present = true, .limit = 0x67, .base = kKernel + kTss};
  s.ldtr = {};
  return s;
}

}  // namespace

EngineExecutor::~EngineExecutor() { vcpu_.reset(); }

Result<std::unique_ptr<EngineExecutor>> EngineExecutor::create(Engine& engine, const CpuModel& model) {
  auto e = std::unique_ptr<EngineExecutor>(new EngineExecutor);
  e->model_ = model;
  TANDEM_TRY_ASSIGN(memory, mem::GuestMemory::create(kMemory));
  e->memory_ = std::move(memory);
  TANDEM_TRY_ASSIGN(vcpu, engine.make_vcpu(VcpuId{0}, *e->memory_, e->model_));
  e->vcpu_ = std::move(vcpu);
  e->write_tables();
  return e;
}

void EngineExecutor::write_tables() {
  mem::GuestMemory& m = *memory_;
  auto put = [&](u64 at, u64 value) { m.write_value<u64>(Gpa{at}, value); };
  put(kGdt + kKernelCs, 0x00af9b000000ffff);
  put(kGdt + 0x28, 0x00cff3000000ffff);
  put(kGdt + 0x30, 0x00affb000000ffff);
  put(kTss + 4, kKernel + kStackTop);
  for (u64 v = 0; v < kVectors; ++v) {
    constexpr u64 kInterruptGate = 0xee00;  // DPL 3: INT3 and INTO too
    const u64 handler = kKernel + kHandlers + v * kHandlerStep;
    put(kIdt + 16 * v,
        (handler & 0xffff) | u64{kKernelCs} << 16 | kInterruptGate << 32 | (handler >> 16 & 0xffff) << 48);
    put(kIdt + 16 * v + 8, handler >> 32);
    m.write_value<u8>(Gpa{handler - kKernel}, kHlt);
  }
  const u64 table = kPresent | kWritable | kUser;
  put(kPml4, kPdpt | table);
  put(kPdpt, kUserDirectory | table);
  put(kPml4 + 8 * 511, kKernelPdpt | table);
  put(kKernelPdpt + 8 * 510, kKernelDirectory | table);
  put(kKernelDirectory, kPresent | kWritable | kLarge);  // supervisor only
  put(kUserDirectory + 8 * (kWindowAddress >> 21), kWindowTable | table);
  put(kUserDirectory + 8 * (kCodeAddress >> 21), kCodeTable | table);
  const auto in_table = [](u64 address) { return 8 * (address >> 12 & 511); };
  for (u64 i = 0; i < kWindowSize / kPageSize; ++i)
    put(kWindowTable + in_table(kWindowAddress) + 8 * i, (kWindowFrame + i * kPageSize) | table | kNoExecute);
  put(kCodeTable + in_table(kCodeAddress), kCodeFrame | kPresent | kWritable | kUser);
}

Result<void> EngineExecutor::run(std::span<const u8> code, RunState& state) {
  mem::GuestMemory& m = *memory_;
  m.write(Gpa{kCodeFrame}, code);
  m.write_value<u8>(Gpa{kCodeFrame + code.size()}, kHlt);
  m.write(Gpa{kWindowFrame}, state.window);
  CpuState s = user_state();
  std::copy(std::begin(state.gpr), std::end(state.gpr), s.gpr);
  s.rip = kCodeAddress;
  s.rflags = state.rflags;
  s.vector = state.vector;
  s.xcr0 = xcr0_mask(model_);
  TANDEM_TRY(vcpu_->import_state(s));
  const Stop stop = vcpu_->run({kBudget}, devices_);
  retired_ = stop.retired;
  if (stop.why != StopReason::Halted)
    return host_error(fmt::format("stopped for reason {} instead of halting", static_cast<int>(stop.why)));
  return read_result(kCodeAddress + code.size(), state);
}

Result<void> EngineExecutor::read_result(u64 code_end, RunState& state) {
  CpuState s;
  TANDEM_TRY(vcpu_->export_state(s));
  const u64 vector = (s.rip - 1 - kKernel - kHandlers) / kHandlerStep;
  if (vector >= kVectors) return host_error(fmt::format("halted at {:#x}", s.rip));
  u64 frame[6];  // error code, rip, cs, rflags, rsp, ss: the first only where the exception has one
  const bool has_code = kKernel + kStackTop - s.gpr[kRsp] == sizeof frame;
  for (unsigned i = 0; i < 6; ++i) {
    frame[i] = 0;
    if (i == 0 && !has_code) continue;
    u8 bytes[8];
    memory_->read(Gpa{kStackTop - sizeof frame + 8 * i}, bytes);
    frame[i] = load_le<u64>(bytes);
  }
  std::copy(std::begin(s.gpr), std::end(s.gpr), state.gpr);
  state.gpr[kRsp] = frame[4];
  state.rip = frame[1];
  state.rflags = frame[3] & ~kRf;
  state.vector = s.vector;
  memory_->read(Gpa{kWindowFrame}, state.window);
  state.fault.reset();
  if (vector == kGeneralProtection && state.rip == code_end) return {};
  state.fault =
      RunFault{static_cast<u8>(vector), static_cast<u32>(frame[0]), vector == kPageFault ? s.cr2 : 0};
  return {};
}

}  // namespace tandem::tests
