#include "tools/lockstep/listing.h"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "core/base/bits.h"
#include "core/mmu/walk.h"

namespace tandem::lockstep {

namespace {

using cpu::CpuState;

constexpr unsigned kLongestInsn = 15;

bool is_64_bit(const CpuState& s) { return (s.efer & cpu::kEferLma) && s.segments[cpu::kCs].l; }

u64 linear_rip(const CpuState& s) {
  return is_64_bit(s) ? s.rip : static_cast<u32>(s.segments[cpu::kCs].base + s.rip);
}

// The bytes at rip, fewer where they are not in RAM. A CPU of its own walks the page tables, and sets no more
// accessed bits in them than the instruction's fetch is about to set.
std::vector<u8> fetch(Side& side, const CpuState& state) {
  const auto walker = std::make_unique<cpu::Cpu>();
  walker->state = state;
  walker->memory = &side.pc().memory();
  walker->model = &side.model();
  walker->physical_mask = low_mask(side.model().physical_bits) & ~kPageMask;
  cpu::update_mode(*walker);
  std::vector<u8> bytes;
  for (u64 at = linear_rip(state); bytes.size() < kLongestInsn; ++at) {
    mmu::Translation page;
    if (!mmu::translate(*walker, at, mmu::Access::Fetch, walker->privilege, page)) break;
    const u8* host = walker->memory->host(Gpa{page.physical});
    if (!host) break;
    bytes.push_back(*host);
  }
  return bytes;
}

std::string disassemble(const CpuState& state, const std::vector<u8>& bytes) {
  const cs_mode mode = is_64_bit(state) ? CS_MODE_64 : state.segments[cpu::kCs].db ? CS_MODE_32 : CS_MODE_16;
  const u64 address = linear_rip(state);
  csh handle;
  if (cs_open(CS_ARCH_X86, mode, &handle) != CS_ERR_OK) return "capstone: out of memory";
  cs_insn* insn = nullptr;
  const std::size_t count = cs_disasm(handle, bytes.data(), bytes.size(), address, 1, &insn);
  std::string hex;
  for (std::size_t i = 0; i < (count ? insn->size : bytes.size()); ++i)
    hex += fmt::format("{:02x} ", bytes[i]);
  std::string text = fmt::format("{:016x}  {:33}", address, hex);
  text += count ? fmt::format("{} {}", insn->mnemonic, insn->op_str) : "(no instruction)";
  if (count) cs_free(insn, count);
  cs_close(&handle);
  return text;
}

}  // namespace

Result<std::vector<Executed>> list(Side& side, u64 to) {
  std::vector<Executed> out;
  while (side.position() < to && !side.ended()) {
    Executed& e = out.emplace_back();
    e.number = side.position() + 1;
    TANDEM_TRY(side.state(e.before));
    e.text = disassemble(e.before, fetch(side, e.before));
    TANDEM_TRY(side.advance(e.number));
  }
  return out;
}

}  // namespace tandem::lockstep
