// Commands of the floppy controller. Sections: Intel 82077AA data sheet, chapter 6.
#include <algorithm>
#include <iterator>

#include "devices/storage/fdc.h"

namespace tandem::devices {

namespace {

// 6.1.2 "Status registers"
constexpr u8 kAbnormal = 0x40, kInvalid = 0x80, kReadyChanged = 0xc0, kSeekEnd = 0x20, kEquipmentCheck = 0x10;
constexpr u8 kMissingAddress = 0x01;
constexpr u8 kProtected = 0x40, kTrack0 = 0x10, kTwoSides = 0x08, kAlways = 0x20;
constexpr u8 kRecalibrateSteps = 79;

}  // namespace

const Fdc::Command& Fdc::command_of(u8 first) {
  static const Command kCommands[] = {
      {0x1f, 0x06, 9, &Fdc::read_data},      {0x1f, 0x0c, 9, &Fdc::read_data},
      {0x9f, 0x02, 9, &Fdc::read_data},      {0x3f, 0x05, 9, &Fdc::write_data},
      {0x3f, 0x09, 9, &Fdc::write_data},     {0x1f, 0x16, 9, &Fdc::verify},
      {0xbf, 0x0d, 6, &Fdc::format_track},   {0xbf, 0x0a, 2, &Fdc::read_id},
      {0xff, 0x07, 2, &Fdc::recalibrate},    {0xff, 0x08, 1, &Fdc::sense_interrupt},
      {0xff, 0x03, 3, &Fdc::specify},        {0xff, 0x04, 2, &Fdc::sense_drive},
      {0xff, 0x0f, 3, &Fdc::seek},           {0xbf, 0x8f, 3, &Fdc::relative_seek},
      {0xff, 0x0e, 1, &Fdc::dump_registers}, {0xff, 0x10, 1, &Fdc::version},
      {0xff, 0x12, 2, &Fdc::perpendicular},  {0xff, 0x13, 4, &Fdc::configure},
      {0x7f, 0x14, 1, &Fdc::lock},           {0xff, 0x18, 1, &Fdc::part_id},
      {0x00, 0x00, 1, &Fdc::invalid},
  };
  return *std::find_if(std::begin(kCommands), std::end(kCommands),
                       [&](const Command& c) { return (first & c.mask) == c.code; });
}

void Fdc::read_id() {
  const Position at{state_.track[drive()], static_cast<u8>(state_.bytes[1] >> 2 & 1), 1};
  const bool there = medium() && at.cylinder < format_.cylinders && at.head < format_.heads;
  end_transfer(there ? 0 : kAbnormal, there ? 0 : kMissingAddress, 0, at);
}

void Fdc::end_seek(u8 status0) {
  if (medium()) state_.changed[drive()] = false;
  state_.status0 = static_cast<u8>(status0 | kSeekEnd | drive_and_head());
  state_.seek_done = true;
  set_irq(true);
}

void Fdc::recalibrate() {
  state_.bytes[1] &= 3;
  u8& track = state_.track[drive()];
  const bool arrived = drive() == 0 && track <= kRecalibrateSteps;
  track = static_cast<u8>(track > kRecalibrateSteps ? track - kRecalibrateSteps : 0);
  end_seek(arrived ? 0 : kAbnormal | kEquipmentCheck);
}

void Fdc::seek() {
  state_.track[drive()] = state_.bytes[2];
  end_seek(0);
}

void Fdc::relative_seek() {
  u8& track = state_.track[drive()];
  const int by = state_.bytes[0] & 0x40 ? state_.bytes[2] : -state_.bytes[2];
  track = static_cast<u8>(std::clamp(track + by, 0, 255));
  end_seek(0);
}

void Fdc::sense_interrupt() {
  set_irq(false);
  if (state_.reset_senses) {
    const u8 which = static_cast<u8>(4 - state_.reset_senses--);
    return give({static_cast<u8>(kReadyChanged | which), state_.track[which]});
  }
  if (!state_.seek_done) return invalid();
  state_.seek_done = false;
  give({state_.status0, state_.track[state_.status0 & 3]});
}

void Fdc::sense_drive() {
  u8 status3 = kAlways | kTwoSides | drive_and_head();
  if (medium() && medium()->geometry().read_only) status3 |= kProtected;
  if (drive() == 0 && state_.track[0] == 0) status3 |= kTrack0;
  give({status3});
}

void Fdc::specify() {
  state_.specify[0] = state_.bytes[1];
  state_.specify[1] = state_.bytes[2];
}

void Fdc::configure() {
  state_.configure[0] = state_.bytes[2];
  state_.configure[1] = state_.bytes[3];
}

void Fdc::perpendicular() { state_.perpendicular = state_.bytes[1] & 3; }

void Fdc::lock() {
  state_.locked = state_.bytes[0] & 0x80;
  give({static_cast<u8>(state_.locked ? 0x10 : 0)});
}

void Fdc::dump_registers() {
  const auto& t = state_.track;
  give({t[0], t[1], t[2], t[3], state_.specify[0], state_.specify[1], state_.last_eot,
        static_cast<u8>((state_.locked ? 0x80 : 0) | (state_.perpendicular ? 3 : 0)), state_.configure[0],
        state_.configure[1]});
}

void Fdc::version() { give({0x90}); }
void Fdc::part_id() { give({0x41}); }
void Fdc::invalid() { give({kInvalid}); }

}  // namespace tandem::devices
