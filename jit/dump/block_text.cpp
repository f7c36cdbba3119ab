#include "jit/dump/block_text.h"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

namespace tandem::jit {

namespace {

ZydisMachineMode machine_mode(unsigned code_size) {
  switch (code_size) {
    case 2: return ZYDIS_MACHINE_MODE_LEGACY_16;
    case 4: return ZYDIS_MACHINE_MODE_LEGACY_32;
    default: return ZYDIS_MACHINE_MODE_LONG_64;
  }
}

std::string code_text(ZydisMachineMode mode, u64 address, std::span<const u8> code, const char* indent) {
  std::string out;
  while (!code.empty()) {
    ZydisDisassembledInstruction insn;
    if (!ZYAN_SUCCESS(ZydisDisassembleIntel(mode, address, code.data(), code.size(), &insn)))
      return out + fmt::format("{}{:x}  ({} bytes that are no instruction)\n", indent, address, code.size());
    out += fmt::format("{}{:x}  {}\n", indent, address, insn.text);
    address += insn.info.length;
    code = code.subspan(insn.info.length);
  }
  return out;
}

std::string host_text(const Translation& t, u32 from, u32 to) {
  return code_text(ZYDIS_MACHINE_MODE_LONG_64, reinterpret_cast<u64>(t.code) + from,
                   {t.code + from, t.code + to}, "    ");
}

}  // namespace

std::string block_text(const Translation& t, std::span<const u8> guest, BlockParts parts) {
  const ZydisMachineMode mode = machine_mode(t.block->key.mode & interp::kCodeSize);
  std::string out = fmt::format("block {:x}{}: {} instructions, {} bytes, code {} bytes\n", t.rip,
                                t.is_twin ? " (twin)" : "", t.block->count, t.block->bytes, t.size);
  if (parts.host) out += host_text(t, 0, t.insns[0].start);
  for (u32 i = 0; i < t.block->count; ++i) {
    const isa::Insn& insn = t.block->insns[i];
    out += code_text(mode, t.rip + insn.offset, guest.subspan(insn.offset, insn.length), "  ");
    if (parts.host) out += host_text(t, t.insns[i].start, t.insns[i + 1].start);
  }
  if (parts.host) out += "  exits and slow paths\n" + host_text(t, t.insns.back().start, t.size);
  return out;
}

std::string region_text(const RegionPlan& plan, std::span<const u8> code) {
  constexpr ZydisMachineMode kMode = ZYDIS_MACHINE_MODE_LONG_64;
  std::string out = fmt::format("region {:x}: {} blocks, code {} bytes\n", plan.blocks[0].rip,
                                plan.blocks.size(), code.size());
  for (const PlanBlock& block : plan.blocks)
    out += fmt::format("  block {:x}\n", block.rip) + code_text(kMode, block.rip, block.bytes, "  ");
  return out + "  code\n" + code_text(kMode, reinterpret_cast<u64>(code.data()), code, "    ");
}

}  // namespace tandem::jit
