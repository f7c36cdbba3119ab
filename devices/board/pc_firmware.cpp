// The firmware's ROM and what it is told of the machine.
#include "core/base/bits.h"
#include "devices/board/pc_parts.h"
#include "devices/board/smbios.h"
#include "devices/platform/flash.h"
#include "devices/platform/fw_cfg.h"

namespace tandem::devices {

namespace {

constexpr u64 kLegacyRom = 128 * KiB;  // of the ROM's end, also seen below 1 MiB

void put(std::vector<u8>& to, u64 value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) to.push_back(static_cast<u8>(value >> (8 * i)));
}

// "etc/e820": address, length, type of each range of RAM.
std::vector<u8> ram_ranges(const mem::GuestMemory& memory) {
  std::vector<u8> out;
  const auto range = [&](u64 start, u64 length) {
    put(out, start, 8);
    put(out, length, 8);
    put(out, static_cast<u32>(MemoryKind::Ram), 4);
  };
  range(0, memory.low_size());
  if (memory.high_size()) range(mem::kHighRamStart, memory.high_size());
  return out;
}

// CMOS 3Dh and 38h hold the classes of boot devices, first one in the lowest four bits (as Bochs has it).
void set_boot_order(Rtc& rtc, const std::string& order) {
  u32 classes = 0;
  unsigned place = 0;
  for (const char letter : order) {
    const std::size_t n = std::string_view("acdn").find(letter);
    if (n != std::string_view::npos && place < 3) classes |= static_cast<u32>(n + 1) << (4 * place++);
  }
  constexpr u8 kSkipSignatureCheck = 1;
  rtc.set_cmos(0x3d, static_cast<u8>(classes));
  rtc.set_cmos(0x38, static_cast<u8>((classes >> 8 & 15) << 4 | kSkipSignatureCheck));
}

}  // namespace

// The ROM at the end of the first 4 GiB, its last part below 1 MiB.
Result<void> Pc::Parts::place_rom() {
  mem::GuestMemory& memory = machine->memory();
  legacy_window.all_ram = !config.firmware;
  if (!config.firmware) return {};
  const std::vector<u8>& rom = config.firmware->rom;
  if (rom.size() < 64 * KiB || rom.size() % kPageSize || rom.size() > 8 * MiB)
    return user_error("firmware: its size is no multiple of 4 KiB from 64 KiB to 8 MiB");
  // A short one is repeated where the end of the other half would be.
  TANDEM_TRY_ASSIGN(offset, memory.allocate(std::max<u64>(rom.size(), kLegacyRom)));
  u8* const at = memory.base() + offset;
  std::copy(rom.begin(), rom.end(), at);
  if (rom.size() < kLegacyRom) std::copy(rom.begin(), rom.end(), at + rom.size());
  const u64 size = std::max<u64>(rom.size(), kLegacyRom);
  legacy_window.rom = offset + size - kLegacyRom;
  rom_mapping = memory.map(Gpa{4 * GiB - size}, size, {.read = offset});
  return {};
}

// The firmware's variables, below its code.
Result<void> Pc::Parts::add_flash() {
  if (!config.firmware || config.firmware->variables.empty()) return {};
  const std::vector<u8>& content = config.firmware->variables;
  if (content.size() % Flash::kBlock || content.size() > MiB)
    return user_error("nvram: its size is no multiple of 4 KiB up to 1 MiB");
  mem::GuestMemory& memory = machine->memory();
  TANDEM_TRY_ASSIGN(offset, memory.allocate(content.size()));
  std::copy(content.begin(), content.end(), memory.base() + offset);
  const u64 start = 4 * GiB - config.firmware->rom.size() - content.size();
  auto& flash = add<Flash>(machine->context(), Flash::Place{Gpa{start}, offset, content.size()},
                           config.firmware->variables_file.get());
  return claim(machine->mmio(), {start, content.size()}, flash, flash.name());
}

Result<void> Pc::Parts::add_firmware_configuration() {
  if (!config.firmware) return {};
  machine::Machine& m = *machine;
  const u64 memory_bytes = m.memory().size();
  auto& fw = add<FwCfg>(m.context());
  fw.set_number(FwCfg::kRamSize, memory_bytes, 8);
  fw.set_number(FwCfg::kCpus, config.vcpus, 2);
  fw.set_number(FwCfg::kMaxCpus, config.vcpus, 2);
  fw.set_number(FwCfg::kIrq0Override, 1, 1);
  fw.set(FwCfg::kUuid, {config.firmware->uuid.begin(), config.firmware->uuid.end()});
  fw.add_file("etc/e820", ram_ranges(m.memory()));
  std::vector<u8> forever;
  put(forever, 0xffffffff, 4);
  fw.add_file("etc/boot-fail-wait", forever);
  fw.add_file(kAcpiRsdpFile, FwCfg::Maker([this] { return acpi_tables().rsdp; }));
  fw.add_file(kAcpiTablesFile, FwCfg::Maker([this] { return acpi_tables().tables; }));
  fw.add_file(kAcpiLoaderFile, FwCfg::Maker([this] { return acpi_loader_script(acpi_tables()); }));
  const Smbios smbios = build_smbios({memory_bytes, config.vcpus, config.firmware->uuid});
  fw.add_file("etc/smbios/smbios-anchor", smbios.anchor);
  fw.add_file("etc/smbios/smbios-tables", smbios.tables);
  set_boot_order(*rtc, config.firmware->boot_order);
  TANDEM_TRY(claim(m.pio(), {kFwCfgPort, 2, 2}, fw.ports(), fw.name()));
  return claim(m.pio(), {kFwCfgDmaPort, 8, 4}, fw.dma_ports(), fw.name());
}

}  // namespace tandem::devices
