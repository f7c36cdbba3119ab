// Registers of a channel (ATA/ATAPI-6, 7 and 9). How commands go on: ide_transfer.cpp.
#include "devices/storage/ide_channel.h"

#include "core/base/bits.h"

namespace tandem::devices {

using namespace ata;

namespace {

constexpr u64 kData = 0, kErrorFeatures = 1, kCount = 2, kLow = 3, kMid = 4, kHigh = 5, kDevice = 6,
              kStatusCommand = 7;
constexpr u32 kMaxBuffer = 256 * 2048;
// What a cable without a drive reads as, a byte a register: the host pulls DD7 down, so that nobody waits for
// BSY to go (ATA/ATAPI-6, 5.1).
constexpr u64 kEmpty = 0x7f7f7f7f;

u8 with_history(const Register& r, u8 control) { return control & kControlHighOrder ? r.before : r.now; }

}  // namespace

bool IdeTransfer::valid() const {
  return phase <= Phase::Stalled && kind <= static_cast<u8>(Action::Kind::Packet) &&
         buffer.size() <= kMaxBuffer && position <= drq_end && drq_end <= buffer.size() && block >= 2 &&
         block <= kMaxBuffer;
}

IdeChannel::IdeChannel(mem::GuestMemory& memory, irq::LevelIrq irq, Drives drives,
                       std::function<bool()> may_master)
    : memory_(memory),
      irq_(irq),
      may_master_(std::move(may_master)),
      drives_(std::move(drives)),
      dma_(memory),
      command_ports_(*this, &IdeChannel::command_io),
      control_port_(*this, &IdeChannel::control_io) {
  transfer_.block = kSectorSize;
}

void IdeChannel::update_irq() { irq_.set(interrupt_ && !(control_ & kControlNoInterrupt)); }

void IdeChannel::raise() {
  if (!interrupt_) master_.interrupt();
  interrupt_ = true;
  update_irq();
}

void IdeChannel::lower() {
  interrupt_ = false;
  update_irq();
}

// 9.16.1: where drive 1 is not there, drive 0 answers for it with zeros.
u8 IdeChannel::status() {
  if ((control_ & kControlReset) || reset_pending_) return kBusy;
  return drive() ? drive()->regs().status : 0;
}

u8 IdeChannel::read_register(u64 offset) {
  if (!drive()) return 0;
  const TaskFile& r = drive()->regs();
  switch (offset) {
    case kErrorFeatures: return r.error;
    case kCount: return with_history(r.count, control_);
    case kLow: return with_history(r.low, control_);
    case kMid: return with_history(r.mid, control_);
    case kHigh: return with_history(r.high, control_);
    case kDevice: return static_cast<u8>(r.device | 0xa0);
    default: lower(); return status();
  }
}

// Both drives take what is written to the command block.
void IdeChannel::write_register(u64 offset, u8 value) {
  if (offset == kStatusCommand) return execute(value);
  if (status() & (kBusy | kDataRequest)) return;
  control_ &= static_cast<u8>(~kControlHighOrder);
  if (offset == kDevice) selected_ = value & kDeviceSecond ? 1 : 0;
  for (auto& d : drives_) {
    if (!d) continue;
    TaskFile& r = d->regs();
    switch (offset) {
      case kErrorFeatures: r.features.write(value); break;
      case kCount: r.count.write(value); break;
      case kLow: r.low.write(value); break;
      case kMid: r.mid.write(value); break;
      case kHigh: r.high.write(value); break;
      default: r.device = value;
    }
  }
}

void IdeChannel::command_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const bool read = access.dir == bus::IoDir::Read;
  if (!present()) {
    if (read) access.value = kEmpty & low_mask(access.size * 8u);
    return;
  }
  if (access.offset == kData) {
    if (read) access.value = read_data(access.size);
    else write_data(access.value, access.size);
    return;
  }
  for (unsigned i = 0; i < access.size && access.offset + i < 8; ++i) {
    if (read) access.value |= u64{read_register(access.offset + i)} << 8 * i;
    else write_register(access.offset + i, static_cast<u8>(access.value >> 8 * i));
  }
}

// 9.2: a software reset begins with SRST and ends when it is taken back, or later where something is under
// way.
void IdeChannel::write_control(u8 value) {
  const bool was = control_ & kControlReset, is = value & kControlReset;
  control_ = value;
  if (is && !was) {
    lower();
    if (transfer_.phase != Phase::Host) transfer_.phase = Phase::Idle;
  }
  if (was && !is) {
    if (transfer_.phase == Phase::Host) reset_pending_ = true;
    else reset_drives(false);
  }
  update_irq();
}

void IdeChannel::control_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Write) return write_control(static_cast<u8>(access.value));
  access.value = present() ? status() : kEmpty & 0xff;
}

void IdeChannel::master_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  for (unsigned i = 0; i < access.size; ++i) {
    const u64 offset = (access.offset + i) & 7;
    if (access.dir == bus::IoDir::Read) {
      access.value |= u64{master_.read(offset)} << 8 * i;
      continue;
    }
    const auto request = master_.write(offset, static_cast<u8>(access.value >> 8 * i));
    if (request == BusMaster::Request::Start && transfer_.phase == Phase::Dma) run_master();
    // What is under way can't be called back; the master is active until it has ended.
    if (request == BusMaster::Request::Stop && transfer_.phase != Phase::Host) master_.finish(false);
  }
}

Result<void> IdeChannel::insert(unsigned index, BlockBackend* medium) {
  for (;;) {
    BlockBackend* busy = nullptr;
    {
      std::lock_guard lock(mutex_);
      auto* cdrom = dynamic_cast<Cdrom*>(drives_[index].get());
      if (!cdrom) return user_error("there is no CD-ROM drive");
      if (transfer_.phase != Phase::Host) {
        if (cdrom->insert(medium)) return {};
        return user_error("the guest has locked the CD-ROM drive");
      }
      busy = drive() ? drive()->medium() : nullptr;
    }
    if (busy) TANDEM_TRY(busy->drain());
  }
}

// No vCPU runs: what is under way ends by itself.
Result<void> IdeChannel::quiesce() {
  for (auto& d : drives_)
    if (d && d->medium()) TANDEM_TRY(d->medium()->drain());
  return {};
}

void IdeChannel::reset() {
  std::ignore = quiesce();
  std::lock_guard lock(mutex_);
  reset_drives(true);
  master_.reset();
  control_ = 0;
  lower();
}

IdeChannelState IdeChannel::state() const {
  std::lock_guard lock(mutex_);
  IdeChannelState s;
  for (unsigned i = 0; i < 2; ++i) s.drives[i] = drive_state(drives_[i].get());
  s.transfer = transfer_;
  s.master = master_.state();
  s.selected = selected_;
  s.control = control_;
  s.interrupt = interrupt_;
  return s;
}

bool IdeChannel::fits(const IdeChannelState& s) const {
  const bool idle = s.transfer.phase == Phase::Idle;
  if (!idle && !drives_[s.selected]) return false;
  if (s.transfer.phase == Phase::Packet && !drives_[s.selected]->is_packet_device()) return false;
  for (const AtaDriveState& d : s.drives)
    if (!d.valid()) return false;
  if (idle || Action::Kind{s.transfer.kind} == Action::Kind::DataIn) return true;
  const BlockBackend* medium = drives_[s.selected]->medium();
  const u64 sectors = medium ? medium->geometry().bytes / drives_[s.selected]->sector_size() : 0;
  return s.transfer.sector <= sectors && s.transfer.left <= sectors - s.transfer.sector;
}

void IdeChannel::set_state(const IdeChannelState& s) {
  std::lock_guard lock(mutex_);
  for (unsigned i = 0; i < 2; ++i) set_drive_state(drives_[i].get(), s.drives[i]);
  transfer_ = s.transfer;
  master_.set_state(s.master);
  selected_ = s.selected;
  control_ = s.control;
  interrupt_ = s.interrupt;
  reset_pending_ = false;
  update_irq();
}

}  // namespace tandem::devices
