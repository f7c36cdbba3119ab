// An ATA disk: what its commands mean. The controller's lock guards it.
#pragma once

#include <string>

#include "devices/storage/ata.h"
#include "devices/storage/ata_identify.h"

namespace tandem::devices::ata {

// What page 10h of the log says of the queued command that failed (ATA8-ACS, annex A).
struct QueuedError {
  u8 tag = kNone, status = 0, error = 0;
  u64 sector = 0;
  static constexpr u8 kNone = 0x80;
  static void fields(auto& a, auto& s) { a(s.tag, s.status, s.error, s.sector); }
};

struct DiskState {
  DiskGeometry geometry;
  u8 multiple = 0, transfer_mode = 0;
  bool write_cache = true, standby = false;
  QueuedError queued_error = {};
  static void fields(auto& a, auto& s) {
    a(s.geometry, s.multiple, s.transfer_mode, s.write_cache, s.standby, s.queued_error);
  }
  bool valid() const { return multiple <= kMaxMultiple; }
};

class Disk final : public Drive {
 public:
  Disk(BlockBackend& medium, std::string serial, Transport transport = Transport::Parallel);

  u32 sector_size() const override { return kSectorSize; }
  bool is_packet_device() const override { return false; }
  void reset(bool hard) override;
  Action execute(u8 command) override;
  void fail(BlockStatus status, u64 sector) override;
  void fail_queued(u8 tag, BlockStatus status, u64 sector) override;

  const DiskState& state() const { return state_; }
  void set_state(const DiskState& state) { state_ = state; }

 private:
  enum class Width : u8 { Lba28, Lba48, Queued };
  Action transfer(Action::Kind kind, Width width, bool dma, u32 block = 1);
  Action transfer_multiple(Action::Kind kind, Width width);
  Action queued(Action::Kind kind);
  Action read_log();
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
  Transport transport_;
  u64 sectors_;
  bool read_only_;
  DiskState state_;
};

}  // namespace tandem::devices::ata
