// What the machine says of itself to DMI tools (SMBIOS reference specification 2.8).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/base/types.h"

namespace tandem::devices {

struct SmbiosConfig {
  u64 memory_bytes;
  u32 vcpus;
  std::array<u8, 16> uuid{};  // in the order in which it is written
};

struct Smbios {
  std::vector<u8> anchor;  // the entry point; firmware fills in the tables' address and the checksums
  std::vector<u8> tables;
};

Smbios build_smbios(const SmbiosConfig& config);

}  // namespace tandem::devices
