#include <capstone/capstone.h>
#include <fmt/format.h>

#include "core/debug/monitor.h"

namespace tandem::debug {

namespace {

cs_mode mode_of(const cpu::CpuState& s) {
  const cpu::Segment& cs = s.segments[cpu::kCs];
  if ((s.efer & cpu::kEferLma) && cs.l) return CS_MODE_64;
  return (s.cr0 & cpu::kCr0Pe) && cs.db && !(s.rflags & cpu::kVm) ? CS_MODE_32 : CS_MODE_16;
}

}  // namespace

std::string disassemble(const cpu::CpuState& state, u64 address, unsigned count,
                        const std::function<std::size_t(u64, std::span<u8>)>& read) {
  constexpr std::size_t kLongest = 15;
  csh handle;
  if (cs_open(CS_ARCH_X86, mode_of(state), &handle) != CS_ERR_OK) return "capstone: out of memory\n";
  const std::unique_ptr<cs_insn, void (*)(cs_insn*)> insn(cs_malloc(handle),
                                                          [](cs_insn* i) { cs_free(i, 1); });
  std::string out;
  for (; count; --count) {
    u8 bytes[kLongest];
    std::size_t left = read(address, bytes);
    const u8* at = bytes;
    if (left == 0) {
      out += fmt::format("{:#x}: not mapped\n", address);
      break;
    }
    u64 next = address;
    if (cs_disasm_iter(handle, &at, &left, &next, insn.get())) {
      out += fmt::format("{:#x}: {} {}\n", address, insn->mnemonic, insn->op_str);
      address = next;
    } else {
      out += fmt::format("{:#x}: (no instruction) {:02x}\n", address, bytes[0]);
      ++address;
    }
  }
  cs_close(&handle);
  return out;
}

}  // namespace tandem::debug
