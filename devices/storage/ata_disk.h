// An ATA disk: what its commands mean. The controller's lock guards it.
#pragma once

#include <string>

#include "devices/storage/ata.h"
#include "devices/storage/ata_identify.h"

namespace tandem::devices::ata {

struct DiskState {
  DiskGeometry geometry;
  u8 multiple = 0, transfer_mode = 0;
  bool write_cache = true, standby = false;
  static void fields(auto& a, auto& s) {
    a(s.geometry, s.multiple, s.transfer_mode, s.write_cache, s.standby);
  }
  bool valid() const { return multiple <= kMaxMultiple; }
};

class Disk final : public Drive {
 public:
  Disk(BlockBackend& medium, std::string serial);

  u32 sector_size() const override { return kSectorSize; }
  bool is_packet_device() const override { return false; }
  void reset(bool hard) override;
  Action execute(u8 command) override;
  void fail(BlockStatus status, u64 sector) override;

  const DiskState& state() const { return state_; }
  void set_state(const DiskState& state) { state_ = state; }

 private:
  enum class Width : u8 { Lba28, Lba48 };
  Action transfer(Action::Kind kind, Width width, bool dma, u32 block = 1);
  Action transfer_multiple(Action::Kind kind, Width width);
  Action verify(Width width);
  Action set_features();
  Action set_multiple();
  Action set_geometry();
  Action native_max(Width width);
  Action check_power();
  bool address(Width width, u64& sector, u32& sectors) const;
  void put_address(Width width, u64 sector);
  u64 sectors() const { return sectors_; }

  std::string serial_;
  u64 sectors_;
  bool read_only_;
  DiskState state_;
};

}  // namespace tandem::devices::ata
