// PVH: 32-bit entry with hvm_start_info (xen/include/public/arch-x86/hvm/start_info.h).
#include "core/machine/boot/entry_state.h"
#include "core/machine/boot/info_writer.h"

namespace tandem::machine {

namespace {

constexpr u32 kStartMagic = 0x336ec578, kStartVersion = 1;

Result<u64> put_module_list(const std::vector<PlacedModule>& modules, Layout& layout) {
  Blob list;
  for (const PlacedModule& m : modules) {
    list.u64_(m.start);
    list.u64_(m.size);
    list.u64_(m.text);
    list.u64_(0);
  }
  return put_info(layout, list.view());
}

Result<u64> put_memory_map(Layout& layout) {
  Blob map;
  for (const MemoryRange& r : layout.map()) {
    map.u64_(raw(r.start));
    map.u64_(r.length);
    map.u32_(static_cast<u32>(r.kind));
    map.u32_(0);
  }
  return put_info(layout, map.view());
}

Result<cpu::CpuState> start_pvh(const Elf& elf, const Payload& payload, mem::GuestMemory& memory,
                                const BootInfo& info) {
  Layout layout(memory, info.memory_map);
  TANDEM_TRY(place(elf.image, layout));
  TANDEM_TRY_ASSIGN(modules, place_modules(payload, elf.image.end(), layout));
  TANDEM_TRY_ASSIGN(module_list, put_module_list(modules, layout));
  TANDEM_TRY_ASSIGN(memory_map, put_memory_map(layout));
  TANDEM_TRY_ASSIGN(cmdline, put_text(layout, payload.cmdline));
  Blob start;
  start.u32_(kStartMagic);
  start.u32_(kStartVersion);
  start.u32_(0);  // flags
  start.u32_(modules.size());
  start.u64_(modules.empty() ? 0 : module_list);
  start.u64_(cmdline);
  start.u64_(raw(info.rsdp));
  start.u64_(memory_map);
  start.u32_(info.memory_map.size());
  start.u32_(0);
  TANDEM_TRY_ASSIGN(start_at, put_info(layout, start.view()));
  cpu::CpuState state = protected_mode_state(*elf.pvh_entry);
  state.gpr[cpu::kRbx] = start_at;
  return state;
}

}  // namespace

Result<BootLoader> open_pvh(Elf elf, Payload payload) {
  return BootLoader([elf = std::move(elf), payload = std::move(payload)](
                        mem::GuestMemory& memory, const BootInfo& info) -> Result<cpu::CpuState> {
    return start_pvh(elf, payload, memory, info);
  });
}

}  // namespace tandem::machine
