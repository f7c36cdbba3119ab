#include "devices/platform/fw_cfg.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bits.h"

namespace tandem::devices {

namespace {

constexpr unsigned kNameSize = 56;
// "Guest-side DMA interface": control bits, and what the address register reads as.
constexpr u32 kError = 1, kRead = 2, kSkip = 4, kSelect = 8, kWrite = 16;
constexpr u64 kDmaSignature = 0x51454d5520434647;  // "QEMU CFG"
constexpr u32 kTraditional = 1, kDma = 2;

void put_big_endian(std::vector<u8>& to, u64 value, unsigned size) {
  for (unsigned i = size; i-- > 0;) to.push_back(static_cast<u8>(value >> (8 * i)));
}

}  // namespace

FwCfg::FwCfg(machine::DeviceContext context)
    : memory_(context.memory), ports_(*this, &FwCfg::port_io), dma_ports_(*this, &FwCfg::dma_io) {
  set(kSignature, {'Q', 'E', 'M', 'U'});
  set_number(kInterface, kTraditional | kDma, 4);
  write_directory();
}

void FwCfg::set(u16 key, std::vector<u8> bytes) { items_[key] = std::move(bytes); }

void FwCfg::set_number(u16 key, u64 value, unsigned size) {
  std::vector<u8> bytes(size);
  for (unsigned i = 0; i < size; ++i) bytes[i] = static_cast<u8>(value >> (8 * i));
  set(key, std::move(bytes));
}

void FwCfg::add_file(std::string file, std::vector<u8> bytes) {
  ensure(file.size() < kNameSize && !files_.contains(file), "a file of its own");
  const u16 key = static_cast<u16>(kFirstFile + files_.size());
  files_[std::move(file)] = key;
  set(key, std::move(bytes));
  write_directory();
}

void FwCfg::add_file(std::string file, Maker make) {
  makers_[static_cast<u16>(kFirstFile + files_.size())] = make;
  add_file(std::move(file), make());
}

// "File directory": count, then size, key, reserved and name of each, sorted by name.
void FwCfg::write_directory() {
  std::vector<u8> bytes;
  put_big_endian(bytes, files_.size(), 4);
  for (const auto& [file, key] : files_) {
    put_big_endian(bytes, items_[key].size(), 4);
    put_big_endian(bytes, key, 2);
    put_big_endian(bytes, 0, 2);
    bytes.insert(bytes.end(), file.begin(), file.end());
    bytes.resize(bytes.size() + kNameSize - file.size());
  }
  set(kDirectory, std::move(bytes));
}

void FwCfg::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  state_ = {};
}

void FwCfg::select(u16 key) {
  state_.selected = key;
  state_.offset = 0;
  make_selected();
}

void FwCfg::make_selected() {
  if (const auto maker = makers_.find(state_.selected); maker != makers_.end())
    items_[state_.selected] = maker->second();
}

// Behind its end, and where there is no item, everything is 0.
u8 FwCfg::next_byte() {
  const auto item = items_.find(state_.selected);
  if (item == items_.end() || state_.offset >= item->second.size()) return 0;
  return item->second[state_.offset++];
}

void FwCfg::port_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Read) access.value = access.size == 1 ? next_byte() : 0;
  else if (access.size == 2 && access.offset == 0) select(static_cast<u16>(access.value));
}

// The address is big-endian; its low half, or all of it at once, starts the transfer.
void FwCfg::dma_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const unsigned shift = static_cast<unsigned>(8 * (8 - access.offset - access.size));
  const bool read = access.dir == bus::IoDir::Read;
  if (read) {
    for (unsigned i = 0; i < access.size; ++i)
      access.value |= (kDmaSignature >> (shift + 8 * (access.size - 1 - i)) & 0xff) << (8 * i);
    return;
  }
  if (access.size != 4) return;
  const u32 half = __builtin_bswap32(static_cast<u32>(access.value));
  state_.dma_address = (state_.dma_address & ~(u64{0xffffffff} << shift)) | u64{half} << shift;
  if (access.offset == 4) run_dma();
}

void FwCfg::run_dma() {
  const Gpa at{state_.dma_address};
  state_.dma_address = 0;
  const u32 control = __builtin_bswap32(memory_.read_value<u32>(at));
  const u32 length = __builtin_bswap32(memory_.read_value<u32>(at + 4));
  const Gpa to{__builtin_bswap64(memory_.read_value<u64>(at + 8))};
  if (control & kSelect) select(static_cast<u16>(control >> 16));
  const bool good = transfer(control, to, length);
  memory_.write_value<u32>(at, good ? 0 : __builtin_bswap32(kError));
}

// No item can be written. False: an error.
bool FwCfg::transfer(u32 control, Gpa to, u32 length) {
  const auto item = items_.find(state_.selected);
  const u64 size = item == items_.end() ? 0 : item->second.size();
  const u64 present = std::min<u64>(length, size - std::min<u64>(size, state_.offset));
  bool good = true;
  if (control & kRead) {
    if (present) good = memory_.write(to, std::span(item->second).subspan(state_.offset, present));
    good &= memory_.fill(to + present, 0, length - present);
  } else if (control & kWrite) {
    return length == 0;
  } else if (!(control & kSkip)) {
    return true;
  }
  state_.offset += static_cast<u32>(present);
  return good;
}

void FwCfg::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

Result<void> FwCfg::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, state_));
  make_selected();
  return {};
}

}  // namespace tandem::devices
