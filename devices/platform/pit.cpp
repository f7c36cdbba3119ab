#include "devices/platform/pit.h"

#include "core/base/bits.h"
#include "devices/platform/pit_ticks.h"

namespace tandem::devices {

using namespace pit;

namespace {

// 8254 data sheet, "Control word format", "Read-back command".
constexpr u8 kReadBack = 3, kReadBackNoCount = 0x20, kReadBackNoStatus = 0x10;
constexpr u8 kStatusOut = 0x80, kStatusNull = 0x40;
// Port 0x61.
constexpr u8 kGate2 = 0x01, kSpeaker = 0x02, kRefresh = 0x10, kOut2 = 0x20;
constexpr i64 kRefreshPeriod = 15085;

u32 from_bcd(u32 v) { return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000; }
u16 to_bcd(u32 v) {
  return static_cast<u16>(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

}  // namespace

Pit::Pit(machine::DeviceContext context, irq::EdgeIrq irq)
    : clock_(context.clock),
      irq_(irq),
      ports_(*this, &Pit::io),
      system_(*this, &Pit::system_io),
      ticks_(context, mutex_),
      timer_(context.clock, [this](GuestNs deadline) { fired(deadline); }) {
  reset(machine::ResetKind::PowerOn);
}

void Pit::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  state_ = PitState{};
  state_.channels[2].gate = false;
  state_.channels[2].frozen_ticks = 0;
  start_ticks();
  tell_speaker();
}

u64 Pit::elapsed(const Channel& c) const {
  if (c.frozen_ticks >= 0) return static_cast<u64>(c.frozen_ticks);
  return to_ticks(raw(clock_.now()) - c.loaded);
}

// When a count that is written now replaces the one that runs: modes 2 and 3, at the end of the period or of
// the half.
u64 Pit::reload_tick(const Channel& c) const {
  const u64 t = elapsed(c);
  const u64 phase = t % c.count, half = high_half(c.count);
  return t - phase + (c.mode == 3 && phase < half ? half : c.count);
}

// Loads what was written last, if anything.
void Pit::load(Channel& c, i64 now) {
  if (c.next_count) c.count = c.next_count;
  c.next_count = 0;
  c.loaded = now;
}

// The end of the period or half that the new count waited for.
void Pit::reload(Channel& c) {
  const i64 at = c.loaded + to_ns(c.reload_tick);
  const bool low_half_next = c.reload_tick % c.count != 0;
  load(c, at);
  if (low_half_next) c.loaded = at - to_ns(high_half(c.count));
}

// Brings all channels up to now; before anything looks at them.
void Pit::settle() {
  for (Channel& c : state_.channels)
    if (c.next_count && !c.waiting && c.gate && (c.mode == 2 || c.mode == 3) && elapsed(c) >= c.reload_tick)
      reload(c);
}

bool Pit::out(const Channel& c) const {
  const u64 t = elapsed(c);
  if (c.waiting) return c.mode != 0;
  switch (c.mode) {
    case 0:
    case 1: return t >= c.count;
    case 2: return !c.gate || t % c.count != c.count - 1;
    case 3: return !c.gate || t % c.count < high_half(c.count);
    default: return t != c.count;
  }
}

u16 Pit::counter(const Channel& c) const {
  const u64 t = elapsed(c), modulus = c.bcd ? 10000 : 0x10000;
  const u64 phase = t % c.count;
  u64 value = (c.count + modulus - t % modulus) % modulus;
  if (c.mode == 2) value = c.count - phase;
  // Counts down by two in each half; odd counts begin one lower.
  if (c.mode == 3) value = (c.count & ~1u) - 2 * (phase % high_half(c.count));
  return c.bcd ? to_bcd(static_cast<u32>(value % 10000)) : static_cast<u16>(value);
}

void Pit::latch_count(Channel& c) {
  if (c.latched_bytes) return;
  c.latch = counter(c);
  c.latched_bytes = c.access == 3 ? 2 : 1;
}

void Pit::latch_status(Channel& c) {
  if (c.status_latched) return;
  c.status = static_cast<u8>((out(c) ? kStatusOut : 0) | (c.waiting || c.next_count ? kStatusNull : 0) |
                             c.access << 4 | c.mode << 1 | (c.bcd ? 1 : 0));
  c.status_latched = true;
}

u8 Pit::read_counter(Channel& c) {
  if (c.status_latched) {
    c.status_latched = false;
    return c.status;
  }
  const u16 value = c.latched_bytes ? c.latch : counter(c);
  bool high = c.access == 2;
  if (c.access == 3) {
    high = c.high_read_next;
    c.high_read_next = !high;
  }
  if (c.latched_bytes) --c.latched_bytes;
  return static_cast<u8>(high ? value >> 8 : value);
}

void Pit::write_count(unsigned index, u32 value) {
  Channel& c = state_.channels[index];
  if (c.bcd) value = from_bcd(value);
  if (value == 0) value = c.bcd ? 10000 : 0x10000;
  c.next_count = value;
  const bool periodic = c.mode == 2 || c.mode == 3;
  if (periodic && !c.waiting) {
    c.reload_tick = reload_tick(c);
  } else if (c.mode != 1 && c.mode != 5) {  // those load it by their trigger
    load(c, raw(clock_.now()));
    c.waiting = false;
    c.frozen_ticks = c.gate ? -1 : 0;
  }
  if (index == 0) start_ticks();
}

void Pit::write_counter(unsigned index, u8 value) {
  Channel& c = state_.channels[index];
  if (c.access == 1) return write_count(index, value);
  if (c.access == 2) return write_count(index, static_cast<u32>(value) << 8);
  c.high_write_next = !c.high_write_next;
  if (!c.high_write_next) return write_count(index, c.low_byte | static_cast<u32>(value) << 8);
  c.low_byte = value;
  if (c.mode != 0) return;
  // Mode 0: the first byte stops the count.
  c.frozen_ticks = static_cast<i64>(elapsed(c));
  c.waiting = true;
  if (index == 0) start_ticks();
}

void Pit::write_control(u8 value) {
  const unsigned index = value >> 6;
  if (index == kReadBack) {
    for (unsigned i = 0; i < 3; ++i) {
      if (!(value >> (i + 1) & 1)) continue;
      if (!(value & kReadBackNoCount)) latch_count(state_.channels[i]);
      if (!(value & kReadBackNoStatus)) latch_status(state_.channels[i]);
    }
    return;
  }
  Channel& c = state_.channels[index];
  const u8 access = value >> 4 & 3;
  if (access == 0) return latch_count(c);
  c.access = access;
  c.mode = value >> 1 & 7;
  if (c.mode > 5) c.mode -= 4;
  c.bcd = value & 1;
  c.high_write_next = c.high_read_next = false;
  c.latched_bytes = 0;
  c.status_latched = false;
  c.waiting = true;
  c.next_count = 0;
  if (index == 0) start_ticks();
}

void Pit::set_gate(Channel& c, bool gate) {
  if (gate == c.gate) return;
  const u64 ticks = elapsed(c);
  c.gate = gate;
  const i64 now = raw(clock_.now());
  const bool one_shot = c.mode == 1 || c.mode == 5;
  if (!gate) {
    if (!one_shot) c.frozen_ticks = static_cast<i64>(ticks);
    return;
  }
  c.frozen_ticks = -1;
  if (c.mode == 0 || c.mode == 4) {
    c.loaded = now - to_ns(ticks);
    return;
  }
  if (one_shot && c.next_count) c.waiting = false;
  load(c, now);
}

void Pit::arm() {
  Channel c = state_.channels[0];
  next_edge_ = -1;
  if (c.waiting || !state_.irq_enabled || c.mode == 1 || c.mode == 5) return timer_.cancel();
  const u64 t = elapsed(c);
  u64 edge = c.mode == 4 ? u64{c.count} + 1 : c.count;
  if (c.mode == 2 || c.mode == 3) {
    edge = (t / c.count + 1) * c.count;
    if (c.next_count && c.reload_tick < edge) {
      reload(c);
      edge = c.count;
    }
  } else if (t >= edge) {
    return timer_.cancel();
  }
  next_edge_ = c.loaded + to_ns(edge);
  timer_.arm(GuestNs{next_edge_});
}

void Pit::start_ticks() {
  ticks_.forget();
  arm();
}

void Pit::fired(GuestNs deadline) {
  std::lock_guard lock(mutex_);
  if (next_edge_ < 0 || raw(deadline) < next_edge_) return;
  settle();
  if (const Channel& c = state_.channels[0]; c.mode == 2 || c.mode == 3) {
    const i64 period = to_ns(c.count);
    ticks_.tick(irq_, 1 + static_cast<u64>((raw(clock_.now()) - next_edge_) / period), period);
  } else {
    irq_.pulse();
  }
  arm();
}

void Pit::set_irq_enabled(bool on) {
  std::lock_guard lock(mutex_);
  settle();
  state_.irq_enabled = on;
  start_ticks();
}

void Pit::io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  settle();
  const unsigned index = access.offset & 3;
  if (access.dir == bus::IoDir::Read) access.value = index == 3 ? 0xff : read_counter(state_.channels[index]);
  else if (index == 3) write_control(static_cast<u8>(access.value));
  else write_counter(index, static_cast<u8>(access.value));
  if (access.dir == bus::IoDir::Write) tell_speaker();
}

void Pit::system_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  settle();
  Channel& c = state_.channels[2];
  if (access.dir == bus::IoDir::Write) {
    set_gate(c, access.value & kGate2);
    state_.speaker = access.value & kSpeaker;
    return tell_speaker();
  }
  access.value = (c.gate ? kGate2 : 0u) | (state_.speaker ? kSpeaker : 0u) | (out(c) ? kOut2 : 0u) |
                 (raw(clock_.now()) / kRefreshPeriod & 1 ? kRefresh : 0u);
}

void Pit::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 2, state_);
}

Result<void> Pit::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(snapshot::load_section(reader, name(), 2, state_));
  start_ticks();
  tell_speaker();
  return {};
}

}  // namespace tandem::devices
