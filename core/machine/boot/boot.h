// Direct boot: a kernel file, modules and a command line become guest memory and the first vCPU's state.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/cpu/cpu_state.h"
#include "core/machine/boot/memory_range.h"
#include "core/mem/guest_memory.h"

namespace tandem::machine {

// What the board hands to a loader.
struct BootInfo {
  Gpa rsdp{};  // ACPI root pointer, already in memory
  std::vector<MemoryRange> memory_map;
};

// Puts a guest into memory and gives the first vCPU's state. Called at power-on and at each reset, with
// cleared devices and with RAM as it was left. Starts from cpu::reset_state(true, 0).
using BootLoader = std::function<Result<cpu::CpuState>(mem::GuestMemory&, const BootInfo&)>;

struct BootModule {
  std::string path;
  std::string cmdline;  // handed over with the module, where the protocol can
};

struct BootFiles {
  std::string kernel;               // path: bzImage, PVH ELF, multiboot 1 or 2, recognised by their content
  std::vector<BootModule> modules;  // the first is the ramdisk of a Linux kernel
  std::string cmdline;
};

// Reads and checks the files now, so that a bad one is a user error (naming the file) before anything starts.
Result<BootLoader> open_boot_loader(const BootFiles& files);

}  // namespace tandem::machine
