#include "devices/storage/ata_identify.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices::ata {

namespace {

class Words {
 public:
  u16 operator[](unsigned n) const { return load_le<u16>(&bytes_[n * 2]); }
  void set(unsigned n, u64 v) { store_le(&bytes_[n * 2], static_cast<u16>(v)); }
  void set32(unsigned n, u64 v) { store_le(&bytes_[n * 2], static_cast<u32>(v)); }
  void set64(unsigned n, u64 v) { store_le(&bytes_[n * 2], v); }
  // Two characters a word, the first in the high byte; padded with spaces.
  void text(unsigned first, unsigned words, std::string_view s) {
    for (unsigned i = 0; i < words * 2; ++i)
      bytes_[first * 2 + (i ^ 1)] = i < s.size() ? static_cast<u8>(s[i]) : ' ';
  }
  std::vector<u8> take() { return std::move(bytes_); }

 private:
  std::vector<u8> bytes_ = std::vector<u8>(512);
};

constexpr std::string_view kFirmware = "1.0";

// Words 63 and 88: modes 0..2 and 0..5, and which one is chosen (SET FEATURES 03h, table 50).
void set_modes(Words& w, u8 mode) {
  const u8 kind = mode >> 3, number = mode & 7;
  w.set(53, 7);
  w.set(63, 0x07 | (kind == 4 ? 0x100u << number : 0));
  for (unsigned i = 65; i <= 68; ++i) w.set(i, 120);  // cycle times in ns
  w.set(64, 3);
  w.set(88, 0x3f | (kind == 8 ? 0x100u << number : 0));
  w.set(80, 0x7e);  // ATA-1 to ATA/ATAPI-6
}

// Words 75 to 77 and 222 of Serial ATA (ATA8-ACS, IDENTIFY DEVICE), and no cable to tell about.
void set_serial(Words& w, bool queues) {
  constexpr u16 kGen1 = 0x0002, kGen2 = 0x0004, kQueues = 0x0100, kAta8 = 0x01fe, kSataTransport = 0x101f;
  w.set(75, queues ? kQueueDepth - 1 : 0);
  w.set(76, kGen1 | kGen2 | (queues ? kQueues : 0));
  w.set(80, kAta8);
  w.set(93, 0);
  w.set(222, kSataTransport);
}

}  // namespace

DiskGeometry default_geometry(u64 sectors) {
  DiskGeometry g;
  g.cylinders = static_cast<u16>(std::clamp<u64>(sectors / (16 * 63), 1, 16383));
  return g;
}

std::vector<u8> identify_disk(const DiskIdentity& id) {
  constexpr u64 kMaxLba28 = 0x0fffffff;
  Words w;
  const DiskGeometry g = default_geometry(id.sectors);
  w.set(0, 0x0040);  // not removable
  w.set(1, g.cylinders);
  w.set(3, g.heads);
  w.set(6, g.sectors);
  w.text(10, 10, id.serial);
  w.text(23, 4, kFirmware);
  w.text(27, 20, "TANDEM HARDDISK");
  w.set(47, 0x8000 | kMaxMultiple);
  w.set(49, 0x0f00);  // IORDY, may be disabled; LBA; DMA
  w.set(50, 0x4000);
  set_modes(w, id.transfer_mode);
  w.set(54, id.current.cylinders);
  w.set(55, id.current.heads);
  w.set(56, id.current.sectors);
  w.set32(57, u64{id.current.cylinders} * id.current.heads * id.current.sectors);
  w.set(59, id.multiple ? 0x100 | id.multiple : 0);
  w.set32(60, std::min(id.sectors, kMaxLba28));
  // Power management, write cache; FLUSH CACHE (EXT), 48-bit addresses.
  w.set(82, 0x0028);
  w.set(83, 0x7400);
  w.set(84, 0x4000);
  w.set(85, 0x0008 | (id.write_cache ? 0x20 : 0));
  w.set(86, 0x3400);
  w.set(87, 0x4000);
  w.set(93, 0x600b);  // reset: passed, jumpered
  w.set64(100, id.sectors);
  if (id.transport == Transport::Serial) {
    constexpr u16 kLogs = 0x0020;  // READ LOG EXT
    w.set(84, 0x4000 | kLogs);
    w.set(87, 0x4000 | kLogs);
    set_serial(w, true);
  }
  return w.take();
}

std::vector<u8> identify_cdrom(std::string_view serial, u8 transfer_mode, Transport transport) {
  Words w;
  w.set(0, 0x85c0);  // ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets
  w.text(10, 10, serial);
  w.text(23, 4, kFirmware);
  w.text(27, 20, "TANDEM CD-ROM");
  w.set(49, 0x0f00);
  w.set(50, 0x4000);
  set_modes(w, transfer_mode);
  w.set(82, 0x0210);  // PACKET, DEVICE RESET
  w.set(83, 0x4000);
  w.set(84, 0x4000);
  w.set(85, 0x0210);
  w.set(87, 0x4000);
  w.set(93, 0x600b);
  if (transport == Transport::Serial) set_serial(w, false);
  return w.take();
}

}  // namespace tandem::devices::ata
