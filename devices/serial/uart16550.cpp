#include "devices/serial/uart16550.h"

#include "core/base/bits.h"
#include "devices/serial/regs.h"

namespace tandem::devices {

using namespace uart;

namespace {

// A guest that polls for input without interrupts reads the line status so often between outputs.
constexpr u32 kPollsBeforeInput = 64;

}  // namespace

Uart::Uart(std::string name, irq::LevelIrq irq, CharBackend* backend)
    : name_(std::move(name)), irq_(irq), backend_(backend) {
  reset(machine::ResetKind::PowerOn);
  if (backend_) backend_->attach(this);
}

Uart::~Uart() {
  if (backend_) backend_->attach(nullptr);
}

void Uart::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  state_ = UartState{};
  update_modem_status();
  state_.msr &= static_cast<u8>(~kMsrDeltas);
  update_irq();
}

Result<void> Uart::quiesce() {
  if (backend_) backend_->flush();
  return {};
}

// Input waits in the back end until the guest is there to take it: drivers clear the FIFO when they start,
// and what a script had typed by then would be lost.
size_t Uart::room_locked() const {
  if (state_.mcr & kMcrLoop) return 0;
  if (!(state_.ier & kIerReceive) && state_.idle_polls < kPollsBeforeInput) return 0;
  return receive_size() > state_.received.size() ? receive_size() - state_.received.size() : 0;
}

size_t Uart::room() {
  std::lock_guard lock(mutex_);
  return room_locked();
}

// 8.4, bit 1: with FIFOs an overrun loses the new byte, without them the one that was there.
void Uart::take_received(u8 value) {
  if (state_.received.size() < receive_size()) return state_.received.push_back(value);
  state_.lsr_errors |= kLsrOverrun;
  if (!fifos()) state_.received.back() = value;
}

void Uart::receive(std::span<const u8> bytes) {
  std::lock_guard lock(mutex_);
  for (u8 b : bytes) take_received(b);
  update_irq();
}

void Uart::writable() {
  std::lock_guard lock(mutex_);
  state_.transmit_pending = true;
  update_irq();
}

u8 Uart::line_status() const {
  u8 lsr = state_.lsr_errors;
  if (!state_.received.empty()) lsr |= kLsrReady;
  if (can_transmit()) lsr |= kLsrHoldingEmpty | kLsrTransmitterEmpty;
  return lsr;
}

u8 Uart::interrupt_id() const {
  if ((state_.ier & kIerLine) && state_.lsr_errors) return kIirLine;
  if ((state_.ier & kIerReceive) && !state_.received.empty()) {
    static constexpr u8 kTriggers[4] = {1, 4, 8, 14};
    const bool below = fifos() && state_.received.size() < kTriggers[state_.fcr >> 6];
    return below ? kIirTimeout : kIirReceive;
  }
  if ((state_.ier & kIerTransmit) && state_.transmit_pending && can_transmit()) return kIirTransmit;
  if ((state_.ier & kIerModem) && (state_.msr & kMsrDeltas)) return kIirModem;
  return kIirNone;
}

// OUT2 gates the interrupt on a PC's board.
void Uart::update_irq() { irq_.set(interrupt_id() != kIirNone && (state_.mcr & kMcrOut2)); }

void Uart::update_modem_status() {
  u8 now = 0;
  const u8 m = state_.mcr;
  if (m & kMcrLoop) {
    now = static_cast<u8>((m & kMcrRts ? kMsrCts : 0) | (m & kMcrDtr ? kMsrDsr : 0) |
                          (m & kMcrOut1 ? kMsrRi : 0) | (m & kMcrOut2 ? kMsrDcd : 0));
  } else if (backend_) {
    now = kMsrCts | kMsrDsr | kMsrDcd;
  }
  const u8 changed = static_cast<u8>((state_.msr ^ now) & 0xf0);
  u8 deltas = changed >> 4;
  // Only RI's trailing edge counts.
  if ((changed & kMsrRi) && (now & kMsrRi)) deltas &= static_cast<u8>(~kMsrRiTrailing);
  state_.msr = static_cast<u8>(now | (state_.msr & kMsrDeltas) | deltas);
}

u8 Uart::read_data() {
  if (state_.received.empty()) return 0;
  const u8 value = state_.received.front();
  state_.received.erase(state_.received.begin());
  return value;
}

u8 Uart::read_reg(u64 offset) {
  switch (offset) {
    case kData: return state_.lcr & kLcrDlab ? static_cast<u8>(state_.divisor) : read_data();
    case kIer: return state_.lcr & kLcrDlab ? static_cast<u8>(state_.divisor >> 8) : state_.ier;
    case kIirFcr: {
      const u8 id = interrupt_id();
      if (id == kIirTransmit) state_.transmit_pending = false;
      return id | (fifos() ? kIirFifos : 0);
    }
    case kLcr: return state_.lcr;
    case kMcr: return state_.mcr;
    case kLsr: {
      const u8 lsr = line_status();
      state_.lsr_errors = 0;
      if (state_.idle_polls < kPollsBeforeInput) ++state_.idle_polls;
      return lsr;
    }
    case kMsr: {
      const u8 msr = state_.msr;
      state_.msr &= static_cast<u8>(~kMsrDeltas);
      return msr;
    }
    default: return state_.scratch;
  }
}

void Uart::transmit(u8 value) {
  if (state_.mcr & kMcrLoop) {
    take_received(value);
  } else if (backend_) {
    backend_->write({&value, 1});
  }
  state_.idle_polls = 0;
  state_.transmit_pending = true;
}

void Uart::write_fifo_control(u8 value) {
  const bool toggled = (value ^ state_.fcr) & kFcrEnable;
  if (toggled || (value & kFcrClearReceive)) state_.received.clear();
  if (toggled || (value & kFcrClearTransmit)) state_.transmit_pending = true;
  state_.fcr = value & 0xc9;
}

void Uart::write_modem_control(u8 value) {
  state_.mcr = value & 0x1f;
  update_modem_status();
}

void Uart::write_reg(u64 offset, u8 value) {
  switch (offset) {
    case kData:
      if (state_.lcr & kLcrDlab) state_.divisor = static_cast<u16>((state_.divisor & 0xff00) | value);
      else transmit(value);
      break;
    case kIer:
      if (state_.lcr & kLcrDlab) {
        state_.divisor = static_cast<u16>((state_.divisor & 0xff) | value << 8);
        break;
      }
      if ((value & kIerTransmit) && !(state_.ier & kIerTransmit)) state_.transmit_pending = true;
      state_.ier = value & 0x0f;
      break;
    case kIirFcr: write_fifo_control(value); break;
    case kLcr:
      state_.lcr = value;
      if ((value & kLcrBreak) && (state_.mcr & kMcrLoop)) state_.lsr_errors |= kLsrBreak;
      break;
    case kMcr: write_modem_control(value); break;
    case kScratch: state_.scratch = value; break;
    default: break;
  }
}

void Uart::io(bus::IoAccess& access) {
  bool input_wanted = false;
  {
    std::lock_guard lock(mutex_);
    const size_t room_before = room_locked();
    if (access.dir == bus::IoDir::Read) access.value = read_reg(access.offset & 7);
    else write_reg(access.offset & 7, static_cast<u8>(access.value));
    update_irq();
    input_wanted = room_before == 0 && room_locked() != 0;
  }
  if (input_wanted && backend_) backend_->input_wanted();
}

void Uart::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name_, 1, state_);
}

Result<void> Uart::load(snapshot::StateReader& reader) {
  {
    std::lock_guard lock(mutex_);
    TANDEM_TRY(snapshot::load_section(reader, name_, 1, state_));
    update_irq();
  }
  if (backend_) backend_->input_wanted();
  return {};
}

}  // namespace tandem::devices
