// Commands of the floppy controller that move sectors. Sections: Intel 82077AA data sheet, chapter 6.
#include "devices/storage/fdc.h"

namespace tandem::devices {

namespace {

// 6.1.2 "Status registers"
constexpr u8 kAbnormal = 0x40;
constexpr u8 kEndOfCylinder = 0x80, kDataError = 0x20, kOverrun = 0x10, kNoData = 0x04, kNotWritable = 0x02,
             kMissingAddress = 0x01;
constexpr u8 kWrongCylinder = 0x10;
constexpr u8 kMultiTrack = 0x80, kNonDma = 0x01;
constexpr u8 kSectorCode = 2;  // 128 << 2 bytes

}  // namespace

void Fdc::end_transfer(u8 status0, u8 status1, u8 status2, Position at) {
  transfer_.kind = Transfer::Kind::None;
  give({static_cast<u8>(status0 | drive_and_head()), status1, status2, at.cylinder, at.head, at.sector,
        kSectorCode});
  set_irq(true);
}

// The sector id behind this one (table 6-3). False: the cylinder, or the track, is at its end.
bool Fdc::next_sector(Position& at) const {
  const u8 last = state_.bytes[6];
  if (at.sector != last) return ++at.sector, true;
  at.sector = 1;
  if (!(state_.bytes[0] & kMultiTrack)) return ++at.cylinder, false;
  at.head ^= 1;
  if (at.head) return true;
  return ++at.cylinder, false;
}

void Fdc::read_data() { start_transfer(Transfer::Kind::Read); }
void Fdc::write_data() { start_transfer(Transfer::Kind::Write); }

// Without DMA; ends at the last sector of the cylinder, or after as many as EC says.
void Fdc::verify() {
  transfer_.left = state_.bytes[8];
  start_transfer(Transfer::Kind::Verify);
}

void Fdc::start_transfer(Transfer::Kind kind) {
  const Position at{state_.bytes[2], state_.bytes[3], state_.bytes[4]};
  state_.last_eot = state_.bytes[6];
  if (!medium() || (state_.specify[1] & kNonDma)) return end_transfer(kAbnormal, kMissingAddress, 0, at);
  if (at.cylinder != state_.track[drive()]) return end_transfer(kAbnormal, kNoData, kWrongCylinder, at);
  transfer_.kind = kind;
  transfer_.at = at;
  transfer_.over = false;
  next_transfer();
}

// The ids of the sectors come by DMA, and are all that counts.
void Fdc::format_track() {
  const u8 track = state_.track[drive()], head = state_.bytes[1] >> 2 & 1;
  const Position at{track, head, 1};
  if (!medium()) return end_transfer(kAbnormal, kMissingAddress, 0, at);
  if (medium()->geometry().read_only) return end_transfer(kAbnormal, kNotWritable, 0, at);
  transfer_.kind = Transfer::Kind::Format;
  transfer_.at = at;
  transfer_.over = false;
  transfer_.left = state_.bytes[3];
  transfer_.data.fill(state_.bytes[5]);
  if (transfer_.left == 0) return end_transfer(0, 0, 0, at);
  next_transfer();
}

// Status 1 where the next sector's id is none.
u8 Fdc::format_next() {
  std::array<u8, 4> id;
  const IsaDma::Moved moved = dma_.from_memory(kDmaChannel, id);
  if (moved.bytes < id.size()) return kOverrun;
  Position& at = transfer_.at;
  if (id[0] != at.cylinder || id[1] != at.head || id[3] != kSectorCode) return kNoData;
  at.sector = id[2];
  transfer_.over = moved.terminal_count || --transfer_.left == 0;
  return 0;
}

// What is to be written; terminal count cuts it off with zeros (6.1.1.4). Status 1.
u8 Fdc::fetch() {
  if (medium()->geometry().read_only) return kNotWritable;
  transfer_.data.fill(0);
  const IsaDma::Moved moved = dma_.from_memory(kDmaChannel, transfer_.data);
  transfer_.over = moved.terminal_count;
  return moved.bytes < transfer_.data.size() && !moved.terminal_count ? kOverrun : 0;
}

// The sector at transfer_.at.
void Fdc::next_transfer() {
  using Kind = Transfer::Kind;
  Transfer& t = transfer_;
  const bool format = t.kind == Kind::Format;
  if (format) {
    const Position first{t.at.cylinder, t.at.head, 1};
    if (const u8 status1 = format_next()) return end_transfer(kAbnormal, status1, 0, first);
  }
  const bool there = t.at.cylinder < format_.cylinders && t.at.head < format_.heads && t.at.sector != 0 &&
                     t.at.sector <= format_.sectors && (format || state_.bytes[5] == kSectorCode);
  if (!there) return end_transfer(kAbnormal, kNoData, 0, t.at);
  if (t.kind == Kind::Write)
    if (const u8 status1 = fetch()) return end_transfer(kAbnormal, status1, 0, t.at);
  const bool to_disk = format || t.kind == Kind::Write;
  submit(to_disk ? BlockOp::Write : BlockOp::Read,
         (t.at.cylinder * format_.heads + t.at.head) * format_.sectors + t.at.sector - 1);
}

void Fdc::submit(BlockOp op, u64 sector) {
  const u64 offset = sector * kSectorSize;
  if (offset + kSectorSize > medium_->geometry().bytes) {  // a short image
    if (op == BlockOp::Read) transfer_.data.fill(0);
    return sector_done(op == BlockOp::Read ? BlockStatus::Ok : BlockStatus::IoError);
  }
  under_way_ = true;
  medium_->submit(
      {op, offset, kSectorSize, {buffer(transfer_.data)}, [this](BlockStatus s) { completed(s); }});
}

// [back end's thread]
void Fdc::completed(BlockStatus status) {
  std::lock_guard lock(mutex_);
  under_way_ = false;
  if (!std::exchange(dropped_, false)) sector_done(status);
}

void Fdc::sector_done(BlockStatus status) {
  using Kind = Transfer::Kind;
  Transfer& t = transfer_;
  if (!status) return end_transfer(kAbnormal, kDataError, 0, t.at);
  if (t.kind == Kind::Format) {
    if (!t.over) return next_transfer();
    return end_transfer(0, 0, 0, {t.at.cylinder, t.at.head, 1});
  }
  if (t.kind == Kind::Read) {
    const IsaDma::Moved moved = dma_.to_memory(kDmaChannel, t.data);
    t.over = moved.terminal_count;
    if (moved.bytes < t.data.size() && !t.over) return end_transfer(kAbnormal, kOverrun, 0, t.at);
  }
  const bool counted = t.kind == Kind::Verify && (state_.bytes[1] & 0x80);
  if (counted) t.over = --t.left == 0;
  const bool more = next_sector(t.at);
  if (t.over) return end_transfer(0, 0, 0, t.at);
  if (!more) return end_transfer(kAbnormal, kEndOfCylinder, 0, t.at);
  next_transfer();
}

}  // namespace tandem::devices
