#include "devices/platform/hpet.h"

#include <algorithm>

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// IA-PC HPET specification 1.0a, 2.3 "Register descriptions".
constexpr u64 kCapabilities = 0x000, kConfig = 0x010, kStatus = 0x020, kCounter = 0x0f0, kTimer0 = 0x100;
constexpr u64 kTimerConfig = 0x00, kTimerComparator = 0x08, kTimerFsb = 0x10;
constexpr i64 kTickNs = 10;
constexpr u64 kCapabilityValue =
    u64{10'000'000} << 32 | 0x8086u << 16 | 1u << 15 | 1u << 13 | (HpetState::kTimers - 1) << 8 | 1;
constexpr u64 kEnable = 1, kLegacy = 2;
constexpr u64 kLevel = 1u << 1, kIntEnable = 1u << 2, kPeriodic = 1u << 3, kPeriodicCapable = 1u << 4,
              k64Capable = 1u << 5, kValueSet = 1u << 6, k32Bit = 1u << 8, kFsbEnable = 1u << 14,
              kFsbCapable = 1u << 15;
constexpr u64 kRoutes = 0x00f00004;  // I/O APIC pins 2 and 20..23
constexpr u64 kTimerWritable = 0x7f4e;
constexpr i64 kShortest = 2 * time::kMicrosecond;

// A guest may ask for a period of one tick: on from one match, but not at once.
u64 step_of(const HpetTimerState& t) { return std::max<u64>(t.period, kShortest / kTickNs); }

}  // namespace

Hpet::Hpet(machine::DeviceContext context, Wiring wiring)
    : clock_(context.clock), wiring_(std::move(wiring)) {
  for (irq::IrqWire* w : wiring_.routes) levels_.emplace_back(*w);
  for (unsigned n = 0; n < HpetState::kTimers; ++n) {
    irqs_[n] = std::make_unique<TickIrq>(context, mutex_);
    timers_[n] = std::make_unique<time::Timer>(clock_, [this, n](GuestNs) { fired(n); });
  }
  reset(machine::ResetKind::PowerOn);
}

void Hpet::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  if (state_.config & kLegacy) wiring_.set_legacy(false);
  state_ = HpetState{};
  for (HpetTimerState& t : state_.timers)
    t.config = kRoutes << 32 | kPeriodicCapable | k64Capable | kFsbCapable;
  set_anew();
}

// After a change of more than one timer.
void Hpet::set_anew() {
  for (unsigned n = 0; n < HpetState::kTimers; ++n) {
    irqs_[n]->forget();
    arm(n);
  }
  update_levels();
}

u64 Hpet::counter() const {
  if (!(state_.config & kEnable)) return state_.counter;
  return state_.counter + static_cast<u64>((raw(clock_.now()) - state_.started) / kTickNs);
}

// Guest time when the counter will have gone `distance` on; -1 if that is never.
i64 Hpet::time_of(u64 distance) const {
  constexpr u64 kFar = u64{1} << 58;
  if (distance > kFar) return -1;
  const i64 now = raw(clock_.now());
  const i64 into_tick = (now - state_.started) % kTickNs;
  return now - into_tick + static_cast<i64>(distance) * kTickNs;
}

void Hpet::arm(unsigned n) {
  const HpetTimerState& t = state_.timers[n];
  deadlines_[n] = -1;
  if (!(state_.config & kEnable)) return timers_[n]->cancel();
  const u64 mask = t.config & k32Bit ? low_mask(32) : low_mask(64);
  u64 distance = (t.comparator - counter()) & mask;
  if (distance == 0 && (t.config & kPeriodic)) distance = t.period & mask;
  // A match that has just been comes again when the counter, as far as it is compared, has wrapped.
  deadlines_[n] = time_of(distance ? distance : mask == low_mask(64) ? mask : mask + 1);
  if (deadlines_[n] < 0) return timers_[n]->cancel();
  timers_[n]->arm(GuestNs{deadlines_[n]});
}

void Hpet::fired(unsigned n) {
  std::lock_guard lock(mutex_);
  HpetTimerState& t = state_.timers[n];
  if (deadlines_[n] < 0 || raw(clock_.now()) < deadlines_[n]) return;
  u64 matches = 1;
  if ((t.config & kPeriodic) && t.period) {
    const u64 step = step_of(t), mask = t.config & k32Bit ? low_mask(32) : low_mask(64);
    const u64 late = (counter() - t.comparator) & mask;
    matches += late / step;
    t.comparator = (t.comparator + matches * step) & mask;
  }
  raise(n, matches);
  arm(n);
}

irq::IrqWire* Hpet::wire(unsigned n) const {
  if ((state_.config & kLegacy) && n < 2) return wiring_.legacy[n];
  const u64 route = bits(state_.timers[n].config, 13, 9);
  if (route >= wiring_.routes.size() || !(kRoutes >> route & 1)) return nullptr;
  return wiring_.routes[route];
}

void Hpet::raise(unsigned n, u64 matches) {
  const HpetTimerState& t = state_.timers[n];
  if (t.config & kLevel) {
    state_.status |= u64{1} << n;
    return update_levels();
  }
  if (!(t.config & kIntEnable)) return;
  if (t.config & kFsbEnable) return wiring_.msi->send({t.fsb >> 32, static_cast<u32>(t.fsb)});
  irq::IrqWire* const w = wire(n);
  if (!w) return;
  if (t.config & kPeriodic) irqs_[n]->tick(irq::EdgeIrq(*w), matches, static_cast<i64>(step_of(t)) * kTickNs);
  else irq::EdgeIrq(*w).pulse();
}

void Hpet::update_levels() {
  u64 asserted = 0;
  for (unsigned n = 0; n < HpetState::kTimers; ++n) {
    const HpetTimerState& t = state_.timers[n];
    if (!(state_.status >> n & 1) || !(t.config & kIntEnable) || !(t.config & kLevel)) continue;
    if (irq::IrqWire* w = wire(n))
      for (unsigned i = 0; i < wiring_.routes.size(); ++i)
        if (wiring_.routes[i] == w) asserted |= u64{1} << i;
  }
  for (unsigned i = 0; i < levels_.size(); ++i) levels_[i].set(asserted >> i & 1);
}

u64 Hpet::read_reg(u64 offset) const {
  switch (offset) {
    case kCapabilities: return kCapabilityValue;
    case kConfig: return state_.config;
    case kStatus: return state_.status;
    case kCounter: return counter();
    default: break;
  }
  const u64 n = (offset - kTimer0) / 0x20;
  if (offset < kTimer0 || n >= HpetState::kTimers) return 0;
  const HpetTimerState& t = state_.timers[n];
  switch (offset & 0x1f) {
    case kTimerConfig: return t.config;
    case kTimerComparator: return t.config & k32Bit ? t.comparator & low_mask(32) : t.comparator;
    case kTimerFsb: return t.fsb;
    default: return 0;
  }
}

void Hpet::write_config(u64 value) {
  const u64 changed = state_.config ^ value;
  if (changed & kEnable) {
    if (value & kEnable) state_.started = raw(clock_.now());
    else state_.counter = counter();
  }
  state_.config = value & (kEnable | kLegacy);
  if (changed & kLegacy) wiring_.set_legacy(value & kLegacy);
  set_anew();
}

void Hpet::write_timer(unsigned n, u64 reg, u64 value) {
  HpetTimerState& t = state_.timers[n];
  if (reg == kTimerConfig) {
    t.config = (t.config & ~kTimerWritable) | (value & kTimerWritable);
    if (t.config & k32Bit) t.comparator &= low_mask(32);
  } else if (reg == kTimerComparator) {
    if (t.config & k32Bit) value &= low_mask(32);
    // 2.3.9.2.2: in periodic mode the value goes to the accumulator only after VAL_SET was written.
    if (!(t.config & kPeriodic) || (t.config & kValueSet)) t.comparator = value;
    if (t.config & kPeriodic) t.period = value;
    t.config &= ~kValueSet;
  } else if (reg == kTimerFsb) {
    t.fsb = value;
  }
  irqs_[n]->forget();
  arm(n);
  update_levels();
}

void Hpet::write_reg(u64 offset, u64 value) {
  switch (offset) {
    case kConfig: return write_config(value);
    case kStatus: state_.status &= ~value; return update_levels();
    case kCounter:
      if (!(state_.config & kEnable)) state_.counter = value;
      return;
    default: break;
  }
  const u64 n = (offset - kTimer0) / 0x20;
  if (offset >= kTimer0 && n < HpetState::kTimers)
    write_timer(static_cast<unsigned>(n), offset & 0x1f, value);
}

void Hpet::io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  const u64 reg = access.offset & ~u64{7};
  const unsigned shift = (access.offset & 7) * 8;
  if (access.dir == bus::IoDir::Read) {
    access.value = read_reg(reg) >> shift;
    return;
  }
  if (access.size < 4 || (access.offset & 3)) return;
  if (access.size == 8) return write_reg(reg, access.value);
  // Half a register: the other half stays. Writes of 1 clear status bits, so there the other half is 0.
  const u64 mask = low_mask(32) << shift;
  const u64 old = reg == kStatus ? 0 : read_reg(reg);
  u64 value = (old & ~mask) | access.value << shift;
  const u64 n = (reg - kTimer0) / 0x20;
  const bool comparator = reg >= kTimer0 && n < HpetState::kTimers && (reg & 0x1f) == kTimerComparator;
  if (comparator && shift == 0 && (state_.timers[n].config & kPeriodic)) value &= low_mask(32);
  write_reg(reg, value);
}

void Hpet::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

Result<void> Hpet::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  const bool legacy = state_.config & kLegacy;
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, state_));
  if (legacy != static_cast<bool>(state_.config & kLegacy)) wiring_.set_legacy(!legacy);
  set_anew();
  return {};
}

}  // namespace tandem::devices
