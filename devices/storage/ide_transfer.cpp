// How commands of an IDE channel go on: PIO (ATA/ATAPI-6, 9.5 to 9.8), bus master, the back end.
#include <algorithm>
#include <cstring>

#include "core/base/bits.h"
#include "devices/storage/ide_channel.h"

namespace tandem::devices {

using namespace ata;
using Kind = Action::Kind;

namespace {

constexpr u8 kDeviceReset = 0x08, kDiagnostic = 0x90;
constexpr u32 kPieceBytes = 128 * KiB;  // PIO asks the back end for so much at once
constexpr u32 kPacketBytes = 12;

// 8.23.4: bytes for each DRQ of a packet command, even.
u32 byte_limit(const TaskFile& r) {
  const u32 limit = r.mid.now | u32{r.high.now} << 8;
  return limit < 2 || limit == 0xffff ? 0xfffe : limit & ~1u;
}

}  // namespace

void IdeChannel::reset_drives(bool hard) {
  for (auto& d : drives_)
    if (d) d->reset(hard);
  transfer_ = {};
  transfer_.block = kSectorSize;
  selected_ = 0;
  reset_pending_ = false;
  lower();
}

// 8.11: both drives; the signature as after a reset.
void IdeChannel::diagnose() {
  reset_drives(false);
  raise();
}

void IdeChannel::execute(u8 command) {
  Drive* d = drive();
  if (!d || (control_ & kControlReset) || reset_pending_) return;
  const bool device_reset = command == kDeviceReset && d->is_packet_device();
  if (d->regs().status & kBusy) {
    if (!device_reset) return;
    if (transfer_.phase == Phase::Host) {
      reset_pending_ = true;
      return;
    }
  }
  lower();
  transfer_ = {};
  transfer_.block = kSectorSize;
  if (command == kDiagnostic) return diagnose();
  start(d->execute(command));
}

void IdeChannel::start_packet() {
  std::array<u8, kPacketBytes> cdb;
  std::copy_n(transfer_.buffer.begin(), kPacketBytes, cdb.begin());
  const u32 limit = byte_limit(drive()->regs());
  transfer_ = {};
  Action action = drive()->packet(cdb);
  transfer_.block = limit;
  start(std::move(action));
}

void IdeChannel::start(Action action) {
  IdeTransfer& t = transfer_;
  TaskFile& r = drive()->regs();
  t.kind = static_cast<u8>(action.kind);
  t.dma = action.dma;
  t.lasting = action.lasting;
  t.sector = action.sector;
  t.left = action.sectors;
  if (!drive()->is_packet_device()) t.block = action.block * kSectorSize;
  t.buffer = std::move(action.data);
  switch (action.kind) {
    case Kind::Done:
      t.phase = Phase::Idle;
      if (drive()->is_packet_device() && action.interrupt) r.count.now = kReasonCommand | kReasonToHost;
      if (action.interrupt) raise();
      return;
    case Kind::Flush: return submit(BlockOp::Flush, 0, {});
    case Kind::Packet:
      t.buffer.resize(kPacketBytes);
      t.drq_end = kPacketBytes;
      t.phase = Phase::Packet;
      r.count.now = kReasonCommand;
      r.status = kReady | kDataRequest;
      return;
    default: break;
  }
  if (t.dma) {
    t.phase = Phase::Dma;
    r.status = kBusy;
    if (master_.started()) run_master();
  } else if (action.kind == Kind::Read) {
    fill();
  } else if (action.kind == Kind::DataIn) {
    t.phase = Phase::In;
    open_block();
    raise();
  } else {
    t.phase = Phase::Out;
    t.buffer.resize(std::min<u64>(u64{t.left} * kSectorSize, kPieceBytes));
    open_block();
  }
}

// The command ends well.
void IdeChannel::end() {
  TaskFile& r = drive()->regs();
  r.error = 0;
  r.status = kReady | kSeekDone;
  if (drive()->is_packet_device()) r.count.now = kReasonCommand | kReasonToHost;
  transfer_ = {};
  transfer_.block = kSectorSize;
}

void IdeChannel::end_with_interrupt() {
  end();
  raise();
}

// The next DRQ block of `buffer`.
void IdeChannel::open_block() {
  IdeTransfer& t = transfer_;
  TaskFile& r = drive()->regs();
  t.drq_end = static_cast<u32>(std::min<u64>(t.buffer.size(), u64{t.position} + t.block));
  r.status = kReady | kSeekDone | kDataRequest;
  if (!drive()->is_packet_device()) return;
  const u32 n = t.drq_end - t.position;
  r.mid.now = static_cast<u8>(n);
  r.high.now = static_cast<u8>(n >> 8);
  r.count.now = kReasonToHost;
}

void IdeChannel::block_through() {
  IdeTransfer& t = transfer_;
  if (t.phase == Phase::Packet) return start_packet();
  if (t.position < t.buffer.size()) {
    open_block();
    return raise();
  }
  if (t.phase == Phase::Out) return store();
  if (t.left) return fill();
  // A packet command ends with an interrupt of its own, PIO data-in does not.
  if (drive()->is_packet_device() && Kind{t.kind} != Kind::Packet) end_with_interrupt();
  else end();
}

u64 IdeChannel::read_data(unsigned size) {
  IdeTransfer& t = transfer_;
  if (t.phase != Phase::In) return low_mask(size * 8);
  u64 value = 0;
  const u32 n = std::min(size, t.drq_end - t.position);
  std::memcpy(&value, t.buffer.data() + t.position, n);
  t.position += n;
  if (t.position == t.drq_end) block_through();
  return value;
}

void IdeChannel::write_data(u64 value, unsigned size) {
  IdeTransfer& t = transfer_;
  if (t.phase != Phase::Out && t.phase != Phase::Packet) return;
  const u32 n = std::min(size, t.drq_end - t.position);
  std::memcpy(t.buffer.data() + t.position, &value, n);
  t.position += n;
  if (t.position == t.drq_end) block_through();
}

// PIO: the next sectors from the back end into the buffer, or from it.
void IdeChannel::fill() {
  IdeTransfer& t = transfer_;
  t.buffer.resize(std::min<u64>(u64{t.left} * drive()->sector_size(), kPieceBytes));
  submit(BlockOp::Read, t.buffer.size(), {buffer(t.buffer)});
}

void IdeChannel::store() { submit(BlockOp::Write, transfer_.buffer.size(), {buffer(transfer_.buffer)}); }

void IdeChannel::run_master() {
  IdeTransfer& t = transfer_;
  if (!may_master_()) return;
  const Kind kind{t.kind};
  const u64 unit = kind == Kind::DataIn ? 1 : drive()->sector_size();
  const u64 total = kind == Kind::DataIn ? t.buffer.size() : t.left * unit;
  const auto direction = kind == Kind::Write ? DmaDirection::FromMemory : DmaDirection::ToMemory;
  dma_.clear();
  if (!master_.gather(memory_, total, direction, dma_, dma_more_)) {
    master_.fail();
    t.phase = Phase::Stalled;
    return;
  }
  dma_.cut(align_down(dma_.size(), unit));
  if (kind == Kind::DataIn) {
    copy_to(dma_.buffers(), t.buffer);
    dma_.written();
    t.left = static_cast<u32>(total - dma_.size());
    return go_on(BlockStatus::Ok);
  }
  submit(kind == Kind::Read ? BlockOp::Read : BlockOp::Write, dma_.size(), dma_.buffers());
}

void IdeChannel::submit(BlockOp op, u64 bytes, Buffers buffers) {
  const u64 offset = op == BlockOp::Flush ? 0 : transfer_.sector * drive()->sector_size();
  BlockBackend* medium = drive()->medium();
  // The disc may have been changed since the command.
  if (!medium || offset + bytes > medium->geometry().bytes) return go_on(BlockStatus::IoError);
  transfer_.phase = Phase::Host;
  drive()->regs().status = kBusy;
  medium->submit({op, offset, bytes, std::move(buffers), [this](BlockStatus s) { completed(s); }});
}

// [back end's thread]
void IdeChannel::completed(BlockStatus status) {
  // Nobody changes the transfer while it is under way.
  if (transfer_.dma && Kind{transfer_.kind} == Kind::Read) dma_.written();
  std::lock_guard lock(mutex_);
  if (reset_pending_) return reset_drives(false);
  if (control_ & kControlReset) {
    transfer_ = {};
    transfer_.block = kSectorSize;
    return;
  }
  go_on(status);
}

// What was asked of the back end, or of the bus master, is done.
void IdeChannel::go_on(BlockStatus status) {
  IdeTransfer& t = transfer_;
  const Kind kind{t.kind};
  if (status && (kind == Kind::Read || kind == Kind::Write)) {
    const u64 bytes = t.dma ? dma_.size() : t.buffer.size();
    const u32 sectors = static_cast<u32>(bytes / drive()->sector_size());
    t.sector += sectors;
    t.left -= sectors;
    if (kind == Kind::Write && t.left == 0 && t.lasting) {
      t.kind = static_cast<u8>(Kind::Flush);
      return submit(BlockOp::Flush, 0, {});
    }
  }
  if (t.dma) master_.finish(dma_more_);
  if (!status) {
    drive()->fail(status, t.sector);
    if (drive()->is_packet_device()) drive()->regs().count.now = kReasonCommand | kReasonToHost;
    t = {};
    t.block = kSectorSize;
    return raise();
  }
  if (t.dma && t.left) {  // 3.1: the regions were too short, the drive waits for more
    master_.finish(false);
    t.phase = Phase::Stalled;
    return;
  }
  if (t.dma || kind == Kind::Flush || (kind == Kind::Write && t.left == 0)) return end_with_interrupt();
  t.position = 0;
  t.phase = kind == Kind::Read ? Phase::In : Phase::Out;
  if (kind == Kind::Write) t.buffer.resize(std::min<u64>(u64{t.left} * kSectorSize, kPieceBytes));
  open_block();
  raise();
}

}  // namespace tandem::devices
