#include "tools/states/code.h"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include "core/base/bits.h"
#include "core/mmu/walk.h"

namespace tandem::states {

namespace {

using cpu::CpuState;

constexpr unsigned kLongestInsn = 15;

bool is_64_bit(const CpuState& s) { return (s.efer & cpu::kEferLma) && s.segments[cpu::kCs].l; }

u64 linear_rip(const CpuState& s) {
  return is_64_bit(s) ? s.rip : static_cast<u32>(s.segments[cpu::kCs].base + s.rip);
}

}  // namespace

CodeReader::CodeReader(mem::GuestMemory& memory, const cpu::CpuModel& model)
    : walker_(std::make_unique<cpu::Cpu>()) {
  walker_->memory = &memory;
  walker_->model = &model;
  walker_->physical_mask = low_mask(model.physical_bits) & ~kPageMask;
}

std::vector<u8> CodeReader::read(const CpuState& state) {
  walker_->state = state;
  cpu::update_mode(*walker_);
  std::vector<u8> bytes;
  const u64 start = linear_rip(state);
  for (u64 at = start; bytes.size() < kLongestInsn; at = align_down(at, kPageSize) + kPageSize) {
    mmu::Translation page;
    if (!mmu::translate(*walker_, at, mmu::Access::Fetch, walker_->privilege, page)) break;
    const u8* host = walker_->memory->host(Gpa{page.physical});
    if (!host) break;
    const u64 there = kPageSize - (at & kPageMask);
    bytes.insert(bytes.end(), host, host + std::min<u64>(there, kLongestInsn - bytes.size()));
  }
  return bytes;
}

std::optional<ZydisDecodedInstruction> decode(const CpuState& state, std::span<const u8> bytes) {
  ZydisDecoder decoder;
  if (is_64_bit(state)) ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  else if (state.segments[cpu::kCs].db)
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
  else ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
  ZydisDecodedInstruction insn;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes.data(), bytes.size(), &insn)))
    return {};
  return insn;
}

std::string disassemble(const CpuState& state, std::span<const u8> bytes) {
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

}  // namespace tandem::states
