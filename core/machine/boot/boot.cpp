#include "core/machine/boot/boot.h"

#include <filesystem>

#include "core/machine/boot/protocols.h"

namespace tandem::machine {

namespace {

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

// The words of the BIOS data area by which kernels (Xen's trampoline, Linux) find the end of low memory.
void put_bios_data(mem::GuestMemory& memory, const BootInfo& info) {
  constexpr Gpa kEbdaSegment{0x40e}, kBaseMemoryKib{0x413};
  for (const MemoryRange& r : info.memory_map)
    if (r.kind == MemoryKind::Ram && raw(r.start) == 0 && r.length <= MiB) {
      memory.write_value<u16>(kEbdaSegment, static_cast<u16>(r.length >> 4));
      memory.write_value<u16>(kBaseMemoryKib, static_cast<u16>(r.length / KiB));
    }
}

// What is common to all protocols: the BIOS data area, and which file an error is about.
BootLoader complete(std::string path, BootLoader loader) {
  return [path = std::move(path), loader = std::move(loader)](mem::GuestMemory& memory,
                                                              const BootInfo& info) -> Result<cpu::CpuState> {
    auto state = loader(memory, info);
    if (!state) return std::move(state.error()).in(path);
    put_bios_data(memory, info);
    return state;
  };
}

}  // namespace

Result<BootLoader> recognise(Bytes bytes, Payload payload) {
  if (is_bzimage(*bytes)) return open_bzimage(std::move(bytes), std::move(payload));
  if (const auto header = find_multiboot2(*bytes))
    return open_multiboot2(std::move(bytes), *header, std::move(payload));
  if (const auto header = find_multiboot1(*bytes))
    return open_multiboot1(std::move(bytes), *header, std::move(payload));
  if (is_elf(*bytes)) {
    TANDEM_TRY_ASSIGN(elf, parse_elf(std::move(bytes)));
    if (elf.pvh_entry) return open_pvh(std::move(elf), std::move(payload));
    if (is_vmlinux(elf)) return open_vmlinux(std::move(elf), std::move(payload));
  }
  return user_error("not a kernel that can be booted directly (no bzImage, PVH or multiboot header)");
}

Result<BootLoader> open_boot_loader(const BootFiles& files) {
  TANDEM_TRY_ASSIGN(kernel, read_file(files.kernel));
  Payload payload{file_name(files.kernel), files.cmdline, {}};
  for (const BootModule& module : files.modules) {
    TANDEM_TRY_ASSIGN(bytes, read_file(module.path));
    payload.modules.push_back({std::move(bytes), module.cmdline, file_name(module.path)});
  }
  auto loader = recognise(std::move(kernel), std::move(payload));
  if (!loader) return std::move(loader.error()).in(files.kernel);
  return complete(files.kernel, loader.take());
}

}  // namespace tandem::machine
