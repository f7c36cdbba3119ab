// The boot protocols. Each takes a kernel's bytes and gives the loader that starts it.
#pragma once

#include "core/machine/boot/boot.h"
#include "core/machine/boot/elf.h"

namespace tandem::machine {

// Modules and command line, read.
struct Payload {
  std::string kernel_name;  // file name without its folder
  std::string cmdline;
  struct Module {
    Bytes bytes;
    std::string cmdline;
    std::string name;
  };
  std::vector<Module> modules;
};

bool is_bzimage(std::span<const u8> bytes);
Result<BootLoader> open_bzimage(Bytes bytes, Payload payload);
// An uncompressed x86-64 kernel without another protocol: an executable linked to the upper half of the
// address space, which no user program is.
bool is_vmlinux(const Elf& elf);
Result<BootLoader> open_vmlinux(Elf elf, Payload payload);

Result<BootLoader> open_pvh(Elf elf, Payload payload);

// Offset of the header, where there is one.
std::optional<u64> find_multiboot1(std::span<const u8> bytes);
Result<BootLoader> open_multiboot1(Bytes bytes, u64 header, Payload payload);
std::optional<u64> find_multiboot2(std::span<const u8> bytes);
Result<BootLoader> open_multiboot2(Bytes bytes, u64 header, Payload payload);

// What to boot these bytes by. Error: by nothing.
Result<BootLoader> recognise(Bytes bytes, Payload payload);

}  // namespace tandem::machine
