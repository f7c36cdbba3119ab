// How commands of an AHCI port go on (AHCI 1.3.1, 5): from the list to the drive, the back end, and the
// received FIS.
#include <algorithm>

#include "core/base/bits.h"
#include "devices/storage/ahci_port.h"
#include "devices/storage/ahci_regs.h"
#include "devices/storage/sata_fis.h"

namespace tandem::devices {

using namespace ahci;
using ata::Action;
using Kind = Action::Kind;

namespace {

constexpr unsigned kSlots = 32;
constexpr u64 kFisSize = 20, kPacketSize = 12, kTableStart = kTableAtapi + kPacketSize;
constexpr u8 kDiagnostic = 0x90;
// 4.2.3.3: bytes less one, in an entry of the table.
constexpr u32 kRegionBytes = 0x3fffff, kRegionInterrupt = 1u << 31;

u32 bit_of(u8 slot) { return u32{1} << slot; }

}  // namespace

bool AhciPort::may_fetch() const {
  return (state_.cmd & kCmdStart) && !state_.halted && abandoned_ == 0 && state_.ssts == kSstsReady &&
         !(state_.tfd & (ata::kBusy | ata::kDataRequest)) && state_.ci && host_.may_master();
}

void AhciPort::fetch_all() {
  allowance_.renew();
  while (may_fetch()) {
    // 5.5: round robin.
    while (!(state_.ci & bit_of(state_.next))) state_.next = (state_.next + 1) % kSlots;
    state_.slot = state_.next;
    state_.next = (state_.next + 1) % kSlots;
    fetch(state_.slot);
  }
}

bool AhciPort::read_header(u8 slot, Header& header) const {
  std::array<u8, kHeaderSize> bytes;
  header.at = state_.list + slot * kHeaderSize;
  if (!host_.memory.read(Gpa{header.at}, bytes)) return false;
  header.regions = load_le<u16>(&bytes[2]);
  header.table = load_le<u64>(&bytes[kHeaderTable]) & ~low_mask(7);
  return true;
}

void AhciPort::fetch(u8 slot) {
  Header header;
  std::array<u8, kTableStart> table;
  if (!read_header(slot, header) || !host_.memory.read(Gpa{header.table}, table)) return fatal(kIsBusFatal);
  const auto fis = ata::take_host_fis(std::span(table).first<kFisSize>(), drive_->regs());
  if (!fis) return fatal(kIsInterfaceFatal);
  if (!fis->is_command) return control(slot, fis->control);
  if (fis->command == kDiagnostic) {
    drive_->reset(false);
    return perform(slot, header, {});
  }
  Action action = drive_->execute(fis->command);
  if (action.kind == Kind::Packet) action = drive_->packet(std::span(table).last<kPacketSize>());
  perform(slot, header, std::move(action));
}

// 10.4.1: a software reset is SRST set and then taken back.
void AhciPort::control(u8 slot, u8 value) {
  state_.ci &= ~bit_of(slot);
  const bool was = state_.soft_reset;
  state_.soft_reset = value & ata::kControlReset;
  if (!was || state_.soft_reset) return;
  drive_->reset(false);
  send_signature();
}

// Up to `total` bytes of the regions of the table; false: they are no memory.
bool AhciPort::gather(Request& r, u64 total, DmaDirection direction) {
  for (u64 i = 0; i < r.header.regions && r.dma.size() < total; ++i) {
    std::array<u8, kRegionSize> entry;
    if (!host_.memory.read(Gpa{r.header.table + kTableRegions + i * kRegionSize}, entry)) return false;
    const u64 address = load_le<u64>(entry.data()) & ~u64{1};
    const u32 what = load_le<u32>(entry.data() + 12);
    const u64 wanted = std::min<u64>((what & kRegionBytes) + 1, total - r.dma.size());
    if (!r.dma.add(Gpa{address}, wanted, direction)) return false;
    r.descriptor |= (what & kRegionInterrupt) != 0;
  }
  if (r.dma.size() < total) state_.is |= kIsOverflow;
  return true;
}

void AhciPort::perform(u8 slot, const Header& header, Action action) {
  const bool packet_device = drive_->is_packet_device();
  auto r = std::make_shared<Request>(Request{header, action.kind, slot, action.queued, action.lasting,
                                             !action.dma && !packet_device, false, action.sector, 0,
                                             generation_, DmaList(host_.memory)});
  if (r->kind == Kind::Done) {
    r->pio_in = false;
    return end(*r);
  }
  if (r->kind == Kind::Flush) {
    r->pio_in = false;
    return submit(r, BlockOp::Flush);
  }
  const bool write = r->kind == Kind::Write, data = r->kind == Kind::DataIn;
  const u64 unit = data ? 1 : drive_->sector_size(),
            total = data ? action.data.size() : action.sectors * unit;
  if (!gather(*r, total, write ? DmaDirection::FromMemory : DmaDirection::ToMemory))
    return fatal(kIsBusFatal);
  r->dma.cut(align_down(r->dma.size(), unit));
  r->bytes = r->dma.size();
  r->pio_in &= !write;
  if (data) {
    copy_to(r->dma.buffers(), action.data);
    r->dma.written();
    return end(*r);
  }
  if (r->queued) {  // the drive has it, and takes the next one
    state_.ci &= ~bit_of(slot);
    set_task_file();
  }
  if (write || !read_at_once(*r)) return submit(r, write ? BlockOp::Write : BlockOp::Read);
  if (r->queued) end_queued(*r);
  else end(*r);
}

// What the host has at hand costs less than to ask for it.
bool AhciPort::read_at_once(const Request& r) {
  if (!allowance_.read(*drive_->medium(), r.sector * drive_->sector_size(), r.bytes, r.dma.buffers()))
    return false;
  r.dma.written();
  return true;
}

void AhciPort::submit(RequestPtr r, BlockOp op) {
  const bool flush = op == BlockOp::Flush;
  const u64 offset = flush ? 0 : r->sector * drive_->sector_size();
  BlockBackend* medium = drive_->medium();
  if (!r->queued) state_.tfd = ata::kBusy;
  ++under_way_;
  Buffers buffers = flush ? Buffers{} : r->dma.buffers();
  medium->submit({op, offset, flush ? 0 : r->bytes, std::move(buffers),
                  [this, r](BlockStatus status) { completed(r, status); }});
}

// [back end's thread]
void AhciPort::completed(RequestPtr r, BlockStatus status) {
  if (r->kind == Kind::Read) r->dma.written();
  std::lock_guard lock(mutex_);
  --under_way_;
  if (r->generation != generation_) {
    if (--abandoned_ == 0) fetch_all();
  } else if (!state_.halted) {
    if (status && r->lasting) {
      r->lasting = false;
      return submit(r, BlockOp::Flush);
    }
    if (!status && r->queued) drive_->fail_queued(r->slot, status, r->sector);
    else if (!status) drive_->fail(status, r->sector);
    if (r->queued) end_queued(*r);
    else end(*r);
    fetch_all();
  }
  update_interrupt();
}

void AhciPort::set_task_file() {
  const ata::TaskFile& regs = drive_->regs();
  state_.tfd = static_cast<u16>(regs.status | regs.error << 8);
}

// The registers have the result. 5.3.13: after an error nothing goes on, and the command stays issued.
void AhciPort::end(const Request& r) {
  ata::TaskFile& regs = drive_->regs();
  const bool failed = regs.status & ata::kError;
  if (drive_->is_packet_device() && r.kind != Kind::Done)
    regs.count.now = ata::kReasonCommand | ata::kReasonToHost;
  set_task_file();
  host_.memory.write_value(Gpa{r.header.at + kHeaderBytes}, static_cast<u32>(failed ? 0 : r.bytes));
  if (r.descriptor) state_.is |= kIsDescriptor;
  if (r.pio_in && !failed) {
    receive(kRxPioSetup, ata::pio_setup_fis(regs, true, static_cast<u16>(r.bytes)));
    state_.is |= kIsPioSetup;
  } else {
    receive(kRxRegister, ata::register_fis(regs, true));
    state_.is |= kIsRegisterFis;
  }
  if (failed) {
    state_.is |= kIsTaskFile;
    state_.halted = true;
  } else {
    state_.ci &= ~bit_of(r.slot);
  }
}

// After an error the drive drops all other queued commands: their bits stay.
void AhciPort::end_queued(const Request& r) {
  const ata::TaskFile& regs = drive_->regs();
  const bool failed = regs.status & ata::kError;
  if (r.descriptor) state_.is |= kIsDescriptor;
  if (!failed) state_.sact &= ~bit_of(r.slot);
  receive(kRxSetBits, ata::set_bits_fis(regs, failed ? 0 : bit_of(r.slot)));
  state_.is |= kIsSetBits;
  if (!failed) return;
  set_task_file();
  state_.is |= kIsTaskFile;
  state_.halted = true;
}

void AhciPort::send_signature() {
  const ata::TaskFile& regs = drive_->regs();
  state_.signature =
      regs.count.now | u32{regs.low.now} << 8 | u32{regs.mid.now} << 16 | u32{regs.high.now} << 24;
  set_task_file();
  state_.fis_waits = !(state_.cmd & kCmdFisReceive);
  if (!state_.fis_waits) receive(kRxRegister, ata::register_fis(regs, false));
}

void AhciPort::receive(u64 at, std::span<const u8> fis) {
  if (state_.cmd & kCmdFisReceive) host_.memory.write(Gpa{state_.fis + at}, fis);
}

void AhciPort::fatal(u32 cause) {
  state_.is |= cause;
  state_.halted = true;
}

}  // namespace tandem::devices
