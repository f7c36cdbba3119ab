// Registers of a port (AHCI 1.3.1, 3.3). How commands go on: ahci_commands.cpp.
#include "devices/storage/ahci_port.h"

#include "core/base/bits.h"
#include "devices/storage/ahci_regs.h"

namespace tandem::devices {

using namespace ahci;

namespace {

constexpr u32 kAlwaysOn = kCmdSpinUp | kCmdPowerOn;
constexpr u32 kCmdWritable = kCmdStart | kCmdFisReceive | kCmdAtapi | kCmdAtapiLed;
constexpr u32 kIeWritable = 0xfdc000ff, kSctlWritable = 0x0fff, kSerrWritable = 0x07ff0f03;
constexpr u64 kListMask = ~low_mask(10), kFisMask = ~low_mask(8);

u64 with_low(u64 v, u32 low) { return (v & ~low_mask(32)) | low; }
u64 with_high(u64 v, u32 high) { return (v & low_mask(32)) | u64{high} << 32; }

// Two causes follow PxSERR.
u32 causes(const AhciPortState& s) {
  return s.is | (s.serr & kSerrExchanged ? kIsConnect : 0) | (s.serr & kSerrPhyReady ? kIsPhyReady : 0);
}

}  // namespace

AhciPort::AhciPort(Host host, std::unique_ptr<ata::Drive> drive)
    : host_(std::move(host)), drive_(std::move(drive)) {
  connect();
}

void AhciPort::update_interrupt() {
  const bool level = causes(state_) & state_.ie;
  if (level == interrupt_) return;
  interrupt_ = level;
  host_.interrupt(level);
}

u32 AhciPort::read(u64 offset) const {
  std::lock_guard lock(mutex_);
  const AhciPortState& s = state_;
  switch (offset) {
    case kPortList: return static_cast<u32>(s.list);
    case kPortListHigh: return static_cast<u32>(s.list >> 32);
    case kPortFis: return static_cast<u32>(s.fis);
    case kPortFisHigh: return static_cast<u32>(s.fis >> 32);
    case kPortIs: return causes(s);
    case kPortIe: return s.ie;
    case kPortCmd:
      return s.cmd | kAlwaysOn | (s.cmd & kCmdFisReceive ? kCmdFisRunning : 0) |
             (s.cmd & kCmdStart || under_way_ ? kCmdRunning : 0) |
             (s.cmd & kCmdStart ? u32{s.slot} << kCmdSlotShift : 0);
    case kPortTfd: return s.tfd;
    case kPortSig: return s.signature;
    case kPortSsts: return s.ssts;
    case kPortSctl: return s.sctl;
    case kPortSerr: return s.serr;
    case kPortSact: return s.sact;
    case kPortCi: return s.ci;
    default: return 0;
  }
}

void AhciPort::write(u64 offset, u32 value) {
  std::lock_guard lock(mutex_);
  AhciPortState& s = state_;
  const bool started = s.cmd & kCmdStart;
  switch (offset) {
    case kPortList: s.list = with_low(s.list, value) & kListMask; break;
    case kPortListHigh: s.list = with_high(s.list, value); break;
    case kPortFis: s.fis = with_low(s.fis, value) & kFisMask; break;
    case kPortFisHigh: s.fis = with_high(s.fis, value); break;
    case kPortIs: s.is &= ~value; break;
    case kPortIe: s.ie = value & kIeWritable; break;
    case kPortCmd: write_command(value); break;
    case kPortSctl: write_control(value); break;
    case kPortSerr: s.serr &= ~(value & kSerrWritable); break;
    case kPortSact:
      if (started) s.sact |= value;
      break;
    case kPortCi:
      if (started) s.ci |= value;
      fetch_all();
      break;
    default: break;
  }
  update_interrupt();
}

void AhciPort::write_command(u32 value) {
  AhciPortState& s = state_;
  const u32 before = s.cmd;
  s.cmd = value & kCmdWritable;
  const u32 on = s.cmd & ~before, off = before & ~s.cmd;
  if (value & kCmdOverride) s.tfd &= static_cast<u16>(~(ata::kBusy | ata::kDataRequest));
  if ((on & kCmdFisReceive) && s.fis_waits) send_signature();
  if (off & kCmdStart) {
    abandon();
    s.ci = s.sact = 0;
    s.halted = false;
    s.slot = s.next = 0;
  }
  if (on & kCmdStart) fetch_all();
}

// 10.4.2: the interface is in reset while DET is 1.
void AhciPort::write_control(u32 value) {
  AhciPortState& s = state_;
  const u32 before = s.sctl & kSctlDet, now = value & kSctlDet;
  s.sctl = value & kSctlWritable;
  if (now == before) return;
  if (now == 0) return connect();
  abandon();
  s.ci = s.sact = 0;
  s.tfd = AhciPortState{}.tfd;
  s.ssts = now == kSctlOffline ? kSstsOffline : kSstsNothing;
}

// The link comes up: the drive has been reset and says what it is.
void AhciPort::connect() {
  if (!drive_) return;
  drive_->reset(true);
  state_.ssts = kSstsReady;
  state_.serr |= kSerrPhyReady | kSerrExchanged;
  state_.soft_reset = state_.halted = false;
  send_signature();
}

void AhciPort::abandon() {
  ++generation_;
  abandoned_ = under_way_;
}

bool AhciPort::asks_interrupt() const {
  std::lock_guard lock(mutex_);
  return interrupt_;
}

void AhciPort::run() {
  std::lock_guard lock(mutex_);
  fetch_all();
  update_interrupt();
}

Result<void> AhciPort::insert(BlockBackend* medium) {
  for (;;) {
    BlockBackend* busy = nullptr;
    {
      std::lock_guard lock(mutex_);
      auto* cdrom = dynamic_cast<ata::Cdrom*>(drive_.get());
      if (!cdrom) return user_error("there is no CD-ROM drive");
      if (under_way_ == 0) {
        if (cdrom->insert(medium)) return {};
        return user_error("the guest has locked the CD-ROM drive");
      }
      busy = cdrom->medium();
    }
    if (busy) TANDEM_TRY(busy->drain());
  }
}

// No vCPU runs: what is under way ends by itself, and what was to be fetched behind it too.
Result<void> AhciPort::quiesce() {
  if (drive_ && drive_->medium()) TANDEM_TRY(drive_->medium()->drain());
  return {};
}

void AhciPort::reset() {
  std::ignore = quiesce();
  std::lock_guard lock(mutex_);
  state_ = {};
  connect();
  update_interrupt();
}

void AhciPort::host_reset() {
  std::lock_guard lock(mutex_);
  abandon();
  const AhciPortState before = state_;
  state_ = {};
  state_.list = before.list;
  state_.fis = before.fis;
  connect();
  update_interrupt();
}

AhciPortState AhciPort::state() const {
  std::lock_guard lock(mutex_);
  AhciPortState s = state_;
  s.drive = drive_state(drive_.get());
  return s;
}

// Only a drive brings the link up and says what it is.
bool AhciPort::fits(const AhciPortState& s) const {
  return s.valid() && (drive_ || (s.ssts != kSstsReady && !s.fis_waits));
}

void AhciPort::set_state(const AhciPortState& state) {
  std::lock_guard lock(mutex_);
  abandon();
  set_drive_state(drive_.get(), state.drive);
  state_ = state;
  interrupt_ = causes(state_) & state_.ie;
}

}  // namespace tandem::devices
