#include "devices/platform/flash.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace tandem::devices {

namespace {

enum Command : u8 {
  kProgramAlternate = 0x10,
  kErase = 0x20,
  kProgram = 0x40,
  kClearStatus = 0x50,
  kReadStatus = 0x70,
  kReadIdentifier = 0x90,
  kReadQuery = 0x98,
  kConfirm = 0xd0,
  kReadArray = 0xff,
};
constexpr u8 kReady = 0x80, kSequenceError = 0x30;
constexpr u8 kIdentifier[] = {0x89, 0xa2};  // Intel, 28F008

// JESD68, table 1 and 2: from 10h on "QRY", Intel's command set, times, size, one region of equal blocks.
u8 query(u64 at, u64 size) {
  const u64 blocks = size / Flash::kBlock - 1;
  switch (at) {
    case 0x10: return 'Q';
    case 0x11: return 'R';
    case 0x12: return 'Y';
    case 0x13: return 1;
    case 0x1b: return 0x45;  // 4.5 V to 5.5 V
    case 0x1c: return 0x55;
    case 0x27: return static_cast<u8>(std::bit_width(size - 1));
    case 0x2c: return 1;
    case 0x2d: return static_cast<u8>(blocks);
    case 0x2e: return static_cast<u8>(blocks >> 8);
    case 0x2f: return static_cast<u8>(Flash::kBlock / 256);
    case 0x30: return static_cast<u8>(Flash::kBlock / 256 >> 8);
    default: return 0;
  }
}

}  // namespace

Flash::Flash(machine::DeviceContext context, const Place& place, BlockBackend* file)
    : memory_(context.memory), place_(place), file_(file), changed_(place.size / kBlock) {
  set_mode(FlashState::Array);
}

Flash::~Flash() { std::ignore = quiesce(); }

void Flash::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  state_ = {};
  set_mode(FlashState::Array);
}

Result<void> Flash::quiesce() { return file_ ? file_->drain() : Result<void>(); }

void Flash::set_mode(FlashState::Mode mode) {
  state_.mode = mode;
  if (mode != FlashState::Array) mapping_.release();
  else if (!mapping_.held()) mapping_ = memory_.map(place_.address, place_.size, {.read = place_.offset});
}

u8 Flash::read(u64 offset) const {
  switch (state_.mode) {
    case FlashState::Status: return state_.status;
    case FlashState::Identifier: return offset < sizeof kIdentifier ? kIdentifier[offset] : 0;
    case FlashState::Query: return query(offset, place_.size);
    default: return memory_.base()[place_.offset + offset];
  }
}

// Programming clears bits, erasing sets them.
void Flash::change(u64 offset, u64 length, u8 mask, u8 bits) {
  u8* const at = memory_.base() + place_.offset + offset;
  for (u64 i = 0; i < length; ++i) at[i] = static_cast<u8>((at[i] & mask) | bits);
  memory_.written_at(place_.offset + offset, length);
  changed_[offset / kBlock] = true;
  write_back();
}

// One block at a time: requests have no order among themselves.
void Flash::write_back() {
  const auto next = std::find(changed_.begin(), changed_.end(), true);
  if (!file_ || !under_way_.empty() || next == changed_.end()) return;
  *next = false;
  const u64 start = static_cast<u64>(next - changed_.begin()) * kBlock;
  const u8* const from = memory_.base() + place_.offset + start;
  under_way_.assign(from, from + kBlock);
  file_->submit({BlockOp::Write, start, kBlock, {buffer(under_way_)}, [this](BlockStatus) {
                   std::lock_guard lock(mutex_);
                   under_way_.clear();
                   write_back();
                 }});
}

void Flash::finish_command(u64 offset, u8 value) {
  const u8 command = std::exchange(state_.command, u8{0});
  state_.status |= kReady;
  if (command != kErase) return change(offset, 1, value, 0);
  if (value == kConfirm) change(offset & ~(kBlock - 1), kBlock, 0xff, 0xff);
  else state_.status |= kSequenceError;
}

void Flash::write(u64 offset, u8 value) {
  if (state_.command) return finish_command(offset, value);
  switch (value) {
    case kProgram:
    case kProgramAlternate:
    case kErase: state_.command = value; return set_mode(FlashState::Status);
    case kClearStatus: state_.status = 0; return;  // SR.7 too: UEFI firmware for QEMU knows its flash by that
    case kReadStatus: return set_mode(FlashState::Status);
    case kReadIdentifier: return set_mode(FlashState::Identifier);
    case kReadQuery: return set_mode(FlashState::Query);
    case kReadArray: return set_mode(FlashState::Array);
    default: return;
  }
}

void Flash::io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  for (unsigned i = 0; i < access.size && access.offset + i < place_.size; ++i) {
    if (access.dir == bus::IoDir::Read) access.value |= u64{read(access.offset + i)} << 8 * i;
    else write(access.offset + i, static_cast<u8>(access.value >> 8 * i));
  }
}

void Flash::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

// The content came with guest memory; the file is another one, perhaps.
Result<void> Flash::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, state_));
  set_mode(FlashState::Mode{state_.mode});
  changed_.assign(changed_.size(), true);
  write_back();
  return {};
}

}  // namespace tandem::devices
