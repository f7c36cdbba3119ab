// Registers and interrupts. Frames: e1000_receive.cpp, e1000_transmit.cpp.
#include "devices/net/e1000.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices {

using namespace e1000;

namespace {

constexpr unsigned kMemoryBar = 0, kIoBar = 2;
constexpr u64 kMemorySize = 128 * KiB, kIoSize = 64;
// 13.2.2.2: an index and a window to the register it names.
constexpr u64 kIoAddress = 0, kIoData = 4;
constexpr i64 kThrottleUnit = 256;  // ns

constexpr u32 kEecdRequest = 1 << 6, kEecdGrant = 1 << 7, kEecdPresent = 1 << 8, kEecdPins = 15;
constexpr u32 kEerdStart = 1 << 0, kEerdDone = 1 << 4;

// Registers that keep what is written to them, and which bits. What is not here reads as zero.
struct Plain {
  u32 start, count, mask;
};
constexpr Plain kPlain[] = {
    {kCtrlExt, 1, ~0u}, {kFcal, 1, ~0u},    {kFcah, 1, 0xffff},     {kFct, 1, 0xffff},
    {kVet, 1, 0xffff},  {kItr, 1, 0xffff},  {kRctl, 1, ~1u},        {kFcttv, 1, 0xffff},
    {kTxcw, 1, ~0u},    {kTctl, 1, ~1u},    {kTipg, 1, 0x3fffffff}, {kAit, 1, 0xffff},
    {kLedctl, 1, ~0u},  {kPba, 1, 0xffff},  {kFcrtl, 1, ~0u},       {kFcrth, 1, ~0u},
    {kRdbal, 1, ~15u},  {kRdbah, 1, ~0u},   {kRdlen, 1, 0xfff80},   {kRdh, 1, 0xffff},
    {kRdt, 1, 0xffff},  {kRdtr, 1, 0xffff}, {kRxdctl, 1, ~0u},      {kRadv, 1, 0xffff},
    {kRsrpd, 1, 0xfff}, {kTdbal, 1, ~15u},  {kTdbah, 1, ~0u},       {kTdlen, 1, 0xfff80},
    {kTdh, 1, 0xffff},  {kTdt, 1, 0xffff},  {kTidv, 1, 0xffff},     {kTxdctl, 1, ~0u},
    {kTadv, 1, 0xffff}, {kTspmt, 1, ~0u},   {kRxcsum, 1, 0x3ff},    {kMta, 128, ~0u},
    {kRal, 32, ~0u},    {kVfta, 128, ~0u},  {kWuc, 1, ~0u},         {kWufc, 1, ~0u},
    {kWus, 1, ~0u},     {kManc, 1, ~0u},
};

// What no guest can have written is not in them.
void keep_writable(std::span<u32> registers) {
  for (const Plain& p : kPlain)
    for (u32& r : registers.subspan(p.start / 4, p.count)) r &= p.mask;
}

const Plain* plain(u32 offset) {
  const auto holds = [offset](const Plain& p) { return offset >= p.start && offset < p.start + 4 * p.count; };
  const auto* found = std::ranges::find_if(kPlain, holds);
  return found == std::end(kPlain) ? nullptr : found;
}

}  // namespace

bool E1000State::valid() const {
  constexpr std::size_t kMaxFrameState = 256 * KiB;
  return eeprom.valid() && io_address < 128 * KiB && sending.bytes.size() <= kMaxFrameState &&
         next_interrupt > -time::kSecond;
}

E1000::E1000(machine::DeviceContext context, std::string name, irq::LevelIrq intx, irq::MsiTarget& msi,
             NetBackend& backend, const MacAddress& mac)
    : PciDevice(context, {.vendor = 0x8086,
                          .device = 0x100e,
                          .class_code = 0x020000,
                          .revision = 2,
                          .subsystem_vendor = 0x8086,
                          .subsystem = 0x001e}),
      name_(std::move(name)),
      backend_(backend),
      clock_(context.clock),
      eeprom_(make_eeprom(mac)),
      memory_(*this, &E1000::memory_io),
      ports_(*this, &E1000::port_io),
      throttle_(context.clock, [this](GuestNs) {
        std::lock_guard lock(mutex_);
        update_interrupt();
      }) {
  add_bar(kMemoryBar, BarKind::Memory32, kMemorySize, memory_);
  add_bar(kIoBar, BarKind::Io, kIoSize, ports_);
  add_power_management();
  add_interrupt(intx, msi);
  soft_reset();
}

E1000::~E1000() { backend_.attach(nullptr); }

// 14.5: what the EEPROM sets is as after power-up.
void E1000::soft_reset() {
  state_.registers = {};
  reg(kCtrl) = kCtrlFullDuplex | kCtrlLinkUp;
  reg(kPba) = 0x0030;
  reg(kLedctl) = 0x07068302;
  reg(kRxdctl) = 0x01010000;
  reg(kVet) = 0x8100;
  reg(kRal) = eeprom_[0] | u32{eeprom_[1]} << 16;
  reg(kRah) = eeprom_[2] | kRahValid;
  state_.sums = state_.segments = {};
  state_.sending = {};
  state_.eeprom = {};
  state_.next_interrupt = 0;
  starved_ = false;
  update_interrupt();
}

void E1000::reset(machine::ResetKind) {
  reset_config();
  std::lock_guard lock(mutex_);
  phy_.reset();
  state_.io_address = 0;
  soft_reset();
}

// Frames that arrive meanwhile are lost, as they would be on a wire.
Result<void> E1000::quiesce() {
  backend_.attach(nullptr);
  return {};
}

void E1000::resume() { backend_.attach(this); }

void E1000::cause(u32 causes) {
  reg(kIcr) |= causes;
  update_interrupt();
}

// 13.4.18: after an interrupt, the next one waits for ITR's time to pass.
void E1000::update_interrupt() {
  const bool wanted = reg(kIcr) & reg(kIms);
  if (wanted == state_.interrupt) return;
  if (wanted) {
    const i64 now = raw(clock_.now());
    if (now < state_.next_interrupt) return throttle_.arm(GuestNs{state_.next_interrupt});
    state_.next_interrupt = now + reg(kItr) * kThrottleUnit;
  }
  state_.interrupt = wanted;
  set_interrupt(wanted);
}

void E1000::count(u32 statistic, u32 n) {
  u32& r = reg(statistic);
  r = r + n < r ? ~0u : r + n;  // they stop at their largest value (13.7)
}

void E1000::count_bytes(u32 low, u64 n) {
  const u64 sum = wide(low) + n;
  reg(low) = static_cast<u32>(sum);
  reg(low + 4) = static_cast<u32>(sum >> 32);
}

u32 E1000::read_register(u32 offset) {
  if (offset >= kRegistersEnd) return 0;
  if (offset >= kStatistics && offset < kStatisticsEnd) return std::exchange(reg(offset), 0);
  switch (offset) {
    case kStatus: return kStatusFullDuplex | kStatusGigabit | (link_up() ? kStatusLinkUp : 0);
    case kEecd:
      return state_.eeprom.read() | kEecdPresent |
             (reg(kEecd) & kEecdRequest ? kEecdRequest | kEecdGrant : 0);
    case kIcr: {
      const u32 causes = std::exchange(reg(kIcr), 0);
      update_interrupt();
      return causes;
    }
    case kPba:
      return reg(kPba) | (0x40 - std::min(reg(kPba), 0x40u)) << 16;  // 64 KiB, what is left is for sending
    case kIcs:
    case kImc: return 0;
    default: return reg(offset);
  }
}

void E1000::write_control(u32 value) {
  if (value & kCtrlPhyReset) phy_.reset();
  if (value & kCtrlReset) {
    soft_reset();
    return backend_.wake();
  }
  reg(kCtrl) = value & ~(kCtrlReset | kCtrlPhyReset);
}

void E1000::write_eecd(u32 value) {
  reg(kEecd) = value & kEecdRequest;
  state_.eeprom.write(static_cast<u8>(value & kEecdPins), eeprom_);
}

void E1000::write_register(u32 offset, u32 value) {
  switch (offset) {
    case kCtrl: return write_control(value);
    case kEecd: return write_eecd(value);
    case kEerd:
      if (value & kEerdStart)
        reg(kEerd) = (value & 0xff00) | kEerdDone | u32{eeprom_[bits(value, 15, 8) % eeprom_.size()]} << 16;
      return;
    case kMdic: {
      constexpr u32 kWantsInterrupt = 1 << 29;
      reg(kMdic) = phy_.manage(value);
      if (value & kWantsInterrupt) cause(kMdioDone);
      return;
    }
    case kIcr: reg(kIcr) &= ~value; return update_interrupt();
    case kIcs: return cause(value & kCauses);
    case kIms: reg(kIms) |= value & kCauses; return update_interrupt();
    case kImc: reg(kIms) &= ~value; return update_interrupt();
    default: break;
  }
  const Plain* p = plain(offset);
  if (!p) return;
  reg(offset) = value & p->mask;
  // What the back end's thread may be waiting for.
  if (offset == kTdt || offset == kTctl || offset == kRctl || (offset == kRdt && starved_)) backend_.wake();
}

// 13.2.1: registers are accessed as dwords.
void E1000::memory_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Write) {
    if (access.offset % 4) return;
    for (unsigned done = 0; done + 4 <= access.size; done += 4)
      write_register(static_cast<u32>(access.offset + done), static_cast<u32>(access.value >> 8 * done));
    return;
  }
  const u32 dword = static_cast<u32>(access.offset & ~u64{3});
  u64 value = read_register(dword);
  if (access.offset % 4 + access.size > 4) value |= u64{read_register(dword + 4)} << 32;
  access.value = value >> 8 * (access.offset % 4) & low_mask(8u * access.size);
}

void E1000::port_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.size != 4) return;
  const bool read = access.dir == bus::IoDir::Read;
  if (access.offset == kIoAddress) {
    if (read) access.value = state_.io_address;
    else state_.io_address = static_cast<u32>(access.value & (kMemorySize - 1)) & ~3u;
  } else if (access.offset == kIoData) {
    if (read) access.value = read_register(state_.io_address);
    else write_register(state_.io_address, static_cast<u32>(access.value));
  }
}

void E1000::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  E1000State s = state_;
  s.config = config_state();
  s.phy = phy_.registers();
  snapshot::save_section(writer, name(), 1, s);
}

Result<void> E1000::load(snapshot::StateReader& reader) {
  E1000State s;
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, s));
  load_config(s.config);
  std::lock_guard lock(mutex_);
  state_ = std::move(s);
  keep_writable(state_.registers);
  phy_.set_registers(state_.phy);
  starved_ = false;
  load_interrupt(state_.interrupt);
  throttle_.arm(GuestNs{state_.next_interrupt});
  return {};
}

}  // namespace tandem::devices
