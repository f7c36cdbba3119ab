#include "devices/storage/cdrom.h"

#include <algorithm>

#include "core/base/bits.h"
#include "devices/storage/ata_identify.h"
#include "devices/storage/cdrom_data.h"

namespace tandem::devices::ata {

using Kind = Action::Kind;

namespace {

// MMC-3, annex E: sense key, code, qualifier.
constexpr u8 kNotReady = 2, kMediumError = 3, kIllegalRequest = 5, kUnitAttention = 6;
constexpr u8 kEventNew = 2, kEventRemoved = 3, kEventEject = 1;

using Cdb = std::span<const u8, 12>;
u16 word(Cdb cdb, unsigned at) { return load_be<u16>(cdb.data() + at); }
u32 dword(Cdb cdb, unsigned at) { return load_be<u32>(cdb.data() + at); }

}  // namespace

Cdrom::Cdrom(BlockBackend* medium, std::string serial, Transport transport)
    : Drive(medium), serial_(std::move(serial)), transport_(transport) {
  reset(true);
}

// 9.12: the signature of a packet device.
void Cdrom::reset(bool hard) {
  if (hard) state_ = {};
  regs_ = {};
  regs_.error = regs_.count.now = regs_.low.now = 1;
  regs_.mid.now = 0x14;
  regs_.high.now = 0xeb;
}

bool Cdrom::insert(BlockBackend* medium) {
  if (state_.locked && medium_) {
    state_.event = kEventEject;
    return false;
  }
  state_.event = medium ? kEventNew : kEventRemoved;
  state_.attention = medium != nullptr;
  state_.open = false;
  medium_ = medium;
  return true;
}

Action Cdrom::check_condition(Sense sense) {
  state_.key = sense.key;
  state_.code = sense.code;
  state_.qualifier = sense.qualifier;
  regs_.error = static_cast<u8>(sense.key << 4 | (sense.key == kIllegalRequest ? kErrorAbort : 0));
  regs_.status = kReady | kSeekDone | kError;
  return {};
}

void Cdrom::fail(BlockStatus, u64) { check_condition({kMediumError, 0x11, 0}); }

Action Cdrom::set_features() {
  if (regs_.features.now != 0x03) return abort();
  const u8 mode = regs_.count.now;
  if (mode >> 3 >= 4) state_.transfer_mode = mode;
  return done();
}

Action Cdrom::execute(u8 command) {
  switch (command) {
    case 0x08: {  // DEVICE RESET
      const u8 device = regs_.device;
      reset(false);
      regs_.device = device;
      Action a;
      a.interrupt = false;
      return a;
    }
    case 0xa0: {
      done();
      Action a;
      a.kind = Kind::Packet;
      return a;
    }
    case 0xa1: return data_in(identify_cdrom(serial_, state_.transfer_mode, transport_));
    case 0x00: return abort();
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
    case 0xe6: return done();
    case 0xe5: regs_.count.now = 0xff; return done();
    case 0xef: return set_features();
    case 0xec: {  // IDENTIFY DEVICE is refused with the signature in the registers (9.12)
      const u8 device = regs_.device;
      reset(false);
      regs_.device = device;
      return abort();
    }
    default: return abort();
  }
}

Action Cdrom::reply(std::vector<u8> data, u64 allocation) {
  if (data.size() > allocation) data.resize(allocation);
  if (data.empty()) return done();
  return data_in(std::move(data), regs_.features.now & kFeatureDma);
}

Action Cdrom::request_sense(u8 allocation) {
  std::vector<u8> data(18);
  data[0] = 0x70;
  data[2] = state_.key;
  data[7] = 10;
  data[12] = state_.code;
  data[13] = state_.qualifier;
  state_.key = state_.code = state_.qualifier = 0;
  return reply(std::move(data), allocation);
}

Action Cdrom::read(u64 sector, u64 count) {
  if (sector > sectors() || count > sectors() - sector) return check_condition({kIllegalRequest, 0x21, 0});
  if (count == 0) return done();
  done();
  Action a;
  a.kind = Kind::Read;
  a.dma = regs_.features.now & kFeatureDma;
  a.sector = sector;
  a.sectors = static_cast<u32>(count);
  return a;
}

// User data of mode 1 sectors only.
Action Cdrom::read_cd(Cdb cdb) {
  const u32 count = load_be<u32>(cdb.data() + 5) & 0xffffff;
  const u8 fields = cdb[9] & 0xf8;
  if (count == 0 || fields == 0) return done();
  if (fields != 0x10) return check_condition({kIllegalRequest, 0x24, 0});
  return read(dword(cdb, 2), count);
}

Action Cdrom::read_toc(Cdb cdb) {
  const u8 format = cdb[2] & 0x0f ? cdb[2] & 0x0f : cdb[9] >> 6;
  auto data = toc_data(format, cdb[1] & 2, cdb[6], sectors());
  if (!data) return check_condition({kIllegalRequest, 0x24, 0});
  return reply(std::move(*data), word(cdb, 7));
}

Action Cdrom::mode_sense(Cdb cdb) {
  if (cdb[2] >> 6 == 3) return check_condition({kIllegalRequest, 0x39, 0});  // saved values
  auto data = mode_page_data(cdb[2] & 0x3f, ready(), state_.locked);
  if (!data) return check_condition({kIllegalRequest, 0x24, 0});
  return reply(std::move(*data), word(cdb, 7));
}

// MMC-3, 6.7: polled, media events.
Action Cdrom::event_status(Cdb cdb) {
  constexpr u8 kMediaClass = 4, kMediaBit = 1 << kMediaClass;
  if (!(cdb[1] & 1)) return check_condition({kIllegalRequest, 0x24, 0});
  std::vector<u8> data = {0, 2, 0x80, kMediaBit};
  if (cdb[4] & kMediaBit) {
    const u8 status = static_cast<u8>((ready() ? 2 : 0) | (state_.open ? 1 : 0));
    data = {0, 6, kMediaClass, kMediaBit, state_.event, status, 0, 0};
    state_.event = 0;
  }
  return reply(std::move(data), word(cdb, 7));
}

Action Cdrom::start_stop(u8 what) {
  const bool start = what & 1, tray = what & 2;
  if (!tray) return done();
  if (!start && state_.locked) return check_condition({kIllegalRequest, 0x53, 2});
  if (state_.open == start && medium_) state_.event = start ? kEventNew : kEventRemoved;
  if (state_.open && start && medium_) state_.attention = true;
  state_.open = !start;
  return done();
}

// Commands that need a disc.
Action Cdrom::with_medium(Cdb cdb) {
  if (!ready()) return check_condition({kNotReady, 0x3a, static_cast<u8>(state_.open ? 2 : 1)});
  switch (cdb[0]) {
    case 0x25: {
      std::vector<u8> data(8);
      store_be(data.data(), static_cast<u32>(std::min<u64>(sectors(), u64{1} << 32) - 1));
      store_be(data.data() + 4, kSectorBytes);
      return reply(std::move(data), 8);
    }
    case 0x28: return read(dword(cdb, 2), word(cdb, 7));
    case 0xa8: return read(dword(cdb, 2), dword(cdb, 6));
    case 0xbe: return read_cd(cdb);
    case 0x2b:
      if (dword(cdb, 2) >= sectors()) return check_condition({kIllegalRequest, 0x21, 0});
      return done();
    case 0x43: return read_toc(cdb);
    default: return done();  // TEST UNIT READY
  }
}

Action Cdrom::packet(Cdb cdb) {
  // What a changed medium must not hide.
  const bool always = cdb[0] == 0x12 || cdb[0] == 0x03 || cdb[0] == 0x46 || cdb[0] == 0x4a;
  if (state_.attention && !always) {
    state_.attention = false;
    return check_condition({kUnitAttention, 0x28, 0});
  }
  switch (cdb[0]) {
    case 0x00:
    case 0x25:
    case 0x28:
    case 0x2b:
    case 0x43:
    case 0xa8:
    case 0xbe: return with_medium(cdb);
    case 0x03: return request_sense(cdb[4]);
    case 0x12:
      if (cdb[1] & 1) return check_condition({kIllegalRequest, 0x24, 0});
      return reply(inquiry_data(), word(cdb, 3));
    case 0x1b: return start_stop(cdb[4]);
    case 0x1e: state_.locked = cdb[4] & 1; return done();
    case 0x46: return reply(configuration_data(cdb[1] & 3, word(cdb, 2), ready()), word(cdb, 7));
    case 0x4a: return event_status(cdb);
    case 0x51: return reply(disc_information(!ready()), word(cdb, 7));
    case 0x5a: return mode_sense(cdb);
    case 0xbb: return done();                                         // SET CD SPEED
    case 0xbd: return reply({0, 0, 0, 0, 0, 1, 0, 0}, word(cdb, 8));  // MECHANISM STATUS
    default: return check_condition({kIllegalRequest, 0x20, 0});
  }
}

}  // namespace tandem::devices::ata
