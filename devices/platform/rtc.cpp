#include "devices/platform/rtc.h"

#include <chrono>

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// MC146818A data sheet, "Address map" and "Registers".
enum : u8 {
  kSeconds = 0,
  kSecondsAlarm = 1,
  kMinutes = 2,
  kMinutesAlarm = 3,
  kHours = 4,
  kHoursAlarm = 5,
  kWeekday = 6,
  kDay = 7,
  kMonth = 8,
  kYear = 9,
  kA = 10,
  kB = 11,
  kC = 12,
  kD = 13,
  kCentury = 0x32,
};
constexpr u8 kUpdateInProgress = 0x80;
constexpr u8 kBSet = 0x80, kBPeriodic = 0x40, kBUpdate = 0x10, kBBinary = 0x04, kB24Hour = 0x02,
             kBDaylight = 0x01;
constexpr u8 kCIrq = 0x80, kCPeriodic = 0x40, kCAlarm = 0x20, kCUpdate = 0x10;
constexpr u8 kDValid = 0x80;
constexpr u8 kPm = 0x80;
// Register A's DV: the divider is held in reset.
constexpr u8 kADividerReset = 0x60;
constexpr i64 kFirstUpdate = 500 * time::kMillisecond;    // after the divider's reset
constexpr i64 kUpdateWarning = 244 * time::kMicrosecond;  // UIP rises so long before an update

bool is_time(u8 index) {
  return index == kSeconds || index == kMinutes || index == kHours || (index >= kWeekday && index <= kYear) ||
         index == kCentury;
}

i64 floor_div(i64 a, i64 b) { return a / b - (a % b < 0); }

}  // namespace

Rtc::Rtc(machine::DeviceContext context, irq::LevelIrq irq, DateSource date)
    : clock_(context.clock),
      irq_(irq),
      second_timer_(context.clock, [this](GuestNs) { second(); }),
      periodic_timer_(context.clock, [this](GuestNs) { periodic(); }) {
  state_.base_seconds = date();
  state_.base_ns = raw(clock_.now());
  state_.cmos[kA] = 0x26;  // 32768 Hz time base, 1024 Hz
  state_.cmos[kB] = kB24Hour;
  state_.cmos[kD] = kDValid;
  reset(machine::ResetKind::PowerOn);
}

void Rtc::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  // RESET# clears the enables and flags; the date and the memory are on the battery.
  state_.index = 0;
  state_.irq_enabled = true;
  state_.cmos[kB] &= kBSet | kBBinary | kB24Hour | kBDaylight;
  state_.cmos[kC] = 0;
  date_to_cmos();
  update_irq();
  arm();
}

void Rtc::set_cmos(u8 index, u8 value) {
  std::lock_guard lock(mutex_);
  state_.cmos[index & 0x7f] = value;
}

void Rtc::set_irq_enabled(bool on) {
  std::lock_guard lock(mutex_);
  state_.irq_enabled = on;
  update_irq();
}

i64 Rtc::date() const {
  if (divider_held()) return state_.base_seconds;
  return state_.base_seconds + floor_div(raw(clock_.now()) - state_.base_ns, time::kSecond);
}

u8 Rtc::encode(unsigned v) const {
  return static_cast<u8>(state_.cmos[kB] & kBBinary ? v : v % 10 | v / 10 % 10 << 4);
}
unsigned Rtc::decode(u8 v) const { return state_.cmos[kB] & kBBinary ? v : (v & 15) + (v >> 4) * 10u; }

void Rtc::date_to_cmos() {
  using namespace std::chrono;
  if (state_.cmos[kB] & kBSet) return;
  const i64 all = date();
  const i64 days_since = floor_div(all, 86400);
  const unsigned second_of_day = static_cast<unsigned>(all - days_since * 86400);
  const sys_days day{days{days_since}};
  const year_month_day ymd{day};
  const unsigned hour = second_of_day / 3600;
  const unsigned year_number = static_cast<unsigned>(static_cast<int>(ymd.year()));
  auto& c = state_.cmos;
  c[kSeconds] = encode(second_of_day % 60);
  c[kMinutes] = encode(second_of_day / 60 % 60);
  if (c[kB] & kB24Hour) c[kHours] = encode(hour);
  else c[kHours] = static_cast<u8>(encode(hour % 12 ? hour % 12 : 12) | (hour >= 12 ? kPm : 0));
  c[kWeekday] = encode(weekday{day}.c_encoding() + 1);
  c[kDay] = encode(static_cast<unsigned>(ymd.day()));
  c[kMonth] = encode(static_cast<unsigned>(ymd.month()));
  c[kYear] = encode(year_number % 100);
  c[kCentury] = encode(year_number / 100 % 100);
}

void Rtc::date_from_cmos() {
  using namespace std::chrono;
  const auto& c = state_.cmos;
  unsigned hour = decode(c[kHours] & (c[kB] & kB24Hour ? 0xff : 0x7f));
  if (!(c[kB] & kB24Hour)) hour = hour % 12 + (c[kHours] & kPm ? 12 : 0);
  const year_month_day ymd{year{static_cast<int>(decode(c[kCentury]) * 100 + decode(c[kYear]))},
                           month{decode(c[kMonth])}, day{decode(c[kDay])}};
  if (!ymd.ok()) return;  // such a date does not come: the clock goes on as it was
  state_.base_seconds = i64{sys_days{ymd}.time_since_epoch().count()} * 86400 + hour * 3600 +
                        decode(c[kMinutes]) * 60 + decode(c[kSeconds]);
  // The divider goes on: the next update comes when it would have come.
  state_.base_ns += floor_div(raw(clock_.now()) - state_.base_ns, time::kSecond) * time::kSecond;
}

bool Rtc::divider_held() const { return (state_.cmos[kA] & kADividerReset) == kADividerReset; }

bool Rtc::alarm_matches() const {
  const auto& c = state_.cmos;
  const auto one = [&](u8 alarm, u8 now) { return (c[alarm] & 0xc0) == 0xc0 || c[alarm] == c[now]; };
  return one(kSecondsAlarm, kSeconds) && one(kMinutesAlarm, kMinutes) && one(kHoursAlarm, kHours);
}

i64 Rtc::period() const {
  const unsigned rate = state_.cmos[kA] & 15;
  if (rate == 0 || (state_.cmos[kA] & 0x70) > 0x20) return 0;
  const unsigned shift = (rate <= 2 ? rate + 7 : rate) - 1;
  return (time::kSecond << shift) / 32768;
}

// PF is set at each boundary, whether or not its interrupt is enabled.
void Rtc::update_periodic() {
  const i64 p = period();
  if (p == 0) return;
  const i64 boundary = raw(clock_.now()) / p * p;
  if (boundary > state_.last_periodic) state_.cmos[kC] |= kCPeriodic;
  state_.last_periodic = boundary;
}

void Rtc::update_irq() {
  auto& c = state_.cmos;
  const bool on = c[kC] & c[kB] & (kCPeriodic | kCAlarm | kCUpdate);
  c[kC] = static_cast<u8>(set_bit(c[kC], 7, on));
  irq_.set(on && state_.irq_enabled);
}

void Rtc::arm() {
  const i64 now = raw(clock_.now());
  next_second_ = state_.base_ns + (floor_div(now - state_.base_ns, time::kSecond) + 1) * time::kSecond;
  if (divider_held()) second_timer_.cancel();
  else second_timer_.arm(GuestNs{next_second_});
  if (const i64 p = period(); p && (state_.cmos[kB] & kBPeriodic))
    periodic_timer_.arm(GuestNs{(now / p + 1) * p});
  else periodic_timer_.cancel();
}

void Rtc::second() {
  std::lock_guard lock(mutex_);
  if (divider_held() || raw(clock_.now()) < next_second_) return arm();
  if (!(state_.cmos[kB] & kBSet)) {
    date_to_cmos();
    state_.cmos[kC] |= kCUpdate;
    if (alarm_matches()) state_.cmos[kC] |= kCAlarm;
    update_irq();
  }
  arm();
}

void Rtc::periodic() {
  std::lock_guard lock(mutex_);
  update_periodic();
  update_irq();
  arm();
}

u8 Rtc::read() {
  auto& c = state_.cmos;
  if (is_time(state_.index)) date_to_cmos();
  switch (state_.index) {
    case kA: {
      const i64 into = (raw(clock_.now()) - state_.base_ns) % time::kSecond;
      const bool updating = !(c[kB] & kBSet) && !divider_held() && into >= time::kSecond - kUpdateWarning;
      return static_cast<u8>((c[kA] & 0x7f) | (updating ? kUpdateInProgress : 0));
    }
    case kC: {
      update_periodic();
      const u8 value = c[kC];
      c[kC] = 0;
      update_irq();
      return value;
    }
    default: return c[state_.index];
  }
}

void Rtc::write_control_a(u8 value) {
  const bool was_held = divider_held();
  const i64 until_now = date();
  state_.cmos[kA] = value & 0x7f;
  if (divider_held() != was_held) {
    state_.base_seconds = until_now;
    state_.base_ns = raw(clock_.now()) - (was_held ? time::kSecond - kFirstUpdate : 0);
  }
  state_.last_periodic = raw(clock_.now());
  arm();
}

void Rtc::write_control_b(u8 value) {
  auto& c = state_.cmos;
  const bool was_set = c[kB] & kBSet;
  if (!was_set) date_to_cmos();
  if ((value & kBPeriodic) && !(c[kB] & kBPeriodic)) state_.last_periodic = raw(clock_.now());
  c[kB] = value & kBSet ? value & static_cast<u8>(~kBUpdate) : value;
  if (was_set && !(value & kBSet)) date_from_cmos();
  update_irq();
  arm();
}

void Rtc::write(u8 value) {
  auto& c = state_.cmos;
  switch (state_.index) {
    case kA: return write_control_a(value);
    case kB: return write_control_b(value);
    case kC:
    case kD: return;
    default: break;
  }
  if (!is_time(state_.index)) {
    c[state_.index] = value;
    return;
  }
  date_to_cmos();
  c[state_.index] = value;
  if (c[kB] & kBSet) return;
  date_from_cmos();
  arm();
}

void Rtc::io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.offset == 0) {
    if (access.dir == bus::IoDir::Read) access.value = 0xff;
    else state_.index = access.value & 0x7f;
    return;
  }
  if (access.dir == bus::IoDir::Read) access.value = read();
  else write(static_cast<u8>(access.value));
}

void Rtc::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

Result<void> Rtc::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, state_));
  irq_.set((state_.cmos[kC] & kCIrq) && state_.irq_enabled);
  arm();
  return {};
}

}  // namespace tandem::devices
