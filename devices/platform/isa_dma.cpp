#include "devices/platform/isa_dma.h"

#include <algorithm>

namespace tandem::devices {

namespace {

// 8237A data sheet, "Register description". Offsets in ports of the controller.
enum Register : unsigned {
  kCommandStatus = 8,
  kRequest = 9,
  kSingleMask = 10,
  kMode = 11,
  kClearFlipFlop = 12,
  kMasterClear = 13,
  kClearMask = 14,
  kAllMask = 15,
};
constexpr u8 kTransfer = 0x0c, kVerify = 0x00, kWrite = 0x04, kRead = 0x08;
constexpr u8 kAutoInit = 0x10, kDecrement = 0x20;
constexpr u8 kDisabled = 0x04;
// Page register of each channel, as an offset from port 80h, which itself is the POST code's.
constexpr u8 kPageOf[8] = {7, 3, 1, 2, 15, 11, 9, 10};

}  // namespace

IsaDma::IsaDma(machine::DeviceContext context)
    : memory_(context.memory),
      low_(*this, &IsaDma::low_io),
      high_(*this, &IsaDma::high_io),
      pages_(*this, &IsaDma::page_io) {}

void IsaDma::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  state_ = {};
}

void IsaDma::clear(unsigned n) {
  state_.command[n] = state_.terminal[n] = 0;
  state_.high_byte[n] = false;
  for (unsigned i = 0; i < 4; ++i) state_.channels[4 * n + i].masked = true;
}

u8 IsaDma::read_word_half(unsigned n, unsigned reg) {
  const DmaChannel& c = state_.channels[4 * n + reg / 2];
  const u16 value = reg & 1 ? c.count : c.address;
  const bool high = state_.high_byte[n];
  state_.high_byte[n] = !high;
  return static_cast<u8>(high ? value >> 8 : value);
}

void IsaDma::write_word_half(unsigned n, unsigned reg, u8 value) {
  DmaChannel& c = state_.channels[4 * n + reg / 2];
  u16& base = reg & 1 ? c.base_count : c.base_address;
  const bool high = state_.high_byte[n];
  base = static_cast<u16>(high ? (base & 0xff) | value << 8 : (base & 0xff00) | value);
  (reg & 1 ? c.count : c.address) = base;
  state_.high_byte[n] = !high;
}

void IsaDma::write_control(unsigned n, unsigned reg, u8 value) {
  DmaChannel* const channels = &state_.channels[4 * n];
  switch (reg) {
    case kCommandStatus: state_.command[n] = value; break;
    case kSingleMask: channels[value & 3].masked = value & 4; break;
    case kMode: channels[value & 3].mode = value; break;
    case kClearFlipFlop: state_.high_byte[n] = false; break;
    case kMasterClear: clear(n); break;
    case kClearMask:
      for (unsigned i = 0; i < 4; ++i) channels[i].masked = false;
      break;
    case kAllMask:
      for (unsigned i = 0; i < 4; ++i) channels[i].masked = value >> i & 1;
      break;
    default: break;  // kRequest: memory to memory is not wired on a PC
  }
}

void IsaDma::controller_io(unsigned n, unsigned reg, bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const u8 value = static_cast<u8>(access.value);
  if (access.dir == bus::IoDir::Write)
    return reg < 8 ? write_word_half(n, reg, value) : write_control(n, reg, value);
  if (reg < 8) access.value = read_word_half(n, reg);
  else if (reg == kCommandStatus) access.value = std::exchange(state_.terminal[n], u8{0});
  else if (reg == kAllMask)
    for (unsigned i = 0; i < 4; ++i) access.value |= u64{state_.channels[4 * n + i].masked} << i;
}

void IsaDma::high_io(bus::IoAccess& access) {
  controller_io(1, static_cast<unsigned>(access.offset / 2), access);
}

void IsaDma::page_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const u64 number = access.offset + 1;
  u8& page = state_.pages[number];
  if (access.dir == bus::IoDir::Read) {
    access.value = page;
    return;
  }
  page = static_cast<u8>(access.value);
  for (unsigned i = 0; i < 8; ++i)
    if (kPageOf[i] == number) state_.channels[i].page = page;
}

// move(address, done, bytes) copies a run of ascending or single units.
template <class F>
IsaDma::Moved IsaDma::transfer(unsigned channel, u8 direction, u64 size, F move) {
  std::lock_guard lock(mutex_);
  DmaChannel& c = state_.channels[channel];
  const unsigned n = channel / 4, unit = n ? 2 : 1;
  Moved out;
  const u8 type = c.mode & kTransfer;
  if ((type != direction && type != kVerify) || (state_.command[n] & kDisabled)) return out;
  while (!c.masked && out.bytes + unit <= size) {
    // Only the address counts: the page stays (ISA, and the data sheet's 16-bit counter).
    const u64 page = u64{c.page} << 16;
    const u64 at = n ? (page & ~u64{0x1ffff}) | u64{c.address} << 1 : page | c.address;
    if (type != kVerify) move(Gpa{at}, out.bytes, unit);
    out.bytes += unit;
    c.address = static_cast<u16>(c.mode & kDecrement ? c.address - 1 : c.address + 1);
    if (c.count-- != 0) continue;
    out.terminal_count = true;
    state_.terminal[n] |= static_cast<u8>(1u << channel % 4);
    if (c.mode & kAutoInit) {
      c.address = c.base_address;
      c.count = c.base_count;
    } else {
      c.masked = true;
    }
    break;
  }
  return out;
}

IsaDma::Moved IsaDma::to_memory(unsigned channel, std::span<const u8> from) {
  return transfer(channel, kWrite, from.size(),
                  [&](Gpa at, u32 done, unsigned n) { memory_.write(at, from.subspan(done, n)); });
}

IsaDma::Moved IsaDma::from_memory(unsigned channel, std::span<u8> to) {
  return transfer(channel, kRead, to.size(),
                  [&](Gpa at, u32 done, unsigned n) { memory_.read(at, to.subspan(done, n)); });
}

void IsaDma::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

Result<void> IsaDma::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  return snapshot::load_section(reader, name(), 1, state_);
}

}  // namespace tandem::devices
