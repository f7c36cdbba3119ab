// ELF executables for x86, as boot loaders see them: program headers and notes (System V ABI, chapters 4 and
// 5).
#pragma once

#include <optional>

#include "core/machine/boot/image.h"

namespace tandem::machine {

struct Elf {
  Image image;  // loadable segments and the entry at their physical addresses
  bool is64 = false;
  std::optional<u64> pvh_entry;  // XEN_ELFNOTE_PHYS32_ENTRY
};

bool is_elf(std::span<const u8> bytes);
// Error: truncated, or not for x86.
Result<Elf> parse_elf(Bytes bytes);

}  // namespace tandem::machine
