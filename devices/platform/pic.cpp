#include "devices/platform/pic.h"

#include "core/base/bits.h"

namespace tandem::devices {

namespace {

// 8259A data sheet, "Initialization command words" and "Operation command words".
constexpr u8 kIcw1 = 0x10, kIcw1Ic4 = 0x01, kIcw1Single = 0x02;
constexpr u8 kIcw4AutoEoi = 0x02, kIcw4SpecialFullyNested = 0x10;
constexpr u8 kOcw3 = 0x08, kOcw3Poll = 0x04, kOcw3ReadCommand = 0x02, kOcw3ReadIsr = 0x01,
             kOcw3MaskCommand = 0x40, kOcw3SpecialMask = 0x20;
constexpr int kCascade = 2, kSpurious = 7;
// PIIX3: IRQ0, 1, 2, 8 and 13 are always edge-triggered.
constexpr u8 kElcrWritable[2] = {0xf8, 0xde};

// Distance from the highest priority, or 8.
unsigned priority(const PicChipState& chip, u8 mask) {
  for (unsigned i = 0; i < 8; ++i)
    if (mask >> ((chip.lowest_priority + 1 + i) & 7) & 1) return i;
  return 8;
}

// What holds back lower levels and what a non-specific EOI ends: special mask mode leaves masked levels out.
u8 in_service(const PicChipState& chip) {
  return chip.special_mask ? chip.isr & static_cast<u8>(~chip.imr) : chip.isr;
}

}  // namespace

Pic::Pic(machine::DeviceContext context, std::function<void(bool)> intr)
    : intr_(std::move(intr)),
      spurious_(context.counters.get("pic.spurious")),
      master_ports_(*this, &Pic::master_io),
      slave_ports_(*this, &Pic::slave_io),
      elcr_ports_(*this, &Pic::elcr_io) {}

void Pic::set_input(Chip& chip, unsigned pin, bool level) {
  const u8 mask = static_cast<u8>(1u << pin);
  const bool was = chip.lines & mask;
  chip.lines = static_cast<u8>(set_bit(chip.lines, pin, level));
  if (chip.elcr & mask) chip.irr = static_cast<u8>(set_bit(chip.irr, pin, level));
  else if (level && !was) chip.irr |= mask;
}

int Pic::request(const Chip& chip, bool master) {
  const u8 pending = chip.irr & static_cast<u8>(~chip.imr);
  const unsigned best = priority(chip, pending);
  if (best == 8) return -1;
  const int pin = static_cast<int>((chip.lowest_priority + 1 + best) & 7);
  const unsigned serving = priority(chip, in_service(chip));
  // Special fully nested mode: a slave in service may interrupt itself.
  const bool again = master && chip.special_fully_nested && pin == kCascade && serving == best;
  return best < serving || again ? pin : -1;
}

void Pic::take(Chip& chip, unsigned pin) {
  const u8 mask = static_cast<u8>(1u << pin);
  if (!chip.auto_eoi) chip.isr |= mask;
  else if (chip.rotate_on_auto_eoi) chip.lowest_priority = static_cast<u8>(pin);
  if (!(chip.elcr & mask)) chip.irr &= static_cast<u8>(~mask);
}

void Pic::update() {
  // The slave's INT follows its request; between two requests of the slave it falls, and so makes an edge.
  set_input(state_.chips[0], kCascade, request(state_.chips[1], false) >= 0);
  const bool level = request(state_.chips[0], true) >= 0;
  if (level != intr_level_) {
    intr_level_ = level;
    intr_(level);
  }
}

irq::EdgeEffect Pic::set_irq(unsigned pin, bool level) {
  using enum irq::EdgeEffect;
  if (pin == kCascade || pin > 15) return None;
  std::lock_guard lock(mutex_);
  Chip& chip = state_.chips[pin >> 3];
  const bool waits = chip.irr >> (pin & 7) & 1, masked = chip.imr >> (pin & 7) & 1;
  set_input(chip, pin & 7, level);
  update();
  return !level || masked ? None : waits ? Coalesced : Requested;
}

u8 Pic::acknowledge() {
  std::lock_guard lock(mutex_);
  return acknowledge_locked();
}

u8 Pic::acknowledge_locked() {
  Chip& master = state_.chips[0];
  Chip& slave = state_.chips[1];
  const int pin = request(master, true);
  if (pin < 0) {
    spurious_.fetch_add(1, std::memory_order_relaxed);
    return static_cast<u8>(master.vector_base + kSpurious);
  }
  take(master, static_cast<unsigned>(pin));
  u8 vector = static_cast<u8>(master.vector_base + pin);
  if (pin == kCascade) {
    const int slave_pin = request(slave, false);
    if (slave_pin >= 0) take(slave, static_cast<unsigned>(slave_pin));
    vector = static_cast<u8>(slave.vector_base + (slave_pin < 0 ? kSpurious : slave_pin));
    set_input(master, kCascade, false);
  }
  update();
  return vector;
}

void Pic::io(Chip& chip, bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  if (access.dir == bus::IoDir::Read) access.value = read(chip, access.offset);
  else if (access.offset == 0) write_command(chip, static_cast<u8>(access.value));
  else write_data(chip, static_cast<u8>(access.value));
}

u8 Pic::read(Chip& chip, u64 offset) {
  if (chip.poll) {
    chip.poll = false;
    const int pin = request(chip, &chip == &state_.chips[0]);
    if (pin < 0) return 0;
    take(chip, static_cast<unsigned>(pin));
    update();
    return static_cast<u8>(0x80 | pin);
  }
  if (offset == 1) return chip.imr;
  return chip.read_isr ? chip.isr : chip.irr;
}

void Pic::write_command(Chip& chip, u8 value) {
  if (value & kIcw1) {
    const u8 lines = chip.lines, elcr = chip.elcr;
    chip = Chip{};
    chip.lines = lines;
    chip.elcr = elcr;
    chip.irr = lines & elcr;  // edge inputs must rise again
    chip.init_step = 2;
    chip.init_needs_icw4 = value & kIcw1Ic4;
    chip.single = value & kIcw1Single;
  } else if (value & kOcw3) {
    chip.poll = value & kOcw3Poll;
    if (value & kOcw3ReadCommand) chip.read_isr = value & kOcw3ReadIsr;
    if (value & kOcw3MaskCommand) chip.special_mask = value & kOcw3SpecialMask;
  } else {
    write_ocw2(chip, value);
  }
  update();
}

void Pic::write_ocw2(Chip& chip, u8 value) {
  const u8 named = value & 7;
  const unsigned serving = priority(chip, in_service(chip));
  const u8 highest = static_cast<u8>((chip.lowest_priority + 1 + serving) & 7);
  switch (value >> 5) {
    case 0: chip.rotate_on_auto_eoi = false; break;
    case 4: chip.rotate_on_auto_eoi = true; break;
    case 1:  // non-specific EOI
    case 5:  // and rotate
      if (serving == 8) break;
      chip.isr &= static_cast<u8>(~(1u << highest));
      if (value >> 5 == 5) chip.lowest_priority = highest;
      break;
    case 7: chip.lowest_priority = named; [[fallthrough]];
    case 3: chip.isr &= static_cast<u8>(~(1u << named)); break;
    case 6: chip.lowest_priority = named; break;
    default: break;
  }
}

void Pic::write_data(Chip& chip, u8 value) {
  switch (chip.init_step) {
    case 2:
      chip.vector_base = value & 0xf8;
      chip.init_step = chip.single ? (chip.init_needs_icw4 ? 4 : 0) : 3;
      break;
    case 3: chip.init_step = chip.init_needs_icw4 ? 4 : 0; break;
    case 4:
      chip.special_fully_nested = value & kIcw4SpecialFullyNested;
      chip.auto_eoi = value & kIcw4AutoEoi;
      chip.init_step = 0;
      break;
    default: chip.imr = value; break;
  }
  update();
}

void Pic::elcr_io(bus::IoAccess& access) {
  std::lock_guard lock(mutex_);
  Chip& chip = state_.chips[access.offset & 1];
  if (access.dir == bus::IoDir::Read) {
    access.value = chip.elcr;
    return;
  }
  chip.elcr = static_cast<u8>(access.value) & kElcrWritable[access.offset & 1];
  // A level pin requests what its line says; what it had latched as an edge is gone.
  chip.irr = static_cast<u8>((chip.irr & ~chip.elcr) | (chip.lines & chip.elcr));
  update();
}

void Pic::reset(machine::ResetKind) {
  std::lock_guard lock(mutex_);
  for (Chip& chip : state_.chips) {
    const u8 lines = chip.lines;
    chip = Chip{};
    chip.lines = lines;
  }
  update();
}

PicState Pic::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

void Pic::save(snapshot::StateWriter& writer) const {
  std::lock_guard lock(mutex_);
  snapshot::save_section(writer, name(), 1, state_);
}

Result<void> Pic::load(snapshot::StateReader& reader) {
  std::lock_guard lock(mutex_);
  TANDEM_TRY(snapshot::load_section(reader, name(), 1, state_));
  intr_level_ = request(state_.chips[0], true) >= 0;
  intr_(intr_level_);
  return {};
}

}  // namespace tandem::devices
