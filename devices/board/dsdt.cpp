#include "devices/board/dsdt.h"

#include "devices/board/acpi_tables.h"
#include "devices/board/aml.h"
#include "devices/board/memory_map.h"

namespace tandem::devices {

using namespace aml;

namespace {

// Which interrupt each slot's INTA..INTD has: by PIRQ line, which is (slot - 1 + pin) mod 4.
Term routing(const unsigned (&interrupts)[4]) {
  std::vector<Term> entries;
  for (unsigned slot = 1; slot < 32; ++slot)
    for (unsigned pin = 0; pin < 4; ++pin)
      entries.push_back(package({integer(u64{slot} << 16 | 0xffff), integer(pin), integer(0),
                                 integer(interrupts[pci_line(slot, pin)])}));
  return package(entries);
}

Term isa_device(std::string_view device_name, std::string_view id, unsigned unit, const Term& crs) {
  return device(device_name, concat({name("_HID", eisa_id(id)), name("_UID", integer(unit)),
                                     name("_STA", integer(15)), name("_CRS", crs)}));
}

Term isa_bus(bool floppy) {
  Term body = name("_ADR", integer(0x00010000));
  body += isa_device("RTC", "PNP0B00", 0, resources({io_ports(kRtcPorts, 2), irq(kRtcIrq)}));
  body +=
      isa_device("KBD", "PNP0303", 0, resources({io_ports(0x60, 1), io_ports(0x64, 1), irq(kKeyboardIrq)}));
  body += isa_device("MOU", "PNP0F13", 0, resources({irq(kMouseIrq)}));
  if (floppy)
    body += isa_device("FDC0", "PNP0700", 0,
                       resources({io_ports(kFloppyPorts, 6), io_ports(kFloppyInputPort, 1), irq(kFloppyIrq),
                                  dma(kFloppyDma)}));
  for (unsigned i = 0; i < 4; ++i)
    body += isa_device("COM" + std::to_string(i + 1), "PNP0501", i + 1,
                       resources({io_ports(kSerialPorts[i], 8), irq(kSerialIrqs[i])}));
  body += device("PEVT", concat({name("_HID", text("QEMU0001")), name("_STA", integer(15)),
                                 name("_CRS", resources({io_ports(kPvpanicPort, 1)}))}));
  return device("ISA_", body);
}

// Linux' driver knows them by this identifier, which QEMU's machines without PCI use.
Term virtio_devices(unsigned count) {
  Term all;
  for (unsigned i = 0; i < count; ++i) {
    const u32 base = static_cast<u32>(kVirtioMmio + i * kVirtioMmioStep);
    const std::string number = std::to_string(i);
    all += device("VR" + std::string(2 - number.size(), '0') + number,
                  concat({name("_HID", text("LNRO0005")), name("_UID", integer(i)), name("_CCA", integer(1)),
                          name("_CRS", resources({fixed_memory(base, u32{kVirtioMmioStep}),
                                                  interrupt(virtio_mmio_gsi(i))}))}));
  }
  return all;
}

}  // namespace

std::string build_dsdt_body(const AcpiConfig& config) {
  const unsigned apic[4] = {kPirqGsi, kPirqGsi + 1, kPirqGsi + 2, kPirqGsi + 3};
  const unsigned pic[4] = {10, 10, 11, 11};  // as PIIX3 routes them after reset
  const Term crs =
      resources({bus_numbers(0, 255), io_ports(0xcf8, 8), io_window(0, 0xcf7), io_window(0xd00, 0xffff),
                 memory_window(0xa0000, 0xbffff),
                 memory_window(static_cast<u32>(config.pci_hole), static_cast<u32>(kPciHoleEnd - 1))});
  const Term pci =
      concat({name("_HID", eisa_id("PNP0A03")), name("_ADR", integer(0)), name("_UID", integer(0)),
              name("_CRS", crs), name("PRTA", routing(apic)), name("PRTP", routing(pic)),
              method("_PRT", 0, if_else(path("PICF"), give_back(path("PRTA")), give_back(path("PRTP")))),
              isa_bus(config.floppy)});
  return concat({name("PICF", integer(0)), method("_PIC", 1, store(argument(0), path("PICF"))),
                 // SLP_TYP 0 is soft off (PIIX4).
                 name("_S5_", package({integer(0), integer(0), integer(0), integer(0)})),
                 scope("\\_SB_", concat({device("PCI0", pci), virtio_devices(config.virtio_mmio)}))});
}

}  // namespace tandem::devices
