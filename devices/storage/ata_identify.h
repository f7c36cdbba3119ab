// The 512 bytes of IDENTIFY (PACKET) DEVICE (ATA/ATAPI-6, 8.15 and 8.16).
#pragma once

#include <string_view>
#include <vector>

#include "devices/storage/ata.h"

namespace tandem::devices::ata {

struct DiskGeometry {
  u16 cylinders = 0;
  u8 heads = 16, sectors = 63;
  static void fields(auto& a, auto& s) { a(s.cylinders, s.heads, s.sectors); }
};

// By the conventions of 6.2: 16 heads, 63 sectors, no more cylinders than 16383.
DiskGeometry default_geometry(u64 sectors);

struct DiskIdentity {
  std::string_view serial;
  u64 sectors = 0;
  DiskGeometry current;
  u8 multiple = 0;
  u8 transfer_mode = 0;  // as SET FEATURES 03h had it
  bool write_cache = true;
  Transport transport = Transport::Parallel;
};
std::vector<u8> identify_disk(const DiskIdentity& identity);
std::vector<u8> identify_cdrom(std::string_view serial, u8 transfer_mode, Transport transport);

inline constexpr u8 kMaxMultiple = 16;
inline constexpr unsigned kQueueDepth = 32;  // of native command queuing

}  // namespace tandem::devices::ata
