// Runs code that is many times what the code cache holds, and changes itself, pass after pass on one vCPU,
// and fails where the process grows or a sum is wrong.
//   generations PASSES FUNCTIONS [--jit LIST]
#include <fmt/format.h>
#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <span>

#include "core/base/bits.h"
#include "core/cpu/cpuid_models.h"
#include "core/mem/guest_memory.h"
#include "jit/jit_engine.h"
#include "tests/soak/usage.h"
#include "tests/support/no_devices.h"

namespace tandem::tests {

namespace {

using namespace cpu;

constexpr u64 kCacheBytes = 304 * KiB;  // most of which is JitTier's kReserve
constexpr u64 kTables = 0x1000, kCode = 2 * MiB, kData = 8 * MiB, kStack = 12 * MiB, kMemory = 16 * MiB;
constexpr u64 kFunctionBytes = 64, kMostFunctions = (kData - kCode) / kFunctionBytes;
constexpr u64 kWords = 512;   // of data
constexpr u64 kChanges = 16;  // each so many functions, one changes the next one's operand
constexpr u64 kHlt = 0xf4;

// Function N of a chain, each of which goes on with the next; and what all of them do, in C++.
class Chain {
 public:
  Chain(mem::GuestMemory& memory, u64 functions) : memory_(memory), operands_(functions) {
    for (u64 n = 0; n < functions; ++n) {
      operands_[n] = static_cast<u32>(n * 2654435761u >> 1);
      memory_.write(Gpa{at(n)}, code_of(n));
    }
    memory_.write_value<u8>(Gpa{at(functions)}, kHlt);
  }

  static u64 at(u64 n) { return kCode + n * kFunctionBytes; }

  // What RAX is behind a pass.
  u64 pass(u64 rax) {
    for (u64 n = 0; n < operands_.size(); ++n) {
      rax += static_cast<u64>(static_cast<i64>(static_cast<i32>(operands_[n])));
      u64& word = words_[n % kWords];
      rax += 2 * word;
      word = rax;
      if (changes_next(n)) ++operands_[n + 1];
    }
    return rax;
  }

 private:
  bool changes_next(u64 n) const { return n % kChanges == 0 && n + 1 < operands_.size(); }

  std::vector<u8> code_of(u64 n) const {
    constexpr u64 kOperand = 2;  // offset in a function
    std::vector<u8> code;
    const auto put = [&](std::initializer_list<u8> bytes) { code.insert(code.end(), bytes); };
    const auto put32 = [&](u64 value) {
      for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<u8>(value >> 8 * i));
    };
    const u64 word = 8 * (n % kWords);
    put({0x48, 0x05}), put32(operands_[n]);  // add rax, operand
    put({0xb9}), put32(2);                   // mov ecx, 2
    put({0x48, 0x03, 0x87}), put32(word);    // again: add rax, [rdi + word]
    put({0xff, 0xc9, 0x75, 0xf5});           // dec ecx; jnz again
    put({0x48, 0x89, 0x87}), put32(word);    // mov [rdi + word], rax
    if (changes_next(n)) {
      const u64 behind = at(n) + code.size() + 7;
      put({0x83, 0x05}), put32(at(n + 1) + kOperand - behind), put({1});  // add dword [next's operand], 1
    }
    const u64 behind = at(n) + code.size() + 5;
    put({0xe9}), put32(at(n + 1) - behind);  // jmp next
    return code;
  }

  mem::GuestMemory& memory_;
  std::vector<u32> operands_;
  std::array<u64, kWords> words_{};
};

// 64-bit code of CPL 0, memory where its addresses say.
CpuState first_state() {
  CpuState s = reset_state(true, 0);
  s.cr0 = kCr0Pe | kCr0Pg | kCr0Ne | kCr0Mp | kCr0Et | kCr0Wp;
  s.cr3 = kTables;
  s.cr4 = kCr4Pae | kCr4Osfxsr | kCr4Osxmmexcpt;
  s.efer = kEferLme | kEferLma | kEferNxe;
  const Segment flat{
      .selector = 0x10, .type = 3, .s = true, .present = true, .db = true, .g = true, .limit = 0xffffffff};
  for (Segment& segment : s.segments) segment = flat;
  s.segments[kCs] = {
      .selector = 0x08, .type = 11, .s = true, .present = true, .l = true, .g = true, .limit = 0xffffffff};
  s.gpr[kRsp] = kStack;
  s.gpr[kRdi] = kData;
  return s;
}

void write_tables(mem::GuestMemory& memory) {
  constexpr u64 kPresentWritable = 3, kLarge = 0x80;
  memory.write_value<u64>(Gpa{kTables}, (kTables + kPageSize) | kPresentWritable);
  memory.write_value<u64>(Gpa{kTables + kPageSize}, (kTables + 2 * kPageSize) | kPresentWritable);
  for (u64 at = 0; at < kMemory; at += 2 * MiB)
    memory.write_value<u64>(Gpa{kTables + 2 * kPageSize + at / (2 * MiB) * 8},
                            at | kPresentWritable | kLarge);
}

std::map<std::string, u64> figures_of(const Vcpu& vcpu) {
  std::map<std::string, u64> figures;
  vcpu.statistics([&](std::string_view name, u64 value) { figures[std::string(name)] = value; });
  return figures;
}

// One pass, from the state that the one before left.
Result<void> pass(Vcpu& vcpu, Chain& chain) {
  NoDevices devices;
  CpuState s;
  TANDEM_TRY(vcpu.export_state(s));
  const u64 expected = chain.pass(s.gpr[kRax]);
  s.rip = Chain::at(0);
  s.activity = Activity::Running;
  TANDEM_TRY(vcpu.import_registers(s));
  const Stop stop = vcpu.run({}, devices);
  TANDEM_TRY(vcpu.export_state(s));
  if (stop.why != StopReason::Halted)
    return host_error(fmt::format("stopped for reason {} at {:#x}", static_cast<int>(stop.why), s.rip));
  if (s.gpr[kRax] != expected)
    return host_error(fmt::format("the sum is {:#x}, not {:#x}", s.gpr[kRax], expected));
  return {};
}

Result<bool> run(int passes, u64 functions, std::string_view list) {
  TANDEM_TRY_ASSIGN(options, jit::parse_options(list));
  options.cache_bytes = kCacheBytes;
  const CpuModel model = default_cpu_model();
  TANDEM_TRY_ASSIGN(memory, mem::GuestMemory::create(kMemory));
  const auto engine = jit::make_jit_engine(options);
  TANDEM_TRY_ASSIGN(vcpu, engine->make_vcpu(VcpuId{0}, *memory, model));
  write_tables(*memory);
  Chain chain(*memory, functions);
  TANDEM_TRY(vcpu->import_state(first_state()));
  UsageLog log;
  for (int i = 0; i < passes; ++i) {
    TANDEM_TRY(pass(*vcpu, chain));
    auto figures = figures_of(*vcpu);
    if (figures["jit.generations"] <= static_cast<u64>(i))
      return host_error("the code cache was not full in each pass");
    if (options.llvm_now && figures["jit.llvm.regions"] == 0) return host_error("tier 2 compiled nothing");
    if (i < kWarmUp || i + 1 == passes) vcpu->flush_translations();  // where the generations end is chance
    log.end_round(
        fmt::format(" (generations {}, regions {})", figures["jit.generations"], figures["jit.llvm.regions"]),
        true);
  }
  return !log.has_grown();
}

}  // namespace

}  // namespace tandem::tests

int main(int count, char** arguments) {
  using namespace tandem::tests;
  const int passes = count >= 3 ? std::atoi(arguments[1]) : 0;
  const auto functions = count >= 3 ? static_cast<tandem::u64>(std::atoi(arguments[2])) : 0;
  const bool has_list = count == 5 && std::string_view(arguments[3]) == "--jit";
  if (passes <= kWarmUp || functions == 0 || functions >= kMostFunctions || (count != 3 && !has_list))
    return fmt::print(stderr, "usage: generations PASSES FUNCTIONS [--jit LIST], more than {} passes\n",
                      kWarmUp),
           2;
  mallopt(M_ARENA_MAX, 1);  // else the number of arenas depends on which threads met
  const auto holds = run(passes, functions, has_list ? arguments[4] : "");
  if (!holds) return fmt::print("{}\n", holds.error().message), 1;
  return holds.value() ? 0 : 1;
}
