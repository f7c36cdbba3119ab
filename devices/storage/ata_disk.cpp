#include "devices/storage/ata_disk.h"

#include "core/base/bits.h"

namespace tandem::devices::ata {

using Kind = Action::Kind;

Disk::Disk(BlockBackend& medium, std::string serial, Transport transport)
    : Drive(&medium),
      serial_(std::move(serial)),
      transport_(transport),
      sectors_(medium.geometry().bytes / kSectorSize),
      read_only_(medium.geometry().read_only) {
  reset(true);
}

void Disk::reset(bool hard) {
  if (hard) state_ = {default_geometry(sectors_)};
  state_.standby = false;
  regs_ = {};
  regs_.error = regs_.count.now = regs_.low.now = 1;
  regs_.status = kReady | kSeekDone;
}

void Disk::fail(BlockStatus status, u64 sector) {
  regs_.error = status == BlockStatus::ReadOnly ? kErrorAbort : kErrorUncorrectable;
  regs_.status = kReady | kSeekDone | kError;
  put_address(Width::Lba48, sector);
}

void Disk::fail_queued(u8 tag, BlockStatus status, u64 sector) {
  fail(status, sector);
  state_.queued_error = {tag, regs_.status, regs_.error, sector};
}

void Disk::put_address(Width width, u64 sector) {
  regs_.low.now = static_cast<u8>(sector);
  regs_.mid.now = static_cast<u8>(sector >> 8);
  regs_.high.now = static_cast<u8>(sector >> 16);
  if (width != Width::Lba28) {
    regs_.low.before = static_cast<u8>(sector >> 24);
    regs_.mid.before = static_cast<u8>(sector >> 32);
    regs_.high.before = static_cast<u8>(sector >> 40);
  } else {
    regs_.device = static_cast<u8>((regs_.device & 0xf0) | (sector >> 24 & 0x0f));
  }
}

// 6.2: cylinder, head and sector, or a linear address. False: no such sector.
bool Disk::address(Width width, u64& sector, u32& sectors) const {
  const TaskFile& r = regs_;
  const u64 low24 = r.low.now | u64{r.mid.now} << 8 | u64{r.high.now} << 16;
  if (width != Width::Lba28) {
    const Register& count = width == Width::Queued ? r.features : r.count;
    sector = low24 | u64{r.low.before} << 24 | u64{r.mid.before} << 32 | u64{r.high.before} << 40;
    sectors = count.now | u32{count.before} << 8;
    if (sectors == 0) sectors = 65536;
  } else {
    sectors = r.count.now ? r.count.now : 256;
    if (r.device & kDeviceLba) {
      sector = low24 | u64{r.device & 0x0fu} << 24;
    } else {
      const DiskGeometry& g = state_.geometry;
      const u64 cylinder = low24 >> 8, head = r.device & 0x0f;
      if (r.low.now == 0 || r.low.now > g.sectors || head >= g.heads) return false;
      sector = (cylinder * g.heads + head) * g.sectors + r.low.now - 1;
    }
  }
  return sector < sectors_ && sectors <= sectors_ - sector;
}

Action Disk::transfer(Kind kind, Width width, bool dma, u32 block) {
  Action a;
  a.kind = kind;
  a.dma = dma;
  a.block = block;
  if (!address(width, a.sector, a.sectors)) {
    regs_.error = kErrorIdNotFound;
    regs_.status = kReady | kSeekDone | kError;
    return {};
  }
  if (kind == Kind::Write && read_only_) return abort();
  a.lasting = kind == Kind::Write && !state_.write_cache;
  done();
  return a;
}

// ATA8-ACS, READ and WRITE FPDMA QUEUED: the count is in the features register, the tag where the count was.
Action Disk::queued(Kind kind) {
  constexpr u8 kForceUnitAccess = 0x80;  // in the device register
  if (transport_ != Transport::Serial) return abort();
  Action a = transfer(kind, Width::Queued, true);
  a.queued = a.kind == kind;
  if (!a.queued)
    state_.queued_error = {static_cast<u8>(regs_.count.now >> 3), regs_.status, regs_.error, a.sector};
  a.lasting |= kind == Kind::Write && (regs_.device & kForceUnitAccess);
  return a;
}

// ATA8-ACS, READ LOG EXT: the directory, and what became of queued commands. Reading that makes it
// empty.
Action Disk::read_log() {
  constexpr u8 kDirectory = 0x00, kQueuedErrors = 0x10;
  const u8 page = regs_.low.now;
  const u32 count = regs_.count.now | u32{regs_.count.before} << 8;
  if (transport_ != Transport::Serial || count != 1 || regs_.mid.now || regs_.mid.before) return abort();
  std::vector<u8> data(kSectorSize);
  if (page == kDirectory) {
    data[0] = 1;                  // version
    data[2 * kQueuedErrors] = 1;  // pages of this log
  } else if (page == kQueuedErrors) {
    const QueuedError& e = state_.queued_error;
    data[0] = e.tag;
    data[2] = e.status;
    data[3] = e.error;
    for (unsigned i = 0; i < 3; ++i) {
      data[4 + i] = static_cast<u8>(e.sector >> (8 * i));
      data[8 + i] = static_cast<u8>(e.sector >> (24 + 8 * i));
    }
    data[7] = kDeviceLba;
    for (unsigned i = 0; i + 1 < kSectorSize; ++i) data[kSectorSize - 1] -= data[i];  // all add up to 0
    state_.queued_error = {};
  } else {
    return abort();
  }
  return data_in(std::move(data));
}

Action Disk::transfer_multiple(Kind kind, Width width) {
  return state_.multiple ? transfer(kind, width, false, state_.multiple) : abort();
}

Action Disk::verify(Width width) {
  transfer(Kind::Read, width, false);
  return {};
}

// 8.36 SET FEATURES
Action Disk::set_features() {
  switch (regs_.features.now) {
    case 0x02: state_.write_cache = true; return done();
    case 0x82: state_.write_cache = false; return flush();
    case 0x03: {
      const u8 mode = regs_.count.now, kind = mode >> 3, number = mode & 7;
      const bool known =
          kind == 0 || (kind == 1 && number <= 4) || (kind == 4 && number <= 2) || (kind == 8 && number <= 5);
      if (!known) return abort();
      if (kind >= 4) state_.transfer_mode = mode;
      return done();
    }
    case 0x55:  // read look-ahead off and on, revert to defaults or not
    case 0xaa:
    case 0x66:
    case 0xcc: return done();
    default: return abort();
  }
}

// 8.39 SET MULTIPLE MODE
Action Disk::set_multiple() {
  const u8 n = regs_.count.now;
  if (n > kMaxMultiple || (n & (n - 1))) return abort();
  state_.multiple = n;
  return done();
}

// INITIALIZE DEVICE PARAMETERS, of ATA-5
Action Disk::set_geometry() {
  DiskGeometry g;
  g.heads = static_cast<u8>((regs_.device & 0x0f) + 1);
  g.sectors = regs_.count.now;
  if (g.sectors == 0) return abort();
  g.cylinders = static_cast<u16>(std::min<u64>(sectors_ / (u64{g.heads} * g.sectors), 65535));
  state_.geometry = g;
  return done();
}

Action Disk::native_max(Width width) {
  done();
  put_address(width, width == Width::Lba48 ? sectors_ - 1 : std::min<u64>(sectors_ - 1, 0x0fffffff));
  return {};
}

// 8.6 CHECK POWER MODE
Action Disk::check_power() {
  regs_.count.now = state_.standby ? 0x00 : 0xff;
  return done();
}

Action Disk::execute(u8 command) {
  if ((command & 0xf0) == 0x10) return done();  // RECALIBRATE
  switch (command) {
    case 0x20:
    case 0x21: return transfer(Kind::Read, Width::Lba28, false);
    case 0x24: return transfer(Kind::Read, Width::Lba48, false);
    case 0x25: return transfer(Kind::Read, Width::Lba48, true);
    case 0x27: return native_max(Width::Lba48);
    case 0x29: return transfer_multiple(Kind::Read, Width::Lba48);
    case 0x2f: return read_log();
    case 0x30:
    case 0x31: return transfer(Kind::Write, Width::Lba28, false);
    case 0x34: return transfer(Kind::Write, Width::Lba48, false);
    case 0x35: return transfer(Kind::Write, Width::Lba48, true);
    case 0x39: return transfer_multiple(Kind::Write, Width::Lba48);
    case 0x40:
    case 0x41: return verify(Width::Lba28);
    case 0x42: return verify(Width::Lba48);
    case 0x60: return queued(Kind::Read);
    case 0x61: return queued(Kind::Write);
    case 0x70: return done();  // SEEK
    case 0x91: return set_geometry();
    case 0xc4: return transfer_multiple(Kind::Read, Width::Lba28);
    case 0xc5: return transfer_multiple(Kind::Write, Width::Lba28);
    case 0xc6: return set_multiple();
    case 0xc8:
    case 0xc9: return transfer(Kind::Read, Width::Lba28, true);
    case 0xca:
    case 0xcb: return transfer(Kind::Write, Width::Lba28, true);
    case 0x94:
    case 0x96:
    case 0xe0:
    case 0xe2:
    case 0xe6: state_.standby = true; return done();  // STANDBY (IMMEDIATE), SLEEP
    case 0x95:
    case 0x97:
    case 0xe1:
    case 0xe3: state_.standby = false; return done();  // IDLE (IMMEDIATE)
    case 0x98:
    case 0xe5: return check_power();
    case 0xe7:
    case 0xea: return flush();
    case 0xec:
      return data_in(identify_disk({serial_, sectors_, state_.geometry, state_.multiple, state_.transfer_mode,
                                    state_.write_cache, transport_}));
    case 0xef: return set_features();
    case 0xf8: return native_max(Width::Lba28);
    default: return abort();  // NOP, SMART, security, PACKET: not this disk's
  }
}

}  // namespace tandem::devices::ata
