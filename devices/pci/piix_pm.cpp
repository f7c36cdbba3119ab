#include <algorithm>

#include "core/base/bits.h"
#include "devices/pci/piix.h"

namespace tandem::devices {

namespace {

// 82371AB data sheet, chapter 7; ACPI specification 6.4, 4.8.3.
constexpr unsigned kPmBase = 0x40, kDevActB = 0x58, kPmRegMisc = 0x80;
constexpr u32 kApmcEnable =
    1u << 25;  // a write to the APM control port raises an SMI (PIIX4 datasheet, 7.1.14)
constexpr u64 kStatus = 0x00, kEnable = 0x02, kControl = 0x04, kTimer = 0x08, kGpeStatus = 0x0c,
              kGpeEnable = 0x0e;
constexpr u64 kRegionSize = 0x40;
constexpr u16 kTmr = 0x0001, kGbl = 0x0020, kPowerButton = 0x0100, kRtc = 0x0400;
constexpr u16 kEvents = kTmr | kGbl | kPowerButton | kRtc;
constexpr u16 kSciEnable = 0x0001, kSleepEnable = 0x2000;
constexpr u64 kTimerHz = 3579545;
constexpr unsigned kTimerBits = 24;
constexpr u8 kAcpiEnable = 0xf1, kAcpiDisable = 0xf0;

}  // namespace

PiixPm::PiixPm(machine::DeviceContext ctx, u16 pm_base, irq::LevelIrq sci, Requests requests)
    : PciDevice(
          ctx,
          {.vendor = 0x8086, .device = 0x7113, .class_code = 0x068000, .revision = 3, .interrupt_pin = 1}),
      clock_(ctx.clock),
      default_base_(pm_base),
      sci_(sci),
      requests_(std::move(requests)),
      pm_ports_(*this, &PiixPm::pm_io),
      apm_ports_(*this, &PiixPm::apm_io),
      timer_(ctx.clock, [this](GuestNs) {
        std::lock_guard lock(mutex_);
        update_sci();
      }) {
  set_config(kPmBase, 4, default_base_ | 1u);
  set_config(kPmRegMisc, 1, default_base_ ? 1 : 0);
  set_writable(kPmBase, {0xc0, 0xff});
  set_writable(kDevActB, {0xff, 0xff, 0xff, 0xff});
  set_writable(kPmRegMisc, {0x01});
  map();
}

void PiixPm::reset(machine::ResetKind) {
  reset_config();
  std::lock_guard lock(mutex_);
  state_ = PiixPmState{};
  state_.timer_epoch = timer_ticks() >> (kTimerBits - 1);
  map();
  update_sci();
}

// Claims the ports where the configuration says.
void PiixPm::map() {
  const u32 base = config(kPmRegMisc, 1) & 1 ? config(kPmBase, 2) & 0xffc0 : 0;
  if (base == mapped_base_) return;
  pm_claim_.release();
  mapped_base_ = base;
  if (base == 0) return;
  if (auto claim = context().pio.claim({base, kRegionSize}, pm_ports_, name())) pm_claim_ = claim.take();
  else context().counters.get("pci.bar_conflicts").fetch_add(1, std::memory_order_relaxed);
}

u16 PiixPm::base() const {
  std::lock_guard lock(mutex_);
  return static_cast<u16>(mapped_base_);
}

void PiixPm::config_written(unsigned, unsigned) {
  std::lock_guard lock(mutex_);
  map();
}

u64 PiixPm::timer_ticks() const {
  return static_cast<u64>(static_cast<u128>(raw(clock_.now())) * kTimerHz / time::kSecond);
}

// TMR_STS is set whenever the timer's top bit changes.
void PiixPm::update_timer_status() {
  const u64 epoch = timer_ticks() >> (kTimerBits - 1);
  if (epoch != state_.timer_epoch) state_.status |= kTmr;
  state_.timer_epoch = epoch;
}

void PiixPm::update_sci() {
  update_timer_status();
  const bool events = state_.status & state_.enable;
  const bool gpe = state_.gpe_status & state_.gpe_enable;
  sci_.set((state_.control & kSciEnable) && (events || gpe));
  if ((state_.enable & kTmr) && !(state_.status & kTmr)) {
    const u64 next = (state_.timer_epoch + 1) << (kTimerBits - 1);
    timer_.arm(GuestNs{static_cast<i64>(static_cast<u128>(next) * time::kSecond / kTimerHz + 1)});
  } else {
    timer_.cancel();
  }
}

void PiixPm::power_button() {
  std::lock_guard lock(mutex_);
  state_.status |= kPowerButton;
  update_sci();
}

u8 PiixPm::read_byte(u64 offset) {
  const auto byte_of = [&](u64 value, u64 base) { return static_cast<u8>(value >> (8 * (offset - base))); };
  if (offset < kEnable) return byte_of(state_.status, kStatus);
  if (offset < kControl) return byte_of(state_.enable, kEnable);
  if (offset < kControl + 2) return byte_of(state_.control, kControl);
  if (offset >= kTimer && offset < kTimer + 4) return byte_of(timer_ticks() & low_mask(kTimerBits), kTimer);
  if (offset >= kGpeStatus && offset < kGpeEnable) return byte_of(state_.gpe_status, kGpeStatus);
  if (offset >= kGpeEnable && offset < kGpeEnable + 2) return byte_of(state_.gpe_enable, kGpeEnable);
  return 0;
}

bool PiixPm::write_word(u64 offset, u16 value, u16 mask) {
  const auto merge = [&](u16 old) { return static_cast<u16>((old & ~mask) | (value & mask)); };
  switch (offset) {
    case kStatus: state_.status &= static_cast<u16>(~(value & mask)); break;
    case kEnable: state_.enable = merge(state_.enable) & kEvents; break;
    case kControl: {
      const u16 written = merge(state_.control);
      state_.control = written & static_cast<u16>(~kSleepEnable);
      // SLP_TYP 0 is soft off on this chip; _S5 says so.
      return (written & kSleepEnable) && bits(written, 12, 10) == 0;
    }
    case kGpeStatus: state_.gpe_status &= static_cast<u16>(~(value & mask)); break;
    case kGpeEnable: state_.gpe_enable = merge(state_.gpe_enable); break;
    default: break;
  }
  return false;
}

void PiixPm::pm_io(bus::IoAccess& access) {
  bool power_off = false;
  {
    std::lock_guard lock(mutex_);
    update_timer_status();
    if (access.dir == bus::IoDir::Read) {
      // One reading of the timer for all bytes.
      if (access.offset == kTimer && access.size == 4) {
        access.value = timer_ticks() & low_mask(kTimerBits);
        return;
      }
      for (unsigned i = 0; i < access.size; ++i) access.value |= u64{read_byte(access.offset + i)} << (8 * i);
      return;
    }
    for (unsigned i = 0; i < access.size; ++i) {
      const u64 at = access.offset + i;
      const unsigned shift = at & 1 ? 8 : 0;
      const bool pair = shift == 0 && i + 1 < access.size;
      const u16 value = static_cast<u16>((access.value >> (8 * i) & (pair ? 0xffff : 0xff)) << shift);
      power_off |= write_word(at & ~u64{1}, value, static_cast<u16>(pair ? 0xffff : 0xff << shift));
      i += pair;
    }
    update_sci();
  }
  if (power_off) requests_.power_off();
}

void PiixPm::apm_io(bus::IoAccess& access) {
  const bool command = access.offset == 0 && access.dir == bus::IoDir::Write;
  {
    std::lock_guard lock(mutex_);
    u8& reg = access.offset == 0 ? state_.apm_control : state_.apm_status;
    if (access.dir == bus::IoDir::Read) {
      access.value = reg;
      return;
    }
    reg = static_cast<u8>(access.value);
    if (command && reg == kAcpiEnable) state_.control |= kSciEnable;
    if (command && reg == kAcpiDisable) state_.control &= static_cast<u16>(~kSciEnable);
    update_sci();
  }
  if (command && (config(kDevActB, 4) & kApmcEnable)) requests_.smi();
}

void PiixPm::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  PiixPmState state = state_;
  state.config = config_state();
  snapshot::save_section(writer, name(), 1, state);
}

Result<void> PiixPm::load(snapshot::StateReader& reader) {
  PiixPmState loaded;
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, loaded));
  load_config(loaded.config);
  std::lock_guard lock(mutex_);
  state_ = loaded;
  map();
  update_sci();
  return {};
}

}  // namespace tandem::devices
