// Repeated string instructions in 16 and 32-bit code against loops over single ones: where offsets wrap,
// segments end or are refused, and pages end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/cpu/cpuid_models.h"
#include "core/mem/guest_memory.h"
#include "tests/isa/seed.h"
#include "tests/isa/string_program.h"
#include "tests/support/engines.h"
#include "tests/support/no_devices.h"

namespace tandem::tests {
namespace {

using namespace cpu;

constexpr u64 kMemory = MiB / 2, kCode = 0x1000, kCodeEnd = 0x2000;
constexpr int kPrograms = 2000;
constexpr u64 kBudget = 2'000'000;
constexpr u8 kHlt = 0xf4, kJcxz = 0xe3, kLoopne = 0xe0, kLoope = 0xe1, kLoop = 0xe2;

// CX counts in both: JCXZ and LOOP take the address size of the instruction.
std::vector<u8> as_loop(const StringInsn& insn) {
  const std::vector<u8> body = insn.single();
  const u8 loop = !insn.compares() ? kLoop : insn.repne ? kLoopne : kLoope;
  const u8 prefix = insn.other_address_size ? 1 : 0;
  std::vector<u8> code;
  const auto branch = [&](u8 opcode, int distance) {
    if (prefix) code.push_back(0x67);
    code.push_back(opcode);
    code.push_back(static_cast<u8>(distance));
  };
  const int length = static_cast<int>(body.size()), branch_length = 2 + prefix;
  branch(kJcxz, length + branch_length);
  code.insert(code.end(), body.begin(), body.end());
  branch(loop, -length - branch_length);
  return code;
}

struct End {
  StopReason why;
  u64 gpr[16];
  u64 flags;
  std::vector<u8> memory;
  bool operator==(const End&) const = default;
};

std::string text(const End& e) {
  return fmt::format("stop {} cx {:x} si {:x} di {:x} flags {:x}", static_cast<int>(e.why), e.gpr[kRcx],
                     e.gpr[kRsi], e.gpr[kRdi], e.flags);
}

class Runner {
 public:
  Runner() {
    memory_ = mem::GuestMemory::create(kMemory).take();
    engine_ = interp::make_interp_engine();
    vcpu_ = engine_->make_vcpu(VcpuId{0}, *memory_, model_).take();
  }

  // Faults have nowhere to go: they shut the CPU down, registers as the instruction left them.
  // entry: of the code, which is the same memory for who is compared, since it may be a string, too.
  End run(std::span<const u8> code, std::size_t entry, CpuState start, const std::vector<u8>& bytes) {
    memory_->write(Gpa{0}, bytes);
    memory_->write(Gpa{kCode}, code);
    start.rip = kCode + entry;
    EXPECT_TRUE(vcpu_->import_state(start));
    End end{vcpu_->run({kBudget}, devices_).why, {}, 0, std::vector<u8>(kMemory)};
    CpuState s;
    EXPECT_TRUE(vcpu_->export_state(s));
    std::copy(std::begin(s.gpr), std::end(s.gpr), end.gpr);
    end.flags = s.rflags & kArithmeticFlags;
    memory_->read(Gpa{0}, end.memory);
    std::fill(end.memory.begin() + kCode, end.memory.begin() + kCodeEnd, u8{0});
    return end;
  }

 private:
  CpuModel model_ = make_cpu_model("max").take();
  NoDevices devices_;
  std::unique_ptr<mem::GuestMemory> memory_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Vcpu> vcpu_;
};

class Programs {
 public:
  Programs(u64 seed, bool wide) : random_(seed), wide_(wide) {}

  StringInsn insn() {
    StringInsn i = random_string_insn(random_);
    if (i.size == 8) i.size = 4;
    i.other_operand_size = i.size == (wide_ ? 2 : 4);
    return i;
  }

  CpuState start(const StringInsn& insn) {
    CpuState s = reset_state(true, 0);
    s.cr0 |= kCr0Pe;
    s.idtr.limit = 0;
    s.segments[kCs] = {.type = 11, .s = true, .present = true, .db = wide_, .limit = 0xffffffff};
    s.segments[kSs] = {.type = 3, .s = true, .present = true, .db = wide_, .limit = 0xffffffff};
    s.segments[kDs] = data_segment();
    s.segments[kEs] = data_segment();
    s.rflags = 2 | (random_() & kArithmeticFlags) | (one_in(3) ? kDf : 0);
    const bool short_address = wide_ == insn.other_address_size;
    for (u64& gpr : s.gpr) gpr = static_cast<u32>(random_());
    for (unsigned gpr : {kRsi, kRdi}) s.gpr[gpr] = offset(short_address);
    if (one_in(4)) s.gpr[kRdi] = s.gpr[kRsi] + random_() % 32;
    const u64 count = random_() % (one_in(8) ? 5000 : 200);
    s.gpr[kRcx] = short_address ? (s.gpr[kRcx] & 0xffff0000) | count : count;
    return s;
  }

  // Elements of one kind, but a few.
  std::vector<u8> memory(CpuState& s, unsigned size) {
    std::vector<u8> bytes(kMemory);
    const u64 value = s.gpr[kRax];
    for (u64 i = 0; i < kMemory; ++i) bytes[i] = static_cast<u8>(value >> 8 * (i & (size - 1)));
    for (int changes = 0; changes < 4000; ++changes) bytes[random_() % kMemory] = static_cast<u8>(random_());
    if (one_in(3)) s.gpr[kRax] ^= 1;
    return bytes;
  }

 private:
  bool one_in(u64 n) { return random_() % n == 0; }

  // Limits near where offsets are: at 64 KiB, at a page's end; some segments read-only or expand-down.
  Segment data_segment() {
    constexpr u8 kReadOnly = 1, kWritable = 3, kExpandDown = 7;
    constexpr u32 kLimits[] = {0xffff, 0xfffff, 0xfffff, 0xffffffff, 0x11234, 0x10fff};
    const u64 kind = random_() % 16;
    return {.type = kind == 0  ? kReadOnly
                    : kind < 3 ? kExpandDown
                               : kWritable,
            .s = true,
            .present = true,
            .db = one_in(2),
            .limit = kLimits[random_() % 6],
            .base = 0x2000 + random_() % 0x40000};
  }

  u64 offset(bool short_address) {
    constexpr u32 kEdges[] = {0, 0x1000, 0x11234, 0x10000, 0x11000, 0x8000};
    const u32 near = kEdges[random_() % 6] + static_cast<u32>(random_() % 200) - 100;
    const u32 offset = one_in(2) ? near : static_cast<u32>(random_() % 0x18000);
    return short_address ? offset & 0xffff : offset;
  }

  std::mt19937_64 random_;
  bool wide_;
};

class StringsInMode : public testing::TestWithParam<bool> {};

TEST_P(StringsInMode, RepeatedOnesDoWhatLoopsDo) {
  const u64 seed = test_seed();
  SCOPED_TRACE(fmt::format("TANDEM_SEED={}", seed));
  Runner runner;
  Programs programs(seed, GetParam());
  int faults = 0;
  for (int i = 0; i < kPrograms; ++i) {
    const StringInsn insn = programs.insn();
    CpuState start = programs.start(insn);
    const std::vector<u8> memory = programs.memory(start, insn.size);
    std::vector<u8> code = insn.repeated();
    code.push_back(kHlt);
    const std::size_t second = code.size();
    const std::vector<u8> as_instructions = as_loop(insn);
    code.insert(code.end(), as_instructions.begin(), as_instructions.end());
    code.push_back(kHlt);
    const End bulk = runner.run(code, 0, start, memory);
    const End loop = runner.run(code, second, start, memory);
    faults += bulk.why == StopReason::TripleFault;
    ASSERT_TRUE(bulk == loop) << "program " << i << ": "
                              << fmt::format("{:02x}", fmt::join(insn.repeated(), " ")) << "\n  start cx "
                              << std::hex << start.gpr[kRcx] << " si " << start.gpr[kRsi] << " di "
                              << start.gpr[kRdi] << " flags " << start.rflags << "\n  bulk " << text(bulk)
                              << "\n  loop " << text(loop);
  }
  EXPECT_GT(faults, 0);
  EXPECT_LT(faults, kPrograms * 2 / 3);
}

INSTANTIATE_TEST_SUITE_P(CodeSizes, StringsInMode, testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Code32" : "Code16"; });

}  // namespace
}  // namespace tandem::tests
