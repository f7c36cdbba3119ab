// The ACPI tables of the PC board.
#pragma once

#include <vector>

#include "core/base/types.h"

namespace tandem::devices {

struct AcpiConfig {
  u32 vcpus;
  u16 pm_base;
  bool floppy;               // drive A is there
  u64 pci_hole;              // where PCI's memory starts below 4 GiB
  unsigned virtio_mmio = 0;  // how many devices there are that are on no bus
};

// All tables, placed in one run; where that will lie is not known yet.
struct AcpiTables {
  // A field that holds an offset into `tables`, and is to hold the address.
  struct Pointer {
    bool in_rsdp;
    u32 at;
    u8 size;
  };
  // The byte at `at` makes the sum of [start, start + length) zero; to be filled in when pointers are.
  struct Checksum {
    bool in_rsdp;
    u32 at, start, length;
  };
  std::vector<u8> rsdp, tables;
  std::vector<Pointer> pointers;
  std::vector<Checksum> checksums;
};

AcpiTables build_acpi_tables(const AcpiConfig& config);
// As they go to base, a multiple of 64; the RSDP comes first. Below 32 KiB, whatever the configuration.
std::vector<u8> acpi_image(AcpiTables tables, u64 base);

// For firmware that places them itself: the files of fw_cfg, and the script that says how.
inline constexpr const char* kAcpiRsdpFile = "etc/acpi/rsdp";
inline constexpr const char* kAcpiTablesFile = "etc/acpi/tables";
inline constexpr const char* kAcpiLoaderFile = "etc/table-loader";
std::vector<u8> acpi_loader_script(const AcpiTables& tables);

}  // namespace tandem::devices
