// An ATAPI CD-ROM drive: what its packet commands mean (SFF-8020i, MMC-3). The controller's lock guards it.
#pragma once

#include <string>

#include "devices/storage/ata.h"

namespace tandem::devices::ata {

struct CdromState {
  u8 key = 0, code = 0, qualifier = 0;  // sense data of the last error
  bool attention = false;               // the medium has changed and nobody was told
  bool locked = false, open = false;    // the tray
  u8 event = 0;                         // media event to be reported (MMC-3, table 70)
  u8 transfer_mode = 0;
  static void fields(auto& a, auto& s) {
    a(s.key, s.code, s.qualifier, s.attention, s.locked, s.open, s.event, s.transfer_mode);
  }
};

class Cdrom final : public Drive {
 public:
  static constexpr u32 kSectorBytes = 2048;
  Cdrom(BlockBackend* medium, std::string serial, Transport transport = Transport::Parallel);

  u32 sector_size() const override { return kSectorBytes; }
  bool is_packet_device() const override { return true; }
  void reset(bool hard) override;
  Action execute(u8 command) override;
  Action packet(std::span<const u8, 12> cdb) override;
  void fail(BlockStatus status, u64 sector) override;

  // Another disc, or none. False: the guest holds the tray.
  bool insert(BlockBackend* medium);

  const CdromState& state() const { return state_; }
  void set_state(const CdromState& state) { state_ = state; }

 private:
  struct Sense {
    u8 key, code, qualifier;
  };
  Action check_condition(Sense sense);
  Action reply(std::vector<u8> data, u64 allocation);
  Action request_sense(u8 allocation);
  Action read(u64 sector, u64 sectors);
  Action read_cd(std::span<const u8, 12> cdb);
  Action read_toc(std::span<const u8, 12> cdb);
  Action mode_sense(std::span<const u8, 12> cdb);
  Action event_status(std::span<const u8, 12> cdb);
  Action start_stop(u8 what);
  Action set_features();
  Action with_medium(std::span<const u8, 12> cdb);
  bool ready() const { return medium_ && !state_.open; }
  u64 sectors() const { return medium_ ? medium_->geometry().bytes / kSectorBytes : 0; }

  std::string serial_;
  Transport transport_;
  CdromState state_;
};

}  // namespace tandem::devices::ata
