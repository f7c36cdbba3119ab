// The ACPI tables of the PC board.
#pragma once

#include <vector>

#include "core/base/types.h"

namespace tandem::devices {

struct AcpiConfig {
  u64 base;  // where the tables will lie, a multiple of 64; the RSDP comes first
  u32 vcpus;
  u16 pm_base;
};

// All tables as they go to config.base. Below 32 KiB, whatever the configuration.
std::vector<u8> build_acpi_tables(const AcpiConfig& config);

}  // namespace tandem::devices
