// Registers and phases. Sections: Intel 82077AA data sheet.
#include "devices/storage/fdc.h"

#include <algorithm>

namespace tandem::devices {

namespace {

// 2.1 "Status, data and control registers"
enum Register : u64 { kStatusA = 0, kStatusB = 1, kDigitalOutput = 2, kTape = 3, kMainStatus = 4, kFifo = 5 };
constexpr u8 kDorNotReset = 0x04, kDorDmaGate = 0x08;
constexpr u8 kRateReset = 0x80;
constexpr u8 kRequest = 0x80, kFromController = 0x40, kBusy = 0x10;
constexpr u8 kDiskChanged = 0x80;

}  // namespace

Fdc::Fdc(irq::LevelIrq irq, IsaDma& dma, BlockBackend* medium)
    : irq_(irq), dma_(dma), medium_(medium), ports_(*this, &Fdc::io), input_(*this, &Fdc::input_io) {
  if (medium) format_ = floppy_format(medium->geometry().bytes).value_or(FloppyFormat{});
}

Fdc::~Fdc() { std::ignore = quiesce(); }

// A command goes on by itself until it has ended.
Result<void> Fdc::quiesce() { return medium_ ? medium_->drain() : Result<void>(); }

void Fdc::reset(machine::ResetKind) {
  std::ignore = quiesce();
  std::lock_guard lock(mutex_);
  state_ = {};
  set_irq(false);
}

void Fdc::set_irq(bool on) {
  state_.irq = on;
  irq_.set(on && (state_.dor & kDorDmaGate));
}

// 5.1 "Reset": all four drives' ready lines seem to change.
void Fdc::soft_reset() {
  transfer_.kind = Transfer::Kind::None;
  dropped_ = under_way_;
  state_.received = state_.given = state_.results = 0;
  state_.seek_done = false;
  state_.reset_senses = 4;
  if (!state_.locked) state_.configure[0] = state_.configure[1] = 0;
  state_.perpendicular = false;
}

void Fdc::write_dor(u8 value) {
  const bool was_reset = !(state_.dor & kDorNotReset), is_reset = !(value & kDorNotReset);
  state_.dor = value;
  if (is_reset && !was_reset) {
    soft_reset();
    state_.irq = false;
  }
  set_irq(state_.irq || (was_reset && !is_reset));
}

u8 Fdc::main_status() const {
  if (!(state_.dor & kDorNotReset) || dropped_) return 0;
  if (transfer_.kind != Transfer::Kind::None) return kBusy;
  if (state_.results) return kRequest | kFromController | kBusy;
  return state_.received ? kRequest | kBusy : kRequest;
}

void Fdc::give(std::initializer_list<u8> results) {
  std::copy(results.begin(), results.end(), state_.bytes.begin());
  state_.received = state_.given = 0;
  state_.results = static_cast<u8>(results.size());
}

u8 Fdc::read_fifo() {
  if (!state_.results) return 0;
  if (!state_.seek_done) set_irq(false);
  const u8 value = state_.bytes[state_.given++];
  if (state_.given == state_.results) state_.given = state_.results = 0;
  return value;
}

void Fdc::write_fifo(u8 value) {
  if (!(main_status() & kRequest) || state_.results) return;
  state_.bytes[state_.received++] = value;
  const Command& command = command_of(state_.bytes[0]);
  if (state_.received < command.length) return;
  state_.received = 0;
  (this->*command.run)();
}

u8 Fdc::read_register(u64 offset) {
  switch (offset) {
    case kStatusA: return state_.irq ? 0x80 : 0;
    case kStatusB: return 0xc0;
    case kDigitalOutput: return state_.dor;
    case kTape: return state_.tape;
    case kMainStatus: return main_status();
    default: return read_fifo();
  }
}

void Fdc::write_register(u64 offset, u8 value) {
  switch (offset) {
    case kDigitalOutput: return write_dor(value);
    case kTape: state_.tape = value & 3; return;
    case kMainStatus:  // the data rate select register
      state_.data_rate = value & 3;
      if (!(value & kRateReset)) return;
      soft_reset();
      return set_irq(true);
    case kFifo: return write_fifo(value);
    default: return;
  }
}

void Fdc::io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Read) access.value = read_register(access.offset);
  else write_register(access.offset, static_cast<u8>(access.value));
}

void Fdc::input_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Write) {
    state_.data_rate = access.value & 3;
    return;
  }
  const unsigned selected = state_.dor & 3;
  const bool motor = state_.dor >> (4 + selected) & 1;
  const bool empty = selected != 0 || !medium_;
  access.value = motor && (empty || state_.changed[selected]) ? kDiskChanged : 0;
}

void Fdc::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

Result<void> Fdc::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, state_));
  set_irq(state_.irq);
  return {};
}

}  // namespace tandem::devices
